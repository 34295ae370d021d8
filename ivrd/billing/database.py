"""One lookup at a time against the billing database; the edge where its errors become ours."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Dialect, Engine, PoolProxiedConnection, Select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.sql.compiler import SQLCompiler

from ivrd.billing.breaker import Breaker
from ivrd.billing.engine import DEADLINE
from ivrd.errors import BillingDown, BillingError, BillingSlow

Run: TypeAlias = Callable[[Select[Any], Mapping[str, object]], Sequence[Any]]
"""Execute one prepared statement with its values and return all its rows."""

T = TypeVar("T")

_CUT_SHORT = {"57014", "3024", "1969", "2013", "55P03"}
"""PostgreSQL query_canceled and lock_not_available; MySQL and MariaDB time-outs, and a reply that
did not come within the driver's own."""


class _Statement:
    """A select compiled once, to be run on the driver's own cursor.

    SQLAlchemy spends five times on every execution what SQLite itself needs; a caller waits.
    """

    def __init__(self, query: Select[Any], dialect: Dialect) -> None:
        compiled = query.compile(dialect=dialect)
        if not isinstance(compiled, SQLCompiler):
            raise TypeError("not a statement")
        self.sql = str(compiled)
        self._values: dict[str, Any] = dict(compiled.params)
        self._order = compiled.positiontup if compiled.positional else None
        made = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect)
            for name, bind in compiled.binds.items()
        }
        self._make = {name: make for name, make in made.items() if make is not None}

    def parameters(self, values: Mapping[str, object]) -> Any:
        """Return what the driver takes beside the statement's text."""
        bound = {**self._values, **values}
        for name, make in self._make.items():
            bound[name] = make(bound[name])
        return bound if self._order is None else [bound[name] for name in self._order]


class Database:
    """Runs lookups under the breaker. May be used from any thread."""

    def __init__(self, engine: Engine, breaker: Breaker | None = None) -> None:
        self.engine = engine
        self.breaker = breaker or Breaker(time.monotonic)
        self._statements: dict[Select[Any], _Statement] = {}
        dbapi = engine.dialect.loaded_dbapi
        self._driver_error: type[Exception] = dbapi.Error

    def ask(self, lookup: Callable[[Run], T]) -> T:
        """Return what `lookup` makes of the database, on one connection.

        Raises `BillingSlow` where a statement took too long, `BillingDown` where the database
        cannot be reached, is locked or lacks what is asked for, or where the breaker is open.
        """
        self.breaker.enter()
        try:
            result = self._look_up(self.engine.raw_connection(), lookup)
        except (SQLAlchemyError, OSError, self._driver_error) as exc:
            self.breaker.failed()
            # the driver's own text may hold what was asked for: it is not passed on
            raise translated(exc) from None
        except BillingError:
            self.breaker.worked()
            raise
        self.breaker.worked()
        return result

    def _look_up(self, connection: PoolProxiedConnection, lookup: Callable[[Run], T]) -> T:
        """Carry a lookup out on one connection of the pool, and give it back."""
        deadline = connection.info.get(DEADLINE)
        cursor = connection.cursor()

        def run(query: Select[Any], values: Mapping[str, object]) -> Sequence[Any]:
            statement = self._statements.get(query)
            if statement is None:
                statement = self._statements[query] = _Statement(query, self.engine.dialect)
            if deadline is not None:
                deadline.begin()
            cursor.execute(statement.sql, statement.parameters(values))
            return cursor.fetchall()

        try:
            return lookup(run)
        except self._driver_error as exc:
            raw = connection.dbapi_connection
            if self.engine.dialect.is_disconnect(exc, raw, cursor):  # type: ignore[arg-type]  # a DBAPI error, by the driver's own class
                connection.invalidate()
            raise
        finally:
            with contextlib.suppress(self._driver_error):
                cursor.close()
            connection.close()


def translated(error: Exception) -> BillingError:
    """Return our error for one of SQLAlchemy's or of a driver's, without private data."""
    if isinstance(error, NoConnectionFree):
        return BillingSlow("all connections to the billing database are busy")
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause)
    code = _code_of(cause)
    if code in _CUT_SHORT:
        return BillingSlow(f"the billing database was not done in time ({code})")
    return BillingDown(f"the billing database failed: {type(cause).__name__} {code}".rstrip())


def _of_sqlite(cause: sqlite3.Error) -> BillingError:
    """SQLite's messages name tables and columns, never values."""
    if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
        return BillingSlow("the billing database was not done in time")
    return BillingDown(f"the billing database failed: {cause}")


def _code_of(cause: object) -> str:
    """Return SQLSTATE (PostgreSQL) or the error number (MySQL), "" where there is neither."""
    for name in ("sqlstate", "pgcode"):
        if getattr(cause, name, None):
            return str(getattr(cause, name))
    args = getattr(cause, "args", ())
    return str(args[0]) if args and isinstance(args[0], int) else ""
