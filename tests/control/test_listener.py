"""A listener's connections: as many as it may have, however far they have come."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web

from ivrd.control import listener as listening
from ivrd.control.listener import Listener
from ivrd.errors import ControlError
from tests.control.conftest import until
from tests.control.test_api_settings import certificate

HOST = "127.0.0.1"
ASKED = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def listens(tls: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    made = Listener("api.listen", f"{HOST}:0")

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    made.app.router.add_get("/", hello)
    made.tls = tls
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def asked(port: int, tls: ssl.SSLContext | None = None) -> bytes:
    """Return what a request gets, nothing where it was cut off."""
    async with asyncio.timeout(5):
        try:
            reader, writer = await asyncio.open_connection(HOST, port, ssl=tls)
        except (ConnectionError, ssl.SSLError):
            return b""
        try:
            with suppress(ConnectionError):
                writer.write(ASKED)
                return await reader.read()
            return b""
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_who_never_agrees_on_tls_counts_among_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MOST_CONNECTIONS", 2)
    await certificate(tmp_path, "here")
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    trusted = ssl.create_default_context(cafile=tmp_path / "c.pem")
    async with listens(own) as here:
        silent = [await asyncio.open_connection(HOST, here.port) for _ in range(2)]
        await until(lambda: here._open == 2)  # noqa: SLF001 - a connection says nothing of it
        # without a word of TLS it is told at once
        reader, writer = await asyncio.open_connection(HOST, here.port)
        async with asyncio.timeout(5):
            with suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        assert await asked(here.port, trusted) == b""
        for _, one in silent:
            one.close()
        await until(lambda: here._open == 0)  # noqa: SLF001 - as above
        assert (await asked(here.port, trusted)).startswith(b"HTTP/1.1 200 OK")


async def test_connections_that_are_over_count_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MOST_CONNECTIONS", 2)
    async with listens() as here:
        for _ in range(10):
            assert (await asked(here.port)).endswith(b"hello")
            await until(lambda: here._open == 0)  # noqa: SLF001 - as above


async def test_an_address_in_use_is_told_with_its_key_and_nothing_is_left_open() -> None:
    with socket.create_server((HOST, 0)) as other:
        taken = Listener("api.listen", f"{HOST}:{other.getsockname()[1]}")
        with pytest.raises(ControlError, match=r"cannot listen on .* choose another with api\.l"):
            await taken.start()


async def test_a_name_with_several_addresses_is_listened_on_at_each() -> None:
    made = Listener("api.listen", "localhost:0")
    await made.start()
    try:
        assert made.port > 0
    finally:
        await made.stop()
