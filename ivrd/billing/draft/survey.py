"""What a schema holds: tables, columns, keys, comments, and a few rows of each.

Nothing is counted and nothing is read whole: rows are taken from either end of a table, by its
primary key where it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property, partial
from typing import Any, Literal, TypeAlias

from sqlalchemy import Engine, Select, column, inspect, select, table
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import (
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    NullType,
    Numeric,
    String,
    Time,
    TypeEngine,
)

from ivrd.billing.draft.families import Family, families

Kind: TypeAlias = Literal["integer", "decimal", "text", "date", "datetime", "time", "bool", "other"]
"""`other`: what is none of these, and is not read."""

HALF = 150
"""Rows from each end of a table."""

_FEW = 50
"""Rows among which anything may be there once by chance."""

_MONTHS_TRIED = 3
_MOST_CODES = 5000
_MOST_FOUND = 1000

MOST_TABLES = 200
"""Tables of which rows are read; the others are left out by their names."""


@dataclass
class Col:
    """A column: what the schema says of it, and some of what it holds."""

    table: str
    name: str
    kind: Kind
    scale: int | None = None
    comment: str = ""
    values: tuple[Any, ...] = ()
    """Of the sampled rows, in their order; None where there is nothing."""

    @cached_property
    def held(self) -> tuple[Any, ...]:
        """What is there, without NULL and blanks."""
        return tuple(v for v in self.values if v is not None and str(v).strip() != "")

    @cached_property
    def distinct(self) -> frozenset[str]:
        """The different values, as text."""
        return frozenset(str(value).strip() for value in self.held)

    @property
    def numeric(self) -> bool:
        """Whether the database takes it for a number."""
        return self.kind in {"integer", "decimal"}


@dataclass
class Tab:
    """A table or view; `name` may stand for one each month, of which `real` is the newest."""

    name: str
    real: str
    view: bool = False
    reals: tuple[str, ...] = ()
    """Those of all months, the newest first."""
    comment: str = ""
    columns: dict[str, Col] = field(default_factory=dict)
    keys: list[tuple[tuple[str, ...], bool]] = field(default_factory=list)
    """Columns of each index, and whether it is of unique values."""
    refers: list[tuple[str, str, str]] = field(default_factory=list)
    """Foreign keys of one column: the column, and table and column it refers to."""
    whole: bool = False
    """Whether the sample has all rows."""
    origins: tuple[str, ...] = ()
    """Of each sampled row, the table it is of, where there is one each month."""

    @property
    def monthly(self) -> bool:
        """Whether there is one each month."""
        return bool(self.reals)

    @property
    def rows(self) -> int:
        """How many rows were sampled."""
        return max((len(one.values) for one in self.columns.values()), default=0)

    def indexed(self, name: str) -> bool:
        """Return whether an index begins with a column."""
        return any(key[0] == name for key, _ in self.keys)

    def unique(self, *names: str) -> bool:
        """Return whether an index makes sure that values are there once."""
        return any(once and set(key) <= set(names) for key, once in self.keys)

    def sampled(self, *names: str) -> list[tuple[Any, ...]]:
        """Return some columns of the sampled rows; with the month's table where there are many."""
        columns = [self.columns[name].values for name in names]
        return list(zip(*([self.origins] if self.origins else []), *columns, strict=True))

    def once(self, *names: str) -> bool:
        """Return whether values are there once, by an index or as far as the sample tells."""
        if self.unique(*names):
            return True
        parts = any(once and set(names) < set(key) for key, once in self.keys)
        if parts and self.rows < _FEW:
            return False  # it takes more to tell rows apart, or there would be no such key
        rows = self.sampled(*names)
        full = [row for row in rows if None not in row]
        return bool(full) and len(set(full)) == len(full)


