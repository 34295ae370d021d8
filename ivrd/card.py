"""The contract of a driver: a card and its channels.

**Must.** A driver subclasses `VoiceCard` and `Channel` and implements their abstract methods.
Every method of a channel returns at once and raises nothing for what the far end or the
hardware does: what came of an order is an event, given to `Channel.emit` with the id of the
order. Foreign cause codes become ours in the driver; the raw one is kept in the event's data.
Events are emitted in the thread of the event loop, in the order in which they happened.

A card is made with the clock it shall use and its options from ivrd.toml, as keyword
arguments; a wrong one raises `CardError` with the option's name and what was expected.

**When a channel is taken.** From its first T_RING, or from `dial`, until T_ONH. After T_LCTERM
or a dial that failed it stays taken until `on_hook`; no caller is put on it before. Only
T_RINGOFF frees it by itself.

**Order of events.** T_RING comes for every ring: a card that is told only once repeats it
itself every `RING_PERIOD_S`. When the far end hangs up, T_LCTERM comes before the T_EOF of a
play that the hang-up cut short, so that no call takes a cut message for a finished one.
T_ONH is the last event of a call; what the network still says of that call is swallowed.

**When the card goes away.** T_LC is sent once to every channel and takes the place of every
answer still due; what came of a dial is then unknown. An `on_hook` that finds the card away is
answered as soon as the card is back (the last one, where there were several): that is how a line
without callers learns of it, within the moment. T_LC also takes a card out of service that is
there and cannot be used, with the reason as its `cause`.

**May.** `transfer` is for cards with that ability. `when_full` is for cards that can speak to
a caller for whom no channel is free. `prepare` is for cards that must check or convert files.

A driver is found by name through the entry point group ``ivrd.cards``. Every driver passes
the contract suite in `tests/contract/`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, final

from ivrd.commands import Prompt, Utterance
from ivrd.events import CommandId, Event

MAX_CHANNELS = 32
"""Channels of one card."""

RING_PERIOD_S = 5.0
"""Seconds from ring to ring where the network gives no cadence (China: 1 s on, 4 s off)."""


class Ability(StrEnum):
    """What a channel can do beyond answering, playing and hearing keys."""

    DIAL = "dial"
    TRANSFER = "transfer"
    RECORD = "record"
    DETECT_MACHINE = "detect_machine"
    ANSWER_SUPERVISION = "answer_supervision"
    """T_LCON means that somebody answered, not only that the number was sent."""


@dataclass(frozen=True, slots=True)
class DialPermit:
    """The right to dial one number once, from the gate; no dial happens without one.

    `number` is in E.164, `caller_id` what the far end sees. It is good until `until`: a few
    seconds, and never past the end of the hours in which this call may be made.
    """

    number: str
    caller_id: str
    attempt: str
    until: datetime


Sink: TypeAlias = Callable[[Event], None]


class Channel(ABC):
    """One voice channel; `number` is 1-based, as printed on the card."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._sink: Sink | None = None

    @property
    @abstractmethod
    def abilities(self) -> frozenset[Ability]:
        """What this channel can do; does not change while the card is open."""

    @final
    def connect(self, sink: Sink) -> None:
        """Send all further events to `sink`; the line does this once, before any order."""
        self._sink = sink

    @final
    def emit(self, event: Event) -> None:
        """Hand an event to the line; may be called from within an order.

        Put the channel's own state right first: the line may order more at once. What is
        emitted before `connect` is lost.
        """
        if self._sink is not None:
            self._sink(event)

    @abstractmethod
    def off_hook(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Answer the ringing call → T_OFFH.

        Where the caller gave up meanwhile, T_RINGOFF or T_LCTERM says so and no T_OFFH comes.
        """

    @abstractmethod
    def on_hook(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Hang up → T_ONH, after the last event of the call.

        Safe in any state and safe to repeat, each order with its own T_ONH: an idle channel
        answers at once, a ringing one refuses the call as busy, a dialling one gives up (the
        dial gets no other answer), a playing one falls silent (its T_EOF may come before,
        never after, the T_ONH). T_ONH means free and usable: a card that is out of reach keeps
        the last order and answers it when it is back.
        """

    @abstractmethod
    def dial(self, id: CommandId, permit: DialPermit, timeout_s: float) -> None:  # noqa: A002
        """Dial → T_LCON, or T_BUSY, T_NOANS, T_REFUSED, T_FAULT.

        T_NOANS comes at the latest `timeout_s` seconds after the order, by the driver's own
        timer; a later answer is hung up and not told. On a channel that rings or is in a call:
        T_FAULT at once.
        """

    @abstractmethod
    def play(self, id: CommandId, utterances: Sequence[Utterance]) -> None:  # noqa: A002
        """Play all prompts in order → exactly one T_EOF, with `heard_s` and `whole`.

        `heard_s` is measured and may be some 10 ms off; only `whole` tells whether every prompt
        was played to its end. A second play while one is on replaces it: the first gets its
        T_EOF cut short. On a channel with nobody to hear it (no call, ringing, dialling, far
        end gone), or with nothing to play, the T_EOF comes at once with `heard_s` 0.
        """

    @abstractmethod
    def stop(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Stop the play with this id → its T_EOF, with how much was heard.

        Nothing happens where that play has ended or never was.
        """

    def transfer(self, id: CommandId, permit: DialPermit) -> None:  # noqa: A002
        """Hand the call to another number → T_MOVED, or why not. For `Ability.TRANSFER`."""
        raise NotImplementedError(f"{type(self).__name__} has no transfer")


class VoiceCard(ABC):
    """One card: up to 32 channels that come and go together."""

    when_full: Utterance | None = None
    """What a caller hears for whom no channel is free, before the card hangs up; None: busy.
    Set by the daemon before `open`; no events come of such calls."""

    @abstractmethod
    async def open(self) -> Sequence[Channel]:
        """Make the card ready and return its channels, numbered from 1.

        Raises `CardError` with what to do about it. May be called again after `close`.
        """

    @abstractmethod
    async def close(self) -> None:
        """End all calls and let go of the hardware; no event comes after it; safe to repeat."""

    async def prepare(self, prompts: Collection[Prompt]) -> None:
        """Check or convert all voice files; called after `open` and after each reload.

        `Prompt.path` is absolute, on ivrd's own host. Raises `CardError` naming every file
        that cannot be played.
        """
        del prompts
