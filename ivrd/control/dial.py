"""A test call on the control interface: ordered by POST, told as it goes, a JSON object a line."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import web

from ivrd.daemon import Daemon
from ivrd.errors import ControlError

LOOK_S = 0.5
"""How often to look whether the operator is still there while nothing happens in the call."""


async def dial(request: web.Request, daemon: Daemon) -> web.StreamResponse:
    """Place the call of ``{"number": "6001", "line": 3}``; `line` may be null.

    Where the operator goes away, the call is ended.
    """
    number, line = await _asked(request)
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    trial = await daemon.dial(number, line, messages.put_nowait)
    try:
        return await _told(request, messages)
    finally:
        trial.stop("the operator has gone")


async def _asked(request: web.Request) -> tuple[str, int | None]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    number, line = (body.get("number"), body.get("line")) if isinstance(body, dict) else (None, 0)
    if not isinstance(number, str) or not (line is None or type(line) is int):
        raise ControlError('expected {"number": "6001", "line": 3}; line may be null')
    return number, line


async def _told(
    request: web.Request, messages: asyncio.Queue[dict[str, Any]]
) -> web.StreamResponse:
    """Send what happens until the call has ended or nobody reads it."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        event = ""
        while event != "ended" and _reads(request):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    message = await messages.get()
                    event = message["event"]
                    await response.write(json.dumps(message, ensure_ascii=False).encode() + b"\n")
    return response


def _reads(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()
