"""Looks after imported billing data for the daemon: imports by plan, goes over to what is new."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import structlog

from ivrd.billing.imports.embedded import About, read_about, seen
from ivrd.clock import Clock, Timer
from ivrd.config import Config
from ivrd.errors import BillingDown, IvrdError, arose_at
from ivrd.import_settings import ImportTable
from ivrd.import_times import last_due, next_due, too_old

LOOK_S = 5.0
"""How often is looked for a new file, and for the time of an import."""

RETRY = timedelta(minutes=15)
TRIES = 4
"""How often an import that fails is tried for one planned time."""

_END_S = 5.0
"""How long an import may take to end when the daemon stops."""

_log = structlog.get_logger("ivrd")


@dataclass(frozen=True, slots=True)
class Ran:
    """How an import ended: its exit code, and why it failed."""

    code: int
    why: str = ""


Spawn: TypeAlias = Callable[[], Awaitable[Ran]]


class ImportWatch:
    """To be used in the loop's thread. `go_over` is awaited whenever a new file is in place.

    An import runs in a process of its own, at the lowest priority: no call waits for it.
    """

    def __init__(
        self,
        config: Config,
        table: ImportTable,
        clock: Clock,
        go_over: Callable[[], Awaitable[None]],
        spawn: Spawn | None = None,
    ) -> None:
        if config.billing_file is None:
            raise ValueError("nothing is imported in network mode")
        self._file, self._table, self._clock = config.billing_file, table, clock
        self._go_over = go_over
        self._spawn = spawn or ImportProcess(config)
        self._seen = seen(self._file)
        self._about = self._read()
        self._tried_for: datetime | None = None
        self._tries = 0
        self._retry_at: datetime | None = None
        self.failed: tuple[datetime, str] | None = None
        """When the last import failed, and why; None where it did not."""
        self._import: asyncio.Task[None] | None = None
        self._over: asyncio.Task[None] | None = None
        self._timer: Timer | None = None

    def start(self) -> None:
        """Look from now on; what was missed while nobody looked is imported at once."""
        self._look()

    async def stop(self) -> None:
        """Look no more; an import under way is ended, and the data in use stays."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tasks = [task for task in (self._import, self._over) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _look(self) -> None:
        self._timer = self._clock.call_later(LOOK_S, self._look)
        found = seen(self._file)
        if found != self._seen and (self._over is None or self._over.done()):
            self._seen = found
            self._over = asyncio.create_task(self._change(), name="billing data")
        if self.running:
            return
        planned = self._due(self._clock.now())
        if planned is not None:
            self._import = asyncio.create_task(self._run(planned), name="import")

    def _due(self, now: datetime) -> datetime | None:
        """Return the planned instant for which an import is to run now."""
        planned = last_due(self._table, now)
        if planned is None or (self._about is not None and self._about.as_of >= planned):
            return None
        if self._tried_for != planned:
            return planned
        return planned if self._retry_at is not None and now >= self._retry_at else None

    async def _run(self, planned: datetime) -> None:
        self._tries = self._tries + 1 if self._tried_for == planned else 1
        self._tried_for, self._retry_at = planned, None
        _log.info("import_begins", planned=planned.isoformat(timespec="minutes"), turn=self._tries)
        try:
            ran = await self._spawn()
        except OSError as error:
            ran = Ran(1, f"no process for it: {error.strerror}")
        now = self._clock.now()
        if ran.code == 0:
            self.failed = None
            self._about = self._read()
            _log.info("import_done", rows=dict(self._about.rows) if self._about else {})
            return
        self.failed = (now, ran.why)
        if self._tries < TRIES:
            self._retry_at = now + RETRY
        again = self._retry_at or next_due(self._table, now)
        _log.error("import_failed", why=ran.why, code=ran.code,
                   again=again.isoformat(timespec="minutes") if again else None)  # fmt: skip

    async def _change(self) -> None:
        """Let the daemon go over to a new file; one that does not fit changes nothing."""
        try:
            await self._go_over()
        except IvrdError as error:
            for line in str(error).splitlines():
                _log.error("billing_data_not_used", why=line)
            return
        except Exception as error:  # else nobody is told that callers hear old data
            _log.error("billing_data_not_used", why=type(error).__name__, at=arose_at(error))
            return
        self._about = self._read()
        if self._about is not None:
            if self.failed and self._about.as_of > self.failed[0]:
                self.failed = None
            _log.info("billing_data", as_of=self._about.as_of.isoformat(timespec="seconds"),
                      rows=dict(self._about.rows), refused=dict(self._about.refused))  # fmt: skip

    def _read(self) -> About | None:
        try:
            return read_about(self._file)
        except BillingDown:
            return None  # calls are told, and the check at the start has said so

    @property
    def running(self) -> bool:
        """Whether an import of this daemon's is under way."""
        return self._import is not None and not self._import.done()

    @property
    def age_s(self) -> float | None:
        """How old the data is, in seconds; None without any."""
        if self._about is None:
            return None
        return (self._clock.now() - self._about.as_of).total_seconds()

    def view(self) -> dict[str, Any]:
        """Return how the data is, for people and programs."""
        now, about = self._clock.now(), self._about
        planned = next_due(self._table, now)
        return {
            "as_of": about.as_of.isoformat(timespec="seconds") if about else None,
            "age_s": round(self.age_s) if self.age_s is not None else None,
            "old": about is None or too_old(self._table, about.as_of, now),
            "rows": dict(about.rows) if about else {},
            "refused": dict(about.refused) if about else {},
            "next": planned.isoformat(timespec="minutes") if planned else None,
            "running": self.running,
            "failed_at": self.failed[0].isoformat(timespec="seconds") if self.failed else None,
            "why": self.failed[1] if self.failed else "",
        }


class ImportProcess:
    """`ivrd import` in a process of its own."""

    def __init__(self, config: Config) -> None:
        self._command = [
            sys.executable, "-c", "from ivrd.cli import main; main()", "--config",
            str(config.path), "import", "--scheduled", "--json",
        ]  # fmt: skip

    async def __call__(self) -> Ran:
        """Run it to its end; cancelled, end it."""
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            out, _ = await process.communicate()
        except asyncio.CancelledError:
            await _end(process)
            raise
        return Ran(process.returncode or 0, _why(out) if process.returncode else "")


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _END_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _why(out: bytes) -> str:
    try:
        return str(json.loads(out)["error"])
    except (ValueError, KeyError, TypeError):
        return "it ended without a word"
