"""Transactions of the store: all or nothing, one after the other, on either database."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from ivrd.errors import ConfigError, StoreBusy, StoreDown, StoreError
from ivrd.store import connections, engine
from ivrd.store.engine import Store, open_store
from ivrd.store.notes import add_note, notes_of
from ivrd.store.tables import campaigns, notes
from tests.store.conftest import NOW

PRIVATE = "13800138000"


def note(tx: Connection, text: str = "called back") -> int:
    return add_note(tx, "A1", NOW, "wang", text)


def count(tx: Connection) -> int:
    return int(tx.execute(select(func.count()).select_from(notes)).scalar_one())


def campaign(tx: Connection, name: str = PRIVATE) -> None:
    values = {"name": name, "kind": "dunning", "state": "new", "settings": {}, "made_at": NOW}
    tx.execute(insert(campaigns), values)


def test_what_a_job_wrote_is_read_afterwards(any_store: Store) -> None:
    number = any_store.transact(note)
    (kept,) = any_store.read(lambda tx: notes_of(tx, "A1"))
    assert (kept.id, kept.at, kept.text) == (number, NOW, "called back")


def test_job_that_raises_leaves_nothing_and_its_error_is_passed_on(any_store: Store) -> None:
    def job(tx: Connection) -> None:
        note(tx)
        raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"):
        any_store.transact(job)
    assert any_store.read(count) == 0


def test_statement_that_the_database_refuses_leaves_nothing_and_tells_no_data(
    any_store: Store,
) -> None:
    any_store.transact(campaign)

    def job(tx: Connection) -> None:
        note(tx)
        campaign(tx)

    with pytest.raises(StoreError, match="name") as caught:
        any_store.transact(job)
    assert type(caught.value) is StoreError
    assert PRIVATE not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert any_store.read(count) == 0


def test_refused_statement_in_a_savepoint_leaves_the_rest_of_the_job(any_store: Store) -> None:
    any_store.transact(campaign)

    def job(tx: Connection) -> None:
        with pytest.raises(IntegrityError), tx.begin_nested():
            campaign(tx)
        note(tx)

    any_store.transact(job)
    assert any_store.read(count) == 1


def test_what_a_reading_job_writes_is_not_kept(any_store: Store) -> None:
    try:
        any_store.read(note)
    except StoreError:
        assert not any_store.is_sqlite
    assert any_store.read(count) == 0


def test_transaction_inside_a_transaction_is_refused(any_store: Store) -> None:
    with pytest.raises(RuntimeError, match="another transaction"):
        any_store.transact(lambda _: any_store.read(count))
    any_store.transact(note)
    assert any_store.read(count) == 1


def test_many_threads_that_add_to_one_row_lose_nothing(any_store: Store) -> None:
    any_store.transact(campaign)

    def add(tx: Connection) -> None:
        said = tx.execute(select(campaigns.c.settings)).scalar_one()
        tx.execute(update(campaigns).values(settings={"n": said.get("n", 0) + 1}))

    def work() -> None:
        for _ in range(15):
            any_store.transact(add)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any_store.read(lambda tx: tx.execute(select(campaigns.c.settings)).scalar_one()) == {
        "n": 90
    }


def test_reader_sees_one_state_while_a_writer_goes_on(store: Store) -> None:
    def job(tx: Connection) -> tuple[int, int]:
        before = count(tx)
        writer = threading.Thread(target=store.transact, args=[note])
        writer.start()
        writer.join()
        return before, count(tx)

    assert store.read(job) == (0, 0)
    assert store.read(count) == 1


def test_closed_store_says_so(any_store: Store) -> None:
    any_store.close()
    any_store.close()
    with pytest.raises(StoreError, match="closed"):
        any_store.read(count)


def test_store_keeps_its_rows_when_it_is_opened_again(
    url: str, open_at: Callable[[str], Store]
) -> None:
    first = open_at(url)
    first.transact(note)
    first.close()
    assert open_at(url).read(count) == 1


def test_time_is_the_one_given(any_store: Store) -> None:
    assert any_store.now() == NOW


def test_time_without_a_clock_is_aware_and_close_to_the_machines(url: str) -> None:
    store = open_store(url)
    try:
        assert abs(store.now() - datetime.now(UTC)) < timedelta(seconds=5)
        assert store.now().utcoffset() == timedelta(0)
    finally:
        store.close()


def test_instant_without_a_zone_is_refused(any_store: Store) -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(StoreError, match="ValueError"):
        any_store.transact(lambda tx: add_note(tx, "A1", naive, "wang", "x"))


def test_file_of_the_store_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "data" / "store.db"
    store = open_store(f"sqlite:///{file}")
    store.transact(note)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    store.close()
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


def test_sqlite_commits_are_on_the_disk_and_rows_cannot_dangle(
    new_url: Callable[[str], str], open_at: Callable[[str], Store]
) -> None:
    store = open_at(new_url("sqlite"))

    def settings(tx: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [tx.execute(text(f"PRAGMA {name}")).scalar() for name in names]

    assert store.transact(settings) == ["wal", 2, 1]
    assert store.read(settings) == ["wal", 2, 1]


def test_writer_of_another_process_is_waited_for_and_then_given_up(
    new_url: Callable[[str], str], open_at: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_S", 0.05)
    url = new_url("sqlite")
    store = open_at(url)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="another writer"):
            store.transact(note)
        assert store.read(count) == 0
    store.transact(note)
    assert store.read(count) == 1


def test_thread_that_holds_the_turn_too_long_is_not_waited_for(
    new_url: Callable[[str], str], open_at: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_S", 0.05)
    store = open_at(new_url("sqlite"))
    failed: list[Exception] = []

    def other() -> None:
        try:
            store.transact(note)
        except StoreBusy as exc:
            failed.append(exc)

    def job(_: Connection) -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    store.transact(job)
    assert len(failed) == 1


def test_transaction_that_the_job_ended_itself_is_an_error(
    new_url: Callable[[str], str], open_at: Callable[[str], Store]
) -> None:
    store = open_at(new_url("sqlite"))

    def job(tx: Connection) -> None:
        tx.exec_driver_sql("ROLLBACK")

    with pytest.raises(StoreDown, match="gave a transaction up"):
        store.transact(job)
    store.transact(note)
    assert store.read(count) == 1


def test_disk_that_is_full_is_told_and_the_store_goes_on_after(
    new_url: Callable[[str], str], open_at: Callable[[str], Store]
) -> None:
    store = open_at(new_url("sqlite"))
    pages = store.transact(lambda tx: tx.execute(text("PRAGMA page_count")).scalar_one())
    store.transact(lambda tx: tx.execute(text(f"PRAGMA max_page_count = {pages}")).scalar())

    def much(tx: Connection) -> None:
        for _ in range(200):
            note(tx, "x" * 4000)

    with pytest.raises(StoreDown, match="full"):
        store.transact(much)
    assert store.read(count) == 0
    store.transact(note)
    assert store.read(count) == 1


def test_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    file.write_text("these are not the pages of a database, however long they are" * 20)
    with pytest.raises(StoreDown, match="not a database"):
        open_store(f"sqlite:///{file}")


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StoreDown, match="cannot be made"):
        open_store(f"sqlite:///{tmp_path / 'data' / 'store.db'}")


def test_server_that_does_not_answer_is_down() -> None:
    with pytest.raises(StoreDown, match="cannot be reached"):
        open_store("postgresql+psycopg://ivrd@127.0.0.1:1/ivrd")


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("not a url", "url"),
        ("mysql+pymysql://u@h/d", "driver"),
        ("postgresql+psycopg2://u@h/d", "driver"),
        ("postgresql+psycopg://u:secret@h/d", "secret"),
        ("sqlite:///store.db?mode=ro", "url"),
        ("sqlite:///file:store.db", "url"),
    ],
)
def test_url_that_cannot_hold_the_store_is_told(url: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url)
    assert [problem.rule for problem in caught.value.problems] == [rule]
    assert "u:secret" not in str(caught.value)


def test_password_file_that_others_can_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="mode 0644"):
        open_store("postgresql+psycopg://u@h/d", password_file=file)
    with pytest.raises(ConfigError, match="IVRD_STORE is not set"):
        open_store("postgresql+psycopg://u@h/d", password_env="IVRD_STORE", environment={})  # noqa: S106 - a name
