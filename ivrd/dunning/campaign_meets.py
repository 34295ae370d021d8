"""Whether a campaign can ever call: its hours against its policy's, its days against holidays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ivrd.dunning.holiday_calendar import CalendarUnknown, HolidayCalendar
from ivrd.dunning.hours import Holidays, Hours, Windows
from ivrd.dunning.policy import Policy

_STEPS = 1000
"""How often the hours are brought together before they count as never meeting."""

_AHEAD = timedelta(days=366)
"""A campaign without an end that cannot call within a year never can."""


@dataclass(frozen=True, slots=True)
class Span:
    """When a campaign wants to call: its hours, from `begins` on and before `until`."""

    windows: Windows
    holidays: Holidays
    begins: datetime
    until: datetime | None
    zone: ZoneInfo


def why_never(
    span: Span, outer: Windows, policies: Mapping[str, Policy], calendar: HolidayCalendar | None
) -> str | None:
    """Return the reason why the campaign could never call, or None.

    `outer` are the hours of the outer limit, `policies` the profiles that the campaign names.
    """
    return next(_reasons(span, outer, policies, calendar), None)


def _reasons(
    span: Span, outer: Windows, policies: Mapping[str, Policy], calendar: HolidayCalendar | None
) -> Iterator[str]:
    if not span.windows.meets(outer):
        yield f"its hours are never within the outer limit's ({outer.told(0)})"
    with_hours = {name: policy.hours for name, policy in policies.items() if policy.hours}
    for name, hours in with_hours.items():
        if not span.windows.meets(hours):
            yield f"its hours are never within those of profile {name} ({hours.told(0)})"
    if not span.windows.meets(outer, *with_hours.values()):
        yield "its hours are never within those of all its profiles and the outer limit together"
    last = span.until or span.begins + _AHEAD
    first, final = (at.astimezone(span.zone).date() for at in (span.begins, last))
    in_force = [
        policy for policy in policies.values()
        if policy.in_force_from <= final and (policy.in_force_until or final) >= first
    ]  # fmt: skip
    if policies and not in_force:
        yield f"none of its profiles ({', '.join(policies)}) is in force from {first} to {final}"
    limits = [Hours(hours, span.zone) for hours in (outer, *with_hours.values())]
    try:
        own = Hours(span.windows, span.zone, calendar, span.holidays)
        if not _ever([own, *limits], span.begins, last):
            plain = Hours(span.windows, span.zone)
            if _ever([plain, *limits], span.begins, last):
                yield f"every day with hours from {first} to {final} is a holiday"
            else:
                yield f"no day from {first} to {final} has hours"
    except CalendarUnknown as unknown:
        yield str(unknown)


def _ever(hours: Sequence[Hours], begins: datetime, last: datetime) -> bool:
    """Return whether all are open at one instant from `begins` on and before `last`."""
    at = begins
    for _ in range(_STEPS):
        latest = at
        for one in hours:
            opens = one.next_open(latest)
            if opens is None or opens >= last:
                return False
            latest = opens
        if latest == at:
            return True
        at = latest
    return False
