"""Free notes on an account, by operators and by calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select

from ivrd.store.tables import notes


@dataclass(frozen=True, slots=True)
class Note:
    """A note: who wrote it when, and the attempt that it came from, if any."""

    id: int
    account: str
    at: datetime
    by: str
    text: str
    attempt: str | None


_ADD = insert(notes).returning(notes.c.id)
_OF = (
    select(notes)
    .where(notes.c.account == bindparam("of"))
    .order_by(notes.c.at.desc(), notes.c.id.desc())
    .limit(bindparam("most"))
)


def add_note(
    tx: Connection, account: str, at: datetime, by: str, text: str, attempt: str | None = None
) -> int:
    """Write a note and return its number. Raises `ValueError` for an empty one."""
    if not text.strip():
        raise ValueError("an empty note")
    values = {"account": account, "at": at, "by": by, "text": text, "attempt": attempt}
    return int(tx.execute(_ADD, values).scalar_one())


def notes_of(tx: Connection, account: str, most: int = 100) -> list[Note]:
    """Return the last notes on an account, newest first."""
    rows = tx.execute(_OF, {"of": account, "most": most}).mappings()
    return [Note(**row) for row in rows]
