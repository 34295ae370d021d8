"""What `ivrd doctor` looks at for those who watch: the broker, and the metrics' address."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import secrets
import socket
import ssl
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from http.client import HTTPException

import aiomqtt

from ivrd.config import Config, Mqtt
from ivrd.control.broker import Broker
from ivrd.control.bus_words import Topics
from ivrd.control.mqtt_link import QOS, Link
from ivrd.listen_address import host_and_port, is_loopback

ANSWER_S = 3.0
"""How long a message of our own may take to come back, and the daemon to say that it lives."""

_REFUSED = 128
"""Reason codes from this one on are failures (MQTT 5 §2.4)."""


def broker_look(config: Config) -> tuple[bool | None, str]:
    """Say whether the broker of [mqtt] lets this node in, and what it may do there.

    A client of its own connects, beside a daemon that runs, and publishes one message to a topic
    under ``reply``, which is not retained. Raises `ConfigError` for secrets that cannot be used.
    """
    table = config.mqtt
    if table is None:
        return True, "no [mqtt]: no broker is told"
    link = Broker(config, table).link()
    # under the daemon's own name it would throw a daemon that runs out
    aside = replace(link, identifier=f"{link.identifier}-doctor-{secrets.token_hex(3)}")
    return asyncio.run(_asked(aside, table, Topics(table.prefix, config.node.name)))


async def _asked(link: Link, table: Mqtt, topics: Topics) -> tuple[bool | None, str]:
    logger = logging.getLogger("ivrd.doctor.mqtt")
    logger.propagate, logger.handlers = False, [logging.NullHandler()]
    try:
        client = link.client(logger)
        await client.__aenter__()
    except (aiomqtt.MqttError, OSError) as error:
        return False, f"{link.name}: {_why(str(error), link)}"
    try:
        return await _rights(client, link, table, topics)
    except aiomqtt.MqttError as error:
        return False, f"{link.name}: the connection broke: {error}"
    finally:
        with contextlib.suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


def _why(told: str, link: Link) -> str:
    """Return why a connection failed, and what to do about it."""
    if "CERTIFICATE_VERIFY_FAILED" in told:
        named = f"its certificate has to name {link.host} (mqtt.host)"
        if "ostname" not in told and "IP address" not in told:
            named = "it has to be by an authority of mqtt.ca_file, or of the system"
        return f"the broker's certificate is not accepted: {told}; {named}"
    if "SSL" in told or "handshake" in told:
        return f"TLS fails: {told}; is it spoken there, and does mqtt.cert_file fit?"
    if "authori" in told or "user name" in told or "dentifier" in told:
        return f"refused: {told}; look at mqtt.user, its password and the broker's list of users"
    if "timed out" in told.lower():
        hint = "TLS is spoken there perhaps: mqtt.tls" if not link.tls else "is it a broker?"
        return f"does not answer: {told}; {hint}"
    return f"cannot be reached: {told}; look at mqtt.host and mqtt.port"


async def _rights(
    client: aiomqtt.Client, link: Link, table: Mqtt, topics: Topics
) -> tuple[bool | None, str]:
    """Publish on a topic of this node's own, and hear it again."""
    base = topics.status.removesuffix("status")
    own = f"{base}reply/doctor-{secrets.token_hex(3)}"
    who = f"user {link.user}" if link.user else "a client without a user"
    wanted = [own, f"{topics.commands}+"] if table.commands else [own]
    for topic in wanted:
        if _refused(await client.subscribe(topic, QOS)):
            return False, f"{link.name}: {who} may not subscribe to {topic}"
    await client.publish(own, b"{}", qos=QOS)
    try:
        async with asyncio.timeout(ANSWER_S):
            async for message in client.messages:
                if message.topic.value == own:
                    break
    except TimeoutError:
        what = f"{link.name}: what {who} publishes on {own} does not come back"
        return False, f"{what}; let it read and write {base}#"
    tls = "TLS, " if link.tls else ""
    return True, f"{link.name}: {tls}{who} may publish and subscribe under {base}"


def _refused(codes: Sequence[object]) -> bool:
    return any(int(getattr(code, "value", code)) >= _REFUSED for code in codes)  # type: ignore[call-overload]


def metrics_look(config: Config) -> tuple[bool | None, str]:
    """Say whether the address of [metrics] is free, or a daemon answers there."""
    table = config.metrics
    if table is None:
        return True, "no [metrics]: nothing listens"
    host, port = host_and_port(table.listen)
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _lives(table.listen, tls=_by_tls(config)):
            return _open_to_others(table.listen, f"a daemon answers on {table.listen}")
        why = error.strerror or error
        return False, f"metrics.listen: nobody can listen on {table.listen}: {why}"
    return _open_to_others(table.listen, f"{table.listen} is free")


def _by_tls(config: Config) -> bool:
    """Return whether [metrics] answers where [api] does, by its TLS."""
    api, metrics = config.api, config.metrics
    if api is None or metrics is None or api.cert_file is None:
        return False
    return host_and_port(api.listen) == host_and_port(metrics.listen)


def _lives(listen: str, *, tls: bool) -> bool:
    """Return whether an ivrd says there that it lives; nothing is told to it that is secret."""
    anybody = ssl.create_default_context()
    # its certificate names those who ask from outside, not this address
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    # and a proxy, where the environment names one, is for the web alone
    straight = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=anybody)
    )
    try:
        with straight.open(
            f"http{'s' if tls else ''}://{listen}/healthz", timeout=ANSWER_S
        ) as told:
            return bool(json.load(told).get("alive"))
    except (OSError, ValueError, AttributeError, HTTPException):
        return False


def _open_to_others(listen: str, told: str) -> tuple[bool | None, str]:
    if is_loopback(listen):
        return True, told
    return None, f"{told}; others reach it, and nobody is asked who they are: a firewall has to"
