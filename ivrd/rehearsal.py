"""Dunning on the software card in virtual time: whole campaigns, and a call of each kind.

Dialler, gate, store, flow and lines are the daemon's own; only time and the debtors are not real.
`measured` makes one call of each kind that debtors give, so that a dry run knows from the flow
itself how long such calls take and what comes of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select

from ivrd.config import Config, Dunning
from ivrd.dunning.campaign import Campaign, campaign_from
from ivrd.dunning.campaigns import bring, make
from ivrd.dunning.clerk import InlineClerk
from ivrd.dunning.dry_run import Calls, People, Plan, Tried
from ivrd.dunning.dry_run_debtors import Known, owing
from ivrd.dunning.fill import fill_campaign
from ivrd.dunning.judge import Judge
from ivrd.dunning.numbers import NumberPlan
from ivrd.dunning.openings import CampaignHours
from ivrd.dunning.running import Running
from ivrd.dunning.target_rows import TargetRow
from ivrd.dunning_settings import care_of, gate_of, number_plan
from ivrd.errors import ConfigError, IvrdError, Problem
from ivrd.outbound import Clerks, Outbound, outbound_of
from ivrd.records import LineSettings, Role
from ivrd.simulation import Office
from ivrd.store import tables
from ivrd.store.states import OPEN_TARGETS, CampaignState, Outcome
from sim.debtor import Does, Manner, outcome
from sim.debtors import CalledDebtors, Population, Rates
from sim.phone import Answering, Dialled
from sim.phone import Outcome as Meets

LOOK_S = 3600.0
"""How often an idle dialler looks, where nothing happens outside; it knows its next instant."""

UPKEEP_S = 6 * 3600.0
"""How often promises are looked at: they are due by the day."""

SAMPLES = 8
"""Calls that are tried of each kind, each with another manner."""

TRY_LINES = 8
TRIALS = timedelta(days=14)
"""Within so much virtual time all of them have been made: a promise holds its account for days."""

ALL_DAY = ["00:00-24:00"]

_t = tables.targets.c


class DunningOffice:
    """An office whose lines call debtors; `called` is who answers behind all numbers."""

    def __init__(
        self,
        config: Config,
        start: datetime,
        *,
        lines: int,
        called: Callable[[Office], Answering],
        upkeep_s: float = UPKEEP_S,
    ) -> None:
        self.office = Office(
            config, start, lines=lines, settings=LineSettings(1, role=Role.DUNNING)
        )
        self.clock, self.store = self.office.clock, self.office.store
        self.office.card.others = called(self.office)
        serial = itertools.count(1)
        self.outbound = _outbound(
            config, self.office, lambda _: f"attempt-{next(serial):08}", upkeep_s
        )
        by_number = {line.number: line for line in self.office.lines}
        for line in by_number.values():
            line.on_change = self.outbound.dialler.line_changed

    def start(self) -> None:
        """Give all lines to dunning."""
        self.outbound.dialler.start([line.number for line in self.office.lines])

    def run(self, limit: timedelta, step_s: float = 600.0) -> bool:
        """Run until nobody is left to call; whether it came to that within `limit`."""
        until_s = self.clock.monotonic() + limit.total_seconds()
        while self.clock.monotonic() < until_s:
            if not self.store.read(_open_targets) and not self.outbound.dialler.busy:
                return True
            self.clock.run_for(step_s)
        return False

    def ended(self) -> datetime:
        """Return when the last debtor was through."""
        last = self.store.read(lambda tx: tx.execute(select(func.max(_t.ended_at))).scalar())
        return last or self.clock.now()

    def close(self) -> None:
        """Dial no more, and close everything."""
        self.outbound.shut()
        self.office.close()


def plan_of(
    config: Config,
    campaign: Campaign,
    rows: Sequence[TargetRow],
    rates: Rates,
    start: datetime,
    *,
    lines: Sequence[str],
    known: Known | None = None,
) -> Plan:
    """Return what a dry run needs: the rules of ivrd.toml, and calls of each kind, made now.

    `lines` are those that dial, each by its card. Raises `ProblemsError` for what is wrong in the
    settings, `IvrdError` where there is nobody to call or no hour in which to.
    """
    gate = gate_of(config, _dunning(config))
    hours = CampaignHours(gate.rules, gate.calendar)
    posted_at = campaign.from_list.posted_at if campaign.from_list else None
    running = Running(0, campaign, campaign.when.windows(), posted_at, config.zone, hours)
    opens = running.opening(config.zone)(start)
    debtors = owing(rows, known or Known())
    if opens is None:
        raise IvrdError("the campaign has no hour in which it may call from now on")
    if not debtors:
        raise IvrdError("the campaign has nobody to call")

    def people(seed: int) -> People:
        population = Population(rates, seed)

        def meets(number: str, dial: int, at: datetime) -> tuple[str, int]:
            drawn = population.draw(number, dial, at)
            return drawn.does.value, drawn.manner.pay_in_days

        return meets

    judge = Judge(gate.rules, gate.plan, gate.calendar).judge
    calls = measured(config, campaign, rows, rates, opens)
    return Plan(running, debtors, lines, start, judge, people, calls, care_of(_dunning(config)))


def real_run(
    config: Config,
    campaign: Campaign,
    rows: Sequence[TargetRow],
    rates: Rates,
    start: datetime,
    *,
    lines: int,
    seed: int,
    limit: timedelta = timedelta(days=60),
) -> datetime:
    """Run a campaign on real lines, with people of `seed`; return when it ended.

    Raises `IvrdError` where it did not end within `limit`.
    """
    office = DunningOffice(config, start, lines=lines, called=people_behind(rates, seed))
    try:
        office.store.transact(partial(enrol, campaign=campaign, rows=rows, now=start))
        office.start()
        if not office.run(limit):
            raise IvrdError(f"the campaign did not end within {limit.days} days")
        return office.ended()
    finally:
        office.close()


def people_behind(rates: Rates, seed: int) -> Callable[[Office], Answering]:
    """Return what puts the people of `rates` and `seed` behind all numbers of an office."""
    return lambda office: CalledDebtors(Population(rates, seed), office.clock)


def enrol(tx: Connection, campaign: Campaign, rows: Sequence[TargetRow], now: datetime) -> int:
    """Put a running campaign with its debtors into a store; return its number."""
    number = make(tx, campaign, now)
    fill_campaign(tx, number, rows, now)
    bring(tx, campaign.name, CampaignState.RUNNING, now)
    return number


def _open_targets(tx: Connection) -> int:
    states = [state.value for state in OPEN_TARGETS]
    query = select(func.count()).select_from(tables.targets).where(_t.state.in_(states))
    return int(tx.execute(query).scalar_one())


def _dunning(config: Config) -> Dunning:
    dunning = config.dunning
    if dunning is None:
        missing = Problem(
            "no table [dunning]", file=config.path, key="dunning",
            expected="one, with caller_id at least", rule="missing",
        )  # fmt: skip
        raise ConfigError([missing])
    return dunning


def _outbound(
    config: Config, office: Office, ids: Callable[[datetime], str], upkeep_s: float
) -> Outbound:
    by_number = {line.number: line for line in office.lines}
    clerk = InlineClerk(office.clock)
    outbound = outbound_of(
        config, lambda: office.parts, office.clock, Clerks(clerk, clerk), lambda: by_number,
        lambda: office.actions, ids=ids, choose_daily=False,
        care=replace(care_of(_dunning(config)), look_s=LOOK_S, upkeep_s=upkeep_s),
    )  # fmt: skip
    if outbound is None:
        raise RuntimeError("there is dunning, and nothing that dials")
    return outbound


# -- a call of each kind ---------------------------------------------------------------------------


def measured(
    config: Config, campaign: Campaign, rows: Sequence[TargetRow], rates: Rates, at: datetime
) -> Calls:
    """Make calls of every kind to some of a campaign's debtors; return what came of each.

    `at` is an instant at which calls may be made. The debtors' accounts are real, their numbers
    are not: nothing that is said by key about one has to do with another.
    """
    usable = [row for row in rows if row.chosen and row.numbers][: len(Does) * SAMPLES]
    trials = list(_trials(campaign, usable, rates, number_plan(config)))
    meets = {trial.number: outcome(trial.does, trial.manner) for trial in trials}

    def called(permit: Dialled) -> Meets:
        return meets[permit.number]

    office = DunningOffice(
        config, at, lines=TRY_LINES, called=lambda _: called, upkeep_s=TRIALS.total_seconds()
    )
    try:
        for number, group in itertools.groupby(trials, lambda trial: trial.group):
            one = _single(campaign, number, at)
            people = [trial.row for trial in group]
            office.store.transact(partial(enrol, campaign=one, rows=people, now=at))
        office.start()
        if not office.run(TRIALS):
            raise IvrdError(f"the calls that were tried did not end within {TRIALS.days} days")
        found = office.store.read(_attempts)
    finally:
        office.close()
    calls: dict[str, list[Tried]] = {does.value: [] for does in Does}
    for trial in trials:
        row = found[trial.number]
        calls[trial.does.value].append(
            Tried(Outcome(row.outcome), frozenset(row.notes), row.lasted_s)
        )
    for tried in calls[Does.LISTENS.value]:
        if tried.outcome is not Outcome.TOLD:
            raise IvrdError(
                f"a debtor who hears the message out counts as {tried.outcome.value}, not as told:"
                " the flow or the voice files of this campaign are not complete"
            )
    return calls


@dataclass(frozen=True, slots=True)
class _Trial:
    """One call that is tried: which campaign of the trials it belongs to, and who answers."""

    group: int
    row: TargetRow
    number: str
    does: Does
    manner: Manner


def _trials(
    campaign: Campaign, rows: Sequence[TargetRow], rates: Rates, plan: NumberPlan
) -> Iterator[_Trial]:
    """Yield a trial for each kind and manner, the debtors in turn: each once in a campaign.

    Promises come last: whoever has promised is left alone until the day before.
    """
    manners = Population(rates).manners(SAMPLES)
    numbers = _numbers_like(rows[0].numbers[0], plan)
    # kinds in turn: five faults of the line running would stop the card
    kinds = [does for does in Does if does is not Does.PROMISES]
    trials: list[tuple[Does, Manner]] = [(d, manner) for manner in manners for d in kinds]
    late = -(-len(trials) // len(rows)) * len(rows)
    promises = manners[: len(rows)]
    places = [*range(len(trials)), *range(late, late + len(promises))]
    trials += [(Does.PROMISES, manner) for manner in promises]
    for place, (does, manner) in zip(places, trials, strict=True):
        group, index = divmod(place, len(rows))
        account = rows[index].account
        if campaign.choose is None:
            # what a list says is in its rows: no account is looked up
            group, account = 0, f"trial-{place}"
        number = next(numbers)
        row = replace(
            rows[index],
            account=account,
            numbers=(number,),
            person=f"trial-{place}",
            zone=None,
            call_from=None,
        )
        yield _Trial(group, row, number, does, manner)


def _numbers_like(number: str, plan: NumberPlan) -> Iterator[str]:
    """Yield numbers that may be dialled, made from one by its last digits."""
    head = number[:-4]
    for tail in range(10_000):
        made = f"{head}{tail:04}"
        if plan.blocked(made) is None:
            yield made


def _single(campaign: Campaign, number: int, at: datetime) -> Campaign:
    """Return a campaign that makes one call to each debtor, at any hour of the outer limit."""
    settings: dict[str, Any] = campaign.settings()
    settings["name"] = f"trial-{number}"
    settings["profiles"] = []
    settings["priority"] = max(1, 9 - number)
    settings["when"] = {"weekdays": ALL_DAY, "weekends": ALL_DAY, "holidays": "open"}
    settings["retry"] = {**settings["retry"], "total": 1, "fault": {"most": 1}}
    settings["promise"] = {**settings["promise"], "remind": False}
    settings["message"] = {**settings["message"], "stale_after": None}
    if campaign.from_list is not None:
        settings |= {"list": {"posted_at": at.isoformat()}, "max_age_h": TRIALS.days * 24}
    return campaign_from(settings)


def _attempts(tx: Connection) -> dict[str, Any]:
    return {row.number: row for row in tx.execute(select(tables.attempts))}
