"""From when to when a campaign ends: an interval made of several dry runs, and honest about them.

Ends do not lie on the clock as they please: no call is made at night. So they are compared on an
axis that has only the hours in which the campaign may call, and put back on the clock at the end.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import NormalDist, fmean, stdev
from zoneinfo import ZoneInfo

from ivrd.dunning.pacing import Opening

STEP = timedelta(minutes=5)
"""The grain of the axis; an interval is rounded outward to it."""

CONTENT = 0.95
"""The share of all runs that the interval is to hold."""

SURE = 0.95
"""With which confidence it does, for so few dry runs were made."""


@dataclass(frozen=True, slots=True)
class EndsBetween:
    """When a campaign ends: 19 of 20 runs of it end from `earliest` to `latest`."""

    earliest: datetime
    latest: datetime
    runs: int


class OpenAxis:
    """Open time only: the steps in which the campaign may call, numbered from `start` on."""

    def __init__(self, start: datetime, end: datetime, opening: Opening) -> None:
        self._steps: list[datetime] = []
        at = start
        while at <= end + timedelta(days=14):
            opens = opening(at)
            if opens is None:
                break
            at += STEP * ((opens - at) // STEP)  # on to the step in which it opens
            self._steps.append(at)
            at += STEP
        if not self._steps:
            self._steps.append(start)

    def open_s_by_day(self, zone: ZoneInfo) -> dict[date, float]:
        """Return how long it is open on each day of a zone, in seconds, to the step."""
        days = Counter(step.astimezone(zone).date() for step in self._steps)
        return {day: steps * STEP.total_seconds() for day, steps in days.items()}

    def place(self, at: datetime) -> float:
        """Return the place of an instant; one at which nothing is open lies at the step before."""
        index = max(bisect.bisect_right(self._steps, at) - 1, 0)
        return index + min(max((at - self._steps[index]) / STEP, 0.0), 1.0)

    def before(self, place: float) -> datetime:
        """Return the beginning of the step in which a place lies."""
        return self._steps[min(max(math.floor(place), 0), len(self._steps) - 1)]

    def after(self, place: float) -> datetime:
        """Return the end of the step in which a place lies."""
        return self.before(place) + STEP


def ends_between(ends: Sequence[datetime], axis: OpenAxis, last_call: timedelta) -> EndsBetween:
    """Return the interval for the end of a run like those that ended at `ends`.

    A tolerance interval: it holds at least `CONTENT` of all such runs with confidence `SURE`
    where ends are normal on the axis, and it holds every end that was seen. `last_call` is the
    longest time a call may still go on after the hours are over.
    """
    places = [axis.place(end) for end in ends]
    low, high = min(places), max(places)
    if len(places) > 1:
        half = tolerance(len(places)) * stdev(places)
        low, high = min(low, fmean(places) - half), max(high, fmean(places) + half)
    latest = max(axis.after(high) + last_call, *ends)
    return EndsBetween(min(axis.before(low), *ends), latest, len(ends))


def tolerance(runs: int) -> float:
    """Return how many standard deviations make a two-sided normal tolerance interval.

    Howe's approximation (W. G. Howe, 1969), as in NIST/SEMATECH e-Handbook 7.2.6.3.
    """
    free = runs - 1
    z = NormalDist().inv_cdf((1 + CONTENT) / 2)
    return math.sqrt(free * (1 + 1 / runs) * z * z / _chi_square(1 - SURE, free))


def _chi_square(chance: float, free: int) -> float:
    """Return a quantile of chi square; exact for 1 and 2, else by Wilson and Hilferty (1931)."""
    normal = NormalDist()
    if free == 1:
        return normal.inv_cdf((1 + chance) / 2) ** 2
    if free == 2:
        return -2 * math.log(1 - chance)
    part = 2 / (9 * free)
    return float(free * (1 - part + normal.inv_cdf(chance) * math.sqrt(part)) ** 3)
