"""A population of debtors behind the numbers of a software card: named ones, and all others.

What a number does follows from the seed, the number, how often it was dialled and the hour of
the day, so nothing is kept of a debtor but a count: a hundred thousand of them cost no more than
those who are on the phone. The file that says how they behave is TOML; see
deploy/campaigns/debtors.toml.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import NormalDist
from typing import Annotated, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from ivrd.clock import Clock
from ivrd.errors import ConfigError, Problem
from ivrd.toml_file import TomlFile
from ivrd.toml_model import problems_of
from sim.debtor import Does, Manner, outcome
from sim.phone import Dialled, Outcome

_HOURS = re.compile(r"([01]\d|2[0-3]):00-([01]\d|2[0-4]):00")
_NUMBER = re.compile(r"\+?[0-9]{1,15}")

Share = Annotated[float, Field(ge=0, le=1)]


class _Table(BaseModel):
    """Any table of the file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Shares(_Table):
    """Shares of one whole; what they leave is the rest."""

    @model_validator(mode="after")
    def _within_one(self) -> Self:
        whole = math.fsum(share for _, share in self.shares())
        if whole > 1 + 1e-9:
            raise ValueError(f"the shares come to {whole:g}; expected 1 at most")
        return self

    def shares(self) -> list[tuple[Does, float]]:
        """Return every share that is not 0, in the order of the keys."""
        return [(Does(name), share) for name, share in self if share]


class Numbers(_Shares):
    """[numbers]: shares of all numbers that are so for good, whoever dials and whenever."""

    unallocated: Share = 0.02
    changed: Share = 0.0
    out_of_service: Share = 0.01
    wrong_number: Share = 0.02
    machine: Share = 0.01


class Dials(_Shares):
    """[dials]: shares of the dials to any other number; the rest is answered."""

    no_answer: Share = 0.30
    busy: Share = 0.08
    switched_off: Share = 0.05
    rejects: Share = 0.04
    network: Share = 0.005
    line_fault: Share = 0.0


class Answered(_Shares):
    """[answered]: shares of the calls that are answered; the rest listens to the end."""

    machine: Share = 0.02
    hangs_up_at_greeting: Share = 0.12
    silent: Share = 0.05
    denies: Share = 0.06
    hangs_up_in_message: Share = 0.10
    listens_again: Share = 0.05
    promises: Share = 0.14
    says_paid: Share = 0.05
    disputes: Share = 0.02
    asks_to_stop: Share = 0.01
    asks_for_person: Share = 0.01


class Known(_Table):
    """[[debtor]]: one number of which it is said what it does, at every dial."""

    number: str
    does: Does
    rings: int = Field(default=2, ge=0, le=20)
    pay_in_days: int = Field(default=3, ge=0, le=366)
    hears: Share = 0.5
    proof: str = Field(default="", pattern=r"^\d{0,8}$")


def _range(pair: tuple[int, int]) -> tuple[int, int]:
    if not 0 <= pair[0] <= pair[1]:
        raise ValueError(f"from {pair[0]} to {pair[1]} is no range from 0 up")
    return pair


class Manners(_Table):
    """[manners]: ranges from which each call draws evenly."""

    rings: Annotated[tuple[int, int], AfterValidator(_range)] = (1, 5)
    pay_in_days: Annotated[tuple[int, int], AfterValidator(_range)] = (1, 7)


class Rates(_Table):
    """How a population behaves: the whole file.

    `spread` is how much people differ in how easily they are reached: the standard deviation of
    the logarithm of their odds to answer; 0 makes them all alike. `hours` multiplies those odds
    at an hour of the day, by the clock of the card.
    """

    seed: int = 7
    spread: float = Field(default=0.8, ge=0, le=5)
    numbers: Numbers = Numbers()
    dials: Dials = Dials()
    answered: Answered = Answered()
    hours: dict[str, Annotated[float, Field(gt=0, le=100)]] = Field(default_factory=dict)
    manners: Manners = Manners()
    debtor: list[Known] = Field(default_factory=list)
    _by_hour: tuple[float, ...] = PrivateAttr(default=(1.0,) * 24)

    @model_validator(mode="after")
    def _hourly(self) -> Self:
        factors = [1.0] * 24
        for hours, factor in self.hours.items():
            found = _HOURS.fullmatch(hours)
            if found is None or not int(found[1]) < int(found[2]):
                raise ValueError(f"hours: {hours!r} are no hours; write them as in 09:00-12:00")
            factors[int(found[1]) : int(found[2])] = [factor] * (int(found[2]) - int(found[1]))
        self._by_hour = tuple(factors)
        return self

    @property
    def by_hour(self) -> tuple[float, ...]:
        """The factor of each hour of the day."""
        return self._by_hour


def load_debtors(path: Path) -> Rates:
    """Load and check a file of debtors. Raises `ConfigError` with all problems."""
    file = TomlFile(path, ConfigError)
    try:
        rates = Rates.model_validate(file.data)
    except ValidationError as error:
        raise ConfigError(problems_of(error, Rates, file)) from None
    problems = list(_known(rates.debtor, file))
    if problems:
        raise ConfigError(problems)
    return rates


