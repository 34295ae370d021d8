"""Statements, built once from the mapping: names quoted, values bound, rows limited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    Select,
    String,
    Unicode,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
    table,
)
from sqlalchemy.types import TypeEngine

from ivrd.billing.columns import Column, Condition, MonthColumn, Term
from ivrd.billing.database import NoTable, Run
from ivrd.billing.month_tables import is_monthly, of_month
from ivrd.billing.tables import ArrearsTable, BillingMapping, MonthTable, Table
from ivrd.billing.values import Pattern
from ivrd.errors import BillingError

T = TypeVar("T")

_TYPES: Mapping[str, type[TypeEngine[Any]]] = {"text": String, "integer": Integer, "date": Date}

_TEXT = Unicode(255)


class Source:
    """One table of the mapping and those joined to it, to select from.

    `month` says which table it is where there is one each month.
    """

    def __init__(
        self,
        mapping: BillingMapping,
        part: Table,
        alias: str | None = None,
        month: str | None = None,
    ) -> None:
        self._mapping, self._part = mapping, part
        names: dict[str | None, list[str]] = {None: [], **{name: [] for name in part.join}}
        for _, term in part.terms():
            if term.column is not None:
                names[term.from_].append(term.column)
        alias = alias or ("base" if part.join else None)
        self._tables: dict[str | None, FromClause] = {}
        for name, listed in names.items():
            whole = part.join[name].table if name else part.table
            made: FromClause = table(
                of_month(whole, month) if month else whole,
                *(column(one) for one in dict.fromkeys(listed)),
                schema=mapping.db_schema,
            )
            if alias:
                made = made.alias(f"{alias}_{name}" if name else alias)
            self._tables[name] = made

    def value(self, said: Term) -> ColumnElement[Any]:
        """Return a column, qualified with its table (SQLite takes a lone unknown name for text),
        a bound constant, or an expression made of them.
        """  # noqa: D205 - one sentence
        if said.column is not None:
            return self._tables[said.from_].c[said.column]
        if said.value is not None:
            return literal(said.value)
        if not isinstance(said, Column):
            raise TypeError("a term is a column or a value")
        if said.add:
            sum_: ColumnElement[Any] = func.coalesce(self.value(said.add[0]), 0)
            for term in said.add[1:]:
                sum_ += func.coalesce(self.value(term), 0)
            for term in said.subtract or ():
                sum_ -= func.coalesce(self.value(term), 0)
            return sum_
        if said.concat:
            first, *others = (cast(self.value(term), _TEXT) for term in said.concat)
            joined: ColumnElement[Any] = first
            for other in others:
                joined = joined.concat(other)
            return joined
        return func.coalesce(*(self.value(term) for term in said.first or ()))

    def where(self) -> list[ColumnElement[bool]]:
        """Return the conditions under which the table's rows count."""
        base = self._tables[None].c
        return [_holds(base[name], when) for name, when in self._part.where.items()]

    def joined(
        self, left: FromClause | None = None, on: ColumnElement[bool] | None = None
    ) -> FromClause:
        """Return what to select from: the table, joined to `left` if given, and its own joins."""
        whole = self._tables[None] if left is None else left.join(self._tables[None], on)
        for name, join in self._part.join.items():
            other = self._tables[name]
            same = [other.c[own] == self.value(term) for own, term in join.on.items()]
            counts = [_holds(other.c[own], when) for own, when in join.where.items()]
            whole = whole.join(other, and_(*same, *counts), isouter=join.optional)
        return whole

    def is_account(self, account: Column) -> ColumnElement[bool]:
        """Compare a column with the value ``account``."""
        return self.value(account) == key_value("account", self._mapping.account.id.type)

    def is_month(self, part: MonthColumn | None) -> list[ColumnElement[bool]]:
        """Compare a column, if there is one, with the values that `MonthWriter` writes."""
        if part is None:
            return []
        held, kind = self.value(part), _TYPES[part.type]()
        if part.type == "date":
            return [
                held >= bindparam("month", type_=kind, required=False),
                held < bindparam("month_after", type_=kind, required=False),
            ]
        return [held == bindparam("month", type_=kind, required=False)]

    def select(
        self, columns: Iterable[Column], *conditions: ColumnElement[bool], limit: int | None
    ) -> Select[Any]:
        """Return a select of `columns` in order, where all conditions and the mapping's hold."""
        query = select(*(self.value(said).label(f"c{n}") for n, said in enumerate(columns)))
        query = query.select_from(self.joined()).where(*conditions, *self.where())
        return query if limit is None else query.limit(limit)


def _holds(held: ColumnElement[Any], when: Condition) -> ColumnElement[bool]:
    if when.null is not None:
        return held.is_(None) if when.null else held.is_not(None)
    values = when.one_of or when.not_ or ()
    bound: list[BindParameter[Any]] = [bindparam(None, value) for value in values]
    return held.in_(bound) if when.one_of else held.not_in(bound)


def key_value(name: str, kind: str) -> BindParameter[Any]:
    """Return the place of a bound value for a column of type `kind`."""
    # required, a bind would stop what renders numbers of rows into the statement
    return bindparam(name, type_=_TYPES[kind](), required=False)


def as_key(value: str, kind: str) -> object | None:
    """Return `value` as the column's type takes it; None where no row can have it."""
    if kind == "text":
        return value
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


_MONTHS_KEPT = 120


