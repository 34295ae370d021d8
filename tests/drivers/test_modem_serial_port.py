"""The modem card on device files: emulated modems on ptys, opened by pyserial, in real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from drivers.modem.card import ModemCard
from drivers.modem.profile import load_profile
from ivrd.clock import LoopClock
from ivrd.errors import CardError
from ivrd.events import T_DIGIT, T_EOF, T_LC, T_LCTERM, T_OFFH, T_ONH, T_RING
from sim.modem_bank import ModemBank, PtyPort
from sim.modem_ear import Vocabulary
from sim.modem_line import LineTiming
from tests.contract.card_bench import Wire, tone
from tests.contract.test_software_card import Telephone

PROFILE = "usr5637"


class Desk:
    """A card on two ptys, and who calls it."""

    def __init__(self, folder: Path) -> None:
        clock = LoopClock()
        profile = load_profile(PROFILE)
        timing = LineTiming(ring_period_s=0.5, caller_id_s=0.2, loop_s=0.05, tone_s=0.05)
        self.bank = ModemBank(
            clock, profile, 2, line_timing=timing,
            vocabulary=Vocabulary(tone(folder, 3.0).prompts, profile.coding),
        )  # fmt: skip
        self.ports = [
            PtyPort(modem, clock, folder / f"modem{modem.number}") for modem in self.bank.modems
        ]
        for port in self.ports:
            port.plug_in()
        self.card = ModemCard(
            clock, channels=2, ports=[port.name for port in self.ports], profile=PROFILE
        )
        self.wires: list[Wire] = []

    async def open(self) -> None:
        now_s = asyncio.get_running_loop().time
        self.wires = [Wire(channel, now_s) for channel in await self.card.open()]

    async def until(self, condition: Callable[[], bool], within_s: float = 5.0) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + within_s
        while not condition():
            assert loop.time() < until_s, [wire.events for wire in self.wires]
            # device files are read in real time: nothing else lets it pass
            await asyncio.sleep(0.005)

    async def answered(self) -> Telephone:
        telephone = Telephone()
        self.bank.call("88610001", "", telephone)
        await self.until(lambda: bool(self.wires[0].named(T_RING)))
        self.wires[0].channel.off_hook(1)
        await self.until(lambda: bool(self.wires[0].named(T_OFFH)))
        return telephone


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.card.close()
    for port in desk.ports:
        port.unplug()


async def test_a_caller_hears_a_play_to_the_sample_and_is_heard_keying(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.open()
    telephone, wire = await desk.answered(), desk.wires[0]
    assert wire.named(T_RING)[0].data["caller"] == "88610001"
    wire.channel.play(2, [tone(tmp_path, 0.6)])
    await telephone.keys("5")
    await desk.until(lambda: bool(wire.named(T_EOF)))
    assert wire.named(T_EOF)[0].data == {"heard_s": 0.6, "whole": True}
    assert telephone.heard_s == pytest.approx(0.6)
    assert [event.data["key"] for event in wire.named(T_DIGIT)] == ["5"]
    await telephone.hang_up()
    await desk.until(lambda: bool(wire.named(T_LCTERM)))
    wire.channel.on_hook(3)
    await desk.until(lambda: bool(wire.named(T_ONH)))


async def test_a_play_that_is_stopped_falls_silent_within_120_ms(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.open()
    telephone, wire = await desk.answered(), desk.wires[0]
    began_s = asyncio.get_running_loop().time()
    wire.channel.play(2, [tone(tmp_path, 3.0)])
    await desk.until(lambda: asyncio.get_running_loop().time() > began_s + 0.8)
    stopped_s = asyncio.get_running_loop().time()
    wire.channel.stop(2)
    await desk.until(lambda: bool(wire.named(T_EOF)))
    assert wire.at_s(wire.named(T_EOF)[0]) - stopped_s < 0.12
    assert telephone.heard_s <= stopped_s - began_s + 0.12
    assert wire.named(T_EOF)[0].data["whole"] is False


async def test_a_modem_pulled_out_takes_its_own_line_out_of_service_alone_until_it_is_back(
    desk: Desk,
) -> None:
    await desk.open()
    await desk.answered()
    first, second = desk.wires
    desk.ports[0].unplug()
    await desk.until(lambda: bool(first.named(T_LC)))
    first.channel.on_hook(2)
    desk.ports[0].plug_in()
    await desk.until(lambda: bool(first.named(T_ONH)), 2.0)
    assert first.named(T_ONH)[0].id == 2
    assert not second.events
    rings = len(first.named(T_RING))
    desk.bank.call("88610002", "", Telephone())
    await desk.until(lambda: len(first.named(T_RING)) > rings)


async def test_a_port_that_is_not_there_is_named_and_no_other_stays_open(desk: Desk) -> None:
    desk.ports[1].unplug()
    with pytest.raises(CardError, match="modem2: cannot be opened: No such file"):
        await desk.card.open()
    desk.ports[1].plug_in()
    await desk.open()
    assert len(desk.wires) == 2
