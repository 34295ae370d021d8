"""The line against what is around it: listeners that break, plays cut short, answers too many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ivrd.clock import Timer
from ivrd.commands import Say, Utterance
from ivrd.errors import SpeechError
from ivrd.events import T_EOF, T_LCTERM, T_ONH, T_RING, Event
from ivrd.line import Line
from ivrd.records import CallRecord, Status
from ivrd.simulation import Office
from ivrd.trace import parse_trace
from sim.caller import ScriptedCaller
from sim.channel import State
from sim.faults import Lose
from sim.script import Script, parse_script
from tests.call_families import FILES
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
    """Let a caller follow a script to its end, and the card settle."""
    caller = ScriptedCaller(script)
    caller.call(office.card)
    assert office.clock.run_while(lambda: not caller.finished, limit_s), caller.report()
    office.clock.run_for(1.0)
    return caller


def status(line: Line) -> Status:
    """Return what the line is doing at this moment."""
    return line.status


# -- those who listen ----------------------------------------------------------------------------


def test_failure_of_who_listens_for_changes_costs_no_caller_the_bill(
    office: Office, logged: Callable[[], str]
) -> None:
    line = office.lines[0]

    def breaks(_: Line) -> None:
        raise RuntimeError("88610001")

    line.on_change = breaks
    assert run(office, RICH.script).failure is None
    assert status(line) is Status.IDLE
    assert office.card.channels[0].state is State.IDLE
    assert office.records[0].ended_by != "error"
    assert line.counters.errors > 0, "counted"
    text = logged()
    assert " ! listener_failed kind=RuntimeError" in text
    assert "88610001" not in text


def test_failure_of_who_listens_for_records_keeps_no_line_off_hook(office: Office) -> None:
    line = office.lines[0]

    def breaks(_: CallRecord) -> None:
        raise RuntimeError

    line.on_end = breaks
    ScriptedCaller(parse_script("hear choose_mandarin\nwait 600\nhang up")).call(office.card)
    office.clock.run_for(0.5)
    line.shut()
    office.clock.run_for(1.0)
    assert status(line) is Status.IDLE
    assert office.card.channels[0].state is State.IDLE


# -- plays ---------------------------------------------------------------------------------------


def test_bill_that_the_card_cut_short_is_not_noted_as_told(office: Office) -> None:
    line, channel = office.lines[0], office.card.channels[0]
    ScriptedCaller(replace(RICH.script, faults=())).call(office.card)
    assert office.clock.run_while(lambda: line.talk is None or line.talk.call.state != "bill", 120)
    assert line.talk is not None
    play = line.talk.play
    # the card could not play one of its files: it ends early, and says so
    channel.emit(Event(T_EOF, play, {"heard_s": 2.0, "whole": False}))
    office.clock.run_for(60.0)
    record = office.records[0]
    assert "told" not in record.notes
    assert record.ended_by == "error"
    assert record.left_in == "bill"


class MuteAfter:
    """A voice that can say so many sentences and no more."""

    def __init__(self, line: Line, sentences: int) -> None:
        self._voice = line.service.voice
        self._left = sentences

    def utterance(self, say: Say, lang: str) -> Utterance:
        """Return the sentence, or raise `SpeechError`."""
        self._left -= 1
        if self._left < 0:
            raise SpeechError("no words left")
        return self._voice.utterance(say, lang)


def test_call_that_was_given_up_sets_no_more_timers(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = office.lines[0]
    line.service = replace(line.service, voice=MuteAfter(line, 0))
    timers: list[tuple[float, Timer]] = []
    call_later = office.clock.call_later

    def noted(delay_s: float, callback: Callable[[], None]) -> Timer:
        timer = call_later(delay_s, callback)
        timers.append((delay_s, timer))
        return timer

    ended: list[int] = []
    line.on_end = lambda _: ended.append(len(timers))
    monkeypatch.setattr(office.clock, "call_later", noted)
    ScriptedCaller(parse_script("ended ivrd")).call(office.card)
    office.clock.run_for(5.0)
    after = [delay_s for delay_s, _ in timers[ended[0] :]]
    assert 120.0 not in after, "the play's own limit, for a play that never was"
    assert status(line) is Status.IDLE


# -- on hook -------------------------------------------------------------------------------------


def test_on_hook_of_an_earlier_order_is_not_taken_for_this_calls(office: Office) -> None:
    line, channel = office.lines[0], office.card.channels[0]
    script = replace(parse_script("hear choose_mandarin\nhang up"), faults=(Lose(T_ONH, times=1),))
    ScriptedCaller(script).call(office.card)
    office.clock.run_for(1.0)
    channel.emit(Event(T_ONH, 0, {}))
    office.clock.run_for(5.0)
    assert status(line) is Status.OUT_OF_SERVICE
    assert line.reason == "does not go on hook"
    office.clock.run_for(60.0)
    assert status(line) is Status.IDLE


# -- a card that comes back ----------------------------------------------------------------------


def test_caller_on_a_card_that_is_back_is_answered_at_once(
    office: Office, logged: Callable[[], str]
) -> None:
    line = office.lines[0]
    office.card.go_away()
    office.clock.run_for(2.0)
    assert status(line) is Status.OUT_OF_SERVICE
    office.card.come_back()
    caller = run(office, RICH.script)
    assert caller.failure is None, caller.report()
    assert caller.leg.answered_s is not None
    assert caller.leg.answered_s - caller.leg.started_s < 1.0
    assert status(line) is Status.IDLE
    office.clock.run_for(120.0)
    assert len(office.records) == 1
    assert " ! in_service_again" in logged()


# -- what the network says -----------------------------------------------------------------------


def test_caller_whose_number_is_no_text_is_served_and_logged(
    office: Office, logged: Callable[[], str]
) -> None:
    line, channel = office.lines[0], office.card.channels[0]
    # bytes of a SIP header that are no UTF-8, as a driver's decoder hands them on
    caller = ScriptedCaller(RICH.script)
    line.settings.rings = 2
    caller.call(office.card)
    channel.emit(Event(T_RING, None, {"caller": "\udcff\ud800", "called": "170"}))
    assert office.clock.run_while(lambda: not caller.finished, 1200.0)
    office.clock.run_for(1.0)
    assert caller.failure is None, caller.report()
    assert office.records[0].ended_by != "error"
    (trace,) = parse_trace(logged().splitlines())
    assert trace.head.facts["caller"] == "??"


def test_words_of_a_card_that_are_no_text_are_logged_and_read_back(
    office: Office, logged: Callable[[], str]
) -> None:
    line, channel = office.lines[0], office.card.channels[0]
    ScriptedCaller(parse_script("hear choose_mandarin\nwait 600\nhang up")).call(office.card)
    office.clock.run_for(0.5)
    channel.emit(Event(T_LCTERM, None, {"cause": "\udcff"}))
    office.clock.run_for(1.0)
    assert status(line) is Status.IDLE
    assert office.records[0].ended_by == "caller"
    (trace,) = parse_trace(logged().splitlines())
    hung_up = next(step.event for step in trace.steps if step.event.name == T_LCTERM)
    assert hung_up.data == {"cause": "\udcff"}
