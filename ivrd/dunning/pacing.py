"""The next moment for a call on a debtor: limits per day and week, open hours, time of day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from enum import IntEnum
from typing import TypeAlias
from zoneinfo import ZoneInfo

Opening: TypeAlias = Callable[[datetime], datetime | None]
"""From an instant to the first one from it on at which the campaign may call; None for never."""

_UTC = ZoneInfo("UTC")
_WEEK = timedelta(days=7)
_LOOK_AHEAD = timedelta(days=3)
"""How long another time of day is waited for, where the hours have one at all."""


class PartOfDay(IntEnum):
    """The parts of a day in which people are, or are not, at their telephone."""

    MORNING = 0
    AFTERNOON = 1
    EVENING = 2


_BEGINS = {PartOfDay.MORNING: time(5), PartOfDay.AFTERNOON: time(12), PartOfDay.EVENING: time(18)}


def part_of_day(local: datetime) -> PartOfDay:
    """Return the part of the day: from 5, 12 and 18 o'clock; the night belongs to the evening."""
    if local.hour < 5 or local.hour >= 18:
        return PartOfDay.EVENING
    return PartOfDay.MORNING if local.hour < 12 else PartOfDay.AFTERNOON


def next_part(local: datetime) -> datetime:
    """Return when the next part of the day begins, on the same clock."""
    for begins in _BEGINS.values():
        if local.time() < begins:
            return datetime.combine(local.date(), begins, local.tzinfo)
    return datetime.combine(local.date() + timedelta(days=1), time(5), local.tzinfo)


class Pace:
    """When a debtor may be called next, `counted` being the instants of the calls that count."""

    def __init__(
        self,
        counted: Sequence[datetime],
        zone: ZoneInfo,
        opening: Opening | None,
        *,
        per_day: int,
        per_week: int,
    ) -> None:
        self._counted = sorted(counted)
        self._days = Counter(at.astimezone(zone).date() for at in counted)
        self._zone = zone
        self._opening = opening or (lambda at: at)
        self._per_day, self._per_week = per_day, per_week

    def earliest(self, at: datetime) -> datetime | None:
        """Return the first instant from `at` on that limits and hours allow; None for never."""
        at = at.astimezone(_UTC)
        while True:
            allowed = self._within_limits(at)
            opens = self._opening(allowed)
            if opens is None:
                return None
            at = opens.astimezone(_UTC)
            if at == allowed:
                return at

    def other_time(
        self, at: datetime, last: datetime, tried: Counter[PartOfDay], *, again_today: bool
    ) -> datetime | None:
        """Return as `earliest`, in another part of the day than `last` was in.

        Of the other parts, the one tried least; with `again_today`, any part of the same day.
        Where the hours have no other part of the day within some days, the first time they have.
        """
        before = last.astimezone(self._zone)
        others = [part for part in PartOfDay if part is not part_of_day(before)]
        fewest = min(tried[part] for part in others)
        first: datetime | None = None
        other: datetime | None = None
        found = self.earliest(at)
        while found is not None and (first is None or found - first < _LOOK_AHEAD):
            local = found.astimezone(self._zone)
            if again_today and local.date() == before.date():
                return found
            part = part_of_day(local)
            if part in others and tried[part] == fewest:
                return found
            first = first or found
            if other is None and part in others:
                other = found
            found = self.earliest(next_part(local))
        return other or first

    def _within_limits(self, at: datetime) -> datetime:
        while True:
            local = at.astimezone(self._zone)
            if self._days[local.date()] >= self._per_day:
                midnight = datetime.combine(local.date() + timedelta(days=1), time(), self._zone)
                at = midnight.astimezone(_UTC)
                continue
            if len(self._counted) >= self._per_week:
                free = self._counted[-self._per_week] + _WEEK
                if at < free:
                    at = free.astimezone(_UTC)
                    continue
            return at
