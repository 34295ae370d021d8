"""The software card with callers coming and going by themselves: what `make run` shows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from ivrd.clock import Clock, Timer
from ivrd.errors import CardError, ConfigError
from sim.card import SoftwareCard
from sim.channel import SoftwareChannel
from sim.crowd import Crowd, months_before
from sim.debtors import CalledDebtors, Population, Rates, load_debtors
from sim.party import Party
from sim.phone import BUSY, NO_ANSWER, Rings
from sim.subscriber import Subscriber

KNOWN = tuple(f"886100{number:02}" for number in range(1, 13))
"""Telephone numbers of the sample database that are in every one of them."""


class Colleague(Party):
    """Answers a test call, hears it again with key 1, and ends it with key 5."""

    def __init__(self) -> None:
        self._keys = ["1", "5"]

    def silence(self) -> None:
        """Press the next key when ivrd has spoken."""
        if self._keys:
            self.leg.key(self._keys.pop(0))


class DemoCard(SoftwareCard):
    """A software card that is called about `calls_an_hour` times an hour, day and night.

    Three telephones can be called for a test: 6001 answers, 6002 is busy, 6003 only rings. Behind
    every other number is a debtor, who behaves as the file `debtors` says, or as most do. `numbers`
    are the telephone numbers that callers ask about, `seed` decides who calls when, and who
    answers. All other options are `SoftwareCard`'s.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        calls_an_hour: float = 120,
        numbers: Sequence[str] = KNOWN,
        seed: int = 7,
        debtors: str | None = None,
        **options: object,
    ) -> None:
        super().__init__(clock, **options)  # type: ignore[arg-type]  # checked by SoftwareCard
        if isinstance(calls_an_hour, bool) or not isinstance(calls_an_hour, int | float):
            raise CardError(f"calls_an_hour: {calls_an_hour!r}; expected a number")
        if not 0 < calls_an_hour <= 100_000:
            raise CardError(f"calls_an_hour: {calls_an_hour}; expected more than 0")
        if not numbers or not all(isinstance(number, str) for number in numbers):
            raise CardError(f"numbers: {numbers!r}; expected a list of telephone numbers")
        self.others = CalledDebtors(Population(_rates(debtors), seed), clock)
        months = months_before(clock.now(), 3)
        callers = [Subscriber(number) for number in numbers]
        self._crowd = Crowd(clock, self.call, callers, months, seed=seed, calls_a_day=1)
        self._random = random.Random(seed)
        self._pause_s = 3600 / calls_an_hour
        self._next: Timer | None = None
        self.parties |= {"6001": Rings(Colleague, rings=1), "6002": BUSY, "6003": NO_ANSWER}

    def open_now(self) -> Sequence[SoftwareChannel]:
        """Open, and let the first caller come within a second."""
        channels = super().open_now()
        self._next = self._clock.call_later(1.0, self._arrive)
        return channels

    def close_now(self) -> None:
        """Let no more callers come, and close."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        super().close_now()

    def _arrive(self) -> None:
        pause_s = self._random.expovariate(1 / self._pause_s)
        self._next = self._clock.call_later(pause_s, self._arrive)
        self._crowd.send_one()


def _rates(file: object) -> Rates:
    """Return how debtors behave. Raises `CardError` with what is wrong in the file."""
    if file is None:
        return Rates()
    if not isinstance(file, str):
        raise CardError(f"debtors: {file!r}; expected the path of a file, as text")
    try:
        return load_debtors(Path(file))
    except ConfigError as error:
        raise CardError(f"debtors:\n{error}") from None
