"""From a database that nobody has described to a draft of its mapping."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from sqlalchemy import Engine

from ivrd.billing.draft.accounts import say_account
from ivrd.billing.draft.bills import Plan, plans, say_counting, say_place, say_whole
from ivrd.billing.draft.calls import say_details
from ivrd.billing.draft.context import Context
from ivrd.billing.draft.extras import say_arrears, say_ready
from ivrd.billing.draft.findings import Draft, How
from ivrd.billing.draft.fitting import fit
from ivrd.billing.draft.items import say_wide
from ivrd.billing.draft.lexicon import lexicon
from ivrd.billing.draft.links import Links
from ivrd.billing.draft.naming import Names
from ivrd.billing.draft.narrow import say_narrow
from ivrd.billing.draft.roles import Roles
from ivrd.billing.draft.survey import MOST_TABLES, Survey, Tab
from ivrd.billing.draft.trade import names_for

_MOST_NAMED = 60

_TELLING: Mapping[str, tuple[str, ...]] = {
    "account": ("phone", "agreement", "password", "identity", "id"),
    "bill": ("month", "total", "paid", "due", "id"),
    "details": ("other_number", "seconds", "started", "area_code", "amount"),
    "arrears": ("owed", "owed_months", "due", "id"),
    "run": ("month", "state"),
    "items": ("code", "item_name", "amount", "id"),
}
"""For each kind of table the roles whose columns tell it by their names."""


def draft_mapping(
    engine: Engine, *, name: str = "drafted", zone: str = "Asia/Shanghai",
    schema: str | None = None, spoken: Collection[str] = (),
    trades: Mapping[str, Collection[str]] = MappingProxyType({}), trade: str | None = None,
) -> Draft:  # fmt: skip
    """Draft the mapping of the database behind `engine`.

    `spoken` are the codes of items that have a prompt, `trades` those that each trade has beside;
    `trade` is the one to speak with, else it is recognised. Raises what SQLAlchemy raises where the
    database cannot be reached; what it does not show, or not in time, is left out and told.
    """
    survey = Survey(engine, schema)
    roles = Roles(lexicon())
    draft = Draft(seen=survey.count)
    at = Context(survey, roles, Links(survey, roles), draft)
    draft.tables = list(survey.tables)[:_MOST_NAMED]
    looked = _worth_a_look(survey, roles)
    if len(looked) < len(survey.tables):
        draft.notes.append(
            f"of {len(survey.tables)} tables, the {len(looked)} whose names promise most were read"
        )
    survey.look_into(looked)
    if survey.silent:
        draft.notes.append(
            "could not be read, not allowed or not in time: " + ", ".join(survey.silent[:8])
        )
    draft.say("name", name, "sure", "your word for it")
    draft.say("zone", zone, "guess", "of the times in the database", decide="is it the database's?")
    if survey.schema:
        draft.say("schema", survey.schema, "sure", "the tables are there")
    able = plans(at)
    if not able:
        _say_nothing(at)
        return draft
    _say_plan(at, able[0], names_for(at, able[0], spoken, trades, trade))
    if draft.complete:
        fit(draft)
    _tell_others(draft, able)
    return draft


def _worth_a_look(survey: Survey, roles: Roles) -> list[Tab]:
    """Return the tables to read, those that names speak for first."""

    def promise(tab: Tab) -> float:
        def named(role: str) -> float:
            return max((roles.name(col, role) for col in tab.columns.values()), default=0.0)

        kinds = (roles.table(tab, kind) + sum(map(named, _TELLING[kind])) for kind in _TELLING)
        return max(kinds) + tab.monthly

    tabs = list(survey.tables.values())
    if len(tabs) <= MOST_TABLES:
        return tabs
    return sorted(tabs, key=lambda tab: -promise(tab))[:MOST_TABLES]


def _say_plan(at: Context, plan: Plan, names: Names) -> None:
    draft = at.draft
    say_account(at, plan.accounts)
    bill = plan.bill
    wide = bill.layout != "narrow"
    how: How = "sure" if bill.sum or not wide else "guess"
    if wide:
        draft.say("bill.layout", "wide", how, "a column per item")
    else:
        draft.say("bill.layout", "narrow", how, "a row per item")
    draft.say(
        "bill.table", bill.table.name, "sure" if plan.score > 3 else "guess", _why_bill(bill.table)
    )
    say_place(at, "bill", plan.place)
    if wide:
        say_counting(at, "bill", bill.table, plan.place)
        say_wide(at, bill, names)
        say_whole(at, "bill", bill)
    else:
        say_narrow(at, plan, names)
    say_ready(at, plan)
    base = next(f.value for f in draft.findings if f.key == ("unit",))
    say_details(at, plan, base)
    say_arrears(at, plan, base)


def _why_bill(tab: Tab) -> str:
    return (
        f"a table each month, {len(tab.reals)} so far"
        if tab.monthly
        else "account, month and amounts are there"
    )


def _tell_others(draft: Draft, able: list[Plan]) -> None:
    best = able[0]
    others = dict.fromkeys(
        plan.bill.table.name
        for plan in able[1:]
        if plan.score > best.score - 1.0 and plan.bill.table.name != best.bill.table.name
        and (best.head is None or plan.bill.table.name != best.head.table.name)
    )  # fmt: skip
    if others:
        draft.notes.append(f"bills might also be: {', '.join(list(others)[:4])}")
    accounts = dict.fromkeys(
        plan.accounts.table.name for plan in able
        if plan.bill is best.bill and plan.accounts.table.name != best.accounts.table.name
        and plan.accounts.score > best.accounts.score - 0.8
    )  # fmt: skip
    if accounts:
        draft.notes.append(f"accounts might also be in: {', '.join(list(accounts)[:4])}")


def _say_nothing(at: Context) -> None:
    """Say the account table where there is one, though no bills belong to it."""
    draft, roles = at.draft, at.roles
    draft.say("bill.layout", None, "unknown", "no table with account, month and amounts was found")
    best = max(
        at.survey.tables.values(),
        key=lambda tab: (
            roles.table(tab, "account")
            + sum(roles.of(col, "phone") for col in roles.ranked(tab, "phone")[:1])
        ),
        default=None,
    )  # fmt: skip
    phone = roles.best(best, "phone") if best else None
    key = roles.best(best, "id") if best else None
    if best is None or phone is None or key is None:
        draft.say("account.id", None, "unknown", "no table of accounts was found")
        return
    draft.say("account.table", best.name, "guess", "it has telephone numbers")
    draft.say(
        "account.id",
        {"column": key.name, "type": "integer"} if key.numeric else key.name,
        "guess",
        "its name says so",
    )
    draft.say(
        "account.phone",
        {"column": phone.name, "type": "integer"} if phone.numeric else phone.name,
        "guess",
        "its name says so",
    )
