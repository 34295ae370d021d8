"""A mapping in itself: what each key allows alone but the whole does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ivrd.billing.month_tables import is_monthly, names_a_month
from ivrd.billing.tables import (
    BillHead,
    BillingMapping,
    DetailTable,
    MonthTable,
    NarrowBill,
    Table,
    UnpaidBills,
    WideBill,
)
from ivrd.errors import Problem, nearest


def problems_in(mapping: BillingMapping) -> Iterator[Problem]:
    """Yield what each key allows by itself but the whole does not."""
    account, bill, details = mapping.account, mapping.bill, mapping.details
    if not (account.phone or account.agreement):
        yield mapping.problem(
            ("account",),
            "nothing to look accounts up by",
            expected="phone or agreement",
            rule="lookup",
        )
    for key, part in mapping.tables():
        yield from _months(mapping, key, part)
        yield from _joins(mapping, key, part)
    if isinstance(mapping.arrears, UnpaidBills):
        yield from _computed(mapping, mapping.arrears)
    if isinstance(bill, NarrowBill):
        yield from _codes(mapping, bill)
    if details:
        yield from _details(mapping, details, bill.items)


def _codes(mapping: BillingMapping, bill: NarrowBill) -> Iterator[Problem]:
    owner: dict[str, str] = {}
    for item, codes in bill.items.items():
        for code in codes:
            if code in owner:
                yield mapping.problem(
                    ("bill", "items", item),
                    f"code {code!r} belongs to {owner[code]} already",
                    expected="each code under one item",
                    rule="code-twice",
                )
            owner.setdefault(code, item)
    if bill.rest and bill.rest not in bill.items:
        yield _no_such_item(mapping, ("bill", "rest"), bill.rest, bill.items)


def _details(
    mapping: BillingMapping, details: DetailTable, items: Mapping[str, object]
) -> Iterator[Problem]:
    for item in details.of:
        if item not in items:
            yield _no_such_item(mapping, ("details", "of"), item, items)
    whole, halves = details.started, (details.date, details.time)
    if bool(whole) == any(halves) or (any(halves) and not all(halves)):
        yield mapping.problem(
            ("details",),
            "when a call began is not said in one way",
            expected="either started, or date and time",
            rule="started",
        )


def _no_such_item(
    mapping: BillingMapping, key: tuple[str, ...], item: str, items: Mapping[str, object]
) -> Problem:
    return mapping.problem(
        key,
        f"{item!r} is no item of the bill",
        expected="one of " + ", ".join(items),
        nearest=nearest(item, items),
        rule="item",
    )


def _months(mapping: BillingMapping, key: tuple[str, ...], part: Table) -> Iterator[Problem]:
    """Each row of bills and details must be of a month that can be told; others have no month."""
    by_month = isinstance(part, MonthTable)
    names: dict[tuple[str, ...], str] = {("table",): part.table}
    names |= {("join", alias, "table"): join.table for alias, join in part.join.items()}
    for place, name in names.items():
        if is_monthly(name) and not by_month:
            yield mapping.problem(
                (*key, *place),
                "stands for a table each month",
                expected="one table; bill, bill.head and details alone may have one each month",
                rule="month-table",
            )
        elif is_monthly(name) and not names_a_month(name):
            yield mapping.problem(
                (*key, *place),
                f"{name!r} does not name a month",
                expected="year and month in it, such as {yyyymm}",
                rule="month-table",
            )
    if isinstance(part, MonthTable) and part.month is None and not is_monthly(part.table):
        yield mapping.problem(
            (*key, "month"),
            "missing",
            expected="a column, or a table each month, such as bill_{yyyymm}",
            rule="missing",
        )


def _joins(mapping: BillingMapping, key: tuple[str, ...], part: Table) -> Iterator[Problem]:
    """Refuse columns of a joined table that there is not, or that is joined later."""
    known = list(part.join)
    for place, term in part.terms():
        if term.from_ is None:
            continue
        there = known
        if place[:1] == ("join",) and term.from_ != place[1]:
            there = known[: known.index(place[1])]
        if term.from_ not in there:
            yield mapping.problem(
                (*key, *place),
                f"no table is joined as {term.from_!r}"
                + (" before" if term.from_ in known else ""),
                expected="one of " + ", ".join(there) if there else f"[{'.'.join(key)}.join.…]",
                nearest=nearest(term.from_, there),
                rule="join",
            )


def _computed(mapping: BillingMapping, part: UnpaidBills) -> Iterator[Problem]:
    """Arrears are computed from what the bills say of paid, due and total."""
    bill = mapping.bill
    where = ("bill", "head") if isinstance(bill, NarrowBill) else ("bill",)
    head = bill.head if isinstance(bill, NarrowBill) else bill
    needed = ["paid", "due"] if part.past_due else ["paid"]
    if not isinstance(bill, WideBill) or not summable(bill):
        needed.append("total")
    for name in needed:
        if head is None or getattr(head, name) is None:
            yield mapping.problem(
                ("arrears", "by"),
                f"unpaid bills cannot be told without {'.'.join((*where, name))}",
                expected=f"{name} there" + (", or past_due = false" if name == "due" else ""),
                rule="unpaid-bills",
            )
    if head is not None and head.paid is not None and _restricted(head):
        yield mapping.problem(
            (*where, "where"),
            f"restricts {head.paid.column!r}, by which unpaid bills are told",
            expected="no condition on it",
            rule="unpaid-bills",
        )


def summable(bill: WideBill) -> bool:
    """Return whether the database can sum the items: plain columns of one unit."""
    items = bill.items.values()
    return all(item.column for item in items) and len({item.unit for item in items}) == 1


def _restricted(head: WideBill | BillHead) -> bool:
    paid = head.paid
    if paid is None or paid.column is None:
        return False
    where = head.join[paid.from_].where if paid.from_ in head.join else head.where
    return paid.column in where
