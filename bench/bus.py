"""How soon a line's state is on the bus, and what bus and metrics cost, at 32 busy lines."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiomqtt

from bench.sample import sample_config
from bench.tables import percentile, table
from ivrd.clock import Clock
from ivrd.config import Config, Metrics, Mqtt
from ivrd.control.outside import Outside
from ivrd.daemon import Daemon
from sim.card import SoftwareCard
from sim.party import Ending, Party

ROUNDS = 2
RUN_S = 20.0
WARM_S = 2.0
SCRAPE_S = 5.0
KILLS = 25
PLAIN, BUS, METRICS, KILLED = "neither", "bus", "bus and metrics", "broker killed"


def measure(folder: Path) -> str:
    """Keep 32 lines busy without a bus, with one, and with one whose broker is killed."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        return "### State on the bus\n\nmosquitto is not installed (apt-get install mosquitto)\n"
    runs = {what: _Run() for what in (PLAIN, BUS, METRICS, KILLED)}
    for turn in range(ROUNDS):
        for what, run in runs.items():
            own = folder / f"{what.replace(' ', '-')}-{turn}"
            own.mkdir()
            asyncio.run(_run(own, what, program, run))
    plain = runs[PLAIN]
    rows: list[list[object]] = []
    for what, run in runs.items():
        late = (
            [percentile(run.late, share) * 1e3 for share in (0.5, 0.99)] if run.late else ["", ""]
        )
        fed = [percentile(run.fed, share) for share in (0.5, 0.99)]
        cpu, more = sum(run.cpu) / ROUNDS, (sum(run.cpu) - sum(plain.cpu)) / ROUNDS
        rows.append(
            [what, len(run.late), *late, len(run.fed), fed[0] * 1e3, fed[1] * 1e3,
             fed[1] / percentile(plain.fed, 0.99), 100 * cpu, 100 * more, run.wrong]
        )  # fmt: skip
    heads = ["with", "states", "p50 ms", "p99 ms", "events", "event p50 ms", "event p99 ms",
             "p99 ratio", "CPU %", "more %", "wrong"]  # fmt: skip
    title = (
        f"State of a line on the bus, 32 busy lines, {ROUNDS} x {RUN_S:.0f} s (the broker killed"
        f" {KILLS} times in each of the last; wrong: retained states that are not the daemon's)"
    )
    return table(title, heads, rows)


class _Run:
    """What one run came to: seconds from a change to its receipt, and seconds an event took."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.fed: list[float] = []
        self.cpu: list[float] = []
        self.wrong: int | str = ""


async def _run(folder: Path, what: str, program: str, run: _Run) -> None:
    port, web = _free_port(), _free_port()
    more: dict[str, Any] = {}
    if what != PLAIN:
        more["mqtt"] = Mqtt(port=port)  # type: ignore[call-arg]  # every field has a default
    if what == METRICS:
        more["metrics"] = Metrics(listen=f"127.0.0.1:{web}")
    config = sample_config(folder).model_copy(update=more)
    config._path = folder / "ivrd.toml"  # noqa: SLF001 - a copy has none of its own
    broker = _Broker(program, folder, port)
    if what != PLAIN:
        await broker.start()
    try:
        async with _daemon(config, run, timed=what != METRICS) as daemon:
            others = []
            if what in {BUS, METRICS}:
                others.append(await _receive(port, folder / "states"))
            if what == METRICS:
                others.append(await _scrape(web))
            kills = asyncio.create_task(_kill_often(broker)) if what == KILLED else None
            await _busy(daemon, run)
            for process in others:
                process.terminate()
                await process.wait()
            if what in {BUS, METRICS}:
                run.late += _lateness(folder / "states")
            if kills is not None:
                await asyncio.wait({kills})
                run.wrong = int(run.wrong or 0) + await _wrong(daemon, broker)
    finally:
        broker.kill()


@asynccontextmanager
async def _daemon(config: Config, run: _Run, *, timed: bool) -> AsyncIterator[Daemon]:
    daemon = Daemon(config)
    outside = Outside(daemon)
    if timed:  # where the metrics do not listen themselves
        daemon.on_fed = run.fed.append
    else:
        observe = daemon.on_fed

        def both(took_s: float) -> None:
            run.fed.append(took_s)
            if observe is not None:
                observe(took_s)

        daemon.on_fed = both
    await daemon.start()
    await daemon.opened(5)
    await outside.start()
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


async def _busy(daemon: Daemon, run: _Run) -> None:
    """Keep every line busy."""
    card = daemon.cards["soft"].card
    if not isinstance(card, SoftwareCard):
        raise TypeError("not the software card")
    chance, began = random.Random(7), len(run.fed)
    for _ in card.channels:
        _Hasty(card, daemon.clock, chance).call()
    await asyncio.sleep(WARM_S)
    del run.fed[began:]
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    await asyncio.sleep(RUN_S)
    run.cpu.append((time.process_time() - cpu_s) / (time.perf_counter() - wall_s))


async def _receive(port: int, file: Path) -> asyncio.subprocess.Process:
    """Let another process write down when which state came."""
    with file.open("wb") as told:
        return await asyncio.create_subprocess_exec(
            "mosquitto_sub", "-p", str(port), "-t", "ivrd/+/line/+", "-q", "1", "-R", "-F", "%U %p",
            stdout=told,
        )  # fmt: skip


async def _scrape(port: int) -> asyncio.subprocess.Process:
    again = f"while :; do curl -s http://127.0.0.1:{port}/metrics; sleep {SCRAPE_S}; done"
    return await asyncio.create_subprocess_exec(
        "sh", "-c", again, stdout=asyncio.subprocess.DEVNULL
    )


def _lateness(file: Path) -> list[float]:
    """Return how late states came after the change of which they tell, to the millisecond below.

    States that newer ones overtook never come.
    """
    late: list[float] = []
    for told in file.read_text("utf-8").splitlines():
        at, payload = told.split(" ", 1)
        late.append(float(at) - datetime.fromisoformat(json.loads(payload)["since"]).timestamp())
    return late


async def _kill_often(broker: _Broker) -> None:
    for _ in range(KILLS):
        await asyncio.sleep(RUN_S / KILLS / 2)
        broker.kill()
        await asyncio.sleep(RUN_S / KILLS / 4)
        await broker.start()


async def _wrong(daemon: Daemon, broker: _Broker) -> int:
    """Return how many retained states are not as the daemon is, once nothing happens any more."""
    await broker.start()
    for state in daemon.cards.values():
        await state.card.close()
    for line in daemon.lines.values():
        line.shut()
    found: dict[int, Any] = {}
    for _ in range(100):
        await asyncio.sleep(0.5)
        found = await _retained(broker.port)
        if len(found) == len(daemon.lines):
            break
    await asyncio.sleep(1.5)
    found = await _retained(broker.port)
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


class _Broker:
    """A mosquitto on a free loopback port."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        self._program = program
        self.port = port
        self._file = folder / "mosquitto.conf"
        self._file.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nset_tcp_nodelay true\n",
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, if it does not run, and wait until it listens."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - it returns at once
            [self._program, "-c", str(self._file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(500):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            await writer.wait_closed()
            return
        raise RuntimeError("mosquitto does not listen")

    def kill(self) -> None:
        """Kill it, with all that it retained."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
