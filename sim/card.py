"""The software card: up to 32 channels whose callers and called parties are programs.

It is the card that ivrd starts with, and the one on which every flow is tested: on the real
clock or on a virtual one, with any number of parties, faults on demand, and the memory of
what each far end heard.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence
from dataclasses import fields

from ivrd.card import MAX_CHANNELS, DialPermit, VoiceCard
from ivrd.clock import Clock, Timer
from ivrd.commands import Prompt, Utterance
from ivrd.errors import CardError, Problem, PromptError, nearest
from sim.channel import SoftwareChannel, Timing
from sim.faults import Fault, Faults
from sim.party import Ending, Leg, Party, read_pcm
from sim.phone import UNALLOCATED, Answering, Outcome

_NUMBER = re.compile(r"\+?[0-9*#]*")
_TIMES = tuple(field.name for field in fields(Timing))


class SoftwareCard(VoiceCard):
    """A card without hardware.

    Options: `channels` (1 to 32), `name`, and in seconds `off_hook_s`, `on_hook_s`, `setup_s`
    (a dial to its first ring) and `ring_period_s`. Raises `CardError` for a wrong one.

    `parties` says what happens when a number is dialled, `others` what does with any other:
    they are unallocated, unless it says more (`sim.debtors`).
    """

    def __init__(
        self, clock: Clock, *, channels: int = 8, name: str = "software", **options: object
    ) -> None:
        self.name = _checked_name(name)
        self._size = _checked_channels(channels)
        self._timing = _checked_timing(options)
        self._clock = clock
        self.parties: dict[str, Answering] = {}
        self.others: Answering = UNALLOCATED
        self.turned_away = 0
        self.channels: tuple[SoftwareChannel, ...] = ()
        self._announcements: set[_Announcement] = set()

    async def open(self) -> Sequence[SoftwareChannel]:
        """Make the channels; they are in `channels` as well."""
        return self.open_now()

    def open_now(self) -> Sequence[SoftwareChannel]:
        """Open, for those who have no event loop."""
        if self.channels:
            raise CardError(f"card {self.name!r} is open already; close it first")
        self.channels = tuple(
            SoftwareChannel(number, self._clock, self._timing, self._outcome)
            for number in range(1, self._size + 1)
        )
        return self.channels

    async def close(self) -> None:
        """End all calls; no event comes after this."""
        self.close_now()

    def close_now(self) -> None:
        """Close, for those who have no event loop."""
        channels, self.channels = self.channels, ()
        for channel in channels:
            channel.close()
        for announcement in tuple(self._announcements):
            announcement.end(Ending.IVRD)

    async def prepare(self, prompts: Collection[Prompt]) -> None:
        """Check that every voice file is there and as long as its `Prompt` says."""
        wrong: list[Problem] = []
        for prompt in prompts:
            try:
                read_pcm(prompt)
            except PromptError as error:
                wrong += error.problems
            await asyncio.sleep(0)  # calls go on meanwhile
        if wrong:
            raise CardError("\n".join(str(problem) for problem in wrong))

    def go_away(self, cause: str = "card gone") -> None:
        """Be gone, as hardware that was unplugged: all calls are lost, T_LC on every channel."""
        for channel in self.channels:
            channel.lose_loop(cause)

    def come_back(self) -> None:
        """Be there again, with every channel idle."""
        for channel in self.channels:
            channel.come_back()

    def call(
        self,
        caller: str,
        called: str,
        party: Party,
        *,
        faults: Sequence[Fault] = (),
        seed: int = 0,
    ) -> Leg | None:
        """Let `party` call in, on the lowest free channel.

        `caller` and `called` are numbers as the network gives them, "" where it does not.
        `faults` work on the channel until its next call. Where no channel is free, or the card
        is closed, the party is told busy and None is returned; with `when_full`, a leg without
        a channel on which that sentence is spoken.

        Raises `ValueError` for what is no number.
        """
        for what, number in (("caller", caller), ("called", called)):
            if not _NUMBER.fullmatch(number):
                raise ValueError(f"{what}: no telephone number: {number!r}; expected digits, + * #")
        numbers = (caller, called)
        for channel in self.channels:
            if channel.free:
                leg = Leg(channel, party, self._clock, numbers, channel.number)
                channel.ring(leg, Faults(self._clock, faults, seed) if faults else None)
                return leg
        self.turned_away += 1
        if self.when_full is None or not self.channels:
            party.ended(Ending.BUSY)
            return None
        announcement = _Announcement(self._clock, self.when_full, self._announcements)
        return announcement.start(party, numbers)

    def _outcome(self, permit: DialPermit) -> Outcome:
        answering = self.parties.get(permit.number, self.others)
        return answering(permit) if callable(answering) else answering


class _Announcement:
    """What a caller hears for whom no channel is free; no line is part of it."""

    def __init__(self, clock: Clock, utterance: Utterance, running: set[_Announcement]) -> None:
        self._clock = clock
        self._utterance = utterance
        self._running = running
        self._timer: Timer | None = None
        self._leg: Leg | None = None

    def start(self, party: Party, numbers: tuple[str, str]) -> Leg:
        leg = self._leg = Leg(self, party, self._clock, numbers, None)
        self._running.add(self)
        party.joined(leg)
        if self._leg is leg:
            leg.answer()
            leg.begin_play(0, (self._utterance,))
            delay_s = self._utterance.duration_s
            self._timer = self._clock.call_later(delay_s, lambda: self.end(Ending.IVRD))
            leg.tell_answered()
        if self._leg is leg:
            party.playing((self._utterance,))
        if self._leg is leg and party.follows_sentences:
            party.hears(self._utterance)
        return leg

    def far_key(self, leg: Leg, key: str) -> None:
        """Nothing hears keys here."""

    def far_hang_up(self, leg: Leg) -> None:
        if leg is self._leg:
            self.end(Ending.FAR_END)

    def end(self, by: Ending) -> None:
        leg, self._leg = self._leg, None
        self._running.discard(self)
        if self._timer:
            self._timer.cancel()
        if leg:
            for play in leg.plays:
                play.heard = play.heard_by(self._clock.monotonic())
            leg.end(by)
            leg.party.ended(by)


def _checked_channels(channels: object) -> int:
    if (
        isinstance(channels, bool)
        or not isinstance(channels, int)
        or not 1 <= channels <= MAX_CHANNELS
    ):
        raise CardError(f"channels: {channels!r}; expected a whole number, 1 to {MAX_CHANNELS}")
    return channels


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise CardError(f"name: {name!r}; expected a text that is not empty")
    return name


def _checked_timing(options: dict[str, object]) -> Timing:
    times: dict[str, float] = {}
    for option, value in options.items():
        if option not in _TIMES:
            names = ("channels", "name", *_TIMES)
            near = nearest(option, names)
            hint = f"; did you mean {near!r}?" if near else ""
            raise CardError(f"{option}: no such option; expected one of {', '.join(names)}{hint}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 60:
            raise CardError(f"{option}: {value!r}; expected seconds, 0 to 60")
        times[option] = float(value)
    if times.get("ring_period_s") == 0:
        raise CardError("ring_period_s: 0; expected seconds above 0")
    return Timing(**times)
