"""What a table of bills is made of: a column per item, a row per item, or a row per bill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ivrd.billing.draft import looks
from ivrd.billing.draft.months import MonthAt, month_of
from ivrd.billing.draft.roles import LEAST, Roles, told_by
from ivrd.billing.draft.sums import Sum, adds_up
from ivrd.billing.draft.survey import Col, Tab

_MOST_TRIED = 4


@dataclass
class Money:
    """The columns of a table that hold money, by what they are for."""

    totals: list[Col] = field(default_factory=list)
    items: list[Col] = field(default_factory=list)
    maybe: list[Col] = field(default_factory=list)
    minus: list[Col] = field(default_factory=list)
    received: Col | None = None
    owed: Col | None = None

    @property
    def all(self) -> list[Col]:
        """Those that say what is charged."""
        whole = [*self.totals, *self.items, *self.maybe]
        return list({col.name: col for col in whole}.values())


@dataclass
class Shape:
    """How bills stand in a table."""

    table: Tab
    layout: Literal["wide", "narrow", "head"]
    month: MonthAt | None
    money: Money
    total: Col | None = None
    sum: Sum | None = None
    items: list[Col] = field(default_factory=list)
    code: Col | None = None
    amount: Col | None = None
    score: float = 0.0


def money_of(tab: Tab, roles: Roles, besides: Sequence[str] = ()) -> Money:
    """Sort the columns that hold money."""
    found = Money()
    lexicon = roles.lexicon
    keys = {name for name, _, _ in tab.refers}
    for col in tab.columns.values():
        known = col.name in keys or col.name in besides
        if not looks.is_money(col) or known or _is_key(col, tab, roles):
            continue
        if col.distinct and col.distinct <= {"0", "1"} and roles.name(col, "amount") < LEAST:
            continue  # a flag
        for_total, received = roles.of(col, "total"), roles.of(col, "paid_amount")
        owed, other = roles.of(col, "owed"), roles.name(col, "not_item")
        item = lexicon.item(told_by(col)) if col.comment else None
        item = item or lexicon.item(col.name)
        if roles.of(col, "discount") >= 0.55 and roles.of(col, "discount") > for_total:
            found.minus.append(col)
        elif received > max(for_total, 0.55):
            found.received = found.received or col
        elif owed > max(for_total, 0.55):
            found.owed = found.owed or col
        elif for_total >= 0.62:
            found.totals.append(col)
        elif item is not None and other < 0.75:
            (found.maybe if item.codes[0] in _AT_TIMES else found.items).append(col)
        elif other < 0.6 or "previous" in lexicon.words(col.name):
            found.maybe.append(col)
            if for_total >= LEAST:
                found.totals.append(col)
    found.totals.sort(key=lambda col: -roles.of(col, "total"))
    return found


_AT_TIMES = {"late_fee", "tax", "previous_balance"}
"""Items that some totals have in them and others do not."""


def _is_key(col: Col, tab: Tab, roles: Roles) -> bool:
    if col.kind == "decimal" and looks.decimals(col):
        return False
    named = max(
        roles.of(col, role)
        for role in ("id", "month", "phone", "serial", "state", "paid", "code", "owed_months")
    )
    money = max(roles.name(col, role) for role in ("total", "amount", "owed", "paid_amount"))
    in_key = any(once and col.name in key for key, once in tab.keys)
    return in_key or (named >= 0.6 and named > money)


def shape_of(tab: Tab, roles: Roles) -> Shape | None:
    """Return how bills may stand in a table, None where they cannot."""
    month = month_of(tab, roles)
    money = money_of(tab, roles, month.names if month else ())
    shape = Shape(tab, "head", month, money)
    _find_total(shape)
    code = next((col for col in roles.ranked(tab, "code") if _codes_repeat(tab, col)), None)
    if code is not None:
        amount = _amount(roles, money, code)
        if amount is not None and (shape.sum is None or len(shape.items) < 2):
            shape.layout, shape.code, shape.amount = "narrow", code, amount
            shape.score = _score(shape, roles)
            return shape
    if month is None and not tab.monthly:
        return None
    if len(shape.items) > 1 or (shape.items and shape.total is None):
        shape.layout = "wide"
    elif shape.total is None:
        return None
    shape.score = _score(shape, roles)
    return shape


def _find_total(shape: Shape) -> None:
    """Find the total that items add up to; without one, what names alone say."""
    money = shape.money
    for total in money.totals[:_MOST_TRIED]:
        parts = [col for col in money.items if col is not total]
        maybe = [
            col for col in (*money.maybe, *money.totals) if col is not total and col not in parts
        ]
        maybe = list({col.name: col for col in maybe}.values())[:8]
        found = adds_up(total, parts[:16], maybe, money.minus)
        if found and len(found.items) > 1:
            shape.total, shape.sum = total, found
            shape.items = [shape.table.columns[name] for name in found.items]
            order = list(shape.table.columns)
            shape.items.sort(key=lambda col: order.index(col.name))
            return
    shape.total = money.totals[0] if money.totals else None
    if not money.totals and len(money.items) + len(money.maybe) > 3:
        _find_unnamed_total(shape)
    if shape.sum is None:
        shape.items = [col for col in (*money.items, *money.minus) if col is not shape.total]
        if not shape.items and shape.total is None:
            shape.items = money.maybe[:1]


def _find_unnamed_total(shape: Shape) -> None:
    every = [*shape.money.items, *shape.money.maybe]
    for total in reversed(every):
        found = adds_up(
            total, [col for col in every if col is not total][:14], (), shape.money.minus
        )
        if found and len(found.items) > 2:
            shape.total, shape.sum = total, found
            shape.items = [shape.table.columns[name] for name in found.items]
            return


def _codes_repeat(tab: Tab, code: Col) -> bool:
    if not code.held:
        return False
    return (
        len(code.distinct) <= 80
        and (len(code.held) >= 2 * len(code.distinct) or tab.whole)
        and not tab.unique(code.name)
    )


def _amount(roles: Roles, money: Money, code: Col) -> Col | None:
    able = [*money.totals, *money.items, *money.maybe]
    ranked = sorted(
        {col.name: col for col in able if col is not code}.values(),
        key=lambda col: -max(roles.of(col, "amount"), roles.of(col, "total")),
    )
    return ranked[0] if ranked else None


def _score(shape: Shape, roles: Roles) -> float:
    """Return how much a table looks like bills."""
    tab = shape.table
    score = roles.table(tab, "bill")
    score += 0.8 if tab.monthly else (shape.month.score(roles) if shape.month else -0.2)
    score += 0.4 if shape.total else 0.0
    score += 0.1 * min(len(shape.items), 5) + (0.6 if shape.sum else 0.0)
    score += 0.3 * any(roles.best(tab, role) for role in ("paid", "due"))
    score -= 0.8 * max(roles.table(tab, "payments"), roles.table(tab, "arrears"))
    score -= 1.0 if roles.best(tab, "seconds") and roles.best(tab, "started") else 0.0
    score -= 0.4 if tab.rows == 0 else 0.0
    score -= 0.5 if tab.view else 0.0
    return score
