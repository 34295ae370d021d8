"""What `ivrd doctor` says of modems."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from drivers.modem.doctor import look_at
from drivers.modem.profile import load_profile
from ivrd.commands import Prompt
from tests.contract.card_bench import tone
from tests.contract.test_modem import CardInMemory, ModemBench

TWO_PORTS = ["memory1", "memory2"]


async def test_each_modem_is_told_by_model_and_firmware_with_what_it_cannot_find_out(
    tmp_path: Path,
) -> None:
    bench = ModemBench(tmp_path, load_profile("usr5637"))
    card = CardInMemory(bench, ports=TWO_PORTS, profile="usr5637", called="170")
    looks = await look_at(card, tone(tmp_path, 0.1).prompts)
    assert [fit for fit, _ in looks] == [True, None, True, None, True]
    assert "memory1: USR5637, firmware 1.2.23, ready" in looks[0][1]
    assert "silence_s" in looks[1][1]
    assert looks[-1][1] == "1 voice files can be played"


async def test_a_modem_that_fails_does_not_hide_the_one_that_is_well(tmp_path: Path) -> None:
    bench = ModemBench(tmp_path, load_profile("generic-v253"))
    bench.bank.modems[0].unplug()
    card = CardInMemory(bench, ports=TWO_PORTS, called="170")
    lost = Prompt("lost", "", tmp_path / "lost.wav", 800)
    looks = await look_at(card, [lost])
    assert [fit for fit, _ in looks] == [False, True, False]
    assert looks[0][1] == "memory1: not there"
    assert "lost.wav" in looks[2][1]


async def test_a_card_can_be_opened_after_the_doctor_has_been(tmp_path: Path) -> None:
    bench = ModemBench(tmp_path, load_profile("generic-v253"))
    bench.bank.modems[0].profile = replace(bench.profile, title="Modem of ours")
    card = CardInMemory(bench, ports=TWO_PORTS)
    await look_at(card, ())
    assert len(await card.open()) == 2
    await card.close()
