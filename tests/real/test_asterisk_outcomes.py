"""Every way in which a call that was placed can end, as the far end makes it end."""

from __future__ import annotations

from typing import Any

import pytest

from ivrd.events import T_BUSY, T_EOF, T_FAULT, T_LCON, T_LCTERM, T_NOANS, T_ONH, T_REFUSED
from tests.real.asterisk_bench import CALLER_ID, Desk, open_desk
from tests.real.conftest import sentence
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.telephones import Exchange, Telephone, until

OUTCOMES: list[tuple[str, str, dict[str, Any]]] = [
    ("1486", T_BUSY, {"cause": 17}),
    ("2486", T_BUSY, {"cause": 17}),
    ("1600", T_BUSY, {"cause": 17}),
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
]
"""Number, event, and what its data must say: 2… rings first."""


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
