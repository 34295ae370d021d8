"""The daemon's end of the process that speaks MQTT (`ivrd.control.mqtt_helper`).

All that it costs a call is JSON into a local socket: connections, acknowledgements, TLS and what
the broker does to them are the other process's. It is bounded by who uses it: so many messages
may be on their way at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from ivrd.control.mqtt_link import QOS, TIMEOUT_S, Link
from ivrd.errors import ControlError

COMMANDS_WAITING = 1000
"""Commands that may wait; further ones are discarded, and their senders get no reply."""

ANSWER_S = 3 * TIMEOUT_S
"""How long the helper may be silent where the daemon waits for it; then it hangs, and is ended."""

END_S = 1.0
"""How long it may take to end by itself."""

WIDEST = 2**20
"""Bytes that a line from it may have: a message is cut long before."""

_COMMAND = (sys.executable, "-P", "-m", "ivrd.control.mqtt_helper")

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_log = structlog.get_logger("ivrd.mqtt")


class BrokerAway(ControlError):  # noqa: N818 - as the other ones that are away
    """The broker is not connected, or is so no more."""


@dataclass(frozen=True, slots=True)
class Message:
    """What came on a topic; where a reply shall go, by the properties of MQTT 5."""

    topic: str
    payload: bytes
    retain: bool
    response: str | None
    correlation: bytes | None


class Courier:
    """Connects, sends and receives through a helper; `sent` is told what the broker has."""

    def __init__(self, sent: Callable[[Iterable[int]], None]) -> None:
        self._told_sent = sent
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._next_id = 0
        self.messages: asyncio.Queue[Message] = asyncio.Queue(COMMANDS_WAITING)
        """What came on the topics that are subscribed to."""
        self.lost = asyncio.Event()
        """Set where there is no connection."""
        self.lost.set()
        self.why = "not connected"
        """Why there is none."""

    # -- connections ---------------------------------------------------------------------------

    async def connect(self, link: Link) -> None:
        """Connect, with a helper that is started where there is none. Raises `BrokerAway`."""
        if self._process is None:
            await self._start()
        while not self.messages.empty():
            self.messages.get_nowait()
        self.lost.clear()
        await self._ask({"do": "connect", "link": link.as_json()})

    async def part(self) -> None:
        """Say goodbye to the broker. Raises `BrokerAway` where it was away before."""
        await self._ask({"do": "close"})
        self._lose("closed")

    async def close(self) -> None:
        """End the helper; safe to repeat."""
        if self._writer is not None:
            self._writer.transport.abort()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._clear()

    # -- messages ------------------------------------------------------------------------------

    def send(self, topic: str, payload: Mapping[str, Any] | None, *, retain: bool = False,
             correlation: bytes | None = None) -> int:  # fmt: skip
        """Hand a message over, None for nothing retained; return the number it goes under.

        Raises `TypeError` or `ValueError` for what JSON does not know. Where the connection is
        lost, so is the message: it never becomes one of those that are sent.
        """
        self._next_id += 1
        order = {"do": "publish", "id": self._next_id, "topic": topic, "payload": payload,
                 "retain": retain}  # fmt: skip
        if correlation is not None:
            order["correlation"] = correlation.decode("latin-1")
        self._tell(order)
        return self._next_id

    async def subscribe(self, topic: str, qos: int = QOS) -> list[int]:
        """Ask for a topic; return the broker's reason codes. Raises `BrokerAway`."""
        order = {"do": "subscribe", "topic": topic, "qos": qos}
        codes: list[int] = (await self._ask(order))["codes"]
        return codes

    async def unsubscribe(self, topic: str) -> None:
        """Ask for a topic no more; what came until now is in `messages`. Raises `BrokerAway`."""
        await self._ask({"do": "unsubscribe", "topic": topic})

    def hangs(self) -> None:
        """End a helper that does not answer any more; the next connection has another."""
        self._lose("the helper process does not answer")
        if self._process is not None:
            self._process.kill()

    # -- the helper ----------------------------------------------------------------------------

    async def _start(self) -> None:
        ours, its = socket.socketpair()
        with its:
            self._process = await asyncio.to_thread(_started, its)
        reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=WIDEST)
        self._reading = asyncio.create_task(self._read(reader), name="mqtt helper")

    def _tell(self, order: Mapping[str, Any]) -> None:
        told = _encode(order).encode("utf-8", "replace") + b"\n"
        if self._writer is not None:
            self._writer.write(told)

    async def _ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        if self.lost.is_set():
            raise BrokerAway(self.why)
        self._answer = asyncio.get_running_loop().create_future()
        self._tell(order)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._answer
        except TimeoutError:
            self.hangs()
            raise BrokerAway(self.why) from None
        finally:
            self._answer = None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        # a helper that is killed may leave half a line
        with contextlib.suppress(ConnectionError, ValueError):
            while told := await reader.readline():
                self._take(json.loads(told))
        self._lose("the helper process ended")
        await self._clear()

    async def _clear(self) -> None:
        process, self._process = self._process, None
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()
        if process is not None:
            await asyncio.to_thread(_end, process)

    def _take(self, told: dict[str, Any]) -> None:
        what = told["is"]
        if what == "sent":
            self._told_sent(told["ids"])
        elif what == "message":
            self._receive(told)
        elif what == "away":
            self._lose(told["why"])
        elif what == "said":
            _log.warning("mqtt_client", what=told["what"])
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(told)

    def _receive(self, told: Mapping[str, Any]) -> None:
        correlation = told["correlation"]
        message = Message(
            told["topic"], told["payload"].encode("latin-1"), told["retain"], told["response"],
            correlation.encode("latin-1") if correlation is not None else None,
        )  # fmt: skip
        if self.messages.full():
            _log.warning("mqtt_message_discarded", waiting=self.messages.qsize())
        else:
            self.messages.put_nowait(message)

    def _lose(self, why: str) -> None:
        if not self.lost.is_set():
            self.why = why
            self.lost.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BrokerAway(why))


def _started(its: socket.socket) -> subprocess.Popen[bytes]:
    # in a session of its own, for Ctrl-C at the terminal is for the daemon alone
    return subprocess.Popen(_COMMAND, stdin=its.fileno(), start_new_session=True)  # noqa: S603 - our own


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
