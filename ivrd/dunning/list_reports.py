"""The debtors of a campaign, and the do-not-call list, as reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from sqlalchemy import Connection, case, select

from ivrd.dunning.columns import (
    SHEETS_ONLY,
    TARGET_STATES,
    WHY_LISTED,
    WIDE,
    Column,
    Kind,
    Private,
    Report,
)
from ivrd.dunning.reasons import REASONS
from ivrd.dunning.reports import streamed
from ivrd.store.states import OPEN_TARGETS, TargetState
from ivrd.store.tables import campaigns, do_not_call, targets

LISTED_COLUMNS = (
    Column("number", "number", "号码", private=Private.NUMBER),
    Column("why", "why", "原因", Kind.WORD, words=WHY_LISTED),
    Column("account", "not of account", "非此户号", private=Private.ACCOUNT, from_width=WIDE),
    Column("added_at", "since", "加入时间", Kind.INSTANT),
    Column("added_by", "by", "操作人"),
    Column("removed_at", "taken off", "移除时间", Kind.INSTANT, from_width=WIDE),
    Column("removed_by", "by", "移除人", from_width=WIDE),
)


def do_not_call_list(tx: Connection, zone: tzinfo, *, with_removed: bool = False) -> Report:
    """Return the numbers that nobody is to call; those taken off the list too, where asked for."""
    d = do_not_call.c
    query = select(
        d.number, d.why, d.account, d.added_at, d.added_by, d.removed_at, d.removed_by
    ).order_by(d.id)
    if not with_removed:
        query = query.where(d.removed_at.is_(None))
    return Report("dnc", ("Do not call", "免呼名单"), LISTED_COLUMNS, streamed(tx, query), zone)


TARGET_COLUMNS = (
    Column("account", "account", "户号", private=Private.ACCOUNT),
    Column("number", "number", "号码", private=Private.NUMBER),
    Column("others", "other numbers", "其他号码", private=Private.NUMBER, from_width=SHEETS_ONLY),
    Column("amount_fen", "owed", "欠费", Kind.MONEY),
    Column("months", "months", "欠费月数", Kind.NUMBER, from_width=WIDE),
    Column("due", "due", "截止日期", Kind.DAY, from_width=WIDE),
    Column("product", "product", "产品", from_width=SHEETS_ONLY),
    Column("group", "customer group", "客户类别", from_width=SHEETS_ONLY),
    Column("state", "state", "状态", Kind.WORD, words=TARGET_STATES),
    Column("why", "why", "原因", Kind.WORD, words=REASONS),
    Column("tries", "calls", "已呼叫次数", Kind.NUMBER),
    Column("next_at", "next call", "下次呼叫", Kind.INSTANT),
    Column("told_at", "told", "告知时间", Kind.INSTANT, from_width=SHEETS_ONLY),
    Column("paid_at", "paid", "发现缴清时间", Kind.INSTANT, from_width=SHEETS_ONLY),
)


def target_list(tx: Connection, campaign: str, zone: tzinfo, states: Sequence[str] = ()) -> Report:
    """Return the debtors of a campaign and how each stands; `states` leave out the others."""
    t = targets.c
    query = (
        select(
            t.account, t.numbers, t.amount_fen, t.months, t.due, t.product, t.customer_group,
            t.state, case((t.state == TargetState.WAITING, t.held), else_=t.why), t.tries,
            case((t.state.in_(OPEN_TARGETS), t.next_at), else_=None), t.told_at, t.paid_at,
        )
        .join(campaigns, campaigns.c.id == t.campaign)
        .where(campaigns.c.name == campaign)
        .order_by(t.id)
    )  # fmt: skip
    if states:
        query = query.where(t.state.in_(states))
    rows = (
        (row[0], row[1][0] if row[1] else None, "; ".join(row[1][1:]) or None, *row[2:])
        for row in streamed(tx, query)
    )
    return Report("debtors", ("Debtors", "催缴用户"), TARGET_COLUMNS, rows, zone)
