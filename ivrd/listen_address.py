"""Where something listens, as ivrd.toml writes it: host and port."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

_PORT = re.compile(r"[0-9]{1,5}")


def _listen(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError(f"{text!r} is no address to listen on; write it as 127.0.0.1:9170")
    return text


ListenAddress: TypeAlias = Annotated[str, AfterValidator(_listen)]
"""``127.0.0.1:9170``, ``[::1]:9170`` or ``name:9170``; port 0 is any that is free."""


def host_and_port(listen: str) -> tuple[str, int]:
    """Return host and port of a `ListenAddress`, an IPv6 address without its brackets."""
    host, _, port = listen.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(listen: str) -> bool:
    """Return whether this machine alone can reach a `ListenAddress`; other names are not asked."""
    host, _ = host_and_port(listen)
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
