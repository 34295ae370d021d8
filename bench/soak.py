"""A day of the whole daemon at 60 times its speed: what grows? ``python -m bench.soak``.

Callers and debtors on a software card of 32 lines, a broker that is killed now and then, metrics
that are asked for, logs that are rotated, reloads. Every quarter of an hour of the daemon's time
its memory, descriptors, threads, tasks and files are looked at. It ends with 1 where one of them
grew by more than it may.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from functools import partial
from pathlib import Path

from bench.broker import free_port
from bench.sample import sample_config
from bench.tables import table
from ivrd.assembly import open_billing
from ivrd.billing.mapping import load_mapping
from ivrd.config import Config, load_config
from ivrd.dunning.campaign import campaign_from
from ivrd.dunning.choose import choose_targets
from ivrd.dunning_settings import number_plan
from ivrd.own_store import open_own_store
from ivrd.rehearsal import enrol

DAY = date(2026, 11, 23)
"""A Monday: campaigns may call from the morning to the evening."""
ACCOUNTS = 30_000
CALLS_AN_HOUR = 1200
RELOADED = 8
"""Every how many looks flows and voices are read again."""
SETTLED = 8
"""Looks before which nothing is said of growth: caches fill."""
SCRAPE_S = 2.0

_CARD_OF_SAMPLE = '[[card]]\nname = "soft"\ndriver = "software"\nchannels = 32\n'
_CARD = """
[[card]]
name = "soft"
driver = "demo"
channels = 32
options = {{ calls_an_hour = {calls} }}
[[lines]]
numbers = "1-24"
card = "soft"
channels = "1-24"
role = "enquiry"
[[lines]]
numbers = "25-32"
card = "soft"
channels = "25-32"
role = "dunning"
[dunning]
caller_id = "+861086100170"
[log]
max_mb = 0.5
keep = 3
daemon = "var/log/ivrd.log"
format = "json"
[mqtt]
port = {mqtt}
commands = true
[metrics]
listen = "127.0.0.1:{web}"
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What was there at one moment; sizes in MB."""

    at: datetime
    tasks: int
    objects: int
    memory_mb: float
    helper_mb: float
    descriptors: int
    threads: int
    store_mb: float
    wal_mb: float
    logs_mb: float
    calls: int
    attempts: int
    faults: int


MAY_GROW = {"memory_mb": 0.5, "helper_mb": 0.1, "descriptors": 0.3, "threads": 0.1, "tasks": 0.2}
"""What each may grow an hour of the daemon's time, by its looks' slope, before it is told.

Descriptors have room for a pool of connections to the store that fills in a day.
"""


def main() -> int:
    """Let the day pass; 1 where something grew."""
    words = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    words.add_argument("--hours", type=float, default=24.0, help="of the daemon's time")
    words.add_argument("--speed", type=float, default=60.0)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="ivrd-soak-") as folder:
        looks, why = soak(Path(folder), asked.hours, asked.speed)
    sys.stdout.write(report(looks, asked.speed))
    grown = growing(looks)
    for one in (*grown, *why):
        sys.stdout.write(f"WRONG: {one}\n")
    return 1 if grown or why else 0


def soak(folder: Path, hours: float, speed: float) -> tuple[list[Look], list[str]]:
    """Run the daemon; return what was seen, and what is wrong apart from growth."""
    mqtt, web = free_port(), free_port()
    config = _set_up(folder, mqtt, web)
    start = datetime.combine(DAY, time_of_day(0), config.zone)
    _campaign(config, start)
    real_s = int(hours * 3600 / speed)
    broker = [sys.executable, "-m", "bench.broker", str(mqtt), str(max(1, int(hours))), str(real_s)]
    with (
        subprocess.Popen(  # noqa: S603 - our own
            broker, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as brokers,
        _daemon(config, start, speed) as daemon,
        _scraped(web),
    ):
        looks = list(_looks(daemon, config, web, start + timedelta(hours=hours)))
        if brokers.stdin is not None:
            brokers.stdin.close()
        daemon.send_signal(signal.SIGTERM)
        why = [] if daemon.wait(60) == 0 else [f"the daemon ended with {daemon.returncode}"]
    return looks, why + [f"{count} of {what}" for what, count in _errors(config).items()]


def _set_up(folder: Path, mqtt: int, web: int) -> Config:
    config = sample_config(folder, accounts=ACCOUNTS, today=DAY)
    text = config.path.read_text("utf-8").replace(_CARD_OF_SAMPLE, "")
    more = _CARD.format(calls=CALLS_AN_HOUR, mqtt=mqtt, web=web)
    config.path.write_text(text + more, encoding="utf-8")
    return load_config(config.path)


def _campaign(config: Config, start: datetime) -> None:
    """Put a running campaign into the store, of everybody who owes."""
    campaign = campaign_from(
        {"name": "soak", "flow": "dunning", "caller_id": "+861086100170", "languages": ["zh-CN"],
         "profiles": ["cn-consumer-credit"], "dials_per_s": 5, "choose": {}}
    )  # fmt: skip
    reader = open_billing(config, load_mapping(config.mapping))
    with closing(open_own_store(config)) as store:
        owing = list(choose_targets(reader, campaign, number_plan(config), DAY))
        store.transact(partial(enrol, campaign=campaign, rows=owing, now=start))
    reader.database.engine.dispose()


@contextmanager
def _daemon(config: Config, start: datetime, speed: float) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "bench.soak_daemon", str(config.path), start.isoformat()]
    with subprocess.Popen(  # noqa: S603 - our own
        [*words, str(speed)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _scraped(port: int) -> Iterator[None]:
    """Ask for the metrics again and again."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(SCRAPE_S):
            with suppress(OSError):
                _metrics(port)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()


