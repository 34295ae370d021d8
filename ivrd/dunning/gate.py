"""The gate: the one place that lets a number be dialled, and nothing goes around it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from ivrd.card import DialPermit
from ivrd.dunning.case import Case, GateRules, Held, Holidays, OuterLimit, Reason
from ivrd.dunning.holiday_calendar import HolidayCalendar
from ivrd.dunning.numbers import NumberPlan

__all__ = ["Case", "Gate", "GateRules", "Held", "Holidays", "OuterLimit", "Reason"]


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
