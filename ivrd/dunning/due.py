"""Who is due, and who is held: a campaign's debtors as the store has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, bindparam, case, func, insert, select, update

from ivrd.dunning.case import Held, Reason
from ivrd.dunning.retry import Why
from ivrd.dunning.running import Running
from ivrd.store import tables
from ivrd.store.states import OPEN_TARGETS, CampaignState, TargetState

AT_ONCE = 16
"""Debtors that are taken from the store at a time."""

HELD_S = 60.0
"""When to ask again for a debtor who is held until something happens, not until an instant."""

_t = tables.targets.c
_a = tables.campaigns.c


@dataclass(frozen=True, slots=True)
class Nobody:
    """Nobody may be called now: why, and when to ask again (None: when something changes)."""

    why: str
    until: datetime | None = None
    here: bool = False
    """Whether another line may find somebody."""


_of_campaign = _t.campaign == bindparam("campaign")
_in_zone = _of_campaign & (_t.zone == bindparam("zone")) & (_t.state == bindparam("state"))

# statements are made once: making one costs more than SQLite needs to answer it
_due = (
        select(
            _t.id, _t.account, _t.person, _t.numbers, _t.number_at, _t.amount_fen, _t.months,
            _t.due, _t.lang, _t.zone, _t.consent, _t.held, _t.state,
        )
        .where(_in_zone, _t.next_at <= bindparam("now"))
        .order_by(_t.next_at, _t.id)
        .limit(AT_ONCE)
)  # fmt: skip
_next = select(_t.next_at).where(_in_zone).order_by(_t.next_at, _t.id).limit(1)
_first_zone = select(func.min(_t.zone)).where(_of_campaign)
_zone_after = _first_zone.where(_t.zone > bindparam("zone"))
TELL = (
    update(tables.campaigns)
    .where(_a.id == bindparam("campaign"))
    .values(waits_for=bindparam("waits"))
)
"""Keep what a campaign waits for."""

_waiting = select(_a.id, _a.waits_for).where(_a.state == CampaignState.RUNNING.value)
_end = (
    update(tables.campaigns)
    .where(_a.id == bindparam("campaign"), _a.state == CampaignState.RUNNING.value)
    .values(state=CampaignState.DONE.value, ended_at=bindparam("now"), waits_for=None)
)
_anybody = (
    select(_t.id)
    .where(_of_campaign, _t.state.in_([state.value for state in OPEN_TARGETS]))
    .limit(1)
)
_was_promised = _t.state == TargetState.PROMISED.value
_was_told = _was_promised | _t.told_at.is_not(None)
OVER = (
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

FREE = (
    update(tables.targets).where(_t.id == bindparam("target")).values(held=None, held_detail=None)
)
"""Forget why a debtor was held."""


def waiting_for(tx: Connection) -> dict[int, str | None]:
    """Return what each campaign that runs was last said to wait for."""
    return {row.id: row.waits_for for row in tx.execute(_waiting)}


def due_rows(tx: Connection, campaign: int, zone: str, now: datetime) -> list[Row[Any]]:
    """Return some debtors who are due: those with a promise, then the longest due."""
    rows: list[Row[Any]] = []
    for state in (TargetState.PROMISED, TargetState.WAITING):
        values = {"campaign": campaign, "zone": zone, "state": state.value, "now": now}
        rows.extend(tx.execute(_due, values))
    return rows


def zones(tx: Connection, campaign: int) -> list[str]:
    """Return the time zones of a campaign's debtors, the node's own ("") first.

    From zone to zone along the index: a campaign has a million debtors and a few zones.
    """
    found: list[str] = []
    zone = tx.execute(_first_zone, {"campaign": campaign}).scalar()
    while zone is not None:
        found.append(zone)
        zone = tx.execute(_zone_after, {"campaign": campaign, "zone": zone}).scalar()
    return found


def next_due(
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


def done(tx: Connection, running: Running, now: datetime) -> Nobody:
    """Take a campaign as done of which nobody is left; another daemon may have debtors on call."""
    for zone in zones(tx, running.id):
        left = next_due(tx, running.id, zone, now, running.home)
        if left is not None:
            return left
    if tx.execute(_anybody, {"campaign": running.id}).first() is not None:
        return Nobody("debtors are left whose time zone is unknown")
    tx.execute(_end, {"campaign": running.id, "now": now})
    return Nobody("done: nobody is left")


def hold(
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
