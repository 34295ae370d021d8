"""What is imported from: a database that a mapping reads, in one consistent state, row by row."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, select
from sqlalchemy.exc import SQLAlchemyError

from ivrd.billing.columns import Column, Condition
from ivrd.billing.database import Database, Statement
from ivrd.billing.driver_errors import translated
from ivrd.billing.imports.staging import ROW, Staging
from ivrd.billing.kept import DEADLINE
from ivrd.billing.server_zone import tell_in
from ivrd.billing.statements import MonthQuery, Source
from ivrd.billing.tables import BillingMapping, MonthTable, Table

BATCH = 2000
"""Rows that are in memory at once: as many as fit into the cache of a processor."""

_SNAPSHOTS = {"postgresql": "REPEATABLE READ", "mysql": "REPEATABLE READ",
              "mariadb": "REPEATABLE READ"}  # fmt: skip
"""How servers give one state to all statements; others give one to each statement."""


class Origin:
    """A billing database that is read whole. Every method raises `BillingError`.

    `files` are what it was gathered from, where they are: they tell of rows and of their tables.
    """

    def __init__(
        self,
        mapping: BillingMapping,
        engine: Engine,
        files: Staging | None = None,
    ) -> None:
        self.mapping, self.engine, self._files = mapping, engine, files
        self.row = ROW if files else None
        """The column with the number of each row in its file."""
        tell_in(engine, mapping.zone)
        self._aside = Database(engine)
        self._connection: Connection | None = None

    @property
    def of_files(self) -> bool:
        """Whether it was gathered from files: columns have no types and no indexes."""
        return self._files is not None

    def named(self, table: str) -> str:
        """Return how a table is told to people."""
        return self._files.named(table) if self._files else table

    def refused_before(
        self, refuse: Callable[[Iterable[Sequence[Any]]], None], read: dict[str, int]
    ) -> None:
        """Tell what was refused before the mapping could read it, and count it as read."""
        if self._files is not None:
            self._files.refuse_into(refuse, read)

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Hold one state of the database for all that is read meanwhile."""
        name = self.engine.dialect.name
        with contextlib.ExitStack() as stack:
            with self._translated():
                connection = stack.enter_context(self.engine.connect())
                if name in _SNAPSHOTS:
                    connection = connection.execution_options(isolation_level=_SNAPSHOTS[name])
                elif name == "sqlite":
                    connection.exec_driver_sql("BEGIN")
                    stack.callback(connection.exec_driver_sql, "ROLLBACK")
            self._connection = connection
            yield

    def source(self, part: Table, month: str | None) -> Source:
        """Return a table to select from, of a month where it has one each month."""
        if self.row is not None:  # named among the conditions, it can be selected
            where = {**part.where, self.row: Condition(null=False)}
            part = part.model_copy(update={"where": where})
        return Source(self.mapping, part, month=month)

    @property
    def row_columns(self) -> list[Column]:
        """The column with the number of a row, if there is one."""
        return [Column(column=self.row)] if self.row else []

    def has_month(self, part: MonthTable, month: str) -> bool:
        """Return whether the table of a month is there."""
        if not part.monthly:
            return True

        def any_row(source: Source) -> Select[Any]:
            return source.select([part.account], limit=1)

        probe = MonthQuery(self.mapping, part, None, any_row)
        return self._aside.ask(lambda run: probe.rows(run, month)) is not None

    def count(self, query: Select[Any], values: Mapping[str, object]) -> int:
        """Return how many rows a statement has."""
        counted = select(func.count()).select_from(query.order_by(None).subquery())
        with self._translated():
            return int(self._open.execute(counted, dict(values)).scalar_one())

    def batches(
        self, query: Select[Any], values: Mapping[str, object]
    ) -> Generator[Sequence[Sequence[Any]], None, None]:
        """Yield the rows of a statement, some thousands at a time; few are ever in memory.

        Until it is closed, nothing else can be asked.
        """
        statement = Statement(query, self.engine.dialect)
        sql, bound = statement.sql, statement.parameters(values)
        with self._translated(), contextlib.closing(self._cursor()) as cursor:
            if self.engine.dialect.driver != "psycopg":
                cursor.execute(sql, bound)
                while rows := cursor.fetchmany(BATCH):
                    yield rows
                return
            # the server goes on while rows are written; a libpq before 17 hands on one at a time
            chunked = import_module("psycopg").capabilities.has_stream_chunked()
            stream = cursor.stream(sql, bound, size=BATCH if chunked else 1)
            with contextlib.closing(stream):
                while rows := list(islice(stream, BATCH)):
                    yield rows

    def _cursor(self) -> Any:
        """Return a cursor of the driver's own that brings rows as they are asked for.

        SQLAlchemy's rows would cost as much again as reading them does. Amounts come as text where
        a driver can be told so: the same text is found again in a tenth of a Decimal's time.
        """
        connection = self._open.connection
        if DEADLINE in connection.info:
            connection.info[DEADLINE].begin()
        dialect = self.engine.dialect
        if dialect.driver == "psycopg":
            streamed: Any = connection.cursor()
            strings = import_module("psycopg.types.string")
            streamed.adapters.register_loader("numeric", strings.TextLoader)
            return streamed
        if dialect.name == "postgresql":
            return connection.cursor("ivrd_import")
        if dialect.name in {"mysql", "mariadb"}:
            cursors = import_module(f"{dialect.loaded_dbapi.__name__}.cursors")
            if dialect.driver == "pymysql":
                kinds = import_module("pymysql.constants.FIELD_TYPE")
                raw: Any = connection.dbapi_connection
                raw.decoders = {**raw.decoders, kinds.NEWDECIMAL: str}
            return connection.cursor(cursors.SSCursor)
        cursor: Any = connection.cursor()
        cursor.arraysize = BATCH
        return cursor

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("not opened")
        return self._connection

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Let errors of the source out as ours, without private data."""
        driver: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        try:
            yield
        except (SQLAlchemyError, driver, OSError) as error:
            raise translated(error) from None
