"""What becomes of a debtor after an attempt: called again, when and on which number, or done.

Pure: no clock, no store. All rules stand under one total, so that no two of them add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from ivrd.dunning.pacing import Opening, Pace, PartOfDay, part_of_day
from ivrd.store.states import COSTS_NOTHING, Outcome, TargetState


class Rules(BaseModel):
    """Any table of a campaign file: unknown keys are refused, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OutcomeRule(Rules):
    """When to call again after one kind of outcome."""

    after_s: int = Field(ge=0, le=30 * 86400)
    """The pause, at least."""

    most: int = Field(ge=1, le=100)
    """So many of this outcome on one number; then the number is given up."""

    other_time: bool = False
    """After a second one in the same part of a day, go to another part of the day."""


class FaultRule(Rules):
    """When to call again after a fault that the debtor never noticed."""

    after_s: int = Field(default=120, ge=1, le=86400)
    """The first pause; each further fault in a row doubles it."""

    longest_s: int = Field(default=4 * 3600, ge=1, le=7 * 86400)
    """No pause is longer."""

    most: int = Field(default=12, ge=1, le=1000)
    """So many faults in a row end it: the trouble is then one of that number."""


class PromiseRules(Rules):
    """What a promise to pay changes."""

    most_days_ahead: int = Field(default=30, ge=1, le=366)
    """No later day is taken as a promise."""

    remind: bool = True
    """One call on the day before the promised one."""

    grace_days: int = Field(default=3, ge=0, le=60)
    """Days after the promised one before the promise counts as broken."""


def _rule(after_s: int, most: int, *, other_time: bool = False) -> OutcomeRule:
    return OutcomeRule(after_s=after_s, most=most, other_time=other_time)


class RetryRules(Rules):
    """[retry]: the rules for each outcome, and the limits over all of them."""

    total: int = Field(default=6, ge=1, le=100)
    """Attempts on one debtor in the whole campaign, over all numbers, outcomes and rounds."""

    per_day: int = Field(default=3, ge=1, le=20)
    """Attempts on one debtor in one of the debtor's calendar days."""

    per_week: int = Field(default=6, ge=1, le=100)
    """Attempts on one debtor in any seven days."""

    rounds: int = Field(default=1, ge=1, le=20)
    """How often a debtor who goes on owing is told; 1 is once and no more."""

    round_pause_days: int = Field(default=7, ge=1, le=90)
    """Days from being told to being told again."""

    alternate_numbers: bool = True
    """Whether the account's other numbers are tried."""

    next_number_after_s: int = Field(default=300, ge=0, le=30 * 86400)
    """The pause before a number that was not tried yet, where the last one led nowhere."""

    unknown: Literal["no_answer", "end"] = "no_answer"
    """What an attempt that a crash cut off counts as."""

    no_answer: OutcomeRule = _rule(1800, 6, other_time=True)
    busy: OutcomeRule = _rule(300, 6)
    out_of_service: OutcomeRule = _rule(4 * 3600, 3, other_time=True)
    rejected: OutcomeRule = _rule(4 * 3600, 2, other_time=True)
    machine: OutcomeRule = _rule(2 * 3600, 4, other_time=True)
    not_confirmed: OutcomeRule = _rule(2 * 3600, 3, other_time=True)
    told_in_part: OutcomeRule = _rule(4 * 3600, 2, other_time=True)
    fault: FaultRule = FaultRule()


class Note(StrEnum):
    """What the person said by key, as far as it changes what happens next."""

    PROMISE = "promise"
    SAYS_PAID = "says_paid"
    WRONG_NUMBER = "wrong_number"
    DISPUTE = "dispute"
    DO_NOT_CALL = "do_not_call"


