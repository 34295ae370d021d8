"""From what a column holds to money, months, dates and times.

Nothing here puts a value into an error: it may be private.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Literal, NamedTuple, TypeAlias

Unit: TypeAlias = Literal["fen", "yuan", "li", "jiao", "minor", "major"]
"""厘, 分, 角 and 元; of any other currency its minor unit (a hundredth) and its major unit."""

_FEN: Mapping[Unit, Decimal] = {
    "li": Decimal("0.1"),
    "fen": Decimal(1),
    "minor": Decimal(1),
    "jiao": Decimal(10),
    "yuan": Decimal(100),
    "major": Decimal(100),
}

LI: Mapping[Unit, int] = {unit: int(10 * fen_) for unit, fen_ in _FEN.items()}
"""How many li each unit has."""

_FLOAT_NOISE = Decimal("0.0001")
"""Fen by which a binary fraction may miss a whole fen: sums of doubles do, a tariff does not."""

_NEAR = float(_FLOAT_NOISE) / 2
_FLOAT_FEN: Mapping[Unit, float] = {unit: float(fen_) for unit, fen_ in _FEN.items()}


_SURE = 1e8
"""Fen up to which doubles are exact far beyond `_FLOAT_NOISE`."""


def fen(value: object, unit: Unit) -> int:
    """Return an amount in fen; NULL is 0. Raises ValueError where it is no whole number of fen."""
    # a caller waits: what is plainly a whole number of fen is found in a tenth of the time
    if type(value) is float:
        near = value * _FLOAT_FEN[unit]
        if -_SURE < near < _SURE and abs(near - round(near)) < _NEAR:
            return round(near)
    elif type(value) is Decimal and value.is_finite():
        exactly = value * _FEN[unit]
        if exactly == (plainly := int(exactly)):
            return plainly
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise ValueError("not an amount")  # noqa: TRY004 - of the data, not of the code
    if isinstance(value, int) and unit != "li":
        return value * int(_FEN[unit])
    try:
        exact = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ValueError("not an amount") from None
    if not exact.is_finite():
        raise ValueError("not an amount")
    amount = exact * _FEN[unit]
    whole = int(amount.to_integral_value())
    slack = _FLOAT_NOISE if isinstance(value, float) else 0
    if abs(amount - whole) > slack:
        raise ValueError("not a whole number of fen")
    return whole


def number(value: object) -> int:
    """Return a count or a length, never negative; NULL is 0. Raises ValueError for all else."""
    whole = fen(value, "fen")
    if whole < 0:
        raise ValueError("not a count")
    return whole


class Parts(NamedTuple):
    """The parts that a pattern found; those it does not name are the least possible."""

    year: int = 1
    month: int = 1
    day: int = 1
    hour: int = 0
    minute: int = 0
    second: int = 0


_TOKENS = {
    "YYYY": "year",
    "YY": "year",
    "MM": "month",
    "DD": "day",
    "hh": "hour",
    "mm": "minute",
    "ss": "second",
}
_TOKEN = re.compile("|".join(_TOKENS))


class Pattern:
    """How a date, a month or a time stands in a column: YYYY, YY, MM, DD, hh, mm, ss, else literal.

    Raises ValueError for a pattern with a part twice, with no part, or with letters of no part.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        tokens = _TOKEN.findall(text)
        between = _TOKEN.split(text)
        named = [_TOKENS[token] for token in tokens]
        if not tokens or len(set(named)) < len(named) or re.search("[A-Za-z]", "".join(between)):
            raise ValueError(
                f"{text!r} is not made of YYYY or YY, MM, DD, hh, mm, ss, each at most once"
            )
        self.parts = frozenset(_TOKENS[token] for token in tokens)
        digits = [rf"(?P<{_TOKENS[token]}>[0-9]{{{len(token)}}})" for token in tokens]
        pieces = [re.escape(between[0])]
        for digit, literal in zip(digits, between[1:], strict=True):
            pieces += [digit, re.escape(literal)]
        self._match = re.compile("".join(pieces)).fullmatch
        self._day_ends = text.find("DD") + 2 if "day" in self.parts else len(text)
        of_day = [name for name in named if name in {"year", "month", "day"}]
        self.sortable = of_day == ["year", "month", "day"] == named[:3] and "YYYY" in tokens
        """Whether days stand in this pattern in their order, as texts or numbers."""
        # a pattern without separators may stand in a number, which loses its leading zeros
        self._width = len(text) if not "".join(between) else 0

    def parse(self, value: object) -> Parts:
        """Return the parts of a text or integer. Raises ValueError where it is not so written."""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value).zfill(self._width)
        found = self._match(value) if isinstance(value, str) else None
        if not found:
            raise ValueError(f"not written {self.text}")
        parts = {part: int(digits) for part, digits in found.groupdict().items()}
        if len(found.groupdict().get("year", "YYYY")) == 2:
            parts["year"] += 2000
        return Parts(**parts)

    def write(self, year: int, month: int, *, whole: bool = True) -> str:
        """Return the month as this pattern writes it, its first instant where it has days.

        Not `whole`, what stands behind the day is left out.
        """
        text = self.text if whole else self.text[: self._day_ends]
        text = text.replace("YYYY", f"{year:04}").replace("YY", f"{year % 100:02}")
        text = text.replace("MM", f"{month:02}").replace("DD", "01")
        return text.replace("hh", "00").replace("mm", "00").replace("ss", "00")


_NO_DAY = re.compile(r"[0\s/.:-]*").fullmatch
"""Blanks, or zeros where a column must hold something."""


def day_of(value: object, pattern: Pattern) -> date | None:
    """Return a date from a date, text or number; None where there is none."""
    if isinstance(value, str):
        value = value.strip()
    if value is None or (isinstance(value, str | int) and _NO_DAY(str(value))):
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    parts = pattern.parse(value)
    return date(parts.year, parts.month, parts.day)


def clock_time_of(value: object, pattern: Pattern) -> time:
    """Return a time of day from a time, text or number."""
    if isinstance(value, time):
        return value
    parts = pattern.parse(value)
    return time(parts.hour, parts.minute, parts.second)


def instant_of(value: object, pattern: Pattern) -> datetime:
    """Return a date and time from one column; aware only where the database's value is."""
    if isinstance(value, datetime):
        return value
    return datetime(*pattern.parse(value))  # noqa: DTZ001 - the mapping's zone is put on by the caller


def code_of(value: object) -> str | None:
    """Return a code as text; true and false are 1 and 0, as databases without them have it."""
    return str(int(value)) if isinstance(value, bool) else text_of(value)


def text_of(value: object) -> str | None:
    """Return a code or number as text; None where there is none, or only blanks."""
    if value is None:
        return None
    return str(value).strip() or None
