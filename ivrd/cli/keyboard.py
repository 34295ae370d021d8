"""The keyboard of a terminal, key by key."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import termios
import tty
from types import TracebackType
from typing import Any, Self

CTRL_C = "\x03"
END = ""
"""What is read when there is no keyboard any more."""

_SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|O.|.)?")
"""What arrows and function keys send (ECMA-48); none of it was meant as a letter."""


class Keyboard:
    """Reads single keys without echo, Ctrl-C among them; the terminal is restored at the end.

    To be used within a running event loop.
    """

    def __init__(self, fd: int | None = None) -> None:
        self._fd = sys.stdin.fileno() if fd is None else fd
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd, termios.TCSADRAIN)
        mode = termios.tcgetattr(self._fd)
        mode[3] &= ~termios.ISIG
        termios.tcsetattr(self._fd, termios.TCSADRAIN, mode)
        asyncio.get_running_loop().add_reader(self._fd, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    async def key(self) -> str:
        """Return the next key; `END` when the terminal has gone."""
        return await self._keys.get()

    def _take(self) -> None:
        try:
            data = os.read(self._fd, 256)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._fd)
            self._keys.put_nowait(END)
        for key in _SEQUENCE.sub("", data.decode(errors="ignore")):
            self._keys.put_nowait(key)
