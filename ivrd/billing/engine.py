"""The connection to the billing database: read-only, limited in time, its password kept apart."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from math import ceil
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from ivrd.billing.kept import DEADLINE, keep_for
from ivrd.billing.silence import KEEPALIVE, keep_alive, psycopg_connect
from ivrd.errors import ConfigError, Problem, nearest

CONNECT_S = 2
"""Seconds to wait for a connection to a server."""

_SILENT_S = 0.5
"""How long after a statement's time its server is waited for: then it says nothing any more."""


def _of_postgresql(limit_s: float) -> dict[str, Any]:
    user_timeout_ms = int((limit_s + _SILENT_S) * 1000)
    return {"connect_timeout": CONNECT_S, "tcp_user_timeout": user_timeout_ms, **KEEPALIVE}


def _of_pymysql(limit_s: float) -> dict[str, Any]:
    silent_s = limit_s + _SILENT_S
    return {"connect_timeout": CONNECT_S, "read_timeout": silent_s, "write_timeout": silent_s}


_CONNECT_ARGS: Mapping[str, Callable[[float], dict[str, Any]]] = {
    "sqlite+pysqlite": lambda limit_s: {"timeout": limit_s},
    "postgresql+psycopg": _of_postgresql,
    "postgresql+psycopg2": _of_postgresql,
    "mysql+pymysql": _of_pymysql,
    "mysql+mysqldb": lambda limit_s: {
        "connect_timeout": CONNECT_S,
        "read_timeout": int(limit_s) + 1,
    },
    "oracle+oracledb": lambda _: {"tcp_connect_timeout": CONNECT_S},
    "mssql+pyodbc": lambda _: {"timeout": CONNECT_S},
}
_PACKAGES = {
    "postgresql+psycopg": "psycopg[binary]",
    "postgresql+psycopg2": "psycopg2-binary",
    "mysql+pymysql": "pymysql",
    "mysql+mysqldb": "mysqlclient",
    "oracle+oracledb": "oracledb",
    "mssql+pyodbc": "pyodbc",
}
_SAME_DIALECT = {"mariadb": "mysql"}

_RECYCLE_S: Mapping[str, float] = {"sqlite": 60}
"""A SQLite file that was replaced by a newer copy is noticed within a minute."""
_RECYCLE_OTHERS_S = 1800.0


