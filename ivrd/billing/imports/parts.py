"""The parts of what is imported, which months of them, and how far an import is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from ivrd.billing.month_tables import months_until
from ivrd.billing.tables import UnpaidBills

Told: TypeAlias = Callable[[str, int, int], None]
"""Told what is copied, how many rows of it are done, and of how many."""

ACCOUNTS, BILLS, DETAILS, ARREARS, RUNS = "accounts", "bills", "details", "arrears", "bill runs"


@dataclass(frozen=True, slots=True)
class Months:
    """The months whose bills are kept, newest first, and those before whose unpaid ones are."""

    kept: tuple[str, ...]
    unpaid: tuple[str, ...] = ()

    @classmethod
    def until(cls, month: str, back: int, arrears: Any) -> Months:
        """Return this month and `back` before it; where arrears are computed, what they need."""
        kept = months_until(month, back + 1)
        if not isinstance(arrears, UnpaidBills):
            return cls(tuple(kept))
        last = months_until(month, arrears.months_back + 1)
        return cls(tuple(kept), tuple(one for one in last if one not in kept))
