"""When billing data is imported: times of day on days of the week, in the node's zone."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from ivrd.import_settings import DAYS, ImportTable

GRACE = timedelta(hours=2)
"""How long after its time an import may take before its data counts as old."""

UNPLANNED_DAYS = 35
"""Data that nobody imports by a plan is old when a month's bills must have come since."""


def last_due(table: ImportTable, now: datetime) -> datetime | None:
    """Return the latest planned instant that is not after `now`; None without a plan."""
    return max((one for one in _around(table, now) if one <= now), default=None)


def next_due(table: ImportTable, now: datetime) -> datetime | None:
    """Return the earliest planned instant after `now`; None without a plan."""
    return min((one for one in _around(table, now) if one > now), default=None)


def too_old(table: ImportTable, as_of: datetime, now: datetime) -> bool:
    """Return whether newer data should be there by now."""
    if not table.at:
        return now - as_of > timedelta(days=UNPLANNED_DAYS)
    due = last_due(table, now - GRACE)
    return due is not None and as_of < due


def _around(table: ImportTable, now: datetime) -> list[datetime]:
    """Return the planned instants of the week before and the week after."""
    days = (now.date() + timedelta(days=n) for n in range(-8, 9))
    return [
        datetime.combine(day, time.fromisoformat(at), now.tzinfo)
        for day in days
        if DAYS[day.weekday()] in table.days
        for at in table.at
    ]
