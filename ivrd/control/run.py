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

_log = structlog.get_logger("ivrd")


async def run_daemon(config: Config, ready: Callable[[Daemon], None] | None = None) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reloads. Raises `ProblemsError` before anything runs."""
    daemon = Daemon(config)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.create_task(_reload_and_log(daemon))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    await daemon.start()
    server = ControlServer(daemon)
    try:
        await server.start()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, stop.set)
        loop.add_signal_handler(signal.SIGHUP, reload)
        if ready is not None:
            ready(daemon)
        await stop.wait()
    finally:
        # a phone on the control interface hears the goodbye before its line is cut
        await daemon.stop()
        await server.stop()


async def _reload_and_log(daemon: Daemon) -> None:
    try:
        await daemon.reload()
    except IvrdError as error:
        for line in str(error).splitlines():
            _log.error("reload_refused", what=line)
