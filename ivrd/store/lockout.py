"""Wrong proofs (product E5), counted in the store: a restart does not give new tries."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from ivrd.store.engine import Store
from ivrd.store.tables import proofs

_RECENT = (
    select(func.count())
    .select_from(proofs)
    .where(proofs.c.key == bindparam("of"), proofs.c.at > bindparam("since"))
)
_LATEST = (
    select(proofs.c.id)
    .where(proofs.c.key == bindparam("of"), proofs.c.at > bindparam("since"))
    .order_by(proofs.c.id.desc())
    .limit(1)
)
_ADD = insert(proofs)
_TAKE_BACK = delete(proofs).where(proofs.c.id == bindparam("which"))
_FORGET = delete(proofs).where(proofs.c.key == bindparam("of"))
_OVER = delete(proofs).where(proofs.c.at <= bindparam("since"))
_OVER_OF = _OVER.where(proofs.c.key == bindparam("of"))


class StoreLockout:
    """The lock-out of `ivrd.billing.lockout`, over all daemons of a store and their restarts.

    Tries older than `window_s` do not count, and are deleted. Of a key only a digest is kept.
    Every method may raise `StoreError`: then nothing was counted, and nobody is to be let in.
    """

    _OFTEN = 1000

    def __init__(self, store: Store, window_s: float) -> None:
        self._store = store
        self._window = timedelta(seconds=window_s)
        self._begun = 0
        self._guard = threading.Lock()

    def begin(self, limits: Mapping[str, int]) -> bool:
        """Count one try for each key, unless one has its limit."""
        now = self._store.now()
        since = now - self._window
        keys = {digest(key): limit for key, limit in limits.items()}
        tidy = self._is_time_to_tidy()

        def count(tx: Connection) -> bool:
            if tidy:
                tx.execute(_OVER, {"since": since})
            if _any_full(tx, keys, since):
                return False
            for key in keys:
                tx.execute(_OVER_OF, {"of": key, "since": since})
                tx.execute(_ADD, {"key": key, "at": now})
            return True

        return self._store.transact(count)

    def locked(self, limits: Mapping[str, int]) -> bool:
        """Return whether one of the keys has its limit."""
        since = self._store.now() - self._window
        keys = {digest(key): limit for key, limit in limits.items()}
        return self._store.read(lambda tx: _any_full(tx, keys, since))

    def undo(self, *keys: str) -> None:
        """Take the latest try back for each key."""
        since = self._store.now() - self._window

        def take_back(tx: Connection) -> None:
            for key in map(digest, keys):
                latest = tx.execute(_LATEST, {"of": key, "since": since}).scalar()
                if latest is not None:
                    tx.execute(_TAKE_BACK, {"which": latest})

        self._store.transact(take_back)

    def forget(self, key: str) -> None:
        """Forget the tries of a key."""
        self._store.transact(lambda tx: tx.execute(_FORGET, {"of": digest(key)}).rowcount)

    def _is_time_to_tidy(self) -> bool:
        """Say yes at the first try of a daemon, and then from time to time."""
        with self._guard:
            self._begun += 1
            return self._begun % self._OFTEN == 1


def digest(key: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def _any_full(tx: Connection, limits: Mapping[str, int], since: datetime) -> bool:
    return any(
        tx.execute(_RECENT, {"of": key, "since": since}).scalar_one() >= limit
        for key, limit in limits.items()
    )
