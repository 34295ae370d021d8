"""Every way in which a real SQLite database brings no answer has its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from ivrd.billing.breaker import Breaker
from ivrd.billing.driver_errors import translated
from ivrd.billing.mapping import BillingMapping
from ivrd.billing.month_tables import of_month
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import Layout
from ivrd.errors import BillingDown, BillingError, BillingSlow

LAST = "2026-10"


@pytest.fixture
def copy(layout: Layout, samples: dict[Layout, Path], tmp_path: Path) -> Path:
    file = tmp_path / "copy.db"
    file.write_bytes(samples[layout].read_bytes())
    return file


@pytest.fixture
def ours(copy: Path, mapping: BillingMapping, engine_on: Callable[..., Engine]) -> BillingReader:
    return BillingReader(mapping, engine_on(copy, time_limit_s=0.02))


@pytest.fixture
def theirs(copy: Path) -> Iterator[sqlite3.Connection]:
    """Open the billing system's own connection, which may write."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        yield connection


def test_a_locked_database_is_down_and_comes_back(
    ours: BillingReader, theirs: sqlite3.Connection
) -> None:
    theirs.execute("BEGIN EXCLUSIVE")
    with pytest.raises(BillingDown, match="locked"):
        ours.find_by_phone("88610001")
    theirs.execute("ROLLBACK")
    assert ours.find_by_phone("88610001")


def test_a_lock_that_begins_between_two_lookups_is_met(
    ours: BillingReader, theirs: sqlite3.Connection
) -> None:
    assert ours.find_by_phone("88610001")
    theirs.execute("BEGIN EXCLUSIVE")
    with pytest.raises(BillingDown, match="locked"):
        ours.bill("100001", LAST)


def test_a_missing_file_is_down_and_is_not_made(
    tmp_path: Path, mapping: BillingMapping, engine_on: Callable[..., Engine]
) -> None:
    with pytest.raises(BillingDown, match="unable to open"):
        BillingReader(mapping, engine_on(tmp_path / "none.db")).bill("100001", LAST)
    assert not (tmp_path / "none.db").exists()


def test_a_file_that_is_no_database_is_down(
    tmp_path: Path, mapping: BillingMapping, engine_on: Callable[..., Engine]
) -> None:
    (tmp_path / "junk.db").write_bytes(b"not a database, " * 100)
    with pytest.raises(BillingDown, match="not a database"):
        BillingReader(mapping, engine_on(tmp_path / "junk.db")).bill("100001", LAST)


def test_a_query_that_takes_too_long_is_cut_short_and_slow(
    ours: BillingReader, theirs: sqlite3.Connection, mapping: BillingMapping
) -> None:
    table = of_month(mapping.bill.table, LAST)
    theirs.execute(f"ALTER TABLE {table} RENAME TO real_bills")
    for_ever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    theirs.execute(
        f"CREATE VIEW {table} AS SELECT b.* FROM real_bills b, ({for_ever}) WHERE i < 0"  # noqa: S608 - our own names
    )
    with pytest.raises(BillingSlow, match="not done in time"):
        ours.bill("100001", LAST)
    assert ours.find_by_phone("88610001"), "the connection serves on"


@pytest.mark.parametrize("what", ["table", "column"])
def test_a_schema_changed_under_way_is_down_and_never_read_as_text(
    what: str, ours: BillingReader, theirs: sqlite3.Connection, mapping: BillingMapping
) -> None:
    part = mapping.account
    assert part.password
    assert ours.proof("100001")
    if what == "table":
        theirs.execute(f"ALTER TABLE {part.table} RENAME TO elsewhere")
    else:
        theirs.execute(f'ALTER TABLE {part.table} RENAME COLUMN "{part.password.column}" TO gone')
    with pytest.raises(BillingDown, match=f"no such {what}"):
        ours.proof("100001")


def test_the_connection_cannot_write(ours: BillingReader, copy: Path) -> None:
    before = copy.read_bytes()
    with (
        pytest.raises(OperationalError, match="readonly"),
        ours.database.engine.connect() as connection,
    ):
        connection.exec_driver_sql("CREATE TABLE x (y)")
    assert copy.read_bytes() == before


def test_no_connection_free_is_slow(
    copy: Path, mapping: BillingMapping, engine_on: Callable[..., Engine]
) -> None:
    engine = engine_on(copy, connections=1, time_limit_s=0.02)
    reader = BillingReader(mapping, engine)
    with engine.connect(), pytest.raises(BillingSlow, match="busy"):
        reader.find_by_phone("88610001")


def test_after_failures_in_a_row_the_database_is_left_alone_then_tried_again(
    copy: Path,
    mapping: BillingMapping,
    engine_on: Callable[..., Engine],
    theirs: sqlite3.Connection,
) -> None:
    now = 0.0
    breaker = Breaker(lambda: now, failures=3, open_s=10)
    reader = BillingReader(mapping, engine_on(copy, time_limit_s=0.01), breaker)
    theirs.execute("BEGIN EXCLUSIVE")
    for _ in range(3):
        with pytest.raises(BillingDown, match="locked"):
            reader.find_by_phone("88610001")
    theirs.execute("ROLLBACK")
    with pytest.raises(BillingDown, match="breaker"):
        reader.find_by_phone("88610001")
    now = 10.0
    assert reader.find_by_phone("88610001")
    assert not breaker.open


# -- errors of drivers that are not here -------------------------------------------------------


class OfPostgres(Exception):  # noqa: N818 - stands in for a driver's class
    """A driver's error with SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__("key (acc_nbr)=(88610001) and more")
        self.sqlstate = sqlstate


class OfMySQL(Exception):  # noqa: N818 - as above
    """A driver's error with a number first."""


@pytest.mark.parametrize(
    ("cause", "ours"),
    [
        (OfPostgres("57014"), BillingSlow), (OfPostgres("55P03"), BillingSlow),
        (OfPostgres("08006"), BillingDown), (OfPostgres("42P01"), BillingDown),
        (OfMySQL(3024, "88610001"), BillingSlow), (OfMySQL(1969, "88610001"), BillingSlow),
        (OfMySQL(2013, "88610001"), BillingSlow), (OfMySQL(2003, "88610001"), BillingDown),
        (OfMySQL(1146, "88610001"), BillingDown),
    ],
)  # fmt: skip
def test_codes_of_servers_are_told_apart_without_what_was_asked(
    cause: Exception, ours: type[BillingError]
) -> None:
    error = translated(ProgrammingError("SELECT ?", ("88610001",), cause))
    assert type(error) is ours
    assert "88610001" not in str(error)


def every_error(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for below in root.__subclasses__():
        yield from every_error(below)


def test_every_error_of_sqlalchemys_driver_tree_becomes_slow_or_down() -> None:
    tree = list(every_error(DBAPIError))
    assert len(tree) > 5
    for kind in tree:
        assert isinstance(translated(kind("SELECT", None, Exception("x"))), BillingDown)
    assert isinstance(translated(NoConnectionFree()), BillingSlow)
    assert isinstance(translated(ConnectionRefusedError()), BillingDown)
