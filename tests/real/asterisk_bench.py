"""The Asterisk card on the private Asterisk, with real telephones at the far end of its trunk."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from drivers.asterisk import AsteriskCard
from ivrd.card import VoiceCard
from ivrd.clock import LoopClock
from ivrd.commands import Utterance
from ivrd.events import T_EOF, T_OFFH, T_ONH, T_RING, Event
from tests.contract.card_bench import (
    DIAL_ANSWERS,
    Bench,
    FarEnd,
    Number,
    Wire,
    answers,
    assert_well_formed,
)
from tests.permits import a_permit
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.telephones import Exchange, Telephone, until

CALLER_ID = "01012345678"

BEHAVIOURS = {
    Number.ANSWERS: "1200",
    Number.RINGS: "1180",
    Number.BUSY: "1486",
    Number.UNALLOCATED: "1404",
}
"""The first digits of the numbers, as `tests.real.sipp_scenarios.called` has them."""


def options(asterisk: PrivateAsterisk) -> dict[str, Any]:
    """Return the options of a card on this Asterisk, as they would stand in ivrd.toml."""
    return {
        "url": f"http://127.0.0.1:{asterisk.http_port}",
        "password_file": str(asterisk.secret_file),
        "endpoint": "PJSIP/{digits}@trunk",
    }


class AsteriskBench(Bench):
    """A card of two channels; time is real."""

    slack_s = 0.15
    ring_period_s = 1.0

    def __init__(self, asterisk: PrivateAsterisk, exchange: Exchange, **more: Any) -> None:
        self.more = more
        self.asterisk = asterisk
        self.exchange = exchange
        self.clock = LoopClock()

    def make_card(self) -> VoiceCard:
        return AsteriskCard(
            self.clock, channels=self.channels, **(options(self.asterisk) | self.more)
        )

    def make_wrong_card(self) -> VoiceCard:
        return AsteriskCard(self.clock, channels=33, **options(self.asterisk))

    def now_s(self) -> float:
        return self.clock.monotonic()

    async def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        return await until(condition, within_s)

    async def call(self, card: VoiceCard, caller: str, called: str) -> FarEnd:
        del card
        return await self.exchange.call(caller, called)

    async def number(self, card: VoiceCard, behaviour: Number) -> str | None:
        del card
        return await self.exchange.number(BEHAVIOURS[behaviour])

    async def unplug(self, card: VoiceCard) -> bool:
        del card
        self.asterisk.kill()
        return True

    async def plug_in(self, card: VoiceCard) -> None:
        del card
        await self.asterisk.start()

    def dialled(self) -> Telephone:
        return self.exchange.dialled()[-1]


@dataclass
class Desk:
    """An open card with its channels, and orders as a line gives them."""

    bench: AsteriskBench
    card: VoiceCard
    wires: list[Wire]
    ids: Iterator[int]

    async def event(self, wire: Wire, name: str, within_s: float = 5.0) -> Event:
        """Wait for an event that has not come yet."""
        seen = len(wire.named(name))
        if not await until(lambda: len(wire.named(name)) > seen, within_s):
            raise AssertionError(f"no {name} within {within_s} s; got {wire.events}")
        return wire.named(name)[seen]

    async def answer(self, phone: Telephone) -> Wire:
        """Answer a telephone that calls, on the channel where it rings."""
        assert await until(lambda: bool(self._ringing()), 5), "no ring"
        wire = self._ringing()[0]
        wire.channel.off_hook(next(self.ids))
        assert await until(lambda: bool(wire.named(T_OFFH)), 5), "not off hook"
        await phone.until("answered")
        return wire

    async def dial(self, number: str, timeout_s: float = 20) -> tuple[Wire, Event]:
        """Dial from the first channel; return it and the answer."""
        wire = self.wires[0]
        permit = a_permit(number, CALLER_ID, "attempt")
        wire.channel.dial(next(self.ids), permit, timeout_s)
        found = await until(lambda: bool(wire.named(*DIAL_ANSWERS)), timeout_s + 1)
        assert found, f"the dial got no answer: {wire.events}"
        return wire, wire.named(*DIAL_ANSWERS)[0]

    def play(self, wire: Wire, *utterances: Utterance) -> int:
        """Order a play; return its id."""
        id_ = next(self.ids)
        wire.channel.play(id_, utterances)
        return id_

    async def end(self, wire: Wire, id_: int, within_s: float = 60) -> Event:
        """Wait for the end of a play."""
        assert await until(lambda: bool(answers(wire, T_EOF, id_)), within_s), wire.events
        return answers(wire, T_EOF, id_)[0]

    async def on_hook(self, wire: Wire) -> None:
        id_ = next(self.ids)
        wire.channel.on_hook(id_)
        assert await until(lambda: bool(answers(wire, T_ONH, id_)), 5), wire.events

    def _ringing(self) -> list[Wire]:
        return [wire for wire in self.wires if wire.events and wire.events[-1].name == T_RING]


@asynccontextmanager
async def open_desk(
    asterisk: PrivateAsterisk, exchange: Exchange, **more: Any
) -> AsyncIterator[Desk]:
    """Open a card, with `more` options, and close it."""
    bench = AsteriskBench(asterisk, exchange, **more)
    card = bench.make_card()
    wires = [Wire(channel, bench.now_s) for channel in await card.open()]
    try:
        yield Desk(bench, card, wires, itertools.count(1))
    finally:
        await card.close()
        for wire in wires:
            assert_well_formed(wire.events)
