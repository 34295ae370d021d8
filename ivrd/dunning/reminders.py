"""A reminder: what an attempt is about, and how a debtor who rings back finds it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, insert, select, update

from ivrd.dunning.campaign import Campaign, campaign_from
from ivrd.store.states import COSTS_NOTHING, CampaignState, TargetState
from ivrd.store.tables import attempts, campaigns, decisions, targets

SAYS_PAID, DISPUTES = "says: paid already", "disputes the charges"
"""What is noted of an account when the person keys so."""

RANG_BACK = "rang_back"
"""Why a target is notified whose debtor rang back and heard the message."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What the campaign's own row says of the debt."""

    amount_fen: int
    months: int
    due: date | None


@dataclass(frozen=True, slots=True)
class Reminder:
    """An attempt with all that its call is about.

    `number` is the one dialled, in E.164; `zone` the debtor's own time zone, where one is known;
    `other_numbers` whether the account has further ones.
    """

    attempt: str
    account: str
    number: str
    campaign_id: int
    campaign: Campaign
    target: int
    listed: Listed
    zone: ZoneInfo | None = None
    other_numbers: bool = False


_the_attempt = (
    select(
        attempts.c.id, attempts.c.account, attempts.c.number, attempts.c.campaign,
        attempts.c.target, targets.c.amount_fen, targets.c.months, targets.c.due, targets.c.zone,
        targets.c.numbers, campaigns.c.settings,
    )
    .join(targets, targets.c.id == attempts.c.target)
    .join(campaigns, campaigns.c.id == attempts.c.campaign)
)  # fmt: skip
_by_id = _the_attempt.where(attempts.c.id == bindparam("attempt"))
_to_number = (
    _the_attempt.where(
        attempts.c.number == bindparam("dialled"),
        attempts.c.began_at >= bindparam("since"),
        attempts.c.outcome.is_not(None),
        attempts.c.outcome.not_in([outcome.value for outcome in COSTS_NOTHING]),
        targets.c.state.in_([TargetState.WAITING.value, TargetState.EXHAUSTED.value]),
        campaigns.c.state != CampaignState.STOPPED.value,
    )
    .order_by(attempts.c.began_at.desc())
    .limit(1)
)
_open_target = select(targets.c.state).where(targets.c.id == bindparam("which"))
_told = update(targets).where(targets.c.id == bindparam("which"))


def reminder_of(tx: Connection, attempt: str) -> Reminder:
    """Return what an attempt is about. Raises `LookupError` where there is none."""
    row = tx.execute(_by_id, {"attempt": attempt}).one_or_none()
    if row is None:
        raise LookupError("no such attempt")
    return _reminder(row)


def find_reminder(tx: Connection, number: str, since: datetime, now: datetime) -> Reminder | None:
    """Return what the last attempt on a number (E.164) since then was about.

    None where there was none, or where the debtor need not be told any more: has been told, has
    promised or paid, is not to be called, or the message is stale.
    """
    row = tx.execute(_to_number, {"dialled": number, "since": since}).one_or_none()
    if row is None:
        return None
    reminder = _reminder(row)
    stale_after = reminder.campaign.message.stale_after
    return None if stale_after is not None and now >= stale_after else reminder


def tell_rung_back(tx: Connection, reminder: Reminder, now: datetime) -> None:
    """Write down that a debtor who rang back has heard the message: no call is needed any more.

    A call to them that is under way meanwhile is closed by whoever placed it.
    """
    if end_rung_back(tx, reminder, now, TargetState.NOTIFIED, RANG_BACK):
        tx.execute(_told, {"which": reminder.target, "told_at": now})


def end_rung_back(
    tx: Connection, reminder: Reminder, now: datetime, state: TargetState, why: str
) -> bool:
    """End a debtor's part in the campaign by what they said in a call that is not ours to close.

    False, and nothing changed, where a call to them is under way, or they are through.
    """
    was = tx.execute(_open_target, {"which": reminder.target}).scalar_one()
    if was not in {TargetState.WAITING.value, TargetState.EXHAUSTED.value}:
        return False
    values = {"state": state.value, "why": why, "ended_at": now}
    tx.execute(_told, {"which": reminder.target, **values})
    row = {"target": reminder.target, "at": now, "what": "ended", "reason": why}
    tx.execute(insert(decisions), row)
    return True


def _reminder(row: Any) -> Reminder:
    return Reminder(
        row.id, row.account, row.number, row.campaign, campaign_from(row.settings), row.target,
        Listed(row.amount_fen, row.months, row.due),
        ZoneInfo(row.zone) if row.zone else None,
        len(row.numbers) > 1,
    )  # fmt: skip
