"""Bills out of wide tables (a column per item) and narrow ones (a row per item)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Select

from ivrd.billing.columns import Column, left_of
from ivrd.billing.database import Run
from ivrd.billing.entities import Bill, BillItem, NotReady
from ivrd.billing.keys import AccountKey
from ivrd.billing.readers import amount_reader, day_reader, flag_reader, text_reader
from ivrd.billing.statements import Fields, MonthQuery, Source, month_query
from ivrd.billing.tables import BillHead, BillingMapping, NarrowBill, RunTable, WideBill
from ivrd.errors import BillingError

MOST_ROWS = 1000
"""Item rows of one bill; more are a fault of the mapping, and no caller would listen to them."""

BillReader: TypeAlias = "WideBills | NarrowBills"


def bills_of(mapping: BillingMapping) -> BillReader:
    """Return the reader for the mapping's layout."""
    if isinstance(mapping.bill, WideBill):
        return WideBills(mapping, mapping.bill)
    return NarrowBills(mapping, mapping.bill)


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
        total, paid, due = part.total, part.paid, part.due
        self._total = total and fields.add(f"{key}.total", total, amount_reader(mapping, total))
        self._paid = paid and fields.add(f"{key}.paid", paid, flag_reader(paid))
        self._due = due and fields.add(f"{key}.due", due, day_reader(due))

    def read(self, row: Any) -> _Whole:
        return _Whole(
            self._total(row) if self._total else None,
            self._paid(row) if self._paid else None,
            self._due(row) if self._due else None,
        )


class _OneRow:
    """The row of one account and month in a table with a row per bill."""

    def __init__(self, mapping: BillingMapping, part: WideBill | BillHead, fields: Fields) -> None:
        columns: list[Column] = fields.columns or [part.account]
        self._query = month_query(mapping, part, columns, limit=2)

    def read(self, run: Run, account: Mapping[str, object], month: str) -> Any:
        """Return the row, None where there is none, `NotReady` where the month has no table."""
        rows = self._query.rows(run, month, **account)
        if rows is None:
            return NotReady(month)
        if len(rows) > 1:
            raise BillingError(f"bill: more than one row for one account in {month}")
        return rows[0] if rows else None


class WideBills:
    """A row per bill, a column per item."""

    def __init__(self, mapping: BillingMapping, part: WideBill) -> None:
        fields = Fields()
        self._items = [
            (code, fields.add(f"bill.items.{code}", item, amount_reader(mapping, item)))
            for code, item in part.items.items()
        ]
        self._head = _Head(mapping, part, fields, "bill")
        self._row = _OneRow(mapping, part, fields)
        self._key = AccountKey(mapping)

    def read(self, run: Run, account_id: str, month: str) -> Bill | NotReady | None:
        """Return the bill, None where the account has none in that month."""
        row = self._row.read(run, self._key.values(account_id), month)
        if row is None or isinstance(row, NotReady):
            return row
        items = tuple(BillItem(code, amount(row)) for code, amount in self._items)
        return _bill(month, items, self._head.read(row))


class _OfItems:
    """What rows of items say of their bill, where there is no row of the bill itself.

    It is paid when all are, or when what came in and what is asked for are the same in sum; it is
    due when the first of them is.
    """

    def __init__(self, mapping: BillingMapping, part: NarrowBill, fields: Fields) -> None:
        paid, due = part.paid, part.due
        self._due = due and fields.add("bill.due", due, day_reader(due))
        self._left: Callable[[Any], int] | None = None
        self._paid: Callable[[Any], bool | None] | None = None
        if paid and (left := left_of(paid, part.amount)):
            self._left = fields.add("bill.paid", left, amount_reader(mapping, left))
        elif paid:
            self._paid = fields.add("bill.paid", paid, flag_reader(paid))

    def read(self, rows: Sequence[Any]) -> _Whole:
        dues = [due for due in map(self._due, rows) if due] if self._due else []
        return _Whole(None, self._is_paid(rows), min(dues, default=None))

    def _is_paid(self, rows: Sequence[Any]) -> bool | None:
        if self._left:
            return sum(map(self._left, rows)) <= 0
        said = set(map(self._paid, rows)) if self._paid else {None}
        if False in said:
            return False
        return None if None in said else True


class NarrowBills:
    """A row per item, and perhaps a row per bill beside them; an item without a row is 0.

    Where there is no row per bill, each item may know whether it is paid, and when it is due.
    """

    def __init__(self, mapping: BillingMapping, part: NarrowBill) -> None:
        fields = Fields()
        self._code = fields.add("bill.code", part.code, text_reader(part.code))
        self._amount = fields.add("bill.amount", part.amount, amount_reader(mapping, part.amount))
        self._key = AccountKey(mapping)
        self._items = list(part.items)
        self._item_of = {code: item for item, codes in part.items.items() for code in codes}
        self._rest = part.rest
        self._head: tuple[_Head, _OneRow] | None = None
        if part.head:
            head_fields = Fields()
            head = _Head(mapping, part.head, head_fields, "bill.head")
            self._head = (head, _OneRow(mapping, part.head, head_fields))
        self._of_items = _OfItems(mapping, part, fields)
        self._query = month_query(mapping, part, fields.columns, limit=MOST_ROWS + 1)

    def read(self, run: Run, account_id: str, month: str) -> Bill | NotReady | None:
        """Return the bill, None where the account has none in that month."""
        account = self._key.values(account_id)
        whole = _Whole(None, None, None)
        if self._head:
            head, head_row = self._head
            row = head_row.read(run, account, month)
            if row is None or isinstance(row, NotReady):
                return row
            whole = head.read(row)
        rows = self._query.rows(run, month, **account)
        if rows is None:
            return NotReady(month)
        if not rows and not self._head:
            return None
        items = self._sums(rows)
        return _bill(month, items, whole if self._head else self._of_items.read(rows))

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
        part = bill.ready if isinstance(bill.ready, RunTable) else bill
        month = part.month
        shown = month or bill.account

        def build(source: Source) -> Select[Any]:
            return source.select([shown], *source.is_month(month), limit=1)

        self._query = MonthQuery(mapping, part, month, build)

    def read(self, run: Run, month: str) -> bool:
        """Return whether the bills of `month` may be spoken."""
        return bool(self._query.rows(run, month))
