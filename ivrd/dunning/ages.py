"""How old arrears are, by bill month and by days past due, and who is about to run over."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum, StrEnum
from typing import TypeAlias

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


class Every(Enum):
    """Stands for all products, all groups or all ages, in a sum."""

    EVERY = "every"


EVERY = Every.EVERY

Cell: TypeAlias = tuple[str | None, str | None, Age]
Sum: TypeAlias = tuple[str | Every | None, str | Every | None, Age | Every]


@dataclass(slots=True)
class AgeTable:
    """Arrears by product, customer group and age; None where the data names none.

    `sums` are those of each age, product and group, and of all: an account that owes for two
    products counts in each of them, and once in the sum.
    """

    cells: dict[Cell, Amount] = field(default_factory=dict)
    sums: dict[Sum, Amount] = field(default_factory=dict)

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
    counted: set[Sum] = set()
    for row in rows:
        owed = row.owed
        if owed.account_id != account:
            account, counted = owed.account_id, set()
        bills = 1 if row.month else max(owed.months, 1)
        product, group, age = key = owed.product, owed.group, age_of(row)
        sums: tuple[Sum, ...] = ((EVERY, EVERY, age), (product, EVERY, EVERY),
                                 (EVERY, group, EVERY), (EVERY, EVERY, EVERY))  # fmt: skip
        own: list[tuple[Sum, Amount]] = [(key, table.cells.setdefault(key, Amount()))]
        for one, amount in own + [(one, table.sums.setdefault(one, Amount())) for one in sums]:
            amount.fen += owed.amount_fen
            amount.bills += bills
            amount.accounts += one not in counted
            counted.add(one)
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
) -> Iterator[Warned]:  # fmt: skip
    """Yield the accounts whose oldest debt runs over a threshold (预警) within some days.

    `thresholds` are in months past due. Accounts come as `rows` have them; debts that have run
    over the last threshold, or have no due date, are not there.
    """
    until = today + timedelta(days=within_days)
    for account in _accounts(rows):
        dated = [row.owed for row in account if row.owed.due and row.owed.amount_fen > 0]
        owes = sum(row.owed.amount_fen for row in account)
        if not dated or owes <= 0:
            continue
        oldest = min(dated, key=lambda owed: owed.due or today)
        due = oldest.due or today
        days = ((run_over(due, months), months) for months in sorted(thresholds))
        day, months = next(((day, months) for day, months in days if today < day), (None, 0))
        if day is not None and day <= until:
            yield Warned(oldest.account_id, oldest.product, oldest.group, owes, due, months, day)


def soonest_first(warned: Iterable[Warned]) -> Iterator[Warned]:
    """Yield who runs over next first, the larger debt before the smaller.

    They are sorted on the disk where memory would not do, in a file that nobody else sees.
    """
    with closing(sqlite3.connect("")) as aside:
        aside.execute("CREATE TABLE warned (day, fen, account, product, grp, due, months)")
        aside.executemany(
            "INSERT INTO warned VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (one.day.isoformat(), one.amount_fen, one.account, one.product, one.group,
                 one.due.isoformat(), one.months)
                for one in warned
            ),
        )  # fmt: skip
        for day, fen, account, product, group, due, months in aside.execute(
            "SELECT * FROM warned ORDER BY day, fen DESC, account"
        ):
            yield Warned(
                account, product, group, fen, date.fromisoformat(due), months,
                date.fromisoformat(day),
            )  # fmt: skip


def _accounts(rows: Iterable[OwedRow]) -> Iterable[list[OwedRow]]:
    account: list[OwedRow] = []
    for row in rows:
        if account and row.owed.account_id != account[0].owed.account_id:
            yield account
            account = []
        account.append(row)
    if account:
        yield account
