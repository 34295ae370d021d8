"""The line as the shell of a call: whatever breaks, it ends on hook and says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from ivrd.clock import Clock, Timer
from ivrd.commands import Say, Utterance
from ivrd.errors import SpeechError
from ivrd.events import Data
from ivrd.flow.actions import Answer
from ivrd.line import KEYS_AHEAD, RING_LOST_S, WATCH_S, Line
from ivrd.linelog import LineLog, TraceFile
from ivrd.records import CallRecord, LineSettings, Status
from ivrd.service import Service
from ivrd.simulation import Office
from sim.caller import ScriptedCaller
from sim.card import SoftwareCard
from sim.channel import State
from sim.clock import VirtualClock
from sim.faults import Lose
from sim.party import Party
from sim.script import Script, parse_script
from tests.call_families import FILES
from tests.call_files import CallFile
from tests.call_office import Databases, open_office

RICH = FILES["rich_bill_by_phone_number"]


@pytest.fixture
def office(databases: Databases, tmp_path: Path) -> Iterator[Office]:
    office = open_office(RICH, databases, tmp_path)
    yield office
    office.close()


@pytest.fixture
def logged(tmp_path: Path, office: Office) -> Callable[[], str]:
    def read() -> str:
        office.close()
        return (tmp_path / "line-01.log").read_text(encoding="utf-8")

    return read


def run(office: Office, script: Script, limit_s: float = 1200.0) -> ScriptedCaller:
    """Let a caller follow a script until the line has settled."""
    caller, line = ScriptedCaller(script), office.lines[0]
    caller.call(office.card)
    ended = office.clock.run_while(
        lambda: not caller.finished or line.status not in {Status.IDLE, Status.OUT_OF_SERVICE},
        limit_s,
    )
    assert ended, f"stuck in {line.status}\n{caller.report()}"
    return caller


def status(line: Line) -> Status:
    """Return what the line is doing at this moment."""
    return line.status


# -- what breaks ---------------------------------------------------------------------------------


class LosesTimers(Clock):
    """Another's clock, of whose timers none but the watchdog's ever fires."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """Return the other's."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return the other's."""
        return self._clock.monotonic()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Set a timer, a year too late."""
        late_s = 0.0 if delay_s == WATCH_S else 3e7
        return self._clock.call_later(delay_s + late_s, callback)


@pytest.mark.parametrize(
    ("script", "state"),
    [
        ("hear choose_english\nwait 600\nhang up", "ask_language"),
        ("hear choose_english\nkey 1\nhear enter_month\nkey 20\nwait 600\nhang up", "ask_month"),
    ],
    ids=["after a question", "in an entry"],
)
def test_watchdog_ends_a_call_whose_timers_are_lost(
    office: Office, logged: Callable[[], str], script: str, state: str
) -> None:
    card = SoftwareCard(office.clock, channels=1)
    channel = card.open_now()[0]
    clock = LosesTimers(office.clock)
    line = Line(LineSettings(1), channel, clock, office.service, office.lines[0].log)
    records: list[CallRecord] = []
    line.on_end = records.append
    ScriptedCaller(parse_script(script)).call(card)
    office.clock.run_for(400.0)
    assert line.counters.watchdog == 1
    assert status(line) is Status.IDLE
    assert channel.state is State.IDLE
    assert (records[0].ended_by, records[0].left_in) == ("watchdog", state)
    assert f" ! watchdog state={state} quiet_s=" in logged()


def test_watchdog_ends_a_call_whose_card_and_lookup_never_answer(
    office: Office, logged: Callable[[], str]
) -> None:
    card = SoftwareCard(office.clock, channels=1)
    channel = card.open_now()[0]
    service = replace(office.service, actions=AnswersNothing())
    line = Line(LineSettings(1), channel, LosesTimers(office.clock), service, office.lines[0].log)
    script = parse_script(
        "hear choose_english\nkey 1\nhear enter_month\nkey 202610\nwait 90\nhang up"
    )
    ScriptedCaller(script).call(card)
    office.clock.run_for(80.0)
    assert line.counters.watchdog == 1
    assert (line.status, channel.state) == (Status.IDLE, State.IDLE)
    assert " ! watchdog state=check_month quiet_s=" in logged()


class AnswersNothing:
    """Actions that never answer."""

    def start(self, name: str, args: Data, answer: Callable[[Answer], None]) -> None:
        """Forget the order."""


def test_action_that_never_answers_costs_three_seconds(office: Office) -> None:
    line = office.lines[0]
    line.service = replace(line.service, actions=AnswersNothing())
    script = (
        "hear choose_english\nkey 1\nhear enter_month\nkey 202610\n"
        "hear billing_slow within 5\nended ivrd"
    )
    caller = run(office, parse_script(script))
    assert caller.failure is None
    assert line.counters.watchdog == 0


class Raises:
    """Actions that break when started."""

    def start(self, name: str, args: Data, answer: Callable[[Answer], None]) -> None:
        """Raise."""
        del args, answer
        raise RuntimeError(f"{name} of 88610001")


def test_error_within_the_line_ends_the_call_and_logs_no_private_data(
    office: Office, logged: Callable[[], str]
) -> None:
    line = office.lines[0]
    line.service = replace(line.service, actions=Raises())
    run(office, RICH.script)
    assert office.records[0].ended_by == "error"
    assert office.records[0].left_in == "check_month"
    assert line.counters.errors == 1
    assert status(line) is Status.IDLE
    assert office.card.channels[0].state is State.IDLE
    text = logged()
    assert " ! error kind=RuntimeError event=T_DIGIT at=" in text
    assert "88610001" not in text


