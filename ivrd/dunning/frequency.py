"""Counting: how often a debtor was called, and when the next call fits under a limit.

A call counts from the moment of its dial. One under way, and one of which nobody knows what
became of it, counts as an attempt and as a contact: it may be both. What is dated later than the
clock counts as of now: it happened, and the clock is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ivrd.dunning.hours import day_start
from ivrd.dunning.policy import Limit

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Past:
    """One call of the ledger. `day` is the debtor's calendar day as it was written down then.

    `contact`: the person was spoken to, or may have been (the call is open or unknown).
    """

    at: datetime
    day: date
    person: str
    number: str
    debt: str
    contact: bool


def counted(limit: Limit, calls: Sequence[Past], key: str) -> list[Past]:
    """Return the calls that a limit counts for one person, number or debt, whenever they were."""
    return [
        call
        for call in calls
        if getattr(call, limit.per) == key and (limit.counts == "attempts" or call.contact)
    ]


def reached_until(
    limit: Limit, calls: Sequence[Past], key: str, zone: ZoneInfo, now: datetime
) -> datetime | None:
    """Return when a limit that holds a call now lets go of it; None where it does not hold."""
    mine = counted(limit, calls, key)
    if limit.within == "day":
        return _day_until(limit.most, mine, zone, now)
    return _rolling_until(limit.most, mine, timedelta(days=limit.within), now)


def _rolling_until(
    most: int, calls: Sequence[Past], span: timedelta, now: datetime
) -> datetime | None:
    within = sorted((call.at for call in calls if call.at > now - span), reverse=True)
    return within[most - 1] + span if len(within) >= most else None


def _day_until(most: int, calls: Sequence[Past], zone: ZoneInfo, now: datetime) -> datetime | None:
    # a debtor's zone may have been put right meanwhile: a call counts on either day
    days = [(call.at, {call.day, call.at.astimezone(zone).date()}) for call in calls]

    def full(instant: datetime, day: date) -> bool:
        return sum(at > instant or day in on for at, on in days) >= most

    today = now.astimezone(zone).date()
    if not full(now, today):
        return None
    # the count falls only at the end of a day on which something was counted
    ends = {today, *(day for _, on in days for day in on)}
    for day in sorted(end + _ONE_DAY for end in ends if end >= today):
        start = day_start(day, zone)
        if start > now and not full(start, day):
            return start
    raise AssertionError("after the last call no day is full")
