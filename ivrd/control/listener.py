"""What several parts may share: one address, its TLS, and an application for each to add to.

A part adds routes to `Listener.app`, or an application of its own under a prefix. What it wants
around its own routes (who may ask, how errors are told) stands in that application, so that parts
on one address know nothing of each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import structlog
from aiohttp import web

from ivrd.errors import ControlError
from ivrd.listen_address import host_and_port

MOST_CONNECTIONS = 256
"""Connections of one listener; further ones are cut off: descriptors are left for the calls."""

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
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises `ControlError` where nobody can."""
        await self._runner.setup()
        host, port = host_and_port(self.listen)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._connected, host, port, ssl=self.tls)
        except OSError as error:
            await self.stop()
            why = f"cannot listen on {self.listen}: {error.strerror or error}"
            raise ControlError(f"{why}; choose another with {self.key}") from None
        _log.info("listening", key=self.key, port=self.port, tls=self.tls is not None)

    async def stop(self) -> None:
        """Stop listening; safe to repeat."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        if self._server is None:
            raise ValueError("does not listen")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _connected(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        if server is None or len(server.connections) >= MOST_CONNECTIONS:
            return _CutOff()
        return server()


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


class _CutOff(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Cut it off."""
        with contextlib.suppress(OSError):
            assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream, it is one
            transport.abort()


async def _unsigned(_: web.Request, response: web.StreamResponse) -> None:
    """Tell nobody which versions are at work."""
    response.headers["Server"] = "ivrd"
