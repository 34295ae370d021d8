"""Calls that the line makes: placed with a permit, answered or not, and put down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ivrd.card import DialPermit
from ivrd.commands import Flush, Note, Prompt, Say, Utterance
from ivrd.events import T_TIME, U_TIME, Event, Json
from ivrd.flow.load import load_flow
from ivrd.flow.machine import FlowMachine
from ivrd.line import DIAL_MARGIN_S, Line
from ivrd.linelog import LineLog
from ivrd.records import CallRecord, LineSettings, Status
from ivrd.service import Actions, Service
from ivrd.trace import parse_trace
from sim.card import SoftwareCard
from sim.channel import SoftwareChannel
from sim.clock import VirtualClock
from sim.party import Party
from sim.phone import BUSY, NO_ANSWER, Rings
from tests.call_office import START
from tests.flow.flow_world import ACTIONS
from tests.permits import a_permit
from tests.test_line import AnswersNothing, status

PERMIT = a_permit("+8657188610001", "057112345", "a1")
SECOND = Prompt("second", "一秒", Path("second.wav"), 8000)


class OneSecondEach:
    """Every sentence is one second of sound."""

    def utterance(self, say: Say, lang: str) -> Utterance:
        """Return one second."""
        return Utterance(say.sentence, lang, (SECOND,))


class Kept:
    """A log that keeps its text."""

    def __init__(self) -> None:
        self.text = ""

    def info(self, text: str) -> None:
        """Keep the text."""
        self.text += text


class Outbound:
    """One line on a card, and a flow that dials."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.card = SoftwareCard(self.clock, channels=1)
        self.channel: SoftwareChannel = self.card.open_now()[0]
        flow = load_flow(Path(__file__).parent / "flow" / "good" / "outbound.toml", ACTIONS)
        actions: Actions = AnswersNothing()
        self.service = Service(
            FlowMachine(flow), lambda _a, _b: {}, actions, OneSecondEach(), "zh-CN"
        )
        self.disk = Kept()
        self.line = Line(
            LineSettings(1), self.channel, self.clock, self.service, LineLog(self.disk)
        )
        self.records: list[CallRecord] = []
        self.line.on_end = self.records.append

    def place(self, permit: DialPermit | None = PERMIT) -> None:
        assert permit is not None
        facts: dict[str, Json] = {"caller": "88610001", "open": True, "number": "1"}
        self.line.place(self.service, permit, facts, Event(U_TIME))


@pytest.fixture
def outbound() -> Outbound:
    return Outbound()


def test_call_is_placed_and_answered(outbound: Outbound) -> None:
    person = Party()
    outbound.card.parties[PERMIT.number] = Rings(lambda: person)
    outbound.place()
    outbound.clock.run_for(15.0)
    assert status(outbound.line) is Status.IN_CALL
    assert outbound.line.talk is not None
    assert outbound.line.talk.direction == "out"
    person.leg.hang_up()
    outbound.clock.run_for(1.0)
    assert status(outbound.line) is Status.IDLE
    assert outbound.records[0].ended_by == "far end"
    assert PERMIT.number not in outbound.disk.text
    assert "8610001" not in outbound.records[0].caller


def test_busy_number_is_put_down(outbound: Outbound) -> None:
    outbound.card.parties[PERMIT.number] = BUSY
    outbound.place()
    outbound.clock.run_for(5.0)
    assert outbound.records[0].notes == ("busy",)
    assert status(outbound.line) is Status.IDLE


def test_card_gives_up_a_dial_before_the_flow_does(outbound: Outbound) -> None:
    outbound.card.parties[PERMIT.number] = NO_ANSWER
    outbound.place()
    outbound.clock.run_for(60.0 - DIAL_MARGIN_S + 0.5)
    assert "T_NOANS" in outbound.disk.text
    assert status(outbound.line) is Status.IDLE


def test_one_permit_is_one_dial(outbound: Outbound) -> None:
    outbound.card.parties[PERMIT.number] = Rings(Party)
    outbound.place()
    assert outbound.line.talk is not None
    assert outbound.line.talk.permit is None, "used up by the first dial"
    with pytest.raises(RuntimeError, match="line 1 is in call"):
        outbound.place()


def test_transfer_without_a_permit_is_refused(outbound: Outbound) -> None:
    person = Party()
    outbound.card.parties[PERMIT.number] = Rings(lambda: person)
    outbound.place()
    outbound.clock.run_for(13.0)
    person.leg.key("0")
    outbound.clock.run_for(10.0)
    assert "T_REFUSED" in outbound.disk.text
    assert 'cause="no transfer is set up"' in outbound.disk.text
    assert status(outbound.line) is Status.IDLE


def test_permit_that_is_over_dials_nobody(outbound: Outbound) -> None:
    outbound.card.parties[PERMIT.number] = BUSY
    outbound.place(replace(PERMIT, until=outbound.clock.now()))
    outbound.clock.run_for(1.0)
    assert 'cause="the permit is over"' in outbound.disk.text
    assert "T_BUSY" not in outbound.disk.text


def test_answer_to_an_earlier_call_means_nothing_to_the_next(outbound: Outbound) -> None:
    outbound.card.parties[PERMIT.number] = BUSY
    outbound.place()
    outbound.clock.run_for(5.0)
    (trace,) = parse_trace(outbound.disk.text.splitlines())
    commands = [command for step in trace.steps for _, _, command in step.orders]
    ids = [command.id for command in commands if not isinstance(command, Note | Flush)]
    outbound.place()
    stale = outbound.line.counters.stale
    for ident in ids:
        outbound.line.feed(Event(T_TIME, ident))
    assert outbound.line.counters.stale == stale + len(ids)
    assert outbound.line.talk is not None
    assert outbound.line.talk.call.state == "dialling"
