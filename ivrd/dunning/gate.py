"""The gate: the one place that lets a number be dialled, and nothing goes around it.

A permit is made in the transaction that writes the attempt, reserves person, number and debt, and
puts the call into the ledger: once that is committed, it counts, whatever becomes of the process.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Insert, Select, bindparam, insert, select, union, update
from sqlalchemy.exc import DBAPIError

from ivrd.card import DialPermit
from ivrd.dunning.case import (
    PERMIT_S,
    Case,
    GateRules,
    Held,
    History,
    OpenPromise,
    OuterLimit,
    Reason,
)
from ivrd.dunning.frequency import Past
from ivrd.dunning.holiday_calendar import HolidayCalendar
from ivrd.dunning.hours import Holidays
from ivrd.dunning.judge import Judge
from ivrd.dunning.numbers import NumberPlan
from ivrd.errors import IvrdError, arose_at
from ivrd.store.do_not_call import listed
from ivrd.store.promises import open_promise
from ivrd.store.states import EFFECTIVE, CampaignState, Outcome, TargetState
from ivrd.store.switches import KILL, is_on
from ivrd.store.tables import attempts, campaigns, ledger, reservations, targets

__all__ = [
    "Case", "Gate", "GateRules", "Held", "History", "Holidays", "ListedNumbers", "OuterLimit",
    "Past", "Reason",
]  # fmt: skip

_CLAIMABLE = frozenset({TargetState.WAITING.value, TargetState.PROMISED.value})

_TARGET = (
    select(
        campaigns.c.kind, campaigns.c.state.label("campaign_state"), targets.c.state,
        targets.c.account, targets.c.person, targets.c.numbers, targets.c.next_at,
    )
    .join_from(targets, campaigns, targets.c.campaign == campaigns.c.id)
    .where(targets.c.id == bindparam("target"), campaigns.c.id == bindparam("campaign"))
)  # fmt: skip

_RESERVED = select(reservations.c.key).where(
    reservations.c.key.in_(bindparam("keys", expanding=True))
)


def _calls_of(what: str) -> Select[Any]:
    return (
        select(
            ledger.c.attempt, ledger.c.at, ledger.c.day, ledger.c.person, ledger.c.number,
            ledger.c.debt, ledger.c.effective, attempts.c.id.label("kept"), attempts.c.outcome,
        )
        .join_from(ledger, attempts, ledger.c.attempt == attempts.c.id, isouter=True)
        .where(ledger.c[what] == bindparam(what), ledger.c.at > bindparam("since"))
    )  # fmt: skip


_CALLS = union(*(_calls_of(what) for what in ("person", "number", "debt")))
"""Each by its own index; a call that is all three is one row."""

_MAYBE_CONTACT = frozenset({None, Outcome.UNKNOWN, *EFFECTIVE})
"""What a call may have come to for it to count as a contact; None is one under way."""

_TAKE_TARGET = (
    update(targets)
    .where(targets.c.id == bindparam("target"), targets.c.state.in_(sorted(_CLAIMABLE)))
    .values(state=TargetState.CALLING.value)
)
_RESERVE = insert(reservations)
_ATTEMPT = insert(attempts)
_LEDGER = insert(ledger)


class Gate:
    """Holds a call, with a reason, or permits it and writes the attempt."""

    def __init__(self, rules: GateRules, plan: NumberPlan, calendar: HolidayCalendar) -> None:
        self.rules = rules
        self.plan = plan
        self.calendar = calendar
        self._judge = Judge(rules, plan, calendar)
        self.refusals: Counter[str] = Counter()
        """How often a call was held, by reason, since the start."""

    def permit(self, tx: Connection, case: Case, now: datetime) -> DialPermit | Held:
        """Return a permit, with the attempt, its reservations and ledger row written; or why not.

        In the caller's transaction, serializable or with no other writer: the permit is good only
        once that is committed. What fails before anything is written is `Reason.FAULT`. Errors of
        the database, and whatever fails while it writes, are passed on: the transaction is to be
        rolled back, and may be run again.
        """
        try:
            held = self.judge(case, self.history(tx, case, now), now)
            if held is not None:
                return self._refused(held)
            until = self._judge.good_until(case, now, now + timedelta(seconds=PERMIT_S))
            permit = DialPermit(case.number, case.caller_id, case.attempt, until)
            rows = self._rows(case, now)
        except DBAPIError:
            raise
        except Exception as error:  # fails closed, whatever it is
            return self._refused(
                Held(Reason.FAULT, f"the gate failed ({type(error).__name__} at"
                     f" {arose_at(error)}): nobody is dialled")
            )  # fmt: skip
        if tx.execute(_TAKE_TARGET, {"target": case.target}).rowcount != 1:
            return self._refused(
                Held(Reason.TARGET_NOT_WAITING, "somebody else took this debtor just now")
            )
        for statement, values in rows:
            tx.execute(statement, values)
        return permit

    def _refused(self, held: Held) -> Held:
        self.refusals[held.reason.value] += 1
        return held

    def judge(self, case: Case, history: History, now: datetime) -> Held | None:
        """Return why a case is held, None where it may be dialled now. Pure, no store.

        Raises `ValueError` for an instant without a time zone.
        """
        if now.utcoffset() is None:
            raise ValueError("an instant without a time zone")
        return self._judge.judge(case, history, now)

    def history(self, tx: Connection, case: Case, now: datetime) -> History:
        """Return all that the store knows about a case.

        Raises `ValueError` where the case is not as its debtor is in the store.
        """
        row = tx.execute(_TARGET, {"target": case.target, "campaign": case.campaign}).first()
        if row is None:
            raise ValueError("there is no such debtor in this campaign")
        if (row.account, row.person, row.kind) != (case.account, case.person, case.kind):
            raise ValueError("the case is not as its debtor is in the store")
        on_list = listed(tx, case.number, case.account)
        promise = open_promise(tx, case.account)
        keys = _keys(case)
        taken = set(tx.execute(_RESERVED, {"keys": list(keys)}).scalars())
        return History(
            killed=is_on(tx, KILL),
            campaign_runs=row.campaign_state == CampaignState.RUNNING.value,
            target_waits=row.state in _CLAIMABLE,
            due_at=row.next_at,
            numbers=tuple(row.numbers),
            do_not_call=on_list.why.value if on_list else None,
            number_busy=keys[0] in taken,
            person_busy=not taken.isdisjoint(keys[1:]),
            promise=OpenPromise(promise.pay_by, promise.made_at, promise.reminded_at is not None)
            if promise
            else None,
            calls=self._calls(tx, case, now),
        )

    def _calls(self, tx: Connection, case: Case, now: datetime) -> tuple[Past, ...]:
        days = self._judge.looks_back_days(case.profiles)
        found = tx.execute(
            _CALLS,
            {
                "person": case.person, "number": case.number, "debt": case.debt,
                "since": now - timedelta(days=days),
            },
        )  # fmt: skip
        return tuple(
            Past(
                row.at, row.day, row.person, row.number, row.debt,
                row.effective or (row.kept is not None and row.outcome in _MAYBE_CONTACT),
            )
            for row in found
        )  # fmt: skip

    def _rows(self, case: Case, now: datetime) -> list[tuple[Insert, list[dict[str, Any]]]]:
        """Return what is written for an attempt; a key that is reserved already breaks it off."""
        attempt = {
            "id": case.attempt, "campaign": case.campaign, "target": case.target,
            "account": case.account, "person": case.person, "number": case.number,
            "caller_id": case.caller_id, "node": case.node, "card": case.card, "line": case.line,
            "began_at": now, "lease_until": now + timedelta(seconds=self.rules.lease_s),
        }  # fmt: skip
        counts = {
            "attempt": case.attempt, "at": now, "day": now.astimezone(case.zone).date(),
            "person": case.person, "number": case.number, "debt": case.debt,
        }  # fmt: skip
        # in one order everywhere, so that two daemons do not wait for each other
        reserved = [{"key": key, "attempt": case.attempt} for key in sorted(_keys(case))]
        return [(_RESERVE, reserved), (_ATTEMPT, [attempt]), (_LEDGER, [counts])]


def _keys(case: Case) -> tuple[str, str, str]:
    """Return what an attempt reserves: the number, the person, the debt."""
    return (f"number:{case.number}", f"person:{case.person}", f"debt:{case.debt}")


class ListedNumbers:
    """The numbers that ivrd.toml itself lists: for test calls, and to hand a call on to.

    `stopped` says whether the kill switch is on; it holds these too.
    """

    def __init__(
        self,
        caller_id: str,
        *,
        test: Collection[str] = (),
        transfer: Collection[str] = (),
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._caller_id = caller_id
        self._test = frozenset(test)
        self._transfer = frozenset(transfer)
        self._stopped = stopped
        self._serial = itertools.count(1)

    def permit_test(self, number: str, now: datetime) -> DialPermit:
        """Return a permit for a number of the test list. Raises `IvrdError`: why there is none."""
        if number not in self._test:
            raise IvrdError("that number is not on the test list (ivrd.toml: dial.test), and no"
                            " other may be dialled for a test")  # fmt: skip
        return self._permit(number, f"test-{next(self._serial)}", now)

    def permit_transfer(self, number: str, attempt: str, now: datetime) -> DialPermit:
        """Return a permit to hand a call on. Raises `IvrdError`: why there is none."""
        if number not in self._transfer:
            raise IvrdError("that number is not the one calls are handed on to (ivrd.toml:"
                            " dunning.transfer)")  # fmt: skip
        return self._permit(number, attempt, now)

    def _permit(self, number: str, attempt: str, now: datetime) -> DialPermit:
        if self._stopped():
            raise IvrdError("the kill switch is on: nothing is dialled")
        return DialPermit(number, self._caller_id, attempt, now + timedelta(seconds=PERMIT_S))
