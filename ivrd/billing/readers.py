"""From a column of the mapping to the function that reads its value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from ivrd.billing.columns import (
    AmountColumn,
    Column,
    DateColumn,
    FlagColumn,
    MonthColumn,
    PaidColumn,
)
from ivrd.billing.tables import BillingMapping
from ivrd.billing.values import Pattern, code_of, day_of, fen, text_of


def amount_reader(mapping: BillingMapping, part: AmountColumn) -> Callable[[Any], int]:
    """Return what reads an amount column into fen."""
    unit = part.unit or mapping.unit
    return lambda value: fen(value, unit)


def month_reader(part: MonthColumn) -> Callable[[Any], str | None]:
    """Return what reads a bill month as ``"YYYY-MM"``."""
    # a year and a month in two columns are read as one number or text
    pattern = Pattern(part.format if part.year is None else "YYYYMM")

    def read(value: Any) -> str | None:
        if isinstance(value, str):
            value = value.strip()
        if value is None or value == "":
            return None
        if part.type == "date" and isinstance(value, str):
            value = date.fromisoformat(value[:10])  # SQLite keeps dates as text
        if isinstance(value, Decimal) and value == value.to_integral_value():
            value = int(value)
        parts = value if hasattr(value, "year") else pattern.parse(value)
        return f"{parts.year:04}-{parts.month:02}"

    return read


def day_reader(part: DateColumn) -> Callable[[Any], date | None]:
    """Return what reads a date."""
    pattern = Pattern(part.format)
    return lambda value: day_of(value, pattern)


def flag_reader(part: FlagColumn | PaidColumn) -> Callable[[Any], bool | None]:
    """Return what reads yes or no, None for any other code."""
    yes, no = part.yes or (1,), part.no or (0,)
    known = {code_of(code): False for code in no} | {code_of(code): True for code in yes}
    return lambda value: known.get(code_of(value))


def text_reader(part: Column) -> Callable[[Any], str | None]:
    """Return what reads a text, in our words where the mapping has them."""
    codes: dict[str, str] = getattr(part, "codes", {})
    if not codes:
        return text_of

    def read(value: Any) -> str | None:
        text = text_of(value)
        return codes.get(text, text) if text is not None else None

    return read
