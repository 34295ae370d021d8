"""Lookups of 32 callers on a million accounts, beside the bare driver in the same run.

The driver executes the same statements, on as many threads and connections, in turn with ivrd. A
lookup is what a call asks: the account of a number, and its bill of the last month. It is timed in
the event loop, from the question to the answer. The callers ask in two ways:

- as callers do, with a pause after each answer: 32 lines that ask for a bill twice a second each,
  some thirty times as busy as lines can be;
- without a pause: 32 lookups are always open, so that each waits for the 31 before it. That is as
  fast as processors, server's and ours, can go, and the time of one lookup is 32 over that.

``python -m bench.lookups --accounts 20000`` is a quick run. The databases are kept in a folder of
the bench (`bench.lookup_data.cache_folder`), and are loaded in bulk the first time.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from sqlalchemy import Engine, Select, make_url

from bench.lookup_data import LAST, id_of, mariadb_at, phone_of, postgresql_at, sqlite_at
from bench.tables import percentile, table
from ivrd.billing.database import Database, Statement
from ivrd.billing.engine import engine_from
from ivrd.billing.entities import Bill
from ivrd.billing.mapping import load_mapping
from ivrd.billing.pool import LookupPool
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import Layout, profile_for

ACCOUNTS = 1_000_000
CALLERS = 32
THREADS = 4
"""As `billing.threads` is where ivrd.toml says nothing: each has a connection."""

PAUSE_S = 0.5
"""Mean of what callers wait between an answer and the next question."""

ROUNDS = 5
BUSY_S = 6.0
"""How long callers ask with pauses, in each round."""

AT_ONCE = 1500
"""Lookups without a pause, in each round."""

LIMIT_S = 30.0

RUNS: tuple[tuple[str, Layout, int, Any], ...] = (
    ("SQLite", "wide", 2, sqlite_at), ("PostgreSQL", "wide", 2, postgresql_at),
    ("MariaDB", "wide", 2, mariadb_at), ("PostgreSQL", "narrow", 1, postgresql_at),
    ("MariaDB", "monthly", 1, mariadb_at),
)  # fmt: skip
"""Server, layout, months of bills, and what gives the database."""

Look = Callable[[int], object]
"""Look up the account with a serial number; raises `LookupError` where nothing is found."""


def measure(_: Path) -> str:
    """Measure every server and layout on a million accounts."""
    return compare(ACCOUNTS, "", ROUNDS)


def compare(accounts: int, only: str, rounds: int) -> str:
    """Measure the servers and layouts that are named so."""
    rows: list[list[object]] = []
    for server, layout, months, database in RUNS:
        if only.lower() not in f"{server}, {layout}".lower():
            continue
        with database(layout, accounts, months) as url:
            if not rounds:  # the databases are only made
                continue
            if url is None:
                rows.append([f"{server}, {layout}", "not installed", *["-"] * 8])
                continue
            with Peers(url, layout, accounts) as peers:
                rows += [
                    [f"{server}, {layout}", *row] for row in asyncio.run(_compare(peers, rounds))
                ]
    title = f"A lookup of {CALLERS} callers on {accounts:,} accounts, {THREADS} connections"
    heads = ["database", "callers", "lookups", "ivrd p50 ms", "ivrd p99 ms", "bare p50 ms",
             "bare p99 ms", "p50 ratio", "p99 ratio", "lookups/s ratio"]  # fmt: skip
    return table(title, heads, rows)


class Peers:
    """ivrd and the bare driver on one database."""

    def __init__(self, url: str, layout: Layout, accounts: int) -> None:
        self.accounts = accounts
        self._url, self._layout = url, layout
        self._open = ExitStack()

    def __enter__(self) -> Peers:
        engine = engine_from(self._url, connections=THREADS)
        self._open.callback(engine.dispose)
        reader = BillingReader(load_mapping(profile_for(self._layout)), engine)
        self._open.callback(self._close_bare)
        self._bare: list[Any] = []
        self._here = threading.local()
        self._reader = reader
        self._statements = statements_of(reader, engine)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def ivrd(self, serial: int) -> object:
        """Look up as the enquiry service does."""
        account = self._reader.find_by_phone(phone_of(serial))
        bill = account and self._reader.bill(account.id, LAST)
        if not isinstance(bill, Bill):
            raise LookupError(f"account {serial} has no bill")  # noqa: TRY004 - of the data
        return bill

    def bare(self, serial: int) -> object:
        """Execute the same statements and fetch their rows, and nothing else."""
        cursor = self._cursor()
        for sql, of in self._statements:
            cursor.execute(sql, of(serial))
            rows = cursor.fetchall()
            if not rows:
                raise LookupError(f"account {serial} has no rows")
        return rows

    def _cursor(self) -> Any:
        """Return a cursor of this thread's own connection: a driver can do no less."""
        if not hasattr(self._here, "connection"):
            self._here.connection = bare_connection(self._url)
            self._bare.append(self._here.connection)
        return self._here.connection.cursor()

    def _close_bare(self) -> None:
        for connection in self._bare:
            connection.close()


