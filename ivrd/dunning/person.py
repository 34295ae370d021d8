"""All that the store knows of one debtor, found by account or by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, tzinfo
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Row, select

from ivrd.store.debtors import Debtor, debtor
from ivrd.store.do_not_call import Listed
from ivrd.store.notes import Note, notes_of
from ivrd.store.promises import Promise, promises_of
from ivrd.store.states import OPEN_TARGETS
from ivrd.store.tables import (
    attempts,
    campaigns,
    debtors,
    decisions,
    do_not_call,
    notes,
    promises,
    target_numbers,
    targets,
    worklist,
)
from ivrd.store.worklist import Entry, tasks

MOST_NOTES = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """Whom a question is about: accounts, and all numbers (E.164) that are known to be theirs."""

    accounts: tuple[str, ...]
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Why a target was called or not; `next_at` is when it may be called next, if ever."""

    at: datetime
    what: str
    reason: str
    detail: str | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call, or one under way (`outcome` None)."""

    id: str
    at: datetime
    number: str
    line: int
    outcome: str | None
    cause: str | None
    confirmed: bool
    heard_percent: int | None
    lasted_s: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InCampaign:
    """A debtor in one campaign, with all decisions and attempts, oldest first.

    `id` is the target's.
    """

    id: int
    campaign_id: int
    campaign: str
    campaign_state: str
    waits_for: str | None
    account: str
    person: str
    numbers: tuple[str, ...]
    number_at: int
    zone: str | None
    consent: bool | None
    amount_fen: int
    months: int
    due: date | None
    state: str
    why: str | None
    next_at: datetime
    tries: int
    told_at: datetime | None
    ended_at: datetime | None
    paid_at: datetime | None
    held: str | None
    held_detail: str | None
    decisions: tuple[Decision, ...]
    attempts: tuple[Attempt, ...]

    @property
    def is_open(self) -> bool:
        """Whether it keeps its campaign from being done."""
        return self.state in OPEN_TARGETS

    @property
    def number(self) -> str | None:
        """The number to dial next."""
        return self.numbers[min(self.number_at, len(self.numbers) - 1)] if self.numbers else None


@dataclass(frozen=True, slots=True)
class Person:
    """All that is known of a debtor; nothing of it is masked."""

    accounts: tuple[str, ...]
    numbers: tuple[str, ...]
    campaigns: tuple[InCampaign, ...]
    do_not_call: tuple[Listed, ...]
    debtors: tuple[Debtor, ...]
    promises: tuple[Promise, ...]
    tasks: tuple[Entry, ...]
    notes: tuple[Note, ...]

    @property
    def is_known(self) -> bool:
        """Whether the store knows anything at all of it."""
        parts = (self.campaigns, self.do_not_call, self.debtors, self.promises, self.tasks)
        return any(parts) or bool(self.notes)

    def plain(self, zone: tzinfo) -> dict[str, Any]:
        """Return it in JSON's types, instants in `zone`."""
        told: dict[str, Any] = plain(self, zone)
        return told


def look_up(tx: Connection, asked: str, number: str | None) -> Found:
    """Return whom `asked` names: an account, or `number`, which is what it reads as in E.164."""
    t = targets.c
    by_number = [
        account
        for (account,) in tx.execute(
            select(t.account)
            .join(target_numbers, target_numbers.c.target == t.id)
            .where(target_numbers.c.number == number)
            .distinct()
        )
    ]
    accounts = dict.fromkeys([asked, *by_number] if _is_account(tx, asked) else by_number)
    lists = tx.execute(select(t.numbers).where(t.account.in_(accounts))).scalars()
    numbers = dict.fromkeys(one for numbers in lists for one in numbers)
    if number is not None and (not accounts or number in numbers or by_number):
        numbers = {number: None, **numbers}
    return Found(tuple(accounts), tuple(numbers))


def _is_account(tx: Connection, asked: str) -> bool:
    tables = (targets, debtors, promises, notes, worklist)
    return any(
        tx.execute(select(table.c.account).where(table.c.account == asked).limit(1)).first()
        for table in tables
    )


def person(tx: Connection, found: Found) -> Person:
    """Return all that is known of those who were found."""
    listed = tx.execute(
        select(do_not_call)
        .where(do_not_call.c.number.in_(found.numbers), do_not_call.c.removed_at.is_(None))
        .order_by(do_not_call.c.id)
    ).mappings()
    known = (debtor(tx, account) for account in found.accounts)
    return Person(
        found.accounts,
        found.numbers,
        _in_campaigns(tx, found),
        tuple(Listed(**row) for row in listed),
        tuple(one for one in known if one is not None),
        tuple(p for account in found.accounts for p in promises_of(tx, account)),
        tuple(e for account in found.accounts for e in tasks(tx, account=account, done=True)),
        tuple(n for account in found.accounts for n in notes_of(tx, account, MOST_NOTES)),
    )


def _in_campaigns(tx: Connection, found: Found) -> tuple[InCampaign, ...]:
    t = targets.c
    query = (
        select(
            targets, campaigns.c.name, campaigns.c.state.label("campaign_state"),
            campaigns.c.waits_for,
        )
        .join(campaigns, campaigns.c.id == t.campaign)
        .where(t.account.in_(found.accounts))
        .order_by(campaigns.c.made_at, t.id)
    )  # fmt: skip
    return tuple(_in_campaign(tx, row) for row in tx.execute(query).all())


def _in_campaign(tx: Connection, row: Row[Any]) -> InCampaign:
    return InCampaign(
        row.id, row.campaign, row.name, row.campaign_state, row.waits_for, row.account,
        row.person, tuple(row.numbers), row.number_at, row.zone, row.consent,
        row.amount_fen, row.months, row.due, row.state, row.why, row.next_at, row.tries,
        row.told_at, row.ended_at, row.paid_at, row.held, row.held_detail,
        tuple(_decisions(tx, row.id)), tuple(_attempts(tx, row.id)),
    )  # fmt: skip


def _decisions(tx: Connection, target: int) -> Sequence[Decision]:
    d = decisions.c
    query = select(d.at, d.what, d.reason, d.detail, d.next_at).where(d.target == target)
    return [Decision(*row) for row in tx.execute(query.order_by(d.at, d.id))]


def _attempts(tx: Connection, target: int) -> Sequence[Attempt]:
    a = attempts.c
    query = select(
        a.id, a.began_at, a.number, a.line, a.outcome, a.cause, a.confirmed, a.heard_percent,
        a.lasted_s, a.notes,
    ).where(a.target == target)  # fmt: skip
    return [
        Attempt(*row[:9], tuple(row[9] or ())) for row in tx.execute(query.order_by(a.began_at))
    ]


def plain(value: Any, zone: tzinfo) -> Any:
    """Return a value in JSON's types: instants in `zone` with its offset, coded words as texts."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name), zone) for one in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="milliseconds")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [plain(one, zone) for one in value]
    return value
