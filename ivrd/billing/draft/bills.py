"""Which tables are the bills, and what [bill] says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ivrd.billing.draft import codes, looks
from ivrd.billing.draft.accounts import Accounts, candidates
from ivrd.billing.draft.context import Context, is_old
from ivrd.billing.draft.counting import codes_told, gone_rows
from ivrd.billing.draft.findings import How, how_sure, merged, value_of
from ivrd.billing.draft.items import amount_value, unit_beside
from ivrd.billing.draft.links import Link
from ivrd.billing.draft.months import MonthAt
from ivrd.billing.draft.shapes import Shape, shape_of
from ivrd.billing.draft.survey import Col, Tab

_MOST_SHAPES = 24


class Place(NamedTuple):
    """How a row of a table tells its account and month: by a join where one has an alias."""

    account: Link
    alias: str | None
    join: tuple[str, Link] | None
    month: MonthAt | None
    month_alias: str | None


@dataclass
class Plan:
    """Tables for accounts and bills that fit together."""

    accounts: Accounts
    bill: Shape
    place: Place
    head: Shape | None = None
    head_place: Place | None = None
    score: float = 0.0


def shapes(at: Context) -> list[Shape]:
    """Return the tables that may be bills, the likeliest first."""
    found = []
    for tab in at.survey.tables.values():
        shape = shape_of(tab, at.roles)
        if shape is not None:
            shape.score -= 1.0 * is_old(at, tab)
            found.append(shape)
    return sorted(found, key=lambda shape: -shape.score)[:_MOST_SHAPES]


def plans(at: Context) -> list[Plan]:
    """Return the ways to read bills, the likeliest first."""
    able = shapes(at)
    found = list(_plans(at, able))
    return sorted(found, key=lambda plan: -plan.score)


def _plans(at: Context, able: list[Shape]) -> Iterator[Plan]:
    for shape in able:
        accounts_able = candidates(at, shape.table)[:3]
        if shape.layout == "narrow":
            for head in able:
                if head is not shape and _bill_link(at, shape.table, head.table):
                    known = {(one.table.name, one.id.name) for one in accounts_able}
                    accounts_able += [
                        one
                        for one in candidates(at, head.table)[:2]
                        if (one.table.name, one.id.name) not in known
                    ]
        for accounts in accounts_able:
            place = place_of(at, shape.table, accounts, shape.month, able)
            if place is None:
                continue
            plan = Plan(accounts, shape, place)
            plan.score = shape.score + 0.6 * accounts.score
            if shape.layout == "narrow":
                plan.score += _with_head(at, plan, able)
            elif shape.layout == "head":
                plan.score -= 1.5  # a bill of one sum, where there is nothing better
            yield plan


def place_of(
    at: Context, tab: Tab, accounts: Accounts, month: MonthAt | None, others: list[Shape]
) -> Place | None:
    """Return how rows of a table tell account and month, None where they cannot."""
    link = account_link(at, tab, accounts)
    if link and (month or tab.monthly):
        return Place(link, None, None, month, None)
    for other in others:
        beside = other.table
        if beside.name == tab.name or beside.monthly != tab.monthly:
            continue
        join = _bill_link(at, tab, beside)
        if join is None:
            continue
        far = account_link(at, beside, accounts)
        whole = link or far
        if whole and (month or other.month or tab.monthly):
            return Place(
                whole, None if link else "head", ("head", join), month or other.month,
                None if month or tab.monthly else "head",
            )  # fmt: skip
    return None


def account_link(at: Context, tab: Tab, accounts: Accounts) -> Link | None:
    """Return the column of a table that points at the account's id."""
    if tab.name == accounts.table.name:
        more = tuple((name, name) for name in accounts.ids[1:])
        return Link(accounts.id.name, tab.name, accounts.id.name, 1.0, "the same table", more)
    links = [link for link in at.links.between(tab, accounts.table) if link.to_all == accounts.ids]
    if links:
        return links[0]
    known = accounts.link
    if known and all(name in tab.columns for name in known.columns):
        # named as in the bills, though its values were not seen among the sampled accounts
        own = tab.columns[known.column]
        if own.numeric == accounts.id.numeric and own.kind != "date":
            return known._replace(score=0.5, why="named as in the bills")
    return None


def _bill_link(at: Context, narrow: Tab, head: Tab) -> Link | None:
    """Return the column by which a row of an item points at its bill."""
    for link in at.links.between(narrow, head):
        if head.once(link.to) and link.score >= 0.6:
            return link
    return None


def _with_head(at: Context, plan: Plan, able: list[Shape]) -> float:
    """Find the row per bill beside rows per item; return what that is worth."""
    best: tuple[float, Shape, Place] | None = None
    for head in able:
        if head is plan.bill or head.layout == "narrow" or head.total is None:
            continue
        if head.table.monthly != plan.bill.table.monthly and head.table.monthly:
            continue
        place = place_of(at, head.table, plan.accounts, head.month, [])
        if place is None or place.join:
            continue
        worth = head.score + (
            0.5 if plan.place.join and plan.place.join[1].table == head.table.name else 0.0
        )
        if best is None or worth > best[0]:
            best = worth, head, place
    if best is None or best[0] < 1.0:
        return 0.0
    plan.head, plan.head_place = best[1], best[2]
    return 0.5 + 0.3 * min(best[0], 2.0)


