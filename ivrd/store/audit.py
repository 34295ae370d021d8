"""The audit trail: every control action, each row chained to the one before it.

`hash` is SHA-256 over the hash before it (64 zeros at first) and the row. Rows count from 1
without a gap. So an edited, deleted or moved row shows; that rows were cut off at the end, or
that the whole chain was made anew, shows against a head exported before.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, RowMapping, bindparam, insert, select

from ivrd.store.engine import Store
from ivrd.store.tables import audit

T = TypeVar("T")

_FIRST = "0" * 64
_HEAD = re.compile(r"([0-9]+):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of the trail: its number and hash, to be kept elsewhere. ``0`` is none."""

    id: int
    hash: str

    def __str__(self) -> str:
        return f"{self.id}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Return the head that `str` made the text of. Raises `ValueError`."""
        found = _HEAD.fullmatch(text.strip())
        if not found:
            raise ValueError("an audit head is a row number, a colon and 64 hexadecimal digits")
        return cls(int(found[1]), found[2])


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the trail."""

    id: int
    at: datetime
    by: str
    action: str
    data: Any
    hash: str


@dataclass(frozen=True, slots=True)
class Tampered:
    """Something wrong with the trail, at row `id`."""

    id: int
    what: str

    def __str__(self) -> str:
        return f"audit row {self.id}: {self.what}"


_LAST = select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)
_ADD = insert(audit)
_ALL = select(audit).order_by(audit.c.id)
_LATEST = select(audit).order_by(audit.c.id.desc()).limit(bindparam("most"))


def record(
    tx: Connection, now: datetime, by: str, action: str, data: Mapping[str, Any] | None = None
) -> int:
    """Add a row, in the transaction of the action itself; return its number.

    `by` is who acted, `action` what, such as ``campaign.start``; `data` what belongs to it,
    fit for JSON. Raises `ValueError` or `TypeError` where it is not.
    """
    last = head(tx)
    plain = json.loads(json.dumps(dict(data or {}), allow_nan=False))
    row = {"id": last.id + 1, "at": now, "by": by, "action": action, "data": plain}
    tx.execute(_ADD, {**row, "hash": _digest(last.hash, row)})
    return last.id + 1


def act(
    store: Store,
    by: str,
    action: str,
    data: Mapping[str, Any],
    job: Callable[[Connection, datetime], T],
) -> T:
    """Change the store with the row that tells of it, in one transaction. Raises `StoreError`.

    `job` is given the connection and the instant.
    """

    def both(tx: Connection) -> T:
        now = store.now()
        result = job(tx, now)
        record(tx, now, by, action, data)
        return result

    return store.transact(both)


def intend(store: Store, by: str, action: str, data: Mapping[str, Any]) -> None:
    """Tell what was ordered, before it is done in transactions of its own. Raises `StoreError`."""
    store.transact(lambda tx: record(tx, store.now(), by, action, data))


def head(tx: Connection) -> Head:
    """Return the last row's number and hash: to be exported, and given to `verify` later."""
    row = tx.execute(_LAST).first()
    return Head(row.id, row.hash) if row else Head(0, _FIRST)


def verify(tx: Connection, exported: Head | None = None) -> list[Tampered]:
    """Return all that is wrong with the trail, in order; nothing where it is whole."""
    found: list[Tampered] = []
    last = Head(0, _FIRST)
    seen = exported is None or exported.id == 0
    for row in tx.execute(_ALL, execution_options={"yield_per": 1000}).mappings():
        if row["id"] > last.id + 1:
            found.append(Tampered(last.id + 1, _missing(last.id + 1, row["id"] - 1)))
        elif row["hash"] != _digest(last.hash, row):
            found.append(Tampered(row["id"], "is not as it was written after the row before it"))
        if exported is not None and row["id"] == exported.id:
            seen = True
            if row["hash"] != exported.hash:
                found.append(Tampered(row["id"], "is not the row whose hash was exported"))
        last = Head(row["id"], row["hash"])
    if not seen and exported is not None and exported.id > last.id:
        found.append(Tampered(last.id + 1, f"{_missing(last.id + 1, exported.id)} at the end"))
    return found


def latest(tx: Connection, most: int = 100) -> list[Action]:
    """Return the last rows, newest first."""
    return [Action(**row) for row in tx.execute(_LATEST, {"most": most}).mappings()]


def _missing(first: int, last: int) -> str:
    return "is missing" if first == last else f"and those up to {last} are missing"


def _digest(before: str, row: Mapping[str, Any] | RowMapping) -> str:
    text = json.dumps(
        [
            before,
            row["id"],
            round(row["at"].timestamp() * 1000),
            row["by"],
            row["action"],
            row["data"],
        ],
        sort_keys=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(text.encode()).hexdigest()
