"""The voice of a telephone: it takes RTP with the kernel's time of arrival, and sends keys.

RTP is RFC 3550, keys RFC 4733, G.711 ITU-T G.711. What was heard is laid on one time line by the
RTP timestamps, as a telephone plays it; pauses are silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
import struct
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ivrd.commands import SAMPLE_RATE

Pcm = npt.NDArray[np.int16]

KEYS = "0123456789*#ABCD"
PCMU, PCMA, EVENT = 0, 8, 101
PACKET_S = 0.02

_SO_TIMESTAMPNS = 35
"""Linux: each packet comes with the instant at which it arrived; absent from `socket`."""


def _mu_law() -> Pcm:
    """Return what each byte of PCMU stands for (G.711 table 2)."""
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _a_law() -> Pcm:
    """Return what each byte of PCMA stands for (G.711 table 1)."""
    code = np.arange(256) ^ 0x55
    segment, steps = (code & 0x70) >> 4, (code & 0x0F) << 4
    magnitude = np.where(segment == 0, steps + 8, (steps + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


TABLES = {PCMU: _mu_law(), PCMA: _a_law()}


def encode(kind: int, pcm: Pcm) -> bytes:
    """Return G.711 of `pcm`: of each sample the byte that stands for the nearest level."""
    table = TABLES[kind].astype(np.int32)
    order = np.argsort(table, kind="stable")
    levels = table[order]
    at = np.clip(np.searchsorted(levels, pcm), 1, 255)
    nearer = np.where(pcm - levels[at - 1] < levels[at] - pcm, at - 1, at)
    return order[nearer].astype(np.uint8).tobytes()


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of speech."""

    at_s: float
    sequence: int
    timestamp: int
    kind: int
    source: int
    payload: bytes
    port: int = 0
    """The port it came from."""

    @property
    def pcm(self) -> Pcm:
        return TABLES[self.kind][np.frombuffer(self.payload, np.uint8)]


class RtpEnd:
    """One UDP port of a telephone."""

    def __init__(self, host: str) -> None:
        self.packets: list[Packet] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((host, 0))
        self.port: int = self._socket.getsockname()[1]
        self._peer = ("", 0)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)
        self._sequence = random.randrange(1 << 15)
        self._timestamp = random.randrange(1 << 30)
        self._source = random.randrange(1 << 32)

    def close(self) -> None:
        """Let go of the port; safe to repeat."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def quiet_s(self, now_s: float) -> float:
        """Return for how long nothing has come; `now_s` is `time.time()`."""
        return now_s - self.packets[-1].at_s if self.packets else 0.0

    async def keys(self, keys: str, to: tuple[str, int], on_s: float, off_s: float) -> None:
        """Press keys by RFC 4733: 20 ms packets, the end of each key three times."""
        self._peer = to
        for key in keys:
            await self._key(KEYS.index(key), on_s)
            await asyncio.sleep(off_s)

    async def speak(self, pcm: Pcm, to: tuple[str, int]) -> None:
        """Say `pcm` in PCMU, in the time that it takes."""
        self._peer = to
        coded, began_s = encode(PCMU, pcm), self._loop.time()
        for number in range(len(coded) // 160):
            self._sequence = (self._sequence + 1) & 0xFFFF
            head = struct.pack("!BBHII", 0x80, PCMU, self._sequence, self._timestamp, self._source)
            self._socket.sendto(head + coded[number * 160 : number * 160 + 160], to)
            self._timestamp += 160
            await asyncio.sleep(max(0.0, began_s + (number + 1) * PACKET_S - self._loop.time()))

    async def _key(self, event: int, on_s: float) -> None:
        began_s, timestamp = self._loop.time(), self._timestamp
        steps = max(1, int(on_s / PACKET_S))
        for step in range(1, steps + 1):
            self._send(event, step * 160, timestamp, first=step == 1)
            await asyncio.sleep(max(0.0, began_s + step * PACKET_S - self._loop.time()))
        await asyncio.sleep(max(0.0, began_s + on_s - self._loop.time()))
        length = round(on_s * SAMPLE_RATE)
        for _ in range(3):
            self._send(event | 0x80 << 8, length, timestamp)
        self._timestamp += length + 400

    def _send(self, event: int, length: int, timestamp: int, *, first: bool = False) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        head = struct.pack("!BBHII", 0x80, EVENT | (0x80 if first else 0), self._sequence,
                           timestamp & 0xFFFFFFFF, self._source)  # fmt: skip
        end = bool(event >> 8)
        body = struct.pack("!BBH", event & 0xFF, (0x80 if end else 0) | 10, length)
        self._socket.sendto(head + body, self._peer)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                data, about, _, peer = self._socket.recvmsg(2048, 64)
                seconds, nanoseconds = struct.unpack("=qq", about[0][2][:16])
                _, kind, sequence, timestamp, source = struct.unpack("!BBHII", data[:12])
                if kind & 0x7F in TABLES:
                    at_s = seconds + nanoseconds / 1e9
                    self.packets.append(
                        Packet(at_s, sequence, timestamp, kind & 0x7F, source, data[12:], peer[1])
                    )


def time_line(packets: Sequence[Packet]) -> Pcm:
    """Lay packets on one time line by their timestamps; a stream with a new source follows on."""
    parts: list[Pcm] = []
    for _, stream in itertools.groupby(packets, key=lambda packet: packet.source):
        heard = list(stream)
        first = heard[0].timestamp
        starts = [(packet.timestamp - first) & 0xFFFFFFFF for packet in heard]
        line = np.zeros(max(at + len(p.payload) for at, p in zip(starts, heard, strict=True)), "i2")
        for at, packet in zip(starts, heard, strict=True):
            line[at : at + len(packet.payload)] = packet.pcm
        parts.append(line)
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def gaps_s(packets: Sequence[Packet]) -> list[float]:
    """Return the seconds from each packet's arrival to the next one's."""
    return [later.at_s - earlier.at_s for earlier, later in itertools.pairwise(packets)]


def write_wav(file: Path, pcm: Pcm) -> None:
    """Write a recording."""
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(pcm.astype("<i2").tobytes())
