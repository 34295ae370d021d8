"""Random callers, faults, stops and reloads: never stuck, and never an amount not theirs."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ivrd.assembly import Parts, enquiry_service
from ivrd.billing.sample import KNOWN
from ivrd.config import Log
from ivrd.events import FROM_CARD, T_LC, Event
from ivrd.line import WATCH_S, Line
from ivrd.records import Status
from ivrd.simulation import Office
from ivrd.trace import read_trace, replay
from sim.channel import State
from sim.crowd import Hostile, months_before
from sim.faults import Dead, Double, Endless, Fault, Late, Lose, Swap
from sim.party import Ending, Party
from sim.script import Script
from sim.subscriber import Caller, Habits, Subscriber, draw_habits
from tests.call_files import CallFile, Meets, config_for
from tests.call_office import START, ActionsMeeting, Databases
from tests.spoken_amounts import amounts_spoken, wrong_amounts

EXAMPLES = 60
"""How many sequences a run of the suite tries; --machine-examples tries more, at random."""

LINES = 3
CALL_S = 1000.0
"""No call lasts longer than the flow's 15 minutes and its goodbye."""

SUBSCRIBERS = [
    Subscriber(k.subscriber.phone, k.subscriber.agreement, "123456", k.subscriber.identity[-4:])
    for k in KNOWN
]
MONTHS = months_before(START, 14)

rules = st.tuples(
    st.sampled_from([*sorted(FROM_CARD), None]),
    st.sampled_from([0.2, 0.5, 1.0]),
    st.sampled_from([None, 1, 3]),
    st.sampled_from([0, 1, 4]),
)
faults: st.SearchStrategy[Fault] = st.one_of(
    rules.map(lambda rule: Lose(*rule)),
    rules.map(lambda rule: Double(*rule)),
    rules.map(lambda rule: Swap(*rule)),
    st.tuples(rules, st.sampled_from([0.01, 1.0, 9.0])).map(lambda both: Late(*both[0], both[1])),
    rules.map(lambda rule: Endless(*rule)),
    st.builds(Dead, st.sampled_from([0.0, 0.3, 10.0]), st.sampled_from([None, 1.0, 20.0])),
)


