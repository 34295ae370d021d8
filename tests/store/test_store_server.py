"""What only a server can do: collisions, a lost connection, a time-out, its own time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, event, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from ivrd.errors import StoreBusy, StoreDown, StoreError
from ivrd.store import server as server_module
from ivrd.store.engine import Store, open_store
from ivrd.store.notes import add_note
from ivrd.store.tables import metadata, notes, reservations
from tests.store.conftest import NOW
from tests.store.postgres import Server, programs_at_hand, server

COUNT = select(func.count()).select_from(notes)


@pytest.fixture
def store(new_url: Callable[[str], str], open_at: Callable[[str], Store]) -> Store:
    return open_at(new_url("postgresql"))


@pytest.fixture
def own_server() -> Iterator[Server]:
    """Run a server for one test, to be stopped under it."""
    programs = programs_at_hand()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with server(programs) as running:
        yield running


def note(tx: Connection) -> int:
    return add_note(tx, "A1", NOW, "wang", "x")


def count(store: Store) -> int:
    return int(store.read(lambda tx: tx.execute(COUNT).scalar_one()))


def reserve_if_free(tx: Connection) -> bool:
    """Look, then write: what two at once would both do without serializable transactions."""
    if tx.execute(select(reservations.c.key)).first():
        return False
    tx.execute(insert(reservations).values(key=f"by {threading.get_ident()}", attempt="a"))
    return True


def test_of_two_that_look_and_then_write_at_once_one_wins(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # no turns: the two meet in the middle of their transactions
    monkeypatch.setattr(server_module, "_TAKE", "SELECT %s::text")
    both_looked = threading.Barrier(2)
    runs: list[int] = []
    won: list[bool] = []

    def job(tx: Connection) -> bool:
        mine = threading.get_ident()
        tx.execute(select(reservations.c.key)).all()
        runs.append(mine)
        if runs.count(mine) == 1:
            both_looked.wait(10)
        return reserve_if_free(tx)

    threads = [threading.Thread(target=lambda: won.append(store.transact(job))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, True]
    assert len(runs) > 2


def test_collision_that_does_not_end_is_told(store: Store) -> None:
    runs: list[int] = []

    def job(tx: Connection) -> None:
        runs.append(1)
        tx.execute(text("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"))

    with pytest.raises(StoreBusy, match="40001"):
        store.transact(job, retry=3)
    assert len(runs) == 4


def test_error_that_a_job_swallows_is_never_taken_for_a_commit(store: Store) -> None:
    def job(tx: Connection) -> None:
        note(tx)
        with pytest.raises(DBAPIError):
            tx.execute(text("SELECT 1 / 0"))

    with pytest.raises(StoreError, match="went on"):
        store.transact(job, retry=1)
    assert count(store) == 0


def test_turn_that_another_holds_long_is_not_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        server_module,
        "_TAKE",
        server_module._TAKE.replace("'250'", "'20'"),  # noqa: SLF001 - a shorter wait
    )
    done: list[int] = []

    def long_job(tx: Connection) -> None:
        tx.execute(COUNT).scalar_one()
        other = threading.Thread(target=lambda: done.append(store.transact(note)))
        other.start()
        other.join()

    store.transact(long_job)
    assert len(done) == 1
    assert count(store) == 1


def test_turn_is_given_back(store: Store) -> None:
    def locks(tx: Connection) -> int:
        # on this test's database: a session of the one before may still be ending
        held = text(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
        return int(tx.execute(held).scalar_one())

    def fails(tx: Connection) -> None:
        note(tx)
        raise LookupError

    assert store.transact(locks) == 1
    with pytest.raises(LookupError):
        store.transact(fails)
    assert store.read(locks) == 0


def test_statement_that_takes_too_long_is_cut_short(store: Store) -> None:
    def slow(tx: Connection) -> None:
        tx.execute(text("SET LOCAL statement_timeout = 20"))
        tx.execute(text("SELECT pg_sleep(60)"))

    with pytest.raises(StoreBusy, match="57014"):
        store.transact(slow)


def test_lock_that_does_not_come_is_told(store: Store) -> None:
    def locked(tx: Connection) -> None:
        tx.execute(text("LOCK TABLE notes"))
        other = threading.Thread(target=wait_for_it)
        other.start()
        other.join()

    failed: list[StoreError] = []

    def wait_for_it() -> None:
        def job(tx: Connection) -> None:
            tx.execute(text("SET LOCAL lock_timeout = 20"))
            note(tx)

        try:
            store.transact(job)
        except StoreBusy as exc:
            failed.append(exc)

    store.transact(locked)
    assert "55P03" in str(failed[0])


def test_connection_that_the_server_ended_is_made_anew(store: Store) -> None:
    others = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    store.transact(note)

    def end_all_others(tx: Connection) -> None:
        assert tx.execute(others).scalar_one() >= 0

    store.read(end_all_others)
    store.transact(lambda tx: tx.execute(others).scalar())
    store.transact(note)
    assert count(store) == 2


def test_connection_lost_inside_a_transaction_is_run_again_whole(store: Store) -> None:
    runs: list[int] = []

    def job(tx: Connection) -> None:
        runs.append(1)
        note(tx)
        if len(runs) == 1:
            tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    store.transact(job)
    assert len(runs) == 2
    assert count(store) == 1


def test_server_that_crashed_is_down_and_comes_back_with_all_that_was_kept(
    own_server: Server,
) -> None:
    own_server.execute("ALTER SYSTEM SET fsync = on")
    store = open_store(own_server.new_url(), now=lambda: NOW)
    try:
        store.transact(note)
        own_server.stop()
        with pytest.raises(StoreDown):
            store.transact(note, retry=2)
        with pytest.raises(StoreDown):
            store.read(lambda tx: tx.execute(COUNT).scalar_one())
        own_server.start()
        store.transact(note)
        assert count(store) == 2
    finally:
        store.close()


def test_time_is_the_servers(store: Store) -> None:
    clock = server_module.ServerClock(store.engine)
    before, between, after = clock.now(), clock.now(), clock.now()
    server_time = store.read(lambda tx: tx.execute(text("SELECT clock_timestamp()")).scalar_one())
    assert before <= between <= after
    assert abs((server_time - after).total_seconds()) < 5


@pytest.mark.parametrize("apart", ["suspended", "set back"])
def test_time_is_asked_for_again_when_this_machines_clocks_come_apart(
    store: Store, apart: str
) -> None:
    """A suspend stops monotonic time alone; a set clock moves the wall clock alone."""
    here = {"monotonic": 100.0, "wall": 1_800_000_000.0}
    clock = server_module.ServerClock(store.engine, lambda: here["monotonic"], lambda: here["wall"])
    asked: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    first = clock.now()
    for name in here:
        here[name] += 10
    assert clock.now() == first + timedelta(seconds=10)
    assert len(asked) == 1
    here["wall"] += 3 * 3600 if apart == "suspended" else -60
    assert abs((clock.now() - first).total_seconds()) < 5, "the server's, which only it knows"
    assert len(asked) == 2


def test_server_error_tells_no_value_of_a_row(store: Store) -> None:
    def twice(tx: Connection) -> None:
        for _ in range(2):
            tx.execute(insert(reservations).values(key="number:+8613800138000", attempt="a"))

    with pytest.raises(StoreError, match=r"23505.*pk_reservations") as caught:
        store.transact(twice)
    assert "138" not in str(caught.value)


def test_numbers_of_rows_count_by_themselves_in_every_table(store: Store) -> None:
    serials = {table.name for table in metadata.tables.values() if "id" in table.c}
    found = store.read(
        lambda tx: set(
            tx.execute(
                text(
                    "SELECT table_name FROM information_schema.columns"
                    " WHERE column_name = 'id' AND column_default LIKE 'nextval%'"
                )
            ).scalars()
        )
    )
    assert found == serials - {"attempts"}
