"""What is charged for: columns or codes, under our words for them, with unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ivrd.billing.draft import codes
from ivrd.billing.draft.context import Context
from ivrd.billing.draft.findings import Draft, How, value_of
from ivrd.billing.draft.lexicon import Item
from ivrd.billing.draft.looks import money
from ivrd.billing.draft.naming import Names
from ivrd.billing.draft.roles import told_by
from ivrd.billing.draft.shapes import Shape
from ivrd.billing.draft.sums import Sum, Unitary, times_unit, unit_of
from ivrd.billing.draft.survey import Col, Tab
from ivrd.billing.values import Unit


def units_of(
    at: Context, total: Col | None, items: Sequence[Col], sum_: Sum | None
) -> dict[str, Unitary]:
    """Return the unit of each column; those that add up decide for each other."""
    alone = {col.name: unit_of(col, at.roles) for col in [*items, *([total] if total else [])]}
    if sum_ is None or total is None:
        return alone
    # the surest column says what all are
    best = max(alone, key=lambda name: (alone[name].score, name == total.name))
    base = alone[best]
    whole = base.unit
    if best != total.name and best in sum_.times:
        up, down = sum_.times[best]
        made = times_unit(base.unit, (down, up))
        if made is None:
            return alone
        whole = made
    why = f"{total.name} is the sum of its items in {sum_.part:.0%} of the sampled rows"
    found = {total.name: Unitary(whole, min(base.score + 0.1, 0.97), f"{why}; {base.why} ({best})")}
    for name, times in sum_.times.items():
        unit = times_unit(whole, times)
        if unit is None:
            return alone
        found[name] = Unitary(unit, found[total.name].score, found[total.name].why)
    return found


def unit_beside(at: Context, shape: Shape, col: Col) -> Unit:
    """Return the unit of an amount that stands beside a total: its own, or that of the total."""
    alone = unit_of(col, at.roles)
    beside = shape.total or shape.amount
    if beside is None or alone.score >= 0.7 or beside.kind != col.kind:
        return alone.unit
    if shape.sum and shape.total:
        return units_of(at, shape.total, shape.items, shape.sum)[shape.total.name].unit
    return unit_of(beside, at.roles).unit


def amount_value(
    columns: Sequence[tuple[Col, int]], unit: Unit, base: Unit, alias: str | None = None
) -> Any:
    """Return how a mapping says an amount that is made of columns with signs."""
    more = {"unit": unit} if unit != base else {}
    if len(columns) == 1 and columns[0][1] > 0:
        return value_of(columns[0][0].name, alias, **more)
    plus = [value_of(col.name, alias) for col, sign in columns if sign > 0]
    minus = [value_of(col.name, alias) for col, sign in columns if sign < 0]
    said: dict[str, Any] = {"add": plus or [{"value": 0}]}
    if minus:
        said["subtract"] = minus
    return {**said, **more}


def say_wide(at: Context, shape: Shape, names: Names) -> None:
    """Say total and items of a row per bill."""
    draft, items = at.draft, list(shape.items or ([shape.total] if shape.total else []))
    units = units_of(at, shape.total, items, shape.sum)
    base = _commonest([units[col.name] for col in items])
    say_unit(draft, [units[col.name] for col in items], base)
    late = _late(at, shape)
    if shape.total is not None and shape.items:
        of_total = units[shape.total.name]
        ask = ""
        if late:
            shown = " and ".join(col.name for col in late)
            ask = f"{shown} is not in {shape.total.name}: is it to be paid, too?"
            units |= {col.name: of_total for col in late}
            items += late
        made = [(shape.total, 1), *((col, 1) for col in late)]
        draft.say(
            "bill.total", amount_value(made, of_total.unit, base),
            "sure" if shape.sum and not late else "guess", of_total.why,
            others=tuple(col.name for col in shape.money.totals if col is not shape.total)[:3],
            decide=ask,
        )  # fmt: skip
    signs = {col.name: -1 if col in shape.money.minus else 1 for col in items}
    if shape.sum:
        signs |= shape.sum.items
    grouped: dict[str, _Part] = {}
    for col in items:
        texts = texts_of(col)
        if not shape.items:  # the sum is all there is
            texts = [*texts, shape.table.comment or shape.table.name, _ONE_SUM]
        unit = units[col.name].unit
        key = _free(grouped, names, names.of(texts, col.name, col.name), unit)
        grouped.setdefault(key, _Part(unit)).columns.append((col, signs[col.name]))
    _say_items(at, shape, grouped, units, base, names)


_ONE_SUM = "应付总额"
"""What a bill without items is charged for, where no name says it."""


@dataclass
class _Part:
    """Columns that are spoken as one item."""

    unit: Unit
    columns: list[tuple[Col, int]] = field(default_factory=list)


def _free(grouped: Mapping[str, _Part], names: Names, code: str, unit: Unit) -> str:
    """Return the code, or another where it has amounts in another unit already."""

    def free(key: str) -> bool:
        return key not in grouped or grouped[key].unit == unit

    number = 2
    for key in (code, *names.rests):
        if free(key):
            return key
    while not free(f"{code}_{number}"):
        number += 1
    return f"{code}_{number}"


def _late(at: Context, shape: Shape) -> list[Col]:
    """Return late fees that the proved total has not in it, of the total's kind."""
    if shape.sum is None or shape.total is None:
        return []
    return [
        col
        for col in shape.money.maybe
        if col.name not in shape.sum.items
        and col.kind == shape.total.kind
        and (item := _item_of(at, col)) is not None
        and item.codes[0] == "late_fee"
        and any(money(value) for value in col.held)
    ]


