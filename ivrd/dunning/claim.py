"""Finds somebody to call for a free line: the debtor who is due, read anew, and let through.

Blocking: it asks the billing data and the store. The billing data is read outside of any
transaction; the gate then decides in the one that writes the attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)

from ivrd.billing.entities import Arrears
from ivrd.card import DialPermit
from ivrd.dunning.campaign import Campaign
from ivrd.dunning.case import OF_NUMBER, WIDE, Case, Held, Reason
from ivrd.dunning.closing import past_of
from ivrd.dunning.gate import Gate
from ivrd.dunning.hours import Holidays
from ivrd.dunning.reminders import Listed, Reminder
from ivrd.dunning.retry import Why, time_on
from ivrd.dunning.running import UNREADABLE, Campaigns, Running
from ivrd.errors import BillingDown, BillingError, BillingSlow
from ivrd.events import Data
from ivrd.store import tables
from ivrd.store.engine import Store
from ivrd.store.states import CampaignState, TargetState
from ivrd.store.switches import KILL, is_on

AT_ONCE = 16
"""Debtors that are taken from the store at a time."""

MOST = 64
"""Debtors that one question looks at before it comes back, so that no line waits long for it."""

HELD_S = 60.0
"""When to ask again for a debtor who is held until something happens, not until an instant."""

BILLING_S = 20.0
"""When to ask again after the billing data did not answer."""

_t = tables.targets.c
_a = tables.campaigns.c

CLOCKS_APART_S = 5.0
"""So far may the clocks of node and store be apart: a permit made by one is good by the other."""

_PASSING = frozenset({Reason.TARGET_NOT_WAITING, Reason.NOT_DUE})
"""Reasons that say no more than that somebody else was quicker."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A free line that wants somebody to call."""

    node: str
    card: str
    line: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody to call: the gate's permit, and what the flow is told."""

    permit: DialPermit
    facts: Data
    campaign: str
    lang: str | None
    dials_per_s: float
    """The pace of its campaign."""


@dataclass(frozen=True, slots=True)
class Nobody:
    """Nobody may be called now: why, and when to ask again (None: when something changes)."""

    why: str
    until: datetime | None = None
    here: bool = False
    """Whether another line may find somebody."""


class Owed:
    """What a debtor owes now, as the billing data says it."""

    def __init__(self, arrears: Callable[[str], tuple[Arrears, ...]]) -> None:
        self._arrears = arrears

    def fen(self, running: Running, row: Row[Any]) -> int:
        """Return the amount in fen, 0 where it is settled. Raises `BillingError`."""
        campaign = running.campaign
        if campaign.kind == "notice" or campaign.choose is None:
            return int(row.amount_fen)
        groups, products = campaign.choose.groups, campaign.choose.products
        return sum(
            one.amount_fen
            for one in self._arrears(row.account)
            if (not groups or one.group in groups) and (not products or one.product in products)
        )


