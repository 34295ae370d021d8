"""What calls brought (催缴效果分析, product D14): who paid within N days, contacted or not.

Paid is who owes nothing any more. The day of a payment is known as well as ivrd saw it: when it
found a debtor settled, saw a promise kept, or asked the billing data (`open_debts`,
`note_payments`), which is why that is to be done every day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select, update

from ivrd.dunning.columns import WIDE, Column, Kind, Report, Row, Words
from ivrd.dunning.reports import Which, streamed
from ivrd.store.states import EFFECTIVE, Outcome, PromiseState, TargetState
from ivrd.store.tables import attempts, campaigns, promises, targets

GROUPS: Words = {
    "contacted": ("contacted", "已联系到"),
    "tried": ("called, not reached", "呼叫未联系到"),
    "not_called": ("not called", "未呼叫"),
}

EFFECT_COLUMNS = (
    Column("campaign", "campaign", "催缴任务"),
    Column("group", "group", "组别", Kind.WORD, words=GROUPS),
    Column("debtors", "debtors", "户数", Kind.NUMBER),
    Column("owed_fen", "owed", "欠费", Kind.MONEY),
    Column("too_early", "too early", "未到期限", Kind.NUMBER, from_width=WIDE),
    Column("paid", "paid", "期内缴清", Kind.NUMBER),
    Column("paid_share", "share", "缴清率", Kind.PERCENT),
    Column("paid_fen", "paid amount", "期内缴清金额", Kind.MONEY),
    Column("paid_fen_share", "of owed", "金额缴清率", Kind.PERCENT, from_width=WIDE),
    Column("paid_later", "seen later", "逾期后发现缴清", Kind.NUMBER, from_width=WIDE),
    Column("unpaid", "unpaid", "未缴清", Kind.NUMBER, from_width=WIDE),
)

_NOT_RANDOMISED = (
    "The groups are not randomised: who is reached differs from who is not, and who pays early is"
    " never called. A difference between them does not prove that the calls made it."
)
_NOT_RANDOMISED_ZH = (
    "各组并非随机分配：能联系到的用户与联系不到的本来就不同，提前缴费的用户不会被呼叫。"
    "组间差异不能证明是催缴带来的。"
)
_AT_LEAST = (
    "Shares are of those whose days are over. A payment counts from when ivrd saw it, so the shares"
    " are the least that is certain: 'seen later' may have been paid in time."
)
_AT_LEAST_ZH = (
    "缴清率只计期限已过的用户。缴费时间以系统发现之时为准，因此是可以确定的最低值；"
    "“逾期后发现缴清”的用户也可能是期内缴费。"
)
REMARKS = ((_NOT_RANDOMISED, _NOT_RANDOMISED_ZH), (_AT_LEAST, _AT_LEAST_ZH))


def open_debts(tx: Connection, since: datetime) -> list[str]:
    """Return the accounts, of campaigns made after `since`, of which no payment was seen yet.

    Only of campaigns that were chosen from the billing data: it need not know those of a list.
    """
    t, c = targets.c, campaigns.c
    recent = select(c.id, c.settings).where(c.made_at >= since, c.kind == "dunning")
    chosen = [row.id for row in tx.execute(recent) if row.settings.get("choose") is not None]
    query = (
        select(t.account)
        .where(t.campaign.in_(chosen), t.paid_at.is_(None), t.state != TargetState.SETTLED)
        .distinct()
        .order_by(t.account)
    )
    return [account for (account,) in streamed(tx, query)]


def note_payments(tx: Connection, now: datetime, accounts: Sequence[str]) -> int:
    """Note that these accounts owe nothing any more; return how many debts that ends.

    What becomes of their targets stays the campaign's to say.
    """
    noted = 0
    for at in range(0, len(accounts), 500):
        some = accounts[at : at + 500]
        noted += tx.execute(
            update(targets)
            .where(targets.c.account.in_(some), targets.c.paid_at.is_(None))
            .values(paid_at=now)
        ).rowcount
    return noted


def effect(tx: Connection, which: Which, zone: tzinfo, *, days: int, now: datetime) -> Report:
    """Return who paid within `days` days, for those contacted, called in vain, and not called.

    The days of a debtor begin with the first effective contact, else with the first call, else
    with the start of the campaign; `which.since` and `which.until` go by this instant.
    """
    title = (f"Paid within {days} days", f"催缴效果分析（{days} 天内）")
    rows = _rows(tx, which, timedelta(days=days), now)
    return Report("effect", title, EFFECT_COLUMNS, rows, zone, REMARKS)


@dataclass(slots=True)
class _Group:
    debtors: int = 0
    owed_fen: int = 0
    too_early: int = 0
    judged_fen: int = 0
    paid: int = 0
    paid_fen: int = 0
    paid_later: int = 0
    unpaid: int = 0

    def count(self, owed_fen: int, ends: datetime, paid_at: datetime | None, now: datetime) -> None:
        """Count one debtor whose days end at `ends`."""
        self.debtors += 1
        self.owed_fen += owed_fen
        if now < ends:
            # even if paid already: else those who pay at once would count before those who do not
            self.too_early += 1
            return
        self.judged_fen += owed_fen
        if paid_at is None:
            self.unpaid += 1
        elif paid_at <= ends:
            self.paid += 1
            self.paid_fen += owed_fen
        else:
            self.paid_later += 1

    def row(self, campaign: str, name: str) -> Row:
        """Return the row of the report."""
        return (
            campaign, name, self.debtors, self.owed_fen, self.too_early,
            self.paid, _share(self.paid, self.debtors - self.too_early),
            self.paid_fen, _share(self.paid_fen, self.judged_fen), self.paid_later, self.unpaid,
        )  # fmt: skip


def _share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _rows(tx: Connection, which: Which, within: timedelta, now: datetime) -> Iterator[Row]:
    found: dict[str, dict[str, _Group]] = {}
    for row in streamed(tx, _query(which)):
        campaign, owed_fen, state, ended_at, seen_at, started_at, tried_at, reached_at, kept_at = (
            row
        )
        begins = reached_at or tried_at or started_at
        if (which.since and begins < which.since) or (which.until and begins >= which.until):
            continue
        settled_at = ended_at if state == TargetState.SETTLED else None
        paid_at = min((at for at in (settled_at, seen_at, kept_at) if at), default=None)
        name = "contacted" if reached_at else "tried" if tried_at else "not_called"
        groups = found.setdefault(campaign, {name: _Group() for name in GROUPS})
        groups[name].count(owed_fen, begins + within, paid_at, now)
    for campaign, groups in sorted(found.items()):
        yield from (group.row(campaign, name) for name, group in groups.items())


def _query(which: Which) -> Select[Any]:
    a, t, p = attempts.c, targets.c, promises.c
    first = select(a.target, func.min(a.began_at).label("at")).group_by(a.target)
    tried = first.where(a.outcome.is_not(None), a.outcome != Outcome.CANCELLED).subquery()
    # found settled before a word of the debt was spoken: no contact that could have helped
    reached = first.where(a.outcome.in_(EFFECTIVE - {Outcome.SETTLED})).subquery()
    kept = (
        select(p.account, p.campaign, func.min(p.closed_at).label("at"))
        .where(p.state == PromiseState.KEPT)
        .group_by(p.account, p.campaign)
        .subquery()
    )
    started = func.coalesce(campaigns.c.started_at, campaigns.c.made_at)
    wanted = [campaigns.c.kind == "dunning"]
    if which.campaign is not None:
        wanted.append(campaigns.c.name == which.campaign)
    return (
        select(
            campaigns.c.name, t.amount_fen, t.state, t.ended_at, t.paid_at, started,
            tried.c.at, reached.c.at, kept.c.at,
        )
        .join(campaigns, campaigns.c.id == t.campaign)
        .outerjoin(tried, tried.c.target == t.id)
        .outerjoin(reached, reached.c.target == t.id)
        .outerjoin(kept, and_(kept.c.account == t.account, kept.c.campaign == t.campaign))
        .where(*wanted)
        .order_by(t.id)
    )  # fmt: skip
