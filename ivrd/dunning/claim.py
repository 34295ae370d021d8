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

from sqlalchemy import Connection, Row

from ivrd.billing.entities import Arrears
from ivrd.card import DialPermit
from ivrd.dunning.campaign import Campaign
from ivrd.dunning.case import OF_NUMBER, WIDE, Case, Held, Reason
from ivrd.dunning.closing import past_of
from ivrd.dunning.debts import meant
from ivrd.dunning.due import (
    FREE,
    OVER,
    TELL,
    Nobody,
    done,
    due_rows,
    hold,
    next_due,
    waiting_for,
    zones,
)
from ivrd.dunning.gate import Gate
from ivrd.dunning.hours import Holidays
from ivrd.dunning.reminders import Listed, Reminder
from ivrd.dunning.retry import time_on
from ivrd.dunning.running import UNREADABLE, Campaigns, Running
from ivrd.errors import BillingDown, BillingError, BillingSlow
from ivrd.events import Data
from ivrd.store.engine import Store
from ivrd.store.switches import KILL, is_on

MOST = 64
"""Debtors that one question looks at before it comes back, so that no line waits long for it."""

BILLING_S = 20.0
"""When to ask again after the billing data did not answer."""

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


class Owed:
    """What a debtor owes now, as the billing data says it."""

    def __init__(self, arrears: Callable[[str], tuple[Arrears, ...]]) -> None:
        self._arrears = arrears

    def fen(self, running: Running, row: Row[Any]) -> int:
        """Return the amount in fen, 0 where it is settled. Raises `BillingError`."""
        campaign = running.campaign
        if campaign.kind == "notice" or campaign.choose is None:
            return int(row.amount_fen)
        return sum(one.amount_fen for one in meant(campaign.choose, self._arrears(row.account)))


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
        self._asked = datetime.min.replace(tzinfo=UTC)
        self._told: dict[int, str | None] = {}
        """What each campaign was last said to wait for, by whatever node."""

    def claim(self, slot: Slot) -> Claim | Nobody:
        """Return somebody to call on a line, or why nobody is.

        Raises `StoreError`. A campaign of which nobody is left is done.
        """
        now = self._store.now()
        if now < self._asked:
            self._asleep.clear()  # the clock was set back: until when was reckoned from a wrong day
        self._asked = now
        apart_s = abs((self._clock() - now).total_seconds())
        if apart_s > CLOCKS_APART_S:
            return Nobody(f"the clocks of this node and of its store are {apart_s:.0f} s apart")
        killed, running, self._told = self._store.read(
            lambda tx: (is_on(tx, KILL), self._campaigns.running(tx), waiting_for(tx))
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
            self._store.transact(lambda tx: tx.execute(OVER, {"of": running.id, "now": now}))
        mute = self._mute(running.campaign)
        if mute:
            return self._waits(running.id, Nobody(mute))
        nobody: list[Nobody] = []
        for zone in self._store.read(lambda tx: zones(tx, running.id)):
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
            return self._store.transact(lambda tx: done(tx, running, now))
        return self._waits(running.id, _soonest_of(nobody))

    def _waits(self, campaign: int, nobody: Nobody) -> Nobody:
        """Say in the store what a campaign waits for, where that is news."""
        if self._told.get(campaign) != nobody.why:
            told = {"campaign": campaign, "waits": nobody.why}
            self._store.transact(lambda tx: tx.execute(TELL, told))
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
        return self._store.read(lambda tx: next_due(tx, running.id, zone, now, running.home))

    def _due(self, running: Running, zone: str, now: datetime) -> Iterator[Row[Any]]:
        """Yield debtors who are due, promises first, each once."""
        seen: set[int] = set()
        while True:
            rows = [
                row
                for row in self._store.read(lambda tx: due_rows(tx, running.id, zone, now))
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
                hold(tx, row, verdict, other, now)
            return verdict
        if row.held is not None:
            tx.execute(FREE, {"target": row.id})
        if self._told.get(running.id) is not None:
            tx.execute(TELL, {"campaign": running.id, "waits": None})
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
        # what the account says goes before what the campaign says of all of them
        consent=campaign.consent or None if row.consent is None else row.consent,
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
