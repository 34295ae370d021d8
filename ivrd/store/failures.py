"""What a database says went wrong, as one of our errors; never with a person's data in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from ivrd.errors import StoreBusy, StoreDown, StoreError

OUT_OF_ORDER = frozenset({"40001", "40P01"})
"""serialization_failure, deadlock_detected: nothing was changed, and a second run may do."""

_BUSY = frozenset({"55P03", "57014", "53300"})
"""lock_not_available, query_canceled (the statement's time-out), too_many_connections."""

_DOWN = ("08", "53", "57P", "58", "F0", "XX", "28", "3D", "25006", "25P03")
"""SQLSTATE classes: connection, resources, shut-down, system, configuration file, internal,
authorization, no such database; a read-only server; a transaction left idle for too long."""

_SQLITE_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_SQLITE_DOWN = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


def translated(error: Exception) -> StoreError:
    """Return our error for one of SQLAlchemy's or of a driver's."""
    if isinstance(error, NoConnectionFree):
        return StoreBusy("all connections to the store are in use")
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause)
    state = sqlstate_of(error)
    if state is not None:
        return _of_server(cause, state)
    if isinstance(error, DBAPIError) and (
        error.connection_invalidated or type(cause).__name__ == "OperationalError"
    ):
        return StoreDown("the store's database cannot be reached")
    origin = getattr(error, "orig", None)
    name = type(error).__name__ if origin is None else type(origin).__name__
    return StoreError(f"the store refused a statement: {name}")


def sqlstate_of(error: Exception) -> str | None:
    """Return the SQLSTATE that a server gave, None where there is none."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return str(state) if state else None


def _of_sqlite(cause: sqlite3.Error) -> StoreError:
    """SQLite's messages name tables and columns, never values."""
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None:
        return StoreError(f"the store refused a statement: {type(cause).__name__}")
    if code & 0xFF in _SQLITE_BUSY:
        return StoreBusy("the store is held by another writer")
    if code & 0xFF in _SQLITE_DOWN:
        return StoreDown(f"the store failed: {cause}")
    return StoreError(f"the store refused a statement: {cause}")


def _of_server(cause: object, state: str) -> StoreError:
    """Keep the name of a constraint; the rest of a server's message may hold values."""
    if state in OUT_OF_ORDER:
        return StoreBusy(f"the store could not put writers in order ({state})")
    if state in _BUSY:
        return StoreBusy(f"the store was not done in time ({state})")
    if state.startswith(_DOWN):
        return StoreDown(f"the store failed ({state} {type(cause).__name__})")
    constraint = getattr(getattr(cause, "diag", None), "constraint_name", None)
    about = f", {constraint}" if constraint else ""
    return StoreError(f"the store refused a statement ({state} {type(cause).__name__}{about})")


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what the database raises inside into our errors."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as exc:
        raise translated(exc) from None
