"""What a telephone hears is what was ordered: compared sound by sound with the voice files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ivrd.commands import Prompt, Utterance
from tests.real.asterisk_bench import open_desk
from tests.real.audio import faults, follow
from tests.real.conftest import PROMPTS, prompt, sentence
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.rtp import time_line, write_wav
from tests.real.telephones import Exchange


@pytest.mark.parametrize("codecs", ["0", "8"])
async def test_a_long_sentence_is_heard_whole_in_order_and_without_a_gap(
    asterisk: PrivateAsterisk, exchange: Exchange, tmp_path: Path, codecs: str
) -> None:
    rng = random.Random(7)
    names = sorted(file.stem for file in PROMPTS.glob("[dnhf]*_*.wav"))
    spoken: list[Prompt] = [prompt(name) for name in rng.choices(names, k=16)]
    async with open_desk(asterisk, exchange) as desk:
        phone = await exchange.call("13800138000", "170", codecs)
        wire = await desk.answer(phone)
        play = desk.play(wire, Utterance("numbers", "zh-CN", tuple(spoken)))
        eof = await desk.end(wire, play)
        await desk.on_hook(wire)
    write_wav(tmp_path / "heard.wav", time_line(phone.packets))
    assert not faults(follow(time_line(phone.packets), [spoken]), phone.packets)
    assert eof.data["whole"] is True
    length_s = sum(part.duration_s for part in spoken)
    assert phone.heard_s == pytest.approx(length_s, abs=0.003 * len(spoken) + 0.02)
    assert eof.data["heard_s"] == pytest.approx(phone.heard_s, abs=0.05)


async def test_two_callers_hear_each_their_own(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    words = [sentence("welcome", "enter_phone"), sentence("enter_month", "goodbye")]
    async with open_desk(asterisk, exchange) as desk:
        phones, ends = [], []
        for number, said in enumerate(words):
            phones.append(await exchange.call(f"8861000{number}", "170"))
            wire = await desk.answer(phones[-1])
            ends.append((wire, desk.play(wire, said)))
        for wire, play in ends:
            assert (await desk.end(wire, play)).data["whole"] is True
            await desk.on_hook(wire)
    for phone, said in zip(phones, words, strict=True):
        found = follow(time_line(phone.packets), [said.prompts])
        assert not faults(found, phone.packets)


async def test_after_a_stop_nothing_more_is_heard_and_the_next_play_is_clean(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    async with open_desk(asterisk, exchange) as desk:
        phone = await exchange.call("13800138000", "170")
        wire = await desk.answer(phone)
        first = desk.play(wire, sentence("welcome", "enter_phone"))
        await desk.bench.pass_s(1.0)
        before_s = phone.heard_s
        wire.channel.stop(first)
        cut = await desk.end(wire, first)
        await desk.bench.pass_s(0.3)
        after_s, count = phone.heard_s, len(phone.packets)
        assert after_s - before_s < 0.1
        assert cut.data["heard_s"] == pytest.approx(after_s, abs=0.05)
        second = desk.play(wire, sentence("goodbye"))
        await desk.end(wire, second)
        await desk.on_hook(wire)
    late = phone.packets[count:]
    assert not faults(follow(time_line(late), [sentence("goodbye").prompts]), late)
