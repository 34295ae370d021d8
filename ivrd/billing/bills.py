"""Bills out of wide tables (a column per item) and narrow ones (a row per item)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from ivrd.billing.database import Run
from ivrd.billing.entities import Bill, BillItem
from ivrd.billing.mapping import (
    AmountColumn,
    BillHead,
    BillingMapping,
    MonthColumn,
    NarrowBill,
    PaidColumn,
    RunTable,
    WideBill,
)
from ivrd.billing.statements import Fields, MonthWriter, Source, as_key
from ivrd.billing.values import Pattern, day_of, fen, text_of
from ivrd.errors import BillingError

MOST_ROWS = 1000
"""Item rows of one bill; more are a fault of the mapping, and no caller would listen to them."""

BillReader: TypeAlias = "WideBills | NarrowBills"


def bills_of(mapping: BillingMapping) -> BillReader:
    """Return the reader for the mapping's layout."""
    if isinstance(mapping.bill, WideBill):
        return WideBills(mapping, mapping.bill)
    return NarrowBills(mapping, mapping.bill)


def amount_reader(mapping: BillingMapping, part: AmountColumn) -> Callable[[Any], int]:
    """Return what reads an amount column into fen."""
    unit = part.unit or mapping.unit
    return lambda value: fen(value, unit)


def month_reader(part: MonthColumn) -> Callable[[Any], str | None]:
    """Return what reads a bill month as ``"YYYY-MM"``."""
    pattern = Pattern(part.format)

    def read(value: Any) -> str | None:
        if value is None or value == "":
            return None
        parts = value if hasattr(value, "year") else pattern.parse(value)
        return f"{parts.year:04}-{parts.month:02}"

    return read


class _Whole(NamedTuple):
    """What belongs to a bill as a whole; `total_fen` is None where only the items say it."""

    total_fen: int | None
    paid: bool | None
    due: date | None


class _Head:
    """The columns total, paid and due, wherever they stand."""

    def __init__(
        self, mapping: BillingMapping, part: WideBill | BillHead, fields: Fields, key: str
    ) -> None:
        self._total = part.total and fields.add(
            f"{key}.total", part.total.column, amount_reader(mapping, part.total)
        )
        self._paid = part.paid and fields.add(f"{key}.paid", part.paid.column, _paid(part.paid))
        self._due = None
        if part.due:
            pattern = Pattern(part.due.format)
            self._due = fields.add(f"{key}.due", part.due.column, lambda v: day_of(v, pattern))

    def read(self, row: Any) -> _Whole:
        return _Whole(
            self._total(row) if self._total else None,
            self._paid(row) if self._paid else None,
            self._due(row) if self._due else None,
        )


def _paid(part: PaidColumn) -> Callable[[Any], bool | None]:
    known = {**dict.fromkeys(part.no, False), **dict.fromkeys(part.yes, True)}
    return lambda value: known.get(text_of(value) or "")


class _OneRow:
    """The row of one account and month in a table with a row per bill."""

    def __init__(self, mapping: BillingMapping, part: WideBill | BillHead, fields: Fields) -> None:
        source = Source(mapping, part)
        self._key = part.account.column
        self._month = MonthWriter(part.month)
        same = (source.is_account(part.account.column), source.is_month(part.month))
        self._query = source.select(fields.columns or [self._key], *same, limit=2)

    def read(self, run: Run, account: object, month: str) -> Any:
        rows = run(self._query, {"account": account, "month": self._month(month)})
        if len(rows) > 1:
            raise BillingError(f"bill: more than one row for one account in {month}")
        return rows[0] if rows else None


class WideBills:
    """A row per bill, a column per item."""

    def __init__(self, mapping: BillingMapping, part: WideBill) -> None:
        fields = Fields()
        self._items = [
            (code, fields.add(f"bill.items.{code}", item.column, amount_reader(mapping, item)))
            for code, item in part.items.items()
        ]
        self._head = _Head(mapping, part, fields, "bill")
        self._row = _OneRow(mapping, part, fields)
        self._kind = mapping.account.id.type

    def read(self, run: Run, account_id: str, month: str) -> Bill | None:
        """Return the bill, None where the account has none in that month."""
        row = self._row.read(run, as_key(account_id, self._kind), month)
        if row is None:
            return None
        items = tuple(BillItem(code, amount(row)) for code, amount in self._items)
        return _bill(month, items, self._head.read(row))


class NarrowBills:
    """A row per item, and perhaps a row per bill beside them; an item without a row is 0."""

    def __init__(self, mapping: BillingMapping, part: NarrowBill) -> None:
        source, fields = Source(mapping, part), Fields()
        self._code = fields.add("bill.code", part.code.column, text_of)
        self._amount = fields.add(
            "bill.amount", part.amount.column, amount_reader(mapping, part.amount)
        )
        same = (source.is_account(part.account.column), source.is_month(part.month))
        self._query = source.select(fields.columns, *same, limit=MOST_ROWS + 1)
        self._month = MonthWriter(part.month)
        self._kind = mapping.account.id.type
        self._items = list(part.items)
        self._item_of = {code: item for item, codes in part.items.items() for code in codes}
        self._rest = part.rest
        self._head: tuple[_Head, _OneRow] | None = None
        if part.head:
            head_fields = Fields()
            head = _Head(mapping, part.head, head_fields, "bill.head")
            self._head = (head, _OneRow(mapping, part.head, head_fields))

    def read(self, run: Run, account_id: str, month: str) -> Bill | None:
        """Return the bill, None where the account has none in that month."""
        account = as_key(account_id, self._kind)
        whole = _Whole(None, None, None)
        if self._head:
            head, head_row = self._head
            row = head_row.read(run, account, month)
            if row is None:
                return None
            whole = head.read(row)
        rows = run(self._query, {"account": account, "month": self._month(month)})
        if not rows and not self._head:
            return None
        return _bill(month, self._sums(rows), whole)

    def _sums(self, rows: Any) -> tuple[BillItem, ...]:
        if len(rows) > MOST_ROWS:
            raise BillingError(f"bill: more than {MOST_ROWS} item rows for one account and month")
        sums = dict.fromkeys(self._items, 0)
        for row in rows:
            item = self._item_of.get(self._code(row) or "", self._rest)
            if item is None:
                # leaving an item out would speak a bill that does not add up
                raise BillingError(
                    f"bill.items: no item has the code {self._code(row)!r}; see bill.rest"
                )
            sums[item] += self._amount(row)
        return tuple(BillItem(item, amount) for item, amount in sums.items())


def _bill(month: str, items: tuple[BillItem, ...], whole: _Whole) -> Bill:
    total = sum(item.amount_fen for item in items) if whole.total_fen is None else whole.total_fen
    return Bill(month, items, total, whole.paid, whole.due)


class Readiness:
    """Whether a month's bill run is done, as the mapping says that this is known."""

    def __init__(self, mapping: BillingMapping) -> None:
        bill = mapping.bill
        self.by_run = isinstance(bill.ready, RunTable)
        if isinstance(bill.ready, RunTable):
            source, month = Source(mapping, bill.ready), bill.ready.month
        else:
            source, month = Source(mapping, bill), bill.month
        self._query = source.select([month.column], source.is_month(month), limit=1)
        self._month = MonthWriter(month)

    def read(self, run: Run, month: str) -> bool:
        """Return whether the bills of `month` may be spoken."""
        return bool(run(self._query, {"month": self._month(month)}))
