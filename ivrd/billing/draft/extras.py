"""What stands beside bills: whether a month is ready, and what is owed."""

from __future__ import annotations

from ivrd.billing.draft import codes, looks
from ivrd.billing.draft.bills import Plan, account_link
from ivrd.billing.draft.context import Context, is_old
from ivrd.billing.draft.findings import how_sure, value_of
from ivrd.billing.draft.items import amount_value
from ivrd.billing.draft.links import Link
from ivrd.billing.draft.months import MonthAt, month_of
from ivrd.billing.draft.sums import unit_of
from ivrd.billing.draft.survey import Col, Tab
from ivrd.billing.values import Unit


def say_ready(at: Context, plan: Plan) -> None:
    """Say by which table a month is known to be ready, or that any bill of it will do."""
    draft, roles = at.draft, at.roles
    best: tuple[float, Tab, MonthAt] | None = None
    taken = {plan.bill.table.name, plan.accounts.table.name}
    for tab in at.survey.tables.values():
        month = month_of(tab, roles)
        named = roles.table(tab, "run")
        if month is None or tab.name in taken or named < 0.4 or is_old(at, tab):
            continue
        if not tab.once(*month.names) or account_link(at, tab, plan.accounts):
            continue
        if roles.best(tab, "phone") or not tab.rows:
            continue
        score = named + month.score(roles) + 0.4 * bool(roles.best(tab, "state"))
        if best is None or score > best[0]:
            best = score, tab, month
    if best is None:
        draft.say("bill.ready.by", "any-bill", "guess", "no table of bill runs was found",
                  decide="may a bill be spoken as soon as it is there?")  # fmt: skip
        return
    score, tab, month = best
    draft.say("bill.ready.by", "run", how_sure(score, 1.5), f"{tab.name} has a row for each month")
    draft.say("bill.ready.table", tab.name, how_sure(score, 1.5))
    value, why = month.value()
    draft.say("bill.ready.month", value, how_sure(score, 1.5), why)
    _say_done(at, tab, month)


def _say_done(at: Context, tab: Tab, month: MonthAt) -> None:
    """Say which state of a bill run means that it is done: by its code, or as the oldest has it."""
    for col in [*at.roles.ranked(tab, "state"), *at.roles.ranked(tab, "paid")]:
        if not looks.few(col, 8) or col.kind == "bool" or col in month.columns:
            continue
        meanings = codes.explained(col.comment)
        lexicon = at.roles.lexicon
        seen = sorted({*col.distinct, *meanings})
        done = [code for code in seen if code in meanings and lexicon.says("done", meanings[code])]
        why = "the comment says so"
        if not done:
            dated = sorted(
                (m, str(v).strip())
                for m, v in zip(month.order, col.values, strict=True)
                if m is not None and v is not None
            )
            done = [dated[0][1]] if dated else []
            why = "the oldest run has it"
        if done:
            left = ", ".join(code for code in seen if code not in done)
            others = f" Others: {left}" if left else ""
            at.draft.say(
                ("bill", "ready", "where", col.name), codes.codes_of(col, done), "guess", why,
                decide="does it mean that the bills are final?" + others,
            )  # fmt: skip
            return


def say_arrears(at: Context, plan: Plan, base: Unit) -> None:
    """Say who owes what: by a table of it, or out of the bills that are not paid."""
    draft, roles = at.draft, at.roles
    best: tuple[float, Tab, Col, Link] | None = None
    taken = {
        plan.bill.table.name,
        plan.accounts.table.name,
        plan.head.table.name if plan.head else "",
    }
    for tab in at.survey.tables.values():
        named = roles.table(tab, "arrears")
        if named < 0.4 or tab.name in taken or tab.monthly or is_old(at, tab):
            continue
        amount = _owed(at, tab)
        link = account_link(at, tab, plan.accounts)
        if amount is None or link is None:
            continue
        score = named + link.score
        if best is None or score > best[0]:
            best = score, tab, amount, link
    if best is not None:
        _say_owed(at, best[1], best[2], best[3], base)
        return
    head = "bill.head" if plan.head is not None else "bill"
    if not draft.has(f"{head}.paid") or (head == "bill.head" and not draft.has("bill.head.total")):
        draft.say(
            "arrears.by",
            None,
            "unknown",
            "no table of arrears, and no bills that tell what is paid",
        )
        return
    draft.say("arrears.by", "unpaid-bills", "guess", "no table of arrears: bills that are not paid")
    if not draft.has(f"{head}.due"):
        draft.say("arrears.past_due", False, "guess", "no day by which to pay was found")


def _owed(at: Context, tab: Tab) -> Col | None:
    roles = at.roles
    able = [
        (
            max(roles.of(col, "owed"), 0.9 * roles.of(col, "total"), 0.8 * roles.of(col, "amount")),
            col,
        )
        for col in tab.columns.values()
    ]
    able = [one for one in able if one[0] > 0.4 and looks.is_money(one[1])]
    return max(able, key=lambda one: one[0])[1] if able else None


def _say_owed(at: Context, tab: Tab, amount: Col, account: Link, base: Unit) -> None:
    draft, roles = at.draft, at.roles
    draft.say("arrears.table", tab.name, "guess", "its name says so")
    draft.say("arrears.account", account.value(), "sure", "it points at the accounts")
    unit = unit_of(amount, roles)
    draft.say(
        "arrears.amount",
        amount_value([(amount, 1)], unit.unit, base),
        how_sure(unit.score),
        unit.why,
    )
    months = roles.best(tab, "owed_months")
    month = month_of(tab, roles, [months.name] if months else [])
    if months is not None and months is not amount:
        draft.say(
            "arrears.months",
            value_of(months.name),
            how_sure(roles.of(months, "owed_months")),
            "a count of months",
        )
    elif month is not None:
        value, why = month.value()
        draft.say("arrears.month", value, how_sure(month.score(roles), 0.6), why)
    due = roles.best(tab, "due")
    if due is not None:
        pattern = None if due.kind in {"date", "datetime"} else looks.written(due, looks.DAYS)
        draft.say(
            "arrears.due",
            value_of(due.name, format=None if pattern == "YYYY-MM-DD" else pattern),
            "guess",
            "its name says so",
        )
    for role in ("product", "group"):
        col = roles.best(tab, role)
        if col is not None and roles.of(col, role) >= 0.6:
            draft.say(
                f"arrears.{role}",
                value_of(col.name),
                how_sure(roles.of(col, role)),
                "its name says so",
            )
