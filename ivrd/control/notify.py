"""What the service manager is told: that ivrd is ready, reloads, stops, and is alive.

The protocol is that of sd_notify(3): datagrams of NAME=value lines to the socket that the
environment names. Where it names none, nobody is told anything.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping

import structlog

_log = structlog.get_logger("ivrd")


class ServiceManager:
    """The manager that started this process; what it cannot be told never harms a call."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._socket: socket.socket | None = None
        self._failing = False
        self._address = environ.get("NOTIFY_SOCKET", "")
        self.pause_s = _watchdog_pause_s(environ)
        """How often the manager wants to hear that this lives; 0 for never."""
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
            if self._address.startswith("@"):  # an abstract one, as unix(7) has it
                self._address = "\0" + self._address[1:]

    def ready(self, status: str) -> None:
        """Say that the service runs, after a start or a reload."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that a reload has begun; `ready` says that it is over."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._tell("STOPPING=1", "STATUS=calls in progress end with a sentence")

    async def keep_alive(self) -> None:
        """Say again and again that the loop runs, until cancelled."""
        while self.pause_s and self._socket is not None:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self.pause_s)

    def close(self) -> None:
        """Say nothing more; safe to repeat."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, *assignments: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            if not self._failing:
                _log.warning("service_manager_not_told", why=error.strerror)
            self._failing = True
        else:
            self._failing = False


def _watchdog_pause_s(environ: Mapping[str, str]) -> float:
    """Return half the time that sd_watchdog_enabled(3) gives this process; 0 without one."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    given = environ.get("WATCHDOG_USEC", "")
    return int(given) / 2e6 if given.isascii() and given.isdigit() else 0.0
