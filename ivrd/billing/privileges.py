"""What the account of the billing database may do, beyond reading."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, Engine, func, select

_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|TRIGGER|ALL PRIVILEGES|SUPER)\b")
_GRANT = re.compile(r"^GRANT (?P<what>.+?) ON (?P<where>\S+) TO ", re.IGNORECASE)


def may_write(engine: Engine, tables: Iterable[str], schema: str | None) -> list[str]:
    """Return what the account could change: tables, or the database's own words for a grant.

    Empty, too, for SQLite, whose files are opened read-only, and for servers that are not asked.
    """
    ask = {"postgresql": _of_postgresql, "mysql": _of_mysql, "mariadb": _of_mysql}
    if engine.dialect.name not in ask:
        return []
    with engine.connect() as connection:
        return list(ask[engine.dialect.name](connection, tables, schema))


def _of_postgresql(
    connection: Connection, tables: Iterable[str], schema: str | None
) -> Iterator[str]:
    quote = connection.dialect.identifier_preparer.quote
    for name in tables:
        whole = f"{quote(schema)}.{quote(name)}" if schema else quote(name)
        writes = func.has_table_privilege(whole, "INSERT, UPDATE, DELETE, TRUNCATE")
        if connection.execute(select(writes)).scalar_one():
            yield name


def _of_mysql(connection: Connection, tables: Iterable[str], schema: str | None) -> Iterator[str]:
    del tables
    database = schema or str(connection.engine.url.database)
    for (grant,) in connection.exec_driver_sql("SHOW GRANTS"):
        found = _GRANT.match(grant)
        if not found or not _WRITES.search(found["what"].upper()):
            continue
        where = found["where"].replace("`", "").replace("\\", "")
        if where == "*.*" or where.split(".")[0] == database:
            yield f"{found['what']} on {where}"
