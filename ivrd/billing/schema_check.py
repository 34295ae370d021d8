"""One table of a mapping against the live schema: names, types, indexes, joins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.types import (
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    Numeric,
    String,
    Time,
    TypeEngine,
)

from ivrd.billing.columns import (
    AmountColumn,
    Column,
    Condition,
    KeyColumn,
    MonthColumn,
    PaidColumn,
)
from ivrd.billing.month_tables import is_monthly, months_among
from ivrd.billing.schema import Schema
from ivrd.billing.tables import AnyBill, BillingMapping, BillTable, Table
from ivrd.errors import Problem, nearest

Key = tuple[str, ...]


class TableCheck:
    """What is wrong with one table of the mapping; `id_misfits`: the account's id was wrong."""

    def __init__(
        self, mapping: BillingMapping, schema: Schema, key: Key, part: Table, *, id_misfits: bool
    ) -> None:
        self._mapping, self._schema, self._key, self._part = mapping, schema, key, part
        self._id_misfits = id_misfits
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._tables: dict[str | None, str] = {}
        self._compared = _compared(part)
        self._find(None, ("table",), part.table)
        for alias, join in part.join.items():
            self._find(alias, ("join", alias, "table"), join.table)
        if self._names():
            return
        for place, column in part.columns():
            self._fit(place, column)
        self._fit_values()
        if not self.problems:
            self._indexes()
            self._joins()

    def _find(self, alias: str | None, place: Key, name: str) -> None:
        """Find the table of a name, the newest where there is one each month."""
        names = self._schema.names
        if is_monthly(name):
            months = months_among(name, names)
            if months:
                self._tables[alias] = next(reversed(months.values()))
                return
        elif name in names:
            self._tables[alias] = name
            return
        what = f"the database has no table {name!r}"
        self._wrong(place, what, expected=_some(names), near=_nearest(name, names), rule="no-table")

    def _names(self) -> bool:
        """Look for each column that is named; return whether one is missing."""
        for place, term in self._part.terms():
            if term.column is None or term.from_ not in self._tables:
                continue
            name = self._tables[term.from_]
            types = self._schema.columns(name)
            if term.column not in types:
                self._wrong(
                    place, f"{name} has no column {term.column!r}", expected=_some(types),
                    near=_nearest(term.column, types), rule="no-column",
                )  # fmt: skip
        return bool(self.problems)

    def _fit(self, place: Key, column: Column) -> None:
        """See whether a column can hold what the mapping says."""
        if column.role == "account" and self._id_misfits:
            return
        for below, term in column.terms():
            if term.column is None:
                continue
            name = self._tables[term.from_]
            found = self._schema.columns(name)[term.column]
            expected = _misfit(self._mapping, column, found)
            if expected is None and column in self._compared and not isinstance(found, _NUMBERS):
                expected = "a number, not text, to be compared with what was paid"
            if below[:1] == ("negative",):
                continue
            if expected:
                self._wrong(
                    (*place, *below), f"{name}.{term.column} is {found}", expected=expected,
                    rule="type",
                )  # fmt: skip

    def _fit_values(self) -> None:
        """See whether what is compared has the column's type, where the database insists on it."""
        if self._schema.engine.dialect.name != "postgresql":
            return
        conditions: list[tuple[Key, str | None, str, Condition]] = [
            (("where", name), None, name, when) for name, when in self._part.where.items()
        ]
        for alias, join in self._part.join.items():
            conditions += [
                (("join", alias, "where", name), alias, name, when)
                for name, when in join.where.items()
            ]
        conditions += [
            ((*place, "negative", name), None, name, when)
            for place, amount in self._part.columns() if isinstance(amount, AmountColumn)
            for name, when in amount.negative.items()
        ]  # fmt: skip
        for place, source, name, when in conditions:
            values = [*(when.one_of or ()), *(when.not_ or ())]
            self._fit_codes(place, source, name, values)
        paid = getattr(self._part, "paid", None)
        if isinstance(paid, PaidColumn) and paid.column:
            values = [*(paid.yes or ()), *(paid.no or ())]
            self._fit_codes(("paid",), paid.from_, paid.column, values)

    def _fit_codes(
        self, place: Key, source: str | None, name: str, values: Sequence[object]
    ) -> None:
        """Tell values that are not of the type of the column they are compared with."""
        found = self._schema.columns(self._tables[source])[name]
        for kind, able, words in (
            (String, str, "values in quotes"), (Boolean, bool, "true or false"),
            (Integer, int, "values without quotes"),
        ):  # fmt: skip
            if isinstance(found, kind) and not all(type(value) is able for value in values):
                what = f"{self._tables[source]}.{name} is {found}"
                self._wrong(place, what, rule="type", expected=words)

    def _indexes(self) -> None:
        """Warn where a column that lookups start from begins no index: each would read it all."""
        for name in ("id", "phone", "agreement", "account"):
            column = getattr(self._part, name, None)
            if isinstance(column, Column):
                self._indexed((name,), column)
            if isinstance(column, KeyColumn):
                self._padded((name,), column)
        if isinstance(self._part, BillTable) and isinstance(self._part.ready, AnyBill):
            month = self._part.month
            if month and not self._part.monthly:
                self._indexed(("month",), month)

    def _indexed(self, place: Key, column: Column) -> None:
        terms = [term for _, term in column.terms() if term.column is not None]
        served = [self._schema.indexed(self._tables[t.from_], str(t.column)) for t in terms]
        name = self._tables[terms[0].from_]
        as_numbers = isinstance(column, KeyColumn) and column.concat and column.type == "integer"
        # each column that the first is taken of must have an index; of others one will do
        if (all if column.first else any)(served) and not as_numbers:
            return
        cost = self._schema.cost(name)
        if column.column is None:
            self._advise(
                place, f"is made of several columns: each lookup reads {cost}",
                expected=_SERVING[column.named], rule="no-index",
            )  # fmt: skip
            return
        self._advise(
            place, f"{name}.{column.column} has no index: each lookup reads {cost}",
            expected="an index that begins with it", rule="no-index",
        )  # fmt: skip

    def _padded(self, place: Key, column: KeyColumn) -> None:
        """Tell a column filled with blanks, where the database does not look past them."""
        if column.column is None or column.pad or column.type != "text":
            return
        name = self._tables[column.from_]
        length = self._schema.padded(name, column.column)
        if length:
            self._wrong(
                place, f"{name}.{column.column} is filled with blanks: no lookup would find it",
                expected=f"pad = {length}", rule="padded",
            )  # fmt: skip

    def _joins(self) -> None:
        """Warn of joins without an index, and of those that may bring several rows for one."""
        for alias, join in self._part.join.items():
            name, on = self._tables[alias], set(join.on)
            if not any(self._schema.indexed(name, column) for column in on):
                self._advise(
                    ("join", alias, "on"),
                    f"{name} has no index for it: each lookup reads {self._schema.cost(name)}",
                    expected="an index that begins with " + " or ".join(sorted(on)),
                    rule="no-index",
                )
            if not self._schema.unique(name, on | {c for c, w in join.where.items() if _one(w)}):
                self._advise(
                    ("join", alias, "on"), f"{name} may have several rows for one: that is a fault",
                    expected="a unique index, or conditions that leave one row", rule="join-many",
                )  # fmt: skip

    def _wrong(
        self, place: Key, what: str, *, rule: str, expected: str, near: str | None = None
    ) -> None:
        told = self._mapping.problem(
            (*self._key, *place), what, expected=expected, nearest=near, rule=rule
        )
        self.problems.append(told)

    def _advise(self, place: Key, what: str, *, rule: str, expected: str) -> None:
        told = self._mapping.problem((*self._key, *place), what, expected=expected, rule=rule)
        self.warnings.append(told)


