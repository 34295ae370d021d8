"""Outages of real servers: each lookup is answered in time, and all is well again by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from ivrd.billing.breaker import Breaker
from ivrd.billing.entities import Bill
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import profile_for, write_sample
from ivrd.errors import BillingDown, BillingError, BillingSlow
from tests.billing.conftest import LAST, TODAY
from tests.billing.places import PASSWORD, BillingServer, change, copy_tables, reader_engine

LIMIT_S = 0.2
"""Given to each statement here."""

CALLER_WAITS_S = 3.0


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> BillingServer:
    running: BillingServer = request.getfixturevalue(request.param)
    return running


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("outages") / "small.db"
    write_sample(file, TODAY, accounts=15, months=2)
    return file


@pytest.fixture
def mapping() -> BillingMapping:
    return load_mapping(profile_for("wide"))


@pytest.fixture
def owner_url(server: BillingServer, small: Path) -> str:
    url = server.new()
    copy_tables(small, url)
    return url


@pytest.fixture
def open_reader(
    server: BillingServer, owner_url: str, mapping: BillingMapping
) -> Iterator[Callable[..., BillingReader]]:
    engines = []

    def open_one(breaker: Breaker | None = None, **options: float) -> BillingReader:
        url = server.reader_url(owner_url)
        engines.append(reader_engine(url, **{"time_limit_s": LIMIT_S, **options}))
        return BillingReader(mapping, engines[-1], breaker)

    yield open_one
    for engine in engines:
        engine.dispose()


@contextmanager
def in_time() -> Iterator[None]:
    began_s = time.monotonic()
    yield
    assert time.monotonic() - began_s < CALLER_WAITS_S


def fails(reader: BillingReader, kind: type[BillingError], said: str) -> None:
    with in_time(), pytest.raises(kind, match=said) as caught:
        reader.bill("100001", LAST)
    assert isinstance(caught.value, BillingDown) == (kind is BillingDown)
    assert PASSWORD not in str(caught.value)
    told = reader.database.outages.outage_view()
    assert told is not None
    assert reader.database.outages.state == ("down" if kind is BillingDown else "slow")
    assert said in told["why"] or said == "breaker", "the status says why, in the same words"
    assert datetime.fromisoformat(told["since"]).utcoffset() == timedelta(hours=8)
    assert told["failed"] >= 1
    assert told["next_try"]


def works(reader: BillingReader) -> None:
    with in_time():
        assert isinstance(reader.bill("100001", LAST), Bill)
    told = reader.database.outages.outage_view()
    assert reader.database.outages.state == "up"
    assert told is None or told["lasted_s"] >= 0


@contextmanager
def held(owner_url: str, server: BillingServer, table: str) -> Iterator[Connection]:
    """Hold a table as one that changes its schema does."""
    engine = create_engine(owner_url)
    with engine.connect() as connection:
        name = engine.dialect.identifier_preparer.quote(table)
        if server.kind == "postgresql":
            connection.execute(text(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE"))
        else:
            connection.execute(text(f"LOCK TABLES {name} WRITE"))
        yield connection
        connection.invalidate()
    engine.dispose()


def test_a_server_that_was_started_anew_serves_at_once(
    server: BillingServer, open_reader: Callable[..., BillingReader]
) -> None:
    reader = open_reader()
    works(reader)
    server.stop()
    server.start()
    works(reader)
    assert not reader.database.breaker.open


def test_lookups_on_all_connections_survive_a_server_started_anew(
    server: BillingServer, open_reader: Callable[..., BillingReader]
) -> None:
    reader = open_reader(connections=4, time_limit_s=2.0)
    together = Barrier(4)

    def one(_: int) -> object:
        together.wait(10)
        return reader.bill("100001", LAST)

    with ThreadPoolExecutor(4) as threads:
        assert all(isinstance(bill, Bill) for bill in threads.map(one, range(4)))
        server.stop()
        server.start()
        assert all(isinstance(bill, Bill) for bill in threads.map(one, range(4)))
    assert not reader.database.breaker.open


def test_a_server_that_is_down_is_told_at_once_and_the_breaker_closes_by_itself(
    server: BillingServer, open_reader: Callable[..., BillingReader]
) -> None:
    now = 0.0
    reader = open_reader(Breaker(lambda: now, failures=3, open_s=10))
    works(reader)
    server.stop()
    try:
        for _ in range(3):
            fails(reader, BillingDown, "no server answers")
        fails(reader, BillingDown, "breaker")
    finally:
        server.start()
    fails(reader, BillingDown, "breaker")
    now = 10.0
    works(reader)
    assert not reader.database.breaker.open
    told = reader.database.outages.outage_view()
    assert told
    assert told["failed"] == 5, "those that the breaker refused, too"


def test_an_outage_ends_without_a_caller_when_what_failed_is_tried_again(
    server: BillingServer, owner_url: str, open_reader: Callable[..., BillingReader]
) -> None:
    now = 0.0
    reader = open_reader(Breaker(lambda: now, failures=1, open_s=10))
    works(reader)
    quote = '"' if server.kind == "postgresql" else "`"
    table = f"{quote}TB_ZHANGDAN{quote}"
    change(owner_url, f"ALTER TABLE {table} RENAME TO gone")
    fails(reader, BillingDown, "no such table")
    now = 9.9
    reader.database.try_again()
    change(owner_url, f"ALTER TABLE gone RENAME TO {table}")
    assert reader.database.outages.state == "down", "it was not its time yet"
    now = 10.0
    reader.database.try_again()
    assert not reader.database.breaker.open
    assert reader.database.outages.state == "up"
    works(reader)


def test_what_is_tried_again_in_vain_does_not_stop_what_serves(
    server: BillingServer, owner_url: str, open_reader: Callable[..., BillingReader],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("ivrd.billing.outages.RETRY_S", 0.0)
    monkeypatch.setattr("ivrd.billing.outages.RETRY_MOST_S", 0.0)
    reader = open_reader(Breaker(time.monotonic, failures=2))
    with held(owner_url, server, "TB_ZHANGDAN"):
        fails(reader, BillingSlow, "not done in time")
        for _ in range(4):
            reader.database.try_again()
        assert reader.find_by_phone("88610001"), "the breaker did not open"
        assert reader.database.outages.state == "slow"
    reader.database.try_again()
    assert reader.database.outages.state == "up"


def test_connections_that_were_broken_are_made_again_unnoticed(
    server: BillingServer, open_reader: Callable[..., BillingReader]
) -> None:
    reader = open_reader(connections=3)
    works(reader)
    for _ in range(3):
        server.drop_connections()
        works(reader)


def test_a_table_that_is_held_is_slow_and_serves_when_it_is_free(
    server: BillingServer, owner_url: str, open_reader: Callable[..., BillingReader]
) -> None:
    reader = open_reader()
    works(reader)
    with held(owner_url, server, "TB_ZHANGDAN"):
        fails(reader, BillingSlow, "not done in time")
        assert reader.find_by_phone("88610001"), "other tables serve on"
    works(reader)


def test_a_query_that_takes_too_long_is_ended_by_the_server(
    server: BillingServer, owner_url: str, open_reader: Callable[..., BillingReader]
) -> None:
    reader = open_reader()
    quote, sleep = ('"', "pg_sleep(9)") if server.kind == "postgresql" else ("`", "SLEEP(9)")
    bills = f"{quote}TB_ZHANGDAN{quote}"
    change(
        owner_url,
        f"ALTER TABLE {bills} RENAME TO real_bills",
        f"CREATE VIEW {bills} AS SELECT b.* FROM real_bills b, (SELECT {sleep} AS s) t",  # noqa: S608 - our own names
    )
    fails(reader, BillingSlow, "not done in time")
    assert reader.find_by_phone("88610001"), "the connection serves on"


def test_a_password_that_was_changed_is_told_and_the_right_one_serves(
    server: BillingServer, open_reader: Callable[..., BillingReader]
) -> None:
    reader = open_reader()
    server.set_password("another")
    try:
        fails(reader, BillingDown, "refused")
    finally:
        server.set_password(PASSWORD)
    works(reader)


@pytest.mark.parametrize("what", ["table", "column"])
def test_a_schema_changed_under_way_is_told_and_serves_when_it_is_back(
    what: str, server: BillingServer, owner_url: str, open_reader: Callable[..., BillingReader]
) -> None:
    reader = open_reader()
    works(reader)
    quote = '"' if server.kind == "postgresql" else "`"
    table, column = f"{quote}TB_ZHANGDAN{quote}", f"{quote}RENT_FEE{quote}"
    there, back = {
        "table": (f"ALTER TABLE {table} RENAME TO gone", f"ALTER TABLE gone RENAME TO {table}"),
        "column": (f"ALTER TABLE {table} RENAME COLUMN {column} TO gone",
                   f"ALTER TABLE {table} RENAME COLUMN gone TO {column}"),
    }[what]  # fmt: skip
    change(owner_url, there)
    fails(reader, BillingDown, f"no such {what}")
    change(owner_url, back)
    works(reader)


def test_the_connection_cannot_write_even_where_the_account_may(
    server: BillingServer, owner_url: str
) -> None:
    engine = reader_engine(owner_url)
    quote = '"' if server.kind == "postgresql" else "`"
    update = f"UPDATE {quote}TB_ZHANGDAN{quote} SET {quote}TOTAL_FEE{quote} = 0"  # noqa: S608 - our own names
    with engine.connect() as connection, pytest.raises(DBAPIError, match=r"(?i)read.only"):
        connection.exec_driver_sql(update)
    engine.dispose()


def test_the_account_that_reads_cannot_write(server: BillingServer, owner_url: str) -> None:
    engine = create_engine(server.reader_url(owner_url).replace("reader@", f"reader:{PASSWORD}@"))
    quote = '"' if server.kind == "postgresql" else "`"
    with engine.connect() as connection, pytest.raises(DBAPIError, match="denied"):
        connection.exec_driver_sql(f"DELETE FROM {quote}TB_ZHANGDAN{quote}")  # noqa: S608 - as above
    engine.dispose()
