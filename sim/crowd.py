"""Random callers from a seed: a day of telephone traffic for demonstrations and measurements.

Same seed, same arrivals and the same people; what they do follows from what they hear.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from ivrd.clock import Clock, Timer
from ivrd.commands import Utterance
from sim.party import Ending, Leg, Party
from sim.subscriber import Caller, Habits, Subscriber, draw_habits

HOURS = (3, 2, 1, 1, 1, 2, 6, 18, 48, 78, 88, 76, 52, 46, 62, 72, 74, 66, 54, 58, 62, 44, 20, 8)
"""How calls spread over the hours of a day, as the field knows it: a morning and an afternoon
peak, a dip at noon, a smaller evening peak, next to nothing at night. Only ratios matter."""

_HOUR_S = 3600.0

Place = Callable[[str, str, Party], Leg | None]
"""Places a call: `SoftwareCard.call`, or one that picks among several cards."""


def arrivals(
    rng: random.Random, start: datetime, calls_a_day: float, by_hour: Sequence[int] = HOURS
) -> Iterator[float]:
    """Yield the seconds after `start` at which calls arrive, without end.

    A Poisson process whose rate follows `by_hour` in the zone of `start`, by thinning (Lewis
    and Shedler 1979).
    """
    busiest = max(by_hour)
    rate = calls_a_day * busiest / sum(by_hour) / _HOUR_S
    at_s = 0.0
    while True:
        at_s += rng.expovariate(rate)
        if rng.random() * busiest < by_hour[(start + timedelta(seconds=at_s)).hour]:
            yield at_s


def months_before(now: datetime, count: int) -> list[str]:
    """Return the months before `now` as callers key them, newest first."""
    ordinals = [now.year * 12 + now.month - 1 - back for back in range(1, count + 1)]
    return [f"{ordinal // 12:04}{ordinal % 12 + 1:02}" for ordinal in ordinals]


class Crowd:
    """Callers who come and go by themselves, from `start` to `stop`.

    `subscribers` are the accounts they know of, `months` the months a right one asks for
    ("202610"), newest first. `habits` makes all callers alike, for demonstrations and tests.
    `tally` counts how many came, of which kind, and how their calls ended.
    """

    def __init__(  # noqa: PLR0913 - keywords, each with a default that tells what it is
        self,
        clock: Clock,
        place: Place,
        subscribers: Sequence[Subscriber],
        months: Sequence[str],
        *,
        seed: int,
        calls_a_day: float,
        called: str = "170",
        habits: Habits | None = None,
        by_hour: Sequence[int] = HOURS,
    ) -> None:
        if not subscribers or not months:
            raise ValueError("a crowd needs at least one subscriber and one month")
        if not calls_a_day > 0:
            raise ValueError(f"calls_a_day must be above 0, not {calls_a_day}")
        self.tally: Counter[str] = Counter()
        self.calling: set[Caller] = set()
        self._clock = clock
        self._place = place
        self._subscribers = subscribers
        self._months = months
        self._seed = seed
        self._calls_a_day = calls_a_day
        self._called = called
        self._habits = habits
        self._by_hour = by_hour
        self._number = 0
        self._timer: Timer | None = None
        self._arrivals: Iterator[float] = iter(())
        self._start_s = 0.0

    def start(self) -> None:
        """Let callers come from now on."""
        self.stop()
        self._start_s = self._clock.monotonic()
        rng = random.Random(self._seed)
        self._arrivals = arrivals(rng, self._clock.now(), self._calls_a_day, self._by_hour)
        self._await_next()

    def stop(self) -> None:
        """Let no more callers come; those who are there stay."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def send_one(self) -> Caller:
        """Let the next caller of the seed call now, whatever the hour."""
        self._number += 1
        # Each caller has a source of chance of their own: what one does moves no other.
        rng = random.Random(self._seed * 1_000_003 + self._number)
        subscriber = self._subscribers[int(rng.random() * len(self._subscribers))]
        habits = self._habits or draw_habits(rng)
        caller = Caller(rng, subscriber, self._months, habits, self._gone)
        self.tally["calls"] += 1
        self.tally[habits.kind] += 1
        self.calling.add(caller)
        self._place(_shown_number(rng, subscriber), self._called, caller)
        return caller

    def _gone(self, caller: Caller, by: Ending) -> None:
        self.calling.discard(caller)
        self.tally[f"ended by {by.value}"] += 1

    def _await_next(self) -> None:
        next_s = self._start_s + next(self._arrivals) - self._clock.monotonic()
        self._timer = self._clock.call_later(next_s, self._arrive)

    def _arrive(self) -> None:
        self._await_next()
        self.send_one()


def _shown_number(rng: random.Random, subscriber: Subscriber) -> str:
    """Return the calling number the network shows: mostly their own line, sometimes none."""
    chance = rng.random()
    if chance < 0.6:
        return subscriber.phone
    if chance < 0.7:
        return ""
    return f"139{rng.randrange(10**8):08d}"


class Hostile(Party):
    """Any key at any time, and hanging up at any moment: for proving that nothing breaks it.

    Every call ends within `longest_s` seconds. `alphabet` are the keys, `pace_s` the mean
    time between them.
    """

    def __init__(
        self,
        rng: random.Random,
        *,
        alphabet: str = "0123456789*#ABCD",
        pace_s: float = 0.7,
        longest_s: float = 120.0,
    ) -> None:
        self._rng = rng
        self._alphabet = alphabet
        self._pace_s = pace_s
        self._hang_up_s = longest_s * rng.random() ** 2
        self._timers: list[Timer] = []
        self.ended_by: Ending | None = None

    def joined(self, leg: Leg) -> None:
        """Decide when to hang up."""
        super().joined(leg)
        self._timers.append(leg.clock.call_later(self._hang_up_s, leg.hang_up))

    def answered(self) -> None:
        """Key at once, or begin to key."""
        self._strike()
        self._key_later()

    def playing(self, utterances: Sequence[Utterance]) -> None:  # noqa: ARG002 - the party's signature
        """Sometimes key or hang up in the very moment a play begins."""
        self._strike()

    def silence(self) -> None:
        """Sometimes key or hang up in the very moment a play ends."""
        self._strike()

    def ended(self, by: Ending) -> None:
        """Let go of everything."""
        self.ended_by = by
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _strike(self) -> None:
        chance = self._rng.random()
        if chance < 0.02:
            self.leg.hang_up()
        elif chance < 0.12:
            self.leg.key(self._rng.choice(self._alphabet))

    def _key_later(self) -> None:
        if self.ended_by is None:
            delay_s = self._rng.expovariate(1 / self._pace_s)
            self._timers[1:] = [self.leg.clock.call_later(delay_s, self._key)]

    def _key(self) -> None:
        self.leg.key(self._rng.choice(self._alphabet))
        self._key_later()
