"""One long call, cut at every single event: the line is back on hook, and the log says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivrd.events import T_LC, Event
from ivrd.line import Line
from ivrd.records import Status
from ivrd.simulation import Office
from ivrd.trace import read_trace, replay
from sim.caller import ScriptedCaller
from sim.channel import State
from sim.script import Script
from tests.call_families import FILES
from tests.call_office import Databases, open_office
from tests.conftest import Calls

LONG_CALL = FILES["details_from_the_first_to_the_last"]
EVENTS = 63
"""Events of the long call: rings, keys, plays, timers and answers."""

CUTS = {"caller": "hangs up", "operator": "stops it", "card": "loses the loop"}


@dataclass
class Desk:
    """A line that takes call after call, and counts the events of each."""

    office: Office
    log: Path
    at: int = 0
    cut: str = ""
    count: int = 0

    @property
    def line(self) -> Line:
        return self.office.lines[0]

    def feed(self, event: Event) -> None:
        """Hand an event to the line; once it is the one, cut the call."""
        Line.feed(self.line, event)
        self.count += 1
        if self.count == self.at:
            self.office.clock.call_later(0.0, self._cut)

    def _cut(self) -> None:
        channel = self.office.card.channels[0]
        if self.cut == "caller" and channel.leg is not None:
            channel.leg.hang_up()
        elif self.cut == "operator":
            self.line.stop_call("operator")
        elif self.cut == "card":
            channel.emit(Event(T_LC, None, {"cause": "loop current lost"}))


@pytest.fixture(scope="module")
def desk(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    logs = tmp_path_factory.mktemp("hang_ups")
    desk = Desk(open_office(LONG_CALL, databases, logs), logs / "line-01.log")
    # each event, whether the card's, a timer's or an answer, comes through here
    vars(desk.line)["feed"] = desk.feed
    desk.line.channel.connect(desk.feed)
    yield desk
    desk.office.close()
    traces = list(read_trace(desk.log))
    assert len(traces) == desk.line.counters.calls
    for trace in traces:
        assert replay(trace, desk.office.parts.machine) is None
        assert trace.ended is not None


def test_long_call_has_as_many_events_as_are_cut_below(calls: Calls) -> None:
    assert calls.made(LONG_CALL).events == EVENTS


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("at", range(1, EVENTS))  # the last is the T_ONH of the end
def test_call_cut_at_this_event_ends_on_hook(desk: Desk, at: int, cut: str) -> None:
    line, clock = desk.line, desk.office.clock
    desk.at, desk.cut, desk.count = at, cut, 0
    script = Script(LONG_CALL.script.steps, LONG_CALL.script.caller)
    caller = ScriptedCaller(script)
    before = len(desk.office.records)
    caller.call(desk.office.card)
    went = clock.run_while(lambda: not caller.finished or line.status is not Status.IDLE, 300.0)
    assert went, f"stuck in {line.status}"
    clock.run_for(5.0)
    assert desk.office.card.channels[0].state is State.IDLE
    assert line.status is Status.IDLE
    records = desk.office.records[before:]
    assert len(records) == 1
    assert records[0].ended_by in {cut, "ivrd"}
    assert records[0].left_in
