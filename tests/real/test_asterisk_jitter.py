"""Keys that come too close for Asterisk, as jitter brings them, are heard once each."""

from __future__ import annotations

import random

from ivrd.events import T_DIGIT
from tests.real.asterisk_bench import open_desk
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.telephones import Exchange, until

KEYS = "1233456789*0#112234455"


async def test_keys_with_too_little_between_them_are_told_twice_by_asterisk_and_once_by_us(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    rng = random.Random(3)
    async with open_desk(asterisk, exchange) as desk:
        phone = await exchange.call("13800138000", "170")
        wire = await desk.answer(phone)
        for key in KEYS:
            await phone.keys(key, on_s=0.08, off_s=rng.uniform(0.015, 0.1))
        assert await until(lambda: len(wire.named(T_DIGIT)) >= len(KEYS), 2), wire.events
        await desk.bench.pass_s(0.5)
        await desk.on_hook(wire)
    assert "".join(str(event.data["key"]) for event in wire.named(T_DIGIT)) == KEYS
