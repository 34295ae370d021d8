"""Which columns add up to a total, and in which units: the surest evidence there is of both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, product
from statistics import median
from typing import NamedTuple

from ivrd.billing.draft.looks import decimals, money
from ivrd.billing.draft.roles import Roles
from ivrd.billing.draft.survey import Col
from ivrd.billing.values import Unit

_TO_FEN: dict[Unit, int] = {"li": 1, "fen": 10, "jiao": 100, "yuan": 1000}
"""Tenths of a fen in each."""

_MILLIONTHS = 1_000_000

_ENOUGH = 0.9
"""Of the rows must add up; some are wrong in any database."""

_MOST_ROWS = 60

_UNIT_SAID = re.compile(r"(?:单位[:：为是]?\s*|[(（\[【]\s*)(厘|分|角|元)|(?:以|按)(厘|分|角|元)")
_CHINESE: dict[str, Unit] = {"厘": "li", "分": "fen", "角": "jiao", "元": "yuan"}


class Sum(NamedTuple):
    """Columns that add up to another: with sign, and how many times the total's unit each is."""

    items: dict[str, int]
    """Name to sign."""
    times: dict[str, tuple[int, int]]
    """Name to numerator and denominator of its unit, in units of the total's."""
    part: float
    """Of the rows that were tried."""


def whole(value: object) -> int:
    """Return an amount in millionths; NULL is 0."""
    found = money(value)
    return int(found * _MILLIONTHS) if found is not None else 0


def adds_up(
    total: Col, sure: Sequence[Col], maybe: Sequence[Col] = (), minus: Sequence[Col] = ()
) -> Sum | None:
    """Return which of the columns `sure` and `maybe` make `total`, less `minus`; None if none do.

    The most that do are preferred.
    """
    whole_ = [*sure, *maybe, *minus]
    rows = _rows(total, whole_)
    if len(rows) < 2 or not whole_:
        return None
    negative = {col.name for col in minus}
    groups = [1 if decimals(col) else 0 for col in whole_]
    for chosen in _subsets(len(whole_), len(sure)):
        for signs in _signs(whole_, chosen, negative):
            for factors in product(_ratios(), repeat=len({groups[n] for n in chosen})):
                by_group = dict(zip(sorted({groups[n] for n in chosen}), factors, strict=True))
                times = {n: by_group[groups[n]] for n in chosen}
                part = _part(rows, chosen, signs, times)
                if part >= _ENOUGH:
                    items = {whole_[n].name: signs[n] for n in chosen}
                    return Sum(items, {whole_[n].name: times[n] for n in chosen}, part)
    return None


def _ratios() -> list[tuple[int, int]]:
    return [(1, 1), (1, 100), (100, 1), (1, 10), (10, 1), (1, 1000), (1000, 1)]


def _rows(total: Col, columns: Sequence[Col]) -> list[tuple[int, list[int]]]:
    """Return total and parts of the rows that tell the most."""
    rows = [
        (whole(total.values[at]), [whole(col.values[at]) for col in columns])
        for at in range(len(total.values))
        if total.values[at] is not None
    ]
    telling = [row for row in rows if row[0]]
    telling.sort(key=lambda row: -sum(1 for part in row[1] if part))
    return telling[:_MOST_ROWS]


def _subsets(count: int, sure: int) -> Iterator[tuple[int, ...]]:
    """Yield all, then all without one or two, then the sure ones alone and with one or two more."""
    everything = tuple(range(count))
    yield everything
    for less in (1, 2):
        for without in combinations(reversed(everything), less):
            left = tuple(n for n in everything if n not in without)
            if left:
                yield left
    if sure and sure < count:
        first = tuple(range(sure))
        yield first
        for more in (1, 2):
            for extra in combinations(range(sure, count), more):
                yield (*first, *extra)


def _signs(
    columns: Sequence[Col], chosen: Iterable[int], negative: set[str]
) -> Iterator[dict[int, int]]:
    """Yield the signs to try: what is taken off may be kept as a positive or a negative number."""
    off = [n for n in chosen if columns[n].name in negative]
    plain = dict.fromkeys(chosen, 1)
    if off:
        yield {**plain, **dict.fromkeys(off, -1)}
    yield plain


def _part(
    rows: Sequence[tuple[int, list[int]]], chosen: Sequence[int], signs: dict[int, int],
    times: dict[int, tuple[int, int]],
) -> float:  # fmt: skip
    """Return for how many of the rows the parts make the total."""
    allowed = int(len(rows) * (1 - _ENOUGH))
    wrong = telling = 0
    for total, parts in rows:
        made = sum(signs[n] * parts[n] * times[n][0] / times[n][1] for n in chosen if parts[n])
        telling += sum(1 for n in chosen if parts[n]) > 1
        # a binary fraction misses by a little
        if abs(made - total) > 200:
            wrong += 1
            if wrong > allowed:
                return 0.0
    # one part that is always the total alone says nothing of the others
    return (len(rows) - wrong) / len(rows) if telling else 0.0


class Unitary(NamedTuple):
    """The unit of a column, how sure, and why."""

    unit: Unit
    score: float
    why: str


def unit_of(col: Col, roles: Roles) -> Unitary:
    """Return the unit of a column alone, from its name, its comment and its values."""
    said = _UNIT_SAID.search(col.comment) or _UNIT_SAID.search(col.name)
    if said:
        return Unitary(_CHINESE[said[1] or said[2]], 0.95, "its comment says so")
    words = {w for r in roles.lexicon.readings(col.name) if r.sure > 0.8 for w in r.words}
    named: dict[str, Unit] = {"minor": "fen", "major": "yuan", "li": "li", "jiao": "jiao"}
    for word, unit in named.items():
        if word in words:
            return Unitary(unit, 0.9, "its name says so")
    places = decimals(col)
    if places in {1, 2}:
        return Unitary("yuan", 0.9, f"values have {places} decimal place{'s' * (places > 1)}")
    if places:
        return Unitary("yuan", 0.5, f"values have {places} decimal places: less than a fen")
    if col.kind == "decimal" and col.scale == 2:
        return Unitary("yuan", 0.65, "it has two decimal places, all 0 in the sample")
    amounts = [abs(amount) for value in col.held if (amount := money(value))]
    if not amounts:
        return Unitary(
            "yuan" if col.kind == "decimal" else "fen", 0.3, "by its type alone: no values to tell"
        )
    middle = median(amounts)
    if (
        len(amounts) > 4
        and middle >= 10_000
        and all(amount % 10 == 0 for amount in amounts)
        and any(amount % 100 for amount in amounts)
    ):
        return Unitary("li", 0.5, "whole numbers, large, all ending in 0")
    if middle >= 600 and any(amount % 10 for amount in amounts):
        return Unitary("fen", 0.75, "whole numbers too large for yuan, not round")
    if middle >= 1000:
        return Unitary("fen", 0.6, "whole numbers too large for yuan")
    return Unitary(
        "yuan" if col.kind == "decimal" else "fen",
        0.4,
        f"whole numbers, half of them below {int(middle) + 1}",
    )


def times_unit(base: Unit, times: tuple[int, int]) -> Unit | None:
    """Return the unit that is so many times another, None where there is none of that size."""
    size = _TO_FEN[base] * times[0] / times[1]
    return next((unit for unit, fen in _TO_FEN.items() if fen == size), None)