class MonthQuery:
    """A statement on rows of one month, which may have a table of its own."""

    def __init__(
        self,
        mapping: BillingMapping,
        part: Table,
        month: MonthColumn | None,
        build: Callable[[Source], Select[Any]],
        alias: str | None = None,
    ) -> None:
        self._mapping, self._part, self._build, self._alias = mapping, part, build, alias
        self._values = MonthWriter(month) if month else None
        self.monthly = part.monthly
        self._made: dict[str, Select[Any]] = {}
        if not self.monthly:
            self._made[""] = build(Source(mapping, part, alias))

    def of(self, month: str) -> Select[Any]:
        """Return the statement for a month."""
        name = month if self.monthly else ""
        query = self._made.get(name)
        if query is None:
            if len(self._made) >= _MONTHS_KEPT:
                self._made.clear()
            source = Source(self._mapping, self._part, self._alias, month)
            query = self._made[name] = self._build(source)
        return query

    def rows(self, run: Run, month: str, **values: object) -> Sequence[Any] | None:
        """Return the rows of a month, None where the month has no table yet, or no more."""
        of_month_ = self._values(month) if self._values else {}
        try:
            return run(self.of(month), {**values, **of_month_})
        except NoTable:
            if self.monthly and self._missing(run, month):
                return None
            raise

    def _missing(self, run: Run, month: str) -> bool:
        """Return whether it is the month's table that is not there, and not another."""
        part = self._part
        names = [part.table, *(join.table for join in part.join.values())]
        for name in filter(is_monthly, names):
            one = table(of_month(name, month), schema=self._mapping.db_schema)
            try:
                run(select(literal(1).label("c0")).select_from(one).limit(1), {})
            except NoTable:
                return True
        return False


def month_query(
    mapping: BillingMapping,
    part: MonthTable,
    columns: Sequence[Column],
    limit: int | None,
) -> MonthQuery:
    """Return the statement for the rows of the values ``account`` and month."""

    def build(source: Source) -> Select[Any]:
        same = (source.is_account(part.account), *source.is_month(part.month))
        return source.select(columns, *same, limit=limit)

    return MonthQuery(mapping, part, part.month, build)


class OwedSource:
    """What is owed, and who owes it: two tables of the mapping, joined by the account.

    `fields` are of the table of what is owed, `account_fields` of the account's.
    """

    def __init__(
        self, mapping: BillingMapping, owed: ArrearsTable, fields: Sequence[Column],
        account_fields: Sequence[Column],
    ) -> None:  # fmt: skip
        self._mapping, self._owed = mapping, owed
        self._fields, self._account_fields = fields, account_fields

    def of_account(self, limit: int) -> MonthQuery:
        """Return the select of the rows of the value ``account``."""
        kind = self._mapping.account.id.type
        if not self._account_fields:

            def alone(owed: Source) -> Select[Any]:
                columns = [self._owed.account, *self._fields]
                return owed.select(columns, owed.is_account(self._owed.account), limit=limit)

            return MonthQuery(self._mapping, self._owed, None, alone)
        return self._query(lambda query, key: query.where(key == key_value("account", kind)), limit)

    def first(self, rows: int) -> MonthQuery:
        """Return the select of the first rows by account: the account, then the fields in turn."""
        return self._query(lambda query, key: query.order_by(key), rows)

    def following(self, rows: int) -> MonthQuery:
        """Return the select of the next rows, of accounts behind the value ``after``."""
        kind = self._mapping.account.id.type
        return self._query(
            lambda query, key: query.where(key > key_value("after", kind)).order_by(key), rows
        )

    def _query(
        self, narrow: Callable[[Select[Any], ColumnElement[Any]], Select[Any]], limit: int
    ) -> MonthQuery:
        accounts = self._mapping.account

        def build(left: Source) -> Select[Any]:
            right = Source(self._mapping, accounts, "who")
            # the account table's own key: two rows of one account are then never told apart
            key = right.value(accounts.id)
            wanted = [
                key,
                *(left.value(said) for said in self._fields),
                *(right.value(said) for said in self._account_fields),
            ]
            query = (
                select(*(part.label(f"c{n}") for n, part in enumerate(wanted)))
                .select_from(right.joined(left.joined(), left.value(self._owed.account) == key))
                .where(*left.where(), *right.where())
            )
            return narrow(query, key).limit(limit)

        return MonthQuery(self._mapping, self._owed, None, build, "owed")


class MonthWriter:
    """Writes a bill month as a column of the mapping holds it."""

    def __init__(self, part: MonthColumn) -> None:
        self._type = part.type
        self._pattern = Pattern(part.format)

    def __call__(self, month: str) -> dict[str, object]:
        """Return the values for ``"YYYY-MM"``: text, number, or its first day and the next's."""
        year, of_year = int(month[:4]), int(month[5:7])
        if self._type == "date":
            after = date(year + of_year // 12, of_year % 12 + 1, 1)
            return {"month": date(year, of_year, 1), "month_after": after}
        text = self._pattern.write(year, of_year)
        return {"month": int(text) if self._type == "integer" else text}


class Fields:
    """Reads the columns of a row, by the keys of the mapping; says which key does not fit."""

    def __init__(self) -> None:
        self.columns: list[Column] = []

    def add(self, key: str, said: Column, read: Callable[[Any], T]) -> Callable[[Any], T]:
        """Select what the mapping says and return the reader of its value from a row."""
        index = len(self.columns)
        self.columns.append(said)

        def value_of(row: Any) -> T:
            try:
                return read(row[index])
            except (ValueError, TypeError, OverflowError) as exc:
                raise BillingError(f"{key} ({said.named}): {_reason(exc)}") from None

        return value_of


def _reason(error: Exception) -> str:
    """Return our own words for a value that does not fit; foreign ones may hold the value."""
    own = str(error)
    return own if own.startswith("not ") else "not as the mapping says"
