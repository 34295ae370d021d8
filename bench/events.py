"""How many events a second one core moves through a call."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transitions import Machine
from transitions.extensions.asyncio import AsyncMachine

from bench.sample import EVENLY, REGULAR, day_start, sample_config
from bench.tables import table
from ivrd.call import Call
from ivrd.events import T_DIGIT, Event
from ivrd.flow.machine import FlowMachine
from ivrd.linelog import CallHead, Mask, render_step
from ivrd.simulation import Office, run_day
from ivrd.trace import read_trace

Recorded = tuple[CallHead, Sequence[tuple[Event, float]]]


def measure(folder: Path) -> str:
    """Record two hours of calls, then feed their events to `Call` as fast as it goes."""
    config = sample_config(folder)
    logs = folder / "log"
    office = Office(config, day_start(config), lines=32, logs=logs)
    run_day(office, hours=2, calls_a_day=45_000, seed=7, habits=REGULAR, by_hour=EVENLY)
    office.close()
    calls: list[Recorded] = [
        (trace.head, [(step.event, step.at_s) for step in trace.steps])
        for file in sorted(logs.glob("*.log"))
        for trace in read_trace(file)
    ]
    machine = office.parts.machine
    events = sum(len(steps) for _, steps in calls)
    bare = _best(_bare_transitions, events)
    handle = _best(lambda: _handle(machine, calls), events)
    rendered = _best(lambda: _handle_and_render(machine, calls), events)
    awaited = _best(_async_transitions, 20_000)
    rows = [
        ["transitions.Machine, a bare trigger (peer)", bare, 1.0],
        ["transitions.AsyncMachine, a bare trigger", awaited, awaited / bare],
        ["Call.handle", handle, handle / bare],
        ["Call.handle, trace rendered", rendered, rendered / bare],
    ]
    return table(
        f"Events a second on one core ({len(calls):,} calls, {events:,} events, best of 3)",
        ["what", "events/s", "ratio"],
        rows,
    )


def _best(run: Callable[[], Any], events: int) -> float:
    """Return the highest rate of three runs, in events a second of processor time."""
    best = 0.0
    for _ in range(3):
        gc.collect()
        start_s = time.process_time()
        done = run() or events
        best = max(best, done / (time.process_time() - start_s))
    return best


def _handle(machine: FlowMachine, calls: Sequence[Recorded]) -> None:
    for head, steps in calls:
        handle = Call(machine, head.facts, head.lang, first_id=head.first_id).handle
        for event, at_s in steps:
            handle(event, at_s)


def _handle_and_render(machine: FlowMachine, calls: Sequence[Recorded]) -> None:
    mask = Mask(machine.private)
    for head, steps in calls:
        call = Call(machine, head.facts, head.lang, first_id=head.first_id)
        for event, at_s in steps:
            before = call.state
            private = event.name == T_DIGIT and call.hides(str(event.data["key"]), at_s)
            commands = call.handle(event, at_s)
            state = call.state if call.state != before else None
            prefix = f"2026-11-20T10:00:00.000+08:00 {at_s:.3f}"
            render_step(prefix, event, commands, state, mask, private_key=private)


class _Model:
    state = "a"


def _machine(kind: type[Machine]) -> Any:
    machine = kind(model=None, states=["a", "b"], initial="a", auto_transitions=False)
    machine.add_transition("go", "a", "b")
    machine.add_transition("go", "b", "a")
    return machine.events["go"]


def _bare_transitions() -> int:
    go, model = _machine(Machine), _Model()
    for _ in range(100_000):
        go.trigger(model)
    return 100_000


def _async_transitions() -> int:
    async def run() -> int:
        go, model = _machine(AsyncMachine), _Model()
        for _ in range(20_000):
            await go.trigger(model)
        return 20_000

    return asyncio.run(run())
