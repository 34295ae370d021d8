"""Virtual time: a day of calls in under a minute, every timer in its right order."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ivrd.clock import Clock, Timer

COMPACT_AT = 1024
"""Cancelled timers that may lie in the heap before it is cleared of them."""


class VirtualTimer(Timer):
    """A timer of a `VirtualClock`."""

    __slots__ = ("_clock", "callback")

    def __init__(self, clock: VirtualClock, callback: Callable[[], None]) -> None:
        self._clock = clock
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the callback."""
        if self.callback is not None:
            self.callback = None
            self._clock.cancelled()


class VirtualClock(Clock):
    """A clock that stands still until it is told to run, and then jumps from timer to timer.

    It starts at the instant `start`, which must be aware, and at 0 monotonic seconds. Timers
    for the same moment run in the order in which they were set. What a callback raises comes
    out of the `run_…` call; the clock stands at that callback's moment and can go on.
    """

    def __init__(self, start: datetime) -> None:
        if start.utcoffset() is None:
            raise ValueError(f"start must be an aware instant, not {start.isoformat()}")
        # Adding to a local time would be wrong across a change to summer time.
        self._start = start.astimezone(UTC)
        self._zone = start.tzinfo
        self._now_s = 0.0
        self._seen_s = -1.0
        self._seen = start
        self._heap: list[tuple[float, int, VirtualTimer]] = []
        self._set = 0
        self._cancelled = 0
        self._running = False

    def now(self) -> datetime:
        """Return the present instant in the zone of `start`."""
        if self._seen_s != self._now_s:
            self._seen = (self._start + timedelta(seconds=self._now_s)).astimezone(self._zone)
            self._seen_s = self._now_s
        return self._seen

    def monotonic(self) -> float:
        """Return the seconds since the start."""
        return self._now_s

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Set `callback`; a delay below 0 counts as 0, as on the real clock."""
        timer = VirtualTimer(self, callback)
        self._set += 1
        at_s = self._now_s + delay_s if delay_s > 0 else self._now_s
        heapq.heappush(self._heap, (at_s, self._set, timer))
        return timer

    def set_wall(self, by: timedelta) -> None:
        """Set the wall clock by so much, as NTP does, or hours of suspend; timers are untouched."""
        self._start += by
        self._seen_s = -1.0

    @property
    def pending(self) -> int:
        """Timers that are set and not cancelled."""
        return len(self._heap) - self._cancelled

    @property
    def size(self) -> int:
        """Timers held in memory, cancelled ones among them."""
        return len(self._heap)

    def run_until(self, monotonic_s: float) -> None:
        """Run all timers up to and at `monotonic_s`, and stand there.

        Raises `ValueError` for a moment that is past, `RuntimeError` from within a callback.
        """
        if not monotonic_s >= self._now_s:
            raise ValueError(f"time does not go back: now {self._now_s} s, asked {monotonic_s} s")
        self._enter()
        heap, pop = self._heap, heapq.heappop
        try:
            while heap and heap[0][0] <= monotonic_s:
                at_s, _, timer = pop(heap)
                callback = timer.callback
                if callback is None:
                    self._cancelled -= 1
                    continue
                timer.callback = None
                self._now_s = at_s
                callback()
            self._now_s = monotonic_s
        finally:
            self._running = False

    def run_for(self, seconds: float) -> None:
        """Run all timers of the next `seconds`; as `run_until`."""
        self.run_until(self._now_s + seconds)

    def step(self) -> bool:
        """Run the next timer alone, and stand at its moment; False where none is set."""
        self._enter()
        try:
            while self._heap:
                at_s, _, timer = heapq.heappop(self._heap)
                callback = timer.callback
                if callback is None:
                    self._cancelled -= 1
                    continue
                timer.callback = None
                self._now_s = at_s
                callback()
                return True
            return False
        finally:
            self._running = False

    def run_while(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Run until `condition` is false; return whether it became so within `limit_s` seconds.

        Where it did not, the clock stands at the limit.
        """
        until_s = self._now_s + limit_s
        while condition():
            next_s = self._next_s()
            if next_s is None or next_s > until_s:
                self.run_until(until_s)
                return not condition()
            self.step()
        return True

    def run_until_idle(self, limit_s: float) -> None:
        """Run until no timer is set; raise `TimeoutError` where `limit_s` seconds do not do."""
        if not self.run_while(lambda: self.pending > 0, limit_s):
            raise TimeoutError(f"{self.pending} timers still set after {limit_s} s")

    def cancelled(self) -> None:
        """Take note that a timer in the heap was cancelled; called by the timer."""
        self._cancelled += 1
        if self._cancelled > COMPACT_AT and self._cancelled * 2 > len(self._heap):
            # In place: `run_until` may be looking at this very list.
            self._heap[:] = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def _next_s(self) -> float | None:
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def _enter(self) -> None:
        if self._running:
            raise RuntimeError("a callback of the clock cannot run the clock")
        self._running = True
