"""The watch of the control interface: what it sends, and to whom it does not listen."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivrd.config import load_config
from ivrd.control.client import ControlClient
from ivrd.control.server import ControlServer
from ivrd.daemon import Daemon

SETTINGS = """
[node]
data = "var"
languages = ["zh-CN", "en-US"]

[enquiry]
disclosure = "open"

[billing]
mapping = "telecom"
url = "sqlite:///{db}"

[[card]]
name = "soft"
driver = "software"
channels = 2
"""


@pytest.fixture
async def daemon(sample_db: Path) -> AsyncIterator[Daemon]:
    """Run a daemon with its control interface on the software card."""
    with tempfile.TemporaryDirectory(prefix="ivrd-") as folder:
        file = Path(folder) / "ivrd.toml"
        file.write_text(SETTINGS.format(db=sample_db), encoding="utf-8")
        daemon = Daemon(load_config(file))
        await daemon.start()
        server = ControlServer(daemon)
        await server.start()
        async with asyncio.timeout(10):
            while not daemon.lines:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
        yield daemon
        await daemon.stop()
        await server.stop()


async def test_each_sentence_is_shown_while_it_is_heard(daemon: Daemon) -> None:
    shown: list[tuple[str, str]] = []
    async with ControlClient(daemon.config.socket) as client, asyncio.timeout(20):
        call = await client.phone()
        async for message in client.watch():
            views = [view for view in message.get("lines", []) if view["line"] == 1]
            shown += [(view["step"], view["sentence"]) for view in views]
            if shown and shown[-1][0] not in {"", "answering", "ask_language"}:
                break
        await call.close()
    heard = [sentence for step, sentence in shown if step == "ask_language"]
    assert heard == ["普通话服务请按一。", "For English, press two."]
