"""Injected faults: what real cards do wrong, on purpose and from a seed.

A rule says what goes wrong and when; several rules on a channel act one after the other, in
the order given. ``channel.inject(Lose(T_EOF, times=1), Late(T_ONH, by_s=2), seed=7)``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ivrd.clock import Clock, Timer
from ivrd.errors import nearest
from ivrd.events import FROM_CARD, Event

SWAP_WITHIN_S = 1.0
"""An event that shall come out of order waits this long for one to follow it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which events of the card a fault strikes.

    `event` is one of `events.FROM_CARD`, None for any; of those that match, the first `skip`
    pass, then each is struck with probability `chance`, at most `times` in all.
    """

    event: str | None = None
    chance: float = 1.0
    times: int | None = None
    skip: int = 0

    def __post_init__(self) -> None:
        if self.event is not None and self.event not in FROM_CARD:
            near = nearest(self.event, FROM_CARD)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(f"no event of a card: {self.event!r}{hint}")
        if not 0 <= self.chance <= 1:
            raise ValueError(f"chance must be 0 to 1, not {self.chance}")
        if self.skip < 0 or (self.times is not None and self.times < 1):
            raise ValueError("skip must be 0 or more, times 1 or more")


@dataclass(frozen=True, slots=True)
class Lose(Rule):
    """The event never comes."""


@dataclass(frozen=True, slots=True)
class Late(Rule):
    """The event comes `by_s` seconds late; what follows it does not wait."""

    by_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Double(Rule):
    """The event comes twice."""


@dataclass(frozen=True, slots=True)
class Swap(Rule):
    """The event comes after the one that follows it, or `SWAP_WITHIN_S` late."""


@dataclass(frozen=True, slots=True)
class Endless(Rule):
    """A play never ends by itself: no T_EOF until it is stopped. `event` has no meaning."""


@dataclass(frozen=True, slots=True)
class Dead:
    """The channel answers nothing from `after_s` seconds on, for `for_s` seconds or for good."""

    after_s: float = 0.0
    for_s: float | None = None


Fault: TypeAlias = Rule | Dead
Deliver: TypeAlias = Callable[[Event], None]


class Faults:
    """The rules at work on one channel. Same seed, same events: same faults."""

    def __init__(self, clock: Clock, rules: Sequence[Fault], seed: int) -> None:
        self._clock = clock
        self._rng = random.Random(seed)
        self._rules = [rule for rule in rules if isinstance(rule, Rule)]
        self._deaths = [rule for rule in rules if isinstance(rule, Dead)]
        self._seen = [0] * len(self._rules)
        self._struck = [0] * len(self._rules)
        self._held: list[Event] = []
        self._timers: list[Timer] = []

    def start(self, die: Callable[[], None], come_back: Callable[[], None]) -> None:
        """Set the times at which the channel dies and comes back."""
        for death in self._deaths:
            self._timers.append(self._clock.call_later(death.after_s, die))
            if death.for_s is not None:
                again_s = death.after_s + death.for_s
                self._timers.append(self._clock.call_later(again_s, come_back))

    def end(self) -> None:
        """Let go of all timers; late events that are under way still come."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def endless(self) -> bool:
        """Return whether the play that begins now shall never end."""
        return any(
            isinstance(rule, Endless) and self._strikes(number)
            for number, rule in enumerate(self._rules)
        )

    def pass_on(self, event: Event, deliver: Deliver) -> None:
        """Deliver `event` as the rules have it: not at all, later, twice, after the next."""
        copies, late_s, swapped = 1, 0.0, False
        for number, rule in enumerate(self._rules):
            if rule.event not in {None, event.name} or isinstance(rule, Endless):
                continue
            if not self._strikes(number):
                continue
            match rule:
                case Lose():
                    copies = 0
                case Late():
                    late_s += rule.by_s
                case Double():
                    copies *= 2
                case Swap():
                    swapped = True
        if swapped and copies and not late_s:
            self._hold([event] * copies, deliver)
            return
        for _ in range(copies):
            if late_s:
                self._clock.call_later(late_s, lambda: deliver(event))
            else:
                deliver(event)
        if copies and not late_s:
            self._release(deliver)

    def _hold(self, events: Sequence[Event], deliver: Deliver) -> None:
        self._held.extend(events)
        self._clock.call_later(SWAP_WITHIN_S, lambda: self._release(deliver))

    def _release(self, deliver: Deliver) -> None:
        held, self._held = self._held, []
        for event in held:
            deliver(event)

    def _strikes(self, number: int) -> bool:
        rule = self._rules[number]
        self._seen[number] += 1
        if self._seen[number] <= rule.skip:
            return False
        if rule.times is not None and self._struck[number] >= rule.times:
            return False
        if rule.chance < 1 and self._rng.random() >= rule.chance:
            return False
        self._struck[number] += 1
        return True
