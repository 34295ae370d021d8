"""A circuit breaker: a database that keeps failing is left alone for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ivrd.errors import BillingDown


class Breaker:
    """Opens after `failures` failures in a row; after `open_s` lets one lookup through to try.

    That one's success closes it, its failure keeps it open for another `open_s`. A trial that
    never ends holds nobody up longer than that either. May be used from any thread.
    """

    def __init__(
        self, monotonic: Callable[[], float], failures: int = 5, open_s: float = 10.0
    ) -> None:
        if failures < 1 or open_s <= 0:
            raise ValueError("a breaker needs failures >= 1 and open_s > 0")
        self._monotonic = monotonic
        self._limit = failures
        self._open_s = open_s
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._shut_until: float | None = None

    @property
    def open(self) -> bool:
        """Whether lookups are refused, or one is on trial."""
        return self._shut_until is not None

    @property
    def shut_until(self) -> float | None:
        """Until when lookups are refused, on the clock given; None where they are let through."""
        return self._shut_until

    def enter(self) -> None:
        """Let a lookup through. Raises `BillingDown` while the breaker is open."""
        with self._lock:
            if self._shut_until is None:
                return
            now = self._monotonic()
            if now < self._shut_until:
                raise BillingDown("the breaker is open after repeated failures")
            self._shut_until = now + self._open_s

    def worked(self) -> None:
        """Count a lookup that the database answered."""
        if self._in_a_row or self._shut_until is not None:
            with self._lock:
                self._in_a_row = 0
                self._shut_until = None

    def failed(self) -> None:
        """Count a lookup that failed by the database."""
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row >= self._limit:
                self._shut_until = self._monotonic() + self._open_s
