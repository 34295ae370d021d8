"""A call under way on a line, and what the line keeps for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ivrd.call import Call
from ivrd.card import DialPermit
from ivrd.clock import Clock, Timer
from ivrd.commands import Command, Play, Say, StartTimer, Utterance
from ivrd.events import T_LONG, CommandId, Event
from ivrd.records import CallRecord
from ivrd.service import Service


class Follower(Protocol):
    """Who is told how one call goes."""

    def took(self, step: tuple[Event, Sequence[Command]]) -> None:
        """Take an event of the call, and what the call orders upon it."""

    def ended(self, record: CallRecord) -> None:
        """Take how the call went, last of all."""


@dataclass(slots=True)
class Talk:
    """One call: its timers, the keys that wait, and what its record will say.

    `caller` is masked. `progress_s` is when the call last took an event that meant something to
    it. Seconds are the clock's monotonic ones.
    """

    call: Call
    service: Service
    clock: Clock
    id: str
    direction: str
    caller: str
    permit: DialPermit | None
    began: datetime
    began_s: float
    progress_s: float
    before: str = ""
    """The state it was in before its last event."""
    ended_by: str = ""
    left_in: str = ""
    notes: list[str] = field(default_factory=list)
    sentences: int = 0
    keys: deque[tuple[str, float]] = field(default_factory=deque)
    """Keys that wait for the call to listen, each with the second at which it was keyed."""
    play: CommandId | None = None
    says: Sequence[Say] = ()
    """The sentences of the latest play, which began at `spoken_s`, and what they sound like."""
    spoken: Sequence[Utterance] = ()
    spoken_s: float = 0.0
    watchdog: Timer | None = None
    on_hook: CommandId | None = None
    """The order to go on hook, and whether the card has answered it."""
    on_hook_done: bool = False
    failed: bool = False
    """Whether something could not be spoken once already."""
    follower: Follower | None = None
    _timer: Timer | None = None
    _long_timer: Timer | None = None
    _play_guard: Timer | None = None

    @property
    def at_s(self) -> float:
        """Seconds since the call began, to the millisecond: what its trace says."""
        return round(self.clock.monotonic() - self.began_s, 3)

    def ends(self, by: str, state: str) -> None:
        """Take note of who ends the call, and in which state; the first word stands."""
        if not self.ended_by:
            self.ended_by, self.left_in = by, state

    def start_timer(self, order: StartTimer, fire: Callable[[], None]) -> None:
        """Set the call's timer, in place of the one that runs; or the one of its whole length."""
        timer = self.clock.call_later(order.after_s, fire)
        if order.event == T_LONG:
            self._long_timer = timer
            return
        self.cancel_timer()
        self._timer = timer

    def cancel_timer(self) -> None:
        """Forget the call's timer."""
        if self._timer is not None:
            self._timer.cancel()

    def begin_play(
        self, order: Play, spoken: Sequence[Utterance], limit_s: float, late: Callable[[], None]
    ) -> None:
        """Take note of a play; `late` is called if it has not ended after `limit_s`."""
        self.play_over()
        self.play = order.id
        self.says, self.spoken = order.sentences, spoken
        self.spoken_s = self.clock.monotonic()
        self.sentences += len(spoken)
        self._play_guard = self.clock.call_later(limit_s, late)

    def heard_now(self) -> tuple[Say, Utterance] | None:
        """Return the sentence that is being heard, or was heard last."""
        at_s = self.clock.monotonic() - self.spoken_s
        now = None
        for say, utterance in zip(self.says, self.spoken, strict=True):
            if now is not None and at_s < 0:
                break
            now = say, utterance
            at_s -= utterance.duration_s
        return now

    def play_over(self) -> None:
        """Take note that the play has ended, or is awaited no more."""
        self.play = None
        if self._play_guard is not None:
            self._play_guard.cancel()
            self._play_guard = None

    def close(self) -> None:
        """Forget all timers."""
        for timer in (self._timer, self._long_timer, self.watchdog, self._play_guard):
            if timer is not None:
                timer.cancel()

    def record(self, line: int) -> CallRecord:
        """Return how the call went."""
        return CallRecord(
            self.id, line, self.began, self.at_s, self.direction, self.caller, self.call.lang,
            self.ended_by or "ivrd", self.left_in, tuple(self.notes), self.sentences,
        )  # fmt: skip