class EnquiryMachine(RuleBasedStateMachine):
    """Lines of an enquiry service, and everything that can come over them."""

    databases: Databases
    amounts = 0
    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.office: Office | None = None
        self.people: list[Party] = []
        self.reloaded: Parts | None = None

    @initialize(
        disclosure=st.sampled_from(["open", "own-line", "checked"]),
        rings=st.sampled_from([1, 2]),
        lookup_s=st.sampled_from([0.0, 0.02, 0.9, 2.9]),
    )
    def open(self, disclosure: str, rings: int, lookup_s: float) -> None:
        office = {"disclosure": disclosure}
        call = CallFile(Path("machine.call"), "", Script(()), office)
        config = config_for(call, self.databases.sample).model_copy(
            update={"log": Log.model_validate({"private": "clear"})}
        )
        self.office = Office(config, START, lines=LINES, logs=Path(self.folder.name))
        self.lookup_s = lookup_s
        self.meets(None, "down")
        for line in self.office.lines:
            line.settings.rings = rings

    @property
    def there(self) -> Office:
        assert self.office is not None
        return self.office

    # -- what happens ----------------------------------------------------------------------------

    @rule(seed=st.integers(0, 10**6), who=st.sampled_from(SUBSCRIBERS), shows=st.booleans())
    def somebody_calls(self, seed: int, who: Subscriber, shows: bool) -> None:
        rng = random.Random(seed)
        habits: Habits = replace(draw_habits(rng), more=0.85, details=0.4)
        caller = Caller(rng, who, MONTHS, habits, self._gone)
        self._place(caller, who.phone if shows else "")

    @rule(seed=st.integers(0, 10**6), keys=st.sampled_from(["0123456789*#ABCD", "012#", "123#*"]))
    def somebody_hostile_calls(self, seed: int, keys: str) -> None:
        party = Hostile(random.Random(seed), alphabet=keys, pace_s=0.5, longest_s=200.0)
        self._place(party, "88610001")

    def _place(self, party: Party, number: str) -> None:
        EnquiryMachine.calls += 1
        self.people.append(party)
        self.there.card.call(number, "170", party)

    def _gone(self, _: Caller, __: Ending) -> None:
        """Nothing hangs on it."""

    @rule(seconds=st.sampled_from([0.01, 0.3, 2.0, 7.0, 30.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.there.clock.run_for(seconds)

    @rule(at=st.integers(0, LINES - 1))
    def operator_stops_a_call(self, at: int) -> None:
        self.there.lines[at].stop_call("operator")

    @rule(at=st.integers(0, LINES - 1))
    def call_is_shut(self, at: int) -> None:
        line = self.there.lines[at]
        if line.talk is not None:  # the daemon's end: a line that is out of service stays so
            line.shut()

    @rule(at=st.integers(0, LINES - 1), stopped=st.booleans())
    def enquiry_is_stopped_or_started(self, at: int, stopped: bool) -> None:
        self.there.lines[at].stopped = stopped

    @rule(at=st.integers(0, LINES - 1))
    def loop_is_lost(self, at: int) -> None:
        self.there.lines[at].channel.emit(Event(T_LC, None, {"cause": "loop current lost"}))

    @rule(at=st.integers(0, LINES - 1), found=st.lists(faults, min_size=1, max_size=2))
    def card_goes_wrong(self, at: int, found: list[Fault]) -> None:
        self.there.card.channels[at].inject(*found, seed=at)

    @rule(at=st.integers(0, LINES - 1))
    def card_is_mended(self, at: int) -> None:
        self.there.card.channels[at].clear_faults()

    @rule(
        at=st.integers(0, LINES - 1),
        event=st.sampled_from(sorted(FROM_CARD)),
        ident=st.integers(1, 60),
    )
    def card_says_anything(self, at: int, event: str, ident: int) -> None:
        self.there.lines[at].channel.emit(Event(event, ident, {"key": "1", "heard_s": 0.5}))

    @rule(
        action=st.sampled_from(["find_by_phone", "read_bill", "check_proof", "next_detail", None]),
        what=st.sampled_from(["down", "slow", "wrong", "gone", "fault", "late"]),
    )
    def meets(self, action: str | None, what: str) -> None:
        meets = {action: Meets(what, 4.0 if what == "late" else 0.0)} if action else {}
        actions = ActionsMeeting(self.there, meets, self.databases, self.lookup_s)
        parts = self.there.parts
        for line in self.there.lines:
            line.service = enquiry_service(parts.config, parts, actions)

    @rule()
    def files_are_reloaded(self) -> None:
        self.reloaded = self.reloaded or self.there.parts.reloaded()
        for line in self.there.lines:
            actions = line.service.actions
            line.service = enquiry_service(self.reloaded.config, self.reloaded, actions)

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def no_line_waits_longer_than_its_flow(self) -> None:
        if self.office is not None:
            for line in self.office.lines:
                assert not _stuck(line, self.office), f"line {line.number}"

    def teardown(self) -> None:
        if self.office is not None:
            try:
                self._all_lines_come_back(self.office)
            finally:
                self.office.close()
            self._logs_are_right(self.office)
        self.folder.cleanup()

    def _all_lines_come_back(self, office: Office) -> None:
        for channel in office.card.channels:
            channel.clear_faults()
        clock = office.clock
        assert clock.run_while(
            lambda: any(line.status is not Status.IDLE for line in office.lines), CALL_S
        ), [f"{line.number} {line.status} {line.reason}" for line in office.lines]
        for person in self.people:
            if hasattr(person, "leg"):
                person.leg.hang_up()
        clock.run_for(60.0)
        for line, channel in zip(office.lines, office.card.channels, strict=True):
            assert (line.status, channel.state) == (Status.IDLE, State.IDLE)
            assert line.talk is None
        assert clock.pending == 0, "no timer is left behind"

    def _logs_are_right(self, office: Office) -> None:
        machine = office.parts.machine
        with closing(sqlite3.connect(self.databases.sample)) as database:
            for log in Path(self.folder.name).glob("*.log"):
                for trace in read_trace(log):
                    assert replay(trace, machine) is None
                    assert trace.ended is not None
                    assert list(wrong_amounts(trace, database)) == []
                    EnquiryMachine.amounts += amounts_spoken(trace)


def _stuck(line: Line, office: Office) -> bool:
    """Whether a line's call has outstayed what its flow and the watchdog allow."""
    if line.talk is None:
        return False
    quiet_s = office.clock.monotonic() - line.talk.progress_s
    return quiet_s > line.talk.call.longest_wait_s + 2 * WATCH_S


def test_service_survives_everything(databases: Databases, request: pytest.FixtureRequest) -> None:
    EnquiryMachine.databases = databases
    EnquiryMachine.amounts = EnquiryMachine.calls = 0
    examples = int(request.config.getoption("--machine-examples"))
    run_state_machine_as_test(
        EnquiryMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            # what a run of the suite tries is the same every time; shrinking takes too long there
            derandomize=examples == EXAMPLES,
            phases=[Phase.generate] if examples == EXAMPLES else list(Phase),
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert EnquiryMachine.calls > EXAMPLES
    assert EnquiryMachine.amounts > EXAMPLES, "callers did hear bills"
