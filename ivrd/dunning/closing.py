"""Writes what came of an attempt: one transaction for all that follows from it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from ivrd.dunning.reminders import DISPUTES, SAYS_PAID
from ivrd.dunning.retry import Again, Ended, Note, Past, Why, next_step
from ivrd.dunning.running import Running
from ivrd.store import do_not_call, tables
from ivrd.store.debtors import debtor, set_class
from ivrd.store.do_not_call import WhyListed
from ivrd.store.promises import mark_reminded, open_promise
from ivrd.store.states import (
    COSTS_NOTHING,
    EFFECTIVE,
    DebtorClass,
    Outcome,
    Task,
)
from ivrd.store.worklist import open_task

SET_BY = "ivrd"
"""Who sets a debtor's class after a call, where no operator did."""

TASK_DAYS = 3
"""Days until a task of the worklist is due."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What came of an attempt; `cause` is the raw one, `call` names the call in the line's log.

    `heard_s` and `heard_percent` say how much of the message was heard.
    """

    outcome: Outcome
    cause: str | None = None
    call: str | None = None
    answered: bool = False
    confirmed: bool = False
    heard_s: float = 0.0
    heard_percent: int = 0
    lasted_s: float = 0.0
    notes: tuple[str, ...] = ()


_attempt = tables.attempts
_target = tables.targets

_open_attempt = select(_attempt).where(_attempt.c.id == bindparam("attempt"))
_past_attempts = (
    select(_attempt.c.began_at, _attempt.c.number, _attempt.c.outcome, _attempt.c.notes)
    .where(_attempt.c.target == bindparam("target"), _attempt.c.outcome.is_not(None))
    .order_by(_attempt.c.began_at, _attempt.c.id)
)
_noted_in = select(tables.notes.c.text).where(
    tables.notes.c.account == bindparam("of"), tables.notes.c.attempt == bindparam("in_attempt")
)
_NOTED = {Note.SAYS_PAID: SAYS_PAID, Note.DISPUTE: DISPUTES}
_WISHES = {
    Note.DO_NOT_CALL: WhyListed.ASKED,
    Note.WRONG_NUMBER: WhyListed.WRONG_NUMBER,
}
_the_target = select(_target).where(_target.c.id == bindparam("target"))


def attempt_of(tx: Connection, attempt: str) -> Row[Any] | None:
    """Return the row of an attempt."""
    return tx.execute(_open_attempt, {"attempt": attempt}).one_or_none()


def close_attempt(
    tx: Connection, attempt: str, result: AttemptResult, now: datetime, running: Running
) -> bool:
    """Close an attempt: outcome, ledger, reservations, the debtor's next step.

    False, and nothing changed, where it has an outcome already.
    """
    row = attempt_of(tx, attempt)
    if row is None or row.outcome is not None:
        return False
    result = _with_keyed(tx, row, result)
    _keep_wishes(tx, row, result, now)
    _write_result(tx, row, result, now)
    _release(tx, attempt, result.outcome)
    target = tx.execute(_the_target, {"target": row.target}).one()
    past = past_of(tx, target)
    ended, before = past[-1], past[:-1]
    zone = running.zone_of(target.zone)
    promised = _promised(tx, row, result, now)
    step = next_step(
        running.campaign.retry,
        running.campaign.promise,
        ended,
        before,
        now,
        numbers=len(target.numbers),
        zone=zone,
        opening=running.opening(zone),
        promised=promised,
    )
    _move_target(tx, target, step, result, now)
    _class_debtor(tx, target, result, step, now)
    return True


def _with_keyed(tx: Connection, row: Row[Any], result: AttemptResult) -> AttemptResult:
    """Add what the person keyed and the store has, though they hung up before they heard so."""
    texts = set(tx.execute(_noted_in, {"of": row.account, "in_attempt": row.id}).scalars())
    keyed = [note.value for note, text in _NOTED.items() if text in texts]
    more = [note for note in keyed if note not in result.notes]
    return replace(result, notes=(*result.notes, *more)) if more else result


def _keep_wishes(tx: Connection, row: Row[Any], result: AttemptResult, now: datetime) -> None:
    """List the number where the person wants that, though the store was away when they keyed it."""
    for note, why in _WISHES.items():
        if note in result.notes:
            with suppress(ValueError):  # no number that could be dialled again
                do_not_call.add(tx, now, row.number, why, SET_BY, row.account)


