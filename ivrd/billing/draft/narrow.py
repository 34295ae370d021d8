"""A row per item: codes under our words, and held against the totals of the bills beside them."""

from __future__ import annotations

from ivrd.billing.draft import codes
from ivrd.billing.draft.bills import Plan, say_counting, say_place, say_whole
from ivrd.billing.draft.context import Context
from ivrd.billing.draft.counting import codes_told, gone_rows, meanings
from ivrd.billing.draft.findings import How, merged, value_of
from ivrd.billing.draft.items import amount_value, named_codes, say_unit
from ivrd.billing.draft.naming import RESTS, Names
from ivrd.billing.draft.proof import Proof
from ivrd.billing.draft.proof import proof as prove
from ivrd.billing.draft.shapes import Shape
from ivrd.billing.draft.sums import Unitary, times_unit, unit_of
from ivrd.billing.draft.survey import Col
from ivrd.billing.values import Unit


def say_narrow(at: Context, plan: Plan, names: Names) -> None:
    """Say [bill] with a row per item, and [bill.head]."""
    shape, draft = plan.bill, at.draft
    code, amount = shape.code, shape.amount
    assert code is not None  # noqa: S101 - what makes it narrow
    assert amount is not None  # noqa: S101
    proof = prove(at, plan)
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
    said = amount_value(parts, base, base)
    if proof and proof.negative:
        name, off = proof.negative
        listed = codes.codes_of(shape.table.columns[name], off)
        said = merged(said, negative={name: listed[0] if len(listed) == 1 else listed})
        why += f"; taken off where {name} says so"
    draft.say(
        "bill.amount",
        said,
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
    else:
        say_whole(at, "bill", shape)
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
    say_place(at, "bill.head", place)
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


def _say_codes(at: Context, shape: Shape, code: Col, names: Names) -> None:
    """Say the items, each with its codes; those without a prompt, and those to come, are the rest.

    Where there is no prompt for the rest either, each is an item of its own, but for many.
    """
    listed, source = named_codes(at, shape.table, code)
    rest = names.rest or (RESTS[0] if len(listed) > _MANY else None)
    grouped: dict[str, list[str]] = {}
    for value, name in listed.items():
        known = names.item([name]) is not None
        if not known and rest is not None and names.rest is None:
            grouped.setdefault(rest, []).append(value)
            continue
        made_of = name if name.isascii() and name[:1].isalpha() else f"charge_{value}"
        grouped.setdefault(names.of([name], made_of, _written(value)), []).append(value)
    where = f"by {source}" if source else "by the codes themselves"
    for made, values in grouped.items():
        told = [_shown(value, listed[value]) for value in values]
        known = names.item([listed[values[0]]]) is not None
        decide = ""
        if made == rest:
            why = f"no prompt of their own: {', '.join(told[:12])}"
        else:
            why = f"{', '.join(told[:4])}: {where}"
            decide = "" if known else "what is it? Its prompt is named after it"
        codes_ = [*map(_written, values)]
        how: How = "sure" if source and (known or made == rest) else "guess"
        at.draft.say(
            ("bill", "items", made), codes_[0] if len(codes_) == 1 else codes_, how, why,
            decide=decide,
        )  # fmt: skip
    if rest in grouped:
        at.draft.say("bill.rest", rest, "guess", "takes every code that stands under no item")


def _shown(value: str, name: str) -> str:
    return f"{value} ({name})" if name != value else value


def _written(value: str) -> int | str:
    """Return a code as a mapping has it: with its zeros in front, a text."""
    return int(value) if value.isdigit() and not value.startswith("0") else value


_MANY = 30
