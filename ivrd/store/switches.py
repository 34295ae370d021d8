"""Switches that survive a restart: the kill switch, and dunning on a line by operator's word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from ivrd.store.tables import switches

KILL = "kill"
"""While it is on, nobody at all is dialled (product D13)."""


@dataclass(frozen=True, slots=True)
class Switch:
    """How a switch stands, who set it, and why."""

    name: str
    on: bool
    at: datetime
    by: str
    why: str | None


_IS_ON = select(switches.c.on).where(switches.c.name == bindparam("called"))
_ALL = select(switches).order_by(switches.c.name)
_SET = update(switches).where(switches.c.name == bindparam("called"))
_NEW = insert(switches)


def line_switch(node: str, line: int) -> str:
    """Return the name of the switch that holds dunning on a line."""
    return f"line:{node}:{line}"


def is_on(tx: Connection, name: str) -> bool:
    """Return whether a switch is on; one that was never set is off."""
    return bool(tx.execute(_IS_ON, {"called": name}).scalar())


def set_switch(
    tx: Connection, now: datetime, name: str, on: bool, by: str, why: str | None = None
) -> None:
    """Set a switch; `by` is who did it."""
    values = {"on": on, "at": now, "by": by, "why": why}
    if not tx.execute(_SET, {"called": name, **values}).rowcount:
        tx.execute(_NEW, {"name": name, **values})


def all_switches(tx: Connection) -> dict[str, Switch]:
    """Return every switch that was ever set, by name."""
    return {row["name"]: Switch(**row) for row in tx.execute(_ALL).mappings()}
