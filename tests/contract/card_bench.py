"""What the contract suite works with: a bench, its far ends, and the record of what came.

A driver's tests give the suite a `Bench` of their own; everything else here is shared.
"""

from __future__ import annotations

import random
import wave
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from ivrd.card import Channel, VoiceCard
from ivrd.commands import SAMPLE_RATE, Prompt, Utterance
from ivrd.events import (
    ANSWERS_COMMAND,
    FROM_CARD,
    T_BUSY,
    T_EOF,
    T_FAULT,
    T_LCON,
    T_NOANS,
    T_OFFH,
    T_ONH,
    T_REFUSED,
    Event,
    Refusal,
)
from tests.permits import a_permit

DIAL_ANSWERS = {T_LCON, T_BUSY, T_NOANS, T_REFUSED, T_FAULT}


class Number(Enum):
    """How a number behaves that the far end offers for dialling."""

    ANSWERS = "answers"
    RINGS = "rings and nobody answers"
    BUSY = "busy"
    UNALLOCATED = "unallocated"


class FarEnd(ABC):
    """One telephone at the far end, in one call."""

    @abstractmethod
    async def keys(self, keys: str) -> None:
        """Press keys, as fast as the network carries them."""

    @abstractmethod
    async def hang_up(self) -> None:
        """Hang up, or give up while it still rings."""

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether the call is over for this telephone."""

    @property
    @abstractmethod
    def busy(self) -> bool:
        """Whether it got the busy tone."""

    @property
    @abstractmethod
    def heard_s(self) -> float:
        """Seconds of speech that it heard, as exactly as it can tell."""


class Wire:
    """One channel with all that it sent, and when."""

    def __init__(self, channel: Channel, now_s: Callable[[], float]) -> None:
        self.channel = channel
        self.sent: list[tuple[float, Event]] = []
        channel.connect(lambda event: self.sent.append((now_s(), event)))

    @property
    def events(self) -> list[Event]:
        return [event for _, event in self.sent]

    def named(self, *names: str) -> list[Event]:
        return [event for event in self.events if event.name in names]

    def at_s(self, event: Event) -> float:
        return next(at_s for at_s, sent in self.sent if sent is event)


class Bench(ABC):
    """A card under test and its far end; time passes only through `until` and `pass_s`."""

    slack_s: float = 0.0
    """How far off times may be, with this card and this far end."""
    ring_period_s: float = 5.0
    channels: int = 2
    wrong_option: str = "channels"

    @abstractmethod
    def make_card(self) -> VoiceCard:
        """Return a new card, not yet open, with `channels` channels."""

    @abstractmethod
    def make_wrong_card(self) -> VoiceCard:
        """Make a card with the option `wrong_option` wrong; this must raise."""

    @abstractmethod
    def now_s(self) -> float:
        """Return the seconds of the card's clock."""

    @abstractmethod
    async def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Let time pass until `condition` holds, at most `within_s`; return whether it does."""

    async def pass_s(self, seconds: float) -> None:
        """Let `seconds` pass."""
        await self.until(lambda: False, seconds)

    @abstractmethod
    async def call(self, card: VoiceCard, caller: str, called: str) -> FarEnd:
        """Let a telephone call the card."""

    @abstractmethod
    async def number(self, card: VoiceCard, behaviour: Number) -> str | None:
        """Return a number that behaves so when it is dialled; None where none can be had."""

    async def unplug(self, card: VoiceCard) -> bool:  # noqa: ARG002 - for those who can
        """Make the card go away as its hardware or network may; False where that cannot be."""
        return False

    async def plug_in(self, card: VoiceCard) -> None:
        """Bring the card back that `unplug` made go away."""
        raise NotImplementedError("a bench that can unplug must be able to plug in")

    @abstractmethod
    def dialled(self) -> FarEnd:
        """Return the telephone that rang last."""


class Orders:
    """Orders on one channel, and the proof that each got its answer once."""

    def __init__(self, wire: Wire, speech: Sequence[Utterance], numbers: Sequence[str]) -> None:
        self.wire = wire
        self.speech = speech
        self.numbers = numbers
        self.given: dict[int, str] = {}

    def give(self, rng: random.Random) -> None:
        kinds = ("off_hook", "on_hook", "play", "play", "stop", "dial")
        self.order(rng.choice(kinds), rng)

    def order(self, kind: str, rng: random.Random) -> None:
        channel = self.wire.channel
        if kind == "stop":
            channel.stop(rng.choice([*self.given, 10_000]))
            return
        id_ = len(self.given) + 1
        self.given[id_] = kind
        match kind:
            case "off_hook":
                channel.off_hook(id_)
            case "on_hook":
                channel.on_hook(id_)
            case "play":
                channel.play(id_, self.speech[: rng.randrange(len(self.speech) + 1)])
            case "dial":
                number = rng.choice([*self.numbers, "999"])
                permit = a_permit(number, "01012345678", "attempt")
                channel.dial(id_, permit, rng.choice([0.05, 0.5, 5.0]))

    def on_hook(self) -> None:
        id_ = len(self.given) + 1
        self.given[id_] = "on_hook"
        self.wire.channel.on_hook(id_)

    def check(self) -> None:
        answered = [event for event in self.wire.events if event.id is not None]
        by_kind: dict[str, set[str]] = {
            "off_hook": {T_OFFH}, "on_hook": {T_ONH}, "play": {T_EOF}, "dial": DIAL_ANSWERS,
        }  # fmt: skip
        for id_, kind in self.given.items():
            names = [event.name for event in answered if event.id == id_]
            assert set(names) <= by_kind[kind], f"{kind} {id_} was answered by {names}"
            assert len(names) <= 1, f"{kind} {id_} was answered by {names}"
            if kind in {"on_hook", "play"}:
                assert names, f"{kind} {id_} was never answered: {self.wire.events}"
        assert {event.id for event in answered} <= set(self.given), "an id that nobody gave"
        assert_well_formed(self.wire.events)


def answers(wire: Wire, name: str, id_: int) -> list[Event]:
    """Return the events `name` that answer the order `id_`."""
    return [event for event in wire.named(name) if event.id == id_]


def assert_well_formed(events: Sequence[Event]) -> None:
    """Check what holds of every event of every card, and of their order."""
    ringing = False
    for event in events:
        assert event.name in FROM_CARD, event
        assert (event.id is not None) == (event.name in ANSWERS_COMMAND), event
        data: dict[str, Any] = dict(event.data)
        match event.name:
            case "T_EOF":
                assert data["heard_s"] >= 0, event
                assert isinstance(data["whole"], bool), event
            case "T_DIGIT":
                assert data["key"] in set("0123456789*#ABCD"), event
            case "T_REFUSED":
                assert data["reason"] in set(Refusal), event
            case "T_RING":
                assert isinstance(data["caller"], str), event
                assert isinstance(data["called"], str), event
                ringing = True
            case "T_RINGOFF":
                assert ringing, "ringing stopped that never began"
                ringing = False


def tone(folder: Path, length_s: float) -> Utterance:
    """Make a WAV of `length_s` seconds (a ramp, so that each sample is known) and its sentence."""
    samples = round(length_s * SAMPLE_RATE)
    path = folder / f"tone_{samples}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(b"".join((n % 9973 + 1).to_bytes(2, "little") for n in range(samples)))
    return Utterance(f"tone_{samples}", "zh-CN", (Prompt(path.stem, path.stem, path, samples),))
