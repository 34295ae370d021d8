"""Time, given and never taken: one interface, so that a day of calls can pass in a minute."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, tzinfo


class Timer(ABC):
    """A callback that has been set for later."""

    @abstractmethod
    def cancel(self) -> None:
        """Forget the callback; safe to repeat, and after it ran."""


class Clock(ABC):
    """Where all code takes its time from."""

    @abstractmethod
    def now(self) -> datetime:
        """Return the present instant, aware, in the node's time zone."""

    @abstractmethod
    def monotonic(self) -> float:
        """Return seconds that only ever grow, whatever happens to the wall clock."""

    @abstractmethod
    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, `delay_s` seconds from now, never before this returns."""


class LoopClock(Clock):
    """The real clock, on the running asyncio loop; to be used in the loop's own thread."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._zone = zone

    def now(self) -> datetime:
        """Return the wall clock's instant; without a zone, in the machine's own."""
        return datetime.now(self._zone) if self._zone else datetime.now().astimezone()

    def monotonic(self) -> float:
        """Return the loop's time in seconds."""
        return self._loop.time()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Set `callback` on the loop."""
        return _LoopTimer(self._loop.call_later(delay_s, callback))


class _LoopTimer(Timer):
    __slots__ = ("_handle",)

    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self._handle = handle

    def cancel(self) -> None:
        self._handle.cancel()
