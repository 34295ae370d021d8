"""Instants and days as people write them on a command line."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, tzinfo

import click

_AGO = re.compile(r"(\d{1,4})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d")
WRITTEN = "15:02, 2026-11-20, 2026-11-20T15:00, today, yesterday, or 7d, 12h, 2w ago"


def instant(text: str, now: datetime, zone: tzinfo, *, ends: bool = False) -> datetime:
    """Return the instant that `text` names, in `zone`; with `ends`, the end of a day it names.

    Raises `click.BadParameter` with what was expected.
    """
    ago = _AGO.fullmatch(text)
    if ago:
        return now.astimezone(zone) - int(ago[1]) * _UNITS[ago[2]]
    here = now.astimezone(zone)
    today = here.date()
    if _CLOCK.fullmatch(text):  # the last time that a clock showed it
        at = datetime.combine(today, time.fromisoformat(text.zfill(5)), zone)
        return at if at <= here else at - timedelta(days=1)
    named = {"today": today, "yesterday": today - timedelta(days=1)}.get(text)
    try:
        day = named or date.fromisoformat(text)
    except ValueError:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise click.BadParameter(f"{text!r} names no time; write {WRITTEN}") from None
        return at if at.tzinfo else at.replace(tzinfo=zone)
    return datetime.combine(day + timedelta(days=1) if ends else day, time(), zone)


def to_come(text: str, now: datetime, zone: tzinfo) -> datetime:
    """Return the next instant at which a clock shows `text`, such as 15:00; or an ISO instant.

    Raises `click.BadParameter` for anything else, and for what is past.
    """
    local = now.astimezone(zone)
    if _CLOCK.fullmatch(text):
        at = datetime.combine(local.date(), time.fromisoformat(text.zfill(5)), zone)
        return at if at > local else at + timedelta(days=1)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} names no time; write 15:00 or 2026-11-20T15:00"
        ) from None
    at = at if at.tzinfo else at.replace(tzinfo=zone)
    if at <= now:
        raise click.BadParameter(f"{text} is past")
    return at


def coming_day(text: str, now: datetime, zone: tzinfo) -> date:
    """Return the day that `text` names: an ISO date, today, tomorrow, or 3d for in three days.

    Raises `click.BadParameter` for anything else, and for what is past.
    """
    today = now.astimezone(zone).date()
    ahead = _AGO.fullmatch(text)
    if ahead and ahead[2] != "h":
        return today + int(ahead[1]) * _UNITS[ahead[2]]
    named = {"today": today, "tomorrow": today + timedelta(days=1)}.get(text)
    try:
        day = named or date.fromisoformat(text)
    except ValueError:
        expected = "write 2026-11-25, today, tomorrow, or 3d for in three days"
        raise click.BadParameter(f"{text!r} names no day; {expected}") from None
    if day < today:
        raise click.BadParameter(f"{text} is past")
    return day


def local(at: datetime, zone: tzinfo, *, short: bool = False) -> str:
    """Return an instant as the clock in `zone` shows it."""
    return at.astimezone(zone).strftime("%m-%d %H:%M:%S" if short else "%Y-%m-%d %H:%M:%S")
