"""The gate: the one place that lets a number be dialled, and nothing goes around it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ivrd.card import DialPermit
from ivrd.dunning.case import PERMIT_S, Case, GateRules, Held, Holidays, OuterLimit, Reason
from ivrd.dunning.holiday_calendar import HolidayCalendar
from ivrd.dunning.numbers import NumberPlan
from ivrd.errors import IvrdError

__all__ = ["Case", "Gate", "GateRules", "Held", "Holidays", "ListedNumbers", "OuterLimit", "Reason"]


class Gate:
    """Holds a call, with a reason, or permits it and writes the attempt."""

    def __init__(self, rules: GateRules, plan: NumberPlan, calendar: HolidayCalendar) -> None:
        self.rules = rules
        self.plan = plan
        self.calendar = calendar

    def permit(self, tx: Connection, case: Case, now: datetime) -> DialPermit | Held:
        """Return a permit, with the attempt, its reservations and ledger row written; or why not.

        In the caller's transaction: the permit is good only once that is committed.
        """
        raise NotImplementedError


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
