"""Blocking work that the loop waits for but nobody on a line does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ivrd.billing.pool import LookupPool
from ivrd.errors import BillingSlow, ControlError

T = TypeVar("T")

LIMIT_S = 30.0
"""How long a piece of work may take before nobody waits for it any more."""


class Aside:
    """Threads of their own; one that hangs holds up no other, and not the daemon's end."""

    def __init__(self, threads: int = 2, limit_s: float = LIMIT_S) -> None:
        self._pool = LookupPool(threads=threads, waiting=64, limit_s=limit_s)

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, or raise what it raises.

        Raises `ControlError` where it takes too long; it may yet be done then.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pool.submit(work, partial(_hand_over, done))
        try:
            return await done
        except BillingSlow as error:
            raise ControlError(f"not done in time: {error}") from None

    def close(self) -> None:
        """Take no more work; returns at once."""
        self._pool.close()


def _hand_over(done: asyncio.Future[T], result: T | Exception) -> None:
    if done.done():
        return
    if isinstance(result, Exception):
        done.set_exception(result)
    else:
        done.set_result(result)