class Survey:
    """The tables of a database; rows are read when they are asked for."""

    def __init__(self, engine: Engine, schema: str | None = None) -> None:
        self.engine, self.schema = engine, schema
        self.silent: list[str] = []
        """Tables whose rows could not be read in time, or not at all."""
        see = inspect(engine)
        self._see = see
        if schema is None:
            schema = self.schema = self._elsewhere()
        names = list(see.get_table_names(schema))
        views = set(see.get_view_names(schema))
        if engine.dialect.name == "postgresql":
            views |= set(see.get_materialized_view_names(schema))
        self.count = len(names) + len(views)
        whole = families([*names, *sorted(views)], self._alike)
        self.tables = {one.name: self._table(one, one.newest in views) for one in whole}
        self._describe()

    def _elsewhere(self) -> str | None:
        """Return the schema with the most tables where the account's own has none, else None."""
        see = self._see
        if self.engine.dialect.name not in {"postgresql", "mssql"} or see.get_table_names():
            return None
        others = [
            name
            for name in self._asked(see.get_schema_names, [])
            if not name.startswith("pg_") and name != "information_schema"
        ]
        counts = {name: len(self._asked(partial(see.get_table_names, name), [])) for name in others}
        best = max(counts, key=lambda name: counts[name], default=None)
        return best if best is not None and counts[best] else None

    @staticmethod
    def _table(family: Family, view: bool) -> Tab:
        return Tab(family.name, family.newest, view, family.tables[::-1])

    def _alike(self, one: str, other: str) -> bool:
        """Return whether two tables have mostly the same columns."""
        first, second = (
            {
                column["name"]
                for column in self._asked(partial(self._see.get_columns, name, self.schema), [])
            }
            for name in (one, other)
        )
        return len(first & second) * 4 >= len(first | second) * 3

    def _describe(self) -> None:
        """Get the columns of every table, a family's of its newest."""
        see, schema, reals = self._see, self.schema, [tab.real for tab in self.tables.values()]
        several: Any = self._asked(
            lambda: see.get_multi_columns(schema, filter_names=reals, kind=ObjectKind.ANY), {}
        )
        described = {name: columns for (_, name), columns in several.items()}
        for tab in self.tables.values():
            found = described.get(tab.real) or self._asked(
                partial(see.get_columns, tab.real, schema), []
            )
            for one in found:
                kind, scale = _kind_of(one["type"])
                comment = str(one.get("comment") or "")
                tab.columns[one["name"]] = Col(tab.name, one["name"], kind, scale, comment)

    def look_into(self, tabs: Iterable[Tab]) -> None:
        """Get keys, comments and rows of some tables, and keep those alone."""
        self.tables = {tab.name: tab for tab in tabs}
        for tab in self.tables.values():
            self._keys_of(tab)
            self._rows_of(tab)

    def _keys_of(self, tab: Tab) -> None:
        see, real, schema = self._see, tab.real, self.schema
        primary = self._asked(lambda: see.get_pk_constraint(real, schema), {})
        if primary and primary["constrained_columns"]:
            tab.keys.append((tuple(primary["constrained_columns"]), True))
        for index in self._asked(lambda: see.get_indexes(real, schema), []):
            names = tuple(name for name in index["column_names"] if name)
            if names:
                tab.keys.append((names, bool(index["unique"])))
        for unique in self._asked(lambda: see.get_unique_constraints(real, schema), []):
            if unique["column_names"]:
                tab.keys.append((tuple(unique["column_names"]), True))
        real_names = {one.real: one.name for one in self.tables.values()}
        for key in self._asked(lambda: see.get_foreign_keys(real, schema), []):
            own, far = key["constrained_columns"], key["referred_columns"]
            if len(own) == 1 and key["referred_table"] in real_names:
                tab.refers.append((own[0], real_names[key["referred_table"]], far[0]))
        if not tab.view:
            about = self._asked(lambda: see.get_table_comment(real, schema), {})
            tab.comment = (about.get("text") if about else None) or ""

    def _asked(self, ask: Callable[[], Any], otherwise: Any) -> Any:
        """Ask the server of a table; what a database cannot say, or not in time, is not known."""
        try:
            return ask()
        except (SQLAlchemyError, NotImplementedError):
            return otherwise

    def _rows_of(self, tab: Tab) -> None:
        names = [name for name, one in tab.columns.items() if one.kind != "other"]
        if not names:
            return
        rows = self._of_months(tab, names) if tab.monthly else self._of_ends(tab, names)
        if rows is None:
            self.silent.append(tab.real)
            return
        for index, name in enumerate(names):
            one = tab.columns[name]
            one.values = tuple(_plain(row[index]) for row in rows)
            if one.held and one.kind == "text" and not isinstance(one.held[0], str):
                one.kind = "decimal" if isinstance(one.held[0], float | Decimal) else one.kind

    def _of_ends(self, tab: Tab, names: Sequence[str]) -> list[tuple[Any, ...]] | None:
        """Return rows from either end of a table."""
        source = table(tab.real, *(column(name) for name in names), schema=self.schema)
        query = select(*(source.c[name] for name in names))
        first = self.rows(query.limit(HALF))
        if first is None:
            return None
        tab.whole = len(first) < HALF
        primary = tab.keys[0][0] if tab.keys and tab.keys[0][1] else ()
        if tab.whole or not primary:
            return [tuple(row) for row in first]
        newest = query.order_by(*(source.c[name].desc() for name in primary)).limit(HALF)
        return list(dict.fromkeys([*map(tuple, first), *map(tuple, self.rows(newest) or ())]))

    def _of_months(self, tab: Tab, names: Sequence[str]) -> list[tuple[Any, ...]] | None:
        """Return rows of the newest months; that of now may have no more than a few."""
        found: list[tuple[Any, ...]] = []
        origins: list[str] = []
        most = -1
        for real in tab.reals[:_MONTHS_TRIED]:
            source = table(real, *(column(name) for name in names), schema=self.schema)
            rows = self.rows(select(*(source.c[name] for name in names)).limit(HALF))
            if rows is None:
                continue
            if len(rows) > most:
                most, tab.real = len(rows), real
            found += [tuple(row) for row in rows]
            origins += [real] * len(rows)
        tab.origins = tuple(origins)
        return None if most < 0 else found

    def rows(self, query: Select[Any]) -> Sequence[Any] | None:
        """Return the rows of a select that has a limit, None where the server did not give them."""
        try:
            with self.engine.connect() as connection:
                return connection.execute(query).fetchall()
        except (SQLAlchemyError, ValueError, TypeError):
            return None  # not in time, not allowed, or not what its type says

    def distinct(self, tab: Tab, name: str) -> list[str]:
        """Return the values of a column among the first few thousand rows."""
        source = table(tab.real, column(name), schema=self.schema)
        some = select(source.c[name]).limit(_MOST_CODES).subquery()
        found = self.rows(select(some.c[name]).distinct().limit(200)) or ()
        values = {str(row[0]).strip() for row in found if row[0] is not None}
        return sorted(values | tab.columns[name].distinct)

    def among(self, tab: Tab, name: str, values: Collection[object]) -> set[str] | None:
        """Return which values a column has, None where only a reading of the whole would tell."""
        own = tab.columns[name]
        there = {str(value).strip() for value in values} & own.distinct
        if tab.whole or len(there) == len(set(map(str, values))):
            return there
        if not tab.indexed(name) and not tab.view:
            return None
        source = table(tab.real, column(name), schema=self.schema)
        asked = list(values)[:60]
        query = select(source.c[name]).where(source.c[name].in_(asked)).limit(1000)
        rows = self.rows(query)
        return None if rows is None else {str(row[0]).strip() for row in rows}

    def rows_where(
        self,
        tab: Tab,
        names: Sequence[str],
        key: str,
        values: Collection[object],
        real: str | None = None,
    ) -> list[tuple[Any, ...]]:
        """Return some columns of the rows that have certain values in an indexed column."""
        source = table(
            real or tab.real,
            *(column(name) for name in dict.fromkeys([*names, key])),
            schema=self.schema,
        )
        query = select(*(source.c[name] for name in names))
        query = query.where(source.c[key].in_(list(values))).limit(_MOST_FOUND)
        return [tuple(_plain(value) for value in row) for row in self.rows(query) or ()]


def _plain(value: Any) -> Any:
    """Return a value as it can be compared: what is binary or made of parts says nothing."""
    if isinstance(value, str | int | float | Decimal | date | datetime | time | None):
        return value
    return None


_KINDS: tuple[tuple[type[TypeEngine[Any]], Kind], ...] = (
    (Boolean, "bool"),
    (Integer, "integer"),
    (Numeric, "decimal"),
    (Float, "decimal"),
    (String, "text"),
    (DateTime, "datetime"),
    (Date, "date"),
    (Time, "time"),
    (NullType, "text"),  # as SQLite has it for what a view computes
)


def _kind_of(type_: TypeEngine[Any]) -> tuple[Kind, int | None]:
    kind: Kind = next((kind for known, kind in _KINDS if isinstance(type_, known)), "other")
    scale = getattr(type_, "scale", None)
    if kind == "decimal" and scale == 0:
        return "integer", 0
    return kind, scale
