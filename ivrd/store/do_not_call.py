"""Numbers that nobody is to call: they asked, are wrong, or stand on a list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from ivrd.store.tables import do_not_call


class WhyListed(StrEnum):
    """How a number came to be listed."""

    ASKED = "asked"
    """Somebody at the number asked not to be called."""
    WRONG_NUMBER = "wrong_number"
    """The account's holder is not at that number."""
    LIST = "list"
    """Imported, such as from a public register."""
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of the list. `removed_at` is None while it stands."""

    id: int
    number: str
    why: WhyListed
    added_at: datetime
    added_by: str
    account: str | None
    removed_at: datetime | None = None
    removed_by: str | None = None


_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
"""ITU-T E.164 §6: at most 15 digits, country code first."""

_STANDS = do_not_call.c.removed_at.is_(None)
_OF_NUMBER = (
    select(do_not_call)
    .where(do_not_call.c.number == bindparam("dialled"), _STANDS)
    .order_by(do_not_call.c.id)
)
_ADD = insert(do_not_call)
_REMOVE = update(do_not_call).where(do_not_call.c.number == bindparam("dialled"), _STANDS)
_ALL = select(do_not_call).order_by(do_not_call.c.id)
_CHUNK = 500
"""Numbers asked for at once; SQLite and PostgreSQL bound the values of a statement."""


def listed(tx: Connection, number: str, account: str | None = None) -> Listed | None:
    """Return the entry that forbids calling `number` (E.164), None where none does.

    A wrong number is forbidden for the account that it does not belong to; every other entry
    for everybody. Without `account` a wrong number is forbidden too.
    """
    for row in tx.execute(_OF_NUMBER, {"dialled": number}).mappings():
        entry = _entry(row)
        for_others = entry.why is WhyListed.WRONG_NUMBER and entry.account is not None
        if not (for_others and account is not None and account != entry.account):
            return entry
    return None


def add(
    tx: Connection,
    now: datetime,
    number: str,
    why: WhyListed,
    by: str,
    account: str | None = None,
) -> bool:
    """List a number (E.164); return False where such an entry stands already.

    `account` is, for a wrong number, the one that it does not belong to. Raises `ValueError`
    for a number that is not E.164, without repeating it.
    """
    _check(number)
    for row in tx.execute(_OF_NUMBER, {"dialled": number}).mappings():
        if row["why"] == why and (why is not WhyListed.WRONG_NUMBER or row["account"] == account):
            return False
    tx.execute(_ADD, _values(now, number, why, by, account))
    return True


def add_many(tx: Connection, now: datetime, numbers: Iterable[str], why: WhyListed, by: str) -> int:
    """List numbers (E.164) in one go; return how many were not listed for that reason before.

    Raises `ValueError` for a number that is not E.164, without repeating it.
    """
    wanted = list(dict.fromkeys(numbers))
    for number in wanted:
        _check(number)
    added = 0
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        standing = select(do_not_call.c.number).where(
            do_not_call.c.number.in_(chunk), do_not_call.c.why == why, _STANDS
        )
        there = set(tx.execute(standing).scalars())
        rows = [_values(now, number, why, by, None) for number in chunk if number not in there]
        if rows:
            tx.execute(_ADD, rows)
        added += len(rows)
    return added


def remove(tx: Connection, now: datetime, number: str, by: str) -> int:
    """Take every entry of a number (E.164) off the list; return how many there were."""
    done = tx.execute(_REMOVE, {"dialled": number, "removed_at": now, "removed_by": by})
    return done.rowcount


def entries(tx: Connection, *, removed: bool = False) -> list[Listed]:
    """Return all entries, oldest first; those taken off too where `removed` says so."""
    query = _ALL if removed else _ALL.where(_STANDS)
    return [_entry(row) for row in tx.execute(query).mappings()]


def _check(number: str) -> None:
    if not _E164.fullmatch(number):
        raise ValueError("a number to be listed is not E.164")


def _values(
    now: datetime, number: str, why: WhyListed, by: str, account: str | None
) -> dict[str, object]:
    return {"number": number, "why": why, "added_at": now, "added_by": by, "account": account}


def _entry(row: RowMapping) -> Listed:
    return Listed(**{**row, "why": WhyListed(row["why"])})
