"""A network that is cut without a word: no reset, no end, only silence.

The kernel notices what is not acknowledged, but a proxy or a firewall may acknowledge what it never
hands on. So every wait for a server has an end of its own here, and what waited is not used again.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

SILENT = "08S01"
"""SQLSTATE of a server that says nothing any more (X/Open: communication link failure)."""

KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2}
"""Of an idle connection, as libpq calls them: its other end is gone after 20 s without a word."""


def psycopg_connect(within_s: float) -> Callable[..., psycopg.Connection[Any]]:
    """Return what connects with psycopg, so that no answer is waited for longer than `within_s`.

    libpq waits for ever: `statement_timeout` is the server's, and must arrive.
    """
    import psycopg  # noqa: PLC0415 - who has no PostgreSQL need not have its driver

    class Silent(psycopg.OperationalError):
        sqlstate = SILENT

    class Connection(psycopg.Connection[Any]):
        def wait(self, gen: Any, *args: Any, **named: Any) -> Any:
            return super().wait(self._until(gen, time.monotonic() + within_s), *args, **named)

        def _until(self, gen: Any, end_s: float) -> Generator[Any, Any, Any]:
            """Hand on what `gen` waits for, and what is ready; silence has an end."""
            try:
                wanted = next(gen)
                while True:
                    ready = yield wanted
                    if not ready and time.monotonic() > end_s:
                        self.pgconn.finish()
                        raise Silent("no word from the server")
                    wanted = gen.send(ready)
            except StopIteration as done:
                return done.value

    return Connection.connect


def keep_alive(connection: Any) -> None:
    """Let the kernel look after a connection of PyMySQL, which cannot be told to."""
    held: socket.socket | None = getattr(connection, "_sock", None)
    if held is None or held.family == getattr(socket, "AF_UNIX", None):
        return
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE["keepalives_idle"]),
        ("TCP_KEEPINTVL", KEEPALIVE["keepalives_interval"]),
        ("TCP_KEEPCNT", KEEPALIVE["keepalives_count"]),
    ):
        if hasattr(socket, name):
            held.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