class Claims:
    """Answers the question who is to be called next."""

    def __init__(
        self,
        store: Store,
        gate: Gate,
        campaigns: Campaigns,
        owed: Owed,
        facts: Callable[[Reminder], Data],
        new_attempt: Callable[[datetime], str],
        *,
        clock: Callable[[], datetime],
        mute: Callable[[Campaign], str],
    ) -> None:
        self._store = store
        self._gate = gate
        self._campaigns = campaigns
        self._owed = owed
        self._facts = facts
        self._new_attempt = new_attempt
        self._clock = clock
        self._mute = mute
        self._asleep: dict[tuple[int, str], Held] = {}
        """Campaigns of which the gate lets nobody in that time zone through, until when."""
        self._told: dict[int, str | None] = {}
        """What each campaign was last said to wait for, by whatever node."""

    def claim(self, slot: Slot) -> Claim | Nobody:
        """Return somebody to call on a line, or why nobody is.

        Raises `StoreError`. A campaign of which nobody is left is done.
        """
        now = self._store.now()
        apart_s = abs((self._clock() - now).total_seconds())
        if apart_s > CLOCKS_APART_S:
            return Nobody(f"the clocks of this node and of its store are {apart_s:.0f} s apart")
        killed, running, self._told = self._store.read(
            lambda tx: (is_on(tx, KILL), self._campaigns.running(tx), _waiting_for(tx))
        )
        if killed:
            return Nobody("the kill switch is on")
        unreadable = self._campaigns.unreadable & self._told.keys()
        nobody = [self._waits(campaign, Nobody(UNREADABLE)) for campaign in unreadable]
        for campaign in running:
            lines = campaign.campaign.lines
            if lines and slot.line not in lines:
                nobody.append(Nobody(f"{campaign.campaign.name} is for other lines", here=True))
                continue
            found = self._of(campaign, slot, now)
            if isinstance(found, Claim):
                return found
            nobody.append(found)
        if not nobody:
            return Nobody("no campaign is running")
        return replace(_soonest_of(nobody), here=any(one.here for one in nobody))

    def _of(self, running: Running, slot: Slot, now: datetime) -> Claim | Nobody:
        """Return somebody of one campaign, its time zones in turn."""
        if running.campaign.when.start and now < running.campaign.when.start:
            return self._waits(
                running.id, Nobody("its start has not come", running.campaign.when.start)
            )
        if running.campaign.when.end and now >= running.campaign.when.end:
            self._store.transact(lambda tx: tx.execute(_over, {"of": running.id, "now": now}))
        mute = self._mute(running.campaign)
        if mute:
            return self._waits(running.id, Nobody(mute))
        nobody: list[Nobody] = []
        for zone in self._store.read(lambda tx: _zones(tx, running.id)):
            asleep = self._asleep.get((running.id, zone))
            if asleep is not None and asleep.until is not None and now < asleep.until:
                nobody.append(Nobody(asleep.detail, asleep.until))
                continue
            found = self._in_zone(running, zone, slot, now)
            if isinstance(found, Claim):
                return found
            if found is not None:
                nobody.append(found)
        if not nobody:
            return self._store.transact(lambda tx: _done(tx, running, now))
        return self._waits(running.id, _soonest_of(nobody))

    def _waits(self, campaign: int, nobody: Nobody) -> Nobody:
        """Say in the store what a campaign waits for, where that is news."""
        if self._told.get(campaign) != nobody.why:
            told = {"campaign": campaign, "waits": nobody.why}
            self._store.transact(lambda tx: tx.execute(_tell, told))
        return nobody

    def _in_zone(
        self, running: Running, zone: str, slot: Slot, now: datetime
    ) -> Claim | Nobody | None:
        """Return somebody of one time zone; None where all of it are through."""
        for looked, row in enumerate(self._due(running, zone, now)):
            if looked == MOST:
                return Nobody("many debtors are held", now)
            try:
                owed_fen = self._owed.fen(running, row)
            except BillingError as error:
                return Nobody(_why_no_billing(error), now + timedelta(seconds=BILLING_S))
            case = case_of(running, row, slot, self._new_attempt(now), owed_fen, now)
            verdict = self._store.transact(partial(self._ask, running=running, row=row, case=case))
            if isinstance(verdict, DialPermit):
                self._asleep.pop((running.id, zone), None)
                campaign = running.campaign
                facts = self._facts(_reminder(running, row, case))
                lang = row.lang if row.lang in campaign.languages else campaign.languages[0]
                return Claim(verdict, facts, campaign.name, lang, campaign.dials_per_s)
            if _is_wide(verdict, case):
                self._asleep[running.id, zone] = verdict
                return Nobody(verdict.detail, verdict.until)
        return self._store.read(lambda tx: _next_due(tx, running.id, zone, now, running.home))

    def _due(self, running: Running, zone: str, now: datetime) -> Iterator[Row[Any]]:
        """Yield debtors who are due, promises first, each once."""
        seen: set[int] = set()
        while True:
            rows = [
                row
                for row in self._store.read(lambda tx: _due_rows(tx, running.id, zone, now))
                if row.id not in seen
            ]
            if not rows:
                return
            seen.update(row.id for row in rows)
            yield from rows

    def _ask(
        self, tx: Connection, running: Running, row: Row[Any], case: Case
    ) -> DialPermit | Held:
        """Ask the gate, and write down what becomes of a debtor whom it holds."""
        now = self._store.now()
        verdict = self._gate.permit(tx, case, now)
        if isinstance(verdict, Held):
            if verdict.reason not in _PASSING and not _is_wide(verdict, case):
                barred = verdict.final and verdict.reason in OF_NUMBER
                other = self._other_number(tx, running, row, case, now) if barred else None
                _hold(tx, row, verdict, other, now)
            return verdict
        if row.held is not None:
            tx.execute(_free, {"target": row.id})
        if self._told.get(running.id) is not None:
            tx.execute(_tell, {"campaign": running.id, "waits": None})
        return verdict

    def _other_number(
        self, tx: Connection, running: Running, row: Row[Any], case: Case, now: datetime
    ) -> tuple[int, datetime] | None:
        """Return the next number that neither gate nor retry rules have given up, and when."""
        count, past = len(row.numbers), past_of(tx, row)
        for step in range(1, count):
            place = (row.number_at + step) % count
            there = replace(case, number=row.numbers[place])
            held = self._gate.judge(there, self._gate.history(tx, there, now), now)
            if held is not None and held.final and held.reason in OF_NUMBER:
                continue
            at = time_on(
                running.campaign.retry, past, place, now,
                numbers=count, zone=case.zone, opening=running.opening(case.zone),
            )  # fmt: skip
            if at is not None:
                return (place, at)
        return None


