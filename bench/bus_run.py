"""One run of 32 busy lines, with or without bus and metrics, in the process that calls it."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import aiomqtt

from bench.broker import free_port
from bench.live import LateClock
from bench.sample import sample_config
from ivrd.clock import Clock
from ivrd.config import Config, Metrics, Mqtt
from ivrd.control.outside import Outside
from ivrd.daemon import Daemon
from sim.card import SoftwareCard
from sim.party import Ending, Party

RUN_S = 20
WARM_S = 2.0
SCRAPE_S = 5
KILLS = 10

PLAIN, BESIDE, KILLED = "neither", "neither; a broker killed beside", "bus, its broker killed"
BUS, ALONE, METRICS = "bus", "metrics", "bus and metrics"
RUNS = (PLAIN, BESIDE, KILLED, BUS, ALONE, METRICS)
_OF_BUS, _OF_METRICS, _KILLING = {KILLED, BUS, METRICS}, {ALONE, METRICS}, {BESIDE, KILLED}


@dataclass
class Run:
    """What one run came to; times in seconds, processor time as a share of one core."""

    delays: list[float] = field(default_factory=list)
    """From when an event was due to the last order upon it."""
    work: list[float] = field(default_factory=list)
    """From when the line took it."""
    late: list[float] = field(default_factory=list)
    """From a change to its receipt by a subscriber."""
    counted_from: float = 0.0
    """Seconds since 1970."""
    cpu: float = 0.0
    helper_cpu: float = 0.0
    memory_mb: float = 0.0
    helper_mb: float = 0.0
    wrong: int = 0


def one_run(folder: Path, what: str) -> Run:
    """Keep 32 lines busy for `RUN_S`."""
    return asyncio.run(_run(folder, what))


async def _run(folder: Path, what: str) -> Run:
    run, port, web = Run(), free_port(), free_port()
    more: dict[str, Any] = {}
    if what in _OF_BUS:
        more["mqtt"] = Mqtt(port=port)  # type: ignore[call-arg]  # every field has a default
    if what in _OF_METRICS:
        more["metrics"] = Metrics(listen=f"127.0.0.1:{web}")
    config = sample_config(folder).model_copy(update=more)
    config._path = folder / "ivrd.toml"  # noqa: SLF001 - a copy has none of its own
    async with AsyncExitStack() as stack:
        told = None
        if what in _OF_BUS | _KILLING:
            kills = KILLS if what in _KILLING else 0
            told = stack.enter_context(_broker(port, kills))
        daemon = await stack.enter_async_context(_daemon(config, run))
        states = folder / "states"
        if what in {BUS, METRICS}:
            stack.enter_context(_receiver(port, states))
        if what in _OF_METRICS:
            stack.enter_context(_scraper(web))
        await _busy(daemon, run)
        if what in {BUS, METRICS}:
            run.late = _lateness(states, run.counted_from)
        if what == KILLED and told is not None:
            await asyncio.to_thread(told.readline)  # on a busy machine the kills take longer
            run.wrong = await _wrong(daemon, port)
    return run


@contextmanager
def _broker(port: int, kills: int) -> Iterator[IO[bytes]]:
    words = [sys.executable, "-m", "bench.broker", str(port), str(kills), str(RUN_S)]
    with subprocess.Popen(  # noqa: S603 - our own
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        told, ends = process.stdout, process.stdin
        if told is None or ends is None:
            raise TypeError("no pipes")
        told.readline()
        try:
            yield told
        finally:
            ends.close()


@contextmanager
def _receiver(port: int, file: Path) -> Iterator[None]:
    """Let another process write down when which state came."""
    words = [
        "mosquitto_sub",
        "-p",
        str(port),
        "-t",
        "ivrd/+/line/+",
        "-q",
        "1",
        "-R",
        "-F",
        "%U %p",
    ]
    with file.open("wb") as told, _ended(words, stdout=told):
        yield


@contextmanager
def _scraper(port: int) -> Iterator[None]:
    again = f"while :; do curl -s http://127.0.0.1:{port}/metrics; sleep {SCRAPE_S}; done"
    with _ended(["sh", "-c", again], stdout=subprocess.DEVNULL):
        yield


@contextmanager
def _ended(words: list[str], **where: Any) -> Iterator[None]:
    with subprocess.Popen(words, **where) as process:  # noqa: S603 - of the system
        try:
            yield
        finally:
            process.terminate()


@asynccontextmanager
async def _daemon(config: Config, run: Run) -> AsyncIterator[Daemon]:
    daemon = Daemon(config, LateClock)
    outside = Outside(daemon)
    others = daemon.on_fed

    def fed(took_s: float) -> None:
        run.work.append(took_s)
        clock = daemon.clock
        if isinstance(clock, LateClock) and clock.due_s:
            run.delays.append(clock.monotonic() - clock.due_s)
        if others is not None:
            others(took_s)

    daemon.on_fed = fed
    await daemon.start()
    await daemon.opened(5)
    await outside.start()
    gc.collect()
    gc.freeze()
    try:
        yield daemon
    finally:
        daemon.hurry = True
        await daemon.stop()
        await outside.stop()


class _Hasty(Party):
    """Keys all the time, as no caller does, hangs up after a while and calls again."""

    def __init__(self, card: SoftwareCard, clock: Clock, chance: random.Random) -> None:
        self._card = card
        self._clock = clock
        self._chance = chance
        self._on = False

    def call(self) -> None:
        """Call in."""
        self._card.call("88610001", "170", self)

    def answered(self) -> None:
        """Begin to key."""
        self._on = True
        self._clock.call_later(self._chance.uniform(3, 9), self.leg.hang_up)
        self._key()

    def _key(self) -> None:
        if self._on:
            self.leg.key(self._chance.choice("1234567890#*"))
            self._clock.call_later(self._chance.uniform(0.15, 0.45), self._key)

    def ended(self, by: Ending) -> None:
        """Call again soon."""
        del by
        self._on = False
        self._clock.call_later(self._chance.uniform(0.05, 0.2), self.call)


async def _busy(daemon: Daemon, run: Run) -> None:
    """Keep every line busy, and count after a while of it."""
    card = _card(daemon)
    chance = random.Random(7)
    for _ in card.channels:
        _Hasty(card, daemon.clock, chance).call()
    await asyncio.sleep(WARM_S)
    run.delays.clear()
    run.work.clear()
    run.counted_from = time.time()
    helper_s, cpu_s, wall_s = _of_helpers(_seconds), time.process_time(), time.perf_counter()
    await asyncio.sleep(RUN_S)
    took_s = time.perf_counter() - wall_s
    run.cpu = (time.process_time() - cpu_s) / took_s
    run.helper_cpu = (_of_helpers(_seconds) - helper_s) / took_s
    run.memory_mb, run.helper_mb = _memory_mb(os.getpid()), _of_helpers(_memory_mb)


def _card(daemon: Daemon) -> SoftwareCard:
    card = daemon.cards["soft"].card
    if not isinstance(card, SoftwareCard):
        raise TypeError("not the software card")
    return card


def _of_helpers(of: Callable[[int], float]) -> float:
    """Return the sum over the processes that the daemon itself has started."""
    found = 0.0
    for child in Path("/proc/self/task").glob("*/children"):
        for pid in child.read_text(encoding="ascii").split():
            if "ivrd.control" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
                found += of(int(pid))
    return found


def _seconds(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def _lateness(file: Path, counted_from: float) -> list[float]:
    """Return how late states came after the change of which they tell, to the millisecond below.

    States that newer ones overtook never come; those from before the bus was there do not count.
    """
    late: list[float] = []
    for told in file.read_text("utf-8").splitlines():
        at, _, payload = told.partition(" ")
        try:
            since_s = datetime.fromisoformat(json.loads(payload)["since"]).timestamp()
        except ValueError:  # the line that is being written
            continue
        if since_s >= counted_from:
            late.append(float(at) - since_s)
    return late


async def _wrong(daemon: Daemon, port: int) -> int:
    """Return how many retained states are not as the daemon is, once nothing happens any more."""
    for state in daemon.cards.values():
        await state.card.close()
    for line in daemon.lines.values():
        line.shut()
    found: dict[int, Any] = {}
    for _ in range(100):
        await asyncio.sleep(0.5)
        found = await _retained(port)
        if len(found) == len(daemon.lines):
            break
    await asyncio.sleep(1.5)
    found = await _retained(port)
    return sum(
        (number not in found) or (found[number]["state"], found[number]["call"])
        != (line.status.value, line.talk.id if line.talk else "")
        for number, line in daemon.lines.items()
    )  # fmt: skip


async def _retained(port: int) -> dict[int, Any]:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("ivrd/+/line/+", 1)
        await client.unsubscribe("ivrd/+/line/+")
        states = [json.loads((await anext(client.messages)).payload)
                  for _ in range(len(client.messages))]  # fmt: skip
    return {state["line"]: state for state in states}
