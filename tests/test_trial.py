"""Test calls: only the test list is dialled, and what became of each call is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrd.card import Ability
from ivrd.commands import Prompt, Say, Utterance
from ivrd.config import Dial
from ivrd.errors import IvrdError
from ivrd.events import Event, Json, Refusal
from ivrd.flow.check import check_flow
from ivrd.flow.load import load_flow
from ivrd.flow.machine import FlowMachine
from ivrd.line import Line
from ivrd.linelog import LineLog
from ivrd.records import CallRecord, LineSettings, Role
from ivrd.resources import FLOWS
from ivrd.service import Service
from ivrd.trace import parse_trace, replay
from ivrd.trial import Trial, Trials
from sim.card import SoftwareCard
from sim.clock import VirtualClock
from sim.demo import DemoCard
from sim.party import Party
from sim.phone import (
    BUSY,
    CHANGED,
    NO_ANSWER,
    SWITCHED_OFF,
    TRUNK_DOWN,
    UNALLOCATED,
    Answering,
    Rings,
    refuses,
)
from tests.call_office import START
from tests.test_line import AnswersNothing
from tests.test_line_outbound import Kept

NUMBER = "+8657188610001"
TWO_S = Prompt("two", "两秒", Path("two.wav"), 16000)


class TwoSecondsEach:
    """Every sentence is two seconds of sound."""

    def utterance(self, say: Say, lang: str) -> Utterance:
        """Return two seconds."""
        return Utterance(say.sentence, lang, (TWO_S,))


class Person(Party):
    """Answers, and keys one key after each time that ivrd has spoken."""

    def __init__(self, keys: str = "", *, hangs_up: bool = False) -> None:
        self.keys = list(keys)
        self.hangs_up = hangs_up

    def silence(self) -> None:
        if self.keys:
            self.leg.key(self.keys.pop(0))
        elif self.hangs_up:
            self.leg.hang_up()


class Node:
    """Two lines on a software card, from which test calls are placed."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.card = SoftwareCard(self.clock, channels=2)
        self.machine = FlowMachine(load_flow(FLOWS / "test_call.toml", {}))
        self.service = Service(
            self.machine, lambda _a, _b: {}, AnswersNothing(), TwoSecondsEach(), "zh-CN"
        )
        self.logs = {1: Kept(), 2: Kept()}
        self.lines = {
            channel.number: Line(
                LineSettings(channel.number, "soft"), channel, self.clock, self.service,
                LineLog(self.logs[channel.number]),
            )
            for channel in self.card.open_now()
        }  # fmt: skip
        self.records: list[CallRecord] = []
        for line in self.lines.values():
            line.on_end = self.records.append
        self.trials = Trials(Dial(test=[NUMBER, "6001"], caller_id="170"))
        self.told: list[dict[str, Json]] = []

    def dial(self, number: str = NUMBER, line: int | None = None) -> Trial:
        return self.trials.place(
            number, line, self.lines, self.service, self.machine, self.told.append
        )

    def call(self, answering: Answering) -> dict[str, Json]:
        """Place a call, let it go on to its end, and return how it ended."""
        self.card.parties[NUMBER] = answering
        self.dial()
        self.clock.run_for(200.0)
        assert self.told[-1]["event"] == "ended"
        return self.told[-1]

    @property
    def events(self) -> list[Json]:
        return [told["event"] for told in self.told]


@pytest.fixture
def node() -> Node:
    return Node()


def refusal(node: Node, number: str = NUMBER, line: int | None = None) -> str:
    with pytest.raises(IvrdError) as caught:
        node.dial(number, line)
    assert node.told == [], "nothing was dialled"
    assert all(line.talk is None or line.talk.direction == "in" for line in node.lines.values())
    return str(caught.value)


# -- the flow --------------------------------------------------------------------------------


@pytest.mark.parametrize("abilities", [frozenset[Ability](), frozenset(Ability)])
def test_the_flow_of_a_test_call_is_proved(abilities: frozenset[Ability]) -> None:
    flow = load_flow(FLOWS / "test_call.toml", {})
    assert check_flow(flow, facts=(), languages=("zh-CN", "en-US"), abilities=abilities) == []


# -- what may be dialled ---------------------------------------------------------------------


@pytest.mark.parametrize("number", ["+8657188610002", "8657188610001", "6001#", ""])
def test_only_a_number_of_the_test_list_is_dialled(node: Node, number: str) -> None:
    told = refusal(node, number)
    assert "not on the test list" in told
    assert "88610002" not in told


def test_without_a_test_list_nothing_is_dialled(node: Node) -> None:
    node.trials = Trials(None)
    assert "no table [dial]" in refusal(node)


def test_far_end_sees_the_caller_id_of_the_settings(node: Node) -> None:
    person = Person()
    node.card.parties["6001"] = Rings(lambda: person)
    node.dial("60 01")
    node.clock.run_for(20.0)
    assert (person.leg.caller, person.leg.called) == ("170", "6001")


# -- on which line ---------------------------------------------------------------------------


def test_the_last_idle_line_dials_and_the_one_asked_for_where_one_is(node: Node) -> None:
    node.card.parties[NUMBER] = NO_ANSWER
    assert node.dial().line.number == 2
    assert node.dial().line.number == 1
    node.clock.run_for(100.0)
    assert node.dial(line=1).line.number == 1


def test_line_on_which_a_caller_rings_is_refused(node: Node) -> None:
    node.lines[1].settings.rings = 3
    node.card.call("88610001", "170", Party())
    node.clock.run_for(1.0)
    assert refusal(node, line=1) == "line 1 is ringing"
    node.told.clear()
    assert node.dial().line.number == 2


