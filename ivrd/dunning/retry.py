"""What becomes of a debtor after an attempt: called again, when and on which number, or done.

Pure: no clock, no store. All rules stand under one total, so that no two of them add up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from ivrd.store.states import COSTS_NOTHING, Outcome, TargetState

FREE = COSTS_NOTHING | {Outcome.NETWORK}
"""Outcomes that use up none of a debtor's tries: no telephone is known to have rung."""


class Rules(BaseModel):
    """Any table of a campaign file: unknown keys are refused, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OutcomeRule(Rules):
    """When to call again after one kind of outcome."""

    after_s: int = Field(ge=0, le=30 * 86400)
    """The pause, at least."""

    most: int = Field(ge=0, le=100)
    """So many of this outcome on one number; then the number is given up."""

    other_time: bool = False
    """After a second one in the same part of the day, go to another part of the day."""


class FaultRule(Rules):
    """When to call again after a fault that the debtor never noticed."""

    after_s: int = Field(120, ge=1, le=86400)
    """The first pause; each further fault in a row doubles it."""

    longest_s: int = Field(4 * 3600, ge=1, le=7 * 86400)
    """No pause is longer."""

    most: int = Field(12, ge=1, le=1000)
    """So many faults in a row end it: the trouble is then one of that number."""


class PromiseRules(Rules):
    """What a promise to pay changes."""

    most_days_ahead: int = Field(30, ge=1, le=366)
    """No later day is taken as a promise."""

    remind: bool = True
    """One call on the day before the promised one."""

    grace_days: int = Field(3, ge=0, le=60)
    """Days after the promised one before the promise counts as broken."""


def _rule(after_s: int, most: int, *, other_time: bool = False) -> OutcomeRule:
    return OutcomeRule(after_s=after_s, most=most, other_time=other_time)


class RetryRules(Rules):
    """[retry]: the rules for each outcome, and the limits over all of them."""

    total: int = Field(6, ge=1, le=100)
    """Attempts on one debtor in the whole campaign, over all numbers, outcomes and rounds."""

    per_day: int = Field(3, ge=1, le=20)
    """Attempts on one debtor in one of the debtor's calendar days."""

    per_week: int = Field(6, ge=1, le=100)
    """Attempts on one debtor in any seven days."""

    rounds: int = Field(1, ge=1, le=20)
    """How often a debtor who goes on owing is told; 1 is once and no more."""

    round_pause_days: int = Field(7, ge=1, le=90)
    """Days from being told to being told again."""

    alternate_numbers: bool = True
    """Whether the account's other numbers are tried."""

    unknown: Literal["no_answer", "end"] = "no_answer"
    """What an attempt that a crash cut off counts as."""

    no_answer: OutcomeRule = _rule(1800, 6, other_time=True)
    busy: OutcomeRule = _rule(300, 6)
    out_of_service: OutcomeRule = _rule(4 * 3600, 3, other_time=True)
    rejected: OutcomeRule = _rule(4 * 3600, 2, other_time=True)
    machine: OutcomeRule = _rule(2 * 3600, 4, other_time=True)
    not_confirmed: OutcomeRule = _rule(2 * 3600, 3, other_time=True)
    told_in_part: OutcomeRule = _rule(4 * 3600, 2, other_time=True)
    fault: FaultRule = FaultRule()  # type: ignore[call-arg]  # every field has a default


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


Opening: TypeAlias = Callable[[datetime], datetime | None]
"""From an instant to the first one from it on at which the campaign may call; None for never."""


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
    Without `opening` every hour counts as open: the gate holds the call then.
    """
    raise NotImplementedError
