"""The serial port between a modem and its host: in memory, or as a pty; with troubles on demand."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import tty
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ivrd.clock import Clock

Take = Callable[[bytes], None]

HELD_BYTES = 65536
"""What a host that does not read can leave waiting; more is lost, as in any port."""


PIECE = 128
"""Bytes let in at a time, so that little comes in after the modem's buffer is full."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one direction of a port. Same seed, same bytes: same trouble."""

    delay_s: float = 0.0
    """How late every byte is."""
    piece: int = 0
    """Bytes that come at a time, at most; 0: as they were sent."""
    bytes_a_s: float | None = None
    """How fast the port is; None: faster than matters."""
    lose: float = 0.0
    """Chance of each byte to be lost."""
    garble: float = 0.0
    """Chance of each byte to be another one."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.lose <= 1 and 0 <= self.garble <= 1):
            raise ValueError("lose and garble are chances, 0 to 1")
        if self.delay_s < 0 or self.piece < 0 or (self.bytes_a_s or 1) <= 0:
            raise ValueError("delay_s and piece are 0 or more, bytes_a_s above 0")


class Way:
    """One direction of a port: bytes go in, and come out as the trouble has it, in order."""

    def __init__(self, clock: Clock, deliver: Take, trouble: Trouble | None = None) -> None:
        self.trouble = trouble
        self._clock = clock
        self._deliver = deliver
        self._rng = random.Random(trouble.seed if trouble else 0)
        self._free_s = 0.0
        self._closed = False

    def put(self, data: bytes) -> None:
        """Send bytes on their way."""
        trouble = self.trouble
        if trouble is None:
            self._deliver(data)
            return
        data = self._spoilt(data, trouble)
        size = trouble.piece or max(len(data), 1)
        for start in range(0, len(data), size):
            self._send(data[start : start + size], trouble)

    def close(self) -> None:
        """Let nothing more out."""
        self._closed = True

    def _send(self, piece: bytes, trouble: Trouble) -> None:
        now_s = self._clock.monotonic()
        takes_s = len(piece) / trouble.bytes_a_s if trouble.bytes_a_s else 0.0
        self._free_s = max(now_s, self._free_s) + takes_s
        delay_s = self._free_s - now_s + trouble.delay_s
        if delay_s or trouble.delay_s or trouble.bytes_a_s:
            self._clock.call_later(delay_s, lambda: self._out(piece))
        else:
            self._out(piece)

    def _out(self, piece: bytes) -> None:
        if not self._closed:
            self._deliver(piece)

    def _spoilt(self, data: bytes, trouble: Trouble) -> bytes:
        if not (trouble.lose or trouble.garble):
            return data
        chance = self._rng.random
        kept = [byte for byte in data if not (trouble.lose and chance() < trouble.lose)]
        return bytes(
            self._rng.randrange(256) if trouble.garble and chance() < trouble.garble else byte
            for byte in kept
        )


class Wire(ABC):
    """The modem's end of a port. `received` gets what the host sends; set it before use."""

    def __init__(
        self, clock: Clock, to_host: Trouble | None = None, to_modem: Trouble | None = None
    ) -> None:
        self.received: Take = _dropped
        self._out = Way(clock, self._to_host, to_host)
        self._in = Way(clock, self._arrived, to_modem)

    def send(self, data: bytes) -> None:
        """Send bytes to the host."""
        self._out.put(data)

    @abstractmethod
    def hold(self, held: bool) -> None:
        """Let the host send no more for now (CTS off), or again."""

    def close(self) -> None:
        """Be unplugged; safe to repeat."""
        self._out.close()
        self._in.close()

    def _arrived(self, data: bytes) -> None:
        self.received(data)

    @abstractmethod
    def _to_host(self, data: bytes) -> None: ...


def _dropped(data: bytes) -> None:
    del data


class MemoryWire(Wire):
    """A port in memory, for virtual time. `host` gets the modem's bytes, `write` sends.

    `gone` is called when the modem is unplugged.
    """

    def __init__(
        self,
        clock: Clock,
        host: Take = _dropped,
        *,
        gone: Callable[[], None] = lambda: None,
        to_host: Trouble | None = None,
        to_modem: Trouble | None = None,
    ) -> None:
        super().__init__(clock, to_host, to_modem)
        self.host = host
        self.gone = gone
        self.closed = False
        self._held = False
        self._waiting: deque[bytes] = deque()

    @property
    def out_waiting(self) -> int:
        """Bytes that the host has written and the modem has not let in yet."""
        return sum(map(len, self._waiting))

    def write(self, data: bytes) -> None:
        """Send bytes to the modem, as the host. Raises `OSError` where it is unplugged."""
        if self.closed:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._waiting.append(bytes(data))
        self._flush()

    def hold(self, held: bool) -> None:
        """Let the host send no more for now, or again."""
        self._held = held
        self._flush()

    def close(self) -> None:
        """Be unplugged: what was under way is lost."""
        if not self.closed:
            self.closed = True
            super().close()
            self._waiting.clear()
            self.gone()

    def _flush(self) -> None:
        while self._waiting and not self._held:
            data = self._waiting.popleft()
            if len(data) > PIECE:
                self._waiting.appendleft(data[PIECE:])
            self._in.put(data[:PIECE])

    def _to_host(self, data: bytes) -> None:
        self.host(data)


class PtyWire(Wire):
    """A port as a pty, on the running loop: any program can open `device` as a serial port.

    The far side is kept open, so that the host may close the port and open it again.
    """

    def __init__(
        self, clock: Clock, *, to_host: Trouble | None = None, to_modem: Trouble | None = None
    ) -> None:
        super().__init__(clock, to_host, to_modem)
        self._loop = asyncio.get_running_loop()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.device = os.ttyname(self._slave)
        self.closed = False
        self.lost_bytes = 0
        """Bytes that the host did not fetch in time."""
        self._unsent = bytearray()
        self._held = False
        self._loop.add_reader(self._master, self._readable)

    def hold(self, held: bool) -> None:
        """Read no more for now, or again: the host's port fills up, as with CTS off."""
        if self.closed or held == self._held:
            return
        self._held = held
        if held:
            self._loop.remove_reader(self._master)
        else:
            self._loop.add_reader(self._master, self._readable)

    def close(self) -> None:
        """Be unplugged: the host's next read or write fails."""
        if self.closed:
            return
        self.closed = True
        super().close()
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        os.close(self._master)
        os.close(self._slave)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, PIECE)
        except (BlockingIOError, InterruptedError):
            return
        if data:
            self._in.put(data)

    def _to_host(self, data: bytes) -> None:
        if self.closed:
            return
        room = HELD_BYTES - len(self._unsent)
        self.lost_bytes += max(0, len(data) - room)
        was_empty = not self._unsent
        self._unsent += data[:room]
        if was_empty:
            self._flush()

    def _flush(self) -> None:
        try:
            written = os.write(self._master, self._unsent)
        except (BlockingIOError, InterruptedError):
            written = 0
        del self._unsent[:written]
        if self._unsent:
            self._loop.add_writer(self._master, self._flush)
        else:
            self._loop.remove_writer(self._master)