def _is_wide(held: Held, case: Case) -> bool:
    """Return whether a reason holds every debtor of the campaign in that time zone."""
    return held.reason in WIDE or (held.reason is Reason.BILLING_STALE and case.source == "list")


def case_of(
    running: Running, row: Any, slot: Slot, attempt: str, owed_fen: int, now: datetime
) -> Case:
    """Return what the gate is asked about a debtor: `row` is one of `targets`, or as such."""
    campaign = running.campaign
    zone = running.zone_of(row.zone)
    listed = campaign.choose is None
    return Case(
        attempt=attempt,
        campaign=running.id,
        target=row.id,
        account=row.account,
        person=row.person,
        debt=row.account,
        number=row.numbers[min(row.number_at, len(row.numbers) - 1)] if row.numbers else "",
        zone=zone,
        caller_id=campaign.caller_id,
        node=slot.node,
        card=slot.card,
        line=slot.line,
        windows=running.windows,
        kind=campaign.kind,
        holidays=Holidays(campaign.when.holidays),
        profiles=tuple(campaign.profiles),
        owed_fen=owed_fen,
        read_at=running.posted_at if listed else now,
        posted_at=running.posted_at,
        max_age_h=campaign.max_age_h,
        consent=campaign.consent,
        stale_after=_end_of(campaign.message.stale_after, zone),
        ends=campaign.when.end,
        source="list" if listed else "account",
    )


def _soonest_of(nobody: Sequence[Nobody]) -> Nobody:
    """Return the one that makes sense to ask again first; without an instant, last."""
    return min(nobody, key=_until)


def _until(one: Nobody) -> datetime:
    return one.until or datetime.max.replace(tzinfo=UTC)


def _why_no_billing(error: BillingError) -> str:
    if isinstance(error, BillingSlow):
        return "the billing data did not answer in time"
    if isinstance(error, BillingDown):
        return "the billing data cannot be reached"
    return "the billing data is not as the mapping says"


def _reminder(running: Running, row: Row[Any], case: Case) -> Reminder:
    return Reminder(
        case.attempt, row.account, case.number, running.id, running.campaign, row.id,
        Listed(row.amount_fen, row.months, row.due), case.zone, len(row.numbers) > 1,
    )  # fmt: skip


def _end_of(day: Any, zone: ZoneInfo) -> datetime | None:
    """Return the end of a day on a debtor's clock."""
    if day is None:
        return None
    return datetime.combine(day + timedelta(days=1), time(), zone)


# -- the store's rows ------------------------------------------------------------------------------

_of_campaign = _t.campaign == bindparam("campaign")
_in_zone = _of_campaign & (_t.zone == bindparam("zone")) & (_t.state == bindparam("state"))

# statements are made once: making one costs more than SQLite needs to answer it
_due = (
        select(
            _t.id, _t.account, _t.person, _t.numbers, _t.number_at, _t.amount_fen, _t.months,
            _t.due, _t.lang, _t.zone, _t.held, _t.state,
        )
        .where(_in_zone, _t.next_at <= bindparam("now"))
        .order_by(_t.next_at, _t.id)
        .limit(AT_ONCE)
)  # fmt: skip
_next = select(_t.next_at).where(_in_zone).order_by(_t.next_at, _t.id).limit(1)
_first_zone = select(func.min(_t.zone)).where(_of_campaign)
_zone_after = _first_zone.where(_t.zone > bindparam("zone"))
_tell = update(tables.campaigns).where(_a.id == bindparam("campaign"))
_tell = _tell.values(waits_for=bindparam("waits"))
_waiting = select(_a.id, _a.waits_for).where(_a.state == CampaignState.RUNNING.value)
_end = (
    update(tables.campaigns)
    .where(_a.id == bindparam("campaign"), _a.state == CampaignState.RUNNING.value)
    .values(state=CampaignState.DONE.value, ended_at=bindparam("now"), waits_for=None)
)
_was_promised = _t.state == TargetState.PROMISED.value
_was_told = _was_promised | _t.told_at.is_not(None)
_over = (
    update(tables.targets)
    .where(
        _t.campaign == bindparam("of"),
        _t.state.in_([TargetState.WAITING.value, TargetState.PROMISED.value]),
    )
    .values(
        state=case((_was_told, TargetState.NOTIFIED.value), else_=TargetState.EXHAUSTED.value),
        why=case(
            (_was_promised, Why.PROMISE.value), (_was_told, Why.TOLD.value), else_=Why.OVER.value
        ),
        ended_at=bindparam("now"),
    )
)
"""All at once, where a campaign's end has come: one by one they would be asked for in vain."""
_free = update(tables.targets).where(_t.id == bindparam("target"))
_free = _free.values(held=None, held_detail=None)


