"""One lookup at a time against the billing database; the edge where its errors become ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Dialect, Engine, Select, literal, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.compiler import SQLCompiler

from ivrd.billing.breaker import Breaker
from ivrd.billing.driver_errors import is_no_table, translated
from ivrd.billing.kept import Held, kept_of
from ivrd.billing.outages import CONNECTION, Outages
from ivrd.billing.pool import given_up
from ivrd.errors import BillingDown, BillingError, BillingSlow

Run: TypeAlias = Callable[[Select[Any], Mapping[str, object]], Sequence[Any]]
"""Execute one prepared statement with its values and return all its rows."""

T = TypeVar("T")

_MOST_STATEMENTS = 500
"""Compiled statements that are kept; without tables per month there are some twenty."""

_ANY: Select[Any] = select(literal(1))
"""What every database can answer."""

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
            for bind, name in compiled.bind_names.items()
        }
        self._make = {name: make for name, make in made.items() if make is not None}

    def parameters(self, values: Mapping[str, object]) -> Any:
        """Return what the driver takes beside the statement's text."""
        bound = {**self._values, **values}
        for name, make in self._make.items():
            bound[name] = make(bound[name])
        return bound if self._order is None else [bound[name] for name in self._order]


class _Asked:
    """What one lookup ran last, and what of it failed."""

    __slots__ = ("key", "query", "values")

    def __init__(self) -> None:
        self.key = CONNECTION
        self.query: Select[Any] = _ANY
        self.values: Mapping[str, object] = {}


class Database:
    """Runs lookups under the breaker. May be used from any thread.

    `now` gives the instants that outages are told with.
    """

    def __init__(
        self,
        engine: Engine,
        breaker: Breaker | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.engine = engine
        self.breaker = breaker or Breaker(time.monotonic)
        self.outages = Outages(self.breaker, now or (lambda: datetime.now(UTC)))
        self._failed: dict[str, _Asked] = {}
        """What is to be tried again, by the key under which `outages` has it."""
        self._trying = threading.Lock()
        self._lost_at_s = float("-inf")
        self._kept = kept_of(engine)
        self._statements: dict[Select[Any], Statement] = {}
        dbapi = engine.dialect.loaded_dbapi
        self._driver_error: type[Exception] = dbapi.Error

    def ask(self, lookup: Callable[[Run], T]) -> T:
        """Return what `lookup` makes of the database, on one connection.

        Raises `BillingSlow` where a statement took too long, `BillingDown` where the database
        cannot be reached, is locked or lacks what is asked for, or where the breaker is open.
        """
        try:
            self.breaker.enter()
        except BillingDown:
            self.outages.refused()
            raise
        return self._ask(lookup, _Asked())

    def probe(self) -> None:
        """See whether the database answers at all. Raises as `ask`; is no lookup that counts."""
        self.breaker.enter()
        self._ask(lambda run: run(_ANY, {}), _Asked(), lookups=0)

    def try_again(self) -> None:
        """Repeat what failed, where its time has come: an outage ends without callers, too."""
        if not self.outages.due or not self._trying.acquire(blocking=False):
            return
        try:
            if self.breaker.open:
                self.breaker.enter()
            for asked in list(self._failed.values()) or [_Asked()]:
                self._ask(partial(_again, asked), _Asked(), lookups=0, tried=True)
        except BillingError:
            pass  # it is noted, and told by `outages`
        finally:
            self.outages.put_off()
            self._trying.release()

    def _ask(
        self, lookup: Callable[[Run], T], asked: _Asked, *, lookups: int = 1, tried: bool = False
    ) -> T:
        """Carry a lookup out and take note of how it went, for so many of those who asked."""
        try:
            try:
                result = self._look_up(self._take(), lookup, asked)
            except _Lost:
                result = self._look_up(self._take(), lookup, asked, again=True)
        except (SQLAlchemyError, OSError, self._driver_error) as exc:
            # the driver's own text may hold what was asked for: it is not passed on
            error = translated(exc)
            if isinstance(error, BillingSlow | BillingDown):
                self._note(error, asked, lookups, tried=tried)
            else:
                self.breaker.worked()  # it answers: what it answers is wrong
            raise error from None
        except (BillingSlow, BillingDown) as error:
            self._note(error, asked, lookups, tried=tried)
            raise
        except BillingError:
            self.breaker.worked()
            raise
        self.breaker.worked()
        return result

    def _note(self, error: BillingError, asked: _Asked, lookups: int, *, tried: bool) -> None:
        """Take note of a failure."""
        # a statement that is tried again while others serve must not stop those
        if not tried or self.breaker.open:
            self.breaker.failed()
        self._failed[asked.key] = asked
        # who was told "too late" is counted already
        self.outages.failed(asked.key, error, lookups=0 if given_up() else lookups)

    def _take(self) -> Held:
        return self._kept.take(self.engine, self._lost_at_s)

    def _look_up(
        self, held: Held, lookup: Callable[[Run], T], asked: _Asked, *, again: bool = False
    ) -> T:
        """Carry a lookup out on one connection, and give it back."""
        connection, deadline = held.connection, held.deadline
        outages, began_s = self.outages, time.monotonic()
        cursor = connection.cursor()

        def run(query: Select[Any], values: Mapping[str, object]) -> Sequence[Any]:
            statement = self._statements.get(query) or self._compiled(query)
            if deadline is not None:
                deadline.begin()
            try:
                cursor.execute(statement.sql, statement.parameters(values))
                rows = cursor.fetchall()
            except self._driver_error as exc:
                asked.key, asked.query, asked.values = statement.sql, query, values
                if is_no_table(exc):
                    raise NoTable(str(translated(exc))) from None
                raise
            if outages.on:
                self._mended(statement.sql)
            return rows

        try:
            return lookup(run)
        except self._driver_error as exc:
            raw = connection.dbapi_connection
            if self.engine.dialect.is_disconnect(exc, raw, cursor):  # type: ignore[arg-type]  # a DBAPI error, by the driver's own class
                asked.key, asked.query, asked.values = CONNECTION, _ANY, {}
                # what happened to this one may have happened to all: none of before is used again
                self._lost_at_s = time.monotonic()
                connection.invalidate()
                if not again and self._lost_at_s - began_s < _AT_ONCE_S:
                    raise _Lost from None
            raise
        finally:
            try:
                cursor.close()
            except self._driver_error:
                connection.invalidate()
            self._kept.give_back(held)

    def _mended(self, key: str) -> None:
        self._failed.pop(CONNECTION, None)
        self._failed.pop(key, None)
        self.outages.worked(key)

    def _compiled(self, query: Select[Any]) -> Statement:
        if len(self._statements) >= _MOST_STATEMENTS:
            self._statements.clear()  # each month's table has its own
        statement = self._statements[query] = Statement(query, self.engine.dialect)
        return statement


def _again(asked: _Asked, run: Run) -> None:
    run(asked.query, asked.values)
