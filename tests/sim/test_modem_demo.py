"""Emulated modems with people around them, on the real clock."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ivrd.clock import LoopClock
from ivrd.errors import CardError, ConfigError
from ivrd.events import Data
from sim import modem_demo
from sim.modem_demo import EmulatedModems, Options
from sim.modem_wire import Trouble


async def test_a_modem_that_is_pulled_out_comes_back_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modem_demo, "AWAY_S", 0.05)
    told: list[tuple[str, bool]] = []
    back = asyncio.Event()
    link = tmp_path / "ports" / "modem1"

    def tell(number: int, event: str, data: Data) -> None:
        del number, data
        told.append((event, link.exists()))
        if event == "plugged in":
            back.set()

    options = Options(ports=1, calls_an_hour=0, unplugs_an_hour=36_000, links=link.parent)
    modems = EmulatedModems(LoopClock(), options, [], {}, tell)
    modems.start()
    assert link.exists()
    await asyncio.wait_for(back.wait(), 20)
    modems.stop()
    assert told[:2] == [("unplugged", False), ("plugged in", True)]
    assert not list(link.parent.iterdir())


async def test_callers_come_by_themselves(tmp_path: Path) -> None:
    rang = asyncio.Event()
    options = Options(ports=2, calls_an_hour=50_000, links=tmp_path)

    def tell(number: int, event: str, data: Data) -> None:
        assert number in {1, 2}
        if event == "rings":
            assert "caller" in data
            rang.set()

    modems = EmulatedModems(LoopClock(), options, [], {}, tell)
    modems.start()
    await asyncio.wait_for(rang.wait(), 20)
    modems.stop()
    modems.stop()


async def test_what_is_wrong_is_told_before_anything_is_plugged_in(tmp_path: Path) -> None:
    clock = LoopClock()
    with pytest.raises(CardError, match="profile"):
        EmulatedModems(clock, Options(profile="none"), [], {}, lambda *_: None)
    with pytest.raises(ConfigError, match="no such file"):
        EmulatedModems(clock, Options(debtors=tmp_path / "none.toml"), [], {}, lambda *_: None)


@pytest.mark.parametrize(
    "wrong", [{"lose": 1.1}, {"garble": -0.1}, {"delay_s": -1}, {"bytes_a_s": -5}, {"piece": -1}]
)
def test_a_trouble_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0"):
        Trouble(**wrong)  # type: ignore[arg-type]
