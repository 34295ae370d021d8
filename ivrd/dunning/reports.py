"""Reports on campaigns: queries on the store whose rows stream, oldest first.

Every function takes a connection and returns a `Report`; its rows are to be read while the
connection is open. Nothing is masked here: whoever shows a report masks it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Float,
    ScalarSelect,
    Select,
    case,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.sql import ColumnElement

from ivrd.dunning.columns import (
    CAMPAIGN_STATES,
    CLASSES,
    OUTCOMES,
    PROMISE_STATES,
    SHEETS_ONLY,
    TARGET_STATES,
    TASKS,
    WIDE,
    Column,
    Kind,
    Private,
    Report,
    Row,
)
from ivrd.dunning.reasons import REASONS
from ivrd.store.states import OPEN_TARGETS, TargetState
from ivrd.store.tables import (
    attempts,
    campaigns,
    debtors,
    promises,
    targets,
    worklist,
)

PAGE = 1000
"""Rows fetched at a time."""


@dataclass(frozen=True, slots=True)
class Which:
    """Which rows a report is to have; what is None or empty leaves nothing out.

    `since` is included, `until` is not. `number` is in E.164, `campaign` a campaign's name.
    """

    since: datetime | None = None
    until: datetime | None = None
    lines: Sequence[int] = ()
    number: str | None = None
    account: str | None = None
    outcomes: Sequence[str] = ()
    campaign: str | None = None


def streamed(tx: Connection, query: Select[Any]) -> Iterator[Row]:
    """Yield the rows of a query, a page in memory at a time."""
    with tx.execute(query, execution_options={"yield_per": PAGE}) as result:
        for row in result:
            yield tuple(row)


def _from_to(which: Which, at: ColumnElement[Any]) -> Iterator[ColumnElement[bool]]:
    if which.since is not None:
        yield at >= which.since
    if which.until is not None:
        yield at < which.until
    if which.campaign is not None:
        yield campaigns.c.name == which.campaign


CALL_COLUMNS = (
    Column("at", "time", "时间", Kind.INSTANT),
    Column("line", "line", "线路", Kind.NUMBER),
    Column("campaign", "campaign", "催缴任务"),
    Column("account", "account", "户号", private=Private.ACCOUNT, from_width=WIDE),
    Column("number", "number", "号码", private=Private.NUMBER),
    Column("outcome", "outcome", "结果", Kind.WORD, words=OUTCOMES),
    Column("cause", "cause", "原因", from_width=WIDE),
    Column("confirmed", "confirmed", "确认本人", Kind.YES_NO, from_width=WIDE),
    Column("heard_percent", "heard", "收听比例", Kind.PERCENT),
    Column("lasted_s", "lasted", "时长", Kind.SECONDS),
    Column("notes", "keys", "按键记录", Kind.WORDS, from_width=WIDE),
    Column("answered", "answered", "接通", Kind.YES_NO, from_width=SHEETS_ONLY),
    Column("heard_s", "heard (s)", "收听秒数", Kind.SECONDS, from_width=SHEETS_ONLY),
    Column("caller_id", "caller id", "主叫号码", from_width=SHEETS_ONLY),
    Column("card", "card", "板卡", from_width=SHEETS_ONLY),
    Column("node", "node", "节点", from_width=SHEETS_ONLY),
    Column("call", "call", "通话编号", from_width=SHEETS_ONLY),
    Column("attempt", "attempt", "呼叫编号", from_width=SHEETS_ONLY),
)


def calls(tx: Connection, which: Which, zone: tzinfo) -> Report:
    """Return the attempts: when, on which line, to whom, what came of it and how much was heard.

    An attempt under way has no outcome yet.
    """
    a = attempts.c
    query = (
        select(
            a.began_at, a.line, campaigns.c.name, a.account, a.number, a.outcome, a.cause,
            a.confirmed, _if_answered(a.heard_percent), a.lasted_s, a.notes, a.answered,
            _if_answered(a.heard_s),
            a.caller_id, a.card, a.node, a.call, a.id,
        )
        .join(campaigns, campaigns.c.id == a.campaign)
        .where(*_from_to(which, a.began_at), *_of_attempts(which))
        .order_by(a.began_at, a.id)
    )  # fmt: skip
    return Report("calls", ("Calls", "呼叫记录"), CALL_COLUMNS, streamed(tx, query), zone)


def _if_answered(heard: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return how much was heard, nothing where nobody could hear."""
    return case((attempts.c.answered, heard), else_=None)


def _of_attempts(which: Which) -> Iterator[ColumnElement[bool]]:
    a = attempts.c
    if which.lines:
        yield a.line.in_(which.lines)
    if which.number is not None:
        yield a.number == which.number
    if which.account is not None:
        yield a.account == which.account
    if which.outcomes:
        yield a.outcome.in_(which.outcomes)