class Why(StrEnum):
    """Why a debtor is called again, or not any more; kept in `targets.why` and `decisions`."""

    NO_ANSWER = "no_answer"
    BUSY = "busy"
    UNALLOCATED = "unallocated"
    OUT_OF_SERVICE = "out_of_service"
    REJECTED = "rejected"
    MACHINE = "machine"
    NOT_CONFIRMED = "not_confirmed"
    TOLD_IN_PART = "told_in_part"
    FAULT = "fault"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    TOLD = "told"
    NEXT_ROUND = "next_round"
    TRANSFERRED = "transferred"
    SETTLED = "settled"
    PROMISE = "promise"
    SAYS_PAID = "says_paid"
    WRONG_NUMBER = "wrong_number"
    DISPUTE = "dispute"
    DO_NOT_CALL = "do_not_call"
    TOTAL = "total"
    """All attempts that the campaign allows are used up."""
    OVER = "over"
    """The campaign ends, or its message is stale, before the debtor could be called again."""


@dataclass(frozen=True, slots=True)
class Past:
    """One closed attempt on a debtor: when it began, on which of the numbers, what came of it."""

    began_at: datetime
    number: int
    outcome: Outcome
    notes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Again:
    """Call again, at `at` at the earliest; `state` is WAITING or PROMISED."""

    at: datetime
    number_index: int
    why: Why
    state: TargetState = TargetState.WAITING


@dataclass(frozen=True, slots=True)
class Ended:
    """Do not call again in this campaign."""

    state: TargetState
    why: Why


def next_step(  # noqa: PLR0913 - what is known of a debtor, each by its name
    rules: RetryRules,
    promises: PromiseRules,
    ended: Past,
    before: Sequence[Past],
    now: datetime,
    *,
    numbers: int,
    zone: ZoneInfo,
    opening: Opening | None = None,
    promised: date | None = None,
) -> Again | Ended:
    """Return what becomes of a debtor after the attempt `ended`.

    `before` are the debtor's earlier closed attempts in this campaign, oldest first; `numbers`
    says how many the debtor has; `zone` is the debtor's; `promised` the day of an open promise.
    Without `opening` every hour counts as open: the gate holds the call then. The instant of
    an `Again` is never before `now`, and in UTC.
    """
    debtor = _Debtor(rules, [*before, ended], now, numbers, zone, opening)
    return (
        _for_good(rules, ended)
        or (_promise(debtor, promises, promised) if promised else None)
        or _told(debtor)
        or _under_total(debtor, promised)
    )


def time_on(
    rules: RetryRules,
    attempts: Sequence[Past],
    number: int,
    now: datetime,
    *,
    numbers: int,
    zone: ZoneInfo,
    opening: Opening | None = None,
) -> datetime | None:
    """Return when the rules want a debtor's `number` dialled, where the one due cannot be.

    `attempts` are the debtor's closed ones. None where they want no further call on it.
    """
    if not attempts:
        return now
    debtor = _Debtor(rules, attempts, now, numbers, zone, opening)
    if debtor.given_up_on(number):
        return None
    last = debtor.on(number)[-1:]
    rule = _rule_for(rules, last[0].outcome) if last else None
    pause = timedelta(seconds=rule.after_s if rule else 0)
    return debtor.time_for(number, max([now, *(past.began_at + pause for past in last)]))


def _for_good(rules: RetryRules, ended: Past) -> Ended | None:
    """Return what ends it whatever else there is."""
    if Note.DO_NOT_CALL in ended.notes:
        return Ended(TargetState.EXCLUDED, Why.DO_NOT_CALL)
    if Note.DISPUTE in ended.notes:
        return Ended(TargetState.EXCLUDED, Why.DISPUTE)
    if ended.outcome is Outcome.SETTLED:
        return Ended(TargetState.SETTLED, Why.SETTLED)
    if Note.SAYS_PAID in ended.notes:
        return Ended(TargetState.NOTIFIED, Why.SAYS_PAID)
    if ended.outcome is Outcome.UNKNOWN and rules.unknown == "end":
        return Ended(TargetState.EXCLUDED, Why.UNKNOWN)
    return None


