"""The process that speaks MQTT, so that no call ever waits for a message or a broken broker.

The daemon starts it (`ivrd.control.mqtt_courier`) with a socket as its standard input, and tells
and hears JSON objects there, one a line. What it is told has ``do``:

connect      the way to the broker: `Link`
publish      ``topic``, ``payload`` (an object; null takes a retained state back), ``retain``, and
             an ``id`` that is told again when the broker has it
subscribe    ``topic``, ``qos``
unsubscribe  ``topic``
close        say goodbye to the broker, who tells nobody of a will then

What it tells has ``is``: connected, away (and ``why``), sent (``ids``), subscribed (``codes``),
unsubscribed, message, closed, said (by the libraries). Bytes are told in Latin-1, each as the
character of its number. When the daemon goes, this goes at once, and the broker tells the will.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ivrd.control.mqtt_link import QOS, Link

LONGEST = 16_384
"""Bytes of a message that are told, and one more: its end does not matter then."""

ACK_S = 0.02
"""How long acknowledgements gather before the daemon is told."""

WIDEST = 2**22
"""Bytes that a line from the daemon may have."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Helper:
    """Carries out what it is told, on one connection at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._client: aiomqtt.Client | None = None
        self._link: Link
        self._tasks: set[asyncio.Task[None]] = set()
        self._publishing: set[asyncio.Task[None]] = set()
        self._sent: list[int] = []
        self._logger = logging.getLogger("ivrd.mqtt.client")

    async def run(self) -> None:
        """Do what comes, until the daemon is gone."""
        logging.basicConfig(handlers=[_Said(self)], level=logging.WARNING)
        while told := await self._reader.readline():
            order = json.loads(told)
            if order["do"] == "connect":
                # beside this, so that the end of the daemon is seen while a broker is silent
                self._spawn(self._connect(Link(**order["link"])))
            elif self._client is None:
                continue  # it has been told that the broker is away
            elif order["do"] == "publish":
                self._publishing.add(self._spawn(self._publish(self._client, order)))
            else:
                await self._in_turn(self._client, order)

    def tell(self, **told: Any) -> None:
        """Tell the daemon."""
        self._writer.write(_encode(told).encode("utf-8", "replace") + b"\n")

    async def _connect(self, link: Link) -> None:
        self._link = link
        try:
            client = link.client(self._logger, partial(_Straight, self._hand_on))
            await client.__aenter__()
        except Exception as error:  # whatever it is, the daemon waits for an answer
            self.tell(**{"is": "away"}, why=str(error) or type(error).__name__)
            return
        self._client = client
        self.tell(**{"is": "connected"})
        self._spawn(self._listen(client))

    async def _listen(self, client: aiomqtt.Client) -> None:
        try:
            await anext(client.messages)  # nothing ever waits there: this is for its end
        except aiomqtt.MqttError as error:
            self._lose(client, error)

    def _hand_on(self, message: aiomqtt.Message) -> None:
        properties = message.properties
        correlation: bytes | None = getattr(properties, "CorrelationData", None)
        self.tell(
            **{"is": "message"},
            topic=message.topic.value,
            payload=message.payload[: LONGEST + 1].decode("latin-1"),
            retain=message.retain,
            response=getattr(properties, "ResponseTopic", None),
            correlation=correlation.decode("latin-1") if correlation is not None else None,
        )

    async def _publish(self, client: aiomqtt.Client, order: Mapping[str, Any]) -> None:
        payload = order["payload"]
        try:
            await client.publish(
                order["topic"],
                b"" if payload is None else _encode(payload).encode("utf-8", "replace"),
                qos=QOS,
                retain=order["retain"],
                properties=self._properties(order.get("correlation")),
            )
        except aiomqtt.MqttError as error:
            self._lose(client, error)
            return
        if not self._sent:
            asyncio.get_running_loop().call_later(ACK_S, self._acknowledge)
        self._sent.append(order["id"])

    def _acknowledge(self) -> None:
        ids, self._sent = self._sent, []
        self.tell(**{"is": "sent"}, ids=ids)

    def _properties(self, correlation: str | None) -> Properties | None:
        if correlation is None or not self._link.mqtt5:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's
        properties.CorrelationData = correlation.encode("latin-1")
        return properties

    async def _in_turn(self, client: aiomqtt.Client, order: Mapping[str, Any]) -> None:
        """Do what the daemon waits for; what it asks for next comes after it."""
        do = order["do"]
        try:
            if do == "subscribe":
                codes = await client.subscribe(order["topic"], order["qos"])
                values = [code if isinstance(code, int) else code.value for code in codes]
                self.tell(**{"is": "subscribed"}, codes=values)
            elif do == "unsubscribe":
                await client.unsubscribe(order["topic"])
                self.tell(**{"is": "unsubscribed"})
            else:
                if self._publishing:
                    await asyncio.wait(self._publishing)
                self._client = None
                await _part(client)
                self.tell(**{"is": "closed"})
        except aiomqtt.MqttError as error:
            self._lose(client, error)

    def _lose(self, client: aiomqtt.Client, error: Exception) -> None:
        """Tell once that a connection is no more."""
        if client is self._client:
            self._client = None
            self._sent.clear()
            self.tell(**{"is": "away"}, why=str(error))
            self._spawn(_part(client))

    def _spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._publishing.discard)
        return task


class _Straight(asyncio.Queue[aiomqtt.Message]):
    """Hands messages on as they come: before the answer to what the daemon asked after them."""

    def __init__(self, hand_on: Callable[[aiomqtt.Message], None], maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._hand_on = hand_on

    def put_nowait(self, item: aiomqtt.Message) -> None:
        self._hand_on(item)


async def _part(client: aiomqtt.Client) -> None:
    with contextlib.suppress(aiomqtt.MqttError):
        await client.__aexit__(None, None, None)


class _Said(logging.Handler):
    """Hands on what the libraries have to say."""

    def __init__(self, helper: Helper) -> None:
        super().__init__(logging.WARNING)
        self._helper = helper

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on one line."""
        what = (record.getMessage().splitlines() or [""])[0]
        self._helper.tell(**{"is": "said"}, what=what)


async def main() -> None:
    """Serve the daemon that started this."""
    end = socket.socket(fileno=os.dup(0))
    reader, writer = await asyncio.open_unix_connection(sock=end, limit=WIDEST)
    with contextlib.suppress(ConnectionError):
        await Helper(reader, writer).run()
    # without a goodbye, so that the broker tells the will
    os._exit(0)


if __name__ == "__main__":
    # a service manager ends all processes of a service at once; the daemon has yet to say goodbye
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    asyncio.run(main())
