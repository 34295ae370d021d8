"""Lookups of the JSON interface: on the calls' own threads, a few at a time, and calls first."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, TypeVar

from ivrd.billing.pool import LookupPool
from ivrd.clock import Clock
from ivrd.errors import IvrdError

T = TypeVar("T")

MOST_WAITING = 64
"""Lookups of all clients that may wait."""

MOST_OF_ONE = 16
"""Lookups of one client that may wait: it fills the queue for no other."""

LOOK_AGAIN_S = 0.01
"""How long after it found a call waiting it looks whether one still is."""


class TooBusy(IvrdError):  # noqa: N818 - what the asker is told
    """So many lookups wait already that this one was not taken."""


class ApiLookups:
    """Hands lookups to the pool while no call's waits there, and fewer than it has threads.

    A thread counts as taken until its lookup has ended, however long ago the asker was answered:
    so `at_once` threads at most ever work for clients, whatever hangs. Belongs to the loop's
    thread.
    """

    def __init__(self, pool: LookupPool, clock: Clock, at_once: int) -> None:
        self._pool = pool
        self._clock = clock
        self._room = at_once
        self._waiting: deque[tuple[str, Callable[[], None]]] = deque()
        self._of: Counter[str] = Counter()
        self._looking_again = False

    async def ask(self, owner: str, fn: Callable[[], T]) -> T:
        """Return what `fn` returns, or raise what it raises; `owner` is whose it is.

        Raises `TooBusy`, and `BillingSlow` where no thread was done in time.
        """
        if len(self._waiting) >= MOST_WAITING or self._of[owner] >= MOST_OF_ONE:
            raise TooBusy("too many lookups wait")
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        entry = (owner, lambda: self._submit(fn, done))
        self._waiting.append(entry)
        self._of[owner] += 1
        self._next()
        try:
            result: T = await done
            return result
        finally:
            if entry in self._waiting:  # the asker has gone, or waits no more
                self._waiting.remove(entry)
                self._left(owner)

    def _next(self) -> None:
        """Begin what may begin."""
        while self._waiting and self._room > 0:
            if self._pool.waiting:
                self._look_again()
                return
            owner, begin = self._waiting.popleft()
            self._left(owner)
            begin()

    def _left(self, owner: str) -> None:
        self._of[owner] -= 1
        if not self._of[owner]:
            del self._of[owner]

    def _look_again(self) -> None:
        if not self._looking_again:
            self._looking_again = True
            self._clock.call_later(LOOK_AGAIN_S, self._looked)

    def _looked(self) -> None:
        self._looking_again = False
        self._next()

    def _submit(self, fn: Callable[[], Any], done: asyncio.Future[Any]) -> None:
        self._room -= 1
        loop = asyncio.get_running_loop()
        seat = _Seat(lambda: loop.call_soon_threadsafe(self._free))

        def finish(result: Any) -> None:
            seat.answered()
            if done.done():
                return
            if isinstance(result, Exception):
                done.set_exception(result)
            else:
                done.set_result(result)

        self._pool.submit(lambda: seat.work(fn), finish)

    def _free(self) -> None:
        self._room += 1
        self._next()


class _Seat:
    """A thread's use by one lookup: free when the lookup ends, or is answered before it began."""

    def __init__(self, free: Callable[[], object]) -> None:
        self._free = free
        self._guard = threading.Lock()
        self._begun = self._answered = False

    def work(self, fn: Callable[[], T]) -> T | None:
        """Do it on the thread; nothing where nobody waits for it any more."""
        with self._guard:
            if self._answered:
                return None
            self._begun = True
        try:
            return fn()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody counts any more
                self._free()

    def answered(self) -> None:
        """Note that its asker has an answer."""
        with self._guard:
            first, self._answered = not self._answered, True
            unbegun = first and not self._begun
        if unbegun:
            self._free()
