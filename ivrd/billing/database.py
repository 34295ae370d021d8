"""One lookup at a time against the billing database; the edge where its errors become ours."""

from __future__ import annotations

import contextlib
import re
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

_SQLSTATE = re.compile(r"[0-9A-Z]{5}").fullmatch

_MOST_STATEMENTS = 500
"""Compiled statements that are kept; without tables per month there are some twenty."""

_CUT_SHORT = {"57014", "3024", "1969", "2013", "55P03", "1205"}
"""PostgreSQL query_canceled and lock_not_available; MySQL and MariaDB time-outs, of a lock, too,
and a reply that did not come within the driver's own."""

_NO_TABLE = {"42P01", "1146", "42S02", "208", "942"}
"""Of PostgreSQL, MySQL and MariaDB, SQL Server by two drivers, Oracle."""

_REASONS: Mapping[str, str] = {
    "28P01": "the password was refused",
    "28000": "the account was refused",
    "1045": "account or password was refused",
    "42501": "the account may not read there",
    "1142": "the account may not read there",
    "1044": "the account may not use this database",
    "3D000": "there is no such database",
    "1049": "there is no such database",
    "42P01": "there is no such table",
    "1146": "there is no such table",
    "42703": "there is no such column",
    "1054": "there is no such column",
    "57P01": "the server is going down",
    "57P03": "the server is starting or going down",
    "53300": "the server has too many connections",
    "1040": "the server has too many connections",
    "2003": "no server answers",
    "2006": "the connection was lost",
}
"""What a code says, in words for the log and for `ivrd status`."""

_SINCE = "ivrd.since"
"""Under this name a connection's `info` holds when it was first used, in monotonic seconds."""

_AT_ONCE_S = 0.5
"""Within this a lost connection is met where it was lost before: the next may serve."""


class NoTable(BillingDown):
    """A table that a statement names is not there."""


class _Lost(Exception):  # noqa: N818 - never leaves this module
    """The connection was lost before the lookup, perhaps long ago."""


class Statement:
    """A select compiled once, to be run on the driver's own cursor.

    SQLAlchemy spends five times on every execution what SQLite itself needs; a caller waits.
    """

    def __init__(self, query: Select[Any], dialect: Dialect) -> None:
        # Oracle and SQL Server take no bound values for how many rows
        compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
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
        self._lost_at_s = float("-inf")
        self._statements: dict[Select[Any], Statement] = {}
        dbapi = engine.dialect.loaded_dbapi
        self._driver_error: type[Exception] = dbapi.Error

    def ask(self, lookup: Callable[[Run], T]) -> T:
        """Return what `lookup` makes of the database, on one connection.

        Raises `BillingSlow` where a statement took too long, `BillingDown` where the database
        cannot be reached, is locked or lacks what is asked for, or where the breaker is open.
        """
        self.breaker.enter()
        try:
            try:
                result = self._look_up(self._connection(), lookup)
            except _Lost:
                # the server was started anew: no connection of before serves any more
                self._lost_at_s = time.monotonic()
                result = self._look_up(self._connection(), lookup, again=True)
        except (SQLAlchemyError, OSError, self._driver_error) as exc:
            self.breaker.failed()
            # the driver's own text may hold what was asked for: it is not passed on
            raise translated(exc) from None
        except NoTable:
            self.breaker.failed()
            raise
        except BillingError:
            self.breaker.worked()
            raise
        self.breaker.worked()
        return result

    def _connection(self) -> PoolProxiedConnection:
        """Return a connection of the pool that was made after one was last found lost."""
        while True:
            connection = self.engine.raw_connection()
            if connection.info.setdefault(_SINCE, time.monotonic()) >= self._lost_at_s:
                return connection
            connection.invalidate()

    def _look_up(
        self, connection: PoolProxiedConnection, lookup: Callable[[Run], T], *, again: bool = False
    ) -> T:
        """Carry a lookup out on one connection of the pool, and give it back."""
        deadline = connection.info.get(DEADLINE)
        began_s = time.monotonic()
        cursor = connection.cursor()

        def run(query: Select[Any], values: Mapping[str, object]) -> Sequence[Any]:
            statement = self._statements.get(query)
            if statement is None:
                if len(self._statements) >= _MOST_STATEMENTS:
                    self._statements.clear()  # each month's table has its own
                statement = self._statements[query] = Statement(query, self.engine.dialect)
            if deadline is not None:
                deadline.begin()
            try:
                cursor.execute(statement.sql, statement.parameters(values))
            except self._driver_error as exc:
                if _no_table(exc):
                    raise NoTable(str(translated(exc))) from None
                raise
            return cursor.fetchall()

        try:
            return lookup(run)
        except self._driver_error as exc:
            raw = connection.dbapi_connection
            if self.engine.dialect.is_disconnect(exc, raw, cursor):  # type: ignore[arg-type]  # a DBAPI error, by the driver's own class
                connection.invalidate()
                if not again and time.monotonic() - began_s < _AT_ONCE_S:
                    raise _Lost from None
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
    reason = _REASONS.get(code) or _reason_of_connecting(cause)
    if reason:
        return BillingDown(f"the billing database failed: {reason} ({code or 'on connecting'})")
    return BillingDown(f"the billing database failed: {type(cause).__name__} {code}".rstrip())


def _reason_of_connecting(cause: object) -> str | None:
    """Return why there is no connection; PostgreSQL's drivers say it in their text alone."""
    said = str(cause)
    if "authentication failed" in said:
        return "account or password was refused"
    if "Connection refused" in said or "timeout expired" in said:
        return "no server answers"
    return None


def _no_table(cause: Exception) -> bool:
    """Return whether a driver's error says that a table is not there."""
    if isinstance(cause, sqlite3.Error):
        return str(cause).startswith("no such table")
    return _code_of(cause) in _NO_TABLE


def _of_sqlite(cause: sqlite3.Error) -> BillingError:
    """SQLite's messages name tables and columns, never values."""
    if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
        return BillingSlow("the billing database was not done in time")
    return BillingDown(f"the billing database failed: {cause}")


def _code_of(cause: object) -> str:
    """Return the error number, or SQLSTATE where there is none; "" where there is neither."""
    first = next(iter(getattr(cause, "args", ())), None)
    number = getattr(first, "code", first)  # python-oracledb puts its own object there
    if isinstance(number, int) or (isinstance(number, str) and _SQLSTATE(number)):
        return str(number)
    for name in ("sqlstate", "pgcode"):
        if getattr(cause, name, None):
            return str(getattr(cause, name))
    return ""
