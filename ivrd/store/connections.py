"""The way to the store's database: its URL, its password, and what every connection is told."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool, StaticPool

from ivrd.billing.engine import password_from
from ivrd.errors import ConfigError, Problem, StoreDown

BUSY_S = 10.0
"""Seconds to wait for another writer, for a lock, or for a free connection."""

STATEMENT_S = 60
"""Seconds that one statement may take on a server."""

CONNECT_S = 3
"""Seconds to wait for a connection to a server."""

READERS = 8
"""Connections at most, the writer's aside."""

CACHE_KIB = 8192
"""Of pages, for each connection to a SQLite store; the system's own cache has the rest."""

_POSTGRESQL = "postgresql+psycopg"
_SQLITE = "sqlite+pysqlite"
_EXAMPLE = "such as sqlite:///store.db or postgresql+psycopg://ivrd@host/ivrd"


def engine_from(
    url: str,
    *,
    password_env: str | None = None,
    password_file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Engine:
    """Return an engine for `url`; no connection is made yet.

    ``sqlite://`` is a store in memory, on one connection. A password comes from the environment
    variable `password_env` or from `password_file` (mode 0600 or 0400), never from the URL.
    Raises `ConfigError`; its problems have the keys ``url``, ``password_env``, ``password_file``.
    """
    problems: list[Problem] = []
    parsed = _parse(url, problems)
    password = password_from(password_env, password_file, environment, problems)
    if problems or parsed is None:
        raise ConfigError(problems)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    return _postgresql(parsed if password is None else parsed.set(password=password))


def file_of(url: URL) -> Path | None:
    """Return the file of a SQLite store; None for one in memory, and for a server."""
    if url.get_backend_name() != "sqlite" or url.database in {None, "", ":memory:"}:
        return None
    return Path(str(url.database))


def _parse(url: str, problems: list[Problem]) -> URL | None:
    try:
        parsed = make_url(url)
        driver = f"{parsed.get_backend_name()}+{parsed.get_driver_name()}"
    except (ArgumentError, NoSuchModuleError, ValueError):
        problems.append(Problem("is no database URL", key="url", expected=_EXAMPLE, rule="url"))
        return None
    if driver not in {_SQLITE, _POSTGRESQL}:
        problems.append(
            Problem(f"{driver} cannot hold the store", key="url", expected=_EXAMPLE, rule="driver")
        )
        return None
    if parsed.password is not None or "password" in parsed.query:
        problems.append(
            Problem(
                "a password stands in the URL",
                key="url",
                expected="password_env or password_file instead",
                rule="secret",
            )
        )
    if driver == _SQLITE and (parsed.query or str(parsed.database).startswith("file:")):
        problems.append(
            Problem("has options of SQLite's own", key="url", expected=_EXAMPLE, rule="url")
        )
    return parsed


def _sqlite(url: URL) -> Engine:
    file = file_of(url)
    options: dict[str, Any] = {"poolclass": StaticPool}
    if file is not None:
        _made_ready(file)
        options = {
            "poolclass": QueuePool,
            "pool_size": READERS + 1,
            "max_overflow": 0,
            "pool_timeout": BUSY_S,
            # the one used last first: each has a cache of pages, and most of the time one is enough
            "pool_use_lifo": True,
        }
    engine = create_engine(
        url,
        connect_args={
            "timeout": BUSY_S,
            "check_same_thread": False,
            # transactions begin where Store says, not where the driver thinks
            "isolation_level": None,
            "cached_statements": 512,
        },
        hide_parameters=True,
        query_cache_size=2000,
        **options,
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if file is not None:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 67108864")

    return engine


def _made_ready(file: Path) -> None:
    """Make folder and file, for the owner alone: people's numbers stand in it."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as exc:
        raise StoreDown(f"{file} cannot be made: {exc.strerror}") from None


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on; SQLite does not wait by itself for another who does so too."""
    until_s = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until_s:
                raise
            time.sleep(0.01)
        else:
            return


def _postgresql(url: URL) -> Engine:
    told = {
        "statement_timeout": STATEMENT_S * 1000,
        "lock_timeout": int(BUSY_S * 1000),
        "idle_in_transaction_session_timeout": STATEMENT_S * 1000,
    }
    try:
        return create_engine(
            url,
            connect_args={
                "connect_timeout": CONNECT_S,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 2,
                "application_name": "ivrd",
                "options": " ".join(f"-c {name}={value}" for name, value in told.items()),
            },
            hide_parameters=True,
            query_cache_size=2000,
            isolation_level="SERIALIZABLE",
            poolclass=QueuePool,
            pool_size=READERS + 1,
            max_overflow=0,
            pool_timeout=BUSY_S,
        )
    except ImportError:
        what = f"the driver of {_POSTGRESQL} is not installed"
        expected = "pip install 'ivrd[postgresql]'"
        raise ConfigError([Problem(what, key="url", expected=expected, rule="driver")]) from None
