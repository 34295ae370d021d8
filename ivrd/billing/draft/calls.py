"""Where calls are, which explain items of a bill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ivrd.billing.draft import looks
from ivrd.billing.draft.bills import Plan, place_of, say_place
from ivrd.billing.draft.context import Context, is_old
from ivrd.billing.draft.findings import how_sure, value_of
from ivrd.billing.draft.items import amount_value
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
    draft.say("details.table", tab.name, "guess", "it has numbers called, starts and lengths")
    say_place(at, "details", place)
    _say_order(at, tab, began)
    _say_of(at)
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
    _say_cost(at, tab, charge, base)


def _say_order(at: Context, tab: Tab, began: Mapping[str, str]) -> None:
    """Say when calls began, and what their order is."""
    roles, draft = at.roles, at.draft
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


def _say_of(at: Context) -> None:
    """Say which items calls explain: long distance, or else what is said of calls."""
    draft = at.draft
    items = [f.key[2] for f in draft.findings if f.key[:2] == ("bill", "items")]
    of = (
        [code for code in _CALLS[:-1] if code in items]
        or [c for c in _CALLS if c in items]
        or items[:1]
    )
    draft.say(
        "details.of",
        of,
        "guess",
        "items that calls explain",
        decide="which items do these calls explain?",
    )


def _say_cost(at: Context, tab: Tab, charge: Col, base: Unit) -> None:
    """Say what a call costs."""
    roles, draft = at.roles, at.draft
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
