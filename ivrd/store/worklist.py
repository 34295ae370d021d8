"""The worklist (催缴记录表): what a call cannot do and a person has to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from ivrd.store.states import Task
from ivrd.store.tables import worklist


@dataclass(frozen=True, slots=True)
class Entry:
    """A task on an account, to be done by the end of `due`; `done_at` is None while it is open."""

    id: int
    account: str
    task: Task
    made_at: datetime
    due: date
    campaign: int | None
    attempt: str | None
    owner: str | None
    text: str | None
    done_at: datetime | None
    done_by: str | None
    result: str | None


_IS_OPEN = worklist.c.done_at.is_(None)
_SAME = (
    select(worklist.c.id, worklist.c.due)
    .where(worklist.c.account == bindparam("of"), worklist.c.task == bindparam("what"), _IS_OPEN)
    .order_by(worklist.c.id)
    .limit(1)
)
_ADD = insert(worklist).returning(worklist.c.id)
_HASTEN = update(worklist).where(worklist.c.id == bindparam("which"))
_CLOSE = _HASTEN.where(_IS_OPEN)


def open_task(  # noqa: PLR0913 - the columns of a row, by name
    tx: Connection,
    account: str,
    task: Task,
    made_at: datetime,
    due: date,
    *,
    campaign: int | None = None,
    attempt: str | None = None,
    owner: str | None = None,
    text: str | None = None,
) -> int:
    """Put a task on the worklist and return its number.

    Where the same task is open for the account, it stays the one; an earlier `due` counts.
    """
    same = tx.execute(_SAME, {"of": account, "what": task}).first()
    if same is not None:
        if due < same.due:
            tx.execute(_HASTEN, {"which": same.id, "due": due})
        return int(same.id)
    values = {
        "account": account,
        "task": task,
        "made_at": made_at,
        "due": due,
        "campaign": campaign,
        "attempt": attempt,
        "owner": owner,
        "text": text,
    }
    return int(tx.execute(_ADD, values).scalar_one())


def close_task(
    tx: Connection, entry: int, done_at: datetime, done_by: str, result: str | None = None
) -> bool:
    """Take a task as done; False where there is no such open one."""
    values = {"which": entry, "done_at": done_at, "done_by": done_by, "result": result}
    return bool(tx.execute(_CLOSE, values).rowcount)


def tasks(
    tx: Connection,
    *,
    account: str | None = None,
    owner: str | None = None,
    due_by: date | None = None,
    done: bool = False,
) -> list[Entry]:
    """Return the open tasks, or those done too, the most urgent first; each filter may be left."""
    query = select(worklist).order_by(worklist.c.due, worklist.c.id)
    if not done:
        query = query.where(_IS_OPEN)
    if account is not None:
        query = query.where(worklist.c.account == account)
    if owner is not None:
        query = query.where(worklist.c.owner == owner)
    if due_by is not None:
        query = query.where(worklist.c.due <= due_by)
    return [_entry(row) for row in tx.execute(query).mappings()]


def _entry(row: RowMapping) -> Entry:
    return Entry(**{**row, "task": Task(row["task"])})
