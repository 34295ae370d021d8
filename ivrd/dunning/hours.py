"""When calls may be made: windows per weekday, by the clock on the debtor's wall.

A window is half open: from 09:30 on, and no longer at 12:00. It may run over midnight, and then
belongs to the day on which it began. An instant is open when the wall clock there shows a time
within a window; so an hour that the end of summer time repeats is open both times or neither,
and one that its beginning leaves out is no matter.
"""

from __future__ import annotations

import heapq
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo

from ivrd.dunning.holiday_calendar import CalendarUnknown, DayKind, HolidayCalendar

DAY_MIN = 24 * 60
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SUNDAY = 6

_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")

_FAR_DAYS = 400
"""How many days ahead an opening is looked for."""

_SHIFT = timedelta(hours=26)
"""More than any clock is put forward or back at once: Samoa left out a day in 2011."""

_ONE_DAY = timedelta(days=1)

Span: TypeAlias = tuple[int, int]
"""From and until, in minutes after the midnight of the day on which it begins."""


def parse_span(text: str) -> Span:
    """Return the minutes of ``"09:30-12:00"``; ``"22:00-02:00"`` ends on the next day.

    Raises `ValueError` with what was expected.
    """
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no span of time; write it as 09:30-12:00")
    hour, minute, to_hour, to_minute = (int(part) for part in found.groups())
    start, end = hour * 60 + minute, to_hour * 60 + to_minute
    if minute > 59 or to_minute > 59 or start >= DAY_MIN or end > DAY_MIN:
        raise ValueError(f"{text!r} names no time of day; they go from 00:00 to 24:00")
    if start == end:
        raise ValueError(f"{text!r} has no length; a whole day is 00:00-24:00")
    return start, end if end > start else end + DAY_MIN


def told_span(span: Span) -> str:
    """Return a span as people write it."""
    start, end = span
    end = end if end <= DAY_MIN else end - DAY_MIN
    return f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"


@dataclass(frozen=True, slots=True)
class Windows:
    """The spans of each weekday, Monday first, in order and apart."""

    days: tuple[tuple[Span, ...], ...]

    @classmethod
    def of(cls, by_day: Mapping[str, Sequence[str]]) -> Windows:
        """Return the windows of texts by weekday (`WEEKDAYS`); a day that is not there is closed.

        Raises `ValueError`: an unknown weekday, no span, or spans of a day that overlap.
        """
        unknown = set(by_day) - set(WEEKDAYS)
        if unknown:
            names = ", ".join(WEEKDAYS)
            raise ValueError(f"{min(unknown)!r} is no weekday; they are {names}")
        return cls(tuple(_day(by_day.get(name, ()), name) for name in WEEKDAYS))

    @classmethod
    def daily(cls, *texts: str) -> Windows:
        """Return windows that are the same on every day. Raises `ValueError` as `of` does."""
        return cls.of(dict.fromkeys(WEEKDAYS, texts))

    @property
    def over_midnight(self) -> bool:
        """Whether any of them ends on the next day."""
        return any(end > DAY_MIN for spans in self.days for _, end in spans)

    def meets(self, *others: Windows) -> bool:
        """Return whether some minute of a plain week is within these and all `others`."""
        return bool(set.intersection(*(_week(one) for one in (self, *others))))

    def told(self, weekday: int) -> str:
        """Return the windows of a weekday (0 is Monday) as people write them."""
        spans = ", ".join(told_span(span) for span in self.days[weekday])
        return f"{WEEKDAYS[weekday].capitalize()} {spans or 'closed'}"


def _week(windows: Windows) -> set[int]:
    """Return the open minutes of a week, from Monday's midnight."""
    return {
        (weekday * DAY_MIN + minute) % (7 * DAY_MIN)
        for weekday, spans in enumerate(windows.days)
        for start, end in spans
        for minute in range(start, end)
    }


def _day(texts: Sequence[str], name: str) -> tuple[Span, ...]:
    spans = sorted(parse_span(text) for text in texts)
    for (_, end), (start, _) in itertools.pairwise(spans):
        if start < end:
            raise ValueError(f"the windows of {name} overlap")
    return tuple(spans)


