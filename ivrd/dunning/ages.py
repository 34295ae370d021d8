"""How old arrears are, by bill month and by days past due, and who is about to run over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from ivrd.billing.entities import OwedRow


class Age(StrEnum):
    """The buckets of product D8, the youngest first; each has its upper end within."""

    NOT_DUE = "not_due"
    """Billed, and not to be paid yet; by days alone."""
    THIS_MONTH = "this_month"
    TWO_MONTHS = "two_months"
    THREE_MONTHS = "three_months"
    TO_SIX_MONTHS = "to_six_months"
    TO_A_YEAR = "to_a_year"
    TO_TWO_YEARS = "to_two_years"
    TO_THREE_YEARS = "to_three_years"
    OVER_THREE_YEARS = "over_three_years"
    UNKNOWN = "unknown"
    """The billing data says neither the bill's month nor when it was due."""


_BY_MONTHS = ((1, Age.THIS_MONTH), (2, Age.TWO_MONTHS), (3, Age.THREE_MONTHS),
              (6, Age.TO_SIX_MONTHS), (12, Age.TO_A_YEAR), (24, Age.TO_TWO_YEARS),
              (36, Age.TO_THREE_YEARS))  # fmt: skip

THRESHOLDS = tuple(months for months, _ in _BY_MONTHS)
"""Months past due at which an account goes into the next bucket."""


def months_old(month: str, today: date) -> int:
    """Return how old a bill of `month` is: 1 for the latest, which is last month's (当月)."""
    billed = int(month[:4]) * 12 + int(month[5:7])
    return max(today.year * 12 + today.month - billed, 1)


def age_by_months(months: int) -> Age:
    """Return the bucket of a bill that is the `months`-th latest, from 1 on."""
    return next((age for most, age in _BY_MONTHS if months <= most), Age.OVER_THREE_YEARS)


def run_over(due: date, months: int) -> date:
    """Return the first day on which what was due on `due` is overdue for more than `months`.

    A month of the calendar later, or its last day where it has no such day, is still within.
    """
    count = due.year * 12 + due.month - 1 + months
    year, month = divmod(count, 12)
    after = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    last = (after - timedelta(days=1)).day
    return date(year, month + 1, min(due.day, last)) + timedelta(days=1)


def age_by_days(due: date, today: date) -> Age:
    """Return the bucket by the days past due, months and years counted by the calendar."""
    if due >= today:
        return Age.NOT_DUE
    for most, age in _BY_MONTHS:
        if today < run_over(due, most):
            return age
    return Age.OVER_THREE_YEARS


@dataclass(slots=True)
class Amount:
    """What is owed in one bucket: fen, bills, and how many accounts have some of it."""

    fen: int = 0
    bills: int = 0
    accounts: int = 0


@dataclass(slots=True)
class AgeTable:
    """Arrears by product, customer group and age; None where the data names none."""

    cells: dict[tuple[str | None, str | None, Age], Amount] = field(default_factory=dict)

    def total(
        self, age: Age | None = None, *, product: str | None = None, group: str | None = None
    ) -> int:
        """Return the fen owed in an age, of a product, by a group; each left out means all."""
        return sum(
            amount.fen
            for (of, by, old), amount in self.cells.items()
            if age in (None, old) and product in (None, of) and group in (None, by)
        )


def ages_by_month(rows: Iterable[OwedRow], today: date) -> AgeTable:
    """Return the arrears by the age of their bills.

    A row per account, with the count of its unpaid bills, is as old as the oldest of them.
    """

    def age(row: OwedRow) -> Age:
        if row.month:
            return age_by_months(months_old(row.month, today))
        if row.owed.months > 1 or row.owed.due is None:
            return age_by_months(row.owed.months) if row.owed.months else Age.UNKNOWN
        # to be paid in the month after its own
        own = row.owed.due.replace(day=1) - timedelta(days=1)
        return age_by_months(months_old(f"{own:%Y-%m}", today))

    return _table(rows, age)


def ages_by_days(rows: Iterable[OwedRow], today: date) -> AgeTable:
    """Return the arrears by how long they are past due."""
    return _table(rows, lambda row: age_by_days(row.owed.due, today) if row.owed.due
                  else Age.UNKNOWN)  # fmt: skip


def _table(rows: Iterable[OwedRow], age_of: Callable[[OwedRow], Age]) -> AgeTable:
    """Sum the rows; those of one account come one after the other."""
    table = AgeTable()
    account: str | None = None
    counted: set[tuple[str | None, str | None, Age]] = set()
    for row in rows:
        owed = row.owed
        if owed.account_id != account:
            account, counted = owed.account_id, set()
        key = (owed.product, owed.group, age_of(row))
        cell = table.cells.setdefault(key, Amount())
        cell.fen += owed.amount_fen
        cell.bills += 1 if row.month else max(owed.months, 1)
        if key not in counted:
            counted.add(key)
            cell.accounts += 1
    return table


@dataclass(frozen=True, slots=True)
class Warned:
    """An account that is about to run over: on `day` its oldest debt is older than `months`."""

    account: str = field(repr=False)
    product: str | None
    group: str | None
    amount_fen: int
    """All that it owes, of whatever age."""

    due: date
    months: int
    day: date


def about_to_run_over(
    rows: Iterable[OwedRow], today: date, *, within_days: int,
    thresholds: Sequence[int] = THRESHOLDS,
) -> list[Warned]:  # fmt: skip
    """Return the accounts whose oldest debt runs over a threshold (预警) within some days.

    `thresholds` are in months past due. The next to run over comes first; debts that have run
    over the last threshold, or have no due date, are not there.
    """
    found: list[Warned] = []
    for account in _accounts(rows):
        dated = [row.owed for row in account if row.owed.due and row.owed.amount_fen > 0]
        owes = sum(row.owed.amount_fen for row in account)
        if not dated or owes <= 0:
            continue
        oldest = min(dated, key=lambda owed: owed.due or today)
        due = oldest.due or today
        for months in sorted(thresholds):
            day = run_over(due, months)
            if today < day:
                if day <= today + timedelta(days=within_days):
                    found.append(Warned(oldest.account_id, oldest.product, oldest.group, owes,
                                        due, months, day))  # fmt: skip
                break
    return sorted(found, key=lambda warned: (warned.day, -warned.amount_fen, warned.account))


def _accounts(rows: Iterable[OwedRow]) -> Iterable[list[OwedRow]]:
    account: list[OwedRow] = []
    for row in rows:
        if account and row.owed.account_id != account[0].owed.account_id:
            yield account
            account = []
        account.append(row)
    if account:
        yield account
