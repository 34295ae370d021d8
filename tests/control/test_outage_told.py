"""A billing database that goes and comes back: the log, `ivrd status` and /readyz all say so."""

from __future__ import annotations

import asyncio
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ivrd.cli.status import billing_told
from ivrd.control.health import Health, as_json
from ivrd.control.views import status_view
from ivrd.daemon import Daemon
from ivrd.events import Data
from ivrd.flow.actions import Answer
from tests.control.conftest import daemon_with, until
from tests.test_watch_stream import SETTINGS


async def asked(daemon: Daemon, name: str, args: Data) -> str:
    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    daemon.actions.start(name, args, answer.set_result)
    return (await answer).event


async def readyz(daemon: Daemon) -> dict[str, Any]:
    health = Health(daemon)
    try:
        told: dict[str, Any] = as_json(await health.checks())
        billing: dict[str, Any] = told["checks"]["billing"]
        return billing
    finally:
        health.close()


async def test_an_outage_is_told_everywhere_once_and_is_over_without_a_caller(
    sample_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivrd.billing.outages.RETRY_S", 0.05)
    monkeypatch.setattr("ivrd.billing.outages.RETRY_MOST_S", 0.05)
    monkeypatch.setattr("ivrd.billing.watch.LOOK_S", 0.02)
    billing = Path(shutil.copy(sample_db, tmp_path / "billing.db"))
    with capture_logs() as logs:
        async with daemon_with(SETTINGS.format(db=billing)) as daemon:
            find = {"number": "88610001"}
            name = next(name for name, action in daemon.parts.registry.items()
                        if action.blocking and set(action.takes) <= set(find))  # fmt: skip
            engine = daemon.parts.reader.database.engine
            assert await asked(daemon, name, find) == "U_OK"
            assert await readyz(daemon) == {"ok": True, "why": ""}
            engine.dispose()
            away = billing.rename(tmp_path / "away.db")  # noqa: ASYNC240 - nobody else waits here
            for _ in range(3):
                assert await asked(daemon, name, find) == "U_DOWN"
            view = status_view(daemon)
            since = view["billing"]["since"]
            assert view["billing"]["state"] == "down"
            assert "unable to open database file" in view["billing"]["why"]
            assert view["billing_outage"]["failed"] == 3
            assert datetime.fromisoformat(since).utcoffset() == timedelta(hours=8)
            shown = billing_told(view["billing"], view["billing_outage"])
            assert shown.startswith(f"down since {since}: unable to open")
            assert "3 lookups failed, tried again at 20" in shown
            check = await readyz(daemon)
            assert (check["ok"], check["since"]) == (False, since)
            assert "unable to open" in check["why"]
            away.rename(billing)
            await until(lambda: daemon.billing.state == "up")
            view = status_view(daemon)
            shown = billing_told(view["billing"], view["billing_outage"])
            assert shown.startswith("up since 20")
            assert "was down for" in shown
            assert await readyz(daemon) == {"ok": True, "why": ""}
    told = [log for log in logs if log["event"].startswith("billing_")]
    assert [log["event"] for log in told] == ["billing_away", "billing_back"]
    assert told[0]["since"] == told[1]["since"] == since
    assert told[1]["failed"] == 3
    assert told[1]["lasted_s"] >= 0