def _say_items(
    at: Context, shape: Shape, grouped: Mapping[str, _Part], units: Mapping[str, Unitary],
    base: Unit, names: Names,
) -> None:  # fmt: skip
    for key, part in grouped.items():
        first = part.columns[0][0]
        known = names.item(texts_of(first)) is not None
        how: How = "sure" if shape.sum and known else "guess"
        if key in names.rests:
            why = f"no prompt of their own: {', '.join(map(_shown, part.columns))}"
            how = "sure" if shape.sum else "guess"
        else:
            why = f"{first.comment}: " if first.comment else ""
            why += "a part of the total" if shape.sum else "its name is of something charged for"
        if part.unit != base:
            why += f"; {part.unit}: {units[first.name].why}"
        decide = ""
        if not known and key not in names.rests and shape.items:
            decide = "what is it? Its prompt is named after the column"
        said = amount_value(part.columns, part.unit, base)
        at.draft.say(("bill", "items", key), said, how, why, decide=decide)
    if not shape.sum and shape.total is not None and len(shape.items) > 1:
        at.draft.notes.append(
            f"{shape.total.name} is not the sum of the items in most rows: one is missing, or"
            " one is too many"
        )


def _shown(column: tuple[Col, int]) -> str:
    col = column[0]
    told = told_by(col)
    return f"{col.name} ({told})" if told else col.name


def texts_of(col: Col) -> list[str]:
    """Return how the database names a column, the plainest first."""
    told = told_by(col)
    return [told, col.name] if told else [col.name]


def _item_of(at: Context, col: Col) -> Item | None:
    lexicon = at.roles.lexicon
    return (lexicon.item(told_by(col)) if col.comment else None) or lexicon.item(col.name)


def _commonest(units: Sequence[Unitary]) -> Unit:
    listed = [unit.unit for unit in units]
    return max(listed, key=listed.count) if listed else "yuan"


def say_unit(draft: Draft, units: Sequence[Unitary], base: Unit) -> None:
    """Say the unit of the whole mapping."""
    of_base = [unit for unit in units if unit.unit == base]
    best = (
        max(of_base, key=lambda unit: unit.score)
        if of_base
        else Unitary(base, 0.3, "nothing to tell it by")
    )
    ask = "" if best.score >= 0.72 else "is it so? `ivrd billing check` shows an amount to compare"
    draft.say("unit", base, "sure" if best.score >= 0.72 else "guess", best.why, decide=ask)


def named_codes(at: Context, tab: Tab, code: Col) -> tuple[dict[str, str], str]:
    """Return each code of items with its name, and where the names come from."""
    explained = codes.explained(code.comment)
    listed = at.survey.distinct(tab, code.name)
    best: dict[str, str] = {}
    source = ""
    for other in at.survey.tables.values():
        if other.name == tab.name or other.monthly or other.rows > 2000:
            continue
        for link in at.links.between(tab, other):
            name = at.roles.best(other, "item_name", {link.to: 1})
            if link.column == code.name and name is not None and other.once(link.to):
                keys = other.columns[link.to].values
                found = {
                    str(k).strip(): str(v).strip()
                    for k, v in zip(keys, name.values, strict=True)
                    if k is not None and v
                }
                if len(set(found) & set(listed)) > len(set(best) & set(listed)):
                    best, source = found, f"{other.name}.{name.name}"
    if not best and explained:
        best, source = explained, "the column's comment"
    names = {value: best.get(value, value) for value in dict.fromkeys([*listed, *best])}
    return names, source