def say_place(at: Context, key: str, place: Place) -> None:
    """Say account and month of [bill], [bill.head] or [details]."""
    draft = at.draft
    if place.join:
        alias, join = place.join
        target = at.survey.tables[join.table]
        draft.say(f"{key}.join.{alias}.table", target.name, how_sure(join.score), join.why)
        draft.say(f"{key}.join.{alias}.on", {join.to: join.column}, how_sure(join.score))
    draft.say(
        f"{key}.account", place.account.value(place.alias), how_sure(place.account.score),
        place.account.why,
    )  # fmt: skip
    if place.month is not None:
        value, why = place.month.value(place.month_alias)
        score = place.month.score(at.roles)
        own = at.survey.tables[place.month.table]
        others = tuple(
            col.name for col in at.roles.ranked(own, "month") if col.name not in place.month.names
        )[:2]
        how: How = "guess" if not place.month.columns[0].held else how_sure(score, 0.6)
        draft.say(f"{key}.month", value, how, why, others=others)


def say_counting(
    at: Context, key: str, tab: Tab, place: Place, joined: tuple[str, ...] = ()
) -> None:
    """Say which bills count, where some were cancelled or made anew; of those `joined`, too."""
    if place.alias:
        return
    keys = [*place.account.columns, *(place.month.names if place.month else ())]
    paid = at.roles.best(tab, "paid")
    gone = gone_rows(at, tab, keys, [paid.name] if paid else [])
    if gone is not None:
        ask = f"which bills count? The others are {codes_told(gone.kept)}"
        where = (*key.split("."), "where", gone.column)
        at.draft.say(where, gone.condition, "guess", gone.why, decide=ask)
        if joined:
            at.draft.say(
                (*joined, "where", gone.column), gone.condition, "guess", "as of the bills"
            )
    elif not tab.once(*keys):
        at.draft.notes.append(
            f"{tab.name} has several rows for one account and month: say in [{key}] where"
            " which of them counts"
        )


def say_whole(at: Context, key: str, shape: Shape) -> None:
    """Say paid and due of a table with a row per bill; `say_total` says the total."""
    _say_paid(at, key, shape)
    tab = shape.table
    due = at.roles.best(tab, "due")
    if due is None:
        at.draft.say(f"{key}.due", None, "unknown", "no column looks like the day by which to pay")
        return
    pattern = None
    if due.kind not in {"date", "datetime"}:
        pattern = looks.written(due, looks.DAYS)
        pattern = None if pattern == "YYYY-MM-DD" else pattern
    why = f"written {pattern}" if pattern else "dates"
    at.draft.say(
        f"{key}.due", value_of(due.name, format=pattern), how_sure(at.roles.of(due, "due")), why
    )


def _say_paid(at: Context, key: str, shape: Shape) -> None:
    draft, roles, tab = at.draft, at.roles, shape.table
    paid_at = roles.best(tab, "paid_date")
    received, owed = shape.money.received, shape.money.owed
    shown: list[tuple[Col, str]] = []
    if paid_at is not None:
        shown.append((paid_at, "there"))
    if received is not None:
        shown.append((received, "some"))
    if owed is not None:
        shown.append((owed, "none"))
    order = shape.month.order if shape.month else tab.origins
    where = (*key.split("."), "where")
    gone = {found.key[-1] for found in draft.findings if found.key[:-1] == where}
    ranked = [col for col in roles.ranked(tab, "paid") if col.name not in gone]
    for col in ranked:
        words = roles.lexicon.words(col.name)
        inverted = "unpaid" in words and "paid" not in words
        flag = codes.flag_of(col, roles.lexicon, inverted=inverted, shown=shown, order=order)
        if flag is not None:
            others = tuple(one.name for one in ranked if one is not col)[:3]
            _say_flag(at, key, col, flag, others)
            return
    base = draft.data().get("unit", "yuan")
    if received is not None and (shape.total or shape.amount) is not None:
        said = {"amount": amount_value([(received, 1)], unit_beside(at, shape, received), base)}
        draft.say(f"{key}.paid", said, "guess", f"by what {received.name} has, beside the total")
    elif owed is not None:
        said = {"left": amount_value([(owed, 1)], unit_beside(at, shape, owed), base)}
        draft.say(f"{key}.paid", said, "guess", f"by what {owed.name} leaves to pay")
    elif paid_at is not None:
        draft.say(f"{key}.paid", {"date": paid_at.name}, "guess", "by a date of payment")
    else:
        why = "no column looks like it"
        if ranked:
            seen = ", ".join(sorted(ranked[0].distinct)[:8])
            why = f"{ranked[0].name} may be it, but not which of its codes ({seen}) mean yes"
        draft.say(f"{key}.paid", None, "unknown", why)


def _say_flag(at: Context, key: str, col: Col, flag: codes.Flag, others: tuple[str, ...]) -> None:
    said = merged(
        value_of(col.name), yes=codes.codes_of(col, flag.yes), no=codes.codes_of(col, flag.no)
    )
    ask = "do yes and no stand the right way round?"
    if flag.others:
        ask += f" Others, taken for not known: {', '.join(flag.others)}"
    sure = flag.score >= 0.85 and at.roles.of(col, "paid") >= 0.6
    at.draft.say(
        f"{key}.paid", said, "sure" if sure else "guess", flag.why, others=others,
        decide="" if sure and not flag.others else ask,
    )  # fmt: skip
