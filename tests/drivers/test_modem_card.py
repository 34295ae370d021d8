"""What the modem card does beyond the contract: bad options, bad modems, bad wires, tones."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.modem.profile import load_profile, profile_names
from drivers.modem.protocol import Code
from ivrd.errors import CardError
from ivrd.events import (
    T_DIGIT,
    T_EOF,
    T_FAULT,
    T_LC,
    T_LCON,
    T_LCTERM,
    T_MACHINE,
    T_NOANS,
    T_OFFH,
    T_ONH,
    T_REFUSED,
    T_RING,
    T_RINGOFF,
)
from sim.modem_line import HangUpSign, LineTiming
from sim.modem_wire import Trouble
from sim.phone import SWITCHED_OFF, TRUNK_DOWN
from tests.contract.card_bench import DIAL_ANSWERS, Orders, Wire, tone
from tests.contract.test_modem import CardInMemory, ModemBench, Subscriber
from tests.permits import a_permit


class Desk:
    """An open card on a bench."""

    def __init__(self, folder: Path, profile: str = "generic-v253", *,
                 trouble: Trouble | None = None, **options: object) -> None:  # fmt: skip
        self.folder = folder
        self.bench = ModemBench(folder, load_profile(profile), trouble, trouble)
        self.card = CardInMemory(
            self.bench, ports=["memory1", "memory2"], profile=profile, called="170", **options
        )
        self.wires: list[Wire] = []

    async def open(self) -> Wire:
        self.wires = [Wire(channel, self.bench.now_s) for channel in await self.card.open()]
        return self.wires[0]

    async def until_sent(self, name: str, within_s: float = 10.0) -> None:
        wire = self.wires[0]
        assert await self.bench.until(lambda: bool(wire.named(name)), within_s), wire.events

    async def answered(self) -> Subscriber:
        far = await self.bench.call(self.card, "88610001", "170")
        assert isinstance(far, Subscriber)
        await self.until_sent(T_RING)
        self.wires[0].channel.off_hook(1)
        await self.until_sent(T_OFFH)
        return far

    async def dialled(self, number: str, timeout_s: float = 40.0) -> Wire:
        wire = self.wires[0]
        wire.channel.dial(1, a_permit(number), timeout_s)
        assert await self.bench.until(lambda: bool(wire.named(*DIAL_ANSWERS)), timeout_s + 1)
        return wire


def test_every_wrong_option_is_named_with_what_was_expected(tmp_path: Path) -> None:
    bench = ModemBench(tmp_path, load_profile("generic-v253"))
    with pytest.raises(CardError) as error:
        CardInMemory(
            bench, ports=["a", "a"], channels=8, profile="usr563", gain=256, rings=1.5, cal=""
        )
    told = str(error.value)
    assert "cal: no such option" in told
    assert "did you mean 'called'" in told
    assert "each device file once" in told
    assert "channels: 8; expected 2" in told
    assert "did you mean 'usr5637'" in told
    assert "gain: 256" in told
    assert "rings: 1.5" in told


async def test_a_modem_of_another_model_is_told_with_both_names(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "usr5637")
    for modem in desk.bench.bank.modems:
        modem.profile = load_profile("mt9234mu")
    desk.bench.bank.close()
    await desk.bench.plug_in(desk.card)
    with pytest.raises(CardError) as error:
        await desk.card.open()
    assert "memory1: AT+GMM was answered by 'MT9234MU OK'; expected USR5637" in str(error.value)
    assert "memory2" in str(error.value)


async def test_a_firmware_that_is_too_old_is_refused_with_the_least_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "usr5637")
    modem = desk.bench.bank.modems[0]
    modem.profile = replace(modem.profile, firmware="1.2.9")
    desk.bench.bank.close()
    await desk.bench.plug_in(desk.card)
    with pytest.raises(CardError, match=r"memory1: .*'1.2.9 OK'; expected firmware 1.2.23"):
        await desk.card.open()


async def test_a_device_that_does_not_answer_is_told_as_no_modem(tmp_path: Path) -> None:
    desk = Desk(tmp_path, trouble=Trouble(lose=1.0, piece=1))
    with pytest.raises(CardError, match="memory1: AT was answered by nothing; expected OK"):
        await desk.card.open()


async def test_a_withheld_number_is_told_as_none(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    wire = await desk.open()
    await desk.bench.call(desk.card, "", "170")
    await desk.until_sent(T_RING)
    assert wire.named(T_RING)[0].data == {"caller": "", "called": "170"}
    await desk.card.close()


async def test_a_call_is_told_with_the_second_ring_where_so_set(tmp_path: Path) -> None:
    desk = Desk(tmp_path, rings=2)
    wire = await desk.open()
    began_s = desk.bench.now_s()
    far = await desk.bench.call(desk.card, "88610001", "170")
    await desk.until_sent(T_RING)
    assert wire.sent[0][0] - began_s == pytest.approx(5.0, abs=0.1)
    await far.hang_up()
    await desk.until_sent(T_RINGOFF)
    await desk.card.close()


async def test_a_caller_who_gives_up_before_the_first_ring_was_told_is_never_told(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    wire = await desk.open()
    far = await desk.bench.call(desk.card, "88610001", "170")
    await desk.bench.pass_s(1.0)
    await far.hang_up()
    await desk.bench.pass_s(10.0)
    assert not [event for event in wire.events if event.name != T_RING]
    await desk.card.close()


async def test_an_underrun_delays_a_play_and_takes_nothing_from_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    wire = await desk.open()
    far = await desk.answered()
    began_s = desk.bench.now_s()
    wire.channel.play(2, [tone(tmp_path, 2.0)])
    await desk.bench.pass_s(0.5)
    slow = desk.bench.wires[1]
    slow.hold(True)  # the port stands still for a second: more than the modem has in store
    await desk.bench.pass_s(1.0)
    slow.hold(False)
    await desk.until_sent(T_EOF)
    assert desk.bench.bank.modems[0].underruns == 1
    assert wire.named(T_EOF)[0].data == {"heard_s": 2.0, "whole": True}
    assert far.heard_s == pytest.approx(2.0)
    assert wire.at_s(wire.named(T_EOF)[0]) - began_s < 3.2
    await desk.card.close()


@pytest.mark.parametrize("profile", ["generic-v253", "usr5637", "conexant-cx930xx", "mt9234mu"])
async def test_a_stop_is_heard_within_120_ms_on_every_profile(tmp_path: Path, profile: str) -> None:
    desk = Desk(tmp_path, profile)
    wire = await desk.open()
    far = await desk.answered()
    began_s = desk.bench.now_s()
    wire.channel.play(2, [tone(tmp_path, 2.0)])
    await desk.bench.pass_s(0.7)
    wire.channel.stop(2)
    await desk.until_sent(T_EOF)
    end_s = wire.at_s(wire.named(T_EOF)[0])
    assert end_s - began_s < 0.7 + 0.12
    await desk.bench.pass_s(1.0)
    assert far.heard_s <= 0.7 + 0.12
    data = wire.named(T_EOF)[0].data
    assert data["heard_s"] == pytest.approx(far.heard_s, abs=0.03)
    await desk.card.close()


@pytest.mark.parametrize("profile", profile_names())
async def test_a_key_is_answered_within_150_ms_on_every_profile(
    tmp_path: Path, profile: str
) -> None:
    desk = Desk(tmp_path, profile)
    wire = await desk.open()
    desk.bench.take_any_sound()
    far = await desk.answered()
    wire.channel.play(2, [tone(tmp_path, 2.0)])
    await desk.bench.pass_s(0.7)
    before_s, keyed_s = far.heard_s, desk.bench.now_s()
    far.leg.key("1")
    assert await desk.bench.until(lambda: bool(wire.named(T_DIGIT)), 1.0)
    wire.channel.stop(2)
    wire.channel.play(3, [tone(tmp_path, 1.0)])
    await desk.until_sent(T_EOF)
    assert desk.bench.now_s() - keyed_s < 0.12, "silence"
    silent = far.heard_s
    assert 0.0 < silent - before_s < 0.12
    assert await desk.bench.until(lambda: far.heard_s > silent, 1.0)
    assert desk.bench.now_s() - keyed_s < 0.15, "first audio"
    await desk.card.close()


@pytest.mark.parametrize("code", [Code.ANSWER_TONE, Code.FAX])
async def test_a_fax_that_answers_is_told_as_a_machine_after_the_answer(
    tmp_path: Path, code: Code
) -> None:
    desk = Desk(tmp_path)
    wire = await desk.open()
    modem = desk.bench.bank.modems[0]
    desk.bench.clock.call_later(9.0, lambda: modem.on_tone(code))
    await desk.dialled("101")
    modem.on_tone(code)
    await desk.bench.pass_s(1.0)
    assert [event.name for event in wire.events] == [T_LCON, T_MACHINE]
    await desk.card.close()


async def test_a_fax_that_calls_is_told_as_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    wire = await desk.open()
    await desk.answered()
    desk.bench.bank.modems[0].on_tone(Code.FAX)
    await desk.bench.pass_s(1.0)
    assert not wire.named(T_MACHINE)
    await desk.card.close()


async def test_a_modem_that_does_not_begin_a_play_is_lost_and_no_file_is_at_fault(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    wire = await desk.open()
    await desk.answered()
    desk.bench.spoil(1, Trouble(lose=1.0))
    wire.channel.play(2, [tone(tmp_path, 1.0)])
    await desk.until_sent(T_LC)
    assert not wire.named(T_EOF)
    await desk.card.close()


def test_a_sentence_for_callers_without_a_line_is_refused_with_the_reason(tmp_path: Path) -> None:
    card = Desk(tmp_path).card
    card.when_full = None
    with pytest.raises(CardError, match='when_full: "sentence"; expected "busy"'):
        card.when_full = tone(tmp_path, 1.0)
    assert card.when_full is None


async def test_the_profile_for_a_modem_is_named_where_the_general_one_was_chosen(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    for modem in desk.bench.bank.modems:
        modem.profile = load_profile("mt9234mu")
    desk.bench.bank.close()
    await desk.bench.plug_in(desk.card)
    with pytest.raises(CardError, match="profile 'mt9234mu' is for this one"):
        await desk.card.open()


@pytest.mark.parametrize("sign", [HangUpSign.LOOP, HangUpSign.BUSY])
async def test_a_hang_up_is_found_in_the_time_of_a_real_exchange(
    tmp_path: Path, sign: HangUpSign
) -> None:
    desk = Desk(tmp_path)
    line = desk.bench.bank.modems[0].line
    line.timing, line.sign = LineTiming(), sign
    wire = await desk.open()
    far = await desk.answered()
    wire.channel.play(2, [tone(tmp_path, 2.0), tone(tmp_path, 2.0)])
    await desk.bench.pass_s(0.5)
    hung_up_s = desk.bench.now_s()
    await far.hang_up()
    await desk.until_sent(T_EOF)
    assert [e.name for e in wire.named(T_LCTERM, T_EOF)] == [T_LCTERM, T_EOF]
    assert wire.at_s(wire.named(T_LCTERM)[0]) - hung_up_s < 3.0
    assert wire.named(T_EOF)[0].data["whole"] is False
    await desk.card.close()


async def test_long_silence_ends_a_call_where_so_set_and_listening_to_a_play_is_none(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, silence_s=10.0)
    desk.bench.bank.modems[0].line.sign = HangUpSign.SILENCE
    wire = await desk.open()
    far = await desk.answered()
    modem = desk.bench.bank.modems[0]
    wire.channel.play(2, [tone(tmp_path, 2.0)])
    modem.on_tone(Code.QUIET)
    await desk.bench.pass_s(11.0)
    assert not wire.named(T_LCTERM)
    modem.on_tone(Code.QUIET)
    await desk.bench.pass_s(5.0)
    await far.keys("1")
    await desk.bench.pass_s(8.0)
    assert not wire.named(T_LCTERM)
    modem.on_tone(Code.QUIET)
    await desk.bench.pass_s(10.1)
    assert wire.named(T_LCTERM)[0].data["cause"] == "long silence"
    await desk.card.close()


async def test_a_line_without_dial_tone_is_a_fault_of_ours(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.open()
    desk.bench.bank.modems[0].line.dead = True
    wire = await desk.dialled("101")
    assert wire.named(T_FAULT)[0].data["cause"] == "no dial tone: is the line plugged in?"
    await desk.card.close()


async def test_fast_busy_is_a_fault_of_the_network_and_a_number_in_no_use_is_refused(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    wire = await desk.open()
    desk.bench.bank.parties["105"] = TRUNK_DOWN
    await desk.dialled("105")
    assert wire.named(T_FAULT)[0].data == {"cause": 34, "tech_cause": "fast busy"}
    wire.channel.on_hook(2)
    await desk.until_sent(T_ONH)
    wire.sent.clear()
    await desk.dialled("104")
    assert wire.named(T_REFUSED)[0].data["reason"] == "unallocated"
    await desk.card.close()


async def test_an_announcement_without_ringback_is_no_answer(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.bench.bank.parties["105"] = SWITCHED_OFF
    await desk.open()
    wire = await desk.dialled("105", 30.0)
    assert wire.named(T_NOANS)[0].data["rang"] is False
    await desk.card.close()


@pytest.mark.parametrize("seed", range(4))
async def test_on_a_wire_that_loses_bytes_every_order_is_answered_or_the_line_goes_out_of_service(
    tmp_path: Path, seed: int
) -> None:
    desk = Desk(tmp_path, trouble=Trouble(seed=seed))
    wire = await desk.open()
    rng = random.Random(seed)
    desk.bench.spoil(1, Trouble(lose=0.004, garble=0.002, piece=1))
    speech = [tone(tmp_path, 0.05), tone(tmp_path, 0.3)]
    orders = Orders(wire, speech, ["101", "103"])
    for _ in range(60):
        if rng.randrange(6) == 0:
            await desk.bench.call(desk.card, "88610001", "170")
        else:
            orders.give(rng)
        await desk.bench.pass_s(rng.choice([0.1, 0.5, 3.0]))
    desk.bench.spoil(1, None)
    orders.on_hook()
    last = len(orders.given)
    assert await desk.bench.until(lambda: any(e.id == last for e in wire.named(T_ONH)), 30.0), (
        wire.events[-10:]
    )
    lost = bool(wire.named(T_LC))
    for ident, kind in orders.given.items():
        names = [event.name for event in wire.events if event.id == ident]
        assert len(names) <= 1, (ident, kind, names)
        assert names or lost or kind in {"off_hook", "dial"}, (ident, kind)
    await desk.card.close()
