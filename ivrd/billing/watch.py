"""Looks after the billing database for the daemon: tells outages in the log, tries again alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from ivrd.billing.database import Database
from ivrd.billing.outages import Outage
from ivrd.billing.pool import LookupPool
from ivrd.errors import BillingError

LOOK_S = 1.0
"""How often is looked whether what failed is to be tried again."""

_log = structlog.get_logger("ivrd")


class BillingWatch:
    """Ends outages without callers: what failed is repeated in the lookups' threads."""

    def __init__(self, database: Database, pool: LookupPool) -> None:
        self._database = database
        self._pool = pool
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with a look whether the database answers at all."""
        self._database.outages.tell = tell
        self._task = asyncio.create_task(self._look(), name="billing")

    async def stop(self) -> None:
        """Look no more; safe to repeat."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        await self._aside(self._probe)
        outages = self._database.outages
        while True:
            await asyncio.sleep(LOOK_S)
            outages.settle()
            if outages.due:
                await self._aside(self._database.try_again)

    def _probe(self) -> None:
        try:
            self._database.probe()
        except BillingError:
            return  # it is noted, and told

    async def _aside(self, work: Callable[[], None]) -> None:
        """Do something in the lookups' threads, and wait for it no longer than for a lookup."""
        done = asyncio.Event()
        self._pool.submit(work, lambda _: done.set())
        await done.wait()


def tell(outage: Outage) -> None:
    """Write an outage into the daemon's log: one line when it begins, one when it is over."""
    since = outage.since.isoformat(timespec="seconds")
    if outage.until is None:
        _log.warning("billing_away", state=outage.state, why=outage.why, since=since)
    else:
        _log.info("billing_back", state=outage.state, why=outage.why, since=since,
                  until=outage.until.isoformat(timespec="seconds"),
                  lasted_s=round(outage.lasted_s or 0.0, 1), failed=outage.failed)  # fmt: skip
