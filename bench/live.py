"""Busy lines in real time through the whole shell: how late are orders, how busy is a core."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.sample import REGULAR, sample_config
from bench.tables import percentile, table
from ivrd.assembly import assemble, enquiry_service
from ivrd.billing.outages import Outages
from ivrd.billing.pool import LookupPool
from ivrd.clock import LoopClock, Timer
from ivrd.commands import SAMPLE_RATE
from ivrd.config import Config
from ivrd.events import Data
from ivrd.flow.actions import Action, Answer, Registry
from ivrd.line import Line
from ivrd.linelog import LineLog, TraceFile
from ivrd.records import LineSettings
from ivrd.runner import PooledActions
from ivrd.simulation import subscribers
from sim.card import SoftwareCard
from sim.channel import SoftwareChannel
from sim.crowd import Crowd, months_before
from sim.party import Leg, Party

LINES = 32
RUN_S = 60.0
ORDERS = ("off_hook", "on_hook", "play", "stop")


class LateClock(LoopClock):
    """Remembers when the timer that runs now was due: an event is in from that moment on."""

    due_s = 0.0

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Set `callback`, noting when it is due."""
        due_s = self.monotonic() + delay_s

        def run() -> None:
            self.due_s = due_s
            callback()
            self.due_s = 0.0

        return super().call_later(delay_s, run)


class LateActions(PooledActions):
    """Remembers when a lookup's thread was done: its answer is in from that moment on."""

    def __init__(
        self, registry: Registry, pool: LookupPool, clock: LateClock, outages: Outages
    ) -> None:
        self._done_s: dict[int, float] = {}
        self._late = clock
        timed = {name: replace(action, do=self._timed(action)) for name, action in registry.items()}
        super().__init__(timed, pool, clock, outages)

    def _timed(self, action: Action) -> Callable[[Data], Answer]:
        def do(args: Data) -> Answer:
            answer = action.do(args)
            self._done_s[id(answer)] = time.monotonic()
            return answer

        return do

    def _finish(
        self, action: Action, answer: Callable[[Answer], None], result: Answer | Exception
    ) -> None:
        self._late.due_s = self._done_s.pop(id(result), 0.0)
        super()._finish(action, answer, result)


def measure(folder: Path) -> str:
    """Keep 32 lines busy for a minute; what every caller heard is written afterwards."""
    config = sample_config(folder)
    idle = asyncio.run(_bare_loop())
    delays, calls, cpu_share, audio_s = asyncio.run(_run(config, folder))
    rows = [
        ["bare asyncio timer, no work (peer)", "", percentile(idle, 0.5) * 1e3,
         percentile(idle, 0.99) * 1e3, max(idle) * 1e3, 1.0],
        ["event in to order out", len(delays), percentile(delays, 0.5) * 1e3,
         percentile(delays, 0.99) * 1e3, max(delays) * 1e3,
         percentile(delays, 0.99) / percentile(idle, 0.99)],
    ]  # fmt: skip
    heads = ["what", "orders", "p50 ms", "p99 ms", "max ms", "p99 ratio"]
    title = (
        f"{LINES} busy lines in real time for {RUN_S:.0f} s: {calls} calls, "
        f"{audio_s:,.0f} s of audio written, {cpu_share:.1%} of a core"
    )
    return table(title, heads, rows)


async def _bare_loop() -> list[float]:
    """Return how late plain timers run on an idle loop."""
    loop = asyncio.get_running_loop()
    late: list[float] = []
    for number in range(400):
        due_s = loop.time() + 0.005 * (number + 1)
        loop.call_at(due_s, partial(_note, late, loop, due_s))
    await asyncio.sleep(2.2)
    return late


def _note(late: list[float], loop: asyncio.AbstractEventLoop, due_s: float) -> None:
    late.append(loop.time() - due_s)


async def _run(config: Config, folder: Path) -> tuple[list[float], int, float, float]:
    clock = LateClock(config.zone)
    parts = assemble(config, clock.now)
    pool = LookupPool(threads=4)
    actions = LateActions(parts.registry, pool, clock, parts.reader.database.outages)
    service = enquiry_service(config, parts, actions)
    card = SoftwareCard(clock, channels=LINES)
    delays: list[float] = []
    files: list[TraceFile] = []
    for channel in card.open_now():
        _time_orders(channel, clock, delays)
        files.append(TraceFile(folder / "live" / f"line-{channel.number}.log", 0, 1))
        Line(LineSettings(channel.number), channel, clock, service, LineLog(files[-1]))
    legs: list[Leg] = []

    def place(caller: str, called: str, party: Party) -> Leg | None:
        leg = card.call(caller, called, party)
        if leg is not None:
            legs.append(leg)
        return leg

    months = months_before(clock.now(), 12)
    crowd = Crowd(clock, place, subscribers(parts), months, seed=7, calls_a_day=1, habits=REGULAR)
    # callers come one after the other, not all at once: then each line gets its next at once
    end_s = clock.monotonic() + RUN_S
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    while clock.monotonic() < end_s:
        if any(channel.free for channel in card.channels):
            crowd.send_one()
        await asyncio.sleep(0.05)
    cpu_share = (time.process_time() - cpu_s) / (time.perf_counter() - wall_s)
    card.close_now()
    for leg in legs:
        leg.write_wav(folder / f"heard-{leg.channel}.wav")
    pool.close()
    parts.close()
    for file in files:
        file.close()
    return delays, len(legs), cpu_share, sum(leg.samples for leg in legs) / SAMPLE_RATE


def _time_orders(channel: SoftwareChannel, clock: LateClock, delays: list[float]) -> None:
    """Note for each order how long after the event it came that it answers."""
    for name in ORDERS:
        order: Any = getattr(channel, name)

        def timed(*args: Any, order: Any = order) -> None:
            if clock.due_s:
                delays.append(clock.monotonic() - clock.due_s)
            order(*args)

        setattr(channel, name, timed)
