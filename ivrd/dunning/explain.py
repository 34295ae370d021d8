"""Why a debtor was called, or was not, and when it may be called next (product D11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection, select

from ivrd.billing.entities import Arrears
from ivrd.dunning.campaign import Campaign
from ivrd.dunning.case import OF_NUMBER, Case, GateRules, History, Reason
from ivrd.dunning.claim import Slot, case_of
from ivrd.dunning.debts import meant
from ivrd.dunning.frequency import Past, counted, reached_until
from ivrd.dunning.gate import Gate
from ivrd.dunning.person import Decision, InCampaign, Person, plain
from ivrd.dunning.policy import Limit
from ivrd.dunning.reasons import REASONS, reason
from ivrd.dunning.running import Campaigns, Running
from ivrd.store.states import CampaignState, TargetState
from ivrd.store.switches import KILL, Switch, all_switches
from ivrd.store.tables import campaigns

NOWHERE = Slot("", "", 0)
"""No line: the question is asked, and nobody is called."""

_HOLDS = 50
"""Holds in a row that are followed to the instant of the next call."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call may be made now; else why not, and from when on it may (None: not known).

    `final`: never in this campaign.
    """

    may: bool
    reason: str
    sentence: str
    until: datetime | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Counter:
    """One limit on how often a debtor is called, and what stands against it.

    `frees_at` is when it lets go of a call that it holds now.
    """

    rule: str
    limit: str
    used: int
    most: int
    frees_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a debtor, in a sentence."""

    at: datetime
    what: str
    sentence: str
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """A debtor in one campaign: what happened, what would happen now, what is counted.

    `opens_at` is the next instant at which all hours let anybody through.
    """

    campaign: str
    account: str
    number: str | None
    verdict: Verdict
    opens_at: datetime | None
    steps: tuple[Step, ...]
    counters: tuple[Counter, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The one answer."""

    verdict: Verdict
    person: Person
    stories: tuple[Story, ...]
    kill_switch: Switch | None
    asked_at: datetime

    def plain(self, zone: tzinfo) -> dict[str, Any]:
        """Return it in JSON's types, instants in `zone`."""
        told: dict[str, Any] = plain(self, zone)
        return told


@dataclass(frozen=True, slots=True)
class Billed:
    """What the billing data says of the accounts asked about; `down` where it does not answer."""

    arrears: Mapping[str, Sequence[Arrears]]
    down: str | None = None

    def owed_fen(self, running: Running, target: InCampaign) -> int | None:
        """Return what the campaign would speak of, in fen; None where it cannot be known now."""
        choose = running.campaign.choose
        if choose is None or running.campaign.kind == "notice":
            return target.amount_fen
        if self.down is not None or target.account not in self.arrears:
            return None
        return sum(one.amount_fen for one in meant(choose, self.arrears[target.account]))


@dataclass(frozen=True, slots=True)
class Asked:
    """What is needed to answer: the gate that would decide, and what the billing data says."""

    gate: Gate
    campaigns: Campaigns
    billed: Billed


def explain(
    tx: Connection, found: Person, asked: Asked, now: datetime, *, unreadable: str | None = None
) -> Explanation:
    """Return why those who were found are called or not. Nothing is written.

    `unreadable` says what is wrong with what was asked for, where it is no number.
    """
    kill = all_switches(tx).get(KILL)
    stories = tuple(_story(tx, target, asked, now) for target in found.campaigns)
    verdict = _sum_up(stories, found) if stories else _never(tx, found, asked, now, unreadable)
    if kill is not None and kill.on and not verdict.final:
        why = f": {kill.why}" if kill.why else ""
        verdict = Verdict(False, Reason.KILL_SWITCH, f"the kill switch is on{why}")
    return Explanation(verdict, found, stories, kill, now)


def _story(tx: Connection, target: InCampaign, asked: Asked, now: datetime) -> Story:
    running = asked.campaigns.by_id(tx, target.campaign_id)
    steps = tuple(sorted(_steps(target), key=lambda step: step.at))
    owed_fen = asked.billed.owed_fen(running, target)
    case, barred = _dialled_next(asked.gate, running, target, owed_fen or 0, now, tx)
    history = asked.gate.history(tx, case, now)
    verdict = _ended(target) or _campaign_waits(running, target, now)
    if verdict is None and owed_fen is None:
        told = asked.billed.down or "the billing data does not know the account"
        verdict = Verdict(False, Reason.BILLING_STALE, told)
    if verdict is None:
        verdict = _of_gate(asked.gate, case, history, now)
        if barred and case.number != target.number:
            verdict = replace(verdict, sentence=f"{'; '.join(barred)}; {verdict.sentence}")
    return Story(
        target.campaign, target.account, case.number or None, verdict,
        None if verdict.final else running.opening(case.zone)(now),
        steps, tuple(_counters(asked.gate.rules, case, history, now)),
    )  # fmt: skip


def _dialled_next(
    gate: Gate, running: Running, target: InCampaign, owed_fen: int, now: datetime, tx: Connection
) -> tuple[Case, list[str]]:
    """Return the case of the first number that is not barred for good, and why others are.

    Where all are, the case of the last.
    """
    barred: list[str] = []
    case = case_of(running, target, NOWHERE, "", owed_fen, now)
    count = len(target.numbers)
    for at in ((target.number_at + step) % count for step in range(count)):
        case = case_of(running, replace(target, number_at=at), NOWHERE, "", owed_fen, now)
        held = gate.judge(case, gate.history(tx, case, now), now)
        if held is None or not held.final or held.reason not in OF_NUMBER:
            break
        barred.append(f"number {at + 1} of {len(target.numbers)}: {held.detail}")
    return case, barred


def _of_gate(gate: Gate, case: Case, history: History, now: datetime) -> Verdict:
    """Return what the gate would say; from one hold to the next, until none is left."""
    held = gate.judge(case, history, now)
    if held is None:
        return Verdict(True, "callable", "may be called now: it waits for a free line")
    first, last = held, held
    at = held.until
    for _ in range(_HOLDS):
        if at is None:
            break
        # what is read live will have been read anew by then
        then = case if case.source == "list" else replace(case, read_at=at)
        next_held = gate.judge(then, history, at)
        if next_held is None:
            break
        last, at = next_held, next_held.until
    told = first.detail if last is first else f"{first.detail}; after that: {last.detail}"
    return Verdict(False, first.reason, told, at, first.final)


def _ended(target: InCampaign) -> Verdict | None:
    """Return what to say of a debtor who does not wait; None of one who does."""
    why = f": {reason(target.why)}" if target.why else ""
    match target.state:
        case TargetState.CALLING:
            line = next((f" on line {a.line}" for a in target.attempts if a.outcome is None), "")
            return Verdict(False, target.state, f"is being called{line}")
        case TargetState.NOTIFIED:
            return Verdict(False, target.state, f"was notified{why}", final=True)
        case TargetState.SETTLED:
            return Verdict(False, target.state, "has paid", final=True)
        case TargetState.EXCLUDED:
            return Verdict(False, target.why or target.state, f"is left out{why}", final=True)
        case TargetState.EXHAUSTED:
            return Verdict(False, target.why or target.state, f"is given up{why}", final=True)
    return None


_CAMPAIGNS = {
    CampaignState.NEW: "is not started: `ivrd campaign start {name}` starts it",
    CampaignState.PAUSED: "is paused: `ivrd campaign start {name}` goes on",
    CampaignState.STOPPED: "was stopped",
    CampaignState.DONE: "is done",
}


def _campaign_waits(running: Running, target: InCampaign, now: datetime) -> Verdict | None:
    state = CampaignState(target.campaign_state)
    if state is not CampaignState.RUNNING:
        told = _CAMPAIGNS[state].format(name=target.campaign)
        final = state in {CampaignState.STOPPED, CampaignState.DONE}
        return Verdict(False, Reason.CAMPAIGN_NOT_RUNNING, f"the campaign {told}", final=final)
    start, end = running.campaign.when.start, running.campaign.when.end
    if start is not None and now < start:
        return Verdict(False, Reason.CAMPAIGN_NOT_RUNNING, "the campaign's start has not come",
                       running.opening(running.zone_of(target.zone))(start))  # fmt: skip
    if end is not None and now >= end:
        return Verdict(False, "over", "the campaign's end is past", final=True)
    return None


def _sum_up(stories: Sequence[Story], found: Person) -> Verdict:
    """Return the best of the verdicts: may now, soonest, some time, never."""

    def rank(verdict: Verdict) -> tuple[bool, bool, bool, float]:
        until = verdict.until.timestamp() if verdict.until else 0.0
        return (not verdict.may, verdict.final, verdict.until is None, until)

    story = min(stories, key=lambda one: rank(one.verdict))
    verdict = story.verdict
    never = not any(target.attempts for target in found.campaigns)
    if never and not verdict.may:
        return replace(verdict, sentence=f"never dialled because {verdict.sentence}")
    return verdict


# -- what happened ---------------------------------------------------------------------------------


def _steps(target: InCampaign) -> list[Step]:
    steps = [_called(one) for one in target.attempts]
    for one in target.decisions:
        because = _because(one)
        match one.what:
            case "dialled":
                continue  # the attempt tells it, with what came of it
            case "retry":
                told = f"to be called again: {because}"
            case "held":
                told = f"held: {because}"
            case "ended":
                told = f"not called any more: {because}"
            case _:
                told = f"{one.what.replace('_', ' ')}: {because}"
        steps.append(Step(one.at, one.what, told, one.next_at))
    return steps


def _because(one: Decision) -> str:
    """Return why something was decided: the gate's own sentence where it is one."""
    if one.detail is None or one.detail == one.reason:
        return reason(one.reason)
    if one.detail in REASONS:
        return f"{reason(one.reason)} ({reason(one.detail)})"
    return one.detail


def _called(one: Any) -> Step:
    outcome = reason(one.outcome) if one.outcome else "under way"
    cause = f" ({one.cause})" if one.cause else ""
    heard = f", {one.heard_percent} % of the message heard" if one.heard_percent else ""
    keys = f"; {', '.join(note.replace('_', ' ') for note in one.notes)}" if one.notes else ""
    told = f"called {one.number} on line {one.line}: {outcome}{cause}{heard}{keys}"
    return Step(one.at, "called", told)


# -- what is counted -------------------------------------------------------------------------------


def _counters(rules: GateRules, case: Case, history: History, now: datetime) -> list[Counter]:
    day = now.astimezone(case.zone).date()
    outer = Limit("attempts", "number", rules.outer.attempts_a_day, "day")
    limits = [("outer limit", outer)]
    for name in case.profiles:
        policy = rules.policies.get(name)
        if policy is not None and policy.in_force(day):
            limits += [(name, limit) for limit in policy.limits]
    return [_counter(rule, limit, case, history.calls, now) for rule, limit in limits]


def _counter(rule: str, limit: Limit, case: Case, calls: Sequence[Past], now: datetime) -> Counter:
    key = str(getattr(case, limit.per))
    mine = counted(limit, calls, key)
    if limit.within == "day":
        today = now.astimezone(case.zone).date()
        mine = [one for one in mine if today in {one.day, one.at.astimezone(case.zone).date()}]
    else:
        mine = [one for one in mine if one.at > now - timedelta(days=limit.within)]
    frees_at = reached_until(limit, calls, key, case.zone, now)
    return Counter(rule, limit.told(), len(mine), limit.most, frees_at)


# -- those of whom no campaign knows ---------------------------------------------------------------


def _never(
    tx: Connection, found: Person, asked: Asked, now: datetime, unreadable: str | None
) -> Verdict:
    """Return why somebody who is in no campaign was never dialled."""
    never = "never dialled because "
    numbers = found.numbers
    barred = next((why for why in map(asked.gate.plan.blocked, numbers) if why), None)
    if unreadable is not None and not asked.billed.arrears:
        return Verdict(False, Reason.NUMBER_INVALID,
                       f"{never}it is no account that anything is known of, and {unreadable}",
                       final=True)  # fmt: skip
    if barred is not None:
        return Verdict(False, Reason.NUMBER_BLOCKED, f"{never}it is {barred}", final=True)
    if found.do_not_call:
        return Verdict(False, Reason.DO_NOT_CALL, f"{never}it is on the do-not-call list and in no"
                       " campaign", final=True)  # fmt: skip
    if asked.billed.down is not None:
        return Verdict(False, "in_no_campaign", f"{never}no campaign has it; {asked.billed.down}")
    if not asked.billed.arrears:
        return Verdict(False, "in_no_campaign",
                       f"{never}no campaign's list has it, nor does the billing data")  # fmt: skip
    if not any(one.amount_fen > 0 for rows in asked.billed.arrears.values() for one in rows):
        return Verdict(False, Reason.SETTLED, f"{never}the account owes nothing")
    return Verdict(False, "not_chosen", f"{never}{_not_chosen(tx, asked, now)}")


def _not_chosen(tx: Connection, asked: Asked, now: datetime) -> str:
    """Return why each campaign that chooses from the billing data did not choose the account."""
    live = (CampaignState.NEW, CampaignState.RUNNING, CampaignState.PAUSED)
    query = select(campaigns.c.id, campaigns.c.name).where(campaigns.c.state.in_(live))
    told = []
    rows = [one for some in asked.billed.arrears.values() for one in some]
    for row in tx.execute(query.order_by(campaigns.c.id)).all():
        running = asked.campaigns.by_id(tx, row.id)
        if running.campaign.choose is None:
            continue
        why = why_not_chosen(running.campaign, rows, now.astimezone(running.home))
        told.append(f"{row.name} {why}")
    if not told:
        return "no campaign that goes on chooses from the billing data"
    return "no campaign has chosen the account: " + "; ".join(told)


def why_not_chosen(campaign: Campaign, rows: Sequence[Arrears], local: datetime) -> str:
    """Return which condition of a campaign's choice an account's arrears do not meet."""
    choose = campaign.choose
    if choose is None:
        return "takes its debtors from a list"
    ours = meant(choose, rows)
    if not ours:
        wanted = ", ".join([*choose.products, *choose.groups])
        return f"is for {wanted}"
    owed = sum(one.amount_fen for one in ours)
    if owed < choose.amount_at_least_fen:
        return (
            f"is for amounts from {choose.amount_at_least_fen / 100:.2f} on; this is"
            f" {owed / 100:.2f}"
        )
    due = min((one.due for one in ours if one.due), default=None)
    if choose.overdue_at_least_days:
        if due is None:
            return "is for what is overdue, and no due date is known"
        days = (local.date() - due).days
        if days < choose.overdue_at_least_days:
            return f"is for {choose.overdue_at_least_days} days overdue; this is {max(days, 0)}"
    if choose.numbers:
        return "is for other ranges of numbers, or will have it at its next choice"
    return "will have it at its next choice"
