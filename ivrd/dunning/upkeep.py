"""What has to be seen to beside the calls: lost attempts, promises whose day is over, alarms."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, TypeAlias

import structlog
from sqlalchemy import Connection, Row, select, update

from ivrd.billing.entities import Arrears
from ivrd.dunning.campaign import Campaign
from ivrd.dunning.closing import SET_BY, AttemptResult, close_attempt
from ivrd.dunning.fill import Filled, refill
from ivrd.dunning.hours import day_of
from ivrd.dunning.running import Campaigns
from ivrd.dunning.target_rows import TargetRow
from ivrd.errors import BillingError, StoreError, arose_at
from ivrd.store import tables
from ivrd.store.debtors import set_class
from ivrd.store.engine import Store
from ivrd.store.notes import add_note
from ivrd.store.promises import Promise, close_promise, due_promises
from ivrd.store.states import DebtorClass, Outcome, PromiseState, TargetState

_log = structlog.get_logger("ivrd.dunning")

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


@dataclass(frozen=True, slots=True)
class Chosen:
    """A campaign whose debtors were chosen anew."""

    campaign: str
    filled: Filled


Chooser: TypeAlias = Callable[[Campaign, date], Iterable[TargetRow]]
"""Gives everybody who owes, on a day, and whether a campaign is for them."""


class Upkeep:
    """Blocking, as a claim is; carried out by the same clerk."""

    def __init__(
        self,
        store: Store,
        campaigns: Campaigns,
        arrears: Callable[[str], tuple[Arrears, ...]],
        node: str,
        choose: Chooser | None,
    ) -> None:
        self._store = store
        self._campaigns = campaigns
        self._arrears = arrears
        self._node = node
        self._choose = choose
        self._named = True
        self._chosen = 0
        """The campaign that was looked at last."""
        self._looked_at = 0
        """The promise that was looked at last."""

    def recover(self) -> int:
        """Close what a crash of this node left open, as unknown; return how many there were.

        For the start of the daemon, when no call of its own can be under way. Where another daemon
        bears this node's name, the open attempts are that one's, and are left alone.
        """
        self._named = self._store.hold_name(self._node)
        if not self._named:
            _log.error("node_name_taken", node=self._node,
                       expected="a node.name of its own for each daemon on one store")  # fmt: skip
            return 0
        return self._close_lost(tables.attempts.c.node == self._node)

    def turn(self, under_way: Collection[str] = ()) -> Done:
        """Do what is due now. Raises `StoreError`.

        Attempts `under_way` here are not lost, however long the store was away.
        """
        lost = self._close_lost(tables.attempts.c.lease_until < self._store.now(), under_way)
        if not self._named and self._store.hold_name(self._node):
            self._named = True
            lost += self._close_lost(tables.attempts.c.node == self._node, under_way)
        kept, broken = self._promises()
        return Done(lost, kept, broken)

    def _close_lost(self, which: Any, under_way: Collection[str] = ()) -> int:
        lost = self._store.read(lambda tx: _open_attempts(tx, which))
        closed = 0
        for row in lost:
            if row.id in under_way:
                continue
            try:
                closed += self._store.transact(partial(self._lost, row=row))
            except StoreError:
                raise
            except Exception as error:  # one that cannot be closed keeps no other open
                _log.error(
                    "attempt_not_closed", attempt=row.id, kind=type(error).__name__,
                    at=arose_at(error),
                )  # fmt: skip
        return closed

    def _lost(self, tx: Connection, row: Row[Any]) -> bool:
        running = self._campaigns.by_id(tx, row.campaign)
        result = AttemptResult(Outcome.UNKNOWN, cause="ivrd ended in between")
        return close_attempt(tx, row.id, result, self._store.now(), running)

    def choose_again(self) -> Chosen | None:
        """Choose the debtors of one campaign anew, once a day; None where none is due.

        Raises `StoreError`, `BillingError` where the billing data cannot be read.
        """
        if self._choose is None:
            return None
        now = self._store.now()
        found = self._store.read(self._campaigns.chosen)
        # in turns, so that one that fails keeps no other waiting
        for running, chosen_at in sorted(
            found, key=lambda pair: (pair[0].id <= self._chosen, pair[0].id)
        ):
            self._chosen = running.id
            if day_of(chosen_at, self._campaigns.home) < day_of(now, self._campaigns.home):
                rows = self._choose(running.campaign, day_of(now, self._campaigns.home))
                return Chosen(running.campaign.name, refill(self._store, running.id, rows, now))
        return None

    def _promises(self) -> tuple[int, int]:
        """Mark promises whose day and grace are over as kept or broken, by the billing data."""
        today = day_of(self._store.now(), self._campaigns.home)
        yesterday = today - timedelta(days=1)
        due = self._store.read(lambda tx: due_promises(tx, yesterday))
        # in turns, so that those within their grace do not keep the others waiting
        turn = sorted(due, key=lambda one: (one.id <= self._looked_at, one.id))[:AT_ONCE]
        kept = broken = 0
        for promise in turn:
            self._looked_at = promise.id
            try:
                paid, over = self._how(promise, today)
            except BillingError:
                break  # later; a promise is not called broken by what cannot be read
            if paid:
                kept += self._store.transact(partial(self._close, promise=promise, kept=True))
            elif over:
                broken += self._store.transact(partial(self._close, promise=promise, kept=False))
        return kept, broken

    def _how(self, promise: Promise, today: date) -> tuple[bool, bool]:
        """Return whether what was promised is paid, and whether its day and grace are over.

        Of a list's debtors the billing data need know nothing: their list says what is paid, and
        a promise is over only when a list tells of payments after it.
        """
        if promise.campaign is None:
            owes = _owes(self._arrears(promise.account))
            return not owes, today > promise.pay_by + timedelta(days=GRACE_DAYS)
        of, campaign = self._store.read(
            lambda tx: (self._campaigns.by_id(tx, promise.campaign or 0), promise.campaign)
        )
        last = promise.pay_by + timedelta(days=of.campaign.promise.grace_days)
        if of.campaign.choose is not None:
            return not _owes(self._arrears(promise.account)), today > last
        paid = self._store.read(lambda tx: _paid(tx, campaign or 0, promise.account))
        told_until = of.posted_at and day_of(of.posted_at, self._campaigns.home)
        return paid, told_until is not None and told_until > last

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


def _owes(arrears: Sequence[Arrears]) -> bool:
    return any(one.amount_fen > 0 for one in arrears)


def _paid(tx: Connection, campaign: int, account: str) -> bool:
    """Return whether a list said of a debtor that they owe no more."""
    target = tables.targets.c
    found = select(target.paid_at).where(target.campaign == campaign, target.account == account)
    return tx.execute(found).scalar() is not None


def _open_attempts(tx: Connection, which: Any) -> Sequence[Row[Any]]:
    attempts = tables.attempts
    query = select(attempts.c.id, attempts.c.campaign).where(attempts.c.outcome.is_(None), which)
    return list(tx.execute(query))
