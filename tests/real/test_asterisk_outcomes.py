"""Every way in which a call that was placed can end, as the far end makes it end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivrd.events import T_BUSY, T_EOF, T_FAULT, T_LCON, T_LCTERM, T_NOANS, T_ONH, T_REFUSED
from tests.real.asterisk_bench import CALLER_ID, Desk, open_desk
from tests.real.conftest import sentence
from tests.real.private_asterisk import GATEWAY_HOST, PrivateAsterisk
from tests.real.telephones import Exchange, Telephone, until

OUTCOMES: list[tuple[str, str, dict[str, Any]]] = [
    ("1486", T_BUSY, {"cause": 17}),
    ("2486", T_BUSY, {"cause": 17}),
    ("1600", T_BUSY, {"cause": 17}),
    ("1301", T_REFUSED, {"reason": "changed"}),
    ("2301", T_REFUSED, {"reason": "changed"}),
    ("1302", T_REFUSED, {"reason": "changed"}),
    ("2302", T_REFUSED, {"reason": "changed"}),
    ("1604", T_REFUSED, {"reason": "unallocated", "cause": 1}),
    ("1404", T_REFUSED, {"reason": "unallocated", "cause": 1}),
    ("1410", T_REFUSED, {"reason": "changed", "cause": 22}),
    ("1484", T_REFUSED, {"reason": "incomplete", "cause": 28}),
    ("1403", T_REFUSED, {"reason": "rejected", "cause": 21}),
    ("1603", T_REFUSED, {"reason": "rejected", "cause": 21}),
    ("2603", T_REFUSED, {"reason": "rejected", "cause": 21}),
    ("1480", T_NOANS, {"rang": False, "cause": 19}),
    ("2480", T_NOANS, {"rang": True, "cause": 19}),
    ("1408", T_NOANS, {"rang": False, "cause": 18}),
    ("1488", T_FAULT, {"cause": 58}),
    ("1500", T_FAULT, {"cause": 38}),
    ("1503", T_FAULT, {"cause": 34}),
    ("1401", T_FAULT, {"cause": 21, "tech_cause": 401}),
    ("1407", T_FAULT, {"cause": 21, "tech_cause": 407}),
    ("1482", T_FAULT, {"cause": 127}),
    ("1483", T_FAULT, {"cause": 19, "tech_cause": 483}),
    ("1502", T_FAULT, {"cause": 27, "tech_cause": 502}),
    ("1504", T_FAULT, {"cause": 102}),
]
"""Number, event, and what its data must say: 2… rings first."""

BY_GATEWAY: list[tuple[str, str, dict[str, Any]]] = [
    ("3001", T_REFUSED, {"reason": "unallocated", "cause": 1}),
    ("3017", T_BUSY, {"cause": 17}),
    ("3018", T_NOANS, {"rang": False, "cause": 18}),
    ("3019", T_NOANS, {"rang": False, "cause": 19}),
    ("3020", T_NOANS, {"rang": False, "cause": 19}),
    ("3021", T_REFUSED, {"reason": "rejected", "cause": 21}),
    ("3022", T_REFUSED, {"reason": "changed", "cause": 22}),
    ("3027", T_FAULT, {"cause": 27}),
    ("3028", T_REFUSED, {"reason": "incomplete", "cause": 28}),
    ("3034", T_FAULT, {"cause": 34}),
    ("3038", T_FAULT, {"cause": 34}),
    ("3055", T_REFUSED, {"reason": "rejected", "cause": 21}),
]
"""Causes of the telephone network: Asterisk (22.10) goes by the SIP code alone and passes over the
Reason header of a refusal, so that 20 reads as 19, 38 as 34 and 55 as 21."""


@pytest.mark.parametrize(("behaviour", "name", "data"), OUTCOMES)
async def test_a_dial_that_fails_is_told_with_its_cause(
    asterisk: PrivateAsterisk, exchange: Exchange, behaviour: str, name: str, data: dict[str, Any]
) -> None:
    async with open_desk(asterisk, exchange) as desk:
        wire, answer = await desk.dial(await exchange.number(behaviour))
        assert answer.name == name
        assert {key: answer.data.get(key) for key in data} == data
        await desk.on_hook(wire)
        assert asterisk.channels() == 0


@pytest.mark.parametrize(("behaviour", "name", "data"), BY_GATEWAY)
async def test_a_dial_that_fails_behind_a_gateway_is_told_by_the_sip_code_it_chose(
    asterisk: PrivateAsterisk, tmp_path: Path, behaviour: str, name: str, data: dict[str, Any]
) -> None:
    gateway = Exchange(asterisk, tmp_path / "gateway", GATEWAY_HOST)
    try:
        async with open_desk(asterisk, gateway, endpoint="PJSIP/{digits}@gateway") as desk:
            wire, answer = await desk.dial(await gateway.number(behaviour))
            assert answer.name == name
            assert {key: answer.data.get(key) for key in data} == data
            await desk.on_hook(wire)
    finally:
        await gateway.close()


@pytest.mark.parametrize("behaviour", ["1301", "1302", "2302", "4302", "5302"])
async def test_a_number_that_the_far_end_names_instead_is_never_called(
    asterisk: PrivateAsterisk, exchange: Exchange, behaviour: str
) -> None:
    """It may be anybody's; 170 would be ivrd itself, 4302 names a telephone that would answer."""
    asterisk.cli('dialplan add extension _1202.,1,Dial,"PJSIP/${EXTEN}@trunk" into ivrd-in')
    try:
        async with open_desk(asterisk, exchange) as desk:
            wire, answer = await desk.dial(await exchange.number(behaviour))
            assert (answer.name, answer.data["reason"]) == (T_REFUSED, "changed")
            await desk.bench.pass_s(1)
            assert len(exchange.dialled()) == 1, "the number that was named was called"
            assert not desk.wires[1].events, "ivrd was called"
            await desk.on_hook(wire)
    finally:
        asterisk.cli("dialplan remove extension _1202.@ivrd-in")


