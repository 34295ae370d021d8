"""The way to the MQTT broker as ivrd.toml has it, with its secrets; pauses between two tries."""

from __future__ import annotations

import json
import os
import random
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ivrd.billing.engine import password_from
from ivrd.config import Config, Mqtt
from ivrd.control.mqtt_link import Link
from ivrd.errors import ConfigError, Problem

_PORT, _PORT_TLS = 1883, 8883

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Broker:
    """The broker that ivrd.toml names.

    Raises `ConfigError` for a secret or a certificate that cannot be used.
    """

    def __init__(
        self, config: Config, table: Mqtt, environment: Mapping[str, str] = os.environ
    ) -> None:
        identifier = table.client_id or f"{table.prefix}-{config.node.name}".replace("/", "-")
        problems: list[Problem] = []
        self._link = Link(
            table.host,
            table.port or (_PORT_TLS if table.tls else _PORT),
            identifier,
            user=table.user,
            password=password_from(
                table.password_env, config.file_of(table.password_file), environment, problems
            ),
            mqtt5=table.version == "5",
            keepalive_s=table.keepalive_s,
            tls=table.tls,
            ca_file=_path(config.file_of(table.ca_file)),
            cert_file=_path(config.file_of(table.cert_file)),
            key_file=_path(config.file_of(table.key_file)),
        )
        if table.tls:
            problems += _tls_problems(self._link)
        if problems:
            raise ConfigError(
                [replace(one, file=config.path, key=f"mqtt.{one.key}") for one in problems]
            )

    @property
    def name(self) -> str:
        """The broker's address, for people."""
        return self._link.name

    @property
    def port(self) -> int:
        """The broker's port."""
        return self._link.port

    def link(self, will_topic: str = "", will: Mapping[str, Any] | None = None) -> Link:
        """Return the way to it, with a will or without."""
        return replace(self._link, will_topic=will_topic, will=_encode(will) if will else "")


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


def _path(file: Path | None) -> str | None:
    return str(file) if file is not None else None


def _tls_problems(link: Link) -> list[Problem]:
    """Return what is wrong with the files of TLS."""
    try:
        replace(link, cert_file=None, key_file=None).tls_context()
    except (OSError, ValueError) as error:
        return [_unusable("ca_file", link.ca_file, error, "certificates in PEM")]
    if link.key_file is None:
        return []
    try:
        mode = stat.S_IMODE(Path(link.key_file).stat().st_mode)
        if mode & 0o077:
            what = f"{link.key_file} has mode {mode:04o}: others than its owner may use it"
            expected = f"mode 0600 (chmod 600 {link.key_file})"
            return [Problem(what, key="key_file", expected=expected, rule="secret")]
        link.tls_context()
    except (OSError, ValueError) as error:
        expected = "a certificate and its key in PEM, the key without a passphrase"
        return [_unusable("cert_file", link.cert_file, error, expected)]
    return []


def _unusable(key: str, file: str | None, error: Exception, expected: str) -> Problem:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Problem(f"{file} cannot be used: {why}", key=key, expected=expected, rule="secret")
