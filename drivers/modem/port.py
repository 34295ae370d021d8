"""A serial port on the event loop: no thread, no wait; what cannot be written yet is kept."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import serial

from ivrd.errors import CardError

SPEED = 230_400
"""Bits a second: 23 kB/s, of which a voice stream takes 8. USB modems pass over it."""

BY_ID = Path("/dev/serial/by-id")
"""Where udev gives serial devices names that stay."""

_IN_USE = frozenset({errno.EAGAIN, errno.EBUSY})
"""What a lock of another program, or a port opened for one alone, comes to."""

MOST = 4096
"""Bytes taken from the port at a time."""


class Port(Protocol):
    """What a modem is reached by."""

    def write(self, data: bytes) -> None:
        """Send bytes, in order; those that find the port gone are lost."""

    def close(self) -> None:
        """Let go of the port; safe to repeat."""


class SerialPort:
    """A device file opened by pyserial and served by the running loop.

    `take` gets what comes in, `lost` is called once, with why, when the device has gone. Raises
    `CardError` where it cannot be opened.
    """

    def __init__(
        self, device: str, take: Callable[[bytes], None], lost: Callable[[str], None]
    ) -> None:
        self._device = device
        self._take = take
        self._lost = lost
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        try:
            # a lock, so that no second program reads half of the answers
            self._serial = serial.Serial(device, SPEED, timeout=0, write_timeout=0, rtscts=True,
                                         exclusive=True)  # fmt: skip
        except (OSError, ValueError) as error:
            raise CardError(
                f"{device}: cannot be opened: {_why(error)}; {_advice(error)}"
            ) from None
        self._fd: int = self._serial.fileno()
        os.set_blocking(self._fd, False)
        self._open = True
        self._loop.add_reader(self._fd, self._readable)

    def write(self, data: bytes) -> None:
        """Send bytes, in order; those that find the port gone are lost."""
        if not self._open:
            return
        waiting = bool(self._unsent)
        self._unsent += data
        if not waiting:
            self._flush()

    def close(self) -> None:
        """Let go of the port; safe to repeat."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._unsent.clear()
            # what a modem holds back with CTS would keep the close waiting
            with contextlib.suppress(OSError, termios.error):
                self._serial.reset_output_buffer()
            self._serial.close()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, MOST)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._gone(_why(error))
            return
        if data:
            self._take(data)
        else:
            self._gone("the device has gone")

    def _flush(self) -> None:
        try:
            written = os.write(self._fd, self._unsent)
        except (BlockingIOError, InterruptedError):
            written = 0
        except OSError as error:
            # told later: who writes is in the middle of something
            why = _why(error)
            self._loop.call_soon(lambda: self._gone(why))
            self._loop.remove_writer(self._fd)
            return
        del self._unsent[:written]
        if self._unsent:
            self._loop.add_writer(self._fd, self._flush)
        else:
            self._loop.remove_writer(self._fd)

    def _gone(self, why: str) -> None:
        if self._open:
            self.close()
            self._lost(f"{self._device}: {why}")


def _advice(error: Exception) -> str:
    """Return what to do about a port that cannot be opened."""
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.ENOENT:
        there = sorted(str(path) for path in BY_ID.glob("*"))
        return f"expected one of {', '.join(there) or f'{BY_ID}/*, where there is none now'}"
    if code in {errno.EACCES, errno.EPERM}:
        return (
            "expected the right to read and write it: put ivrd's user into the group dialout, and "
            "give its service DeviceAllow= (docs/modems.md)"
        )
    if code in _IN_USE:
        return "expected that no other program uses it: a daemon of ivrd, ModemManager, a terminal?"
    return "expected a modem's serial port"


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _IN_USE:
        return "it is in use"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
