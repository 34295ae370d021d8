"""Mandarin as spoken on a telephone bill in mainland China.

What was chosen where people differ:

- 2: 两 before 元, 千, 万 and 亿 at the start of a number and as the only 元, 角, 分, 分钟, 秒,
  小时 or 点 (两元, 两千, 两万, 两角); 二 everywhere else (二百, 二十二元, 两万二千, 两元二角二分).
- 10 to 19 are 十 to 十九 at the start, 一十 to 一十九 within a number (一千零一十).
- 零 once for any run of zeros inside a number; before 分 when there is no 角 (十元零五分);
  not before 角 (一百元一角).
- Times are in 24 hours: 十四点零五分, 十四点整.
"""

from __future__ import annotations

import datetime as dt

from ivrd.speech.grammar import COMMON_IDS, Grammar, Ids

_YEARS = range(2020, 2036)
"""Years that are one prompt; others are read digit by digit."""

_N = [f"n_{n}" for n in range(100)]
_ZERO = _N[0]
_ONE_TEN = {n: f"t_{n}" for n in range(10, 20)}
_HUNDREDS = ["", *(f"h_{n}" for n in range(1, 10))]
_THOUSANDS = ["", *(f"q_{n}" for n in range(1, 10))]
_TWO, _TWO_THOUSAND = "liang", "q_liang"

_UNITS = {
    "yuan": frozenset({_TWO, *_N[:20], *_ONE_TEN.values(), *_HUNDREDS[1:]}),
    "wan": frozenset({_TWO, *_N[1:10]}),
    "yi": frozenset({_TWO, *_N[1:10]}),
}
"""Numbers that are one prompt together with the unit behind them."""

_FEN = [f"fen_{n}" for n in range(10)]
_ZERO_FEN = [f"fen_0{n}" for n in range(10)]
_JIAO = [f"jiao_{n}" for n in range(10)]


class MandarinCN(Grammar):
    """The grammar of zh-CN."""

    @property
    def ids(self) -> frozenset[str]:
        """See `Grammar.ids`."""
        numbers = {*_N, *_ONE_TEN.values(), *_HUNDREDS[1:], *_THOUSANDS[1:], _TWO, _TWO_THOUSAND}
        with_unit = {f"{n}_{unit}" for unit, numbers_ in _UNITS.items() for n in numbers_}
        money = {"refund", *_JIAO[1:], *_FEN[1:], *_ZERO_FEN, "jiao_liang", "fen_liang", "fen"}
        dates = {f"year_{year}" for year in _YEARS} | {f"month_{n}" for n in range(1, 13)}
        dates |= {f"day_{n}" for n in range(1, 32)} | {f"hour_{n}" for n in range(24)}
        words = {"minus", "nian", "zheng", "xiaoshi", "fenzhong", "miao"}
        return COMMON_IDS | numbers | with_unit | set(_UNITS) | money | dates | words

    def integer(self, n: int) -> Ids:
        """See `Grammar.integer`: 二, 十二, 一百零五, 两千, 一万零一十."""
        return ["minus", *_number(-n)] if n < 0 else _number(n)

    def money(self, fen: int) -> Ids:
        """See `Grammar.money`: 二百二十二元二角二分, 十元零五分, 两角, 退还三元五角."""
        ids: list[str] = []
        if fen < 0:
            ids.append("refund")
            fen = -fen
        yuan, rest = divmod(fen, 100)
        if yuan or not rest:
            ids += _with_unit(_counted(yuan), "yuan")
        if rest:
            ids += _jiao_and_fen(rest, leading=not yuan)
        return ids

    def month(self, year: int, month: int) -> Ids:
        """See `Grammar.month`: 二零二六年十月."""
        return [*_year(year), f"month_{month}"]

    def date(self, day: dt.date) -> Ids:
        """See `Grammar.date`: 二零二六年十月二十日."""
        return [*_year(day.year), f"month_{day.month}", f"day_{day.day}"]

    def day(self, day: dt.date) -> Ids:
        """See `Grammar.day`: 十月二十日."""
        return [f"month_{day.month}", f"day_{day.day}"]

    def time(self, hour: int, minute: int, second: int | None) -> Ids:
        """See `Grammar.time`: 十四点整, 十四点零五分, 十四点零五分零九秒."""
        ids = [f"hour_{hour}"]
        if not minute and not second:
            return [*ids, "zheng"]
        ids += _minutes(minute)
        if second:
            ids += [*([_ZERO] if second < 10 else []), _N[second], "miao"]
        return ids

    def duration(self, seconds: int) -> Ids:
        """See `Grammar.duration`: 两秒, 三分十二秒, 一分零二秒, 两分钟, 一小时零五分钟."""
        minutes, second = divmod(seconds, 60)
        hours, minute = divmod(minutes, 60)
        ids: list[str] = []
        if hours:
            ids += [*_counted(hours), "xiaoshi"]
        if minute and not second:
            ids += [*_following(minute, ids), "fenzhong"]
        elif minute and ids:
            ids += _minutes(minute)
        elif minute:
            ids += ["fen_liang"] if minute == 2 else _minutes(minute, zero=False)
        if second or not ids:
            ids += [*_following(second, ids, skipped=not minute), "miao"]
        return ids


