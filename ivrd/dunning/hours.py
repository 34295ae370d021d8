"""When calls may be made: windows per weekday, by the clock on the debtor's wall.

A window is half open: from 09:30 on, and no longer at 12:00. It may run over midnight, and then
belongs to the day on which it began. An instant is open when the wall clock there shows a time
within a window; so an hour that the end of summer time repeats is open both times or neither,
and one that its beginning leaves out is no matter.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

DAY_MIN = 24 * 60
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")

Span: TypeAlias = tuple[int, int]
"""From and until, in minutes after the midnight of the day on which it begins."""


def parse_span(text: str) -> Span:
    """Return the minutes of ``"09:30-12:00"``; ``"22:00-02:00"`` ends on the next day.

    Raises `ValueError` with what was expected.
    """
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no span of time; write it as 09:30-12:00")
    hour, minute, to_hour, to_minute = (int(part) for part in found.groups())
    start, end = hour * 60 + minute, to_hour * 60 + to_minute
    if minute > 59 or to_minute > 59 or start >= DAY_MIN or end > DAY_MIN:
        raise ValueError(f"{text!r} names no time of day; they go from 00:00 to 24:00")
    if start == end:
        raise ValueError(f"{text!r} has no length; a whole day is 00:00-24:00")
    return start, end if end > start else end + DAY_MIN


@dataclass(frozen=True, slots=True)
class Windows:
    """The spans of each weekday, Monday first, in order and apart."""

    days: tuple[tuple[Span, ...], ...]

    @classmethod
    def of(cls, by_day: Mapping[str, Sequence[str]]) -> Windows:
        """Return the windows of texts by weekday (`WEEKDAYS`); a day that is not there is closed.

        Raises `ValueError`: an unknown weekday, no span, or spans that overlap.
        """
        unknown = set(by_day) - set(WEEKDAYS)
        if unknown:
            raise ValueError(
                f"{sorted(unknown)[0]!r} is no weekday; they are {', '.join(WEEKDAYS)}"
            )
        return cls(tuple(_day(by_day.get(name, ()), name) for name in WEEKDAYS))

    @classmethod
    def daily(cls, *texts: str) -> Windows:
        """Return windows that are the same on every day. Raises `ValueError` as `of` does."""
        return cls.of(dict.fromkeys(WEEKDAYS, texts))


def _day(texts: Sequence[str], name: str) -> tuple[Span, ...]:
    spans = sorted(parse_span(text) for text in texts)
    for (_, end), (start, _) in itertools.pairwise(spans):
        if start < end:
            raise ValueError(f"the windows of {name} overlap")
    return tuple(spans)
