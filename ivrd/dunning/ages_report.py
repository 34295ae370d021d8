"""Arrears by age as reports (product D8): by product and customer group, and who runs over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from ivrd.dunning.ages import Age, AgeTable, Warned
from ivrd.dunning.columns import WIDE, Column, Kind, Private, Report, Row, Words

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


def age_report(table: AgeTable, zone: tzinfo, *, by_days: bool) -> Report:
    """Return the arrears by product, group and age; `share` is that of all arrears."""
    whole = table.total()

    def order(key: tuple[str | None, str | None, Age]) -> tuple[str, str, int]:
        product, group, age = key
        return product or "", group or "", _OLDEST_LAST[age]

    rows: list[Row] = [
        (product, group, age.value, amount.accounts, amount.bills, amount.fen,
         100 * amount.fen / whole if whole else None)
        for key in sorted(table.cells, key=order)
        for product, group, age, amount in [(*key, table.cells[key])]
    ]  # fmt: skip
    how = ("days past due", "按逾期天数") if by_days else ("bill month", "按账单月份")
    title = (f"Arrears by {how[0]}", f"欠费账龄（{how[1]}）")
    return Report("ages", title, AGE_COLUMNS, rows, zone)


def warning_report(warned: Sequence[Warned], zone: tzinfo) -> Report:
    """Return the accounts that are about to run over a threshold (预警), the next first."""
    rows: list[Row] = [
        (one.day, one.months, one.account, one.product, one.group, one.amount_fen, one.due)
        for one in warned
    ]
    return Report("warnings", ("About to run over", "欠费预警"), WARNED_COLUMNS, rows, zone)
