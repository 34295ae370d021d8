"""A daemon with the JSON interface on a real socket, its time in the tests' hands."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp

from ivrd.control.api.clients import Client, changing, clients_file
from ivrd.control.api.live import Live
from ivrd.control.api.server import ApiServer
from ivrd.control.api.tokens import digest, new_token
from ivrd.control.listener import Listener
from ivrd.daemon import Daemon
from tests.control.conftest import daemon_with
from tests.test_watch_stream import SETTINGS

A_DAY = datetime(2026, 11, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
"""The sample's bills end with October 2026."""

PASSWORD = "123456"  # noqa: S105 - of the sample, where everybody has it
"""Of every subscriber of the sample."""

API = '\n[api]\nlisten = "127.0.0.1:0"\n'


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["Content-Type"].startswith("application/problem+json")
        assert self.body["status"] == self.status
        return str(self.body["code"])


@dataclass
class Office:
    """The daemon, its interface, and somebody who asks."""

    daemon: Daemon
    listener: Listener
    live: Live
    server: ApiServer
    session: aiohttp.ClientSession
    billing: Path
    now_s: float = 0.0
    now: datetime = NOW
    tokens: dict[str, str] = field(default_factory=dict)
    paused_s: list[float] = field(default_factory=list)

    async def pause(self, seconds: float) -> None:
        """Wait without waiting."""
        self.paused_s.append(seconds)

    def add(self, name: str, **bound: Any) -> str:
        """Add a client, by default one that may ask everything of every account."""
        token = self.tokens[name] = new_token()
        said = {
            "may": ["bills", "details", "arrears"],
            "accounts": "any",
            "rate": "1000/s",
            **bound,
        }
        with changing(clients_file(self.daemon.config)) as (clients, write):
            write({**clients, name: Client(token_sha256=digest(token), added=A_DAY, **said)})
        self.later(2)
        return token

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    async def ask(
        self, path: str, by: str | None = "any", method: str = "GET", **more: Any
    ) -> Answer:
        """Ask as a client; by None, without a token."""
        headers = dict(more.pop("headers", {}))
        if by is not None:
            headers.setdefault("Authorization", f"Bearer {self.tokens[by]}")
        url = f"http://127.0.0.1:{self.listener.port}{path}"
        async with self.session.request(method, url, headers=headers, **more) as answer:
            kind = answer.content_type
            told = await (answer.json(content_type=None) if "json" in kind else answer.text())
            return Answer(answer.status, answer.headers, told)

    async def find(self, by: str = "any", **asked: str) -> Answer:
        """Ask for an account."""
        return await self.ask("/api/v1/accounts", by, "POST", json=asked)

    async def handle(self, phone: str = "88610001", by: str = "any") -> str:
        """Return a handle for an account."""
        found = await self.find(by, phone=phone, proof=PASSWORD)
        assert found.status == 200, found.body
        return str(found.body["account"])

    def put(self, database: Path | None) -> None:
        """Put another billing database in the place of this one, or none."""
        self.daemon.parts.reader.database.engine.dispose()
        self.billing.unlink(missing_ok=True)
        if database is not None:
            shutil.copy(database, self.billing)


@asynccontextmanager
async def office(
    database: Path, folder: Path, more: str = "", api: str = API
) -> AsyncIterator[Office]:
    """Run a daemon on a copy of a database, with a client ``any`` that may ask everything."""
    billing = Path(shutil.copy(database, folder / "billing.db"))
    settings = SETTINGS.format(db=billing).replace("[[card]]", f"{more}\n[[card]]", 1) + api
    made: list[Office] = []

    async def pause(seconds: float) -> None:
        await made[0].pause(seconds)

    def before(daemon: Daemon) -> None:
        table = daemon.config.api
        assert table is not None
        live = Live(daemon.config, table, lambda: made[0].now_s if made else 0.0)
        listener = Listener("api.listen", table.listen)
        listener.tls = live.tls
        server = ApiServer(
            daemon, table, live, listener, lambda: made[0].now_s, lambda: made[0].now,
            pause,
        )  # fmt: skip
        made.append(Office(daemon, listener, live, server, aiohttp.ClientSession(), billing))

    try:
        async with daemon_with(settings, before) as daemon:
            here = made[0]
            here.server.start()
            await here.listener.start()
            here.add("any")
            try:
                yield here
            finally:
                await here.session.close()
                await here.listener.stop()
            assert daemon is here.daemon
    finally:
        for one in made:
            await one.session.close()
