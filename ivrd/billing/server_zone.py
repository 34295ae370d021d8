"""The time zone in which a server tells instants: days and months begin there.

A column of instants (timestamptz of PostgreSQL, TIMESTAMP of MySQL and MariaDB) has no zone of its
own. A server that is asked for its day tells that of its session, which may be its hoster's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, event

_OPTION = "ivrd.zone"
"""Under this name an engine's options have the zone of its sessions."""

_SET = {"postgresql": "SET TIME ZONE '{}'", "mysql": "SET time_zone = '{}'",
        "mariadb": "SET time_zone = '{}'"}  # fmt: skip


def tell_in(engine: Engine, zone: str) -> None:
    """Let the sessions of an engine tell instants in a zone; connections of before are let go."""
    said = _SET.get(engine.dialect.name)
    if said is None or engine.get_execution_options().get(_OPTION) == zone:
        return
    first = _OPTION not in engine.get_execution_options()
    engine.update_execution_options(**{_OPTION: zone})
    engine.dispose()
    if not first:
        return
    error: type[Exception] = engine.dialect.loaded_dbapi.Error

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        wanted: str = engine.get_execution_options()[_OPTION]
        cursor = connection.cursor()
        try:
            for name in (wanted, *_offset(wanted)):
                try:
                    cursor.execute(said.format(name))
                except error:
                    continue  # MySQL knows names only where its tables of zones were filled
                return
        finally:
            cursor.close()


def _offset(zone: str) -> list[str]:
    """Return what a zone is ahead of UTC, as MySQL writes it; nothing where that changes."""
    of = ZoneInfo(zone)
    year = datetime.now(of).year
    ahead = {f"{datetime(year, month, 1, tzinfo=of):%z}" for month in range(1, 13)}
    return [f"{one[:3]}:{one[3:5]}" for one in ahead] if len(ahead) == 1 else []
