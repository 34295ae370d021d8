"""A row per item: codes under our words, and held against the totals of the bills beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ivrd.billing.draft import codes
from ivrd.billing.draft.context import Context
from ivrd.billing.draft.bills import Plan, month_value, say_counting, say_place, say_whole
from ivrd.billing.draft.counting import codes_told, gone_rows, meanings
from ivrd.billing.draft.findings import value_of
from ivrd.billing.draft.items import Names, amount_value, named_codes, say_unit, units_of
from ivrd.billing.draft.lexicon import Item
from ivrd.billing.draft.shapes import Shape
from ivrd.billing.draft.sums import Unitary, times_unit, unit_of, whole
from ivrd.billing.draft.survey import Col
from ivrd.billing.values import Unit

_BILLS = 12
_RATIOS = ((1, 1), (1, 100), (100, 1), (1, 10), (10, 1), (1, 1000), (1000, 1))


class Proof(NamedTuple):
    """That items make totals: how many of a total's unit theirs is, and which rows count."""

    times: tuple[int, int]
    minus: tuple[str, ...]
    without: tuple[str, tuple[str, ...]] | None
    """A column, and its codes that do not count."""
    part: float


def say_narrow(at: Context, plan: Plan, names: Names) -> None:
    """Say [bill] with a row per item, and [bill.head]."""
    shape, draft = plan.bill, at.draft
    code, amount = shape.code, shape.amount
    assert code is not None  # noqa: S101 - what makes it narrow
    assert amount is not None  # noqa: S101
    proof = _proof(at, plan) if plan.head else None
    discount = shape.money.minus
    parts = [(amount, 1), *((col, -1) for col in discount if proof and col.name in proof.minus)]
    own, whole_unit = _units(at, plan, amount, proof)
    base = own.unit
    say_unit(draft, [own], base)
    draft.say("bill.code", value_of(code.name), "sure", "few codes, again and again")
    why = own.why
    if proof:
        why = f"the items make the total in {proof.part:.0%} of the sampled bills; {own.why}"
    others = [*shape.money.totals, *shape.money.items, *shape.money.maybe]
    draft.say(
        "bill.amount",
        amount_value(parts, base, base),
        "sure" if proof else "guess",
        why,
        others=tuple(dict.fromkeys(c.name for c in others if c is not amount))[:3],
    )
    if proof and proof.without:
        name, gone = proof.without
        kept = codes.codes_of(shape.table.columns[name], gone)
        draft.say(("bill", "where", name), {"not": kept}, "sure",
                  "with these rows the items would not make the totals")  # fmt: skip
    elif not proof:
        _ask_state(at, shape)
    if plan.head and plan.head_place:
        _say_head(at, plan, base, whole_unit, proof)
    _say_codes(at, shape, code, names)


def _ask_state(at: Context, shape: Shape) -> None:
    gone = gone_rows(at, shape.table, [])
    if gone is not None:
        where = ("bill", "where", gone.column)
        ask = f"which rows count? The others are {codes_told(gone.kept)}"
        at.draft.say(where, gone.condition, "guess", gone.why, decide=ask)
        return
    for col in at.roles.ranked(shape.table, "state")[:1]:
        if len(col.distinct) > 1:
            at.draft.notes.append(
                f"{shape.table.name}.{col.name} has the codes {codes_told(meanings(col))}:"
                " if rows of some do not count, say so in [bill] where"
            )


def _units(
    at: Context, plan: Plan, amount: Col, proof: Proof | None
) -> tuple[Unitary, Unitary | None]:
    own = unit_of(amount, at.roles)
    if plan.head is None or plan.head.total is None:
        return own, None
    total = unit_of(plan.head.total, at.roles)
    if proof is None:
        return own, total
    up, down = proof.times
    if total.score >= own.score:
        unit = times_unit(total.unit, (up, down))
        if unit:
            return Unitary(unit, total.score, f"{total.why} ({plan.head.total.name})"), total
    unit = times_unit(own.unit, (down, up))
    if unit:
        return own, Unitary(unit, own.score, f"{own.why} ({amount.name})")
    return own, total


def _say_head(
    at: Context, plan: Plan, base: Unit, unit: Unitary | None, proof: Proof | None
) -> None:
    head, place, draft = plan.head, plan.head_place, at.draft
    assert head is not None and place is not None and head.total is not None  # noqa: S101, PT018 - asked before
    draft.say("bill.head.table", head.table.name, "sure" if proof else "guess",
              "its totals are what the items make" if proof else "a row per bill")  # fmt: skip
    say_place(at, "bill.head", head.table, place)
    join = plan.place.join
    same = join is not None and join[1].table == head.table.name
    joined = ("bill", "join", join[0]) if join and same else ()
    say_counting(at, "bill.head", head.table, place, joined)
    found = unit or unit_of(head.total, at.roles)
    draft.say(
        "bill.head.total",
        amount_value([(head.total, 1)], found.unit, base),
        "sure" if proof else "guess",
        found.why,
        others=tuple(c.name for c in head.money.totals if c is not head.total)[:3],
    )
    say_whole(at, "bill.head", head)


def _proof(at: Context, plan: Plan) -> Proof | None:
    """Hold the items of some bills against their totals."""
    head, shape = plan.head, plan.bill
    if head is None or head.total is None or shape.code is None or shape.amount is None:
        return None
    for total in head.money.totals[:3]:
        found = _proof_of(at, plan, total)
        if found:
            head.total = total
            return found
    return None


