"""A whole enquiry by telephone sounds as it does on the software card, prompt by prompt."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from tests.real.audio import faults, follow
from tests.real.enquiry_office import (
    CALLED,
    CALLER,
    all_idle,
    enquiry_config,
    heard_on_software,
    open_office,
)
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.rtp import time_line, write_wav
from tests.real.softphone import Softphone
from tests.real.telephones import Exchange, until


async def test_a_caller_hears_the_whole_bill_as_on_the_software_card(
    asterisk: PrivateAsterisk, exchange: Exchange, tmp_path: Path
) -> None:
    config = enquiry_config(tmp_path, asterisk, lines=2)
    async with open_office(config) as daemon:
        now = daemon.clock.now()
        month = f"{now.replace(day=1) - timedelta(days=1):%Y%m}"
        keys = ["1", f"{month}#", "1", "88610001#", "0"]
        plays = heard_on_software(config, now, keys)
        phone = await exchange.call(CALLER, CALLED)
        await phone.until("answered", 10)
        for word in keys:
            await phone.until_quiet(1.0)
            await phone.keys(word, on_s=0.05, off_s=0.05)
        await phone.until("over", 20)
    write_wav(tmp_path / "heard.wav", time_line(phone.packets))
    assert not faults(follow(time_line(phone.packets), plays), phone.packets)
    length_s = sum(prompt.duration_s for play in plays for prompt in play)
    prompts = sum(len(play) for play in plays)
    assert prompts > 40
    assert phone.heard_s == pytest.approx(length_s, abs=0.003 * prompts + 0.02 * len(plays))


async def test_a_softphone_dials_170_and_hears_the_greeting(
    asterisk: PrivateAsterisk, tmp_path: Path
) -> None:
    config = enquiry_config(tmp_path, asterisk, lines=1)
    softphone = Softphone(asterisk, tmp_path / "softphone")
    try:
        async with open_office(config) as daemon:
            # the question of the language; then welcome and the question of the month
            plays = heard_on_software(config, daemon.clock.now(), ["1", "000000#"])[:3]
            lengths_s = [sum(prompt.duration_s for prompt in play) for play in plays]
            await softphone.registered()
            softphone.type("/dial 170")
            await softphone.says("Call established", 10)
            await asyncio.sleep(lengths_s[0] + 1)
            softphone.type("1")
            await asyncio.sleep(sum(lengths_s[1:]) + 1)
            softphone.type("/hangup")
            await softphone.says("terminated", 5)
            assert await until(lambda: all_idle(daemon), 5)
    finally:
        softphone.close()
    assert not faults(follow(softphone.recording(), plays), [])
