"""Bringing the store's tables up to date, whoever opens it first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, select, text

from ivrd.errors import StoreError
from ivrd.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0002"
"""The version of the tables in `ivrd.store.tables`."""

PLACE = "ivrd.store:migrations"
"""Where the steps are, as package and folder: found in a wheel as in a checkout."""

VERSION_TABLE = "ivrd_version"
"""Where a store says its version; the column is Alembic's."""

_LONG_S = 3600
"""Seconds that a step may take, and that a second one who opens waits for it."""

_NAME = 0x69767265
"""The name of PostgreSQL's advisory lock of one who migrates."""

_version = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))
_VERSION = select(_version.c.version_num)

_one = threading.Lock()
"""Alembic keeps what it works on in its own module."""


def bring_up(engine: Engine) -> None:
    """Make the tables of a new store, or carry an old one's up to this version.

    Of several processes one does it and the others wait. Raises `StoreError` for a store of a
    newer ivrd, and for a database that holds something else; both are left as they are.
    """
    with engine.connect() as connection:
        found = version_of(connection)
    if found == HEAD:
        return
    with _one, _alone(engine) as connection:
        _bring_up(connection, version_of(connection))


def version_of(tx: Connection) -> str | None:
    """Return the version of the tables, None where there are none of ours.

    Raises `StoreError` where tables of the same names are not ours.
    """
    names = set(inspect(tx).get_table_names())
    if VERSION_TABLE in names:
        found: str | None = tx.execute(_VERSION).scalar()
        return found
    foreign = sorted(names & set(metadata.tables))
    if foreign:
        raise StoreError(
            f"the database has a table {foreign[0]} that is not ivrd's; expected a database of"
            " the store's own"
        )
    return None


def steps() -> list[str]:
    """Return the versions that this ivrd knows, oldest first."""
    # Alembic takes a tenth of a second to import, and most stores are up to date
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as said

    script = ScriptDirectory.from_config(_config())
    return [step.revision for step in reversed(list(script.walk_revisions()))]


def _bring_up(tx: Connection, found: str | None) -> None:
    if found == HEAD:
        return
    if found is not None:
        known = steps()
        if found not in known:
            raise StoreError(
                f"the store is of version {found}, of a newer ivrd; this one knows up to {HEAD}"
            )
    from alembic import command  # noqa: PLC0415 - as above

    config = _config()
    config.attributes.update(connection=tx, version_table=VERSION_TABLE)
    command.upgrade(config, HEAD)


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", PLACE)
    return config


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that no other migration overlaps, and commit it."""
    with engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        if engine.dialect.name != "sqlite":
            # a session's lock, taken before the transaction sees anything
            connection.execute(text(f"SET statement_timeout = '{_LONG_S}s'"))
            connection.execute(text(f"SET lock_timeout = '{_LONG_S}s'"))
            connection.execute(text("SELECT pg_advisory_lock(:name)"), {"name": _NAME})
            connection.commit()
            try:
                yield connection
                connection.commit()
            finally:
                # its settings and its lock go with it
                connection.invalidate()
            return
        try:
            # a table that is made anew must not take along the rows that refer to it
            raw.execute("PRAGMA foreign_keys = OFF")
            raw.execute(f"PRAGMA busy_timeout = {_LONG_S * 1000}")
            raw.execute("BEGIN IMMEDIATE")
            # Alembic then sees that a transaction is under way
            connection.begin()
            yield connection
            if raw.execute("PRAGMA foreign_key_check").fetchone():
                raise StoreError("a step left rows that refer to nothing; nothing was changed")
            connection.commit()
        finally:
            connection.rollback()
            if engine.url.database:
                connection.invalidate()
            else:
                raw.execute("PRAGMA foreign_keys = ON")