def _promise(debtor: _Debtor, promises: PromiseRules, promised: date) -> Again | Ended | None:
    """Leave a debtor with an open promise alone until the day before; remind once."""
    ended = debtor.ended
    day_before = datetime.combine(promised - timedelta(days=1), time(), debtor.zone)
    if debtor.local_day < day_before.date():
        if promises.remind and not debtor.used_up:
            at = debtor.pace.earliest(day_before)
            number = debtor.number_after(rotate=False)
            if at is not None and number is not None and debtor.day(at) <= promised:
                return Again(at, number, Why.PROMISE, TargetState.PROMISED)
        return Ended(TargetState.NOTIFIED, Why.PROMISE)
    reached = ended.outcome in _REACHED or Note.PROMISE in ended.notes
    return Ended(TargetState.NOTIFIED, Why.PROMISE) if reached else None


def _told(debtor: _Debtor) -> Again | Ended | None:
    """Return the next round, or the end, for a debtor who was told in full just now."""
    ended, rules = debtor.ended, debtor.rules
    if ended.outcome not in _REACHED or Note.WRONG_NUMBER in ended.notes:
        return None
    why = Why.TRANSFERRED if ended.outcome is Outcome.TRANSFERRED else Why.TOLD
    if debtor.times_told < rules.rounds and not debtor.used_up:
        at = debtor.pace.earliest(debtor.now + timedelta(days=rules.round_pause_days))
        if at is not None:
            return Again(at, ended.number, Why.NEXT_ROUND)
    return Ended(TargetState.NOTIFIED, why)


def _under_total(debtor: _Debtor, promised: date | None) -> Again | Ended:
    """Return the retry that the outcome's rule gives, if total and faults leave one."""
    step = _fault(debtor) if debtor.ended.outcome in COSTS_NOTHING else _by_rule(debtor)
    if isinstance(step, Again) and promised and debtor.day(step.at) > promised:
        return Ended(TargetState.NOTIFIED, Why.PROMISE)
    return step


def _fault(debtor: _Debtor) -> Again | Ended:
    """Return the retry after a fault: the pauses double, and so many in a row end it."""
    rule, run = debtor.rules.fault, debtor.faults_in_a_row
    why = Why.CANCELLED if debtor.ended.outcome is Outcome.CANCELLED else Why.FAULT
    number = debtor.number_after(rotate=debtor.ended.outcome is Outcome.NETWORK)
    if run >= rule.most or debtor.used_up or number is None:
        return debtor.given_up(why)
    pause = min(rule.after_s * 2 ** min(run - 1, 30), rule.longest_s)
    at = debtor.pace.earliest(debtor.now + timedelta(seconds=pause))
    return debtor.given_up(Why.OVER) if at is None else Again(at, number, why)


def _by_rule(debtor: _Debtor) -> Again | Ended:
    ended = debtor.ended
    why = Why.WRONG_NUMBER if Note.WRONG_NUMBER in ended.notes else Why(ended.outcome.value)
    rule = _rule_for(debtor.rules, ended.outcome)
    again_here = debtor.again_today(ended)
    rotate = ended.outcome in _ELSEWHERE or (bool(rule and rule.other_time) and not again_here)
    number = debtor.number_after(rotate=rotate)
    if number is None:
        return debtor.given_up(why)
    if debtor.used_up:
        return debtor.given_up(Why.TOTAL)
    fresh = number != ended.number and not debtor.on(number)
    pause = debtor.rules.next_number_after_s if fresh or rule is None else rule.after_s
    at = debtor.time_for(number, debtor.now + timedelta(seconds=pause))
    return debtor.given_up(Why.OVER) if at is None else Again(at, number, why)


_REACHED = frozenset({Outcome.TOLD, Outcome.TRANSFERRED})
_ELSEWHERE = frozenset({Outcome.OUT_OF_SERVICE, Outcome.MACHINE, Outcome.NOT_CONFIRMED})
"""After these the next number is tried at once, where there is one."""


def _rule_for(rules: RetryRules, outcome: Outcome) -> OutcomeRule | None:
    """Return the rule for an outcome that has one."""
    return {
        Outcome.NO_ANSWER: rules.no_answer,
        Outcome.UNKNOWN: rules.no_answer,
        Outcome.BUSY: rules.busy,
        Outcome.OUT_OF_SERVICE: rules.out_of_service,
        Outcome.REJECTED: rules.rejected,
        Outcome.MACHINE: rules.machine,
        Outcome.NOT_CONFIRMED: rules.not_confirmed,
        Outcome.TOLD_IN_PART: rules.told_in_part,
    }.get(outcome)


