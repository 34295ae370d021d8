"""The way to the MQTT broker: address, TLS, user, will; and the pauses between two tries."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import ssl
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import structlog

from ivrd.billing.engine import password_from
from ivrd.config import Config, Mqtt
from ivrd.errors import ConfigError, Problem

TIMEOUT_S = 5.0
"""How long the broker may take to answer before it counts as away."""

COMMANDS_WAITING = 1000
"""Commands that may wait; further ones are discarded, and their senders get no reply."""

QOS = 1
"""At least once (MQTT 5 §4.3.2): what the broker has not acknowledged is sent again."""

_PORT, _PORT_TLS = 1883, 8883

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_json(payload: Mapping[str, Any]) -> bytes:
    """Return a payload as it is sent, with ? for what is no text."""
    return _encode(payload).encode("utf-8", "replace")


class _Told(logging.Handler):
    """Writes what the libraries have to say into the daemon's own log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        structlog.get_logger("ivrd.mqtt").warning("mqtt_client", what=record.getMessage())


def _logger() -> logging.Logger:
    logger = logging.getLogger("ivrd.mqtt.client")
    logger.handlers, logger.propagate = [_Told(level=logging.WARNING)], False
    logger.setLevel(logging.WARNING)
    return logger


class Broker:
    """Makes clients for the broker that ivrd.toml names.

    Raises `ConfigError` for a secret or a certificate that cannot be used.
    """

    def __init__(
        self, config: Config, table: Mqtt, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._table = table
        self._identifier = table.client_id or f"{table.prefix}-{config.node.name}".replace("/", "-")
        self.port = table.port or (_PORT_TLS if table.tls else _PORT)
        problems: list[Problem] = []
        self._password = password_from(
            table.password_env, config.file_of(table.password_file), environment, problems
        )
        self._tls = _context(config, table, problems) if table.tls else None
        if problems:
            raise ConfigError(
                [replace(one, file=config.path, key=f"mqtt.{one.key}") for one in problems]
            )

    @property
    def is_5(self) -> bool:
        """Whether MQTT 5 is spoken, with its response topics."""
        return self._table.version == "5"

    @property
    def name(self) -> str:
        """The broker's address, for people."""
        return f"{self._table.host}:{self.port}"

    def client(self, will_topic: str, will: Mapping[str, Any]) -> aiomqtt.Client:
        """Return a client, not connected yet. The broker forgets it when it has gone.

        So nothing that was ordered while it was away is carried out when it is back.
        """
        version = aiomqtt.ProtocolVersion.V5 if self.is_5 else aiomqtt.ProtocolVersion.V311
        client = aiomqtt.Client(
            self._table.host,
            self.port,
            username=self._table.user,
            password=self._password,
            identifier=self._identifier,
            protocol=version,
            clean_session=None if self.is_5 else True,
            clean_start=True if self.is_5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
            logger=_logger(),
            keepalive=self._table.keepalive_s,
            timeout=TIMEOUT_S,
            will=aiomqtt.Will(will_topic, to_json(will), qos=QOS, retain=True),
            max_queued_incoming_messages=COMMANDS_WAITING,
            tls_context=self._tls,
        )
        # a connection that ends after it was given up is told to nobody, of which asyncio complains
        client._disconnected.add_done_callback(_seen)  # noqa: SLF001 - there is no other way to it
        return client


def _seen(ended: asyncio.Future[None]) -> None:
    if not ended.cancelled():
        ended.exception()


class BackOff:
    """Pauses that double, each with chance in it: a fleet does not come back all at once."""

    def __init__(
        self, first_s: float = 0.5, most_s: float = 30.0, chance: Callable[[], float] | None = None
    ) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._chance = chance or random.SystemRandom().random
        self._next_s = first_s

    def pause_s(self) -> float:
        """Return how long to wait now: from half of the pause to all of it."""
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, self._most_s)
        return pause_s * (0.5 + self._chance() / 2)

    def worked(self) -> None:
        """Begin with the first pause again."""
        self._next_s = self._first_s


def _context(config: Config, table: Mqtt, problems: list[Problem]) -> ssl.SSLContext | None:
    """Return how TLS is spoken: the broker is always checked, by `ca_file` or the system's."""
    ca_file = config.file_of(table.ca_file)
    cert_file, key_file = config.file_of(table.cert_file), config.file_of(table.key_file)
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        problems.append(_unusable("ca_file", ca_file, error, "certificates in PEM"))
        return None
    if cert_file is None or key_file is None:
        return context
    try:
        mode = stat.S_IMODE(key_file.stat().st_mode)
        if mode & 0o077:
            problems.append(
                Problem(f"{key_file} has mode {mode:04o}: others than its owner may use it",
                        key="key_file", expected=f"mode 0600 (chmod 600 {key_file})",
                        rule="secret")
            )  # fmt: skip
            return None
        # without it OpenSSL would ask for a passphrase at the terminal
        context.load_cert_chain(cert_file, key_file, password="")
    except (OSError, ssl.SSLError, ValueError) as error:
        expected = "a certificate and its key in PEM, the key without a passphrase"
        problems.append(_unusable("cert_file", cert_file, error, expected))
    return context


def _unusable(key: str, file: Path | None, error: Exception, expected: str) -> Problem:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Problem(f"{file} cannot be used: {why}", key=key, expected=expected, rule="secret")
