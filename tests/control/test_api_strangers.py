"""Strangers from many addresses: they count as what they are, and reset nobody's counts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ivrd.control.api.clients import Client
from ivrd.control.api.door import WRONG_PROOFS, Door
from ivrd.control.api.problems import ApiProblem
from ivrd.control.api.rate import Limiter

MANY = 200
NOW = datetime(2026, 11, 22, tzinfo=UTC)
CLIENT = Client(token_sha256="0" * 64, may=["bills"], rate="1/h", added=NOW)


def code(door: Door, remote: str) -> str:
    return door.refused("token-refused", remote).code


def test_wrong_tokens_from_everywhere_give_no_client_its_proofs_and_requests_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Limiter, "_MANY", MANY)
    door = Door(10, lambda: 0.0)
    door.enter("shop", CLIENT, NOW)
    for _ in range(WRONG_PROOFS.count):
        door.not_proven("shop")
    for n in range(2 * MANY):
        code(door, f"10.0.{n // 250}.{n % 250}")
    with pytest.raises(ApiProblem, match="too-often"):
        door.may_prove("shop")
    with pytest.raises(ApiProblem, match="too-often"):
        door.enter("shop", CLIENT, NOW)


@pytest.mark.parametrize(
    ("remotes", "same"),
    [
        (("2001:db8::1", "2001:db8::ffff:2"), True),
        (("2001:db8:0:1::1", "2001:db8:0:2::1"), False),
        (("fe80::1%eth0", "fe80::2%eth0"), True),
        (("192.0.2.1", "::ffff:192.0.2.1"), True),
        (("192.0.2.1", "192.0.2.2"), False),
        (("::ffff:192.0.2.1", "::ffff:192.0.2.2"), False),
        (("", ""), True),
    ],
)
def test_a_subscribers_addresses_count_together(remotes: tuple[str, str], same: bool) -> None:
    door = Door(1, lambda: 0.0)
    assert code(door, remotes[0]) == "token-refused"
    assert code(door, remotes[1]) == ("too-many-tokens" if same else "token-refused")


def test_room_for_new_addresses_is_made_for_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limiter, "_MANY", MANY)
    tidied = 0
    tidy = Limiter._tidy  # noqa: SLF001 - how often it looks through all is what is asked

    def counted(limiter: Limiter, now_s: float) -> None:
        nonlocal tidied
        tidied += 1
        tidy(limiter, now_s)

    monkeypatch.setattr(Limiter, "_tidy", counted)
    door = Door(10, lambda: 0.0)
    for n in range(10 * MANY):
        code(door, f"10.{n // 250}.0.{n % 250}")
    assert tidied <= 100