PROGRESS_COLUMNS = (
    Column("campaign", "campaign", "催缴任务"),
    Column(
        "campaign_state", "state", "任务状态", Kind.WORD, words=CAMPAIGN_STATES, from_width=WIDE
    ),
    Column("state", "debtors", "用户状态", Kind.WORD, words=TARGET_STATES),
    Column("why", "why", "原因", Kind.WORD, words=REASONS),
    Column("count", "count", "户数", Kind.NUMBER),
    Column("share", "share", "占比", Kind.PERCENT),
    Column("amount_fen", "owed", "欠费", Kind.MONEY),
    Column("next_at", "next call", "最早下次呼叫", Kind.INSTANT),
)


def progress(tx: Connection, which: Which, zone: tzinfo) -> Report:
    """Return how far campaigns are: their debtors counted by state and, where it ended, by why.

    `next_at` is the earliest instant at which one of those who wait may be called.
    """
    t = targets.c
    reason = case(
        (t.state == TargetState.WAITING, t.held),
        else_=case((t.state.in_(OPEN_TARGETS), None), else_=t.why),
    )
    whole = select(t.campaign, func.count().label("whole")).group_by(t.campaign).subquery()
    earliest = case((t.state.in_(OPEN_TARGETS), t.next_at), else_=None)
    query = (
        select(
            campaigns.c.name, campaigns.c.state, t.state, reason, func.count(),
            cast(100.0 * func.count() / whole.c.whole, Float),
            cast(func.sum(t.amount_fen), BigInteger), func.min(earliest),
        )
        .join(campaigns, campaigns.c.id == t.campaign)
        .join(whole, whole.c.campaign == t.campaign)
        .where(*_from_to(Which(campaign=which.campaign), campaigns.c.made_at))
        .group_by(campaigns.c.name, campaigns.c.state, t.state, reason, whole.c.whole)
        .order_by(campaigns.c.name, func.count().desc(), t.state)
    )  # fmt: skip
    return Report("campaign", ("Progress", "任务进度"), PROGRESS_COLUMNS, streamed(tx, query), zone)


@dataclass(frozen=True, slots=True)
class Standing:
    """How one campaign stands: its debtors by state, why some were left out, and what it waits for.

    `next_at` is the earliest instant at which one who waits may be called; None where none waits.
    """

    name: str
    kind: str
    state: str
    made_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    chosen_at: datetime | None
    posted_at: datetime | None
    waits_for: str | None
    debtors: dict[str, int]
    reasons: dict[str, dict[str, int]]
    """By the state in which they ended."""
    outcomes: dict[str, int]
    owed_fen: int
    next_at: datetime | None

    @property
    def whole(self) -> int:
        """How many debtors there are."""
        return sum(self.debtors.values())

    @property
    def left(self) -> int:
        """How many of them keep the campaign from being done."""
        return sum(self.debtors.get(state, 0) for state in OPEN_TARGETS)


def standings(tx: Connection, name: str | None = None) -> list[Standing]:
    """Return how campaigns stand, the latest first; with `name`, that one alone."""
    query = select(campaigns).order_by(campaigns.c.made_at.desc(), campaigns.c.id.desc())
    if name is not None:
        query = query.where(campaigns.c.name == name)
    return [_standing(tx, row) for row in tx.execute(query).all()]


def _standing(tx: Connection, row: Any) -> Standing:
    t, a = targets.c, attempts.c
    mine = t.campaign == row.id
    by_state = tx.execute(
        select(t.state, func.count(), func.sum(t.amount_fen)).where(mine).group_by(t.state)
    ).all()
    reasons: dict[str, dict[str, int]] = {}
    for state, why, count in tx.execute(
        select(t.state, t.why, func.count())
        .where(mine, t.why.is_not(None), t.state.not_in(OPEN_TARGETS))
        .group_by(t.state, t.why)
    ):
        reasons.setdefault(state, {})[str(why)] = count
    outcomes = tx.execute(
        select(a.outcome, func.count())
        .where(a.campaign == row.id, a.outcome.is_not(None))
        .group_by(a.outcome)
    )
    later = (TargetState.WAITING, TargetState.PROMISED)
    next_at = tx.scalar(select(func.min(t.next_at)).where(mine, t.state.in_(later)))
    return Standing(
        row.name, row.kind, row.state, row.made_at, row.started_at, row.ended_at,
        row.chosen_at, row.posted_at, row.waits_for,
        {state: count for state, count, _ in by_state}, reasons,
        {str(outcome): int(count) for outcome, count in outcomes},
        sum(int(owed) for _, _, owed in by_state), next_at,
    )  # fmt: skip


