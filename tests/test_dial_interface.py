"""Test calls through a daemon and its control interface: placed, told as they go, ended."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ivrd.config import load_config
from ivrd.control.client import ControlClient
from ivrd.control.server import ControlServer
from ivrd.daemon import Daemon
from ivrd.errors import ControlError, IvrdError
from ivrd.records import Status
from ivrd.trace import read_trace, replay
from sim.card import SoftwareCard
from sim.party import Party
from sim.phone import BUSY, NO_ANSWER, Rings
from tests.test_watch_stream import SETTINGS

DIAL = """
options = {{ setup_s = 0.01, ring_period_s = 0.01 }}

[dial]
test = ["6001"]
caller_id = "170"
"""


class Hasty(Party):
    """Keys 9 as soon as ivrd speaks: no test waits for a message to end."""

    def answered(self) -> None:
        """Press the key once the message has begun."""
        self.leg.clock.call_later(0.2, lambda: self.leg.key("9"))


async def run(folder: str, settings: str) -> tuple[Daemon, ControlServer]:
    """Start a daemon with its control interface and wait for its lines."""
    file = Path(folder) / "ivrd.toml"
    file.write_text(settings, encoding="utf-8")
    daemon = Daemon(load_config(file))
    await daemon.start()
    server = ControlServer(daemon)
    await server.start()
    async with asyncio.timeout(10):
        while not daemon.lines:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
    return daemon, server


@pytest.fixture
async def daemon(sample_db: Path) -> AsyncIterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="ivrd-") as folder:
        daemon, server = await run(folder, (SETTINGS + DIAL).format(db=sample_db))
        yield daemon
        daemon.hurry = True
        await daemon.stop()
        await server.stop()


def parties(daemon: Daemon) -> dict[str, Any]:
    card = daemon.cards["soft"].card
    assert isinstance(card, SoftwareCard)
    return card.parties


async def told(daemon: Daemon, number: str = "6001", line: int | None = None) -> list[Any]:
    """Place a call and return all that was told of it."""
    async with ControlClient(daemon.config.socket) as client, asyncio.timeout(20):
        return [message async for message in client.dial(number, line)]


async def test_call_is_told_from_the_dial_to_its_end(daemon: Daemon) -> None:
    parties(daemon)["6001"] = Rings(Hasty)
    messages = await told(daemon)
    assert [message["event"] for message in messages][:5] == [
        "dialling", "answered", "speaks", "speaks", "key",
    ]  # fmt: skip
    assert "这是话费查询服务的测试电话" in messages[2]["text"]
    assert messages[-1]["notes"] == ["answered", "key"]
    assert messages[0]["line"] == 2
    assert daemon.tally.calls == 1
    (trace,) = read_trace(daemon.config.line_log(2))
    assert daemon.parts.test_call is not None
    assert replay(trace, daemon.parts.test_call) is None


async def test_busy_number_is_told_with_its_cause(daemon: Daemon) -> None:
    parties(daemon)["6001"] = BUSY
    *_, ended = await told(daemon, line=1)
    assert (ended["how"], ended["cause"], ended["answered"]) == ("busy", 17, False)


async def test_what_is_refused_is_refused_before_anything_is_dialled(daemon: Daemon) -> None:
    for number, line, why in (("110", None, "test list"), ("6001", 7, "no line 7 is open")):
        with pytest.raises(ControlError, match=why):
            await told(daemon, number, line)
    assert daemon.tally.calls == 0


@pytest.mark.parametrize("body", ["", "[]", '{"number": 6001}', '{"number": "6001", "line": "2"}'])
async def test_order_that_is_none_is_told(daemon: Daemon, body: str) -> None:
    connector = aiohttp.UnixConnector(str(daemon.config.socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://ivrd/dial", data=body) as response,
    ):
        assert response.status == 409
        assert "expected" in (await response.json())["error"]


async def test_operator_who_goes_away_ends_the_call(daemon: Daemon) -> None:
    parties(daemon)["6001"] = NO_ANSWER
    async with ControlClient(daemon.config.socket) as client:
        call = client.dial("6001", 2)
        assert (await anext(call))["event"] == "dialling"
        assert daemon.lines[2].status is Status.IN_CALL
        await call.aclose()
    async with asyncio.timeout(5):
        while daemon.lines[2].talk is not None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    assert daemon.tally.ended_by["operator"] == 1


async def test_store_that_takes_its_time_holds_no_call_up(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop_went_on = threading.Event()
    read = daemon.parts.store.read

    def slow(job: Callable[[Any], Any]) -> Any:
        assert loop_went_on.wait(5), "the store was asked in the loop's own thread"
        return read(job)

    monkeypatch.setattr(daemon.parts.store, "read", slow)
    parties(daemon)["6001"] = BUSY
    asyncio.get_running_loop().call_later(0.05, loop_went_on.set)
    await daemon.dial("6001", None, lambda _: None)
    assert loop_went_on.is_set()


async def test_daemon_that_stops_dials_no_more(daemon: Daemon) -> None:
    daemon.stopping = True
    with pytest.raises(IvrdError, match="stops"):
        await daemon.dial("6001", None, lambda _told: None)


async def test_reload_brings_the_flow_of_test_calls_anew(daemon: Daemon) -> None:
    before = daemon.parts.test_call
    await daemon.reload()
    assert daemon.parts.test_call is not None
    assert daemon.parts.test_call is not before


async def test_without_the_table_nothing_is_dialled(sample_db: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ivrd-") as folder:
        daemon, server = await run(folder, SETTINGS.format(db=sample_db))
        try:
            with pytest.raises(ControlError, match=r"no table \[dial\]"):
                await told(daemon)
        finally:
            await daemon.stop()
            await server.stop()
