"""An emulated modem, as a host sees it: every answer, every quirk, in its time."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modem.profile import load_profile, profile_names
from drivers.modem.protocol import (
    Audio,
    CallerId,
    Code,
    EndOfAudio,
    Key,
    KeyReleased,
    Noise,
    Report,
    Result,
    Ring,
    Text,
    Word,
)
from ivrd.clock import LoopClock
from ivrd.events import T_FAULT
from sim.caller import ScriptedCaller
from sim.debtor import Debtor, Does
from sim.modem import Doing
from sim.modem_bank import ModemBank, PtyPort, plug_into_memory
from sim.modem_line import NO_DIAL_TONE, HangUpSign, Hook, LineTiming
from sim.modem_wire import Trouble
from sim.party import Ending, Party
from sim.phone import BUSY, NO_ANSWER, SWITCHED_OFF, TRUNK_DOWN, UNALLOCATED, Fails, Outcome, Rings
from sim.script import parse_script
from tests.sim.echo_line import Voice
from tests.sim.modem_host import QUICK, QUICK_LINE, Host, SerialHost, vocabulary_of

OK = Result(Word.OK)


class Person(Party):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.was_answered = False
        self.ended_by: Ending | None = None

    def answered(self) -> None:
        self.was_answered = True

    def ended(self, by: Ending) -> None:
        self.ended_by = by


@pytest.fixture(params=profile_names())
def each(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    host = Host(tmp_path, request.param)
    host.ready()
    return host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.ready()
    return host


def answered_call(host: Host, party: Party | None = None) -> Party:
    """Let somebody call, and answer."""
    party = party or Person()
    host.bank.call("13900001111", "170", party)
    assert OK in host.ask("AT+VLS=1")
    host.events()
    return party


def play(host: Host, *names: str) -> None:
    """Begin to play sentences, with the end of the stream behind them."""
    assert host.ask("AT+VTX") == [Result(Word.CONNECT)]
    host.wire.write(host.samples(*names) + host.encoder.end_of_play)


# Commands ---------------------------------------------------------------------------------------


def test_each_model_takes_its_own_init_and_says_what_it_is(each: Host) -> None:
    assert each.ask("AT+GMM") == [Text(each.profile.model or each.profile.title), OK]
    assert each.ask("AT+GMR") == [Text(each.profile.firmware), OK]
    assert each.ask("AT+FCLASS?") == [Text("8"), OK]
    assert each.ask("AT+VSM?") == [Text(each.profile.vsm), OK]


def test_commands_of_one_line_are_done_up_to_the_first_that_is_wrong(host: Host) -> None:
    assert host.ask("ATE0V1+VGT=130;+VGR=131") == [OK]
    assert host.ask("AT+VGT=140;+NONE=1;+VGR=141") == [Result(Word.ERROR)]
    assert host.ask("AT+VGT?;+VGR?") == [Text("140"), Text("131"), OK]


@pytest.mark.parametrize(
    "line", ["AT+NONE", "AT+VSM=99,8000", "AT+VGT=256", "AT+FCLASS=3", "AT+VTX", "ATS7=x", "AT@"]
)
def test_what_the_modem_cannot_do_is_an_error(host: Host, line: str) -> None:
    assert host.ask(line) == [Result(Word.ERROR)]


def test_voice_commands_need_voice_mode(host: Host) -> None:
    assert host.ask("AT+FCLASS=0") == [OK]
    assert host.ask("AT+VGT=128") == [Result(Word.ERROR)]


def test_commands_are_echoed_until_it_is_switched_off(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert host.ask("AT") == [Text("AT"), OK]
    host.ask("ATE0")
    assert host.ask("AT") == [OK]


# Incoming calls ---------------------------------------------------------------------------------


def test_it_rings_with_the_caller_id_between_first_ring_and_second(each: Host) -> None:
    start_s = each.clock.monotonic()
    each.bank.call("13900001111", "170", Person())
    each.clock.run_for(11)
    told = [(round(at_s - start_s, 3), event) for at_s, event in each.heard[-4:]]
    number = CallerId("13900001111", "", "1102", "0900")
    assert told == [(0.0, Ring()), (2.5, number), (5.0, Ring()), (10.0, Ring())]


def test_raw_caller_id_says_the_same_and_a_withheld_number_says_so(host: Host) -> None:
    host.ask("AT+VCID=2")
    host.events()
    host.bank.call("", "170", Person())
    host.clock.run_for(3)
    assert host.events() == [Ring(), CallerId("", "", "1102", "0900", "P")]


def test_nothing_tells_that_a_caller_gave_up_but_that_it_rings_no_more(host: Host) -> None:
    leg = host.bank.call("1", "170", Person())
    host.clock.run_for(4)
    assert leg
    leg.hang_up()
    host.events()
    host.clock.run_for(30)
    assert host.events() == []
    assert host.modem.line.free


def test_off_hook_answers_and_on_hook_ends_the_call(each: Host) -> None:
    person = answered_call(each)
    assert isinstance(person, Person)
    assert person.was_answered
    assert each.bank.call("2", "170", Person()) is None
    assert each.ask("AT+VLS=0") == [OK]
    assert person.ended_by is Ending.IVRD
    assert each.modem.line.free


def test_usr_tells_its_own_answer_as_a_local_phone(tmp_path: Path) -> None:
    for profile in profile_names():
        host = Host(tmp_path, profile)
        host.ready()
        host.bank.call("1", "170", Person())
        came = Report(Code.LOCAL_OFF_HOOK, "H") in host.ask("AT+VLS=1")
        assert came == (profile == "usr5637")


def test_off_hook_without_a_call_hears_dial_tone(host: Host) -> None:
    host.ask("AT+VLS=1")
    host.events()
    host.clock.run_for(1)
    assert host.events() == [Report(Code.DIAL_TONE, "d")]


# Playing ----------------------------------------------------------------------------------------


def test_what_is_played_is_heard_to_the_sample_and_in_its_time(each: Host) -> None:
    person = answered_call(each)
    play(each, "welcome", "enter_month")
    start_s = each.clock.monotonic()
    each.events()
    each.clock.run_while(lambda: each.modem.doing is Doing.PLAYING, 10)
    # the buffer is looked at every 20 ms; the doubled DLE of the end code is one sample more
    assert each.clock.monotonic() - start_s == pytest.approx(3.0, abs=0.021)
    assert each.events() == [Result(each.profile.ends_with)]
    heard = [(heard.prompt.text, heard.samples) for heard in person.leg.heard()]
    assert heard == [("welcome", 8000), ("enter_month", 16000)]
    assert each.modem.underruns == 0


def test_the_modem_takes_no_more_than_its_buffer_holds(host: Host) -> None:
    answered_call(host)
    play(host, "enter_month")
    waiting = host.wire.out_waiting
    assert len(host.samples("enter_month")) - waiting == pytest.approx(2048, abs=200)
    host.clock.run_for(1.0)
    assert waiting - host.wire.out_waiting == pytest.approx(8000, abs=1300)


def test_a_host_that_is_late_is_told_once_and_loses_nothing(host: Host) -> None:
    person = answered_call(host)
    host.ask("AT+VTX")
    samples = host.samples("welcome")
    host.wire.write(samples[:800])
    host.clock.run_for(1.0)
    assert host.events()[-1] == Report(Code.UNDERRUN, "u")
    host.clock.run_for(1.0)
    assert host.events() == []
    host.wire.write(samples[800:] + host.encoder.end_of_play)
    host.clock.run_for(1.5)
    assert host.events() == [OK]
    assert host.modem.underruns == 1
    assert [heard.samples for heard in person.leg.heard()] == [8000]


@pytest.mark.parametrize("after_s", [0.1, 0.5, 0.95])
def test_abort_cuts_the_play_at_once(each: Host, after_s: float) -> None:
    person = answered_call(each)
    play(each, "welcome")
    each.clock.run_for(after_s)
    each.events()
    # what the host has not sent yet it would send no more; here it is sent, and is not played
    each.clock.run_while(lambda: each.wire.out_waiting > 0, 1)
    start_s = each.clock.monotonic()
    each.wire.write(each.encoder.abort_play)
    each.clock.run_for(0.3)
    assert each.when(Result(each.profile.ends_with)) - start_s <= 0.021
    (heard,) = person.leg.heard()
    assert heard.samples < 8000
    assert each.ask("AT") == [OK]


def test_a_play_can_be_held_and_go_on(host: Host) -> None:
    person = answered_call(host)
    play(host, "welcome")
    host.clock.run_for(0.8)
    host.wire.write(host.encoder.pause)
    host.clock.run_for(5)
    doing = [host.modem.doing]
    host.wire.write(host.encoder.resume)
    host.clock.run_for(0.5)
    assert [*doing, host.modem.doing] == [Doing.PLAYING, Doing.COMMAND]
    assert [heard.samples for heard in person.leg.heard()] == [8000]


def test_conexant_ends_a_stream_only_by_a_tripled_dle(tmp_path: Path) -> None:
    host = Host(tmp_path, "conexant-cx930xx")
    host.ready()
    answered_call(host)
    host.ask("AT+VTX")
    host.wire.write(host.samples("goodbye") + b"\x10\x03")
    host.clock.run_for(2)
    doing = [host.modem.doing]
    host.wire.write(b"\x10\x10\x10\x03")
    host.clock.run_for(0.1)
    assert [*doing, host.modem.doing] == [Doing.PLAYING, Doing.COMMAND]


def test_a_command_right_behind_the_stream_waits_for_its_end(host: Host) -> None:
    answered_call(host)
    play(host, "goodbye")
    host.wire.write(b"AT+VLS=0\r")
    host.clock.run_for(0.3)
    assert host.modem.off_hook
    host.clock.run_for(0.5)
    assert not host.modem.off_hook


def test_a_recording_of_a_silent_caller_is_silence(host: Host) -> None:
    answered_call(host)
    host.decoder.record_next()
    assert host.ask("AT+VRX") == [Result(Word.CONNECT)]
    host.events()
    host.clock.run_for(1.0)
    host.wire.write(host.encoder.end_of_recording)
    events = host.events()
    samples = b"".join(event.samples for event in events if isinstance(event, Audio))
    assert samples == b"\x80" * len(samples)
    assert len(samples) == pytest.approx(8000, abs=160)
    assert [event for event in events if not isinstance(event, Audio)] == [EndOfAudio(), OK]


# Keys -------------------------------------------------------------------------------------------


def test_keys_come_shielded_and_repeated_and_count_once(each: Host) -> None:
    person = answered_call(each)
    each.modem.line.timing = LineTiming(key_s=0.12)  # 80 ms of it once it is recognised
    raw: list[bytes] = []
    each.wire.host = raw.append
    for key in "115#":
        person.leg.key(key)
    each.clock.run_for(2)
    assert b"".join(raw) == b"".join(b"\x10/\x10%c\x10%c\x10~" % (k, k) for k in b"115#")
    assert [e for e in each.decoder.feed(b"".join(raw)) if isinstance(e, Key)] == [
        Key("1"), Key("1"), Key("5"), Key("#")
    ]  # fmt: skip


def test_a_long_key_is_repeated_every_70_ms(tmp_path: Path) -> None:
    host = Host(tmp_path, line_timing=LineTiming(key_s=1.0))
    host.ready()
    person = answered_call(host)
    raw: list[bytes] = []
    host.wire.host = raw.append
    person.leg.key("7")
    host.clock.run_for(2)
    assert raw.count(b"\x107") == 14  # recognised after 40 ms, then 13 more in 960 ms


def test_keys_are_told_while_it_plays(host: Host) -> None:
    person = answered_call(host)
    play(host, "enter_month")
    host.clock.run_for(0.5)
    host.events()
    person.leg.key("4")
    host.clock.run_for(0.2)
    assert host.events() == [Key("4"), KeyReleased()]


# The far end hangs up ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "sign", "told"),
    [
        ("usr5637", None, [Report(Code.BUSY, "b")]),
        ("usr5637", HangUpSign.LOOP, [Report(Code.BUSY, "b")]),
        ("generic-v253", None, [Report(Code.LOOP_BROKEN, "l"), Report(Code.BUSY, "b")]),
        ("generic-v253", HangUpSign.BUSY, [Report(Code.BUSY, "b")]),
        ("generic-v253", HangUpSign.SILENCE, []),
    ],
)
def test_a_hang_up_is_told_as_exchange_and_model_have_it(
    tmp_path: Path, profile: str, sign: HangUpSign | None, told: list[Report]
) -> None:
    host = Host(tmp_path, profile, sign=sign)
    host.ready()
    person = answered_call(host)
    person.leg.hang_up()
    host.clock.run_for(4)
    assert host.events() == told
    assert isinstance(person, Person)
    assert person.ended_by is Ending.FAR_END


def test_busy_tone_is_told_again_while_it_lasts(host: Host) -> None:
    answered_call(host).leg.hang_up()
    host.clock.run_for(12)
    assert host.events() == [Report(Code.BUSY, "b")] * 3
    host.ask("AT+VLS=0")
    host.events()
    host.clock.run_for(12)
    assert host.events() == []


# Dialling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (BUSY, [Report(Code.BUSY, "b"), Result(Word.BUSY)]),
        (TRUNK_DOWN, [Report(Code.FAST_BUSY, "K"), Result(Word.BUSY)]),
        (UNALLOCATED, [Report(Code.SIT, "J"), Report(Code.FAST_BUSY, "K"), Result(Word.BUSY)]),
        (Fails(T_FAULT, {"cause": NO_DIAL_TONE}), [Result(Word.NO_DIALTONE)]),
        (SWITCHED_OFF, [Result(Word.VCON)]),  # a voice says so, and no modem understands it
        (Rings(Person, rings=2), [Report(Code.RINGBACK, "r")] * 2 + [Result(Word.VCON)]),
        (NO_ANSWER, [Report(Code.RINGBACK, "r")] * 12 + [Result(Word.NO_ANSWER)]),
    ],
)
def test_a_dial_is_told_by_tones_and_a_result(each: Host, outcome: Outcome, told: object) -> None:
    each.bank.parties["+8613900001111"] = outcome
    assert each.ask("ATDT8613900001111", within_s=100) == told
    each.ask("AT+VLS=0")
    assert each.modem.line.free


def test_who_answers_is_there_when_the_modem_says_so(host: Host) -> None:
    person = Person()
    host.bank.parties["6001"] = Rings(lambda: person, rings=1)
    assert host.ask("ATDT6001", within_s=30)[-1] == Result(Word.VCON)
    assert person.was_answered
    play(host, "welcome")
    host.clock.run_for(2)
    assert [heard.prompt.text for heard in person.leg.heard()] == ["welcome"]


def test_any_byte_gives_up_the_dial(host: Host) -> None:
    person = Person()
    host.bank.parties["6001"] = Rings(lambda: person, rings=5)
    host.wire.write(host.encoder.dial("6001"))
    host.clock.run_for(10)
    host.events()
    host.wire.write(b"\r")
    assert host.events() == [OK]
    assert person.ended_by is Ending.IVRD
    assert host.modem.line.hook is Hook.IDLE


def test_a_line_that_is_cut_has_no_dial_tone(host: Host) -> None:
    host.modem.line.dead = True
    assert host.ask("ATDT123", within_s=10) == [Result(Word.NO_DIALTONE)]


# Who is on the line understands -----------------------------------------------------------------


def test_a_scripted_caller_hears_sentences_in_the_samples_and_keys(host: Host) -> None:
    script = "hear welcome\nhear enter_month enter_month\nkey 202610#\nhear goodbye\nhang up"
    caller = ScriptedCaller(parse_script(script))
    answered_call(host, caller)
    play(host, "welcome", "enter_month")
    host.clock.run_for(7)
    assert "".join(e.key for e in host.events() if isinstance(e, Key)) == "202610#"
    play(host, "goodbye")
    host.clock.run_for(2)
    assert caller.passed, caller.report()


def test_what_a_test_announces_is_told_at_its_first_sample(host: Host) -> None:
    script = "hear welcome\ninterrupt 5 after 0.3\nhang up after 1"
    caller = ScriptedCaller(parse_script(script))
    answered_call(host, caller)
    host.modem.line.announced.append((host.spoken["goodbye"],))  # never played
    host.modem.line.announced.append((host.spoken["welcome"], host.spoken["enter_month"]))
    play(host, "welcome", "enter_month")
    host.clock.run_for(0.5)
    assert Key("5") in host.events()
    assert caller.heard[0].sentence == "welcome"
    host.clock.run_for(5)
    assert caller.passed, caller.report()
    assert host.modem.line.wrong_samples == 0


def test_an_announced_stream_that_says_something_else_is_counted(host: Host) -> None:
    answered_call(host)
    host.modem.line.announced.append((host.spoken["welcome"],))
    play(host, "enter_month")
    host.clock.run_for(3)
    assert host.modem.line.wrong_samples > 8000


def test_a_debtor_answers_the_question_that_it_hears(host: Host) -> None:
    debtor = Debtor(Does.PROMISES)
    host.vocabulary.begins = {host.spoken["welcome"].prompts[0]: "are_you_holder"}
    host.bank.parties["6001"] = Rings(lambda: debtor, rings=1)
    host.ask("ATDT6001", within_s=30)
    play(host, "welcome")
    host.clock.run_for(3)
    assert debtor.heard == ["are_you_holder"]
    assert Key("1") in host.events()


def test_a_prompt_that_was_cut_is_told_from_one_that_was_whole(host: Host) -> None:
    person = answered_call(host)
    host.ask("AT+VTX")
    host.wire.write(b"\x55" * 300 + host.samples("welcome")[:4000] + host.samples("goodbye"))
    host.wire.write(host.encoder.end_of_play)
    host.clock.run_for(3)
    # both files rise, so the one goes on into the other for a few samples at most
    (first, cut), (second, whole) = [
        (heard.prompt.text, heard.samples) for heard in person.leg.heard()
    ]
    assert (first, second, whole) == ("welcome", "goodbye", 4000)
    assert 3950 <= cut <= 4000


# Troubles ---------------------------------------------------------------------------------------


HOST_SAYS = st.binary(max_size=12) | st.sampled_from(
    [b"AT+VLS=1\r", b"AT+VLS=0\r", b"AT+VTX\r", b"AT+VRX\r", b"ATDT6001\r", b"ATH\r", b"\x10\x03",
     b"\x10\x18", b"\x10p", b"\x10r", b"\x10!", b"\x80" * 500, b"ATS7=0\r", b"AT+VSD=\r"]
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(HOST_SAYS, st.sampled_from([0.0, 0.05, 0.5])), max_size=8), st.data())
def test_whatever_a_host_sends_the_modem_comes_back_to_its_senses(
    said: list[tuple[bytes, float]], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        host = Host(Path(folder), data.draw(st.sampled_from(profile_names())))
    host.ready()
    host.bank.parties["6001"] = Rings(Person, rings=1)
    for line, then_s in said:
        if data.draw(st.integers(0, 5)) == 0:
            leg = host.bank.call("1", "170", Person())
            if leg and data.draw(st.booleans()):
                leg.hang_up()
        host.wire.write(line)
        host.clock.run_for(then_s)
    host.wire.write(host.encoder.resume + host.encoder.abort_play + b"\r")
    host.clock.run_for(5)
    # a recording that began after that goes on until it is ended
    host.wire.write(host.encoder.end_of_recording + b"\r")
    host.clock.run_for(5)
    assert host.ask("ATZ")[-1] == OK
    host.clock.run_for(1)
    assert host.modem.doing is Doing.COMMAND
    assert not host.modem.off_hook


def test_a_slow_port_underruns(tmp_path: Path) -> None:
    host = Host(tmp_path, to_modem=Trouble(bytes_a_s=4000))
    host.ready()
    answered_call(host)
    play(host, "enter_month")
    host.clock.run_for(10)
    assert host.modem.underruns > 0


def test_byte_by_byte_and_late_is_understood_as_well(tmp_path: Path) -> None:
    trouble = Trouble(delay_s=0.02, piece=1, bytes_a_s=11520)
    host = Host(tmp_path, to_host=trouble, to_modem=trouble)
    host.ready()
    person = answered_call(host)
    person.leg.key("5")
    host.clock.run_for(1)
    assert host.events() == [Key("5"), KeyReleased()]


def test_lost_and_wrong_bytes_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    def run(seed: int) -> list[object]:
        host = Host(tmp_path, to_host=Trouble(lose=0.05, garble=0.05, seed=seed))
        for line in host.profile.init * 5:
            host.ask(line)
        return [event for _, event in host.heard]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert any(isinstance(event, Noise | Text) for event in run(1))


def test_unplugged_in_a_call_it_is_on_hook_and_plugged_in_again_it_is_new(host: Host) -> None:
    person = answered_call(host)
    play(host, "enter_month")
    host.clock.run_for(0.5)
    host.modem.unplug()
    assert host.gone
    assert isinstance(person, Person)
    assert person.ended_by is Ending.IVRD
    assert [heard.samples < 16000 for heard in person.leg.heard()] == [True]
    with pytest.raises(OSError, match="Input/output"):
        host.wire.write(b"AT\r")
    assert host.bank.call("1", "170", Person()) is None
    again = plug_into_memory(host.modem, host.clock, lambda _: None)
    assert host.modem.settings.echo
    assert host.bank.call("1", "170", Person()) is not None
    again.write(b"AT\r")


# A real port ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", profile_names())
async def test_a_dialogue_through_a_real_port(tmp_path: Path, name: str) -> None:
    profile = load_profile(name)
    clock = LoopClock()
    vocabulary, spoken = vocabulary_of(Voice(tmp_path), profile)
    bank = ModemBank(clock, profile, 1, vocabulary=vocabulary, timing=QUICK, line_timing=QUICK_LINE)
    bank.parties["6002"] = BUSY
    port = PtyPort(bank.modems[0], clock, tmp_path / "modem1")
    port.plug_in()
    samples = vocabulary.coded(spoken["goodbye"].prompts[0])
    long = vocabulary.coded(spoken["enter_month"].prompts[0])
    with SerialHost(port.name, profile) as host:
        for line in (*profile.init, profile.set_vsm):
            assert (await host.ask(line))[-1] == OK
        # a call comes in, hears a sentence, keys, and cuts the next one short
        person = Person()
        leg = bank.call("13900001111", "170", person)
        assert leg
        await host.until(lambda: any(isinstance(event, CallerId) for event in host.heard))
        assert Ring() in host.heard
        await host.ask("AT+VLS=1")
        assert person.was_answered
        await host.ask("AT+VTX")
        host.heard.clear()
        host.port.write(host.encoder.samples(samples) + host.encoder.end_of_play)
        await host.until(lambda: Result(profile.ends_with) in host.heard)
        await host.ask("AT+VTX")
        host.port.write(host.encoder.samples(long)[:5000])
        leg.key("4")
        leg.key("5")
        await host.until(lambda: Key("5") in host.heard)
        host.heard.clear()
        host.port.write(host.encoder.abort_play)
        await host.until(lambda: Result(profile.ends_with) in host.heard)
        assert [heard.samples == heard.prompt.samples for heard in leg.heard()] == [True, False]
        leg.hang_up()
        await host.until(lambda: Report(Code.BUSY, "b") in host.heard)
        await host.ask("AT+VLS=0")
        # a dial that is busy, and the cable is pulled out
        assert (await host.ask("ATDT6002"))[-1] == Result(Word.BUSY)
        port.unplug()
        await host.until(lambda: host.lost)
    assert not (tmp_path / "modem1").exists()
    port.plug_in()
    with SerialHost(port.name, profile) as host:
        assert (await host.ask("AT"))[-1] == OK
    bank.close()


async def test_a_name_that_is_somebody_elses_file_is_left_alone(tmp_path: Path) -> None:
    clock = LoopClock()
    bank = ModemBank(clock, load_profile("usr5637"), 1)
    (tmp_path / "modem1").write_text("mine")
    with pytest.raises(FileExistsError):
        PtyPort(bank.modems[0], clock, tmp_path / "modem1").plug_in()
    assert (tmp_path / "modem1").read_text() == "mine"
