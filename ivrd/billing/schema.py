"""The live schema of a billing database, as far as the check of a mapping asks for it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sqlalchemy import ColumnClause, Engine, column, func, inspect, literal, select, table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import CHAR, NullType, String, TypeEngine

MANY = 1_000_000
"""Rows are counted up to here; more need no better number."""


class Schema:
    """Tables, columns and indexes; each is asked for once."""

    def __init__(self, engine: Engine, schema: str | None) -> None:
        self.engine = engine
        self._schema = schema
        self._inspector = inspect(engine)
        self._columns: dict[str, dict[str, TypeEngine[Any]]] = {}
        self._keys: dict[str, list[tuple[tuple[str, ...], bool]]] = {}

    @cached_property
    def views(self) -> frozenset[str]:
        """The names of all views."""
        found = set(self._inspector.get_view_names(self._schema))
        if self.engine.dialect.name == "postgresql":
            found |= set(self._inspector.get_materialized_view_names(self._schema))
        return frozenset(found)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all tables and views."""
        return (*self._inspector.get_table_names(self._schema), *sorted(self.views))

    def columns(self, name: str) -> dict[str, TypeEngine[Any]]:
        """Return the columns of a table with their types."""
        if name not in self._columns:
            try:
                found = self._inspector.get_columns(name, self._schema)
                types = {one["name"]: one["type"] for one in found}
            except DBAPIError:
                if name not in self.views or self.engine.dialect.name not in {"mysql", "mariadb"}:
                    raise
                types = self._columns_of_view(name)
            self._columns[name] = types
        return self._columns[name]

    def _columns_of_view(self, name: str) -> dict[str, TypeEngine[Any]]:
        """Return a view's columns where the account may read it, but not how it is made."""
        name_of, type_of, at, whose, where = (
            column(one, String)
            for one in (
                "COLUMN_NAME",
                "DATA_TYPE",
                "ORDINAL_POSITION",
                "TABLE_NAME",
                "TABLE_SCHEMA",
            )
        )
        dialect, schema = self.engine.dialect, self._schema or self.engine.url.database
        known: dict[str, type[TypeEngine[Any]]] = getattr(dialect, "ischema_names", {})
        query = (
            select(name_of, type_of)
            .select_from(table("COLUMNS", schema="information_schema"))
            .where(whose == name, where == schema)
            .order_by(at)
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        return {row[0]: known.get(row[1].lower(), NullType)() for row in rows}

    def indexed(self, name: str, wanted: str) -> bool:
        """Return whether an index begins with a column; what a view does is not known: True."""
        return name in self.views or any(key[0] == wanted for key, _ in self._indexes(name))

    def unique(self, name: str, columns: set[str]) -> bool:
        """Return whether at most one row has the same values in `columns`; True for a view."""
        return name in self.views or any(
            once and set(key) <= columns for key, once in self._indexes(name)
        )

    def _indexes(self, name: str) -> list[tuple[tuple[str, ...], bool]]:
        """Return the columns of each index, and whether it is of unique values."""
        if name not in self._keys:
            see, schema = self._inspector, self._schema
            primary = tuple(see.get_pk_constraint(name, schema)["constrained_columns"])
            found = [(primary, True)] if primary else []
            found += [
                (tuple(filter(None, index["column_names"])), bool(index["unique"]))
                for index in see.get_indexes(name, schema)
            ]
            found += [
                (tuple(key["column_names"]), True)
                for key in see.get_unique_constraints(name, schema)
            ]
            self._keys[name] = [(key, once) for key, once in found if key]
        return self._keys[name]

    def padded(self, name: str, wanted: str) -> int | None:
        """Return the length of a column whose values are filled with blanks; None where none is.

        Only where the database does not look past them: MySQL and MariaDB take them off.
        """
        if self.engine.dialect.name in {"mysql", "mariadb"} or name in self.views:
            return None
        held: ColumnClause[Any] = column(wanted)
        whole = select(held).select_from(table(name, held, schema=self._schema))
        kind = self.columns(name)[wanted]
        if self.engine.dialect.name != "sqlite":
            return kind.length if isinstance(kind, CHAR) and (kind.length or 1) > 1 else None
        # SQLite fills nothing itself: what an export filled is
        with self.engine.connect() as connection:
            value = connection.execute(whole.where(held.is_not(None)).limit(1)).scalar()
        return len(value) if isinstance(value, str) and value != value.rstrip() else None

    def cost(self, name: str) -> str:
        """Return how much is read where no index serves, in words."""
        rows = select(literal(1).label("one")).select_from(table(name, schema=self._schema))
        query = select(func.count()).select_from(rows.limit(MANY + 1).subquery())
        try:
            with self.engine.connect() as connection:
                count = connection.execute(query).scalar_one()
        except DBAPIError:
            return "rows that could not be counted in time"
        return f"more than {MANY} rows" if count > MANY else f"{count} rows"
