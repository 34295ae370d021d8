"""What stands for an account in the paths of the JSON interface.

Numbers and proofs are told once, in the body of a request; proxies log paths. A handle is chance,
belongs to the client that it was given to, and is good for a while.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable

LASTS_S = 900.0
"""How long a handle is good for, in seconds."""

MOST = 50_000
"""Handles at a time; then the oldest goes, and whoever has it proves the account again."""

_BYTES = 16


class Handles:
    """The handles given out. They are lost when the daemon ends."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._given: OrderedDict[str, tuple[str, str, float]] = OrderedDict()

    def give(self, owner: str, account_id: str) -> str:
        """Return a new handle for an account; `owner` alone can use it, for `LASTS_S`."""
        now_s = self._monotonic()
        while self._given and (len(self._given) >= MOST or self._oldest_s() <= now_s):
            self._given.popitem(last=False)
        handle = secrets.token_urlsafe(_BYTES)
        self._given[handle] = (owner, account_id, now_s + LASTS_S)
        return handle

    def account(self, owner: str, handle: str) -> str | None:
        """Return the id of the account, None for a handle that is not the owner's, or too old."""
        whose, account_id, until_s = self._given.get(handle, ("", "", 0.0))
        return account_id if whose == owner and self._monotonic() < until_s else None

    def _oldest_s(self) -> float:
        return next(iter(self._given.values()))[2]
