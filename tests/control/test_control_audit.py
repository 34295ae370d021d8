"""What is ordered on the control socket leaves its row, under the user who is at the other end."""

from __future__ import annotations

import os
import pwd
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivrd.control.client import ControlClient
from ivrd.control.server import ControlServer
from ivrd.daemon import Daemon
from ivrd.errors import ControlError
from tests.control.conftest import daemon_with
from tests.control.test_bus_commands import DUNNING, audited
from tests.test_watch_stream import SETTINGS

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
async def asked(sample_db: Path) -> AsyncIterator[tuple[Daemon, ControlClient]]:
    async with daemon_with(SETTINGS.format(db=sample_db) + DUNNING) as daemon:
        server = ControlServer(daemon)
        await server.start()
        try:
            async with ControlClient(daemon.config.socket) as client:
                yield daemon, client
        finally:
            await server.stop()


async def test_orders_are_on_record_with_the_user_who_gave_them(
    asked: tuple[Daemon, ControlClient],
) -> None:
    daemon, client = asked
    await client.post("/lines/stop", {"lines": [1, 2], "now": True})
    await client.post("/lines/start", {"lines": [2]})
    await client.post("/reload")
    assert audited(daemon) == [("enquiry.stop", ME), ("enquiry.start", ME), ("reload", ME)]
    assert (daemon.lines[1].stopped, daemon.lines[2].stopped) == (True, False)


async def test_order_that_is_refused_leaves_no_row(asked: tuple[Daemon, ControlClient]) -> None:
    daemon, client = asked
    for path, body in (
        ("/lines/stop", {"lines": [99]}),
        ("/lines/stop", {"lines": "1"}),
        ("/dunning/lines", {"lines": [99], "do": "start", "by": "li"}),
    ):
        with pytest.raises(ControlError):
            await client.post(path, body)
    assert audited(daemon) == []