class Holidays(StrEnum):
    """What a campaign does on a public holiday."""

    CLOSED = "closed"
    AS_SUNDAY = "as-sunday"
    OPEN = "open"
    """The calendar is not asked at all: neither for holidays nor for make-up workdays."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Windows as they hold in one time zone, with a calendar or without one.

    A make-up workday has the windows of a Monday. Each method raises `CalendarUnknown` where its
    answer needs a year that the calendar does not have.
    """

    windows: Windows
    zone: ZoneInfo
    calendar: HolidayCalendar | None = None
    holidays: Holidays = Holidays.OPEN

    def spans_on(self, day: date) -> tuple[Span, ...]:
        """Return the spans that begin on a day."""
        weekday = day.weekday()
        if self.calendar is None or self.holidays is Holidays.OPEN:
            return self.windows.days[weekday]
        kind = self.calendar.kind(day)
        if kind is DayKind.HOLIDAY:
            return () if self.holidays is Holidays.CLOSED else self.windows.days[SUNDAY]
        return self.windows.days[0 if kind is DayKind.MAKE_UP else weekday]

    def open_at(self, instant: datetime) -> bool:
        """Return whether the wall clock shows a time within a window."""
        local = instant.astimezone(self.zone)
        today, minute = local.date(), local.hour * 60 + local.minute
        if any(start <= minute < end for start, end in self.spans_on(today)):
            return True
        if not self.windows.over_midnight:
            return False
        minute += DAY_MIN
        return any(start <= minute < end for start, end in self.spans_on(today - _ONE_DAY))

    def next_open(self, instant: datetime) -> datetime | None:
        """Return the first instant from `instant` on that is open; None within over a year."""
        if self.open_at(instant):
            return instant
        return next((edge for edge in self._edges(instant) if self.open_at(edge)), None)

    def closes_at(self, instant: datetime, latest: datetime) -> datetime:
        """Return when it closes that is open at `instant`, or is not known to be open any more.

        `latest` where that is not before.
        """
        for edge in self._edges(instant):
            if edge >= latest:
                break
            try:
                if not self.open_at(edge):
                    return edge
            except CalendarUnknown:
                return edge
        return latest

    def _edges(self, after: datetime) -> Iterator[datetime]:
        """Yield, in order, every instant after `after` at which it may open or close.

        It ends with the first moment of a day that the calendar does not know.
        """
        first = after.astimezone(self.zone).date() - 2 * _ONE_DAY
        waiting: list[datetime] = []
        last = after
        for ahead in range(_FAR_DAYS):
            day = first + ahead * _ONE_DAY
            edges, known = _edges_on(self, day)
            for edge in edges:
                heapq.heappush(waiting, edge)
            # no edge of a later day can come before this one
            sure = datetime.combine(day + _ONE_DAY, time(), UTC) - _SHIFT
            while waiting and (waiting[0] < sure or not known):
                edge = heapq.heappop(waiting)
                if edge > last:
                    last = edge
                    yield edge
            if not known and last > after:
                return


@lru_cache(maxsize=8192)
def _edges_on(hours: Hours, day: date) -> tuple[tuple[datetime, ...], bool]:
    """Return what may open or close on a local day, and whether the calendar knows that day."""
    minutes = {0}
    known = True
    try:
        minutes.update(minute for span in hours.spans_on(day) for minute in span)
        if hours.windows.over_midnight:
            before = hours.spans_on(day - _ONE_DAY)
            minutes.update(end - DAY_MIN for _, end in before if end > DAY_MIN)
    except CalendarUnknown:
        known = False
    walls = [
        datetime.combine(day, time(minute // 60, minute % 60))
        for minute in minutes
        if minute < DAY_MIN
    ]
    edges = {
        wall.replace(tzinfo=hours.zone, fold=fold).astimezone(UTC)
        for wall in walls
        for fold in (0, 1)
    }
    jump = _jump(hours.zone, day)
    return tuple(edges | {jump} if jump else edges), known


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """Return the calendar day of an instant in a zone."""
    return instant.astimezone(zone).date()


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant at which the wall clock shows `day`, in UTC.

    Where the clock is put forward over midnight, that is the instant at which it is.
    """
    wall = datetime.combine(day, time(), zone)
    start = wall.astimezone(UTC)
    if start.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return start
    return _jump(zone, day) or start


@lru_cache(maxsize=8192)
def _jump(zone: ZoneInfo, day: date) -> datetime | None:
    """Return the instant near a local day at which its clock is put forward or back, in UTC."""
    low = datetime.combine(day, time(), UTC) - timedelta(hours=15)
    high = low + timedelta(hours=54)
    before = low.astimezone(zone).utcoffset()
    if before == high.astimezone(zone).utcoffset():
        return None
    while high - low > timedelta(minutes=1):
        middle = low + (high - low) // 2
        middle = middle.replace(second=0, microsecond=0)
        if middle <= low:
            break
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
