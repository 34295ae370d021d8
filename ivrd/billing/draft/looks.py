"""What values look like: telephone numbers, months, dates, codes, money."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from ivrd.billing.draft.survey import Col
from ivrd.billing.values import Pattern

_MOBILE = re.compile(r"(?:\+?86[- ]?)?1[3-9][0-9]{9}")
_AREA = re.compile(r"(?:\+?86[- ]?)?0[0-9]{2,3}[- ]?[2-9][0-9]{6,7}")
_LOCAL = re.compile(r"[2-9][0-9]{6,7}")
_ABROAD = re.compile(r"\+[1-9][0-9]{7,14}")
_IDENTITY = re.compile(r"[1-9][0-9]{16}[0-9Xx]|[1-9][0-9]{14}")
_AREA_CODE = re.compile(r"0[0-9]{2,4}")

MONTHS = (
    "YYYYMM", "YYYY-MM", "YYYY/MM", "YYYY.MM", "YYYY_MM", "YYYY年MM月", "YYYYMM01", "YYYY-MM-01",
    "YYYY/MM/01", "MM/YYYY", "MM-YYYY", "MMYYYY", "YY-MM", "YYMM",
)  # fmt: skip
DAYS = (
    "YYYY-MM-DD", "YYYYMMDD", "YYYY/MM/DD", "YYYY.MM.DD", "YYYY年MM月DD日", "DD/MM/YYYY",
    "MM/DD/YYYY", "DD.MM.YYYY", "YYYY-MM-DD hh:mm:ss", "YYYY/MM/DD hh:mm:ss", "YYYYMMDDhhmmss",
    "YYMMDD",
)  # fmt: skip
SORTED_DAYS = ("YYYY-MM-DD", "YYYYMMDD", "YYYY/MM/DD", "YYYY-MM-DD hh:mm:ss", "YYYYMMDDhhmmss")
"""Days by which a month can be told: the year first, then month and day."""

INSTANTS = (
    "YYYY-MM-DD hh:mm:ss", "YYYYMMDDhhmmss", "YYYY/MM/DD hh:mm:ss", "YYYY-MM-DD hh:mm",
    "YYYY/MM/DD hh:mm", "YYYYMMDD hh:mm:ss", "YYYYMMDD hhmmss", "YYYY年MM月DD日 hh:mm:ss",
    "YYYY.MM.DD hh:mm:ss", "YYMMDDhhmmss",
)  # fmt: skip
TIMES = ("hh:mm:ss", "hhmmss", "hh:mm", "hhmm")


def share(col: Col, fits: Callable[[str], object]) -> float:
    """Return how much of what a column holds fits."""
    held = col.held
    return sum(bool(fits(str(value).strip())) for value in held) / len(held) if held else 0.0


def phones(col: Col) -> float:
    """Return how much of a column looks like telephone numbers; a bare local number less so."""

    def weight(text: str) -> float:
        if _MOBILE.fullmatch(text) or _AREA.fullmatch(text) or _ABROAD.fullmatch(text):
            return 1.0
        return 0.7 if _LOCAL.fullmatch(text) else 0.0

    held = col.held
    return sum(weight(str(value).strip()) for value in held) / len(held) if held else 0.0


def mobiles(col: Col) -> float:
    """Return how much of a column is mobile numbers."""
    return share(col, _MOBILE.fullmatch)


def with_area(col: Col) -> float:
    """Return how much of a column is landline numbers with their area code."""
    return share(col, _AREA.fullmatch)


def identities(col: Col) -> float:
    """Return how much of a column looks like resident identity numbers (GB 11643)."""
    return share(col, _IDENTITY.fullmatch)


def area_codes(col: Col) -> float:
    """Return how much of a column looks like area codes."""
    return share(col, _AREA_CODE.fullmatch)


def written(col: Col, patterns: Sequence[str]) -> str | None:
    """Return the first pattern in which everything in a column is written, None where none is."""
    held = col.held
    if not held or not all(isinstance(value, str | int) for value in held):
        return None
    for text in patterns:
        pattern = _pattern(text)
        if all(_is_written(value, pattern) for value in held):
            return text
    return None


@cache
def _pattern(text: str) -> Pattern:
    return Pattern(text)


def _is_written(value: Any, pattern: Pattern) -> bool:
    if isinstance(value, str):
        value = value.strip()
    elif len(str(value)) < len(pattern.text) - 1:
        return False
    try:
        parts = pattern.parse(value)
        datetime(*parts)  # noqa: DTZ001 - whether there is such a day, nothing more
    except ValueError:
        return False
    return "year" not in pattern.parts or 1985 <= parts.year <= 2060


def is_iso(col: Col) -> bool:
    """Return whether text is dates as ISO 8601 writes them, as SQLite keeps them."""
    return bool(col.held) and all(
        isinstance(value, date) or re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", str(value))
        for value in col.held
    )


def money(value: object) -> Decimal | None:
    """Return a value as a number, None where it is none."""
    if value is None or isinstance(value, bool | date):
        return None
    try:
        found = Decimal(repr(value) if isinstance(value, float) else str(value).strip())
    except InvalidOperation:
        return None
    return round(found, 6) if found.is_finite() else None


def is_money(col: Col) -> bool:
    """Return whether a column can be money: numbers, or texts that are."""
    if col.kind in {"date", "datetime", "time", "bool"}:
        return False
    if not col.held:
        return col.numeric
    if col.kind == "text" and not any("." in value for value in col.distinct):
        return False
    return all(money(value) is not None for value in col.held)


def decimals(col: Col) -> int:
    """Return the most decimal places that are not 0."""
    places = 0
    for value in col.held:
        amount = money(value)
        if amount is not None and amount:
            exponent = amount.normalize().as_tuple().exponent
            places = max(places, -exponent if isinstance(exponent, int) else 0)
    return places


def padded(col: Col) -> int | None:
    """Return the length to which texts are filled with blanks, None where they are not."""
    texts = [value for value in col.values if isinstance(value, str)]
    lengths = {len(text) for text in texts}
    if len(lengths) == 1 and any(text.endswith(" ") and text.strip() for text in texts):
        return lengths.pop()
    return None


def few(col: Col, most: int = 12) -> bool:
    """Return whether a column holds a few short codes again and again."""
    kinds = col.distinct
    return (
        0 < len(kinds) <= most
        and all(len(value) <= 20 for value in kinds)
        and (len(kinds) <= 3 or len(col.held) >= 2 * len(kinds))
        and col.kind not in {"date", "datetime", "time"}
    )