def _write_result(tx: Connection, row: Row[Any], result: AttemptResult, now: datetime) -> None:
    tx.execute(
        update(_attempt).where(_attempt.c.id == row.id),
        {
            "outcome": result.outcome.value,
            "cause": result.cause,
            "call": result.call,
            "answered": result.answered,
            "confirmed": result.confirmed,
            "heard_s": result.heard_s,
            "heard_percent": result.heard_percent,
            "lasted_s": result.lasted_s,
            "notes": list(result.notes),
            "ended_at": now,
        },
    )


def _release(tx: Connection, attempt: str, outcome: Outcome) -> None:
    """Let go of person and number, and set the ledger right."""
    reserved, ledger = tables.reservations, tables.ledger
    tx.execute(delete(reserved).where(reserved.c.attempt == attempt))
    if outcome in COSTS_NOTHING:
        tx.execute(delete(ledger).where(ledger.c.attempt == attempt))
    elif outcome in EFFECTIVE:
        tx.execute(update(ledger).where(ledger.c.attempt == attempt).values(effective=True))


def past_of(tx: Connection, target: Row[Any]) -> list[Past]:
    """Return the target's closed attempts, oldest first, the one just closed last."""
    places = {number: place for place, number in enumerate(target.numbers)}
    return [
        Past(row.began_at, places.get(row.number, 0), Outcome(row.outcome), frozenset(row.notes))
        for row in tx.execute(_past_attempts, {"target": target.id})
    ]


def _promised(tx: Connection, row: Row[Any], result: AttemptResult, now: datetime) -> date | None:
    """Return until when the debtor has promised to pay; an earlier promise is reminded of now."""
    promise = open_promise(tx, row.account)
    if promise is None:
        return None
    if promise.made_at < row.began_at and result.outcome in EFFECTIVE:
        mark_reminded(tx, promise.id, now)
    return promise.pay_by


def _move_target(
    tx: Connection, target: Row[Any], step: Again | Ended, result: AttemptResult, now: datetime
) -> None:
    """Write the debtor's next step, and why."""
    values: dict[str, Any] = {"why": step.why.value, "held": None, "held_detail": None}
    next_at: datetime | None = None
    if isinstance(step, Again):
        next_at = step.at
        values |= {"state": step.state.value, "next_at": step.at, "number_at": step.number_index}
    else:
        values |= {"state": step.state.value, "ended_at": now}
    if result.outcome not in COSTS_NOTHING:
        values["tries"] = target.tries + 1
    if result.outcome is Outcome.TOLD and Note.WRONG_NUMBER not in result.notes:
        values["told_at"] = now
    if result.outcome is Outcome.SETTLED:
        values["paid_at"] = now
    tx.execute(update(_target).where(_target.c.id == target.id).values(**values))
    tx.execute(
        insert(tables.decisions).values(
            target=target.id, at=now, what="retry" if next_at else "ended",
            reason=step.why.value, detail=result.outcome.value, next_at=next_at,
        )
    )  # fmt: skip


# -- how the debtor stands (product D7) ------------------------------------------------------------

_SAID = frozenset({"promise", "says_paid", "wrong_number", "do_not_call", "dispute"})
"""Notes of keys whose action has set the debtor's class already."""

_LOST = frozenset({Why.UNALLOCATED, Why.OUT_OF_SERVICE, Why.WRONG_NUMBER})
"""Why a debtor is called no more whom no call reaches."""


def _class_debtor(
    tx: Connection, target: Row[Any], result: AttemptResult, step: Again | Ended, now: datetime
) -> None:
    """Set the debtor's class by what the calls found out, where no key has."""
    if isinstance(step, Ended) and step.why in _LOST:
        set_class(
            tx, target.account, DebtorClass.UNREACHABLE, SET_BY, now,
            next_action=Task.FIND_NUMBER.value,
        )  # fmt: skip
        # where the key's action has made the task, that stays the one
        due = (now + timedelta(days=TASK_DAYS)).date()
        open_task(
            tx, target.account, Task.FIND_NUMBER, now, due,
            campaign=target.campaign, text=result.outcome.value,
        )  # fmt: skip
    elif result.outcome in {Outcome.TOLD, Outcome.TOLD_IN_PART} and _SAID.isdisjoint(result.notes):
        known = debtor(tx, target.account)
        if known is None or known.set_by == SET_BY:
            set_class(tx, target.account, DebtorClass.UNDECIDED, SET_BY, now)
