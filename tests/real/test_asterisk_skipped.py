"""A voice file that vanishes after the check is skipped by Asterisk without a word; not by us."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from ivrd.commands import Prompt, Utterance
from tests.real.asterisk_bench import Desk, open_desk
from tests.real.conftest import PROMPTS, prompt
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.telephones import Exchange

SHORTEST = [prompt(name) for name in ("pause_short", "d_2", "n_2", "nth", "d_8", "n_6")]
"""The files that are the hardest to miss: 0.12 to 0.17 s."""


def without(prompts: Sequence[Prompt], number: int) -> list[Prompt]:
    """Return the list with one file in it that is not there."""
    gone = replace(prompts[number], path=PROMPTS / "gone.wav")
    return [*prompts[:number], gone, *prompts[number + 1 :]]


async def whole(
    desk: Desk, exchange: Exchange, caller: str, lists: Sequence[Sequence[Prompt]]
) -> list[bool]:
    """Play lists in one call; return of each whether it was told as whole."""
    wire = await desk.answer(await exchange.call(caller, "170"))
    told = []
    for prompts in lists:
        play = desk.play(wire, Utterance("list", "zh-CN", tuple(prompts)))
        told.append((await desk.end(wire, play)).data["whole"] is True)
    await desk.on_hook(wire)
    return told


async def test_wherever_in_a_list_a_short_file_is_missing_it_is_noticed(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    lists = [without(SHORTEST, number) for number in range(len(SHORTEST))]
    async with open_desk(asterisk, exchange) as desk:
        told = await whole(desk, exchange, "13800138000", [SHORTEST, *lists, SHORTEST])
    assert told == [True, *[False] * len(SHORTEST), True]


async def test_the_shortest_file_missing_in_a_long_list_is_noticed(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    rng = random.Random(5)
    names = sorted(file.stem for file in PROMPTS.glob("[dn]_*.wav"))
    spoken = [*(prompt(name) for name in rng.choices(names, k=40)), SHORTEST[0]]
    rng.shuffle(spoken)
    async with open_desk(asterisk, exchange) as desk:
        assert await whole(desk, exchange, "13800138000", [spoken]) == [True]
        pause = spoken.index(SHORTEST[0])
        assert await whole(desk, exchange, "13800138001", [without(spoken, pause)]) == [False]
