"""Voice files where Asterisk runs: looked at again when it comes back, which may be elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ivrd.card import VoiceCard
from ivrd.events import T_LC, T_ONH
from tests.contract.card_bench import Wire
from tests.real.asterisk_bench import Desk, open_desk
from tests.real.conftest import PROMPTS, prompt
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.telephones import Exchange, until

NAMES = ("welcome", "goodbye", "enter_phone")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with copies of some voice files, as Asterisk sees them."""
    monkeypatch.setattr("drivers.asterisk.card.CHECK_AGAIN_S", 0.5)
    folder = tmp_path / "there"
    folder.mkdir()
    for name in NAMES:
        shutil.copy(PROMPTS / f"{name}.wav", folder)
    return folder


def lost(wire: Wire) -> list[str]:
    """Return why the channel went out of service, each time."""
    return [str(event.data["cause"]) for event in wire.named(T_LC)]


async def on_hook(desk: Desk) -> None:
    """Order on hook everywhere, as lines do, and wait for the answers."""
    ids = {wire: next(desk.ids) for wire in desk.wires}
    for wire, ident in ids.items():
        wire.channel.on_hook(ident)
    answered = await until(
        lambda: all(any(e.id == ids[w] for e in w.named(T_ONH)) for w in desk.wires), 5
    )
    assert answered, [wire.events for wire in desk.wires]


async def prepared(card: VoiceCard) -> None:
    await card.prepare([prompt(name) for name in NAMES])


async def test_files_that_are_gone_after_a_restart_take_the_card_out_of_service_until_they_are_back(
    asterisk: PrivateAsterisk, exchange: Exchange, there: Path
) -> None:
    async with open_desk(
        asterisk, exchange, prompts_here=str(PROMPTS), prompts_there=str(there)
    ) as desk:
        await prepared(desk.card)
        asterisk.kill()
        (there / "goodbye.wav").unlink()
        assert await until(lambda: all(len(lost(wire)) == 1 for wire in desk.wires), 5)
        await asterisk.start()
        assert await until(lambda: all(len(lost(wire)) == 2 for wire in desk.wires), 10)
        for wire in desk.wires:
            why = lost(wire)[1]
            assert why.startswith("voice files: ")
            assert "goodbye.wav" in why
            assert "Asterisk cannot play it" in why
        # a caller is sent on to another route, and not into half a bill
        phone = await exchange.call("13800138000", "170")
        await phone.until("over")
        assert phone.refused == 503
        shutil.copy(PROMPTS / "goodbye.wav", there)
        await on_hook(desk)
        await desk.answer(await exchange.call("13800138000", "170"))
        assert all(len(lost(wire)) == 2 for wire in desk.wires)


async def test_a_call_that_came_before_the_files_were_looked_at_is_ended(
    asterisk: PrivateAsterisk, exchange: Exchange, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.asterisk.card.BESIDE_CALLS", 1)
    async with open_desk(
        asterisk, exchange, prompts_here=str(PROMPTS), prompts_there=str(there)
    ) as desk:
        # the same files many times, so that looking at them takes a while
        await desk.card.prepare([prompt(NAMES[n % 2]) for n in range(2)])
        asterisk.kill()
        assert await until(lambda: all(len(lost(wire)) == 1 for wire in desk.wires), 5)
        monkeypatch.setattr("drivers.asterisk.files.LAST_S", 0.9)
        (there / "goodbye.wav").unlink()
        await asterisk.start()
        await on_hook(desk)
        phone = await exchange.call("13800138000", "170")
        await desk.answer(phone)
        assert await until(lambda: all(len(lost(wire)) == 2 for wire in desk.wires), 10)
        assert await until(lambda: phone.over, 5), "the call goes on"


async def test_files_that_are_as_before_cost_no_line_anything(
    asterisk: PrivateAsterisk, exchange: Exchange, there: Path
) -> None:
    async with open_desk(
        asterisk, exchange, prompts_here=str(PROMPTS), prompts_there=str(there)
    ) as desk:
        await prepared(desk.card)
        asterisk.kill()
        assert await until(lambda: all(len(lost(wire)) == 1 for wire in desk.wires), 5)
        await asterisk.start()
        await on_hook(desk)
        assert await until(lambda: asterisk.channels() == 0, 5)
        await desk.bench.pass_s(1)
        assert all(len(lost(wire)) == 1 for wire in desk.wires)
