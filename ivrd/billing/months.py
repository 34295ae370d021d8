"""A bill month as the columns of a mapping hold it: written there, and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    String,
    and_,
    bindparam,
    cast,
    literal,
    or_,
)
from sqlalchemy.types import TypeEngine

from ivrd.billing.columns import MonthColumn, Term
from ivrd.billing.values import Pattern

Held = Callable[[Term], ColumnElement[Any]]
"""Returns the column of a table for a term."""

_TYPES: dict[str, type[TypeEngine[Any]]] = {"text": String, "integer": Integer, "date": Date}


def month_value(part: MonthColumn, held: Held) -> ColumnElement[Any]:
    """Return what a month is read from: year and month in two columns make one, ``YYYYMM``."""
    if part.year is None:
        return held(part)
    year = held(part.year)
    hundred = literal(100)  # a bare number would be bound under the column's name, blanks and all
    if part.quarter:
        return year * hundred + held(part.quarter) * literal(3) - literal(2)
    if part.month is None:
        raise TypeError("a year without a month is refused")
    if part.type == "text":
        return cast(year, String(4)).concat(cast(held(part.month), String(2)))
    return year * hundred + held(part.month)


def in_month(part: MonthColumn, held: Held) -> list[ColumnElement[bool]]:
    """Compare the columns with the values that `MonthWriter` writes."""
    kind = _TYPES[part.type]()

    def bound(name: str) -> Any:
        return bindparam(name, type_=kind, required=False)

    if part.year is not None:
        other = part.quarter or part.month
        if other is None:
            raise TypeError("a year without a month is refused")
        return [held(part.year) == bound("month_year"), held(other) == bound("month")]
    if part.ranged:
        return [held(part) >= bound("month"), held(part) < bound("month_after")]
    return [held(part) == bound("month")]


def in_months(part: MonthColumn, held: Held, months: Sequence[str]) -> ColumnElement[bool]:
    """Compare the columns with months that follow each other, the newest first."""
    written = [MonthWriter(part)(month) for month in months]

    def value(name: str, at: int = 0) -> Any:
        return bindparam(None, written[at][name], _TYPES[part.type]())

    if part.ranged:
        return and_(held(part) >= value("month", -1), held(part) < value("month_after"))
    if part.year is None:
        return held(part).in_([value("month", at) for at in range(len(written))])
    year, other = held(part.year), held(part.quarter or part.month or part)
    return or_(*(
        and_(year == value("month_year", at), other == value("month", at))
        for at in range(len(written))
    ))  # fmt: skip


_MOST_MONTHS = 500
"""Written months that are kept: callers ask for the same few."""


class MonthWriter:
    """Writes a bill month as the columns of a mapping hold it."""

    def __init__(self, part: MonthColumn) -> None:
        self._part = part
        self._pattern = Pattern(part.format)
        self._ranged = part.ranged
        self._written: dict[str, Mapping[str, object]] = {}

    def __call__(self, month: str) -> Mapping[str, object]:
        """Return the values for ``"YYYY-MM"``: text, number, or its first day and the next's."""
        written = self._written.get(month)
        if written is None:
            if len(self._written) >= _MOST_MONTHS:
                self._written.clear()
            written = self._written[month] = self._write(month)
        return written

    def _write(self, month: str) -> dict[str, object]:
        part, year, of_year = self._part, int(month[:4]), int(month[5:7])
        if part.year is not None:
            last = (of_year + 2) // 3 if part.quarter else of_year
            if part.type == "text":
                return {"month_year": f"{year:04}", "month": f"{last:02}"}
            return {"month_year": year, "month": last}
        after = year + of_year // 12, of_year % 12 + 1
        if part.type == "date":
            return {"month": date(year, of_year, 1), "month_after": date(*after, 1)}
        values = {"month": self._one(year, of_year)}
        return values | {"month_after": self._one(*after)} if self._ranged else values

    def _one(self, year: int, of_year: int) -> object:
        # of a text what stands behind its day may be left out
        number = self._part.type == "integer"
        text = self._pattern.write(year, of_year, whole=number or not self._ranged)
        return int(text) if number else text
