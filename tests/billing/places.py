"""Billing databases of tests: the same sample on SQLite, PostgreSQL and MariaDB servers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
from sqlalchemy import Engine, MetaData, String, Text, create_engine, insert, select, text

from ivrd.billing.engine import engine_from
from tests.billing.mariadb import MariaServer, maria_server
from tests.billing.mariadb import programs_at_hand as maria_programs
from tests.store.postgres import Server, server
from tests.store.postgres import programs_at_hand as postgres_programs

PASSWORD = "hear-no-secret"  # noqa: S105 - of a server that lives as long as the test
_NAMES = itertools.count(1)


class BillingServer(Protocol):
    """A server with billing databases on it, and the account `reader`, which may only read."""

    kind: str
    start: Callable[[], None]
    stop: Callable[[], None]

    def new(self) -> str:
        """Make a database that `reader` may read, and return its owner's URL."""

    def reader_url(self, owner_url: str) -> str:
        """Return the URL by which `reader` opens it."""

    def set_password(self, password: str) -> None:
        """Give `reader` another password."""

    def drop_connections(self) -> None:
        """Break every connection of `reader`."""


class OnPostgres:
    """Billing databases on a PostgreSQL server."""

    kind = "postgresql"

    def __init__(self, running: Server) -> None:
        self._running = running
        self.start, self.stop = running.start, running.stop
        running.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        with psycopg.connect(self._administrator(), autocommit=True) as connection:
            found = connection.execute("SHOW hba_file").fetchone()
            assert found
            hba = Path(found[0])
            rule = "host all reader 127.0.0.1/32 scram-sha-256\n"
            hba.write_text(rule + hba.read_text("utf-8"), encoding="utf-8")
            connection.execute("SELECT pg_reload_conf()")

    def _administrator(self) -> str:
        return f"host=127.0.0.1 port={self._running.port} user=ivrd dbname=postgres"

    def new(self) -> str:
        url = self._running.new_url()
        owner = create_engine(url)
        with owner.begin() as connection:
            connection.execute(text(
                "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader"
            ))  # fmt: skip
        owner.dispose()
        return url

    def reader_url(self, owner_url: str) -> str:
        return owner_url.replace("//ivrd@", "//reader@")

    def set_password(self, password: str) -> None:
        self._running.execute(f"ALTER ROLE reader PASSWORD '{password}'")

    def drop_connections(self) -> None:
        self._running.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'"
        )


class OnMariaDB:
    """Billing databases on a MariaDB server."""

    kind = "mariadb"

    def __init__(self, running: MariaServer) -> None:
        self._running = running
        self.start, self.stop = running.start, running.stop
        running.execute(f"CREATE USER reader@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")

    def new(self) -> str:
        name = f"billing_{next(_NAMES)}"
        self._running.execute(
            f"CREATE DATABASE {name}", f"GRANT SELECT ON {name}.* TO reader@'127.0.0.1'"
        )
        return self._running.url(name)

    def reader_url(self, owner_url: str) -> str:
        return owner_url.replace("//root@", "//reader@")

    def set_password(self, password: str) -> None:
        self._running.execute(f"SET PASSWORD FOR reader@'127.0.0.1' = PASSWORD('{password}')")

    def drop_connections(self) -> None:
        self._running.execute("KILL CONNECTION USER reader@'127.0.0.1'")


@contextmanager
def on_postgres() -> Iterator[OnPostgres | None]:
    """Yield a running server, None where PostgreSQL is not installed."""
    programs = postgres_programs()
    if programs is None:
        yield None
        return
    with server(programs) as running:
        yield OnPostgres(running)


@contextmanager
def on_mariadb() -> Iterator[OnMariaDB | None]:
    """Yield a running server, None where MariaDB is not installed."""
    programs = maria_programs()
    if programs is None:
        yield None
        return
    with maria_server(programs) as running:
        yield OnMariaDB(running)


SERVERS = {
    "postgresql": (on_postgres, "PostgreSQL is not installed (apt-get install postgresql)"),
    "mariadb": (on_mariadb, "MariaDB is not installed (apt-get install mariadb-server)"),
}
KINDS = ("sqlite", *SERVERS)


def copy_tables(file: Path, url: str) -> None:
    """Copy every table of a SQLite file, with its rows and indexes, to another database."""
    source, target = create_engine(f"sqlite:///{file}"), create_engine(url)
    tables = MetaData()
    tables.reflect(source)
    for table in tables.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, Text):
                column.type = String(64)  # MariaDB has no index on text without a length
    tables.create_all(target)
    with source.connect() as old, target.begin() as new:
        for table in tables.sorted_tables:
            rows = [dict(row) for row in old.execute(select(table)).mappings()]
            if rows:
                new.execute(insert(table), rows)
    source.dispose()
    target.dispose()


def reader_engine(url: str, **options: float) -> Engine:
    """Open a billing database as ivrd does."""
    password = "BILLING" if "//reader@" in url else None
    return engine_from(
        url, password_env=password, environment={"BILLING": PASSWORD}, **options  # type: ignore[arg-type]  # only numbers
    )  # fmt: skip


def change(url: str, *statements: str) -> None:
    """Change a database as its owner does."""
    owner = create_engine(url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    owner.dispose()
