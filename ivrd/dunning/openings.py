"""When a campaign may call, all hours together: its own, its policies' and the outer limit's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from ivrd.dunning.campaign import Campaign
from ivrd.dunning.case import GateRules
from ivrd.dunning.holiday_calendar import CalendarUnknown, HolidayCalendar
from ivrd.dunning.hours import Holidays, Hours, Windows
from ivrd.dunning.pacing import Opening as NextOpening

ROUNDS = 400
"""How often the hours are brought together before they count as never meeting."""


class CampaignHours:
    """Gives, for a campaign and a debtor's zone, the next instant at which all hours are open."""

    def __init__(self, rules: GateRules, calendar: HolidayCalendar) -> None:
        self._rules = rules
        self._calendar = calendar

    def __call__(self, campaign: Campaign, windows: Windows, zone: ZoneInfo) -> NextOpening:
        """Return the function that answers from when on the campaign may call."""
        holidays = Holidays(campaign.when.holidays)
        hours = [Hours(windows, zone, self._calendar, holidays)]
        hours.append(Hours(self._rules.outer.hours, zone))
        for name in campaign.profiles:
            policy = self._rules.policies.get(name)
            if policy is not None and policy.hours is not None:
                hours.append(Hours(policy.hours, zone))
        return partial(_next, hours, campaign.when.start, campaign.when.end)


def _next(
    hours: Sequence[Hours], start: datetime | None, end: datetime | None, at: datetime
) -> datetime | None:
    """Return the first instant from `at` on at which all are open; None for never.

    Past the years that the calendar knows, the instant itself: the gate holds the call there.
    """
    at = max(at, start) if start else at
    for _ in range(ROUNDS):
        latest = at
        for one in hours:
            try:
                opens = one.next_open(latest)
            except CalendarUnknown:
                return latest
            if opens is None:
                return None
            latest = opens
        if end is not None and latest >= end:
            return None
        if latest == at:
            return at
        at = latest
    return None
