"""What a language's grammar must do, and what is the same in every language.

A grammar turns a value that has been read and checked into prompt ids; it never sees a
caller's text. A value comes out of a call as JSON; `speaker` reads it by its kind:

=============  =====================================  ==========================
kind           value                                  example
=============  =====================================  ==========================
``integer``    whole number                           ``12``
``money``      whole fen; negative is a refund        ``-350``
``month``      ISO 8601 year and month                ``"2026-10"``
``date``       ISO 8601 date, spoken with its year    ``"2026-10-20"``
``day``        the same, spoken without its year      ``"2026-10-20"``
``time``       ISO 8601 time, spoken to the minute    ``"14:05:09"`` or ``"14:05"``
``exact_time`` the same, spoken to the second         ``"14:05:09"``
``duration``   whole seconds, not negative            ``192``
``digits``     digits, one by one                     ``"010"``
``phone``      a telephone number, one by one         ``"+8613800138000"``
``item``       code of a bill item, as in a mapping   ``"monthly_rent"``
``prompt``     id of a prompt of the text list        ``"notice_supply"``
=============  =====================================  ==========================
"""

from __future__ import annotations

import datetime as dt
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias

from ivrd.errors import SpeechError

Ids: TypeAlias = Sequence[str]
Speaker: TypeAlias = Callable[[object], Ids]

LARGEST = 10**12 - 1
"""The largest whole number, and the largest number of yuan, that a grammar speaks."""

SHORT_PAUSE = "pause_short"
"""Between the groups of a long number; every language's text list has it."""

DIGITS = {digit: f"d_{digit}" for digit in "0123456789"}
"""The prompt of each digit in a digit string: zh-CN speaks 1 as 幺 there."""

PLUS = "d_plus"
"""The "+" of an international number (ITU-T E.164)."""


class Grammar(ABC):
    """How one language speaks values. Every method returns prompt ids in order of speech."""

    @property
    @abstractmethod
    def ids(self) -> frozenset[str]:
        """Every prompt id that the methods can return; the text list must have them all."""

    @abstractmethod
    def integer(self, n: int) -> Ids:
        """Speak a whole number from -`LARGEST` to `LARGEST`."""

    @abstractmethod
    def money(self, fen: int) -> Ids:
        """Speak an amount; a negative one is said to be a refund, not to be "minus"."""

    @abstractmethod
    def month(self, year: int, month: int) -> Ids:
        """Speak a month with its year."""

    @abstractmethod
    def date(self, day: dt.date) -> Ids:
        """Speak a date with its year."""

    @abstractmethod
    def day(self, day: dt.date) -> Ids:
        """Speak a date without its year."""

    @abstractmethod
    def time(self, hour: int, minute: int, second: int | None) -> Ids:
        """Speak a time of day; `second` is None where it is not to be spoken."""

    @abstractmethod
    def duration(self, seconds: int) -> Ids:
        """Speak a length of time as hours, minutes and seconds."""


_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_DIGITS = re.compile(r"\d{1,40}", re.ASCII)
_PHONE = re.compile(r"\+?\d(?:[ -]?\d){0,39}", re.ASCII)
_CODE = re.compile(r"[a-z][a-z0-9_]*")


def speaker(grammar: Grammar, kind: str) -> Speaker:
    """Return what speaks a value of `kind`; it raises `SpeechError` with what was expected.

    The message never holds the value. Raises KeyError for a kind that is not in `KINDS`.
    """
    return _SPEAKERS[kind](grammar)


def _integer(grammar: Grammar) -> Speaker:
    def speak(value: object) -> Ids:
        if type(value) is not int or abs(value) > LARGEST:
            raise SpeechError("expected a whole number below 10^12")
        return grammar.integer(value)

    return speak


def _money(grammar: Grammar) -> Speaker:
    def speak(value: object) -> Ids:
        if type(value) is not int or abs(value) > LARGEST * 100:
            raise SpeechError("expected an amount in whole fen")
        return grammar.money(value)

    return speak