def _known(debtors: Sequence[Known], file: TomlFile) -> Iterable[Problem]:
    seen: set[str] = set()
    for index, known in enumerate(debtors):
        key = ("debtor", index, "number")
        if not _NUMBER.fullmatch(known.number):
            yield file.problem(key, f"{known.number!r} is no telephone number",
                               expected="digits, as in +8657188610001", rule="value")  # fmt: skip
        elif known.number in seen:
            yield file.problem(key, f"{known.number!r} is there twice", rule="twice")
        seen.add(known.number)


class Drawn(NamedTuple):
    """What one dial meets."""

    does: Does
    manner: Manner


@dataclass(frozen=True, slots=True)
class _Cumulated:
    """Shares made ready to draw from: `upto[i]` is the end of the part of `does[i]`."""

    does: tuple[Does, ...]
    upto: tuple[float, ...]

    @classmethod
    def of(cls, shares: _Shares, rest: Does | None = None) -> _Cumulated:
        does, upto, whole = [], [], 0.0
        for what, share in shares.shares():
            whole += share
            does.append(what)
            upto.append(whole)
        if rest is not None:
            does.append(rest)
            upto.append(max(1.0, whole))
        return cls(tuple(does), tuple(upto))

    def at(self, chance: float) -> Does | None:
        """Return what lies at `chance`, 0 to 1; None in what the shares leave."""
        for what, upto in zip(self.does, self.upto, strict=True):
            if chance < upto:
                return what
        return None


class Population:
    """All debtors there are; `draw` says what a dial meets. Same seed, same answers."""

    def __init__(self, rates: Rates, seed: int | None = None) -> None:
        self.rates = rates
        self.seed = rates.seed if seed is None else seed
        self._known = {
            known.number: Drawn(
                known.does,
                Manner(known.rings, hears=known.hears, pay_in_days=known.pay_in_days,
                       proof=known.proof),
            )
            for known in rates.debtor
        }  # fmt: skip
        self._numbers = _Cumulated.of(rates.numbers)
        self._answered = _Cumulated.of(rates.answered, Does.LISTENS)
        self._failed = _Cumulated.of(rates.dials)
        self._fails = min(self._failed.upto[-1], 1.0) if self._failed.upto else 0.0
        self._by_hour = rates.by_hour
        self._normal = NormalDist()

    def draw(self, number: str, dial: int, at: datetime) -> Drawn:
        """Return what the dial no. `dial` (from 0) to a number meets at a local time."""
        known = self._known.get(number)
        if known is not None:
            return known
        traits = _chances(self.seed, number, -1)
        chance = _chances(self.seed, number, dial)
        does = self._numbers.at(traits[0])
        if does is None:
            does = self._dialled(traits[1], chance, self._by_hour[at.hour])
        return Drawn(does, self._manner(chance))

    def manners(self, count: int) -> list[Manner]:
        """Return `count` manners as calls would draw them: to try calls of each kind."""
        return [self._manner(_chances(self.seed, "manner", dial)) for dial in range(count)]

    def _dialled(self, ease: float, chance: tuple[float, ...], hour: float) -> Does:
        fails = self._fails
        if 0 < fails < 1:
            away = self.rates.spread * self._normal.inv_cdf(min(max(ease, 1e-9), 1 - 1e-9))
            odds = (1 - fails) / fails * hour * math.exp(away)
            fails = 1 / (1 + odds)
        if chance[0] < fails:
            # which of the failures it is, keeps its share among them
            return self._failed.at(chance[0] / fails * self._fails) or self._failed.does[-1]
        return self._answered.at(chance[1]) or Does.LISTENS

    def _manner(self, chance: tuple[float, ...]) -> Manner:
        manners = self.rates.manners
        return Manner(
            rings=_within(manners.rings, chance[2]),
            pay_in_days=_within(manners.pay_in_days, chance[3]),
            hears=0.1 + 0.8 * chance[4],
            think_s=0.5 + 2.0 * chance[5],
            gap_s=0.2 + 0.4 * chance[5],
        )


class CalledDebtors:
    """Behind every number of a card: ``card.others = CalledDebtors(population, clock)``.

    `dials` counts how often each number was dialled, `met` what the dials met. `proof_of` gives
    the digits that prove the holder of a number, where the flow asks for them.
    """

    def __init__(
        self,
        population: Population,
        clock: Clock,
        proof_of: Callable[[str], str] = lambda _: "",
    ) -> None:
        self.population = population
        self.dials: Counter[str] = Counter()
        self.met: Counter[Does] = Counter()
        self._clock = clock
        self._proof_of = proof_of

    def __call__(self, permit: Dialled) -> Outcome:
        """Return what happens on this dial."""
        number = permit.number
        does, manner = self.population.draw(number, self.dials[number], self._clock.now())
        self.dials[number] += 1
        self.met[does] += 1
        if not manner.proof:
            manner = replace(manner, proof=self._proof_of(number))
        return outcome(does, manner)


def _within(pair: tuple[int, int], chance: float) -> int:
    return pair[0] + int(chance * (pair[1] - pair[0] + 1))


def _chances(seed: int, number: str, dial: int) -> tuple[float, ...]:
    """Return six numbers, 0 to below 1, that belong to this dial alone."""
    digest = hashlib.blake2b(f"{seed}/{number}/{dial}".encode(), digest_size=24).digest()
    whole = int.from_bytes(digest)
    return tuple([(whole >> (32 * place) & 0xFFFFFFFF) / 4294967296 for place in range(6)])