def _compared(part: Table) -> list[Column]:
    """Return the amounts that are held against each other to tell what is paid."""
    paid = getattr(part, "paid", None)
    if not isinstance(paid, PaidColumn) or paid.money is None:
        return []
    return [amount for amount in (paid.money[1], part.to_pay) if amount is not None]


_SERVING = {
    "by first": "an index on each of them",
    "by concat": "an index that begins with one of them, or a column of its own",
    "by columns": "an index that begins with one of them",
    "by year": "an index that begins with one of them",
}
"""What index would serve a value made of several columns."""


def _one(when: Condition) -> bool:
    """Return whether a condition leaves one value."""
    return when.one_of is not None and len(when.one_of) == 1


_NUMBERS = (Integer, Numeric, Float)

_NEEDS: dict[str, tuple[tuple[type[Any], ...], str]] = {
    "amount": ((*_NUMBERS, String), "a number"),
    "number": ((*_NUMBERS, String), "a number"),
    "date": ((Date, DateTime, String, Integer), "a date, or text or a number in the format"),
    "time": ((Time, String, Integer), "a time, or text or a number in the format"),
    "instant": ((DateTime, String, Integer), "date and time, or text in the format"),
}


def _misfit(mapping: BillingMapping, column: Column, found: TypeEngine[Any]) -> str | None:
    """Return what was expected of a column that cannot hold what the mapping says, else None."""
    if column.concat and not isinstance(column, KeyColumn):
        return None  # its parts are read as text, whatever they are
    if isinstance(column, KeyColumn | MonthColumn) or column.role == "account":
        said = (
            column.type if isinstance(column, KeyColumn | MonthColumn) else mapping.account.id.type
        )
        fits = {
            "text": isinstance(found, String),
            "integer": isinstance(found, _NUMBERS),
            "date": isinstance(found, Date | DateTime),
        }
        if fits[said]:
            return None
        right = [kind for kind, can in fits.items() if can]
        return f'{said}; say type = "{right[0]}"' if right else said
    able, words = _NEEDS.get(column.role, ((TypeEngine,), ""))
    if isinstance(column, AmountColumn) and (column.add or column.negative):
        able, words = _NUMBERS, "a number, not text, to be added or made negative"
    elif column.add:
        able, words = _NUMBERS, "a number, not text, to be added"
    return None if isinstance(found, able) else words


def _nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the nearest name; one that differs in case alone is the commonest slip."""
    cased = {other.lower(): other for other in names}
    found = nearest(name.lower(), cased)
    return cased[found] if found else None


def _some(names: Iterable[str]) -> str:
    """Return the first few names: a schema may have thousands."""
    shown = list(names)
    return ", ".join(shown[:12]) + (", …" if len(shown) > 12 else "") or "none at all"
