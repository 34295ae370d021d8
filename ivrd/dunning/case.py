"""What the gate is asked, knows and answers: a case, the rules, a history, a reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

from ivrd.dunning.frequency import Past
from ivrd.dunning.hours import (
    Holidays as Holidays,  # noqa: PLC0414 - exported: whoever makes a case needs it
)
from ivrd.dunning.hours import Windows
from ivrd.dunning.policy import Policy

PERMIT_S = 10.0
"""Seconds that a permit is good for, at the most."""

DEFAULT_HOURS = Windows.daily("08:00-20:00")
DEFAULT_ATTEMPTS_A_DAY = 3


class Reason(StrEnum):
    """Why a call is not made now. docs/dunning-rules.md tells each one and when it lifts."""

    KILL_SWITCH = "kill_switch"
    """All dialling is switched off."""
    CAMPAIGN_NOT_RUNNING = "campaign_not_running"
    TARGET_NOT_WAITING = "target_not_waiting"
    """It is being called, or it is through with its campaign."""
    NOT_DUE = "not_due"
    """The retry rules want it later."""
    FOREIGN_NUMBER = "foreign_number"
    """The number is none of the target's."""
    NUMBER_INVALID = "number_invalid"
    NUMBER_BLOCKED = "number_blocked"
    """The dial plan bars it: service, emergency, premium, abroad, or a configured prefix."""
    DO_NOT_CALL = "do_not_call"
    NOT_ALLOWED = "not_allowed"
    """There is an allow list, and the number is not on it."""
    NO_CONSENT = "no_consent"
    """A profile wants the person's consent, and there is none."""
    CAMPAIGN_OVER = "campaign_over"
    """The campaign's end is past."""
    MESSAGE_STALE = "message_stale"
    BILLING_STALE = "billing_stale"
    """What is known of the debt is too old."""
    SETTLED = "settled"
    """Paid since."""
    PROMISED = "promised"
    """A promise to pay is open."""
    POLICY_UNKNOWN = "policy_unknown"
    """A profile that the campaign names is not loaded."""
    POLICY_NOT_IN_FORCE = "policy_not_in_force"
    """No profile that the campaign names is in force on this day."""
    CALENDAR_UNKNOWN = "calendar_unknown"
    """The holidays of this year are not confirmed."""
    HOLIDAY = "holiday"
    OUTSIDE_WINDOW = "outside_window"
    """The campaign's own hours."""
    QUIET_HOURS = "quiet_hours"
    """A profile's hours."""
    OUTER_HOURS = "outer_hours"
    """The hours of the outer limit."""
    PERSON_BUSY = "person_busy"
    """A call to this person or about this debt is under way."""
    NUMBER_BUSY = "number_busy"
    OUTER_FREQUENCY = "outer_frequency"
    """The outer limit's attempts a day."""
    FREQUENCY = "frequency"
    """A profile's limit of attempts or contacts."""
    FAULT = "fault"
    """The gate itself failed, and lets nobody through."""


WIDE = frozenset(
    {
        Reason.KILL_SWITCH, Reason.CAMPAIGN_NOT_RUNNING, Reason.POLICY_UNKNOWN,
        Reason.POLICY_NOT_IN_FORCE, Reason.CALENDAR_UNKNOWN, Reason.HOLIDAY,
        Reason.OUTSIDE_WINDOW, Reason.QUIET_HOURS, Reason.OUTER_HOURS,
    }
)  # fmt: skip
"""Reasons that hold every debtor of a campaign in one time zone."""

OF_NUMBER = frozenset(
    {
        Reason.FOREIGN_NUMBER, Reason.NUMBER_INVALID, Reason.NUMBER_BLOCKED, Reason.DO_NOT_CALL,
        Reason.NOT_ALLOWED,
    }
)  # fmt: skip
"""Reasons that lie in the number: another one of the same debtor may do."""


@dataclass(frozen=True, slots=True)
class Held:
    """A call that is not made: why, in one sentence, and when it makes sense to ask again.

    `until`: as long as nothing else happens, this call is held at every instant before it, and at
    it no longer for this reason. For a reason of `WIDE` it is when the hours let anybody of the
    campaign in that zone through, whatever else may hold this one debtor. None: no instant lifts
    it, an event must (an operator, the end of another call, newer billing data). `final`: never
    in this campaign; for a reason of `OF_NUMBER`, never at this number.
    `detail` names no person and no number.
    """

    reason: Reason
    detail: str
    until: datetime | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One call that somebody would like to make.

    `debt` is what a debt-wise limit counts by (the account, where a debt has no id of its own).
    `owed_fen` was read at `read_at`; a list says by `posted_at` until when its payments were
    posted. `stale_after` is when the message stops being true. `consent`: whether the person
    agreed to calls by machine, None where nobody said.
    """

    attempt: str
    campaign: int
    target: int
    account: str
    person: str
    debt: str
    number: str
    """In E.164, and one of the target's own."""
    zone: ZoneInfo
    """The debtor's."""
    caller_id: str
    node: str
    card: str
    line: int
    windows: Windows
    kind: Literal["dunning", "notice"] = "dunning"
    holidays: Holidays = Holidays.CLOSED
    profiles: tuple[str, ...] = ()
    owed_fen: int = 0
    read_at: datetime | None = None
    posted_at: datetime | None = None
    max_age_h: float = 24.0
    stale_after: datetime | None = None
    ends: datetime | None = None
    """From when on its campaign calls nobody."""
    consent: bool | None = None
    source: Literal["account", "list"] = "account"
    """Where the number is from; with a list, `posted_at` must be given for a dunning call."""


@dataclass(frozen=True, slots=True)
class OuterLimit:
    """What holds under every campaign, profile or none; moved only by an exception with a name.

    Raises `ValueError` where it is moved and `because` says nothing.
    """

    hours: Windows = DEFAULT_HOURS
    attempts_a_day: int = DEFAULT_ATTEMPTS_A_DAY
    because: str = ""

    def __post_init__(self) -> None:
        moved = self.hours != DEFAULT_HOURS or self.attempts_a_day != DEFAULT_ATTEMPTS_A_DAY
        if moved and not self.because.strip():
            raise ValueError("the outer limit is moved only for a reason: say it in because")
        if self.attempts_a_day < 1:
            raise ValueError("attempts_a_day is at least 1")


@dataclass(frozen=True, slots=True)
class GateRules:
    """What the node's configuration tells the gate."""

    policies: Mapping[str, Policy] = field(default_factory=dict)
    """Every profile that a campaign may name, by its name."""
    outer: OuterLimit = OuterLimit()
    allowed: frozenset[str] | None = None
    """An allow list, in E.164: with one, no other number is dialled."""
    lease_s: float = 120.0
    """Seconds after which an attempt is taken for lost, unless its lease is renewed."""


@dataclass(frozen=True, slots=True)
class OpenPromise:
    """A promise to pay that is open; `reminded`: the one reminder of it was given."""

    pay_by: date
    made_at: datetime
    reminded: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """All that the gate asks the store about a case."""

    killed: bool = False
    campaign_runs: bool = True
    target_waits: bool = True
    due_at: datetime | None = None
    """When the retry rules want the target called."""
    numbers: tuple[str, ...] | None = None
    """The target's own; None where there is nothing to hold the case's number against."""
    do_not_call: str | None = None
    """Why the number is on the list; None where it is not."""
    person_busy: bool = False
    number_busy: bool = False
    promise: OpenPromise | None = None
    calls: tuple[Past, ...] = ()
    """Earlier calls of person, number or debt, as far back as the rules look."""
