"""Arrears: what an account owes, summed over its rows, per product and customer group."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ivrd.billing.bills import amount_reader
from ivrd.billing.database import Run
from ivrd.billing.entities import Arrears
from ivrd.billing.mapping import ArrearsTable, BillingMapping
from ivrd.billing.statements import Fields, Source, as_key
from ivrd.billing.values import Pattern, day_of, number, text_of
from ivrd.errors import BillingError

MOST_ROWS = 1000
"""Unpaid bills of one account; more are a fault of the mapping."""


class ArrearsFields:
    """The columns of an arrears table, and what reads them from a row."""

    def __init__(self, mapping: BillingMapping, part: ArrearsTable, fields: Fields) -> None:
        self._amount = fields.add(
            "arrears.amount", part.amount.column, amount_reader(mapping, part.amount)
        )
        self._months = part.months and fields.add("arrears.months", part.months.column, number)
        self._product = part.product and fields.add("arrears.product", part.product.column, text_of)
        self._group = part.group and fields.add("arrears.group", part.group.column, text_of)
        self._due = None
        if part.due:
            pattern = Pattern(part.due.format)
            self._due = fields.add("arrears.due", part.due.column, lambda v: day_of(v, pattern))

    def of(self, row: Any, account_id: str) -> Arrears:
        """Return what one row says that the account owes."""
        return Arrears(
            account_id,
            self._amount(row),
            self._months(row) if self._months else 1,
            self._due(row) if self._due else None,
            self._product(row) if self._product else None,
            self._group(row) if self._group else None,
        )


class ArrearsRows:
    """The arrears table of a mapping."""

    def __init__(self, mapping: BillingMapping, part: ArrearsTable) -> None:
        source, fields = Source(mapping, part), Fields()
        self._fields = ArrearsFields(mapping, part, fields)
        same = source.is_account(part.account.column)
        self._query = source.select(fields.columns, same, limit=MOST_ROWS + 1)
        self._kind = mapping.account.id.type

    def read(self, run: Run, account_id: str) -> tuple[Arrears, ...]:
        """Return one entry per product and group, sorted by them; none where nothing is owed."""
        rows = run(self._query, {"account": as_key(account_id, self._kind)})
        if len(rows) > MOST_ROWS:
            raise BillingError(f"arrears: more than {MOST_ROWS} rows for one account")
        owed: dict[tuple[str, str], Arrears] = {}
        for row in rows:
            one = self._fields.of(row, account_id)
            key = (one.product or "", one.group or "")
            owed[key] = together(owed[key], one) if key in owed else one
        return tuple(owed[key] for key in sorted(owed) if owed[key].amount_fen)


def together(one: Arrears, other: Arrears) -> Arrears:
    """Return the sum of two, with the product and group of the first and the earlier due date."""
    dues = [due for due in (one.due, other.due) if due]
    return replace(
        one,
        amount_fen=one.amount_fen + other.amount_fen,
        months=one.months + other.months,
        due=min(dues, default=None),
    )
