"""Backup and restore of the store, while daemons run on it.

A backup is one SQLite file, whichever database the store is on, with the version of its tables
in it. So a backup of either kind goes back into either kind.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import Connection, Integer, Table, delete, func, insert, select, text

from ivrd.errors import StoreDown, StoreError
from ivrd.store import audit, switches
from ivrd.store.connections import engine_from
from ivrd.store.engine import Store
from ivrd.store.failures import database_errors
from ivrd.store.migrate import VERSION_TABLE, bring_up
from ivrd.store.states import CampaignState
from ivrd.store.tables import campaigns, metadata

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the table, how many of its rows are copied, and how many there are."""

RESTORED = "the store was restored"
"""Why the kill switch is on after a restore."""

_PAGES = 4096
_ROWS = 2000
_STAMP = "CREATE TABLE ivrd_backup (made_at TEXT NOT NULL)"


@dataclass(frozen=True, slots=True)
class Backup:
    """What stands in a backup: when it was made, the version of its tables, rows per table."""

    file: Path
    made_at: datetime
    version: str
    rows: dict[str, int]


def backup(store: Store, file: Path, progress: Progress | None = None) -> Backup:
    """Write the store's state of this moment to `file`, readable for its owner alone.

    Nobody is held up. `file` appears whole or not at all. Raises `StoreError` where it exists
    already, `StoreDown` where it cannot be written or the store cannot be read.
    """
    if file.exists():
        raise StoreError(f"{file} exists already")
    with database_errors():
        now = store.now()
        part = _part_of(file)
        try:
            if store.is_sqlite:
                store.read(lambda tx: _copy_pages(tx, part, progress))
            else:
                _copy_out(store, part, progress)
            with closing(sqlite3.connect(part, isolation_level=None)) as made:
                made.execute("PRAGMA journal_mode = DELETE")
                made.execute("DROP TABLE IF EXISTS ivrd_backup")
                made.execute(_STAMP)
                made.execute("INSERT INTO ivrd_backup VALUES (?)", [now.isoformat()])
            known = read_backup(part)
            _put_in_place(part, file)
        finally:
            _remove(part)
    return Backup(file, known.made_at, known.version, known.rows)


def read_backup(file: Path) -> Backup:
    """Return what stands in a backup. Raises `StoreError` for a file that is none, or damaged."""
    if not file.is_file():
        raise StoreError(f"{file} is no file")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as made:
            if made.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise StoreError(f"{file} is damaged")
            (made_at,) = made.execute("SELECT made_at FROM ivrd_backup").fetchone()
            (version,) = made.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608 - a name of our own
            there = {name for (name,) in made.execute("SELECT name FROM sqlite_master")}
            rows = {
                table.name: made.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0]  # noqa: S608 - as above
                for table in metadata.sorted_tables
                if table.name in there
            }
    except (sqlite3.DatabaseError, TypeError):
        raise StoreError(f"{file} is no backup of a store, or is damaged") from None
    return Backup(file, datetime.fromisoformat(made_at), version, rows)


def _campaign_runs(tx: Connection) -> bool:
    runs = select(campaigns.c.id).where(campaigns.c.state == CampaignState.RUNNING.value).limit(1)
    return tx.execute(runs).first() is not None


