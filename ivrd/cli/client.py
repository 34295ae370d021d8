"""Asking the daemon: one question or order over its control socket."""

from __future__ import annotations

import asyncio
from typing import Any

from ivrd.cli.output import Refused
from ivrd.config import Config
from ivrd.control.client import ControlClient
from ivrd.errors import ControlError


def ask(config: Config, path: str) -> Any:
    """Return the daemon's answer. Raises `ControlError` where none answers."""

    async def get() -> Any:
        async with ControlClient(config.socket) as client:
            return await client.get(path)

    return asyncio.run(get())


def order(config: Config, path: str, body: Any = None) -> Any:
    """Have the daemon do something. Raises `ControlError` where none answers, else `Refused`."""

    async def post() -> Any:
        async with ControlClient(config.socket) as client:
            await client.get("/status")  # a daemon that answers this and then says no, refuses
            try:
                return await client.post(path, body)
            except ControlError as error:
                raise Refused(str(error)) from None

    return asyncio.run(post())