def _proof_of(at: Context, plan: Plan, total: Col) -> Proof | None:
    head, shape = plan.head, plan.bill
    assert head is not None and shape.amount is not None  # noqa: S101, PT018 - asked before
    keys = _keys(plan)
    if keys is None:
        return None
    head_keys, item_keys = keys
    states = [
        col
        for col in shape.table.columns.values()
        if at.roles.of(col, "state") >= 0.4 and 1 < len(col.distinct) <= 8
    ]
    firsts = _telling(shape.table.columns[item_keys[0]], states)
    totals: dict[tuple[str, ...], int] = {}
    for row in at.survey.rows_where(head.table, [*head_keys, total.name], head_keys[0], firsts):
        if None not in row:
            totals[tuple(str(part).strip() for part in row[:-1])] = whole(row[-1])
    minus = [col.name for col in shape.money.minus]
    wanted = [*item_keys, shape.amount.name, *minus, *(col.name for col in states)]
    parts: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for found in at.survey.rows_where(shape.table, wanted, item_keys[0], firsts):
        key = tuple(str(part).strip() for part in found[: len(item_keys)])
        if key in totals:
            parts[key].append(found[len(item_keys) :])
    if len(parts) < min(2, len(totals)) or not parts:
        return None
    for off in dict.fromkeys([tuple(minus), ()]):
        for times in _RATIOS:
            for without in _withouts(states, len(minus)):
                part = _fits(totals, parts, times, minus, off, without)
                if part >= 0.9:
                    told = (states[without[0]].name, without[1]) if without else None
                    return Proof(times, off, told, part)
    return None


def _telling(key: Col, states: Sequence[Col]) -> list[Any]:
    """Return some values of a key: of rows with each code that may not count, then of any."""
    found: dict[Any, None] = {}
    for col in states:
        for code in sorted(col.distinct):
            with_code = [
                k
                for k, v in zip(key.values, col.values, strict=True)
                if v is not None and str(v).strip() == code
            ]
            found |= dict.fromkeys(list(dict.fromkeys(with_code))[:3])
    return list(dict.fromkeys([*list(found)[: 2 * _BILLS], *key.held]))[
        : max(_BILLS, min(len(found), 2 * _BILLS))
    ]


def _keys(plan: Plan) -> tuple[list[str], list[str]] | None:
    """Return the columns by which head and items belong together, in either."""
    head, place, head_place = plan.head, plan.place, plan.head_place
    if head is None or head_place is None:
        return None
    if place.join and place.join[1].table == head.table.name:
        return [place.join[1].to], [place.join[1].column]
    if place.alias or place.month_alias:
        return None
    mine, theirs = [head_place.account.column], [place.account.column]
    if place.month and head_place.month:
        mine.append(head_place.month.name)
        theirs.append(place.month.name)
    return mine, theirs


def _withouts(
    states: Sequence[Col], offset: int
) -> Iterable[tuple[int, tuple[str, ...], int] | None]:
    """Yield nothing, then each code that rows may not count by, alone and in pairs."""
    yield None
    for index, col in enumerate(states):
        listed = sorted(col.distinct)
        at = 1 + offset + index
        for one in listed:
            yield index, (one,), at
        for number, one in enumerate(listed):
            for other in listed[number + 1 :]:
                yield index, (one, other), at


def _fits(
    totals: Mapping[tuple[str, ...], int], parts: Mapping[tuple[str, ...], list[tuple[Any, ...]]],
    times: tuple[int, int], minus: Sequence[str], off: Sequence[str],
    without: tuple[int, tuple[str, ...], int] | None,
) -> float:  # fmt: skip
    right = 0
    for key, rows in parts.items():
        made = 0
        for row in rows:
            if without and str(row[without[2]]).strip() in without[1]:
                continue
            made += whole(row[0]) - sum(
                whole(row[1 + n]) for n, name in enumerate(minus) if name in off
            )
        right += abs(made * times[0] / times[1] - totals[key]) <= 200
    return right / len(parts)


def _say_codes(at: Context, shape: Shape, code: Col, names: Names) -> None:
    """Say the items, each with its codes; what is not known goes under one of its own, or the rest."""
    listed, source = named_codes(at, shape.table, code)
    lexicon = at.roles.lexicon
    grouped: dict[str, list[str]] = {}
    told: dict[str, list[str]] = {}
    unknown: list[str] = []
    for value, name in listed.items():
        item: Item | None = lexicon.item(name)
        if item is None and (names.rest or len(listed) > 30):
            unknown.append(value)
            continue
        made = names.of(item, name if not _bare(name) else f"charge_{name}", name)
        grouped.setdefault(made, []).append(value)
        told.setdefault(made, []).append(name)
    where = f"by {source}" if source else "by the codes themselves"
    for made, values in grouped.items():
        known = lexicon.item(told[made][0]) is not None
        said: Any = [int(v) if v.isdigit() and not v.startswith("0") else v for v in values]
        at.draft.say(
            ("bill", "items", made), said[0] if len(said) == 1 else said,
            "sure" if source and known else "guess", f"{', '.join(told[made][:4])}: {where}",
            decide="" if known else "what is it? Its prompt is named after it",
        )  # fmt: skip
    if unknown or not grouped:
        rest = names.rest or names.of(next(i for i in lexicon.items if i.codes[0] == OTHER), "", "")
        shown = ", ".join(
            f"{value} ({listed[value]})" if listed[value] != value else value
            for value in unknown[:8]
        )
        at.draft.say("bill.rest", rest, "guess", "takes every code that stands under no item")
        if rest not in grouped:
            at.draft.say(
                ("bill", "items", rest),
                unknown or ["0"],
                "guess",
                f"{shown}: no word for it is known",
                decide="give those that matter an item of their own",
            )


OTHER = "other_charges"


def _bare(name: str) -> bool:
    return not name[:1].isalpha()


def bill_month(col: Col) -> str:
    """Return why a month is read as it is."""
    return month_value(col, None)[1]


__all__ = ["say_narrow", "units_of"]