@pytest.mark.parametrize(("behaviour", "rang"), [("1180", True), ("1000", False)])
async def test_a_dial_that_nobody_answers_is_given_up_in_time(
    asterisk: PrivateAsterisk, exchange: Exchange, behaviour: str, rang: bool
) -> None:
    async with open_desk(asterisk, exchange) as desk:
        began_s = desk.bench.now_s()
        wire, answer = await desk.dial(await exchange.number(behaviour), 1.5)
        assert wire.at_s(answer) - began_s == pytest.approx(1.5, abs=0.1)
        assert (answer.name, answer.data["rang"]) == (T_NOANS, rang)
        await desk.on_hook(wire)
        if rang:
            assert await until(lambda: exchange.dialled()[-1].over, 3), "it rings on"


async def test_a_trunk_that_is_dead_is_told_in_time(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    async with open_desk(asterisk, exchange) as desk:
        _, answer = await desk.dial("13800138000", 1.5)
        assert answer.name in {T_NOANS, T_FAULT}
        assert not answer.data.get("rang")


async def placed(desk: Desk, exchange: Exchange, behaviour: str) -> tuple[Any, Telephone]:
    """Dial, and return the channel and the telephone that answered."""
    wire, answer = await desk.dial(await exchange.number(behaviour))
    assert answer.name == T_LCON
    return wire, exchange.dialled()[-1]


async def test_the_called_person_sees_who_calls(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    async with open_desk(asterisk, exchange) as desk:
        _, phone = await placed(desk, exchange, "1200")
        assert phone.caller == CALLER_ID


async def test_answered_and_hung_up_before_the_message(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    async with open_desk(asterisk, exchange) as desk:
        wire, _ = await placed(desk, exchange, "1201")
        await desk.event(wire, T_LCTERM, 3)
        eof = await desk.end(wire, desk.play(wire, sentence("welcome")), 1)
        assert (eof.data["heard_s"], eof.data["whole"]) == (0, False)
        await desk.on_hook(wire)
        assert [event.name for event in wire.events] == [T_LCON, T_LCTERM, T_EOF, T_ONH]


async def test_answered_and_hung_up_at_once(asterisk: PrivateAsterisk, exchange: Exchange) -> None:
    async with open_desk(asterisk, exchange) as desk:
        wire, _ = await placed(desk, exchange, "1201")
        desk.play(wire, sentence("welcome", "enter_phone"))
        eof = await desk.event(wire, T_EOF, 3)
        names = [event.name for event in wire.events]
        assert names[-2:] == [T_LCTERM, T_EOF]
        assert eof.data["whole"] is False
        assert eof.data["heard_s"] == pytest.approx(0.3, abs=0.15)


async def test_hung_up_during_the_message(asterisk: PrivateAsterisk, exchange: Exchange) -> None:
    async with open_desk(asterisk, exchange) as desk:
        wire, phone = await placed(desk, exchange, "1202")
        id_ = desk.play(wire, sentence("welcome", "enter_phone"))
        assert await until(lambda: phone.heard_s > 1, 5)
        await phone.hang_up()
        eof = await desk.end(wire, id_)
        assert [event.name for event in wire.events][-2:] == [T_LCTERM, T_EOF]
        assert eof.data["whole"] is False
        assert eof.data["heard_s"] == pytest.approx(phone.heard_s, abs=0.05)


async def test_hung_up_after_the_message(asterisk: PrivateAsterisk, exchange: Exchange) -> None:
    async with open_desk(asterisk, exchange) as desk:
        wire, phone = await placed(desk, exchange, "1202")
        eof = await desk.end(wire, desk.play(wire, sentence("goodbye")))
        assert eof.data["whole"] is True
        await phone.hang_up()
        await desk.event(wire, T_LCTERM)
        await desk.on_hook(wire)
        assert [event.name for event in wire.events][-3:] == [T_EOF, T_LCTERM, T_ONH]


async def test_the_called_person_hears_all_of_it_and_then_we_hang_up(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    async with open_desk(asterisk, exchange) as desk:
        wire, phone = await placed(desk, exchange, "1202")
        eof = await desk.end(wire, desk.play(wire, sentence("welcome", "goodbye")))
        assert eof.data["whole"] is True
        await desk.on_hook(wire)
        assert await until(lambda: phone.over, 2)
        assert phone.heard_s == pytest.approx(eof.data["heard_s"], abs=0.05)
