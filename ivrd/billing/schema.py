"""The live schema of a billing database, as far as the check of a mapping asks for it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sqlalchemy import Engine, func, inspect, literal, select, table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

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
            found = self._inspector.get_columns(name, self._schema)
            self._columns[name] = {column["name"]: column["type"] for column in found}
        return self._columns[name]

    def indexed(self, name: str, column: str) -> bool:
        """Return whether an index begins with a column; what a view does is not known: True."""
        return name in self.views or any(key[0] == column for key, _ in self._indexes(name))

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
