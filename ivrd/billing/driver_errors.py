"""What drivers say when they fail, in our words and without what was asked for."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from ivrd.billing.silence import SILENT
from ivrd.errors import BillingDown, BillingError, BillingSlow

_SQLSTATE = re.compile(r"[0-9A-Z]{5}").fullmatch

_SLOW_OR_LOCKED = "a slow query, or a table that is locked"
_HELD = "another holds the table"
_SILENT = "no word from the server: it hangs, or the network is cut"

_CUT_SHORT: Mapping[str, str] = {
    "57014": _SLOW_OR_LOCKED,
    "3024": _SLOW_OR_LOCKED,
    "1969": _SLOW_OR_LOCKED,
    "55P03": _HELD,
    "1205": _HELD,
    "2013": _SILENT,
    SILENT: _SILENT,
}
"""PostgreSQL query_canceled and lock_not_available; MySQL and MariaDB time-outs, of a lock, too,
and replies that did not come within the driver's own time or ours."""

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

_SAID: Mapping[str, str] = {
    "authentication failed": "account or password was refused",
    "no pg_hba.conf entry": "the server lets nobody in from here",
    "Connection refused": "no server answers",
    "timeout expired": "no server answers",
    "No route to host": "there is no way to the server",
    "Network is unreachable": "there is no way to the server",
    "failed to resolve host": "the server's name is not known",
    "starting up": "the server is starting or going down",
    "shutting down": "the server is starting or going down",
    "connection slots": "the server has too many connections",
    "too many clients": "the server has too many connections",
    "does not exist": "there is no such database or account",
    "closed the connection": "the connection was lost",
    "connection is lost": "the connection was lost",
}
"""The same, where a driver has no code: PostgreSQL's say in their text alone why they failed."""


def translated(error: Exception) -> BillingError:
    """Return our error for one of SQLAlchemy's or of a driver's, without private data."""
    if isinstance(error, NoConnectionFree):
        return BillingSlow("all connections to the billing database are busy")
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause)
    code = _code_of(cause)
    if code in _CUT_SHORT:
        why = _CUT_SHORT[code]
        return BillingSlow(f"the billing database was not done in time: {why} ({code})")
    reason = _REASONS.get(code) or _said(cause)
    if reason:
        return BillingDown(f"the billing database failed: {reason} ({code or 'on connecting'})")
    return BillingDown(f"the billing database failed: {type(cause).__name__} {code}".rstrip())


def _said(cause: object) -> str | None:
    """Return why there is no connection, out of a driver's own text."""
    said = str(cause)
    return next((reason for sign, reason in _SAID.items() if sign in said), None)


def is_no_table(cause: Exception) -> bool:
    """Return whether a driver's error says that a table is not there."""
    if isinstance(cause, sqlite3.Error):
        return str(cause).startswith("no such table")
    return _code_of(cause) in _NO_TABLE


def _of_sqlite(cause: sqlite3.Error) -> BillingError:
    """SQLite's messages name tables and columns; but one, and that is not of SQLite, no values."""
    if str(cause).startswith("Could not decode"):
        return BillingError("the billing data has a text that is not UTF-8, as SQLite's must be")
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
