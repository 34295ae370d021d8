"""Keys: none lost, none doubled, at 50 ms on and 50 ms off; and what barge-in takes."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from ivrd.events import T_DIGIT
from tests.real.asterisk_bench import open_desk
from tests.real.conftest import sentence
from tests.real.private_asterisk import GATEWAY_HOST, PrivateAsterisk
from tests.real.rtp import KEYS
from tests.real.telephones import Exchange, until


def some_keys(count: int, seed: int) -> str:
    """Return keys at random, with each key twice in a row somewhere."""
    rng = random.Random(seed)
    return "".join(rng.choices("0123456789*#", k=count)) + "".join(2 * key for key in KEYS[:12])


@pytest.mark.parametrize("speaking", [False, True])
async def test_keys_of_50_ms_with_50_ms_between_them_all_come_once(
    asterisk: PrivateAsterisk, exchange: Exchange, speaking: bool
) -> None:
    keys = some_keys(40, seed=1)
    async with open_desk(asterisk, exchange) as desk:
        phone = await exchange.call("13800138000", "170")
        wire = await desk.answer(phone)
        if speaking:
            desk.play(wire, sentence("welcome", "enter_phone", "enter_month", "goodbye"))
        await phone.keys(keys, on_s=0.05, off_s=0.05)
        await until(lambda: len(wire.named(T_DIGIT)) >= len(keys), 2)
        await desk.bench.pass_s(0.3)
        assert "".join(str(e.data["key"]) for e in wire.named(T_DIGIT)) == keys


async def test_keys_of_a_called_person_come_too(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    async with open_desk(asterisk, exchange) as desk:
        wire, _ = await desk.dial(await exchange.number("1202"))
        await exchange.dialled()[-1].keys("0123456789*#", on_s=0.05, off_s=0.05)
        assert await until(lambda: len(wire.named(T_DIGIT)) == 12, 2), wire.events
        assert "".join(str(e.data["key"]) for e in wire.named(T_DIGIT)) == "0123456789*#"


async def test_keys_by_sip_info_from_the_gateway_all_come_once(
    asterisk: PrivateAsterisk, tmp_path: Path
) -> None:
    gateway = Exchange(asterisk, tmp_path / "gateway", GATEWAY_HOST)
    try:
        async with open_desk(asterisk, gateway) as desk:
            phone = await gateway.call("13800138000", "170", "8")
            wire = await desk.answer(phone)
            phone.by_info = True
            await phone.keys("0123456789*#", on_s=0.1, off_s=0.1)
            await until(lambda: len(wire.named(T_DIGIT)) >= 12, 2)
            await desk.bench.pass_s(0.3)
            assert "".join(str(e.data["key"]) for e in wire.named(T_DIGIT)) == "0123456789*#"
    finally:
        await gateway.close()


async def test_a_key_in_a_play_is_told_within_50_ms_and_the_stop_silences_within_60(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    told_s, silent_s = [], []
    async with open_desk(asterisk, exchange) as desk:
        phone = await exchange.call("13800138000", "170")
        wire = await desk.answer(phone)
        for number in range(8):
            play = desk.play(wire, sentence("welcome", "enter_phone"))
            await desk.bench.pass_s(0.4 + 0.037 * number)
            seen = len(wire.named(T_DIGIT))
            await phone.keys("5", on_s=0.06, off_s=0)
            released_s = time.time()
            assert await until(lambda: len(wire.named(T_DIGIT)) > seen, 1)  # noqa: B023 - awaited here
            told_s.append(time.time() - released_s)
            ordered_s = time.time()
            wire.channel.stop(play)
            eof = await desk.end(wire, play)
            assert eof.data["whole"] is False
            await desk.bench.pass_s(0.2)
            silent_s.append(phone.packets[-1].at_s - ordered_s)
        await desk.on_hook(wire)
    assert max(told_s) < 0.05
    assert max(silent_s) < 0.06