def _waiting_for(tx: Connection) -> dict[int, str | None]:
    """Return what each campaign that runs was last said to wait for."""
    return {row.id: row.waits_for for row in tx.execute(_waiting)}


def _due_rows(tx: Connection, campaign: int, zone: str, now: datetime) -> list[Row[Any]]:
    """Return some debtors who are due: those with a promise, then the longest due."""
    rows: list[Row[Any]] = []
    for state in (TargetState.PROMISED, TargetState.WAITING):
        values = {"campaign": campaign, "zone": zone, "state": state.value, "now": now}
        rows.extend(tx.execute(_due, values))
    return rows


def _zones(tx: Connection, campaign: int) -> list[str]:
    """Return the time zones of a campaign's debtors, the node's own ("") first.

    From zone to zone along the index: a campaign has a million debtors and a few zones.
    """
    zones: list[str] = []
    zone = tx.execute(_first_zone, {"campaign": campaign}).scalar()
    while zone is not None:
        zones.append(zone)
        zone = tx.execute(_zone_after, {"campaign": campaign, "zone": zone}).scalar()
    return zones


def _next_due(
    tx: Connection, campaign: int, zone: str, now: datetime, home: ZoneInfo
) -> Nobody | None:
    """Return when the next debtor of a zone is due; None where all of it are through."""
    of = {"campaign": campaign, "zone": zone}
    found: list[datetime] = []
    for state in (TargetState.WAITING, TargetState.PROMISED):
        at = tx.execute(_next, {**of, "state": state.value}).scalar()
        if at is not None:
            found.append(at)
    if found:
        at = max(min(found), now)
        return Nobody(f"the next debtor is due at {at.astimezone(home):%Y-%m-%d %H:%M}", at)
    if tx.execute(_next, {**of, "state": TargetState.CALLING.value}).scalar() is not None:
        return Nobody("the last calls are under way")
    return None


def _done(tx: Connection, running: Running, now: datetime) -> Nobody:
    """Take a campaign as done of which nobody is left; another daemon may have debtors on call."""
    for zone in _zones(tx, running.id):
        left = _next_due(tx, running.id, zone, now, running.home)
        if left is not None:
            return left
    tx.execute(_end, {"campaign": running.id, "now": now})
    return Nobody("done: nobody is left")


def _hold(
    tx: Connection, row: Row[Any], held: Held, other: tuple[int, datetime] | None, now: datetime
) -> None:
    """Write down that a debtor is held, and when to ask again, or that there is no more asking."""
    values: dict[str, Any] = {
        "held": held.reason.value, "held_detail": held.detail, "held_at": now,
    }  # fmt: skip
    what, next_at = "held", held.until or now + timedelta(seconds=HELD_S)
    if other is not None:
        values["number_at"], next_at = other
    elif held.final:
        what, next_at = "ended", now
        state = TargetState.SETTLED if held.reason is Reason.SETTLED else TargetState.EXCLUDED
        if held.reason in {Reason.MESSAGE_STALE, Reason.CAMPAIGN_OVER}:
            state = TargetState.EXHAUSTED
        values |= {"state": state.value, "why": held.reason.value, "ended_at": now}
        if state is TargetState.SETTLED:
            values["paid_at"] = now
    values["next_at"] = next_at
    tx.execute(update(tables.targets).where(_t.id == row.id).values(**values))
    if row.held != held.reason.value or what == "ended":
        tx.execute(
            insert(tables.decisions).values(
                target=row.id, at=now, what=what, reason=held.reason.value,
                detail=held.detail, next_at=None if what == "ended" else next_at,
            )
        )  # fmt: skip