def restore(
    store: Store,
    file: Path,
    *,
    by: str,
    replace: bool = False,
    progress: Progress | None = None,
) -> Backup:
    """Put the rows of a backup into the store, all in one transaction, and audit it.

    A backup of an older ivrd is carried upward on the way; its file stays as it is. `by` is who
    restores. Where a campaign runs in it, the kill switch goes on: of who was called since, or
    asked for no more calls, nothing is known any more. Raises `StoreError` for a file that is no
    backup, for one of a newer ivrd, and for a store that holds rows, unless `replace` says that
    they may go.
    """
    known = read_backup(file)
    with tempfile.TemporaryDirectory(prefix="ivrd-restore-") as folder, database_errors():
        copy = Path(folder) / "store.db"
        with (
            closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        engine = engine_from(f"sqlite:///{copy}")
        try:
            bring_up(engine)
            now = store.now()

            def put_back(tx: Connection) -> None:
                _make_empty(tx, replace)
                with engine.connect() as source:
                    _copy_rows(source, tx, progress)
                _count_on(tx)
                if _campaign_runs(tx) and not switches.is_on(tx, switches.KILL):
                    switches.set_switch(tx, now, switches.KILL, True, by, RESTORED)
                said = {"made_at": known.made_at.isoformat(), "version": known.version}
                audit.record(tx, now, by, "store.restore", said)

            store.transact(put_back)
        finally:
            engine.dispose()
    return known


def _part_of(file: Path) -> Path:
    """Make the file that the backup grows in, beside its place."""
    try:
        number, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.absolute().parent)
    except OSError as exc:
        raise StoreDown(f"{file} cannot be written: {exc.strerror}") from None
    os.close(number)
    return Path(name)


def _put_in_place(part: Path, file: Path) -> None:
    """Give the whole file its name, once it is on the disk; never over another file."""
    try:
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.link(part, file)
        folder = os.open(file.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        raise StoreError(f"{file} exists already") from None
    except OSError as exc:
        raise StoreDown(f"{file} cannot be written: {exc.strerror}") from None


def _remove(part: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            part.with_name(part.name + ending).unlink()


def _copy_pages(tx: Connection, part: Path, progress: Progress | None) -> None:
    """Copy a SQLite store as it is; the reading transaction keeps its state still meanwhile."""
    source: Any = tx.connection.dbapi_connection
    # a reading transaction begins with its first reading
    source.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def told(_: int, left: int, pages: int) -> None:
        if progress is not None:
            progress("pages", pages - left, pages)

    with closing(sqlite3.connect(part)) as target:
        source.backup(target, pages=_PAGES, progress=told, sleep=0.01)


def _copy_out(store: Store, part: Path, progress: Progress | None) -> None:
    """Copy a server's store, one state of it, into a SQLite file with the same tables."""
    engine = engine_from(f"sqlite:///{part}")
    try:
        bring_up(engine)

        def take(tx: Connection) -> None:
            with engine.begin() as target:
                target.exec_driver_sql("BEGIN")
                _copy_rows(tx, target, progress)

        store.read(take)
    finally:
        engine.dispose()


def _copy_rows(source: Connection, target: Connection, progress: Progress | None) -> None:
    """Copy every row of every table, each table after those that it refers to."""
    for table in metadata.sorted_tables:
        total = source.execute(select(func.count()).select_from(table)).scalar_one()
        rows = source.execute(select(table), execution_options={"yield_per": _ROWS}).mappings()
        add, done = insert(table), 0
        for some in rows.partitions():
            target.execute(add, [dict(row) for row in some])
            done += len(some)
            if progress is not None:
                progress(table.name, done, total)


def _make_empty(tx: Connection, replace: bool) -> None:
    """Take all rows out. Raises `StoreError` where there are any and `replace` is not said."""
    for table in metadata.sorted_tables:
        if not replace and tx.execute(select(1).select_from(table).limit(1)).first():
            raise StoreError(
                f"the store is not empty: there are {table.name}; expected a new store, or the"
                " word that what is in it may go"
            )
    if tx.dialect.name == "postgresql":
        names = ", ".join(tx.dialect.identifier_preparer.format_table(t) for t in _tables())
        tx.execute(text(f"TRUNCATE {names}"))
        return
    for table in reversed(_tables()):
        tx.execute(delete(table))


def _tables() -> list[Table]:
    return list(metadata.sorted_tables)


def _count_on(tx: Connection) -> None:
    """Have PostgreSQL number new rows after those put in; SQLite does so by itself."""
    if tx.dialect.name != "postgresql":
        return
    for table in _tables():
        serial = table.autoincrement_column
        if serial is not None and isinstance(serial.type, Integer):
            sequence = f"pg_get_serial_sequence('{table.name}', '{serial.name}')"
            last = select(func.max(serial)).scalar_subquery()
            tx.execute(
                select(func.setval(text(sequence), func.coalesce(last, 1), last.is_not(None)))
            )
