"""Whether this daemon can serve: a card open, the billing data reachable, the store writable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, insert
from sqlalchemy.exc import SQLAlchemyError

from ivrd.control.aside import Aside
from ivrd.daemon import Daemon
from ivrd.errors import IvrdError
from ivrd.store.tables import switches

KEPT_S = 2.0
"""How long an answer stands: who asks often does not burden the databases."""

LIMIT_S = 4.0
"""How long a database may take before it counts as away."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be there, and why it is not."""

    ok: bool
    why: str = ""
    since: str | None = None
    """Since when it is so, where that is known."""


class Health:
    """Looks at what the daemon needs. One look at a time, whoever asks."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._aside = Aside(threads=2, limit_s=LIMIT_S)
        self._turn = asyncio.Lock()
        self._found: dict[str, Check] = {}
        self._until_s = 0.0

    async def checks(self) -> dict[str, Check]:
        """Return every check by its name."""
        async with self._turn:
            if time.monotonic() >= self._until_s:
                billing, store = await asyncio.gather(
                    self._try(self._ask_billing), self._try(self._write_store)
                )
                billing = self._with_outage(billing)
                self._found = {"card": self._card(), "billing": billing, "store": store}
                self._until_s = time.monotonic() + KEPT_S
            return self._found

    def close(self) -> None:
        """Look no more."""
        self._aside.close()

    def _card(self) -> Check:
        daemon = self._daemon
        if daemon.stopping:
            return Check(ok=False, why="the daemon stops")
        if any(state.open for state in daemon.cards.values()):
            return Check(ok=True)
        reasons = [f"{name}: {state.reason}" for name, state in daemon.cards.items()]
        return Check(ok=False, why="no card is open; " + "; ".join(reasons))

    async def _try(self, look: Callable[[], None]) -> Check:
        try:
            await self._aside.run(look)
        except IvrdError as error:
            return Check(ok=False, why=str(error))
        except (SQLAlchemyError, OSError) as error:
            return Check(ok=False, why=type(error).__name__)
        return Check(ok=True)

    def _ask_billing(self) -> None:
        self._daemon.parts.reader.database.probe()

    def _with_outage(self, billing: Check) -> Check:
        """Say since when and why: of a database that answers while some lookups fail, too."""
        outage = self._daemon.billing.outage_view()
        if outage is None or outage["until"]:
            return billing
        why = (
            f"the billing database is {outage['state']}: {outage['why']};"
            f" {outage['failed']} lookups failed, tried again at {outage['next_try']}"
        )
        return Check(billing.ok, why, outage["since"])

    def _write_store(self) -> None:
        """Write a row and take it away again, in one transaction: the disk has to take both."""
        store = self._daemon.parts.store
        name = f"health:{self._daemon.config.node.name}"

        def write(tx: Connection) -> None:
            row = {"name": name, "on": False, "at": store.now(), "by": "health", "why": None}
            tx.execute(delete(switches).where(switches.c.name == name))
            tx.execute(insert(switches), row)
            tx.execute(delete(switches).where(switches.c.name == name))

        store.transact(write, retry=2)


def as_json(checks: dict[str, Check]) -> dict[str, object]:
    """Return what /readyz says."""
    ready = all(check.ok for check in checks.values())
    return {"ready": ready, "checks": {name: _told(check) for name, check in checks.items()}}


def _told(check: Check) -> dict[str, object]:
    return {name: value for name, value in asdict(check).items() if name != "since" or value}
