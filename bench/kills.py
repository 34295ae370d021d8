"""A dunning node killed at random moments, again and again: ``python -m bench.kills``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from ivrd.billing.sample_tables import write_sample
from tests.dunning.kills import account_for, kill_often


def main() -> int:
    """Kill, let the campaign end, and account for everything; 1 where something is not right."""
    words = argparse.ArgumentParser(prog="python -m bench.kills", description=__doc__)
    words.add_argument("--kills", type=int, default=200)
    words.add_argument("--seed", type=int, default=4)
    words.add_argument("--accounts", type=int, default=1500, help="about a fifth of them owe")
    asked = words.parse_args()
    start_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        write_sample(Path(folder) / "billing.db", date(2026, 11, 21), accounts=asked.accounts)
        told = kill_often(Path(folder), asked.kills, asked.seed)
        wrong = account_for(Path(folder), told)
    sys.stdout.write(
        f"{told.kills} kills, {len(told.dials)} dials, {len(told.promises)} promises and"
        f" {len(told.stops)} wishes for no more calls heard, {time.monotonic() - start_s:.0f} s\n"
    )
    lines = [f"WRONG: {one}\n" for one in wrong] or ["nothing lost, no rule broken\n"]
    sys.stdout.writelines(lines)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
