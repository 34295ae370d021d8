"""Arrears by age as reports (product D8): by product and customer group, and who runs over."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Any

from ivrd.dunning.ages import EVERY, Age, AgeTable, Amount, Cell, Sum, Warned
from ivrd.dunning.columns import WIDE, Column, Kind, Private, Report, Row, Said, Words

AGES: Words = {
    Age.NOT_DUE: ("not due yet", "未到期"),
    Age.THIS_MONTH: ("this month", "当月"),
    Age.TWO_MONTHS: ("2 months", "2 个月"),
    Age.THREE_MONTHS: ("3 months", "3 个月"),
    Age.TO_SIX_MONTHS: ("over 3 to 6 months", "3 个月以上至 6 个月"),
    Age.TO_A_YEAR: ("over 6 months to 1 year", "6 个月以上至 1 年"),
    Age.TO_TWO_YEARS: ("1 to 2 years", "1 年以上至 2 年"),
    Age.TO_THREE_YEARS: ("2 to 3 years", "2 年以上至 3 年"),
    Age.OVER_THREE_YEARS: ("over 3 years", "3 年以上"),
    Age.UNKNOWN: ("unknown", "不明"),
}

AGE_COLUMNS = (
    Column("product", "product", "产品"),
    Column("group", "customer group", "客户类别"),
    Column("age", "age", "账龄", Kind.WORD, words=AGES),
    Column("accounts", "accounts", "户数", Kind.NUMBER),
    Column("bills", "bills", "账单数", Kind.NUMBER, from_width=WIDE),
    Column("amount_fen", "owed", "欠费", Kind.MONEY),
    Column("share", "share", "占比", Kind.PERCENT),
)

WARNED_COLUMNS = (
    Column("day", "runs over", "超期日", Kind.DAY),
    Column("months", "months", "超期月数", Kind.NUMBER),
    Column("account", "account", "户号", private=Private.ACCOUNT),
    Column("product", "product", "产品"),
    Column("group", "customer group", "客户类别"),
    Column("amount_fen", "owed", "欠费", Kind.MONEY),
    Column("due", "due", "截止日期", Kind.DAY, from_width=WIDE),
)

_OLDEST_LAST = {age: place for place, age in enumerate(Age)}

ALL = Said("all", "全部")
TOTAL = Said("total", "合计")


def age_report(table: AgeTable, zone: tzinfo, *, by_days: bool) -> Report:
    """Return the arrears by product, group and age; `share` is that of all arrears.

    The sums are of each age, then of each product and group where there are several, then of all.
    """
    whole = table.total()

    def row(amount: Amount, *names: Any) -> Row:
        share = 100 * amount.fen / whole if whole else None
        return (*names, amount.accounts, amount.bills, amount.fen, share)

    def order(key: Cell) -> tuple[str, str, int]:
        product, group, age = key
        return product or "", group or "", _OLDEST_LAST[age]

    rows = [row(table.cells[key], *key) for key in sorted(table.cells, key=order)]
    how = ("days past due", "按逾期天数") if by_days else ("bill month", "按账单月份")
    title = (f"Arrears by {how[0]}", f"欠费账龄（{how[1]}）")
    totals = [row(table.sums[key], *_shown(key)) for key in _sums(table)]
    return Report("arrears", title, AGE_COLUMNS, rows, zone, totals=totals)


def _sums(table: AgeTable) -> list[Sum]:
    """Return the sums that say more than a row does, in order."""
    ages: list[Sum] = [(EVERY, EVERY, age) for age in Age if (EVERY, EVERY, age) in table.sums]
    of_all = [key for key in table.sums if key[2] is EVERY]
    products = sorted((k for k in of_all if k[0] is not EVERY), key=lambda k: str(k[0] or ""))
    groups = sorted((k for k in of_all if k[1] is not EVERY), key=lambda k: str(k[1] or ""))
    several = [*(products if len(products) > 1 else ()), *(groups if len(groups) > 1 else ())]
    return [*ages, *several, *(key for key in of_all if key == (EVERY, EVERY, EVERY))]


def _shown(key: Sum) -> tuple[Any, Any, Any]:
    if key == (EVERY, EVERY, EVERY):
        return TOTAL, ALL, ALL
    product, group, age = (ALL if part is EVERY else part for part in key)
    return product, group, age


def warning_report(warned: Iterable[Warned], zone: tzinfo) -> Report:
    """Return the accounts that are about to run over a threshold (预警), as they come.

    The sums are of each threshold, then of all.
    """
    sums: dict[int | None, tuple[int, int]] = {}

    def rows() -> Iterator[Row]:
        for one in warned:
            for key in (one.months, None):
                count, fen = sums.get(key, (0, 0))
                sums[key] = count + 1, fen + one.amount_fen
            yield (
                one.day, one.months, one.account, one.product, one.group, one.amount_fen, one.due,
            )  # fmt: skip

    def totals() -> Iterator[Row]:
        for months in sorted(sums, key=lambda key: key or sys.maxsize):
            count, fen = sums[months]
            accounts = Said(f"{count:,} account{'' if count == 1 else 's'}", f"{count:,} 户", count)
            name = TOTAL if months is None else ALL
            yield name, ALL if months is None else months, accounts, ALL, ALL, fen, None

    title = ("About to run over", "欠费预警")
    return Report("warnings", title, WARNED_COLUMNS, rows(), zone, totals=totals())
