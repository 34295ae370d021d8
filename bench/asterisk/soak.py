"""Calls while Asterisk is killed under them; no call, line or record may be lost.

python -m bench.asterisk.soak [--calls 240] [--kills 3]

Each kill has its share of the calls. Asterisk dies at a moment that a seed chooses while they are
up, and is back a second later. Then every line must wait for a call again, Asterisk must have no
channel, and every call that a caller heard must have its record, begun and ended.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from bench.asterisk.bill import PHONE, last_month
from bench.asterisk.callers import RAMP_S, Callers
from bench.asterisk.exchange import Exchange
from bench.tables import table
from tests.real.private_asterisk import TRUNK_HOST, missing

KEYS = ((0.5, last_month()), (2.0, "1"), (2.8, PHONE + "#"))
TALK_S = 6.0
DEAD_S = 1.0
BACK_S = 60.0
"""Within this, every line must be back."""

_BEGUN = re.compile(r"(?m)^\S+ \S+ @ ")
_ENDED = re.compile(r"(?m)^\S+ \S+ # ended ")


def main() -> int:
    """Make the calls, and say what was lost; the exit code is 1 if anything was."""
    parser = argparse.ArgumentParser(prog="python -m bench.asterisk.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=240)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=32, help="calls that are up together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="an empty folder for logs and settings")
    options = parser.parse_args()
    lacks = missing()
    if lacks:
        sys.stderr.write(lacks + "\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="as") as folder:
        rows, lost = _soak(options.keep or Path(folder), options)
    sys.stdout.write(table("Asterisk killed under calls", ["what", "count"], rows) + "\n")
    for what in lost:
        sys.stdout.write(f"LOST: {what}\n")
    return 1 if lost else 0


def _soak(folder: Path, options: argparse.Namespace) -> tuple[list[Sequence[object]], list[str]]:
    chance = random.Random(options.seed)
    exchange = Exchange(folder, options.at_once)
    callers = Callers(folder, TRUNK_HOST, exchange.asterisk.sip_port, KEYS)
    lost: list[str] = []
    made = heard = kills = 0
    slowest_s = 0.0
    try:
        exchange.start_ivrd()
        while made < options.calls:
            calls = min(options.at_once, options.calls - made)
            killer = None
            if kills < options.kills * (made + calls) // options.calls:
                kills += 1
                killer = _kill_after(exchange, chance.uniform(1.0, RAMP_S + TALK_S - 1.0))
            made += calls
            heard += len(callers.round(exchange.ways[0].numbers, calls, TALK_S))
            if killer is not None:
                killer.join()
            back_s, idle = _until_idle(exchange)
            slowest_s = max(slowest_s, back_s)
            if idle < exchange.lines:
                lost.append(f"{exchange.lines - idle} lines not back after {BACK_S:g} s")
                break
    finally:
        callers.close()
        exchange.stop()
    begun, ended = _records(folder / "var" / "log")
    if begun != ended:
        lost.append(f"{begun - ended} records without an end")
    if begun < heard:
        lost.append(f"{heard - begun} calls that were heard and have no record")
    return [
        ["calls made", made], ["Asterisk killed", kills], ["calls heard by the caller", heard],
        ["calls recorded", begun], ["records with an end", ended],
        ["longest until every line was back, s", slowest_s],
    ], lost  # fmt: skip


def _kill_after(exchange: Exchange, wait_s: float) -> threading.Thread:
    def kill() -> None:
        time.sleep(wait_s)
        exchange.asterisk.kill()
        time.sleep(DEAD_S)
        asyncio.run(exchange.asterisk.start())

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def _until_idle(exchange: Exchange) -> tuple[float, int]:
    """Return how long it took until every line was idle and no channel up, and how many are."""
    began_s = time.monotonic()
    while True:
        idle, took_s = exchange.lines_idle(), time.monotonic() - began_s
        if idle == exchange.lines and exchange.asterisk.channels() == 0:
            return took_s, idle
        if took_s > BACK_S:
            return took_s, idle
        time.sleep(0.2)


def _records(logs: Path) -> tuple[int, int]:
    """Return how many calls the line logs tell the beginning and the end of."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(logs.glob("line-*.log*"))]
    return (
        sum(len(_BEGUN.findall(text)) for text in texts),
        sum(len(_ENDED.findall(text)) for text in texts),
    )


if __name__ == "__main__":
    sys.exit(main())
