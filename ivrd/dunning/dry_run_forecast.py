"""What a campaign will bring: several dry runs, and what they have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from ivrd.dunning.dry_run import Plan, Run, Runner
from ivrd.dunning.dry_run_interval import EndsBetween, OpenAxis, ends_between

MOST_RUNS = 60
"""Runs of a small campaign: with so many the interval is hardly wider than the ends lie apart."""

FEWEST_RUNS = 3
DEBTORS_IN_ALL = 150_000
"""Debtors in all runs together; a campaign of more has the fewest runs."""


@dataclass(frozen=True)
class DayAhead:
    """One day as the runs have it on average; `busy` is the share of open line time in calls."""

    day: date
    calls: float
    busy: float


@dataclass(frozen=True)
class Forecast:
    """What the runs say; figures are means over them, shares are 0 to 1."""

    debtors: int
    lines: int
    start: datetime
    ends: EndsBetween | None
    """None where the campaign does not end by itself: see `stuck`."""

    calls: float
    days: tuple[DayAhead, ...]
    outcomes: Mapping[str, float]
    """Shares of all calls."""

    results: Mapping[str, float]
    """How debtors end: their state, a colon, and why."""

    held_at_start: Mapping[str, int]
    """Debtors whom the gate would hold when the campaign first may call, by its reason."""

    held: Mapping[str, float]
    """Debtors who were held at least once on the way, by reason."""

    stuck: Mapping[str, float]
    """Debtors whom nothing but an event lets go of, such as newer billing data."""


def runs_for(debtors: int) -> int:
    """Return how many runs a campaign of so many debtors gets: the same always, for one report."""
    return max(FEWEST_RUNS, min(MOST_RUNS, DEBTORS_IN_ALL // max(debtors, 1)))


def forecast(
    plan: Plan, seed: int, *, runs: int, progress: Callable[[int], None] = lambda _: None
) -> Forecast:
    """Run a plan `runs` times; the same seed gives the same forecast.

    `progress` is told of every debtor who is through.
    """
    home = plan.running.home
    opens = plan.running.opening(home)(plan.start) or plan.start
    held_at_start = Runner(plan, seed, progress).held_at(opens)
    done = [Runner(plan, seed * 1_000_003 + number, progress).go() for number in range(runs)]
    axis = OpenAxis(plan.start, max(run.end for run in done), plan.running.opening(home))
    stuck = _means([run.stuck for run in done])
    ends = None
    if not stuck and plan.owing:
        last_call = timedelta(seconds=max(t.lasted_s for some in plan.calls.values() for t in some))
        ends = ends_between([run.end for run in done], axis, last_call)
    calls = sum(run.calls for run in done)
    outcomes = _means([run.outcomes for run in done])
    return Forecast(
        debtors=len(plan.owing),
        lines=len(plan.lines),
        start=plan.start,
        ends=ends,
        calls=calls / runs,
        days=tuple(_days(plan, done, axis)),
        outcomes={word: count * runs / max(calls, 1) for word, count in outcomes.items()},
        results=_means([run.ended for run in done]),
        held_at_start={reason.value: count for reason, count in held_at_start.most_common()},
        held=_means([run.held for run in done]),
        stuck=stuck,
    )


def _means(counts: Sequence[Counter[Any]]) -> dict[str, float]:
    """Return the mean of each count, the highest first."""
    whole: Counter[str] = Counter()
    for one in counts:
        whole.update({str(name): count for name, count in one.items()})
    return {name: count / len(counts) for name, count in whole.most_common()}


def _days(plan: Plan, runs: Sequence[Run], axis: OpenAxis) -> Iterator[DayAhead]:
    """Yield every day from the first to the last on which a run has calls."""
    days = sorted({day for run in runs for day in run.days})
    open_s = axis.open_s_by_day(plan.running.home)
    for day in days:
        of = [run.days[day] for run in runs if day in run.days]
        calls = sum(one.calls for one in of) / len(runs)
        busy_s = sum(one.busy_s for one in of) / len(runs)
        line_s = len(plan.lines) * open_s.get(day, 0.0)
        yield DayAhead(day, calls, min(busy_s / line_s, 1.0) if line_s else 0.0)
