"""Billing databases with a million accounts, on servers of the bench's own; kept between runs."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pymysql
from psycopg import sql

from ivrd.billing.sample import ITEMS, MonthBill, Subscriber, due_of, month_back
from ivrd.billing.sample_schema import SchemaTables
from ivrd.billing.sample_tables import LAYOUTS_AND_SCHEMAS, Layout, write_sample
from tests.billing.mariadb import MariaServer
from tests.billing.mariadb import programs_at_hand as maria_programs
from tests.billing.places import copy_tables
from tests.store.postgres import Server
from tests.store.postgres import programs_at_hand as postgres_programs

TODAY = date(2026, 11, 21)
LAST = month_back(TODAY, 1)
BATCH = 20_000
"""Accounts that are made and loaded at once."""

Rows: TypeAlias = Mapping[str, Sequence[tuple[Any, ...]]]
Load: TypeAlias = Callable[[Rows], None]


def cache_folder() -> Path:
    """Return where the databases are kept: of this user alone, and where servers may go."""
    named = os.environ.get("IVRD_BENCH_CACHE")
    folder = Path(named or f"{tempfile.gettempdir()}/ivrd-bench-{os.geteuid()}")
    folder.mkdir(exist_ok=True, mode=0o711)
    if folder.stat().st_uid != os.geteuid():
        raise PermissionError(f"{folder} is another's; name one with IVRD_BENCH_CACHE")
    return folder


def phone_of(serial: int) -> str:
    """Return the number of an account; its id is `id_of` of the same."""
    return f"886{serial:07}"


def id_of(serial: int) -> str:
    """Return the key of an account."""
    return str(1_000_000 + serial)


def batches(layout: Layout, accounts: int, months: int) -> Iterator[Rows]:
    """Yield the rows of every table, some accounts at a time, as the sample operator has them."""
    numbers = itertools.count(1)
    for first in range(0, accounts, BATCH):
        made: SchemaTables = LAYOUTS_AND_SCHEMAS[layout](TODAY, True)
        for serial in range(first, min(first + BATCH, accounts)):
            made.add(_subscriber(serial), _bills(serial, months))
        if first == 0:
            made.add_runs([month_back(TODAY, back) for back in range(months, 0, -1)])
        yield {
            name: [row if row[0] is not None else (next(numbers), *row[1:]) for row in rows]
            for name, rows in made.rows.items()
            if rows
        }


def _subscriber(serial: int) -> Subscriber:
    return Subscriber(
        id=int(id_of(serial)), phone=phone_of(serial), agreement=f"{10**11 + serial}",
        password=f"{serial % 10**6:06}", identity=f"33019919800101{serial % 10**4:04}",
        language="zh-CN", product=("PSTN", "ADSL", "MOBILE")[serial % 3],
        group=("HOME", "COMPANY")[serial % 10 == 0],
    )  # fmt: skip


def _bills(serial: int, months: int) -> list[MonthBill]:
    found = []
    for back in range(months, 0, -1):
        month = month_back(TODAY, back)
        amounts = tuple(
            (serial * 37 + item * 1009) % 9000 * ((serial + item) % 4 != 0)
            for item in range(len(ITEMS))
        )
        found.append(MonthBill(month, amounts, serial % 5 != 0, due_of(month)))
    return found


# -- servers -----------------------------------------------------------------------------------


@contextmanager
def sqlite_at(layout: Layout, accounts: int, months: int) -> Iterator[str]:
    """Yield the URL of a SQLite file."""
    file = cache_folder() / f"{layout}-{accounts}-{months}.db"
    if not file.exists():
        beside = file.with_suffix(".part")
        beside.unlink(missing_ok=True)
        write_sample(beside, TODAY, accounts=15, months=months, layout=layout)
        with closing(sqlite3.connect(beside, isolation_level=None)) as to:
            to.execute("PRAGMA journal_mode=OFF")
            to.execute("PRAGMA synchronous=OFF")
            names = to.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            to.execute("BEGIN")
            for (name,) in names:
                to.execute(f'DELETE FROM "{name}"')  # noqa: S608 - names of the sample's own

            def load(rows: Rows) -> None:
                for name, some in rows.items():
                    places = ",".join("?" * len(some[0]))
                    to.executemany(f'INSERT INTO "{name}" VALUES ({places})', some)  # noqa: S608 - as above

            _load_all(load, layout, accounts, months)
            to.execute("COMMIT")
            to.execute("ANALYZE")
        beside.rename(file)
    yield f"sqlite:///{file}"


@contextmanager
def postgresql_at(layout: Layout, accounts: int, months: int) -> Iterator[str | None]:
    """Yield the URL of a database on PostgreSQL, None where that is not installed."""
    programs = postgres_programs()
    if programs is None:
        yield None
        return
    folder = _server_folder("postgresql")
    server = Server(programs, folder)
    if not (folder / "data" / "PG_VERSION").exists():
        server.make()
    server.start()
    try:
        name = f"{layout}_{accounts}_{months}"
        url = f"postgresql+psycopg://ivrd@127.0.0.1:{server.port}/{name}"
        if _is_new(folder, name):
            server.execute(f"DROP DATABASE IF EXISTS {name}")
            server.execute(f"CREATE DATABASE {name}")
            _fill_postgresql(url, layout, accounts, months)
            server.execute("CHECKPOINT")
            (folder / name).touch()
        yield url
    finally:
        server.stop()


def _fill_postgresql(url: str, layout: Layout, accounts: int, months: int) -> None:
    _copy_schema(url, layout, months)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as to:

        def load(rows: Rows) -> None:
            for name, some in rows.items():
                to_table = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))
                with to.cursor() as cursor, cursor.copy(to_table) as copy:
                    for row in some:
                        copy.write_row(row)

        for (name,) in to.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            to.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(name)))
        _load_all(load, layout, accounts, months)
        to.execute("VACUUM ANALYZE")


@contextmanager
def mariadb_at(layout: Layout, accounts: int, months: int) -> Iterator[str | None]:
    """Yield the URL of a database on MariaDB, None where that is not installed."""
    programs = maria_programs()
    if programs is None:
        yield None
        return
    folder = _server_folder("mariadb")
    server = MariaServer(programs, folder, buffer_mb=1024)
    if not (folder / "data" / "mysql").exists():
        server.make()
    server.start()
    try:
        name = f"{layout}_{accounts}_{months}"
        if _is_new(folder, name):
            server.execute(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
            _fill_mariadb(server, name, layout, accounts, months)
            (folder / name).touch()
        yield server.url(name)
    finally:
        server.shut_down()


def _fill_mariadb(
    server: MariaServer, name: str, layout: Layout, accounts: int, months: int
) -> None:
    _copy_schema(server.url(name), layout, months)
    with (
        closing(pymysql.connect(host="127.0.0.1", port=server.port, user="root", database=name,
                                autocommit=True, local_infile=True)) as to,
        to.cursor() as cursor,
        tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="\n") as file,
    ):  # fmt: skip

        def load(rows: Rows) -> None:
            for table, some in rows.items():
                file.seek(0)
                file.truncate()
                file.write(_tab_separated(some))
                file.flush()
                cursor.execute(
                    f"LOAD DATA LOCAL INFILE '{file.name}' INTO TABLE `{table}`"
                    " CHARACTER SET utf8mb4"
                )

        cursor.execute("SHOW TABLES")
        tables = [row[0] for row in cursor.fetchall()]
        for table in tables:
            cursor.execute(f"TRUNCATE `{table}`")
        _load_all(load, layout, accounts, months)
        for table in tables:
            cursor.execute(f"ANALYZE TABLE `{table}`")


def _tab_separated(rows: Sequence[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    for row in rows:
        text.write("\t".join("\\N" if value is None else str(value) for value in row) + "\n")
    return text.getvalue()


def _server_folder(kind: str) -> Path:
    folder = cache_folder() / kind
    folder.mkdir(exist_ok=True)
    return folder


def _is_new(folder: Path, name: str) -> bool:
    return not (folder / name).exists()


def _copy_schema(url: str, layout: Layout, months: int) -> None:
    """Make tables and indexes as the sample has them; a few rows of it come along."""
    folder = Path(tempfile.mkdtemp())
    try:
        write_sample(folder / "small.db", TODAY, accounts=15, months=months, layout=layout)
        copy_tables(folder / "small.db", url)
    finally:
        shutil.rmtree(folder)


def _load_all(load: Load, layout: Layout, accounts: int, months: int) -> None:
    for rows in batches(layout, accounts, months):
        load(rows)