class _Debtor:
    """What the attempts on one debtor come to."""

    def __init__(
        self,
        rules: RetryRules,
        attempts: Sequence[Past],
        now: datetime,
        numbers: int,
        zone: ZoneInfo,
        opening: Opening | None,
    ) -> None:
        self.rules, self.now, self.zone = rules, now, zone
        self.ended = attempts[-1]
        self._attempts = attempts
        self._numbers = numbers
        counted = [past.began_at for past in attempts if past.outcome not in COSTS_NOTHING]
        self.used_up = len(counted) >= rules.total
        self.pace = Pace(counted, zone, opening, per_day=rules.per_day, per_week=rules.per_week)
        self.times_told = sum(
            past.outcome in _REACHED and Note.WRONG_NUMBER not in past.notes for past in attempts
        )
        self.local_day = self.day(now)

    def day(self, at: datetime) -> date:
        """Return the debtor's calendar day."""
        return at.astimezone(self.zone).date()

    @property
    def faults_in_a_row(self) -> int:
        """How many attempts up to the last were free."""
        run = 0
        for past in reversed(self._attempts):
            if past.outcome not in COSTS_NOTHING:
                break
            run += 1
        return run

    def on(self, number: int) -> list[Past]:
        """Return the attempts on one number that count."""
        return [p for p in self._attempts if p.number == number and p.outcome not in COSTS_NOTHING]

    def number_after(self, *, rotate: bool) -> int | None:
        """Return the number to dial next: the same one or, with `rotate`, the next that is left."""
        current = self.ended.number
        if not self.rules.alternate_numbers:
            return None if self.given_up_on(current) else current
        order = [(current + step) % self._numbers for step in range(1, self._numbers)]
        order = [*order, current] if rotate else [current, *order]
        return next((number for number in order if not self.given_up_on(number)), None)

    def given_up_on(self, number: int) -> bool:
        """Return whether the rules want no further call on a number."""
        if self._no_good(number):
            return True
        counts = Counter(past.outcome for past in self.on(number))
        rules = ((_rule_for(self.rules, outcome), count) for outcome, count in counts.items())
        return any(rule and count >= rule.most for rule, count in rules)

    def _no_good(self, number: int) -> bool:
        """Return whether the number is not in use, or somebody else's."""
        return any(
            past.outcome is Outcome.UNALLOCATED or Note.WRONG_NUMBER in past.notes
            for past in self.on(number)
        )

    def again_today(self, past: Past) -> bool:
        """Return whether this was the first on its number in that part of that day."""
        here = past.began_at.astimezone(self.zone)
        same = 0
        for other in self.on(past.number):
            local = other.began_at.astimezone(self.zone)
            same += local.date() == here.date() and part_of_day(local) is part_of_day(here)
        return same < 2

    def time_for(self, number: int, at: datetime) -> datetime | None:
        """Return when to dial `number` from `at` on: at another time of day where its rule says."""
        moved: list[Past] = []
        for past in self.on(number):
            rule = _rule_for(self.rules, past.outcome)
            if rule and rule.other_time:
                moved.append(past)
        if not moved:
            return self.pace.earliest(at)
        tried: Counter[PartOfDay] = Counter(
            part_of_day(past.began_at.astimezone(self.zone)) for past in moved
        )
        last = moved[-1]
        return self.pace.other_time(at, last.began_at, tried, again_today=self.again_today(last))

    def given_up(self, why: Why) -> Ended:
        """Return the end without success; who was told in an earlier round stays notified."""
        if self.times_told:
            return Ended(TargetState.NOTIFIED, Why.TOLD)
        dialled = range(self._numbers) if self.rules.alternate_numbers else (self.ended.number,)
        if why in {Why.UNALLOCATED, Why.WRONG_NUMBER} and all(map(self._no_good, dialled)):
            return Ended(TargetState.EXCLUDED, why)
        return Ended(TargetState.EXHAUSTED, why)
