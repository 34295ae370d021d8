"""The daemon as a process: its control interface, its signals, its end."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo

import structlog

from ivrd.clock import Clock, LoopClock
from ivrd.config import Config
from ivrd.control.notify import ServiceManager
from ivrd.control.outside import Outside
from ivrd.control.server import ControlServer
from ivrd.daemon import Daemon
from ivrd.errors import ControlError, IvrdError

OPENED_S = 2.0
"""How long the word that the daemon runs may wait for its cards."""

_log = structlog.get_logger("ivrd")


async def run_daemon(
    config: Config,
    ready: Callable[[Daemon], None] | None = None,
    reopen: Callable[[], None] | None = None,
    clock: Callable[[tzinfo], Clock] = LoopClock,
) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reloads. Raises `ProblemsError` before anything runs.

    A SIGHUP during the start is a reload after it. A second SIGTERM or SIGINT waits for no call.
    A SIGHUP reopens the line logs too, and calls `reopen` for the daemon's own. The service manager
    is told of start, reload and end where it listens.
    """
    daemon = Daemon(config, clock)
    loop = asyncio.get_running_loop()
    hung_up = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    server, outside = ControlServer(daemon), Outside(daemon)
    with _only_one(config):
        server.check_free()  # a second daemon ends before it takes a card or a log of the first
        await _run(daemon, server, outside, hung_up, ready, reopen)


async def _run(
    daemon: Daemon,
    server: ControlServer,
    outside: Outside,
    hung_up: asyncio.Event,
    ready: Callable[[Daemon], None] | None,
    reopen: Callable[[], None] | None,
) -> None:
    manager = ServiceManager()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def end() -> None:
        daemon.hurry = stop.is_set()
        stop.set()

    await daemon.start()
    # flows, sentences and modules stay: looking through them again would halt every call for 0.1 s
    gc.collect()
    gc.freeze()
    reloader = asyncio.create_task(_reload_when(hung_up, daemon, manager, reopen), name="reloads")
    alive = asyncio.create_task(manager.keep_alive(), name="service manager")
    try:
        await server.start()
        await outside.start()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, end)
        await daemon.opened(OPENED_S)
        if ready is not None:
            ready(daemon)
        manager.ready(f"{len(daemon.lines)} lines")
        await stop.wait()
    finally:
        manager.stopping()
        reloader.cancel()
        # a phone on the control interface hears the goodbye before its line is cut
        try:
            await daemon.stop()
        finally:
            await outside.stop()
            await server.stop()
            alive.cancel()
            manager.close()


@contextmanager
def _only_one(config: Config) -> Iterator[None]:
    """Hold the data folder: two daemons would write the same logs, whatever their sockets."""
    try:
        config.data.mkdir(parents=True, exist_ok=True)
        lock = (config.data / "ivrd.lock").open("w", encoding="ascii")
    except OSError as error:
        why = f"cannot write to {config.data}: {error.strerror or error}"
        raise ControlError(f"{why}; choose another with node.data") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            what = f"another ivrd works in {config.data}; `ivrd status` shows it"
            raise ControlError(what) from None
        yield


async def _reload_when(
    hung_up: asyncio.Event,
    daemon: Daemon,
    manager: ServiceManager,
    reopen: Callable[[], None] | None,
) -> None:
    while True:
        await hung_up.wait()
        hung_up.clear()
        manager.reloading()
        if reopen is not None:
            reopen()
        daemon.reopen_logs()
        try:
            await daemon.reload()
        except IvrdError as error:
            for line in str(error).splitlines():
                _log.error("reload_refused", what=line)
        finally:
            manager.ready(f"{len(daemon.lines)} lines")
