"""What has to be seen to beside the calls: lost attempts, promises whose day is over, alarms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select, update

from ivrd.billing.entities import Arrears
from ivrd.dunning.closing import SET_BY, AttemptResult, close_attempt
from ivrd.dunning.running import Campaigns
from ivrd.errors import BillingError
from ivrd.store import tables
from ivrd.store.debtors import set_class
from ivrd.store.engine import Store
from ivrd.store.notes import add_note
from ivrd.store.promises import Promise, close_promise, due_promises
from ivrd.store.states import DebtorClass, Outcome, PromiseState, TargetState

AT_ONCE = 200
"""Promises that are looked at in one turn."""

GRACE_DAYS = 3
"""Days after the promised one before a promise of no campaign counts as broken."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a turn of the upkeep did."""

    lost: int = 0
    kept: int = 0
    broken: int = 0


class Upkeep:
    """Blocking, as a claim is; carried out by the same clerk."""

    def __init__(
        self,
        store: Store,
        campaigns: Campaigns,
        arrears: Callable[[str], tuple[Arrears, ...]],
        node: str,
    ) -> None:
        self._store = store
        self._campaigns = campaigns
        self._arrears = arrears
        self._node = node

    def recover(self) -> int:
        """Close what a crash of this node left open, as unknown; return how many there were.

        For the start of the daemon, when no call of its own can be under way.
        """
        return self._close_lost(tables.attempts.c.node == self._node)

    def turn(self) -> Done:
        """Do what is due now. Raises `StoreError`."""
        lost = self._close_lost(tables.attempts.c.lease_until < self._store.now())
        kept, broken = self._promises()
        return Done(lost, kept, broken)

    def _close_lost(self, which: Any) -> int:
        lost = self._store.read(lambda tx: _open_attempts(tx, which))
        return sum(self._store.transact(partial(self._lost, row=row)) for row in lost)

    def _lost(self, tx: Connection, row: Row[Any]) -> bool:
        running = self._campaigns.by_id(tx, row.campaign)
        result = AttemptResult(Outcome.UNKNOWN, cause="ivrd ended in between")
        return close_attempt(tx, row.id, result, self._store.now(), running)

    def _promises(self) -> tuple[int, int]:
        """Mark promises whose day and grace are over as kept or broken, by the billing data."""
        today = self._store.now().astimezone(self._campaigns.home).date()
        yesterday = today - timedelta(days=1)
        kept = broken = 0
        for promise in self._store.read(lambda tx: due_promises(tx, yesterday))[:AT_ONCE]:
            try:
                owes = any(one.amount_fen > 0 for one in self._arrears(promise.account))
            except BillingError:
                break  # later; a promise is not called broken by what cannot be read
            if not owes:
                kept += self._store.transact(partial(self._close, promise=promise, kept=True))
            elif self._over(promise, today):
                broken += self._store.transact(partial(self._close, promise=promise, kept=False))
        return kept, broken

    def _over(self, promise: Promise, today: date) -> bool:
        grace = GRACE_DAYS
        if promise.campaign is not None:
            of = self._store.read(lambda tx: self._campaigns.by_id(tx, promise.campaign or 0))
            grace = of.campaign.promise.grace_days
        return bool(today > promise.pay_by + timedelta(days=grace))

    def _close(self, tx: Connection, promise: Promise, *, kept: bool) -> bool:
        now = self._store.now()
        state = PromiseState.KEPT if kept else PromiseState.BROKEN
        if not close_promise(tx, promise.id, state, now):
            return False
        target = tables.targets
        if kept:
            tx.execute(
                update(target)
                .where(target.c.account == promise.account, target.c.paid_at.is_(None))
                .values(paid_at=now)
            )
        mine = (target.c.account == promise.account) & (
            target.c.state == TargetState.PROMISED.value
        )
        if kept:
            values: dict[str, Any] = {
                "state": TargetState.SETTLED.value, "why": "promise_kept", "ended_at": now,
            }  # fmt: skip
        else:
            values = {"state": TargetState.WAITING.value, "why": "promise_broken", "next_at": now}
            set_class(tx, promise.account, DebtorClass.UNDECIDED, SET_BY, now)
            add_note(tx, promise.account, now, SET_BY, "the promise to pay was not kept")
        tx.execute(update(target).where(mine).values(**values))
        return True


def _open_attempts(tx: Connection, which: Any) -> Sequence[Row[Any]]:
    attempts = tables.attempts
    query = select(attempts.c.id, attempts.c.campaign).where(attempts.c.outcome.is_(None), which)
    return list(tx.execute(query))
