"""Promises to pay: at most one open at a time for an account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from ivrd.store.states import PromiseState
from ivrd.store.tables import promises


@dataclass(frozen=True, slots=True)
class Promise:
    """What a debtor promised: `amount_fen` in fen by the end of `pay_by`."""

    id: int
    account: str
    campaign: int | None
    attempt: str | None
    amount_fen: int
    made_at: datetime
    pay_by: date
    state: PromiseState
    reminded_at: datetime | None
    closed_at: datetime | None


_IS_OPEN = promises.c.state == PromiseState.OPEN
_OPEN_OF = (
    select(promises)
    .where(promises.c.account == bindparam("of"), _IS_OPEN)
    .order_by(promises.c.id.desc())
    .limit(1)
)
_ALL_OF = select(promises).where(promises.c.account == bindparam("of")).order_by(promises.c.id)
_DUE = (
    select(promises)
    .where(_IS_OPEN, promises.c.pay_by <= bindparam("by_day"))
    .order_by(promises.c.pay_by, promises.c.id)
)
_WITHDRAW = update(promises).where(promises.c.account == bindparam("of"), _IS_OPEN)
_ADD = insert(promises).returning(promises.c.id)
_CLOSE = update(promises).where(promises.c.id == bindparam("which"), _IS_OPEN)
_REMIND = update(promises).where(promises.c.id == bindparam("which"))


def keep_promise(
    tx: Connection,
    account: str,
    campaign: int | None,
    attempt: str | None,
    amount_fen: int,
    made_at: datetime,
    pay_by: date,
) -> int:
    """Write a promise down and return its number; an older open one is withdrawn by it."""
    tx.execute(_WITHDRAW, {"of": account, "state": PromiseState.WITHDRAWN, "closed_at": made_at})
    values = {
        "account": account,
        "campaign": campaign,
        "attempt": attempt,
        "amount_fen": amount_fen,
        "made_at": made_at,
        "pay_by": pay_by,
        "state": PromiseState.OPEN,
    }
    return int(tx.execute(_ADD, values).scalar_one())


def open_promise(tx: Connection, account: str) -> Promise | None:
    """Return the account's open promise, if there is one."""
    row = tx.execute(_OPEN_OF, {"of": account}).mappings().first()
    return _promise(row) if row else None


def promises_of(tx: Connection, account: str) -> list[Promise]:
    """Return all promises of an account, oldest first."""
    return [_promise(row) for row in tx.execute(_ALL_OF, {"of": account}).mappings()]


def due_promises(tx: Connection, by_day: date) -> list[Promise]:
    """Return the open promises to be paid on `by_day` or before, the most urgent first.

    With tomorrow, those to be reminded (`reminded_at` None: not yet); with yesterday, those
    whose day is over.
    """
    return [_promise(row) for row in tx.execute(_DUE, {"by_day": by_day}).mappings()]


def close_promise(tx: Connection, promise: int, state: PromiseState, at: datetime) -> bool:
    """Say what became of an open promise; False where it was not open."""
    if state is PromiseState.OPEN:
        raise ValueError("a promise is not closed by being open")
    done = tx.execute(_CLOSE, {"which": promise, "state": state, "closed_at": at})
    return bool(done.rowcount)


def mark_reminded(tx: Connection, promise: int, at: datetime) -> None:
    """Write down that the debtor was reminded of a promise."""
    tx.execute(_REMIND, {"which": promise, "reminded_at": at})


def _promise(row: RowMapping) -> Promise:
    return Promise(**{**row, "state": PromiseState(row["state"])})