def bare_connection(url: str) -> Any:
    """Connect as a program without SQLAlchemy does."""
    at = make_url(url)
    if at.get_backend_name() == "sqlite":
        import sqlite3  # noqa: PLC0415 - beside the others

        return sqlite3.connect(
            f"file:{at.database}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
    if at.get_backend_name() == "postgresql":
        return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
    return pymysql.connect(
        host=at.host or "", port=at.port or 0, user=at.username, database=at.database,
        autocommit=True,
    )  # fmt: skip


class _Noting(Database):
    """Notes each statement, and which of its values are whose."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.noted: list[tuple[Statement, Mapping[str, object]]] = []

    def _compiled(self, query: Select[Any]) -> Statement:
        noted, statement = self.noted, super()._compiled(query)

        class Noted(Statement):
            def __init__(self) -> None:
                self.sql = statement.sql

            def parameters(self, values: Mapping[str, object]) -> Any:
                noted.append((statement, dict(values)))
                return statement.parameters(values)

        return Noted()


def statements_of(reader: BillingReader, engine: Engine) -> list[tuple[str, Callable[[int], Any]]]:
    """Return what ivrd executes in a lookup: each statement, and its values for an account."""
    serial = 7
    kept, noting = reader.database, _Noting(engine)
    reader.database = noting
    account = reader.find_by_phone(phone_of(serial))
    assert account is not None  # noqa: S101 - every account is there
    assert isinstance(reader.bill(account.id, LAST), Bill)  # noqa: S101 - as above
    reader.database = kept

    def of(statement: Statement, values: Mapping[str, object], number: int) -> Any:
        theirs: dict[object, object] = {
            phone_of(serial): phone_of(number), id_of(serial): id_of(number),
            int(id_of(serial)): int(id_of(number)),
        }  # fmt: skip
        return statement.parameters({name: theirs.get(v, v) for name, v in values.items()})

    return [(statement.sql, partial(of, statement, values)) for statement, values in noting.noted]


async def _compare(peers: Peers, rounds: int) -> list[list[object]]:
    """Ask ivrd and the driver in turn, in both ways."""
    draw = random.Random(7)
    pools = {name: LookupPool(THREADS, waiting=CALLERS, limit_s=LIMIT_S) for name in ("i", "b")}
    looks: dict[str, Look] = {"i": peers.ivrd, "b": peers.bare}
    rows = []
    for name, look in looks.items():  # connections are made, statements prepared
        await _at_once(pools[name], look, [draw.randrange(peers.accounts) for _ in range(500)])
    for what, ask in (("pausing", _pausing), ("at once", _at_once)):
        took: dict[str, list[float]] = {"i": [], "b": []}
        wall: dict[str, float] = {"i": 0.0, "b": 0.0}
        for number in range(2 * rounds):
            name = "ib"[(number + number // 2) % 2]
            serials = [draw.randrange(peers.accounts) for _ in range(AT_ONCE)]
            began_s = time.perf_counter()
            took[name] += await ask(pools[name], looks[name], serials)
            wall[name] += time.perf_counter() - began_s
        rows.append(_row(what, took, wall))
    for pool in pools.values():
        pool.close()
    return rows


def _row(what: str, took: Mapping[str, Sequence[float]], wall: Mapping[str, float]) -> list[object]:
    ours, theirs = ([1000 * percentile(took[n], share) for share in (0.5, 0.99)] for n in "ib")
    speed = (len(took["i"]) / wall["i"]) / (len(took["b"]) / wall["b"])
    return [
        f"{what}, {len(took['i']) / wall['i']:,.0f}/s", len(took["i"]), *ours, *theirs,
        ours[0] / theirs[0], ours[1] / theirs[1], speed if what == "at once" else "-",
    ]  # fmt: skip


async def _pausing(pool: LookupPool, look: Look, serials: Sequence[int]) -> list[float]:
    """Let callers ask with pauses for a while."""
    took: list[float] = []
    until_s = time.perf_counter() + BUSY_S
    left = iter(serials)

    async def caller(pause: random.Random) -> None:
        while True:
            await asyncio.sleep(pause.expovariate(1 / PAUSE_S))
            if time.perf_counter() > until_s:
                return
            took.append(await _ask(pool, look, next(left)))

    await asyncio.gather(*(caller(random.Random(n)) for n in range(CALLERS)))
    return took


async def _at_once(pool: LookupPool, look: Look, serials: Sequence[int]) -> list[float]:
    """Let callers ask again as soon as they have heard."""
    took: list[float] = []
    left = iter(serials)

    async def caller() -> None:
        for serial in left:
            took.append(await _ask(pool, look, serial))  # noqa: PERF401 - each waits for its answer

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return took


async def _ask(pool: LookupPool, look: Look, serial: int) -> float:
    """Return how many seconds the answer to one question took."""
    done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    began_s = time.perf_counter()
    pool.submit(partial(look, serial), done.set_result)
    answer = await done
    took_s = time.perf_counter() - began_s
    if isinstance(answer, Exception):
        raise answer
    return took_s


def main() -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description="Lookups, beside the bare driver.")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--only", default="", help="such as MariaDB, or narrow")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="0 only loads the data")
    told = parser.parse_args()
    sys.stdout.write(compare(told.accounts, told.only, told.rounds) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