PROMISE_COLUMNS = (
    Column("account", "account", "户号", private=Private.ACCOUNT),
    Column("campaign", "campaign", "催缴任务"),
    Column("amount_fen", "amount", "金额", Kind.MONEY),
    Column("made_at", "made", "承诺时间", Kind.INSTANT),
    Column("pay_by", "pay by", "承诺日期", Kind.DAY),
    Column("state", "state", "状态", Kind.WORD, words=PROMISE_STATES),
    Column("reminded_at", "reminded", "提醒时间", Kind.INSTANT, from_width=WIDE),
    Column("closed_at", "closed", "结束时间", Kind.INSTANT, from_width=WIDE),
    Column("attempt", "attempt", "呼叫编号", from_width=SHEETS_ONLY),
)


def promise_list(tx: Connection, which: Which, zone: tzinfo, states: Sequence[str] = ()) -> Report:
    """Return the promises to pay and what became of them; `states` leave out the others."""
    p = promises.c
    wanted = [*_from_to(which, p.made_at)]
    if states:
        wanted.append(p.state.in_(states))
    if which.account is not None:
        wanted.append(p.account == which.account)
    query = (
        select(
            p.account, campaigns.c.name, p.amount_fen, p.made_at, p.pay_by, p.state,
            p.reminded_at, p.closed_at, p.attempt,
        )
        .outerjoin(campaigns, campaigns.c.id == p.campaign)
        .where(*wanted)
        .order_by(p.pay_by, p.id)
    )  # fmt: skip
    return Report(
        "promises", ("Promises to pay", "缴费承诺"), PROMISE_COLUMNS, streamed(tx, query), zone
    )


WORK_COLUMNS = (
    Column("id", "no.", "序号", Kind.NUMBER),
    Column("due", "due", "截止日期", Kind.DAY),
    Column("task", "task", "催缴事项", Kind.WORD, words=TASKS),
    Column("account", "account", "户号", private=Private.ACCOUNT),
    Column("number", "number", "号码", private=Private.NUMBER, from_width=WIDE),
    Column("class", "class", "用户分类", Kind.WORD, words=CLASSES, from_width=WIDE),
    Column("amount_fen", "owed", "欠费", Kind.MONEY),
    Column("months", "months", "欠费月数", Kind.NUMBER, from_width=SHEETS_ONLY),
    Column("owner", "owner", "经办人"),
    Column("text", "note", "说明", private=Private.TEXT, from_width=WIDE),
    Column("campaign", "campaign", "催缴任务", from_width=SHEETS_ONLY),
    Column("tries", "calls", "已呼叫次数", Kind.NUMBER, from_width=SHEETS_ONLY),
    Column("made_at", "since", "登记时间", Kind.INSTANT, from_width=SHEETS_ONLY),
    Column("done_at", "done", "完成时间", Kind.INSTANT, from_width=WIDE),
    Column("done_by", "signed by", "签字", from_width=WIDE),
    Column("result", "result", "处理结果", private=Private.TEXT, from_width=WIDE),
)


def _latest_target() -> ScalarSelect[int]:
    """Return the debtor's latest target, of the entry's campaign where it came from one."""
    t = targets.alias("of_account")
    of_campaign = or_(worklist.c.campaign.is_(None), t.c.campaign == worklist.c.campaign)
    return (
        select(func.max(t.c.id))
        .where(t.c.account == worklist.c.account, of_campaign)
        .correlate(worklist)
        .scalar_subquery()
    )


def work(
    tx: Connection, which: Which, zone: tzinfo, *,
    with_done: bool = False, due_until: date | None = None, owner: str | None = None,
) -> Report:  # fmt: skip
    """Return the worklist (催缴记录表): what people are to do, by when, and who signed it off.

    `which` goes by the instant at which an entry was made; `due_until` is included.
    """
    w, t = worklist.c, targets.c
    wanted = [*_from_to(which, w.made_at)]
    if not with_done:
        wanted.append(w.done_at.is_(None))
    if due_until is not None:
        wanted.append(w.due <= due_until)
    if owner is not None:
        wanted.append(w.owner == owner)
    if which.account is not None:
        wanted.append(w.account == which.account)
    query = (
        select(
            w.id, w.due, w.task, w.account, t.numbers, debtors.c["class"], t.amount_fen, t.months,
            w.owner, w.text, campaigns.c.name, t.tries, w.made_at, w.done_at, w.done_by, w.result,
        )
        .outerjoin(campaigns, campaigns.c.id == w.campaign)
        .outerjoin(targets, t.id == _latest_target())
        .outerjoin(debtors, debtors.c.account == w.account)
        .where(*wanted)
        .order_by(w.due, w.id)
    )  # fmt: skip
    rows = ((*row[:4], row[4][0] if row[4] else None, *row[5:]) for row in streamed(tx, query))
    return Report("worklist", ("Worklist", "催缴记录表"), WORK_COLUMNS, rows, zone)
