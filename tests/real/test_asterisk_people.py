"""Calls with people: a softphone is dialled, a machine answers, a caller is handed on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from ivrd.events import T_DIGIT, T_LCON, T_LCTERM, T_MACHINE, T_MOVED, T_REFUSED
from tests.permits import a_permit
from tests.real.asterisk_bench import CALLER_ID, open_desk
from tests.real.audio import follow, pcm_of
from tests.real.conftest import prompt, sentence
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.rtp import Pcm, time_line
from tests.real.softphone import Softphone
from tests.real.telephones import Exchange, until


async def test_a_softphone_is_rung_hears_the_message_and_its_keys_come(
    asterisk: PrivateAsterisk, exchange: Exchange, tmp_path: Path
) -> None:
    softphone = Softphone(asterisk, tmp_path / "softphone")
    try:
        await softphone.registered()
        async with open_desk(asterisk, exchange, endpoint="PJSIP/{digits}") as desk:
            wire, answer = await desk.dial("200")
            assert answer.name == T_LCON
            await softphone.says("established", 5)
            await desk.bench.pass_s(0.3)
            said = sentence("welcome", "goodbye")
            eof = await desk.end(wire, desk.play(wire, said))
            assert eof.data["whole"] is True
            softphone.type("7")
            key = await desk.event(wire, T_DIGIT)
            assert key.data["key"] == "7"
            softphone.type("/hangup")
            await desk.event(wire, T_LCTERM)
            await desk.on_hook(wire)
    finally:
        softphone.close()
    found = follow(softphone.recording(), [said.prompts])
    assert [f.prompt for f in found if f.score > 0.9] == ["welcome", "goodbye"], found


def quiet(seconds: float) -> Pcm:
    return np.zeros(round(seconds * 8000), np.int16)


@pytest.mark.parametrize(
    ("greeting", "machine"),
    [(("d_1",), False), (("welcome", "enter_phone"), True)],
    ids=["person", "machine"],
)
async def test_a_person_and_a_machine_are_told_apart(
    asterisk: PrivateAsterisk, exchange: Exchange, greeting: tuple[str, ...], machine: bool
) -> None:
    async with open_desk(asterisk, exchange, machine_context="ivrd-machine") as desk:
        number = await exchange.number("1202")
        dialling = asyncio.create_task(desk.dial(number))
        assert await until(lambda: any(p.answered for p in exchange.dialled()), 5)
        sound = [quiet(0.4), *(pcm_of(prompt(name)) for name in greeting), quiet(2)]
        speaking = asyncio.create_task(exchange.dialled()[-1].speak(np.concatenate(sound)))
        wire, answer = await dialling
        assert answer.name == T_LCON
        await desk.bench.pass_s(0.2)
        assert bool(wire.named(T_MACHINE)) is machine
        await desk.on_hook(wire)
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)


async def test_a_caller_is_joined_to_a_person_and_both_hear_each_other(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    async with open_desk(asterisk, exchange, transfer_context="ivrd-person") as desk:
        caller = await exchange.call("13800138000", "170")
        wire = await desk.answer(caller)
        permit = a_permit(await exchange.number("1200"), CALLER_ID, "attempt")
        wire.channel.transfer(next(desk.ids), permit)
        await desk.event(wire, T_MOVED, 10)
        person = exchange.dialled()[-1]
        assert not caller.over
        assert not person.over
        before = len(caller.packets)
        spoken = pcm_of(prompt("goodbye"))
        for ear, mouth in ((person, caller), (caller, person)):
            await mouth.speak(np.concatenate((quiet(0.2), spoken, quiet(0.2))))
            await desk.bench.pass_s(0.1)
            heard = time_line(ear.packets[before if ear is caller else 0 :])
            assert follow(heard, [[prompt("goodbye")]])[0].score > 0.9
        await caller.hang_up()
        assert await until(lambda: person.over, 5)
        await desk.on_hook(wire)


async def test_a_transfer_to_a_busy_person_leaves_the_caller_with_ivrd(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    async with open_desk(asterisk, exchange, transfer_context="ivrd-person") as desk:
        caller = await exchange.call("13800138000", "170")
        wire = await desk.answer(caller)
        permit = a_permit(await exchange.number("2486"), CALLER_ID, "attempt")
        wire.channel.transfer(next(desk.ids), permit)
        await desk.event(wire, T_REFUSED, 10)
        assert not caller.over
        eof = await desk.end(wire, desk.play(wire, sentence("goodbye")))
        assert eof.data["whole"] is True