def _counted(n: int) -> list[str]:
    """Return a number before what it counts: 2 is 两."""
    return [_TWO] if n == 2 else _number(n)


def _minutes(n: int, *, zero: bool = True) -> list[str]:
    """Return minutes as 分; one digit has a `zero` before it."""
    if n < 10:
        return [_ZERO_FEN[n] if zero else _FEN[n]]
    return [_N[n], "fen"]


def _following(n: int, before: list[str], *, skipped: bool = False) -> list[str]:
    """Return minutes or seconds behind hours or minutes: 零 before one digit or a gap."""
    if not before:
        return _counted(n)
    return [_ZERO, _N[n]] if n < 10 or skipped else [_N[n]]


def _jiao_and_fen(rest: int, *, leading: bool) -> list[str]:
    jiao, fen = divmod(rest, 10)
    if not jiao:
        if leading:
            return ["fen_liang" if fen == 2 else _FEN[fen]]
        return [_ZERO_FEN[fen]]
    ids = ["jiao_liang" if leading and jiao == 2 else _JIAO[jiao]]
    if fen:
        ids.append(_FEN[fen])
    return ids


def _year(year: int) -> list[str]:
    if year in _YEARS:
        return [f"year_{year}"]
    return [*(f"n_{digit}" for digit in f"{year:04}"), "nian"]


def _number(n: int) -> list[str]:
    """Return a number from 0 to 10^12 - 1; a lone 2 is 二."""
    if n < 100:
        return [_N[n]]
    ids: list[str] = []
    gap = False  # zeros since the last digit spoken
    for size, unit in ((10**8, "yi"), (10**4, "wan"), (1, "")):
        group, n = divmod(n, size)
        if not group:
            gap = bool(ids)
            continue
        if ids and (gap or group < 1000):
            ids.append(_ZERO)
        words = [_TWO] if unit and group == 2 and not ids else _group(group, leading=not ids)
        ids += _with_unit(words, unit) if unit else words
        gap = False
    return ids


def _group(n: int, *, leading: bool) -> list[str]:
    """Return 1 to 9999; `leading` where nothing of the number has been said before it."""
    ids: list[str] = []
    thousands, below = divmod(n, 1000)
    hundreds, rest = divmod(below, 100)
    if thousands:
        ids.append(_TWO_THOUSAND if leading and thousands == 2 else _THOUSANDS[thousands])
    if hundreds:
        ids.append(_HUNDREDS[hundreds])
    if not rest:
        return ids
    if ids and (not hundreds or rest < 10):
        ids.append(_ZERO)
    within = bool(ids) or not leading
    ids.append(_ONE_TEN[rest] if within and rest in _ONE_TEN else _N[rest])
    return ids


def _with_unit(ids: list[str], unit: str) -> list[str]:
    """Put `unit` behind a number, as one prompt with its last part where there is one."""
    last = ids[-1]
    return [*ids[:-1], f"{last}_{unit}"] if last in _UNITS[unit] else [*ids, unit]