def _month(grammar: Grammar) -> Speaker:
    def speak(value: object) -> Ids:
        found = _MONTH.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise SpeechError("expected a month such as 2026-10")
        return grammar.month(int(found[1]), int(found[2]))

    return speak


def _date(value: object) -> dt.date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass  # 31 June: told below, without the value
    raise SpeechError("expected a date such as 2026-10-20")


def _time(grammar: Grammar, *, exact: bool) -> Speaker:
    def speak(value: object) -> Ids:
        found = _TIME.fullmatch(value) if isinstance(value, str) else None
        if found is None or (exact and found[3] is None):
            example = "14:05:09" if exact else "14:05"
            raise SpeechError(f"expected a time such as {example}")
        return grammar.time(int(found[1]), int(found[2]), int(found[3]) if exact else None)

    return speak


def _duration(grammar: Grammar) -> Speaker:
    def speak(value: object) -> Ids:
        if type(value) is not int or not 0 <= value <= LARGEST:
            raise SpeechError("expected a duration in whole seconds")
        return grammar.duration(value)

    return speak


def _digits(value: object) -> Ids:
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        raise SpeechError("expected a string of 1 to 40 digits")
    return _grouped(value, (4,) * 10 if len(value) > 6 else (6,))


def _phone(value: object) -> Ids:
    if not isinstance(value, str) or not _PHONE.fullmatch(value):
        raise SpeechError("expected a telephone number")
    international = value.startswith("+")
    number = value.lstrip("+").replace(" ", "").replace("-", "")
    ids = [PLUS] if international else []
    if international and number.startswith("86"):
        ids += [DIGITS["8"], DIGITS["6"], SHORT_PAUSE]
        number = number[2:]
        if not number:
            return ids[:-1]
    return [*ids, *_grouped(number, _phone_groups(number))]


def _phone_groups(number: str) -> tuple[int, ...]:
    """Return the lengths of the groups in which people in China say a telephone number."""
    if number.startswith("0"):  # trunk prefix and area code: 010 and 02x have three digits
        area = 3 if number[1:2] in ("1", "2") else 4
        local = len(number) - area
        return (area, 3, 4) if local == 7 else (area, 4, 4, 4, 4)
    if len(number) == 11:  # mobile
        return (3, 4, 4)
    if len(number) == 7:
        return (3, 4)
    return (4,) * 10 if len(number) > 6 else (6,)


def _grouped(digits: str, groups: Sequence[int]) -> list[str]:
    ids: list[str] = []
    start = 0
    for length in groups:
        if start >= len(digits):
            break
        if start:
            ids.append(SHORT_PAUSE)
        ids += [DIGITS[digit] for digit in digits[start : start + length]]
        start += length
    ids += [DIGITS[digit] for digit in digits[start:]]
    return ids


def item_prompt(code: str) -> str:
    """Return the id of the prompt that names a bill item, by the item's code in a mapping."""
    return f"item_{code}"


def _item(value: object) -> Ids:
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise SpeechError("expected the code of a bill item")
    return (item_prompt(value),)


def _prompt(value: object) -> Ids:
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise SpeechError("expected the id of a prompt")
    return (value,)


_SPEAKERS: dict[str, Callable[[Grammar], Speaker]] = {
    "integer": _integer,
    "money": _money,
    "month": _month,
    "date": lambda grammar: lambda value: grammar.date(_date(value)),
    "day": lambda grammar: lambda value: grammar.day(_date(value)),
    "time": lambda grammar: _time(grammar, exact=False),
    "exact_time": lambda grammar: _time(grammar, exact=True),
    "duration": _duration,
    "digits": lambda _: _digits,
    "phone": lambda _: _phone,
    "item": lambda _: _item,
    "prompt": lambda _: _prompt,
}

KINDS = tuple(_SPEAKERS)
"""The kinds of value that a sentence template can ask for."""

COMMON_IDS = frozenset({*DIGITS.values(), PLUS, SHORT_PAUSE})
"""Prompt ids that every language needs for digit strings."""
