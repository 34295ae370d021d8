"""How far campaigns are, read from the store again and again, but never much of the time."""

from __future__ import annotations

import time

from sqlalchemy import Connection, select

from ivrd.dunning.reports import Standing, standings
from ivrd.store.engine import Store
from ivrd.store.states import CampaignState, TargetState
from ivrd.store.tables import campaigns

LEAST_S = 5.0
"""Shortest pause between two looks."""

SHARE = 20
"""A pause is at least so many times as long as the look before it took."""

MOST = 100
"""Campaigns that are told of: the latest."""

_ENDED = frozenset({CampaignState.STOPPED.value, CampaignState.DONE.value})

_latest = select(campaigns.c.id, campaigns.c.name).order_by(campaigns.c.id.desc()).limit(MOST)


class Progress:
    """Reads how campaigns stand; one that is over is counted no more."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._over: set[int] = set()
        self.pause_s = LEAST_S

    def changed(self) -> dict[int, Standing]:
        """Return how those campaigns stand that may have moved since the last time; blocking.

        Raises `StoreError`.
        """
        began_s = time.monotonic()
        found = self._store.read(self._read)
        self._over |= {ident for ident, one in found.items() if _is_over(one)}
        self.pause_s = max(LEAST_S, SHARE * (time.monotonic() - began_s))
        return found

    def _read(self, tx: Connection) -> dict[int, Standing]:
        found: dict[int, Standing] = {}
        for ident, name in tx.execute(_latest).all():
            if ident not in self._over:
                (found[ident],) = standings(tx, name)
        return found


def _is_over(one: Standing) -> bool:
    """Return whether nothing comes any more, not even from a call that is under way."""
    return one.state in _ENDED and not one.debtors.get(TargetState.CALLING.value)
