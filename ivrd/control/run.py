"""The daemon as a process: its control interface, its signals, its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import structlog

from ivrd.config import Config
from ivrd.control.server import ControlServer
from ivrd.daemon import Daemon
from ivrd.errors import IvrdError

OPENED_S = 2.0
"""How long the word that the daemon runs may wait for its cards."""

_log = structlog.get_logger("ivrd")


async def run_daemon(config: Config, ready: Callable[[Daemon], None] | None = None) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reloads. Raises `ProblemsError` before anything runs.

    A SIGHUP during the start is a reload after it.
    """
    daemon = Daemon(config)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    hung_up = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    server = ControlServer(daemon)
    server.check_free()  # a second daemon ends before it takes a card or a log of the first
    await daemon.start()
    reloader = asyncio.create_task(_reload_when(hung_up, daemon), name="reloads")
    try:
        await server.start()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, stop.set)
        await daemon.opened(OPENED_S)
        if ready is not None:
            ready(daemon)
        await stop.wait()
    finally:
        reloader.cancel()
        # a phone on the control interface hears the goodbye before its line is cut
        try:
            await daemon.stop()
        finally:
            await server.stop()


async def _reload_when(hung_up: asyncio.Event, daemon: Daemon) -> None:
    while True:
        await hung_up.wait()
        hung_up.clear()
        try:
            await daemon.reload()
        except IvrdError as error:
            for line in str(error).splitlines():
                _log.error("reload_refused", what=line)
