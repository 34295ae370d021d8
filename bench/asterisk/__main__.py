"""The same call by the dialplan, FastAGI, an ARI script and ivrd, interleaved in one run.

python -m bench.asterisk [--calls 1,32,128] [--rounds 3] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.asterisk.bill import PHONE, last_month, length_s
from bench.asterisk.callers import Callers, Heard
from bench.asterisk.exchange import Exchange, Way
from bench.tables import percentile, table
from tests.real.private_asterisk import TRUNK_HOST, missing

KEYS = ((0.5, last_month()), (2.0, "1"), (2.8, PHONE + "#"))
"""What the caller keys, and how many seconds after the first sound."""

AFTER_KEYS_S = 5.2
"""The last key is let go a second before; the bill follows, and the caller hears half a second
more."""

BEFORE_MENU_S = 0.1
"""Gaps are counted up to here before the end of the bill: what follows is another play."""

WHOLE = 0.98
"""A call that heard less than this share of the bill's packets has not heard it."""

HEADS = (
    "calls", "carried by", "Asterisk ms", "application ms", "together", '"#" to audio p50 ms',
    "p99 ms", "gaps > 40 ms", "heard whole",
)  # fmt: skip


@dataclass
class Figures:
    """All rounds of one way at one number of calls."""

    asterisk_ms: list[float] = field(default_factory=list)
    application_ms: list[float] = field(default_factory=list)
    calls: list[Heard] = field(default_factory=list)
    made: int = 0

    @property
    def total_ms(self) -> float:
        """The median round's processor time a call, of both processes."""
        pairs = zip(self.asterisk_ms, self.application_ms, strict=True)
        return median(sum(pair) for pair in pairs)


def main() -> int:
    """Measure, and print one table."""
    options = _options()
    lacks = missing()
    if lacks:
        sys.stderr.write(lacks + "\n")
        return 2
    sizes = [int(size) for size in options.calls.split(",")]
    with tempfile.TemporaryDirectory(prefix="ab") as folder:
        sys.stdout.write(_measure(options.keep or Path(folder), sizes, options.rounds) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.asterisk", description=__doc__)
    parser.add_argument("--calls", default="1,32,128", help="how many at once; 512 is possible")
    parser.add_argument("--rounds", type=int, default=3, help="of each; the table has medians")
    parser.add_argument("--keep", type=Path, help="an empty folder for logs and settings")
    return parser.parse_args()


def _measure(folder: Path, sizes: Sequence[int], rounds: int) -> str:
    exchange = Exchange(folder, max(sizes))
    callers = Callers(folder, TRUNK_HOST, exchange.asterisk.sip_port, KEYS)
    bill_s = length_s(exchange.bill)
    talk_s = AFTER_KEYS_S + bill_s
    rows: list[Sequence[object]] = []
    load: list[float] = []
    try:
        exchange.start()
        for size in sizes:
            figures = {way.name: Figures() for way in exchange.ways}
            for number in range(rounds):
                for way in exchange.ways:
                    _round(exchange, callers, way, size, talk_s, figures[way.name])
                    load.append(os.getloadavg()[0])
                    sys.stderr.write(f"{size} calls, round {number + 1}: {way.name}\n")
            rows += _rows(size, figures, bill_s)
    finally:
        callers.close()
        exchange.stop()
    title = (
        f"One call of {talk_s:.0f} s by SIP, {rounds} rounds interleaved: processor time a call "
        f"({os.cpu_count()} cores, Python {platform.python_version()}, load average "
        f"{min(load):.1f} to {max(load):.1f})"
    )
    return table(title, HEADS, rows)


def _round(
    exchange: Exchange, callers: Callers, way: Way, calls: int, talk_s: float, into: Figures
) -> None:
    exchange.wait_until_quiet()
    before = exchange.cpu_s(way)
    into.calls += callers.round(way.numbers, calls, talk_s)
    into.made += calls
    after = exchange.cpu_s(way)
    into.asterisk_ms.append((after[0] - before[0]) * 1000 / calls)
    into.application_ms.append((after[1] - before[1]) * 1000 / calls)


def _rows(size: int, figures: dict[str, Figures], bill_s: float) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    baseline = next(iter(figures.values()))
    for name, found in figures.items():
        answers = [call.answer_s * 1000 for call in found.calls if call.answer_s is not None]
        whole = sum(call.packets >= WHOLE * bill_s * 50 for call in found.calls)
        rows.append((
            size, name, median(found.asterisk_ms), median(found.application_ms),
            f"{found.total_ms / baseline.total_ms:.2f}",
            *(f"{percentile(answers, share):.1f}" if answers else "none" for share in (0.5, 0.99)),
            sum(at_s < bill_s - BEFORE_MENU_S for call in found.calls for at_s in call.gaps),
            f"{whole} of {found.made}",
        ))  # fmt: skip
    return rows


if __name__ == "__main__":
    sys.exit(main())
