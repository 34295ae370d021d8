"""Who may ask, and how often: tokens, rates, and wrong tokens and proofs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_address, ip_network

from ivrd.control.api.clients import Client, Clients, client_of
from ivrd.control.api.problems import ApiProblem
from ivrd.control.api.rate import Limiter, Rate

WRONG_PROOFS = Rate(60, 3600.0)
"""Wrong proofs of one client; those of one account are counted together with the phone's."""


class Door:
    """Lets clients in. A valid token passes whatever else comes from its address."""

    def __init__(self, wrong_tokens_a_minute: int, monotonic: Callable[[], float]) -> None:
        self._wrong_tokens = Rate(wrong_tokens_a_minute, 60.0)
        self._addresses = Limiter(monotonic)
        # there are as many clients as their file has: strangers crowd none of them out
        self._clients = Limiter(monotonic)

    def who(self, token: str, clients: Clients, remote: str) -> str:
        """Return whose token it is. Raises `ApiProblem`; wrong ones count for `remote`."""
        name = client_of(clients, token)
        if name is None:
            raise self.refused("token-refused", remote)
        return name

    def refused(self, code: str, remote: str) -> ApiProblem:
        """Count a request without a valid token, and return what is said to it."""
        wait_s = self._addresses.take(_network(remote), self._wrong_tokens)
        return ApiProblem("too-many-tokens", retry_s=wait_s) if wait_s else ApiProblem(code)

    def enter(self, name: str, client: Client, now: datetime) -> None:
        """Count a request of a client. Raises `ApiProblem` where it may not ask now."""
        wait_s = self._clients.take(f"client {name}", Rate.parse(client.rate))
        if wait_s:
            raise ApiProblem("too-often", f"this client may ask {client.rate}", retry_s=wait_s)
        if client.over(now):
            raise ApiProblem("token-expired")

    def may_prove(self, name: str) -> None:
        """Raise `ApiProblem` where a client has brought too many wrong proofs."""
        wait_s = self._clients.wait_s(f"proofs {name}", WRONG_PROOFS)
        if wait_s:
            what = f"more than {WRONG_PROOFS.count} wrong proofs within an hour"
            raise ApiProblem("too-often", what, retry_s=wait_s)

    def not_proven(self, name: str) -> None:
        """Count a wrong proof."""
        self._clients.take(f"proofs {name}", WRONG_PROOFS)


def _network(remote: str) -> str:
    """Return what one subscriber has of addresses: of IPv6 a /64 (RFC 6177), else the address."""
    try:
        address = ip_address(remote.partition("%")[0])
    except ValueError:
        return remote
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))
