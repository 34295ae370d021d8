"""What several parts may share: one address, its TLS, and an application for each to add to.

A part adds routes to `Listener.app`, or an application of its own under a prefix. What it wants
around its own routes (who may ask, how errors are told) stands in that application, so that parts
on one address know nothing of each other.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiohttp import web

from ivrd.errors import ControlError
from ivrd.listen_address import host_and_port

MOST_CONNECTIONS = 256
"""Connections of one listener; further ones are cut off: descriptors are left for the calls."""

HANDSHAKE_S = 10.0
"""How long a connection may take to agree on TLS; it counts among the others meanwhile."""

_log = structlog.get_logger("ivrd")


class Listener:
    """Listens on one address of ivrd.toml, for whoever has added routes to `app` before.

    `key` is the key of ivrd.toml that names the address.
    """

    tls: ssl.SSLContext | None = None
    """How TLS is spoken, where it is."""

    def __init__(self, key: str, listen: str) -> None:
        self.app = web.Application()
        self.app.on_response_prepare.append(_unsigned)
        self.key = key
        self.listen = listen
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)
        self._servers: list[asyncio.Server] = []
        self._open = 0

    async def start(self) -> None:
        """Listen. Raises `ControlError` where nobody can."""
        await self._runner.setup()
        try:
            await self._serve(await self._doors())
        except OSError as error:
            await self.stop()
            why = f"cannot listen on {self.listen}: {error.strerror or error}"
            raise ControlError(f"{why}; choose another with {self.key}") from None
        _log.info("listening", key=self.key, port=self.port, tls=self.tls is not None)

    async def _doors(self) -> list[_Door]:
        """Return a socket for each address that the name has, bound by asyncio's rules."""
        host, port = host_and_port(self.listen)
        loop = asyncio.get_running_loop()
        bound = await loop.create_server(asyncio.Protocol, host, port, start_serving=False)
        try:
            return [_Door(one.fileno(), self._let_in, self._gone) for one in bound.sockets]
        finally:
            bound.close()

    async def _serve(self, doors: Sequence[_Door]) -> None:
        loop, server = asyncio.get_running_loop(), self._runner.server
        if server is None:
            raise RuntimeError("a runner that is set up has a server")
        limit_s = HANDSHAKE_S if self.tls else None
        try:
            for door in doors:
                self._servers.append(
                    await loop.create_server(
                        server, sock=door, ssl=self.tls, ssl_handshake_timeout=limit_s
                    )
                )
        except OSError:
            for door in doors:
                door.close()
            raise

    async def stop(self) -> None:
        """Stop listening; safe to repeat."""
        for server in self._servers:
            server.close()
        self._servers = []
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        if not self._servers:
            raise ValueError("does not listen")
        port: int = self._servers[0].sockets[0].getsockname()[1]
        return port

    def _let_in(self) -> bool:
        if self._open >= MOST_CONNECTIONS:
            return False
        self._open += 1
        return True

    def _gone(self) -> None:
        self._open -= 1


class Listeners:
    """The listeners of a daemon, one for each address; parts that name the same one share it."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], Listener] = {}

    def at(self, key: str, listen: str, tls: ssl.SSLContext | None = None) -> Listener:
        """Return the listener for an address; with `tls`, whoever shares it is asked by TLS."""
        place = host_and_port(listen)
        if place not in self._made:
            self._made[place] = Listener(key, listen)
        self._made[place].tls = tls or self._made[place].tls
        return self._made[place]

    async def start(self) -> None:
        """Listen everywhere. Raises `ControlError` where nobody can."""
        for listener in self._made.values():
            await listener.start()

    async def stop(self) -> None:
        """Stop listening; safe to repeat."""
        for listener in self._made.values():
            await listener.stop()


class _Door(socket.socket):
    """Takes connections while there is room, before a word of TLS is spoken."""

    def __init__(self, bound: int, let_in: Callable[[], bool], gone: Callable[[], None]) -> None:
        super().__init__(fileno=os.dup(bound))
        self._let_in, self._gone = let_in, gone

    def accept(self) -> tuple[socket.socket, Any]:
        """Return a connection. Raises `ConnectionAbortedError` where it is one too many."""
        made, address = super().accept()
        if not self._let_in():
            made.close()
            raise ConnectionAbortedError("too many connections")
        return _Counted(made.detach(), self._gone), address


class _Counted(socket.socket):
    """A connection that says when it is closed, however far it has come."""

    def __init__(self, descriptor: int, gone: Callable[[], None]) -> None:
        super().__init__(fileno=descriptor)
        self._gone: Callable[[], None] | None = gone

    def close(self) -> None:
        """Close it; safe to repeat."""
        super().close()
        gone, self._gone = self._gone, None
        if gone is not None:
            gone()


async def _unsigned(_: web.Request, response: web.StreamResponse) -> None:
    """Tell nobody which versions are at work."""
    response.headers["Server"] = "ivrd"