def engine_from(
    url: str,
    *,
    password_env: str | None = None,
    password_file: Path | None = None,
    time_limit_s: float = 2.0,
    connections: int = 4,
    held: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Engine:
    """Return a read-only engine for `url`; no connection is made yet.

    `held`, for a SQLite file: all are made now and kept, so that this file is read on, whatever
    takes its place.

    A password never stands in the URL: it comes from the environment variable `password_env`,
    or from `password_file`, which only its owner may read (mode 0600 or 0400). A statement may
    take `time_limit_s`, waits for another's lock included: SQLite is interrupted, servers are
    told. For Oracle and SQL Server the driver gives up, and the account alone makes it read-only.
    `connections` is how many there are at most. Raises `ConfigError`; its problems have the keys
    ``url``, ``password_env``, ``password_file``. With `held`, SQLAlchemy's errors, too.
    """
    problems: list[Problem] = []
    parsed = _parse(url, problems)
    password = password_from(password_env, password_file, environment, problems)
    if problems or parsed is None:
        raise ConfigError(problems)
    if parsed.get_backend_name() == "sqlite":
        parsed = _read_only_file(parsed)
    elif password is not None:
        parsed = parsed.set(password=password)
    recycle_s = _RECYCLE_S.get(parsed.get_backend_name(), _RECYCLE_OTHERS_S)
    if held:
        recycle_s = float("inf")
    try:
        engine = create_engine(
            parsed,
            connect_args=_CONNECT_ARGS[_driver_of(parsed)](time_limit_s),
            hide_parameters=True,
            isolation_level="AUTOCOMMIT",
            poolclass=QueuePool,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=time_limit_s,
            pool_recycle=-1 if held else int(recycle_s),
            pool_reset_on_return=None,
        )
    except ImportError:
        what = f"the driver of {_driver_of(parsed)} is not installed"
        expected = f"pip install '{_PACKAGES[_driver_of(parsed)]}'"
        raise ConfigError([Problem(what, key="url", expected=expected, rule="driver")]) from None
    _limit_statements(engine, time_limit_s)
    # one is left to whoever uses the engine itself
    keep_for(engine, connections - 1, recycle_s)
    if held:
        with ExitStack() as made:
            for _ in range(connections):
                made.enter_context(engine.connect())
    return engine


def _parse(url: str, problems: list[Problem]) -> URL | None:
    example = "such as sqlite:///billing.db or postgresql+psycopg://reader@host/billing"
    try:
        parsed = make_url(url)
        driver = _driver_of(parsed)
    except (ArgumentError, NoSuchModuleError, ValueError):
        problems.append(Problem("is no database URL", key="url", expected=example, rule="url"))
        return None
    if driver not in _CONNECT_ARGS:
        known = ", ".join(_CONNECT_ARGS)
        problems.append(
            Problem(
                f"{driver} is not supported",
                key="url",
                expected=f"one of {known}",
                nearest=nearest(driver, _CONNECT_ARGS),
                rule="driver",
            )
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
    if driver.startswith("sqlite") and (parsed.database in {None, "", ":memory:"}):
        problems.append(Problem("names no file", key="url", expected=example, rule="url"))
    return parsed


def _driver_of(url: URL) -> str:
    backend = _SAME_DIALECT.get(url.get_backend_name(), url.get_backend_name())
    return f"{backend}+{url.get_driver_name()}"


def password_from(
    env: str | None, file: Path | None, environment: Mapping[str, str], problems: list[Problem]
) -> str | None:
    """Return the password, None where neither place is named; `problems` gets what is wrong."""
    if env and file:
        problems.append(
            Problem(
                "is given beside password_file",
                key="password_env",
                expected="one of the two",
                rule="secret",
            )
        )
        return None
    if env:
        if not environment.get(env):
            problems.append(
                Problem(
                    f"the environment variable {env} is not set", key="password_env", rule="secret"
                )
            )
        return environment.get(env)
    return secret_from(file, "password_file", problems) if file else None


def secret_from(file: Path, key: str, problems: list[Problem]) -> str | None:
    """Return the one line of a secret file, or add to `problems` why it cannot be used."""
    try:
        with file.open(encoding="utf-8") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            text = opened.read().rstrip("\r\n") if mode & 0o077 == 0 else ""
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
        problems.append(Problem(f"{file} cannot be read: {why}", key=key, rule="secret"))
        return None
    if mode & 0o077:
        problems.append(
            Problem(
                f"{file} has mode {mode:04o}: others than its owner may use it",
                key=key,
                expected=f"mode 0600 (chmod 600 {file})",
                rule="secret",
            )
        )
        return None
    if not text or "\n" in text:
        problems.append(
            Problem(
                f"{file} does not hold one line", key=key, expected="the password", rule="secret"
            )
        )
        return None
    return text


def _read_only_file(url: URL) -> URL:
    """Return the URL of a SQLite file that is opened read-only and never made."""
    file = Path(str(url.database).removeprefix("file:").split("?", 1)[0]).absolute()
    return url.set(
        database=file.as_uri().replace("file://", "file:"), query={"mode": "ro", "uri": "true"}
    )


class Deadline:
    """When the statement of a connection must be done, in `time.monotonic` seconds."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._at_s = float("inf")

    def begin(self) -> None:
        """Give the statement that begins now its time."""
        self._at_s = time.monotonic() + self._limit_s

    def passed(self) -> bool:
        """Whether the statement has had its time."""
        return time.monotonic() > self._at_s


_STEPS = 2000
"""SQLite's virtual machine steps between two looks at the time: well under a millisecond."""


def _limit_statements(engine: Engine, limit_s: float) -> None:
    """Have the time limit set up on every new connection."""
    set_up: Callable[[Any, Any], None]
    if engine.dialect.name == "sqlite":

        def set_up(connection: Any, record: Any) -> None:
            deadline = record.info[DEADLINE] = Deadline(limit_s)
            connection.set_progress_handler(deadline.passed, _STEPS)

        @event.listens_for(engine, "before_cursor_execute")
        def _start(connection: Any, *_: object) -> None:
            connection.info[DEADLINE].begin()

    elif engine.dialect.name == "postgresql":

        def set_up(connection: Any, _: Any) -> None:
            _execute(connection, f"SET statement_timeout = {int(limit_s * 1000)}")
            # a little earlier, so that a table that is held is told from a slow query
            _execute(connection, f"SET lock_timeout = {int(limit_s * 900)}")
            _execute(connection, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")

    elif engine.dialect.name == "oracle":

        def set_up(connection: Any, _: Any) -> None:
            connection.call_timeout = int(limit_s * 1000)

    elif engine.dialect.name == "mssql":

        def set_up(connection: Any, _: Any) -> None:
            connection.timeout = ceil(limit_s)

    else:

        def set_up(connection: Any, _: Any) -> None:
            maria = "mariadb" in str(_execute(connection, "SELECT VERSION()")).lower()
            limit = (
                f"max_statement_time = {limit_s}"
                if maria
                else f"max_execution_time = {int(limit_s * 1000)}"
            )
            keep_alive(connection)
            _execute(connection, f"SET SESSION {limit}")
            _execute(connection, "SET SESSION TRANSACTION READ ONLY")

    if engine.dialect.driver == "psycopg":
        connect = psycopg_connect(limit_s + _SILENT_S)

        @event.listens_for(engine, "do_connect")
        def _connect(_: Any, __: Any, arguments: Any, named: Any) -> Any:
            return connect(*arguments, **named)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: Any) -> None:
        set_up(connection, record)


def _execute(connection: Any, statement: str) -> Any:
    cursor = connection.cursor()
    try:
        cursor.execute(statement)
        return cursor.fetchone() if statement.startswith("SELECT") else None
    finally:
        cursor.close()
