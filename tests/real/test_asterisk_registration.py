"""A trunk that wants a registration: pjsip_carrier.conf against a second Asterisk, the carrier."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ivrd.events import T_DIGIT, T_LCON, T_LCTERM, T_REFUSED
from tests.real.asterisk_bench import CALLER_ID, open_desk
from tests.real.conftest import sentence
from tests.real.private_asterisk import PrivateAsterisk, missing
from tests.real.telephones import Exchange, until

ACCOUNT = "200"
"""The account at the carrier: the softphone of its own pjsip.conf."""

CARRIERS_DIALPLAN = f"""
[ivrd-in]
exten => 57575757,1,Dial(PJSIP/{ACCOUNT},20)
 same => n,Hangup()
exten => _[0-9].,1,Dial(PJSIP/${{EXTEN}}@trunk,20)
 same => n,Hangup(${{HANGUPCAUSE}})
"""
THROUGH_CARRIER = "PJSIP/{digits}@carrier"


def registers(asterisk: PrivateAsterisk, carrier: PrivateAsterisk, password: str) -> None:
    """Set the example up as its comment says, with this carrier and this account."""
    etc = asterisk.folder / "etc"
    file = etc / "pjsip_carrier.conf"
    text = file.read_text()
    for old, new, times in (
        (r"carrier\.example:5060", f"127.0.0.1:{carrier.sip_port}", 3),
        (r"from_domain = carrier\.example", "from_domain = 127.0.0.1", 1),
        ("01012345678", ACCOUNT, 3),
        ("qualify_frequency = 30", "", 1),
    ):
        text, found = re.subn(old, new, text)
        assert found == times, f"pjsip_carrier.conf has {old!r} {found} times, expected {times}"
    file.write_text(text)
    secret = etc / "carrier_password.conf"
    secret.touch(0o600)
    secret.write_text(f"password = {password}\n")
    file = etc / "pjsip.conf"
    text, found = re.subn(r'(?m)^; (#include "pjsip_carrier\.conf")$', r"\1", file.read_text())
    assert found == 1
    file.write_text(text)


@pytest.fixture(scope="module")
def carrier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateAsterisk]:
    lacks = missing()
    if lacks:
        pytest.skip(lacks)
    carrier = PrivateAsterisk(tmp_path_factory.mktemp("carrier") / "own")
    etc = carrier.folder / "etc"
    (etc / "extensions.conf").write_text(CARRIERS_DIALPLAN)
    text, found = re.subn(r"(?m)^\[200\]\(line\)$", r"\g<0>\ntrust_id_inbound = yes",
                          (etc / "pjsip.conf").read_text())  # fmt: skip
    assert found == 1
    (etc / "pjsip.conf").write_text(text)  # it goes by P-Asserted-Identity, as carriers do
    asyncio.run(carrier.start())
    yield carrier
    carrier.stop()


@pytest.fixture(scope="module")
def customer(
    carrier: PrivateAsterisk, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrivateAsterisk]:
    """Return an Asterisk with the files of deploy/asterisk that registers with the carrier."""
    asterisk = PrivateAsterisk(tmp_path_factory.mktemp("customer") / "own")
    registers(asterisk, carrier, carrier.softphone_password)
    asyncio.run(asterisk.start())
    yield asterisk
    asterisk.stop()


@pytest.fixture
async def registered(customer: PrivateAsterisk) -> PrivateAsterisk:
    shown = await shows(customer, "Registered")
    assert "Registered" in shown, shown + customer.messages[-2000:]
    return customer


@pytest.fixture
async def telephones(carrier: PrivateAsterisk, tmp_path: Path) -> AsyncIterator[Exchange]:
    """Return telephones of the carrier's other customers."""
    exchange = Exchange(carrier, tmp_path / "telephones")
    yield exchange
    await exchange.close()


async def shows(asterisk: PrivateAsterisk, status: str, within_s: float = 10) -> str:
    """Wait for a status of the registration, and return what is shown of it."""
    await until(lambda: status in asterisk.cli("pjsip show registrations"), within_s)
    return asterisk.cli("pjsip show registrations")


async def test_the_carrier_knows_where_we_are(
    carrier: PrivateAsterisk, registered: PrivateAsterisk
) -> None:
    contact = re.search(rf"Contact: +{ACCOUNT}/sip:(\S+)", carrier.cli("pjsip show contacts"))
    assert contact
    assert contact[1].startswith(f"170@127.0.0.1:{registered.sip_port}")


async def test_a_call_from_the_carrier_rings_is_answered_and_keys_come(
    registered: PrivateAsterisk, telephones: Exchange
) -> None:
    async with open_desk(registered, telephones, endpoint=THROUGH_CARRIER) as desk:
        phone = await telephones.call("13800138000", "57575757")
        wire = await desk.answer(phone)
        ring = wire.events[0]
        assert (ring.data["caller"], ring.data["called"]) == ("13800138000", "170")
        eof = await desk.end(wire, desk.play(wire, sentence("welcome")))
        assert eof.data["whole"] is True
        assert phone.heard_s == pytest.approx(eof.data["heard_s"], abs=0.1)
        await phone.keys("7", on_s=0.1)
        assert await until(lambda: [e.data["key"] for e in wire.named(T_DIGIT)] == ["7"], 2)
        await phone.hang_up()
        await desk.event(wire, T_LCTERM)
        await desk.on_hook(wire)


async def test_a_call_through_the_carrier_is_answered_hears_and_sees_who_calls(
    registered: PrivateAsterisk, telephones: Exchange
) -> None:
    async with open_desk(registered, telephones, endpoint=THROUGH_CARRIER) as desk:
        wire, answer = await desk.dial(await telephones.number("1200"))
        assert answer.name == T_LCON
        phone = telephones.dialled()[-1]
        assert phone.caller == CALLER_ID, "the account is not the caller id"
        eof = await desk.end(wire, desk.play(wire, sentence("goodbye")))
        assert eof.data["whole"] is True
        assert phone.heard_s == pytest.approx(eof.data["heard_s"], abs=0.1)
        await desk.on_hook(wire)
        assert await until(lambda: phone.over, 3)


async def test_what_the_carrier_says_of_a_number_is_told(
    registered: PrivateAsterisk, telephones: Exchange
) -> None:
    async with open_desk(registered, telephones, endpoint=THROUGH_CARRIER) as desk:
        wire, answer = await desk.dial(await telephones.number("1404"))
        assert (answer.name, answer.data["reason"]) == (T_REFUSED, "unallocated")
        await desk.on_hook(wire)


async def test_a_wrong_password_is_shown_and_not_tried_all_the_time(
    carrier: PrivateAsterisk, tmp_path: Path
) -> None:
    asterisk = PrivateAsterisk(tmp_path / "own")
    registers(asterisk, carrier, "wrong")
    await asterisk.start()
    try:
        shown = await shows(asterisk, "Rejected")
        assert "Rejected" in shown
    finally:
        asterisk.stop()
