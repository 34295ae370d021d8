"""Times in which billing lookups fail: since when, why, how many, and when it was over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from ivrd.billing.breaker import Breaker
from ivrd.errors import BillingError, BillingSlow

State: TypeAlias = Literal["up", "slow", "down"]

CONNECTION = "connection"
"""What fails where there is no connection; any answer at all mends it."""

RETRY_S = 10.0
"""How long after a failure what failed is tried again; doubled up to `RETRY_MOST_S`."""

RETRY_MOST_S = 60.0

SETTLE_S = 60.0
"""A database that was slow and is slow again within this has not been well in between."""

_FAILED = "the billing database failed: "


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which lookups failed; `until` is None while they do.

    `failed` counts them, those refused by the breaker too. `why` is the reason of the latest.
    """

    state: State
    why: str
    since: datetime
    failed: int = 0
    until: datetime | None = None

    @property
    def lasted_s(self) -> float | None:
        """How long it was, in seconds."""
        return (self.until - self.since).total_seconds() if self.until else None


class Outages:
    """Takes note of how lookups end. May be used from any thread.

    What failed is kept apart by `key`, such as the text of a statement: a table that is locked
    is not well because another one answers. The outage is over when all of it has worked again.
    """

    def __init__(
        self,
        breaker: Breaker,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tell: Callable[[Outage], None] | None = None
        """Told of each outage once when it begins and once when it is over."""
        self.on = False
        self._breaker, self._now, self._monotonic = breaker, now, monotonic
        self._lock = threading.Lock()
        self._up_since = now()
        self._failing: dict[Hashable, State] = {}
        self._latest: Outage | None = None
        self._untold = False
        """Whether the latest outage is over and nobody has been told yet."""
        self._ended_s = self._try_at_s = self._late_s = 0.0
        self._pause_s = RETRY_S

    def failed(self, key: Hashable, error: BillingError, *, lookups: int = 1) -> None:
        """Note that something failed, for so many of those who asked."""
        state: State = "slow" if isinstance(error, BillingSlow) else "down"
        with self._lock:
            self._failing[key] = state
            begins = not self.on and not self._goes_on(state)
            self._begin_or_go_on(state, str(error).removeprefix(_FAILED), lookups)
            told = self._latest if begins else None
        self._tell(told)

    def _goes_on(self, state: State) -> bool:
        return self._untold and state == "slow"

    def _begin_or_go_on(self, state: State, why: str, lookups: int) -> None:
        latest = self._latest
        if not self.on:
            self._pause_s = RETRY_S
            self._try_at_s = self._monotonic() + RETRY_S
            if latest is None or not self._goes_on(state):
                latest = Outage(state, why, self._now())
            self.on, self._untold = True, False
        if latest is None:
            raise RuntimeError("an outage under way is always the latest")
        self._latest = replace(
            latest, state=self._worst(), why=why, failed=latest.failed + lookups, until=None
        )

    def _worst(self) -> State:
        return "down" if "down" in self._failing.values() else "slow"

    def refused(self) -> None:
        """Note a lookup that the breaker refused."""
        with self._lock:
            if self.on and self._latest:
                self._latest = replace(self._latest, failed=self._latest.failed + 1)

    def late(self, name: str, error: BillingError) -> None:
        """Note that an action was not done in time."""
        with self._lock:
            self._late_s = self._monotonic()
        self.failed(("late", name), error)

    def in_time(self, name: str) -> None:
        """Note that an action was done in time."""
        if self.on:
            self._mended({("late", name)})

    def worked(self, key: Hashable) -> None:
        """Note that something was answered."""
        if self.on:
            self._mended({key, CONNECTION})

    def _mended(self, keys: set[Hashable]) -> None:
        with self._lock:
            told = self._end(keys)
        self._tell(told)

    def _end(self, keys: set[Hashable]) -> Outage | None:
        for key in keys:
            self._failing.pop(key, None)
        if self._failing or not self.on or self._latest is None:
            return None
        was_slow = self._latest.state == "slow"
        self.on, self._up_since, self._ended_s = False, self._now(), self._monotonic()
        self._latest = replace(self._latest, until=self._up_since)
        self._untold = was_slow
        return None if was_slow else self._latest

    def _tell(self, outage: Outage | None) -> None:
        if outage and self.tell:
            self.tell(outage)

    # -- trying again --------------------------------------------------------------------------

    @property
    def due(self) -> bool:
        """Whether what failed is to be tried again now."""
        return self.on and self._monotonic() >= self._next_try_s()

    def _next_try_s(self) -> float:
        shut_until = self._breaker.shut_until
        return self._try_at_s if shut_until is None else shut_until

    def put_off(self) -> None:
        """Try again later, where anything still fails by then."""
        with self._lock:
            self._pause_s = min(2 * self._pause_s, RETRY_MOST_S)
            self._try_at_s = self._monotonic() + self._pause_s

    def settle(self) -> None:
        """Let go of what is long past; to be called every second or so."""
        told = None
        with self._lock:
            now_s = self._monotonic()
            if self.on and now_s - self._late_s >= SETTLE_S:
                late: set[Hashable] = {key for key in self._failing if isinstance(key, tuple)}
                told = self._end(late) if late else None
            if self._untold and now_s - self._ended_s >= SETTLE_S:
                self._untold = False
                told = self._latest
        self._tell(told)

    # -- what people are shown -----------------------------------------------------------------

    @property
    def state(self) -> str:
        """How the billing database is: up, slow or down."""
        latest = self._latest
        return latest.state if self.on and latest else "up"

    @property
    def next_try(self) -> datetime | None:
        """When what failed is tried again; None where nothing does."""
        if not self.on:
            return None
        return self._now() + timedelta(seconds=max(self._next_try_s() - self._monotonic(), 0.0))

    def view(self) -> dict[str, str]:
        """Return how it is, since when and why."""
        with self._lock:
            latest = self._latest if self.on else None
            since = latest.since if latest else self._up_since
            return {
                "state": latest.state if latest else "up",
                "since": since.isoformat(timespec="seconds"),
                "why": latest.why if latest else "",
            }

    def outage_view(self) -> dict[str, Any] | None:
        """Return the outage under way, else the last one; None where there was none."""
        outage, next_try = self._latest, self.next_try
        if outage is None:
            return None
        return {
            "state": outage.state,
            "why": outage.why,
            "since": outage.since.isoformat(timespec="seconds"),
            "until": outage.until.isoformat(timespec="seconds") if outage.until else None,
            "lasted_s": outage.lasted_s,
            "failed": outage.failed,
            "next_try": next_try.isoformat(timespec="seconds") if next_try else None,
        }
