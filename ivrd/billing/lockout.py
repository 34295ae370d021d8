"""Wrong proofs, counted per account and per caller, so that nobody guesses their way in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol


class Lockout(Protocol):
    """Counts proofs per key, ahead of knowing whether they are right; safe in any thread."""

    def begin(self, limits: Mapping[str, int]) -> bool:
        """Count one try for each key; False, and nothing counted, where one has its limit."""

    def locked(self, limits: Mapping[str, int]) -> bool:
        """Return whether one of the keys has its limit."""

    def undo(self, *keys: str) -> None:
        """Take one try back for each key: it was right, or could not be decided."""

    def forget(self, key: str) -> None:
        """Forget the tries of a key."""


class MemoryLockout:
    """A lock-out that lasts as long as the daemon; tries older than `window_s` do not count."""

    _MANY = 10_000

    def __init__(self, now: Callable[[], datetime], window_s: float) -> None:
        self._now = now
        self._window = timedelta(seconds=window_s)
        self._tries: dict[str, list[datetime]] = {}
        self._guard = threading.Lock()

    def begin(self, limits: Mapping[str, int]) -> bool:
        """Count one try for each key, unless one has its limit."""
        with self._guard:
            if len(self._tries) >= self._MANY:
                self._tries = {key: recent for key in self._tries if (recent := self._recent(key))}
            if any(len(self._recent(key)) >= limit for key, limit in limits.items()):
                return False
            for key in limits:
                self._tries[key] = [*self._recent(key), self._now()]
            return True

    def locked(self, limits: Mapping[str, int]) -> bool:
        """Return whether one of the keys has its limit."""
        with self._guard:
            return any(len(self._recent(key)) >= limit for key, limit in limits.items())

    def undo(self, *keys: str) -> None:
        """Take the latest try back for each key."""
        with self._guard:
            for key in keys:
                self._tries[key] = self._recent(key)[:-1]

    def forget(self, key: str) -> None:
        """Forget the tries of a key."""
        with self._guard:
            self._tries.pop(key, None)

    def _recent(self, key: str) -> list[datetime]:
        since = self._now() - self._window
        return [at for at in self._tries.get(key, ()) if at > since]
