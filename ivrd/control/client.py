"""A client of the control interface."""

from __future__ import annotations

import errno
import json
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from ivrd.errors import ControlError

_HOST = "http://ivrd"


class ControlClient:
    """Speaks to the daemon on `socket`; an async context manager.

    Every method raises `ControlError`, with a sentence for people, where no daemon answers or
    where it refuses.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        connector = aiohttp.UnixConnector(str(self._socket))
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("use `async with ControlClient(...)`")
        return self._session

    def _away(self, error: Exception) -> ControlError:
        what = f"no daemon answers on {self._socket}"
        denied = isinstance(error, OSError) and error.errno in {errno.EACCES, errno.EPERM}
        if denied:
            return ControlError(f"{what}: permission denied; only the daemon's own user may ask")
        return ControlError(f"{what}; start it with `ivrd run`")

    async def get(self, path: str, **query: str) -> Any:
        """Return the answer to a GET."""
        try:
            async with self._open.get(_HOST + path, params=query) as response:
                return await _answer(response)
        except (aiohttp.ClientError, OSError) as error:
            raise self._away(error) from None

    async def post(self, path: str, body: Any = None) -> Any:
        """Return the answer to a POST."""
        try:
            async with self._open.post(_HOST + path, json=body or {}) as response:
                return await _answer(response)
        except (aiohttp.ClientError, OSError) as error:
            raise self._away(error) from None

    async def watch(self) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the whole state, then what changes, until the daemon ends."""
        try:
            async with self._open.get(_HOST + "/watch", read_bufsize=2**20) as response:
                if response.status != 200:
                    await _answer(response)
                async for line in response.content:
                    yield json.loads(line)
        except (aiohttp.ClientError, OSError) as error:
            raise self._away(error) from None

    async def dial(self, number: str, line: int | None) -> AsyncGenerator[dict[str, Any], None]:
        """Place a test call and yield how it goes, to its end."""
        body = {"number": number, "line": line}
        try:
            async with self._open.post(_HOST + "/dial", json=body) as response:
                if response.status != 200:
                    await _answer(response)
                async for told in response.content:
                    yield json.loads(told)
        except (aiohttp.ClientError, OSError) as error:
            raise self._away(error) from None

    async def phone(self, **query: str) -> Phone:
        """Place a call on the software card."""
        try:
            socket = await self._open.ws_connect(_HOST + "/phone", params=query, max_msg_size=2**28)
        except aiohttp.WSServerHandshakeError as error:
            if error.status != 409:
                raise self._away(error) from None
            # the refusal's words are in the answer's body, which a handshake does not keep
            await self.get("/phone", **query)
            raise ControlError("the call was refused") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._away(error) from None
        return Phone(socket)


class Phone:
    """One call: iterate over what happens, send what is keyed."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def __aiter__(self) -> AsyncIterator[dict[str, Any] | bytes]:
        """Yield events as dicts, and the WAV, if it was asked for, as bytes."""
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                yield json.loads(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                yield bytes(message.data)

    async def key(self, key: str) -> None:
        """Press a key."""
        await self._socket.send_json({"key": key})

    async def hang_up(self) -> None:
        """Hang up."""
        await self._socket.send_json({"hang_up": True})

    async def close(self) -> None:
        """Let go of the line; the call, if it goes on, is hung up."""
        await self._socket.close()


async def _answer(response: aiohttp.ClientResponse) -> Any:
    try:
        body = await response.json(content_type=None)
    except ValueError:
        raise ControlError(f"the daemon answered {response.status} without words") from None
    if response.status == 200:
        return body
    problems = body.get("problems") or [body.get("error", f"refused with {response.status}")]
    raise ControlError("\n".join(problems))
