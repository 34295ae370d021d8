"""Backup and restore while the store is in use, from either database into either."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, func, select, text, update

from ivrd.errors import StoreDown, StoreError
from ivrd.store import audit
from ivrd.store.backup import backup, read_backup, restore
from ivrd.store.engine import Store
from ivrd.store.migrate import HEAD, VERSION_TABLE
from ivrd.store.notes import add_note
from ivrd.store.switches import KILL, is_on, set_switch
from ivrd.store.tables import campaigns, metadata, notes, promises
from tests.store.conftest import KINDS, NOW
from tests.store.filled import fill, rows_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


def note(tx: Connection) -> int:
    return add_note(tx, "A1", NOW, "wang", "x")


def test_backup_says_what_is_in_it_and_is_its_owners_alone(store: Store, file: Path) -> None:
    store.transact(fill)
    made = backup(store, file)
    assert (made.file, made.made_at, made.version) == (file, NOW, HEAD)
    assert made.rows == dict.fromkeys(metadata.tables, 1)
    assert read_backup(file) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir() if "backup" in path.name] == [file.name]


@pytest.mark.parametrize("into", [*KINDS, "memory"])
def test_backup_of_either_database_goes_back_into_either(
    store: Store,
    file: Path,
    into: str,
    new_url: Callable[[str], str],
    open_at: Callable[[str], Store],
) -> None:
    store.transact(fill)
    before = store.read(rows_of)
    backup(store, file)
    other = open_at("sqlite://" if into == "memory" else new_url(into))
    restore(other, file, by="wang")
    after = other.read(rows_of)
    restored = after["audit"].pop()
    assert after == before
    assert restored["action"] == "store.restore"
    assert restored["by"] == "wang"
    assert other.read(audit.verify) == []
    # new rows are numbered after those put back
    assert other.transact(note) == 2


def test_backup_is_of_one_moment_while_others_write(store: Store, file: Path) -> None:
    """Each writer's transaction adds a note and a promise: a backup holds as many of each."""
    done = threading.Event()
    failed: list[BaseException] = []

    def write() -> None:
        def pair(tx: Connection) -> None:
            note(tx)
            tx.execute(
                promises.insert().values(
                    account="A1", amount_fen=1, made_at=NOW, pay_by=NOW.date(), state="open"
                )
            )

        try:
            while not done.is_set():
                store.transact(pair)
        except BaseException as exc:
            failed.append(exc)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [backup(store, file.with_name(f"backup-{n}.db")) for n in range(5)]
    finally:
        done.set()
        writer.join()
    assert not failed
    assert all(one.rows["notes"] == one.rows["promises"] for one in made)
    assert made[-1].rows["notes"] > made[0].rows["notes"]


def test_progress_is_told_up_to_the_end(store: Store, file: Path) -> None:
    store.transact(fill)
    told: list[tuple[str, int, int]] = []
    backup(store, file, lambda *what: told.append(what))
    assert told
    assert told[-1][1] == told[-1][2]
    told.clear()
    restore(store, file, by="wang", replace=True, progress=lambda *what: told.append(what))
    assert {table: (done, total) for table, done, total in told} == dict.fromkeys(
        metadata.tables, (1, 1)
    )


def test_store_with_rows_is_not_restored_into_unless_they_may_go(
    any_store: Store, file: Path
) -> None:
    any_store.transact(fill)
    backup(any_store, file)
    any_store.transact(note)
    with pytest.raises(StoreError, match="not empty"):
        restore(any_store, file, by="wang")
    count = select(func.count()).select_from(notes)
    assert any_store.read(lambda tx: tx.execute(count).scalar_one()) == 2
    restore(any_store, file, by="wang", replace=True)
    assert any_store.read(lambda tx: tx.execute(count).scalar_one()) == 1


def test_restore_that_fails_in_the_middle_changes_nothing(any_store: Store, file: Path) -> None:
    any_store.transact(fill)
    backup(any_store, file)
    any_store.transact(lambda tx: tx.execute(delete(promises)).rowcount)
    before = any_store.read(rows_of)

    def stop(table: str, _done: int, _total: int) -> None:
        if table == "targets":
            raise InterruptedError

    with pytest.raises((InterruptedError, StoreError)):
        restore(any_store, file, by="wang", replace=True, progress=stop)
    assert any_store.read(rows_of) == before


def test_file_that_exists_is_never_written_over(any_store: Store, file: Path) -> None:
    file.write_text("dear")
    with pytest.raises(StoreError, match="exists already"):
        backup(any_store, file)
    assert file.read_text() == "dear"


def test_backup_that_cannot_be_written_leaves_nothing(any_store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreDown, match="cannot be written"):
        backup(any_store, tmp_path / "nowhere" / "backup.db")


def test_file_that_is_no_backup_is_refused(memory: Store, file: Path) -> None:
    with pytest.raises(StoreError, match="is no file"):
        restore(memory, file, by="wang")
    file.write_text("no database")
    with pytest.raises(StoreError, match="no backup"):
        restore(memory, file, by="wang")
    file.unlink()
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("CREATE TABLE notes (words TEXT)")
    with pytest.raises(StoreError, match="no backup"):
        restore(memory, file, by="wang")


def test_damaged_backup_is_refused(memory: Store, file: Path) -> None:
    memory.transact(fill)
    backup(memory, file)
    damaged = bytearray(file.read_bytes())
    damaged[8192:16384] = b"\xaa" * 8192
    file.write_bytes(damaged)
    with pytest.raises(StoreError, match="damaged"):
        restore(memory, file, by="wang", replace=True)


def test_backup_of_a_newer_ivrd_is_refused(memory: Store, file: Path) -> None:
    backup(memory, file)
    with closing(sqlite3.connect(file)) as made, made:
        made.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608 - a name of our own
    with pytest.raises(StoreError, match="version 9999, of a newer ivrd"):
        restore(memory, file, by="wang")


def test_backup_put_in_the_place_of_the_store_is_a_store(
    any_store: Store, file: Path, open_at: Callable[[str], Store]
) -> None:
    any_store.transact(fill)
    backup(any_store, file)
    copy = file.with_name("store-again.db")
    shutil.copy(file, copy)
    again = open_at(f"sqlite:///{copy}")
    assert again.read(rows_of) == any_store.read(rows_of)
    assert again.transact(note) == 2


def test_restored_rows_hold_together(store: Store, file: Path) -> None:
    store.transact(fill)
    backup(store, file)
    restore(store, file, by="wang", replace=True)
    if store.is_sqlite:
        check = text("PRAGMA foreign_key_check")
        assert store.read(lambda tx: tx.execute(check).all()) == []
    with pytest.raises(StoreError, match=r"FOREIGN KEY|23503"):
        store.transact(lambda tx: tx.execute(text("DELETE FROM campaigns")).rowcount)


def test_campaign_that_runs_in_a_backup_calls_nobody_after_a_restore(
    store: Store, file: Path
) -> None:
    """Who was called since, or asked for no more calls, is not known any more."""
    store.transact(fill)
    store.transact(lambda tx: tx.execute(update(campaigns).values(state="running")))
    store.transact(lambda tx: set_switch(tx, NOW, KILL, False, "wang"))
    backup(store, file)
    restore(store, file, by="wang", replace=True)
    assert store.read(lambda tx: is_on(tx, KILL))
