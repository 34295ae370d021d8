"""Items held against the totals of their bills: their unit, which rows count, with what sign."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from ivrd.billing.draft import looks
from ivrd.billing.draft.bills import Plan
from ivrd.billing.draft.context import Context
from ivrd.billing.draft.sums import whole
from ivrd.billing.draft.survey import Col, Tab
from ivrd.billing.month_tables import months_among, of_month

_BILLS = 24
_RATIOS = ((1, 1), (1, 100), (100, 1), (1, 10), (10, 1), (1, 1000), (1000, 1))
_ENOUGH = 0.9
_SLACK = 200
"""Millionths by which sums of binary fractions may miss."""

Coded = tuple[str, tuple[str, ...]]
"""A column, and some of its codes."""


class Proof(NamedTuple):
    """That items make totals: how many of a total's unit theirs is, and which rows count."""

    times: tuple[int, int]
    minus: tuple[str, ...]
    """Columns of amounts that are taken off."""
    without: Coded | None
    """Rows that do not count."""
    negative: Coded | None
    """Rows whose amounts are taken off."""
    part: float
    """Of the bills that were tried."""


class _Bills(NamedTuple):
    """The bills that are tried: possible totals of each, and its items."""

    totals: Mapping[tuple[str, ...], set[int]]
    items: Mapping[tuple[str, ...], list[Mapping[str, Any]]]
    amount: str

    def part(
        self, times: tuple[int, int], minus: Sequence[str], without: Coded | None,
        negative: Coded | None,
    ) -> float:  # fmt: skip
        """Return for how many of the bills the items make a total."""
        right = 0
        for key, rows in self.items.items():
            made = 0
            for row in rows:
                if without and _code(row[without[0]]) in without[1]:
                    continue
                amount = whole(row[self.amount]) - sum(whole(row[name]) for name in minus)
                off = negative and _code(row[negative[0]]) in negative[1]
                made += -amount if off else amount
            made = made * times[0] // times[1]
            right += any(abs(made - total) <= _SLACK for total in self.totals[key])
        return right / len(self.items)


def proof(at: Context, plan: Plan) -> Proof | None:
    """Hold the items of some bills against their totals; the total that they make is kept."""
    head = plan.head
    if head is None or head.total is None:
        return None
    best: tuple[Proof, Col] | None = None
    for total in head.money.totals[:3] or [head.total]:
        found = _proof_of(at, plan, total)
        if found and (best is None or found.part > best[0].part):
            best = found, total
    if best is None:
        return None
    head.total = best[1]
    return best[0]


def _proof_of(at: Context, plan: Plan, total: Col) -> Proof | None:
    coded = _coded(at, plan)
    bills = _read(at, plan, total, coded)
    if bills is None:
        return None
    minus = tuple(col.name for col in plan.bill.money.minus)
    plain = [
        Proof(times, off, None, None, bills.part(times, off, None, None))
        for off in dict.fromkeys([minus, ()])
        for times in _RATIOS
    ]
    best = max(plain, key=lambda one: one.part)
    if best.part < 1.0:
        for without in (None, *_some_codes(coded)):
            for negative in (None, *_some_codes(coded)):
                if without and negative and without[0] == negative[0]:
                    continue
                part = bills.part(best.times, best.minus, without, negative)
                # what needs more words must explain more bills
                if part > best.part + 0.01:
                    best = Proof(best.times, best.minus, without, negative, part)
    return best if best.part >= _ENOUGH else None


def _coded(at: Context, plan: Plan) -> list[Col]:
    """Return the columns of items that may say that a row does not count, or is taken off."""
    shape = plan.bill
    known = {col.name for col in (shape.amount, shape.code) if col}
    names = {
        *known,
        *plan.place.account.columns,
        *(plan.place.month.names if plan.place.month else ()),
    }
    able = [
        col
        for col in shape.table.columns.values()
        if col.name not in names and 1 < len(col.distinct) <= 6 and looks.few(col, 6)
    ]
    return sorted(able, key=lambda col: -at.roles.of(col, "state"))[:4]


def _some_codes(coded: Sequence[Col]) -> Iterator[Coded]:
    for col in coded:
        listed = sorted(col.distinct)
        for size in (1, 2):
            for some in combinations(listed, size):
                if len(some) < len(listed):
                    yield col.name, some


def _read(at: Context, plan: Plan, total: Col, coded: Sequence[Col]) -> _Bills | None:
    """Read the items of some bills, and their totals."""
    keys, head, shape = _keys(plan), plan.head, plan.bill
    if keys is None or head is None or shape.amount is None:
        return None
    head_keys, item_keys = keys
    real = _same_month(shape.table, head.table)
    firsts = _telling(shape.table, item_keys[0], coded, real)
    totals: dict[tuple[str, ...], set[int]] = defaultdict(set)
    names = [*head_keys, total.name]
    for row in at.survey.rows_where(head.table, names, head_keys[0], firsts, real):
        if None not in row:
            totals[tuple(map(_code, row[:-1]))].add(whole(row[-1]))
    minus = [col.name for col in shape.money.minus]
    wanted = [*item_keys, shape.amount.name, *minus, *(col.name for col in coded)]
    items: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in at.survey.rows_where(shape.table, wanted, item_keys[0], firsts):
        key = tuple(map(_code, row[: len(item_keys)]))
        if key in totals:
            items[key].append(dict(zip(wanted, row, strict=True)))
    if len(items) < min(2, len(totals)) or not items:
        return None
    return _Bills(totals, items, shape.amount.name)


def _same_month(items: Tab, heads: Tab) -> str | None:
    """Return the table of bills of the month whose items are read."""
    if not heads.monthly:
        return None
    month = next(iter(months_among(items.name, [items.real])), None)
    real = of_month(heads.name, month) if month else None
    return real if real in heads.reals else None


def _telling(items: Tab, key: str, coded: Sequence[Col], real: str | None) -> list[Any]:
    """Return some values of a key: of rows with each code, then of any."""
    del real
    keys = items.columns[key].values
    found: dict[Any, None] = {}
    for col in coded:
        for code in sorted(col.distinct):
            rows = zip(keys, col.values, items.origins or [items.real] * len(keys), strict=True)
            with_code = [
                k for k, v, of in rows if v is not None and _code(v) == code and of == items.real
            ]
            found |= dict.fromkeys(list(dict.fromkeys(with_code))[:3])
    return list(dict.fromkeys([*found, *items.columns[key].held]))[:_BILLS]


def _keys(plan: Plan) -> tuple[list[str], list[str]] | None:
    """Return the columns by which head and items belong together, in either."""
    head, place, head_place = plan.head, plan.place, plan.head_place
    if head is None or head_place is None:
        return None
    if place.join and place.join[1].table == head.table.name:
        return [place.join[1].to], [place.join[1].column]
    if place.alias or place.month_alias:
        return None
    mine, theirs = list(head_place.account.columns), list(place.account.columns)
    if place.month and head_place.month:
        mine += head_place.month.names
        theirs += place.month.names
    return mine, theirs


def _code(value: object) -> str:
    return str(value).strip()
