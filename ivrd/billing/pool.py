"""The lookups' own threads: few, bounded, and never waited for."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar

from ivrd.errors import BillingSlow

T = TypeVar("T")

_here = threading.local()
"""Under `lookup`, what a thread of a pool does."""

Done: TypeAlias = Callable[[T | Exception], None]
"""Called once in the event loop's thread with the result, or with the exception."""


class Cancellable(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> object:
        """Forget the callback."""


CallLater: TypeAlias = Callable[[float, Callable[[], None]], Cancellable]


class LookupPool:
    """Runs blocking lookups on `threads` daemon threads, at most `waiting` of them in the queue.

    A lookup that is not done `limit_s` seconds after `submit` is answered `BillingSlow` then,
    whatever its thread does; it is not begun at all if it was still waiting. A hung lookup holds
    its own thread, no other, and no shutdown: the threads are never joined. `submit` and
    `close` belong to the event loop's thread.
    """

    def __init__(
        self,
        threads: int = 4,
        waiting: int = 64,
        limit_s: float = 3.0,
        loop: asyncio.AbstractEventLoop | None = None,
        call_later: CallLater | None = None,
    ) -> None:
        if threads < 1 or waiting < 1:
            raise ValueError("a pool needs at least one thread and one place to wait")
        self._loop = loop or asyncio.get_running_loop()
        self._call_later = call_later or self._loop.call_later
        self._limit_s = limit_s
        self._queue: queue.SimpleQueue[_Lookup | None] = queue.SimpleQueue()
        self._room = waiting
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"billing-{n + 1}", daemon=True)
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Lookups that no thread has begun."""
        return self._queue.qsize()

    def submit(self, fn: Callable[[], T], done: Done[T]) -> None:
        """Run `fn` on a thread, then call `done`, never before this returns.

        With the queue full or the pool closed `done` gets `BillingSlow`, and `fn` is not run.
        """
        lookup = _Lookup(fn, done)
        if self._closed or self._queue.qsize() >= self._room:
            why = "closed" if self._closed else "full: too many lookups wait"
            self._loop.call_soon(lookup.finish, BillingSlow(f"the lookup queue is {why}"))
            return
        lookup.timer = self._call_later(self._limit_s, lambda: lookup.finish(_overdue(lookup)))
        self._queue.put(lookup)

    def close(self) -> None:
        """Take no more lookups, answer those that wait with `BillingSlow`, let the threads end.

        Returns at once, whatever hangs; a lookup under way is still answered. Safe to repeat.
        """
        if self._closed:
            return
        self._closed = True
        try:
            while True:
                lookup = self._queue.get_nowait()
                if lookup:
                    lookup.finish(BillingSlow("the lookup queue is closed"))
        except queue.Empty:
            pass
        for _ in self._threads:
            self._queue.put(None)

    def _work(self) -> None:
        while not self._closed:
            lookup = self._queue.get()
            if lookup is None:
                return
            if lookup.answered:
                continue
            lookup.begun = True
            _here.lookup = lookup
            result: Any
            try:
                result = lookup.fn()
            except Exception as exc:  # whatever it is, it is handed to `done`
                result = exc
            try:
                self._loop.call_soon_threadsafe(lookup.finish, result)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more
            # until the next lookup, a thread keeps nothing of this one: not the data it has read
            _here.lookup = None
            del lookup, result


class _Lookup:
    """One lookup on its way; all but `fn` belongs to the event loop's thread."""

    __slots__ = ("answered", "begun", "done", "fn", "timer")

    def __init__(self, fn: Callable[[], Any], done: Done[Any]) -> None:
        self.fn = fn
        self.done = done
        self.begun = False
        self.answered = False
        self.timer: Cancellable | None = None

    def finish(self, result: Any) -> None:
        """Hand the result over, the first time."""
        if self.answered:
            return
        self.answered = True
        if self.timer:
            self.timer.cancel()
        self.done(result)


def _overdue(lookup: _Lookup) -> BillingSlow:
    return BillingSlow("no answer in time" if lookup.begun else "no thread was free in time")


def given_up() -> bool:
    """Return whether nobody waits any more for the lookup that this thread does."""
    lookup: _Lookup | None = getattr(_here, "lookup", None)
    return lookup is not None and lookup.answered
