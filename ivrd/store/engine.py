"""ivrd's own store: one way to read it and one way to change it, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ivrd.errors import StoreBusy, StoreDown, StoreError
from ivrd.store.connections import BUSY_S, engine_from
from ivrd.store.failures import database_errors, translated
from ivrd.store.migrate import bring_up
from ivrd.store.server import Names, ServerClock, run

T = TypeVar("T")

RETRIES = 20
"""How often a transaction that PostgreSQL could not put in order is run again."""


def open_store(
    url: str,
    *,
    password_env: str | None = None,
    password_file: Path | None = None,
    now: Callable[[], datetime] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Store:
    """Open the store at `url`, its tables made or brought up to date.

    `sqlite:///FILE`, `postgresql+psycopg://USER@HOST/NAME`, or `sqlite://` for one in memory.
    Time is `now`'s; without it the database server's on PostgreSQL, which several daemons share,
    and the machine's on SQLite. Raises `ConfigError` for a wrong URL or password setting,
    `StoreError` (`StoreBusy`, `StoreDown`) where the store cannot be opened.
    """
    engine = engine_from(
        url, password_env=password_env, password_file=password_file, environment=environment
    )
    store = Store(engine, now)
    try:
        with database_errors():
            bring_up(engine)
    except BaseException:
        store.close()
        raise
    return store


class Store:
    """Reads and changes, each in a transaction of its own; may be used from any thread.

    A job is a function of a `Connection`. It returns plain values, not results still to be
    fetched; it neither commits nor opens another transaction; it may be run more than once, so
    what it does beside the store must bear that. What it raises rolls all back and is passed on;
    errors of the database come out as `StoreError`, `StoreBusy` or `StoreDown`.
    """

    def __init__(self, engine: Engine, now: Callable[[], datetime] | None = None) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.in_memory = self.is_sqlite and engine.url.database in {None, "", ":memory:"}
        self._turn = threading.Lock()
        self._writer: Connection | None = None
        self._inside = threading.local()
        self._closed = False
        self._snapshots = engine
        self._names = None if self.is_sqlite else Names(engine)
        if not self.is_sqlite:
            self._snapshots = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        if now is None:
            now = _machine_time if self.is_sqlite else ServerClock(engine).now
        self._now = now

    def now(self) -> datetime:
        """Return the store's time, aware. Raises `StoreDown` where a server has to be asked."""
        return self._now()

    def transact(self, job: Callable[[Connection], T], *, retry: int = RETRIES) -> T:
        """Run `job` in a transaction: all of it is kept, durably, or nothing.

        On SQLite one transaction runs at a time, over all threads and processes. On PostgreSQL
        they are serializable; one that collides is run again, at most `retry` times.
        Raises `StoreBusy` where the turn does not come within 10 s, `StoreDown` where the
        database fails; when it failed right at the commit, the change may have been kept.
        """
        with self._marked():
            if self.is_sqlite:
                return self._in_turn(job, keep=True)
            return run(self.engine, job, retry, BUSY_S)

    def read(self, job: Callable[[Connection], T]) -> T:
        """Run `job` on one consistent state of the store, without holding any writer up."""
        with self._marked():
            if self.in_memory:
                return self._in_turn(job, keep=False)
            try:
                if not self.is_sqlite:
                    with self._snapshots.begin() as tx:
                        return job(tx)
                with self.engine.connect() as connection:
                    raw = _raw(connection)
                    raw.execute("BEGIN")
                    try:
                        return job(connection)
                    finally:
                        with suppress(sqlite3.Error):
                            raw.rollback()
            except (SQLAlchemyError, sqlite3.Error) as exc:
                raise translated(exc) from None

    def hold_name(self, name: str) -> bool:
        """Return whether `name` is this process's until it ends; False where another bears it.

        For the names of nodes that share a server; a SQLite file has one daemon, which holds any.
        Raises `StoreDown`.
        """
        return self._names.hold(name) if self._names is not None else True

    def close(self) -> None:
        """Close all connections; safe to repeat. A transaction under way is waited for."""
        self._closed = True
        if self._names is not None:
            self._names.close()
        with self._turn:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self.engine.dispose()

    @contextmanager
    def _marked(self) -> Iterator[None]:
        """Refuse a transaction inside a transaction: it would wait for itself."""
        if self._closed:
            raise StoreError("the store is closed")
        if getattr(self._inside, "job", False):
            raise RuntimeError("a job of the store asked the store for another transaction")
        self._inside.job = True
        try:
            yield
        finally:
            self._inside.job = False

    def _in_turn(self, job: Callable[[Connection], T], *, keep: bool) -> T:
        """Run `job` on SQLite's one writing connection."""
        if not self._turn.acquire(timeout=BUSY_S):
            raise StoreBusy("the store is held by another writer")
        try:
            if self._writer is None:
                self._writer = self.engine.connect()
            raw = _raw(self._writer)
            raw.execute("BEGIN IMMEDIATE" if keep else "BEGIN")
            try:
                result = job(self._writer)
                if not raw.in_transaction:
                    # SQLite ends a transaction by itself when the disk is full or fails
                    raise StoreDown("the store gave a transaction up")
                if keep:
                    raw.commit()
            finally:
                if raw.in_transaction:
                    raw.rollback()
        except (SQLAlchemyError, sqlite3.Error, StoreDown) as exc:
            raise self._given_up(exc) from None
        else:
            return result
        finally:
            self._turn.release()

    def _given_up(self, exc: Exception) -> StoreError:
        """Return our error; after a failure of the disk the next writer opens the file anew."""
        failed = exc if isinstance(exc, StoreError) else translated(exc)
        if isinstance(failed, StoreDown) and self._writer is not None and not self.in_memory:
            with suppress(SQLAlchemyError, sqlite3.Error):
                self._writer.invalidate()
                self._writer.close()
            self._writer = None
        return failed


def _raw(connection: Connection) -> Any:
    """Return the driver's own connection."""
    return connection.connection.dbapi_connection


def _machine_time() -> datetime:
    return datetime.now(UTC)
