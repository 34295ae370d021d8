"""How a broker is reached, as plain data: for the helper that speaks MQTT, and for those who check.

Light: the helper loads nothing else of ivrd.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import aiomqtt
import paho.mqtt.client as paho

TIMEOUT_S = 5.0
"""How long the broker may take to answer before it counts as away."""

MANY = 1000
"""Messages on their way of which nobody has to be told."""

QOS = 1
"""At least once (MQTT 5 §4.3.2): what the broker has not acknowledged is sent again."""


@dataclass(frozen=True, slots=True)
class Link:
    """One way to one broker. `will` is JSON; without a topic for it there is none."""

    host: str
    port: int
    identifier: str
    user: str | None = None
    password: str | None = None
    mqtt5: bool = True
    keepalive_s: int = 30
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    will_topic: str = ""
    will: str = ""

    @property
    def name(self) -> str:
        """The broker's address, for people."""
        return f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        """Say where to; a password is never told."""
        return f"Link({self.name})"

    def as_json(self) -> dict[str, Any]:
        """Return what makes a link again."""
        return asdict(self)

    def client(
        self,
        logger: logging.Logger,
        queue: Callable[..., asyncio.Queue[aiomqtt.Message]] | None = None,
    ) -> aiomqtt.Client:
        """Return a client, not connected yet. The broker forgets it when it has gone.

        So nothing that was ordered while it was away is carried out when it is back. Raises
        `OSError`, which `ssl.SSLError` is, for a certificate that cannot be used.
        """
        version = aiomqtt.ProtocolVersion.V5 if self.mqtt5 else aiomqtt.ProtocolVersion.V311
        will = aiomqtt.Will(self.will_topic, self.will.encode(), qos=QOS, retain=True)
        client = aiomqtt.Client(
            self.host,
            self.port,
            username=self.user,
            password=self.password,
            identifier=self.identifier,
            protocol=version,
            clean_session=None if self.mqtt5 else True,
            clean_start=True if self.mqtt5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
            logger=logger,
            queue_type=queue,  # type: ignore[arg-type]  # it is only called
            keepalive=self.keepalive_s,
            timeout=TIMEOUT_S,
            will=will if self.will_topic else None,
            tls_context=self.tls_context() if self.tls else None,
            # else a small message may wait for the acknowledgement of the one before it
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        )
        # how many are on their way is for the daemon to say
        client.pending_calls_threshold = MANY
        # a connection that ends after it was given up is told to nobody, of which asyncio complains
        client._disconnected.add_done_callback(_seen)  # noqa: SLF001 - there is no other way to it
        return client

    def tls_context(self) -> ssl.SSLContext:
        """Return how TLS is spoken: the broker is always checked, by `ca_file` or the system's.

        Raises `OSError` or `ValueError` for a file that cannot be used.
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            # without a word OpenSSL would ask for a passphrase at the terminal
            context.load_cert_chain(self.cert_file, self.key_file, password="")
        return context


def _seen(ended: Any) -> None:
    if not ended.cancelled():
        ended.exception()
