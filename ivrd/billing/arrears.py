"""Arrears: what an account owes, summed over its rows, per product and customer group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ivrd.billing.columns import AmountColumn, Column, Condition, term_of
from ivrd.billing.database import Run
from ivrd.billing.entities import Arrears
from ivrd.billing.month_tables import months_until
from ivrd.billing.readers import amount_reader, day_reader, text_reader
from ivrd.billing.statements import Fields, OwedSource, as_key
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
    Where there is a table each month, this month's and `months_back` before are read.
    """

    part: ArrearsTable
    computed: bool = False
    past_due: bool = False
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
        head = bill.head if isinstance(bill, NarrowBill) else bill
        if head is None:
            raise TypeError("load_mapping refuses unpaid bills of items alone")
        return Owed(_unpaid(head, said), True, said.past_due, said.months_back)
    return Owed(said) if said else None


def _unpaid(bill: WideBill | BillHead, said: UnpaidBills) -> ArrearsTable:
    """Return the table of bills, seen as one of arrears."""
    paid, where, join = bill.paid, dict(bill.where), dict(bill.join)
    if paid is None or paid.column is None:
        raise TypeError("load_mapping refuses unpaid bills where none is said to be paid")
    unpaid = Condition(one_of=paid.no)
    if paid.from_ is None:
        where[paid.column] = unpaid
    else:
        other = join[paid.from_]
        join[paid.from_] = other.model_copy(update={"where": {**other.where, paid.column: unpaid}})
    amount = bill.total
    if amount is None and isinstance(bill, WideBill):
        items = list(bill.items.values())
        terms = [term_of(item.column, item.from_) for item in items if item.column]
        amount = AmountColumn(add=terms, unit=items[0].unit)
    if amount is None:
        raise TypeError("load_mapping refuses unpaid bills without a total")
    return ArrearsTable(
        table=bill.table, where=where, join=join, account=bill.account, amount=amount,
        month=bill.month, due=bill.due, product=said.product, group=said.group,
    )  # fmt: skip


class ArrearsFields:
    """What is read of a row of arrears; product and group are the account's where it has none."""

    def __init__(self, mapping: BillingMapping, part: ArrearsTable, fields: Fields) -> None:
        accounts = mapping.account
        due, months = part.due, part.months
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

    def of(self, row: Any, account_id: str) -> Arrears:
        """Return what one row says that the account owes."""
        texts = {name: text(row) for name, text in self._texts.items()}
        return Arrears(
            account_id,
            self._amount(row),
            self._months(row) if self._months else 1,
            self._due(row) if self._due else None,
            texts.get("product"),
            texts.get("group"),
        )


class ArrearsRows:
    """The arrears of one account."""

    def __init__(self, mapping: BillingMapping, owed: Owed, today: Today) -> None:
        fields = Fields()
        fields.columns.append(mapping.account.id)
        self._fields = ArrearsFields(mapping, owed.part, fields)
        last = len(fields.columns)
        self._fields.add_account(fields)
        of_arrears, of_account = fields.columns[1:last], self._fields.of_account
        source = OwedSource(mapping, owed.part, of_arrears, of_account)
        self._query = source.of_account(MOST_ROWS + 1)
        self._owed, self._today = owed, today
        self._kind = mapping.account.id.type

    def read(self, run: Run, account_id: str) -> tuple[Arrears, ...]:
        """Return one entry per product and group, sorted by them; none where nothing is owed."""
        owed: dict[tuple[str, str], Arrears] = {}
        for row in self._rows(run, account_id):
            one = self._fields.of(row, account_id)
            if not self._owed.counts(one, self._today()):
                continue
            key = (one.product or "", one.group or "")
            owed[key] = together(owed[key], one) if key in owed else one
        return tuple(owed[key] for key in sorted(owed) if owed[key].amount_fen)

    def _rows(self, run: Run, account_id: str) -> Iterator[Any]:
        account = as_key(account_id, self._kind)
        for month in self._owed.months(self._today()):
            rows = self._query.rows(run, month, account=account) or ()
            if len(rows) > MOST_ROWS:
                raise BillingError(f"arrears: more than {MOST_ROWS} rows for one account")
            yield from rows


def together(one: Arrears, other: Arrears) -> Arrears:
    """Return the sum of two, with the product and group of the first and the earlier due date."""
    dues = [due for due in (one.due, other.due) if due]
    return replace(
        one,
        amount_fen=one.amount_fen + other.amount_fen,
        months=one.months + other.months,
        due=min(dues, default=None),
    )
