"""Carries out what may block for the dialler, one job after the other."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import structlog

from ivrd.clock import Clock

T = TypeVar("T")

CLOSE_S = 20.0
"""How long the end of the daemon waits for a job that hangs."""

_log = structlog.get_logger("ivrd.dunning")


class ThreadClerk:
    """One thread of its own. Jobs are never cut short: an outcome is written, however late."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Callable[[Any], None]] | None]
        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        """Run `job` after those before it; `done` is called once, in the loop's thread."""
        self._jobs.put((job, done))

    async def close(self, within_s: float = CLOSE_S) -> None:
        """Wait for the jobs that were submitted, and end the thread.

        One that takes longer is left behind: what a daemon that stops had open is found again.
        """
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, within_s)
        if self._thread.is_alive():
            _log.error("clerk_left_behind", clerk=self._thread.name, after_s=within_s)

    def _work(self) -> None:
        while (given := self._jobs.get()) is not None:
            job, done = given
            result: Any
            try:
                result = job()
            except Exception as error:  # whatever it is, it is handed to `done`
                result = error
            with suppress(RuntimeError):  # the loop has ended, and nobody waits for it
                self._loop.call_soon_threadsafe(done, result)


class InlineClerk:
    """Jobs done at once, answered `delay_s` of the clock's time later: for simulations."""

    def __init__(self, clock: Clock, delay_s: float = 0.005) -> None:
        self._clock = clock
        self._delay_s = delay_s

    def submit(self, job: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        """Run `job` now; `done` is called once, later."""
        result: Any
        try:
            result = job()
        except Exception as error:  # as above
            result = error
        self._clock.call_later(self._delay_s, partial(done, result))

    async def close(self) -> None:
        """Do nothing: every job is done at once."""
