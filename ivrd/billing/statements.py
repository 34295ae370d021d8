"""Statements, built once from the mapping: names quoted, values bound, rows limited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnClause,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    Select,
    String,
    TableClause,
    bindparam,
    column,
    select,
    table,
)
from sqlalchemy.types import TypeEngine

from ivrd.billing.mapping import ArrearsTable, BillingMapping, MonthColumn, Table
from ivrd.billing.values import Pattern
from ivrd.errors import BillingError

T = TypeVar("T")

_TYPES: Mapping[str, type[TypeEngine[Any]]] = {"text": String, "integer": Integer, "date": Date}


class Source:
    """One table of the mapping, to select from."""

    def __init__(self, mapping: BillingMapping, part: Table) -> None:
        self._mapping = mapping
        self._table: TableClause = table(part.table, schema=mapping.db_schema)
        self._counts = [
            self.column(name).in_([bindparam(None, code) for code in codes])
            for name, codes in part.where.items()
        ]

    def column(self, name: str) -> ColumnElement[Any]:
        """Return a column, qualified with its table: SQLite takes a lone unknown name for text."""
        if name not in self._table.c:
            self._table.append_column(column(name))
        return self._table.c[name]

    def is_account(self, name: str) -> ColumnElement[bool]:
        """Compare a column with the value ``account``."""
        return self.column(name) == key_value("account", self._mapping.account.id.type)

    def is_month(self, part: MonthColumn) -> ColumnElement[bool]:
        """Compare a column with the value ``month``, written by `MonthWriter`."""
        return self.column(part.column) == bindparam("month", type_=_TYPES[part.type]())

    def select(
        self, columns: Iterable[str], *conditions: ColumnElement[bool], limit: int | None
    ) -> Select[Any]:
        """Return a select of `columns` in order, where all conditions and the mapping's hold."""
        query = select(*(self.column(name).label(f"c{n}") for n, name in enumerate(columns)))
        query = query.select_from(self._table).where(*conditions, *self._counts)
        return query if limit is None else query.limit(limit)


def key_value(name: str, kind: str) -> BindParameter[Any]:
    """Return the place of a bound value for a column of type `kind`."""
    return bindparam(name, type_=_TYPES[kind]())


def as_key(value: str, kind: str) -> object | None:
    """Return `value` as the column's type takes it; None where no row can have it."""
    if kind == "text":
        return value
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


class JoinedSource:
    """Two tables of the mapping, joined by the account: what is owed, and who owes it."""

    def __init__(
        self, mapping: BillingMapping, owed: ArrearsTable, fields: Sequence[str],
        account_fields: Sequence[str],
    ) -> None:  # fmt: skip
        accounts = mapping.account
        kind = _TYPES[accounts.id.type]()
        named = [owed.account.column, *fields, *owed.where]
        left = _alias(mapping, owed, named, "owed")
        right = _alias(mapping, accounts, [accounts.id.column, *account_fields, *accounts.where],
                       "who")  # fmt: skip
        # the account table's own key: two rows of one account are then never told apart
        self._key = right.c[accounts.id.column]
        wanted = [left.c[name] for name in fields] + [right.c[name] for name in account_fields]
        self._query = (
            select(*(part.label(f"c{n}") for n, part in enumerate([self._key, *wanted])))
            .select_from(left.join(right, left.c[owed.account.column] == self._key))
            .where(*_counts(left, owed), *_counts(right, accounts))
            .order_by(self._key)
        )
        self._after = bindparam("after", type_=kind)

    def first(self, rows: int) -> Select[Any]:
        """Return the select of the first rows by account: the account, then the fields in turn."""
        return self._query.limit(rows)

    def following(self, rows: int) -> Select[Any]:
        """Return the select of the next rows, of accounts behind the value ``after``."""
        return self._query.where(self._key > self._after).limit(rows)


def _alias(mapping: BillingMapping, part: Table, names: Iterable[str], alias: str) -> FromClause:
    columns: list[ColumnClause[Any]] = [column(name) for name in dict.fromkeys(names)]
    return table(part.table, *columns, schema=mapping.db_schema).alias(alias)


def _counts(source: FromClause, part: Table) -> list[ColumnElement[bool]]:
    """Return the conditions under which a table's rows count."""
    return [
        source.c[name].in_([bindparam(None, code) for code in codes])
        for name, codes in part.where.items()
    ]


class MonthWriter:
    """Writes a bill month as a column of the mapping holds it."""

    def __init__(self, part: MonthColumn) -> None:
        self._type = part.type
        self._pattern = Pattern(part.format)

    def __call__(self, month: str) -> object:
        """Return ``"YYYY-MM"`` as text, number or the first of the month."""
        year, of_year = int(month[:4]), int(month[5:7])
        if self._type == "date":
            return date(year, of_year, 1)
        text = self._pattern.write(year, of_year)
        return int(text) if self._type == "integer" else text


class Fields:
    """Reads the columns of a row, by the keys of the mapping; says which key does not fit."""

    def __init__(self) -> None:
        self.columns: list[str] = []

    def add(self, key: str, name: str, read: Callable[[Any], T]) -> Callable[[Any], T]:
        """Select the column `name` and return the reader of its value from a row."""
        index = len(self.columns)
        self.columns.append(name)

        def value_of(row: Any) -> T:
            try:
                return read(row[index])
            except (ValueError, TypeError, OverflowError) as exc:
                raise BillingError(f"{key} (column {name}): {_reason(exc)}") from None

        return value_of


def _reason(error: Exception) -> str:
    """Return our own words for a value that does not fit; foreign ones may hold the value."""
    own = str(error)
    return own if own.startswith("not ") else "not as the mapping says"