def test_caller_who_comes_in_the_moment_of_the_dial_keeps_the_channel(node: Node) -> None:
    """Glare: the card has put a caller on the channel, the line has not been told yet."""
    line = node.lines[2]
    events: list[Event] = []
    line.channel.connect(events.append)
    node.card.call("88610001", "170", Party())
    node.card.call("88610002", "170", Party())
    line.channel.connect(line.feed)
    node.dial(line=2)
    node.clock.run_for(30.0)
    assert node.events[:2] == ["dialling", "fault"]
    assert node.told[-1]["notes"] == ["fault"]


def test_refused_line_says_why(node: Node) -> None:
    node.card.parties[NUMBER] = NO_ANSWER
    assert refusal(node, line=9) == "no line 9 is open; there are 1, 2"
    node.lines[1].settings.role = Role.OFF
    assert "is off" in refusal(node, line=1)
    node.dial()
    node.told.clear()
    with pytest.raises(
        IvrdError, match=r"no line is free to dial: line 2 is in call; line 1 is off"
    ):
        node.dial()


def test_line_that_is_out_of_service_is_refused(node: Node) -> None:
    node.card.go_away()
    node.clock.run_for(1.0)
    assert refusal(node, line=1) == "line 1 is out of service: no loop signal: card gone"


# -- how it goes -----------------------------------------------------------------------------


def test_answered_call_speaks_takes_keys_and_ends(node: Node) -> None:
    ended = node.call(Rings(lambda: Person("15")))
    assert node.events == [
        "dialling", "answered",
        "speaks", "speaks", "heard", "key",
        "speaks", "speaks", "heard", "key",
        "speaks", "speaks", "heard", "ended",
    ]  # fmt: skip
    assert [told["key"] for told in node.told if told["event"] == "key"] == ["1", "5"]
    assert [told["sentence"] for told in node.told if told["event"] == "speaks"] == [
        "test_call", "test_call_keys", "test_call", "test_call_keys", "test_call_over", "goodbye",
    ]  # fmt: skip
    assert ended["by"] == "ivrd"
    assert ended["notes"] == ["answered", "again", "key"]
    assert ended["answered"] is True


def test_key_cuts_the_message_short_and_that_is_told(node: Node) -> None:
    person = Person()
    node.card.parties[NUMBER] = Rings(lambda: person)
    node.dial()
    node.clock.run_for(13.0)
    person.leg.key("9")
    node.clock.run_for(30.0)
    heard = next(told for told in node.told if told["event"] == "heard")
    assert node.events[:6] == ["dialling", "answered", "speaks", "speaks", "key", "speaks"]
    assert heard["whole"] is False
    assert isinstance(heard["heard_s"], float)
    assert 0 < heard["heard_s"] < 4.0


def test_telephone_of_the_demo_card_answers_and_keys(node: Node) -> None:
    demo = DemoCard(node.clock, channels=1)
    assert node.call(demo.parties["6001"])["notes"] == ["answered", "again", "key"]
    assert (demo.parties["6002"], demo.parties["6003"]) == (BUSY, NO_ANSWER)


def test_nobody_keys(node: Node) -> None:
    assert node.call(Rings(Person))["notes"] == ["answered", "no_key"]


def test_far_end_hangs_up_during_the_call(node: Node) -> None:
    ended = node.call(Rings(lambda: Person(hangs_up=True)))
    assert (ended["by"], ended["how"]) == ("far end", "far end hung up")


@pytest.mark.parametrize(
    ("answering", "how", "cause", "note"),
    [
        (BUSY, "busy", 17, "busy"),
        (NO_ANSWER, "no answer", 19, "no_answer"),
        (SWITCHED_OFF, "no answer", 20, "no_answer"),
        (UNALLOCATED, "refused", 1, "refused"),
        (CHANGED, "refused", 22, "refused"),
        (refuses(), "refused", 21, "refused"),
        (TRUNK_DOWN, "fault", 38, "fault"),
    ],
)
def test_call_that_nobody_answers_says_why(
    node: Node, answering: Answering, how: str, cause: int, note: str
) -> None:
    ended = node.call(answering)
    assert (ended["how"], ended["cause"], ended["notes"]) == (how, cause, [note])
    assert ended["answered"] is False
    assert not any(line.talk for line in node.lines.values())


def test_reason_of_a_refusal_is_told(node: Node) -> None:
    assert node.call(UNALLOCATED)["reason"] == Refusal.UNALLOCATED


def test_operator_ends_the_call_while_it_rings(node: Node) -> None:
    node.card.parties[NUMBER] = NO_ANSWER
    trial = node.dial()
    node.clock.run_for(5.0)
    trial.stop("the operator has gone")
    node.clock.run_for(1.0)
    assert node.told[-1]["by"] == "operator"
    trial.stop("again, for nothing")
    assert node.lines[2].talk is None


def test_end_of_a_test_call_is_no_end_of_the_next_one_on_the_line(node: Node) -> None:
    node.card.parties[NUMBER] = NO_ANSWER
    first = node.dial()
    node.clock.run_for(100.0)
    node.dial()
    first.stop("too late")
    node.clock.run_for(5.0)
    assert node.lines[2].talk is not None


def test_every_call_is_recorded_logged_masked_and_replays(node: Node) -> None:
    node.call(Rings(lambda: Person("12")))
    (record,) = node.records
    assert record.direction == "out"
    assert record.caller == "+xxxxxxxxx0001"
    text = node.logs[2].text
    assert NUMBER not in text
    (trace,) = parse_trace(text.splitlines())
    assert replay(trace, node.machine) is None
    assert node.told[-1]["call"] == trace.head.call == record.call
