"""/metrics, /healthz and /readyz of a daemon that runs: figures that are right, and no names."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ivrd.config import load_config
from ivrd.control.health import Health
from ivrd.control.listener import Listener
from ivrd.control.metrics_server import MetricsServer
from ivrd.control.run import run_daemon
from ivrd.daemon import Daemon
from ivrd.dunning.gate import Reason
from ivrd.errors import ControlError
from ivrd.store.switches import all_switches
from sim.party import Party
from tests.control.conftest import card_of, daemon_with, until
from tests.test_watch_stream import SETTINGS

METRICS = '\n[metrics]\nlisten = "127.0.0.1:{port}"\n'
DUNNING = '\n[dunning]\ncaller_id = "170"\n'


class Watched:
    """A daemon with its listener, and what it answers."""

    def __init__(self, daemon: Daemon, server: MetricsServer, port: int) -> None:
        self.daemon = daemon
        self.server = server
        self.port = port

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Return status and text of an answer."""
        url = f"http://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            return answer.status, await answer.text()

    async def figures(self) -> dict[str, float]:
        """Return every sample, by its name with its labels."""
        status, text = await self.get("/metrics")
        assert status == 200
        return {
            sample.name + "".join(f" {k}={v}" for k, v in sorted(sample.labels.items())):
                sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples
        }  # fmt: skip

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """Return what /readyz says now, whatever it said just before."""
        health = self.server._health  # noqa: SLF001 - so that no test waits
        assert isinstance(health, Health)
        health._until_s = 0.0  # noqa: SLF001 - as above
        status, text = await self.get("/readyz")
        return status, json.loads(text)["checks"]


@pytest.fixture
def billing(sample_db: Path, tmp_path: Path) -> Path:
    """Give a copy of the sample database that the test may take away."""
    return Path(shutil.copy(sample_db, tmp_path / "billing.db"))


@pytest.fixture
async def watched(billing: Path) -> AsyncIterator[Watched]:
    settings = SETTINGS.format(db=billing) + DUNNING
    listener = Listener("metrics.listen", "127.0.0.1:0")
    made: list[MetricsServer] = []
    async with daemon_with(
        settings, lambda daemon: made.append(MetricsServer(daemon, listener))
    ) as daemon:
        made[0].start()
        await listener.start()
        try:
            yield Watched(daemon, made[0], listener.port)
        finally:
            await listener.stop()
            made[0].stop()


async def test_calls_events_and_lookups_are_counted(watched: Watched) -> None:
    daemon = watched.daemon
    leg = card_of(daemon).call("88610001", "170", Party())
    assert leg is not None
    await until(lambda: daemon.lines[1].talk is not None)
    figures = await watched.figures()
    assert figures["ivrd_calls_now direction=in"] == 1
    assert figures["ivrd_lines state=in call"] == 1
    assert figures["ivrd_lines state=idle"] == 1
    leg.hang_up()
    await until(lambda: daemon.tally.calls == 1)
    figures = await watched.figures()
    assert figures["ivrd_calls_total direction=in ended_by=caller"] == 1
    assert figures["ivrd_call_seconds_count direction=in"] == 1
    assert figures["ivrd_lines state=idle"] == 2
    assert figures["ivrd_event_seconds_count"] >= 3
    assert 0 < figures["ivrd_event_seconds_sum"] < 2
    assert figures["ivrd_watchdog_resets_total line=1"] == 0
    assert figures["ivrd_card_open card=soft"] == 1


async def test_lookup_is_timed_by_action_and_answer(watched: Watched) -> None:
    daemon = watched.daemon
    name = next(action.name for action in daemon.parts.registry.values() if action.blocking)
    answers: list[str] = []
    daemon.actions.start(name, {}, lambda answer: answers.append(answer.event))
    await until(lambda: answers)
    figures = await watched.figures()
    assert figures[f"ivrd_lookup_seconds_count action={name} answer={answers[0]}"] == 1


async def test_refusals_and_attempts_are_counted_by_reason_and_outcome(watched: Watched) -> None:
    daemon = watched.daemon
    assert daemon.parts.gate is not None
    assert daemon.outbound is not None
    daemon.parts.gate.refusals[Reason.QUIET_HOURS.value] += 3
    daemon.outbound.dialler.counts.outcomes["busy"] = 2
    figures = await watched.figures()
    assert figures["ivrd_gate_refusals_total reason=quiet_hours"] == 3
    assert figures["ivrd_attempts_total outcome=busy"] == 2
    assert figures["ivrd_outcomes_unsaved"] == 0


async def test_no_number_of_a_caller_is_told(watched: Watched) -> None:
    card_of(watched.daemon).call("88610001", "170", Party())
    await until(lambda: watched.daemon.lines[1].talk is not None)
    _, text = await watched.get("/metrics")
    assert "0001" not in re.sub(r"[ =][0-9.e+-]+$|le=\"[^\"]*\"", "", text, flags=re.MULTILINE)


async def test_open_metrics_is_told_to_those_who_ask_for_it(watched: Watched) -> None:
    _, text = await watched.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")


async def test_daemon_is_alive_and_ready(watched: Watched) -> None:
    status, text = await watched.get("/healthz")
    assert (status, json.loads(text)["alive"]) == (200, True)
    status, checks = await watched.ready()
    assert (status, [check["ok"] for check in checks.values()]) == (200, [True] * 3)
    assert list(checks) == ["card", "billing", "store"]
    # the row that was written to see whether it can be is gone
    assert watched.daemon.parts.store.read(all_switches) == {}


async def test_without_an_open_card_it_is_not_ready_and_says_why(watched: Watched) -> None:
    state = watched.daemon.cards["soft"]
    state.open, state.reason = False, "no such device"
    status, checks = await watched.ready()
    assert status == 503
    assert checks["card"] == {"ok": False, "why": "no card is open; soft: no such device"}
    assert checks["billing"]["ok"]
    assert checks["store"]["ok"]


async def test_without_billing_data_it_is_not_ready_and_says_why(
    watched: Watched, billing: Path
) -> None:
    watched.daemon.parts.reader.database.engine.dispose()
    billing.unlink()  # noqa: ASYNC240 - nobody else waits here
    status, checks = await watched.ready()
    assert status == 503
    assert not checks["billing"]["ok"]
    assert "billing database" in checks["billing"]["why"]
    assert checks["store"]["ok"]


async def test_with_a_store_that_others_hold_it_is_not_ready(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivrd.store.engine.BUSY_S", 0.05)
    engine = watched.daemon.parts.store.engine
    with closing(engine.raw_connection()) as other:
        cursor = other.cursor()
        cursor.execute("PRAGMA busy_timeout = 0")
        cursor.execute("BEGIN IMMEDIATE")
        server = watched.server._health  # noqa: SLF001 - its patience is cut short
        assert server is not None
        server._aside._pool._limit_s = 0.3  # noqa: SLF001 - as above
        status, checks = await watched.ready()
        cursor.execute("ROLLBACK")
    assert status == 503
    assert not checks["store"]["ok"]
    assert checks["card"]["ok"]


async def test_port_that_is_taken_ends_the_daemon_with_a_word(
    sample_db: Path, tmp_path: Path
) -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        file = tmp_path / "ivrd.toml"
        places = f'\n[places]\nsocket = "/tmp/ivrd-{port}.sock"\n'
        file.write_text(SETTINGS.format(db=sample_db) + METRICS.format(port=port) + places, "utf-8")
        with pytest.raises(ControlError, match=f"cannot listen on 127.0.0.1:{port}"):
            await run_daemon(load_config(file))