def _looks(
    daemon: subprocess.Popen[str], config: Config, web: int, until: datetime
) -> Iterator[Look]:
    if daemon.stdout is None:
        return
    for count, told in enumerate(daemon.stdout, 1):
        said = json.loads(told)
        look = _look(daemon.pid, config, web, said)
        yield look
        if look.at >= until:
            return
        if count % RELOADED == 0:
            daemon.send_signal(signal.SIGHUP)


def _look(pid: int, config: Config, web: int, said: dict[str, str | int]) -> Look:
    proc = Path(f"/proc/{pid}")
    children = [int(one) for task in proc.glob("task/*/children") for one in
                task.read_text("ascii").split()]  # fmt: skip
    figures = _metrics(web)
    store = config.data / "store.db"
    return Look(
        at=datetime.fromisoformat(str(said["at"])),
        tasks=int(said["tasks"]),
        objects=int(said["objects"]),
        memory_mb=_memory_mb(pid),
        helper_mb=sum(_memory_mb(child) for child in children),
        descriptors=len(list((proc / "fd").iterdir())),
        threads=len(list((proc / "task").iterdir())),
        store_mb=store.stat().st_size / 1e6,
        wal_mb=_size_mb([store.with_name("store.db-wal")]),
        logs_mb=_size_mb(config.logs.iterdir()),
        calls=int(_sum(figures, "ivrd_calls_total")),
        attempts=int(_sum(figures, "ivrd_attempts_total")),
        faults=sum(int(_sum(figures, f"ivrd_{what}_total"))
                   for what in ("errors", "watchdog_resets", "card_faults")),
    )  # fmt: skip


def _memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def _size_mb(files: Iterator[Path] | Sequence[Path]) -> float:
    size = 0
    for file in files:
        with suppress(FileNotFoundError):  # rotated meanwhile
            size += file.stat().st_size
    return size / 1e6


def _metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        told: str = answer.read().decode()
    return told


def _sum(figures: str, name: str) -> float:
    lines = (line for line in figures.splitlines() if line.startswith((f"{name}{{", f"{name} ")))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def _errors(config: Config) -> dict[str, int]:
    """Count what the daemon's own log has of errors; the broker that goes away is none."""
    found: dict[str, int] = {}
    for file in config.logs.glob("ivrd.log*"):
        for line in file.read_text("utf-8").splitlines():
            told = json.loads(line)
            if told["level"] == "error":
                found[told["event"]] = found.get(told["event"], 0) + 1
    return found


def slope(looks: Sequence[Look], name: str) -> float:
    """Return by how much something grows an hour of the daemon's time."""
    settled = looks[SETTLED:]
    if len(settled) < 2:
        return 0.0
    hours = [(look.at - looks[0].at).total_seconds() / 3600 for look in settled]
    return statistics.linear_regression(hours, [getattr(look, name) for look in settled]).slope


def growing(looks: Sequence[Look]) -> list[str]:
    """Return what grew by more than it may."""
    return [
        f"{name} grows by {slope(looks, name):.2f} an hour"
        for name, most in MAY_GROW.items()
        if slope(looks, name) > most
    ]


def report(looks: Sequence[Look], speed: float) -> str:
    """Return all looks as a table, with the slope of each column under it."""
    names = ("memory_mb", "helper_mb", "descriptors", "threads", "tasks", "objects", "store_mb",
             "wal_mb", "logs_mb", "calls", "attempts", "faults")  # fmt: skip
    rows: list[list[object]] = [
        [f"{look.at:%d %H:%M}", *(getattr(look, name) for name in names)] for look in looks
    ]
    slopes = [round(slope(looks, name), 3) for name in names]
    rows.append([f"an hour, after {SETTLED} looks", *slopes])
    title = f"A day of 32 lines in the daemon's own process, {speed:g} times as fast"
    return table(title, ["at", *(name.replace("_mb", ", MB") for name in names)], rows)


if __name__ == "__main__":
    sys.exit(main())
