"""What stands beside bills: whether a month is ready, call details, and what is owed."""

from __future__ import annotations

from typing import Any

from ivrd.billing.draft import codes, looks
from ivrd.billing.draft.bills import Plan, account_link, place_of, say_place
from ivrd.billing.draft.context import Context, is_old
from ivrd.billing.draft.findings import how_sure, value_of
from ivrd.billing.draft.items import amount_value
from ivrd.billing.draft.links import Link
from ivrd.billing.draft.months import MonthAt, month_of
from ivrd.billing.draft.roles import LEAST
from ivrd.billing.draft.shapes import money_of
from ivrd.billing.draft.sums import unit_of
from ivrd.billing.draft.survey import Col, Tab
from ivrd.billing.values import Unit

_CALLS = (
    "long_distance",
    "operator_long_distance",
    "international_calls",
    "roaming",
    "local_calls",
)


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


def say_details(at: Context, plan: Plan, base: Unit) -> None:
    """Say where calls are, where there are any."""
    roles, draft = at.roles, at.draft
    best: tuple[float, Tab] | None = None
    for tab in at.survey.tables.values():
        seconds, started = roles.best(tab, "seconds"), roles.best(tab, "started")
        number = roles.best(tab, "other_number")
        if not (seconds and started and number) or tab.name == plan.bill.table.name:
            continue
        score = roles.table(tab, "details") + sum(
            roles.of(col, role)
            for col, role in ((seconds, "seconds"), (started, "started"), (number, "other_number"))
        ) - is_old(at, tab)  # fmt: skip
        if best is None or score > best[0]:
            best = score, tab
    if best is None:
        draft.say("details.table", None, "unknown", "no table of calls was found")
        return
    _say_calls(at, plan, best[1], base)


def _say_calls(at: Context, plan: Plan, tab: Tab, base: Unit) -> None:
    roles, draft = at.roles, at.draft
    began = _began(at, tab)
    month = month_of(tab, roles, list(began.values()))
    if month is None and not tab.monthly and began:
        col = tab.columns[began.get("started") or began["date"]]
        if col.kind in {"date", "datetime"} or looks.written(col, looks.SORTED_DAYS):
            month = MonthAt((col,))  # calls of a month are those that began in it
    place = place_of(at, tab, plan.accounts, month, [])
    charge = _charge(at, tab)
    seconds, number = roles.best(tab, "seconds"), roles.best(tab, "other_number")
    if place is None or charge is None or not began or seconds is None or number is None:
        draft.notes.append(
            f"{tab.name} seems to hold calls, but not all of account, month, start, length and"
            " charge were found"
        )
        return
    items = [f.key[2] for f in draft.findings if f.key[:2] == ("bill", "items")]
    of = (
        [code for code in _CALLS[:-1] if code in items]
        or [c for c in _CALLS if c in items]
        or items[:1]
    )
    draft.say("details.table", tab.name, "guess", "it has numbers called, starts and lengths")
    say_place(at, "details", place)
    for key, name in began.items():
        col = tab.columns[name]
        draft.say(
            f"details.{key}",
            _written(col, key),
            how_sure(roles.of(col, "started")),
            "its name and values say so",
        )
    serial = roles.best(tab, "serial")
    order = [
        *began.values(),
        *([serial.name] if serial and serial.name not in began.values() else []),
    ]
    draft.say("details.order", order, "guess" if serial is None else "sure", "oldest first",
              decide="" if serial else "what tells two calls of one second apart?")  # fmt: skip
    draft.say(
        "details.of",
        of,
        "guess",
        "items that calls explain",
        decide="which items do these calls explain?",
    )
    area = roles.best(tab, "area_code")
    draft.say(
        "details.area_code",
        value_of(area.name) if area else {"value": ""},
        "sure" if area else "guess",
        "its name says so" if area else "numbers called have no area code of their own",
    )
    draft.say(
        "details.other_number",
        value_of(number.name),
        how_sure(roles.of(number, "other_number")),
        "its name says so",
    )
    draft.say(
        "details.seconds",
        value_of(seconds.name),
        how_sure(roles.of(seconds, "seconds")),
        "its name says so",
        decide="is it seconds, not minutes?",
    )
    unit = unit_of(charge, roles)
    draft.say(
        "details.charge",
        amount_value([(charge, 1)], unit.unit, base),
        how_sure(unit.score),
        unit.why,
    )
    extra = roles.best(tab, "surcharge")
    if extra is not None and extra is not charge:
        draft.say(
            "details.surcharge",
            amount_value(
                [(extra, 1)],
                unit_of(extra, roles).unit if looks.decimals(extra) else unit.unit,
                base,
            ),
            "guess",
            "its name says so",
        )


def _charge(at: Context, tab: Tab) -> Col | None:
    """Return the column of what a call costs: so named, or the only one that may."""
    roles = at.roles
    able = [
        col
        for col in money_of(tab, roles).all
        if roles.of(col, "surcharge") < 0.6 and roles.of(col, "seconds") < LEAST
    ]
    ranked = sorted(able, key=lambda c: -max(roles.of(c, "amount"), roles.of(c, "total")))
    return ranked[0] if ranked else None


def _began(at: Context, tab: Tab) -> dict[str, str]:
    """Return the columns that tell when a call began: one, or date and time."""
    dates: list[str] = []
    for col in at.roles.ranked(tab, "started"):
        if col.kind == "datetime" or looks.written(col, looks.INSTANTS):
            return {"started": col.name}
        if col.kind == "date" or looks.written(col, looks.DAYS):
            dates.append(col.name)
    times = [
        col.name
        for col in at.roles.ranked(tab, "started")
        if col.name not in dates and (col.kind == "time" or looks.written(col, looks.TIMES))
    ]
    if not times:
        times = [
            col.name
            for col in tab.columns.values()
            if col.name not in dates
            and at.roles.name(col, "started") >= 0.4
            and looks.written(col, looks.TIMES)
        ]
    return {"date": dates[0], "time": times[0]} if dates and times else {}


def _written(col: Col, key: str) -> Any:
    usual = {"started": "YYYY-MM-DD hh:mm:ss", "date": "YYYY-MM-DD", "time": "hh:mm:ss"}[key]
    patterns = {"started": looks.INSTANTS, "date": looks.DAYS, "time": looks.TIMES}[key]
    if col.kind in {"datetime", "date", "time"}:
        return col.name
    pattern = looks.written(col, patterns)
    return value_of(col.name, format=None if pattern == usual else pattern)


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
