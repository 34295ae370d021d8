"""A mapping in itself: what each key allows alone but the whole does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ivrd.billing.columns import AccountColumn, PaidColumn
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
    yield from _keys(mapping)
    for key, part in mapping.tables():
        yield from _months(mapping, key, part)
        yield from _joins(mapping, key, part)
    if isinstance(mapping.arrears, UnpaidBills):
        yield from _computed(mapping, mapping.arrears)
    yield from _paid(mapping)
    if isinstance(bill, NarrowBill):
        yield from _codes(mapping, bill)
    if details:
        yield from _details(mapping, details, bill.items)


def _keys(mapping: BillingMapping) -> Iterator[Problem]:
    """Refuse what points at an account in another number of columns than its id has."""
    count = len(mapping.account.id.parts)
    for key, part in mapping.tables():
        account = getattr(part, "account", None)
        if isinstance(account, AccountColumn) and len(account.parts) != count:
            yield mapping.problem(
                (*key, "account"),
                f"has {len(account.parts)} of the {count} columns that make account.id"
                if count > 1 else "has several columns, account.id has one",
                expected="as many columns as account.id has, in the same order"
                if count > 1 else "one column, or columns in account.id, too",
                rule="account-columns",
            )  # fmt: skip


def _paid(mapping: BillingMapping) -> Iterator[Problem]:
    """Refuse what was paid without a total to hold it against, or in two places."""
    bill = mapping.bill
    head: WideBill | NarrowBill | BillHead = bill
    where: tuple[str, ...] = ("bill",)
    if isinstance(bill, NarrowBill) and bill.head:
        head, where = bill.head, ("bill", "head")
        for name in ("paid", "due"):
            if getattr(bill, name) is not None:
                yield mapping.problem(
                    ("bill", name), "there is a row for each bill, in bill.head",
                    expected=f"bill.head.{name}", rule="two-places",
                )  # fmt: skip
    if head.paid is not None and head.paid.amount is not None and head.to_pay is None:
        yield _no_total(mapping, (*where, "paid"), where, "what was paid cannot be held against it")


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
    head = (bill.head or bill) if isinstance(bill, NarrowBill) else bill
    if isinstance(head, NarrowBill):
        where = ("bill",)
    needed = ["paid", "due"] if part.past_due else ["paid"]
    for name in needed:
        if getattr(head, name) is None:
            yield mapping.problem(
                ("arrears", "by"),
                f"unpaid bills cannot be told without {'.'.join((*where, name))}",
                expected=f"{name} there" + (", or past_due = false" if name == "due" else ""),
                rule="unpaid-bills",
            )
    if head.paid is not None and not head.paid.amount and head.to_pay is None:
        yield _no_total(mapping, ("arrears", "by"), where, "unpaid bills cannot be told")
    if head.paid is not None and _restricted(head):
        yield mapping.problem(
            (*where, "where"),
            f"leaves no unpaid bills: they hold {_codes_of(head.paid)} in {head.paid.column!r}",
            expected="conditions that bills which are not paid meet, too",
            rule="unpaid-bills",
        )


def _codes_of(paid: PaidColumn) -> str:
    return " or ".join(map(repr, paid.no or ()))


def _no_total(
    mapping: BillingMapping, key: tuple[str, ...], where: tuple[str, ...], what: str
) -> Problem:
    return mapping.problem(
        key, f"{what} without {'.'.join((*where, 'total'))}", expected="total there",
        rule="unpaid-bills",
    )  # fmt: skip


def _restricted(head: WideBill | BillHead | NarrowBill) -> bool:
    """Return whether the conditions let no bill through that is not paid."""
    paid = head.paid
    if paid is None or paid.column is None:
        return False
    where = head.join[paid.from_].where if paid.from_ in head.join else head.where
    when = where.get(paid.column)
    if when is None:
        return False
    codes = set(paid.no or ())
    return (
        when.null is True
        or when.empty is True
        or (not codes & set(when.one_of) if when.one_of else codes <= set(when.not_ or ()))
    )
