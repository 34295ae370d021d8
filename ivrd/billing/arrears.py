"""Arrears: what an account owes, summed over its rows, per product and customer group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ivrd.billing.columns import Column, left_of
from ivrd.billing.database import Run
from ivrd.billing.entities import Arrears, OwedRow
from ivrd.billing.keys import AccountKey
from ivrd.billing.month_tables import months_until
from ivrd.billing.readers import amount_reader, day_reader, month_reader, text_reader
from ivrd.billing.statements import Fields, OwedSource
from ivrd.billing.tables import (
    ArrearsTable,
    BillHead,
    BillingMapping,
    NarrowBill,
    UnpaidBills,
    WideBill,
)
from ivrd.billing.values import number
from ivrd.errors import BillingError

MOST_ROWS = 1000
"""Unpaid bills of one account; more are a fault of the mapping."""

Today = Callable[[], date]


@dataclass(frozen=True)
class Owed:
    """Where arrears stand: a table of them, or the table of bills with only those not paid.

    `computed`: a row counts where something is to be paid, and with `past_due` if it is overdue.
    `by_item`: rows are items, those of one account and month a bill. Where there is a table each
    month, this month's and `months_back` before are read.
    """

    part: ArrearsTable
    computed: bool = False
    past_due: bool = False
    by_item: bool = False
    months_back: int = 0

    def months(self, today: date) -> Sequence[str]:
        """Return the months whose tables are read; one without meaning where there is one table."""
        if not self.part.monthly:
            return ("",)
        return months_until(f"{today:%Y-%m}", self.months_back + 1)

    def counts(self, owed: Arrears, today: date) -> bool:
        """Return whether a row is of arrears."""
        if not self.computed:
            return True
        if self.past_due and (owed.due is None or owed.due >= today):
            return False
        return owed.amount_fen > 0


def owed_of(mapping: BillingMapping) -> Owed | None:
    """Return where the arrears of a mapping stand, None where it does not say."""
    said = mapping.arrears
    if isinstance(said, UnpaidBills):
        bill = mapping.bill
        head = (bill.head or bill) if isinstance(bill, NarrowBill) else bill
        by_item = isinstance(head, NarrowBill)
        return Owed(_unpaid(head, said), True, said.past_due, by_item, said.months_back)
    return Owed(_left(said), computed=said.paid is not None) if said else None


def _unpaid(bill: WideBill | BillHead | NarrowBill, said: UnpaidBills) -> ArrearsTable:
    """Return the table of bills, seen as one of arrears."""
    amount = bill.to_pay
    if amount is None or bill.paid is None:
        raise TypeError("load_mapping refuses unpaid bills without paid or a total")
    return _left(ArrearsTable(
        table=bill.table, where=bill.where, join=bill.join, account=bill.account, amount=amount,
        month=bill.month, paid=bill.paid, due=bill.due, product=said.product, group=said.group,
    ))  # fmt: skip


def _left(part: ArrearsTable) -> ArrearsTable:
    """Return a table of arrears whose amount is what is left to pay."""
    left = left_of(part.paid, part.amount) if part.paid else None
    return part.model_copy(update={"amount": left}) if left else part


class ArrearsFields:
    """What is read of a row of arrears; product and group are the account's where it has none."""

    def __init__(self, mapping: BillingMapping, owed: Owed, fields: Fields) -> None:
        accounts, part = mapping.account, owed.part
        due, months, month = part.due, part.months, part.month
        self._owed = owed
        self._amount = fields.add(
            "arrears.amount", part.amount, amount_reader(mapping, part.amount)
        )
        self._months = months and fields.add("arrears.months", months, number)
        self._due = due and fields.add("arrears.due", due, day_reader(due))
        self._texts: dict[str, Callable[[Any], str | None]] = {
            name: fields.add(f"arrears.{name}", said, text_reader(said))
            for name, said in (("product", part.product), ("group", part.group))
            if said
        }
        self._month = month and fields.add("arrears.month", month, month_reader(month))
        self.of_account: list[Column] = []
        """What is to be selected of the account's table, behind the columns of this one."""
        self._lacking = {
            name: said
            for name, said in (("product", accounts.product), ("group", accounts.group))
            if said and name not in self._texts
        }

    def add_account(self, fields: Fields) -> None:
        """Add what stands in the account's table, once all of the arrears' table is added."""
        for name, said in self._lacking.items():
            self._texts[name] = fields.add(f"account.{name}", said, text_reader(said))
            self.of_account.append(said)

    def counted(
        self, rows: Iterable[Any], account_id: str, month: str | None, today: date
    ) -> list[OwedRow]:
        """Return what rows of one account say that it owes, as far as it counts.

        `month` is that of their table, where there is one each month.
        """
        read = [self._of(row, account_id, month) for row in rows]
        if self._owed.by_item:
            read = list(_bills(read))
        return [one for one in read if self._owed.counts(one.owed, today)]

    def _of(self, row: Any, account_id: str, month: str | None) -> OwedRow:
        texts = {name: text(row) for name, text in self._texts.items()}
        owed = Arrears(
            account_id,
            self._amount(row),
            self._months(row) if self._months else 1,
            self._due(row) if self._due else None,
            texts.get("product"),
            texts.get("group"),
        )
        return OwedRow(owed, self._month(row) if self._month else month)


def _bills(items: Iterable[OwedRow]) -> Iterator[OwedRow]:
    """Yield the bills that items make: those of one month, product and group are one."""
    bills: dict[tuple[str | None, str | None, str | None], Arrears] = {}
    for item in items:
        owed = item.owed
        key = (item.month, owed.product, owed.group)
        bills[key] = together(bills[key], owed) if key in bills else owed
    for key, owed in bills.items():
        yield OwedRow(replace(owed, months=1), key[0])


class ArrearsRows:
    """The arrears of one account."""

    def __init__(self, mapping: BillingMapping, owed: Owed, today: Today) -> None:
        fields = Fields()
        fields.columns.append(mapping.account.id)
        self._fields = ArrearsFields(mapping, owed, fields)
        last = len(fields.columns)
        self._fields.add_account(fields)
        of_arrears, of_account = fields.columns[1:last], self._fields.of_account
        source = OwedSource(mapping, owed.part, of_arrears, of_account)
        self._query = source.of_account(MOST_ROWS + 1)
        self._owed, self._today = owed, today
        self._key = AccountKey(mapping)

    def read(self, run: Run, account_id: str) -> tuple[Arrears, ...]:
        """Return one entry per product and group, sorted by them; none where nothing is owed."""
        owed: dict[tuple[str, str], Arrears] = {}
        for row in self._rows(run, account_id):
            one = row.owed
            key = (one.product or "", one.group or "")
            owed[key] = together(owed[key], one) if key in owed else one
        return tuple(owed[key] for key in sorted(owed) if owed[key].amount_fen)

    def _rows(self, run: Run, account_id: str) -> Iterator[OwedRow]:
        today, key = self._today(), self._key.values(account_id)
        for month in self._owed.months(today):
            rows = self._query.rows(run, month, **key) or ()
            if len(rows) > MOST_ROWS:
                raise BillingError(f"arrears: more than {MOST_ROWS} rows for one account")
            yield from self._fields.counted(rows, account_id, month or None, today)


def together(one: Arrears, other: Arrears) -> Arrears:
    """Return the sum of two, with the product and group of the first and the earlier due date."""
    dues = [due for due in (one.due, other.due) if due]
    return replace(
        one,
        amount_fen=one.amount_fen + other.amount_fen,
        months=one.months + other.months,
        due=min(dues, default=None),
    )
