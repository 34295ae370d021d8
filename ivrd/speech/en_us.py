"""American English for a bill in yuan.

What was chosen where people differ:

- No "and" within a number (one hundred twenty-three); "and" before the fen.
- 1 yuan is 100 fen; jiao are not spoken (twelve yuan and fifty fen). Both are invariable.
- A negative amount is "a refund of" its size.
- Times are in 12 hours (two oh five p.m.), with "twelve noon" and "twelve midnight".
- Years: "two thousand five", "twenty twenty-six", "nineteen oh five".
"""

from __future__ import annotations

import datetime as dt

from ivrd.speech.grammar import COMMON_IDS, Grammar, Ids

_N = [f"n_{n}" for n in range(100)]
_HUNDREDS = ["", *(f"h_{n}" for n in range(1, 10))]
_SCALES = ((10**9, "billion"), (10**6, "million"), (10**3, "thousand"))
_WITH_YUAN = frozenset({*_N[:20], *_HUNDREDS[1:]})
"""Numbers that are one prompt together with "yuan"; the others are put together."""

_OH = [f"oh_{n}" for n in range(10)]


class EnglishUS(Grammar):
    """The grammar of en-US."""

    @property
    def ids(self) -> frozenset[str]:
        """See `Grammar.ids`."""
        numbers = {*_N, *_HUNDREDS[1:], "minus", *(word for _, word in _SCALES)}
        money = {f"{n}_yuan" for n in _WITH_YUAN} | {"yuan", "fen", "refund"}
        dates = {f"month_{n}" for n in range(1, 13)} | {f"day_{n}" for n in range(1, 32)}
        times = {*_OH[1:], "am", "pm", "noon", "midnight", "and"}
        times |= {f"{unit}{s}" for unit in ("hour", "minute", "second") for s in ("", "s")}
        return COMMON_IDS | numbers | money | dates | times

    def integer(self, n: int) -> Ids:
        """See `Grammar.integer`: twelve, one hundred five, twenty thousand."""
        return ["minus", *_number(-n)] if n < 0 else _number(n)

    def money(self, fen: int) -> Ids:
        """See `Grammar.money`: one yuan, five fen, ten yuan and five fen, a refund of …."""
        ids: list[str] = []
        if fen < 0:
            ids.append("refund")
            fen = -fen
        yuan, rest = divmod(fen, 100)
        if not yuan and rest:
            return [*ids, _N[rest], "fen"]
        ids += _with_yuan(_number(yuan))
        return [*ids, "and", _N[rest], "fen"] if rest else ids

    def month(self, year: int, month: int) -> Ids:
        """See `Grammar.month`: October twenty twenty-six."""
        return [f"month_{month}", *_year(year)]

    def date(self, day: dt.date) -> Ids:
        """See `Grammar.date`: October twentieth, twenty twenty-six."""
        return [f"month_{day.month}", f"day_{day.day}", *_year(day.year)]

    def day(self, day: dt.date) -> Ids:
        """See `Grammar.day`: October twentieth."""
        return [f"month_{day.month}", f"day_{day.day}"]

    def time(self, hour: int, minute: int, second: int | None) -> Ids:
        """See `Grammar.time`: two p.m., two oh five p.m., … and nine seconds."""
        if not minute and not second and hour in (0, 12):
            return ["noon" if hour else "midnight"]
        ids = [_N[hour % 12 or 12]]
        if minute:
            ids.append(_OH[minute] if minute < 10 else _N[minute])
        ids.append("pm" if hour >= 12 else "am")
        if second:
            ids += ["and", *_counted(second, "second")]
        return ids

    def duration(self, seconds: int) -> Ids:
        """See `Grammar.duration`: three minutes twelve seconds, one hour."""
        minutes, second = divmod(seconds, 60)
        hours, minute = divmod(minutes, 60)
        ids: list[str] = []
        for n, unit in ((hours, "hour"), (minute, "minute"), (second, "second")):
            if n:
                ids += _counted(n, unit)
        return ids or _counted(0, "second")


def _counted(n: int, unit: str) -> list[str]:
    return [*_number(n), unit if n == 1 else f"{unit}s"]


def _year(year: int) -> list[str]:
    century, rest = divmod(year, 100)
    if not rest or (century % 10 == 0 and rest < 10):
        return _number(year)
    return [_N[century], _OH[rest] if rest < 10 else _N[rest]]


def _number(n: int) -> list[str]:
    """Return a number from 0 to 10^12 - 1."""
    if n < 100:
        return [_N[n]]
    ids: list[str] = []
    for size, word in _SCALES:
        group, n = divmod(n, size)
        if group:
            ids += [*_below_thousand(group), word]
    return ids + _below_thousand(n) if n else ids


def _below_thousand(n: int) -> list[str]:
    hundreds, rest = divmod(n, 100)
    ids = [_HUNDREDS[hundreds]] if hundreds else []
    return [*ids, _N[rest]] if rest else ids


def _with_yuan(ids: list[str]) -> list[str]:
    """Put "yuan" behind a number, as one prompt with its last part where there is one."""
    last = ids[-1]
    return [*ids[:-1], f"{last}_yuan"] if last in _WITH_YUAN else [*ids, "yuan"]
