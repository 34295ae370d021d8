"""The daemon itself, on a clock that goes faster: bench.soak_daemon IVRD.TOML START SPEED.

What `ivrd run` runs, in a process of its own; only its time is another. It says every quarter of an
hour of its own time how many tasks and objects it has.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path

from ivrd.cli.run import log_to
from ivrd.clock import Clock, LoopClock, Timer
from ivrd.config import load_config
from ivrd.control.daemon_log import FromLogging, open_daemon_log
from ivrd.control.run import run_daemon
from ivrd.daemon import Daemon
from ivrd.store import engine

SAID_S = 900


class FastClock(LoopClock):
    """The loop's time, `speed` times as fast, from `start` on."""

    def __init__(self, zone: tzinfo, start: datetime, speed: float) -> None:
        super().__init__(zone)
        self._start = start
        self._speed = speed
        self._began_s = super().monotonic()

    def now(self) -> datetime:
        """Return the instant that this clock shows."""
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return this clock's seconds since it was made."""
        return (super().monotonic() - self._began_s) * self._speed

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Set `callback` on the loop."""
        return super().call_later(delay_s / self._speed, callback)


def _ready(daemon: Daemon) -> None:
    _say(daemon.clock)


def _say(clock: Clock) -> None:
    told = {
        "at": clock.now().isoformat(timespec="seconds"),
        "tasks": len(asyncio.all_tasks()),
        "objects": len(gc.get_objects()),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    clock.call_later(SAID_S, partial(_say, clock))


def main() -> None:
    """Run until SIGTERM."""
    config = load_config(Path(sys.argv[1]))
    start, speed = datetime.fromisoformat(sys.argv[2]), float(sys.argv[3])
    made: list[FastClock] = []

    def clock(zone: tzinfo) -> Clock:
        made.append(FastClock(zone, start, speed))
        # a store on SQLite takes the machine's time, which is this one here
        engine._machine_time = made[-1].now  # noqa: SLF001
        return made[-1]

    file = open_daemon_log(config)
    log_to(None, config.zone, file, config.log.format)
    logging.basicConfig(handlers=[FromLogging()], level=logging.WARNING)
    asyncio.run(run_daemon(config, _ready, file.reopen if file is not None else None, clock))


if __name__ == "__main__":
    main()
