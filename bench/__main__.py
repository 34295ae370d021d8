"""Print all tables, or those that are named: python -m bench [events] [day] [dry_run] and so on."""

from __future__ import annotations

import platform
import sys
import tempfile
from pathlib import Path

from bench import bus, claims, day, dry_run, events, imports, live, lookups, modems, occupancy

MEASURES = {
    "events": events.measure,
    "day": day.measure,
    "live": live.measure,
    "lookups": lookups.measure,
    "imports": imports.measure,
    "claims": claims.measure,
    "occupancy": occupancy.measure,
    "dry_run": dry_run.measure,
    "bus": bus.measure,
    "modems": modems.measure,
}


def main() -> int:
    """Run the measurements named on the command line, or all."""
    wanted = sys.argv[1:] or list(MEASURES)
    unknown = [name for name in wanted if name not in MEASURES]
    if unknown:
        sys.stderr.write(f"no measurement {unknown[0]!r}; there are {', '.join(MEASURES)}\n")
        return 2
    sys.stdout.write(f"Python {platform.python_version()}, {platform.machine()}\n\n")
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(MEASURES[name](Path(folder)) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
