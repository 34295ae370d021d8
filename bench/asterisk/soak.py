"""Calls while Asterisk is killed under them; no call, line or record may be lost.

python -m bench.asterisk.soak [--calls 240] [--kills 3] [--concurrent 32]

Each kill has its share of the calls. Asterisk dies at a moment that a seed chooses while they are
up, and is back a second later. In the end every single call is accounted for: what its telephone
did, what it heard, and what ivrd's line logs say of it must make one story.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.asterisk.bill import PHONE, last_month, length_s
from bench.asterisk.callers import RAMP_S
from bench.asterisk.exchange import Exchange
from bench.asterisk.soak_callers import Caller, SoakCallers
from bench.asterisk.soak_story import Kill, stories
from bench.tables import percentile, table
from tests.real.private_asterisk import TRUNK_HOST, missing

KEYS = ((0.5, last_month()), (2.0, "1"), (2.8, PHONE + "#"))
TALK_S = 20.0
"""Into the bill, so that 128 calls at once take less than half a core."""

BEFORE_END_S = 0.1
"""Gaps are counted up to here before the end of the bill: what follows is another play."""

DEAD_S = 1.0
BACK_S = 60.0
"""Within this, every line must be back."""

QUIET_S = 1.0
"""How often it is looked whether all is quiet."""


@dataclass
class Soak:
    """What has happened so far."""

    callers: list[Caller] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    memory_mb: list[float] = field(default_factory=list)
    """Of ivrd, after each round."""
    load: list[float] = field(default_factory=list)
    cpu_ms: tuple[float, float] = (0.0, 0.0)
    """Processor time a call of Asterisk and of ivrd; without kills only."""


def main() -> int:
    """Make the calls, and say what was lost; the exit code is 1 if anything was."""
    parser = argparse.ArgumentParser(prog="python -m bench.asterisk.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=240)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--concurrent", type=int, default=32, help="calls up together; 32 a card")
    parser.add_argument("--ramp", type=float, default=RAMP_S, help="s in which they begin")
    parser.add_argument("--talk", type=float, default=TALK_S, help="s that each lasts")
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
    began_s = time.monotonic()
    exchange = Exchange(folder, options.concurrent)
    with (folder / "ivrd.toml").open("a", encoding="utf-8") as file:
        # a call is found by its caller's number
        file.write('[log]\nprivate = "clear"\n')
    callers = SoakCallers(folder, TRUNK_HOST, exchange.asterisk.sip_port, KEYS, options.ramp)
    soak = Soak()
    try:
        exchange.start_ivrd()
        _make_calls(exchange, callers, options, soak)
    finally:
        callers.close()
        exchange.stop()
    told, lost = stories(folder / "var" / "log", soak.callers, soak.kills, options.talk)
    lost += soak.lost + _errors(folder / "ivrd.out")
    minutes = (time.monotonic() - began_s) / 60
    rows: list[Sequence[object]] = [
        ["calls made", len(soak.callers)],
        ["Asterisk killed", len(soak.kills)],
        *([f"  {story}", count] for story, count in told.calls.most_common()),
        ["records of ivrd, begun and ended", told.records],
        *([f"  line's remark {remark}", count] for remark, count in told.remarks.most_common()),
        ["longest from Asterisk's start to the last line in service, s", told.back_s],
        ["longest until every line was idle and no channel up, s", soak.slowest_s],
        ["memory of ivrd, MB: after the first and the last round",
         f"{soak.memory_mb[0]:.0f}, {soak.memory_mb[-1]:.0f}"],
        *_sound(soak, length_s(exchange.bill)),
        ["load average", f"{min(soak.load):.1f} to {max(soak.load):.1f}"],
        ["minutes", minutes],
    ]  # fmt: skip
    if not soak.kills:
        asterisk_ms, ivrd_ms = soak.cpu_ms
        rows.append(
            ["processor time a call, ms: Asterisk, ivrd", f"{asterisk_ms:.1f}, {ivrd_ms:.1f}"]
        )
    return rows, lost


def _sound(soak: Soak, bill_s: float) -> list[Sequence[object]]:
    """Return what the callers heard of the bill, gaps counted as they heard them."""
    gaps = [sum(at < bill_s - BEFORE_END_S for at in each.gaps) for each in soak.callers]
    answers = [each.answer_s * 1000 for each in soak.callers if each.answer_s is not None]
    rows: list[Sequence[object]] = [
        ["gaps over 40 ms within the bills", sum(gaps)],
        ["calls with such a gap", sum(count > 0 for count in gaps)],
    ]
    if answers:
        told = ", ".join(f"{percentile(answers, share):.1f}" for share in (0.5, 0.99))
        rows.append(['"#" to audio p50, p99 ms', told])
    return rows


def _make_calls(
    exchange: Exchange, callers: SoakCallers, options: argparse.Namespace, soak: Soak
) -> None:
    chance = random.Random(options.seed)
    before = exchange.cpu_s(exchange.ways[0])
    while len(soak.callers) < options.calls:
        calls = min(options.concurrent, options.calls - len(soak.callers))
        due = options.kills * (len(soak.callers) + calls) // options.calls
        killer = None
        if len(soak.kills) < due:
            killer = _kill_after(
                exchange, chance.uniform(1.0, options.ramp + options.talk - 1.0), soak.kills
            )
        soak.callers += callers.calls(
            exchange.ways[0].numbers, calls, options.talk, lambda: exchange.asterisk.boots
        )
        if killer is not None:
            killer.join()
        back_s, idle = _until_idle(exchange)
        soak.slowest_s = max(soak.slowest_s, back_s)
        soak.memory_mb.append(_memory_mb(exchange))
        soak.load.append(os.getloadavg()[0])
        heard = sum(caller.heard for caller in soak.callers[-calls:])
        sys.stderr.write(
            f"{len(soak.callers)} calls, {len(soak.kills)} kills; heard {heard} of {calls}, "
            f"quiet after {back_s:.1f} s, ivrd {soak.memory_mb[-1]:.1f} MB\n"
        )
        if idle < exchange.lines:
            soak.lost.append(f"{exchange.lines - idle} lines not back after {BACK_S:g} s")
            return
    if not soak.kills:
        after = exchange.cpu_s(exchange.ways[0])
        asterisk_s, ivrd_s = after[0] - before[0], after[1] - before[1]
        made = len(soak.callers)
        soak.cpu_ms = asterisk_s * 1000 / made, ivrd_s * 1000 / made


def _kill_after(exchange: Exchange, wait_s: float, kills: list[Kill]) -> threading.Thread:
    def kill() -> None:
        time.sleep(wait_s)
        dead_s = time.time()
        exchange.asterisk.kill()
        time.sleep(DEAD_S)
        asyncio.run(exchange.asterisk.start())
        kills.append(Kill(dead_s, time.time()))

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
        time.sleep(QUIET_S)


def _memory_mb(exchange: Exchange) -> float:
    process = exchange.ways[0].process
    if process is None:
        raise RuntimeError("ivrd does not run")
    text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else 0.0


def _errors(log: Path) -> list[str]:
    """Return what ivrd itself took for an error, each kind once."""
    found = Counter(
        re.sub(r"timestamp=\S+ ", "", line)
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
        if "level=error" in line or "level=critical" in line or "Traceback" in line
    )
    return [f"{count} x in ivrd's log: {what}" for what, count in found.most_common(20)]


if __name__ == "__main__":
    sys.exit(main())
