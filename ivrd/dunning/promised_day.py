"""The day by which a debtor promises to pay, keyed as month and day (MMDD)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Past:
    """The day keyed is over."""


@dataclass(frozen=True, slots=True)
class TooFar:
    """The day keyed lies behind the latest that is taken."""

    latest: date


def read_day(keyed: str, today: date, most_days: int) -> date | Past | TooFar | None:
    """Return the day meant by `keyed`; None where there is no such day.

    The year is this one, or the next where the day then lies no more than `most_days` ahead. A
    day that is over is past rather than next year's where it is the nearer one of the two.
    """
    days = [day for year in (today.year, today.year + 1) if (day := _day(keyed, year))]
    coming = [day for day in days if day >= today]
    latest = today + timedelta(days=most_days)
    if coming and coming[0] <= latest:
        return coming[0]
    if not days:
        return None
    over = [day for day in days if day < today]
    if over and (not coming or today - over[-1] < coming[0] - today):
        return Past()
    return TooFar(latest)


def _day(keyed: str, year: int) -> date | None:
    if len(keyed) != 4 or not (keyed.isascii() and keyed.isdigit()):
        return None
    try:
        return date(year, int(keyed[:2]), int(keyed[2:]))
    except ValueError:
        return None
