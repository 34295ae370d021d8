"""What the schemas of the sample database have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date
from typing import Any, TypeAlias

from ivrd.billing.sample import MonthBill, Subscriber, month_back

Rows: TypeAlias = dict[str, list[tuple[Any, ...]]]


class SchemaTables(ABC):
    """Rows of one schema, gathered subscriber by subscriber."""

    CREATE: str
    INDEX: str

    def __init__(self, today: date, last_month_ready: bool) -> None:
        self.today = today
        self.not_ready = None if last_month_ready else month_back(today, 1)
        self.rows: Rows = {}

    def insert(self, table: str, *values: Any) -> None:
        """Add a row to a table."""
        self.rows.setdefault(table, []).append(values)

    def overdue(self, bills: list[MonthBill]) -> list[tuple[MonthBill, int]]:
        """Return the bills unpaid after their due date, with their totals in fen."""
        late = [bill for bill in bills if bill.paid is False and bill.due and bill.due < self.today]
        return [(bill, sum(bill.amounts_fen)) for bill in late if sum(bill.amounts_fen) > 0]

    @abstractmethod
    def add(self, who: Subscriber, bills: list[MonthBill]) -> None:
        """Add a subscriber with bills, calls and arrears."""

    @abstractmethod
    def add_runs(self, months: list[str]) -> None:
        """Add the state of each month's bill run, where the schema keeps it."""
