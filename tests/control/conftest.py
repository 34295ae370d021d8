"""A broker, and a daemon on the software card that tells it everything."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from ivrd.config import load_config
from ivrd.control.broker import BackOff
from ivrd.control.mqtt import Bus
from ivrd.daemon import Daemon
from sim.card import SoftwareCard
from tests.cli.conftest import sample  # noqa: F401 - a fixture of these tests too
from tests.control.mosquitto import Mosquitto, missing
from tests.test_watch_stream import SETTINGS

Running: TypeAlias = Callable[..., Awaitable[tuple[Daemon, Bus]]]


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    lacks = missing()
    if lacks:
        pytest.skip(lacks)
    mosquitto = Mosquitto(tmp_path)
    await mosquitto.start()
    yield mosquitto
    mosquitto.kill()


@asynccontextmanager
async def daemon_with(
    settings: str, before: Callable[[Daemon], None] = lambda _: None
) -> AsyncIterator[Daemon]:
    """Run a daemon until its lines are open, and stop it at once afterwards.

    `before` is called before it starts.
    """
    with tempfile.TemporaryDirectory(prefix="ivrd-") as folder:
        file = Path(folder) / "ivrd.toml"
        file.write_text(settings, encoding="utf-8")
        daemon = Daemon(load_config(file))
        before(daemon)
        await daemon.start()
        try:
            async with asyncio.timeout(10):
                while not daemon.lines:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0)
            yield daemon
        finally:
            daemon.hurry = True
            await daemon.stop()


@pytest.fixture
async def running(sample_db: Path) -> AsyncIterator[Running]:
    """Give a function that runs a daemon with a bus: its settings of [mqtt], and what follows."""
    async with AsyncExitStack() as stack:

        async def run(port: int, mqtt: str = "", more: str = "") -> tuple[Daemon, Bus]:
            text = SETTINGS.format(db=sample_db).replace("channels = 2", "channels = 8")
            settings = f"{text}\n[mqtt]\nport = {port}\n{mqtt}\n{more}"
            daemon = await stack.enter_async_context(daemon_with(settings))
            bus = Bus(daemon, back_off=BackOff(0.02, 0.1))
            stack.push_async_callback(bus.stop)
            await bus.start()
            return daemon, bus

        yield run


def card_of(daemon: Daemon) -> SoftwareCard:
    """Return the software card."""
    card = daemon.cards["soft"].card
    assert isinstance(card, SoftwareCard)
    return card


async def until(true: Callable[[], object], within_s: float = 15.0) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)
