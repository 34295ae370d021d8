"""Connections that are kept between lookups: let go with the engine, never all, never for ever."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ivrd.billing.kept import kept_of
from ivrd.billing.mapping import load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import Layout, profile_for


@pytest.fixture
def file(samples: dict[Layout, Path], tmp_path: Path) -> Path:
    copy = tmp_path / "copy.db"
    copy.write_bytes(samples["wide"].read_bytes())
    return copy


def reader_on(engine: Engine) -> BillingReader:
    return BillingReader(load_mapping(profile_for("wide")), engine)


def times_open(file: Path) -> int:
    """Return how often this process has a file open."""
    found = 0
    for handle in Path("/proc/self/fd").iterdir():
        try:
            found += handle.readlink() == file
        except OSError:
            continue  # closed since
    return found


def test_one_is_used_again_and_again(file: Path, engine_on: Callable[..., Engine]) -> None:
    reader = reader_on(engine_on(file))
    for _ in range(20):
        assert reader.find_by_phone("88610001")
    assert times_open(file) == 1


def test_the_engine_lets_go_of_those_that_are_kept(
    file: Path, engine_on: Callable[..., Engine]
) -> None:
    engine = engine_on(file)
    reader = reader_on(engine)
    assert reader.find_by_phone("88610001")
    engine.dispose()
    assert times_open(file) == 0
    assert reader.find_by_phone("88610001"), "and another is made when it is needed"


def test_one_under_way_while_the_engine_lets_go_is_not_kept(
    file: Path, engine_on: Callable[..., Engine]
) -> None:
    engine = engine_on(file)
    reader = reader_on(engine)
    reader.database.ask(lambda _: engine.dispose())
    assert not kept_of(engine).free


def test_whoever_else_uses_the_engine_finds_a_connection(
    file: Path, engine_on: Callable[..., Engine]
) -> None:
    for connections in (1, 2):
        engine = engine_on(file, connections=connections, time_limit_s=0.05)
        assert reader_on(engine).find_by_phone("88610001")
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1


def test_readers_of_one_engine_share_what_is_kept(
    file: Path, engine_on: Callable[..., Engine]
) -> None:
    engine = engine_on(file, connections=2, time_limit_s=0.05)
    one, other = reader_on(engine), reader_on(engine)
    assert one.find_by_phone("88610001")
    assert other.database.ask(lambda _: one.find_by_phone("88610001")), "two at the same time"
    assert one.database.ask(lambda _: other.find_by_phone("88610001"))


def test_a_file_that_was_replaced_is_noticed_when_its_connection_is_old(
    file: Path, engine_on: Callable[..., Engine]
) -> None:
    engine = engine_on(file)
    reader = reader_on(engine)
    assert reader.find_by_phone("88610001")
    newer = file.with_name("newer.db")
    newer.write_bytes(file.read_bytes())
    with closing(sqlite3.connect(newer)) as connection, connection:
        connection.execute("UPDATE TB_SERV SET ACC_NBR = '99' WHERE ACC_NBR = '88610001'")
    newer.replace(file)
    assert reader.find_by_phone("99") is None, "not before its time"
    (kept,) = kept_of(engine).free
    kept.since_s -= 61
    assert reader.find_by_phone("99")