class Mute:
    """A voice that cannot speak some sentences."""

    def __init__(self, service: Service, *sentences: str) -> None:
        self._voice = service.voice
        self._sentences = sentences

    def utterance(self, say: Say, lang: str) -> Utterance:
        """Return the sentence, or raise `SpeechError`."""
        if say.sentence in self._sentences or not self._sentences:
            raise SpeechError(f"{say.sentence}: no words for it")
        return self._voice.utterance(say, lang)


def test_bill_that_cannot_be_spoken_whole_is_not_spoken_at_all(
    office: Office, logged: Callable[[], str]
) -> None:
    line = office.lines[0]
    line.service = replace(line.service, voice=Mute(line.service, "bill_unpaid"))
    caller = run(office, RICH.script)
    heard = [sentence.sentence for sentence in caller.heard]
    assert "bill_total" not in heard
    assert heard[-2:] == ["must_stop", "goodbye"]
    assert (office.records[0].ended_by, office.records[0].left_in) == ("error", "bill")
    assert ' ! cannot_speak why="bill_unpaid: no words for it"' in logged()


def test_voice_that_can_say_nothing_ends_on_hook(office: Office) -> None:
    line = office.lines[0]
    line.service = replace(line.service, voice=Mute(line.service))
    caller = run(office, parse_script("ended ivrd"))
    assert caller.heard == []
    assert office.records[0].ended_by == "error"
    assert status(line) is Status.IDLE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_log_that_cannot_be_written_keeps_no_caller_from_the_bill(office: Office) -> None:
    line = office.lines[0]
    full = TraceFile(Path("/dev/full"), 0, 1)
    line.log = LineLog(full)
    assert run(office, RICH.script).failure is None
    assert full.lost > 20, "counted"
    full.close()


def test_failure_of_who_listens_for_records_leaves_the_line_idle(office: Office) -> None:
    line = office.lines[0]

    def breaks(_: CallRecord) -> None:
        raise RuntimeError

    line.on_end = breaks
    run(office, parse_script("hear choose_mandarin\nhang up"))
    assert status(line) is Status.IDLE
    assert line.counters.errors == 1
    assert run(office, RICH.script).failure is None


# -- rings ---------------------------------------------------------------------------------------


def ringing(office: Office, faults: Sequence[Lose] = ()) -> Party:
    """Let somebody call who hangs up after a ring, on a line that answers the third."""
    office.lines[0].settings.rings = 3
    party = Party()
    office.card.call("", "170", party, faults=faults)
    return party


def test_line_rings_as_often_as_its_settings_say(office: Office) -> None:
    party = ringing(office)
    office.clock.run_for(9.9)
    assert status(office.lines[0]) is Status.RINGING
    office.clock.run_for(0.2)
    assert status(office.lines[0]) is Status.IN_CALL
    party.leg.hang_up()


def test_rings_of_one_caller_do_not_count_for_the_next(office: Office) -> None:
    party = ringing(office)
    office.clock.run_for(6.0)
    party.leg.hang_up()
    office.clock.run_for(1.0)
    ringing(office)
    office.clock.run_for(6.0)
    assert status(office.lines[0]) is Status.RINGING


def test_ringing_whose_end_is_lost_is_over_after_a_while(
    office: Office, logged: Callable[[], str]
) -> None:
    party = ringing(office, [Lose("T_RINGOFF")])
    office.clock.run_for(1.0)
    party.leg.hang_up()
    office.clock.run_for(RING_LOST_S - 2.0)
    assert status(office.lines[0]) is Status.RINGING
    office.clock.run_for(2.0)
    assert status(office.lines[0]) is Status.IDLE
    assert office.lines[0].counters.card_faults == 1
    assert " ! ringing_without_end" in logged()


# -- keys ----------------------------------------------------------------------------------------


def test_keys_beyond_those_that_may_wait_are_dropped_and_counted(office: Office) -> None:
    line = office.lines[0]
    line.service = replace(line.service, actions=AnswersNothing())
    keys = "9" * (KEYS_AHEAD + 3)
    run(office, parse_script("hear choose_english\nkey 1\nhear enter_month\nkey 202610\n"
                             f"interrupt {keys} gap 0.01\nended ivrd"))  # fmt: skip
    assert line.counters.keys_dropped == 3


# -- what operators see --------------------------------------------------------------------------


def test_what_is_shown_of_a_line_holds_no_number_of_others(
    databases: Databases, tmp_path: Path
) -> None:
    call: CallFile = FILES["detail_is_repeated"]
    office = open_office(call, databases, tmp_path)
    line, seen = office.lines[0], set[str]()
    line.on_change = lambda line: seen.add(line.sentence)
    caller = ScriptedCaller(call.script, when_hears=lambda _: seen.add(line.sentence))
    caller.call(office.card)
    office.clock.run_until_idle(600.0)
    office.close()
    assert caller.failure is None
    spoken = next(s.text for s in caller.heard if s.sentence == "call_detail")
    assert "六二五五幺二三四" in spoken
    assert not [text for text in seen if "六二五五幺二三四" in text]
    assert any("call_detail" in text for text in seen)


def test_stopping_an_idle_line_or_shutting_it_changes_nothing(office: Office) -> None:
    line = office.lines[0]
    line.stop_call("operator")
    line.shut()
    assert status(line) is Status.IDLE
    assert office.clock.pending == 0
