"""The software card fulfils the contract, on virtual time and on the real clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ivrd.card import VoiceCard
from ivrd.clock import Clock, LoopClock
from ivrd.commands import SAMPLE_RATE
from sim.card import SoftwareCard
from sim.clock import VirtualClock
from sim.party import Ending, Party
from sim.phone import BUSY, Rings
from tests.contract.card_bench import Bench, FarEnd, Number
from tests.contract.card_contract import CardContract


class Telephone(Party, FarEnd):
    """A software party as a far end of the suite."""

    def __init__(self) -> None:
        self.ending: Ending | None = None

    def ended(self, by: Ending) -> None:
        self.ending = by

    async def keys(self, keys: str) -> None:
        for key in keys:
            self.leg.key(key)

    async def hang_up(self) -> None:
        if self.ending is None:
            self.leg.hang_up()

    @property
    def over(self) -> bool:
        return self.ending is not None

    @property
    def busy(self) -> bool:
        return self.ending is Ending.BUSY

    @property
    def heard_s(self) -> float:
        return sum(heard.samples for heard in self.leg.heard()) / SAMPLE_RATE


class SoftwareBench(Bench):
    """What both clocks share."""

    def __init__(self, clock: Clock, **options: float) -> None:
        self.clock = clock
        self.options = options
        self.rung: list[Telephone] = []

    def make_card(self) -> VoiceCard:
        return SoftwareCard(self.clock, channels=self.channels, name="bench", **self.options)

    def make_wrong_card(self) -> VoiceCard:
        return SoftwareCard(self.clock, channels=33)

    def now_s(self) -> float:
        return self.clock.monotonic()

    async def call(self, card: VoiceCard, caller: str, called: str) -> FarEnd:
        assert isinstance(card, SoftwareCard)
        telephone = Telephone()
        card.call(caller, called, telephone)
        return telephone

    async def number(self, card: VoiceCard, behaviour: Number) -> str | None:
        assert isinstance(card, SoftwareCard)
        card.parties |= {
            "101": Rings(self._telephone, rings=1),
            "102": Rings(self._telephone, rings=10_000),
            "103": BUSY,
        }
        numbers = {Number.ANSWERS: "101", Number.RINGS: "102", Number.BUSY: "103"}
        return numbers.get(behaviour, "104")

    async def unplug(self, card: VoiceCard) -> bool:
        assert isinstance(card, SoftwareCard)
        card.go_away()
        return True

    async def plug_in(self, card: VoiceCard) -> None:
        assert isinstance(card, SoftwareCard)
        card.come_back()

    def dialled(self) -> FarEnd:
        return self.rung[-1]

    def _telephone(self) -> Telephone:
        self.rung.append(Telephone())
        return self.rung[-1]


class VirtualBench(SoftwareBench):
    """On virtual time, times are exact."""

    def __init__(self) -> None:
        self.virtual = VirtualClock(datetime(2026, 11, 2, 9, 0, tzinfo=UTC))
        super().__init__(self.virtual)

    async def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        return self.virtual.run_while(lambda: not condition(), within_s)


class RealBench(SoftwareBench):
    """On the real clock; rings and dialling are quick, so that the suite is."""

    slack_s = 0.15
    ring_period_s = 0.2

    def __init__(self) -> None:
        super().__init__(LoopClock(), ring_period_s=self.ring_period_s, setup_s=0.1)

    async def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + within_s
        while not condition():
            left_s = until_s - loop.time()
            if left_s <= 0:
                return False
            # Real time is what is tested here: nothing else lets it pass.
            await asyncio.sleep(min(left_s, 0.005))
        return True


class TestOnVirtualTime(CardContract):
    """The suite, exact to the sample."""

    def make_bench(self, tmp_path: Path) -> Bench:  # noqa: ARG002 - the suite's signature
        return VirtualBench()


class TestOnTheRealClock(CardContract):
    """The suite, as a driver of real hardware runs it."""

    def make_bench(self, tmp_path: Path) -> Bench:  # noqa: ARG002 - the suite's signature
        return RealBench()


def test_a_caller_of_a_closed_card_gets_busy() -> None:
    clock = VirtualClock(datetime(2026, 11, 2, 9, 0, tzinfo=UTC))
    card, caller = SoftwareCard(clock), Telephone()
    assert card.call("1", "2", caller) is None
    assert caller.busy
    assert card.turned_away == 1
