"""What is charged for: columns or codes, under our words for them, with unit."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ivrd.billing.draft import codes
from ivrd.billing.draft.context import Context
from ivrd.billing.draft.findings import Draft, How, value_of
from ivrd.billing.draft.lexicon import Item
from ivrd.billing.draft.looks import money
from ivrd.billing.draft.roles import told_by
from ivrd.billing.draft.shapes import Shape
from ivrd.billing.draft.sums import Sum, Unitary, times_unit, unit_of
from ivrd.billing.draft.survey import Col, Tab
from ivrd.billing.values import Unit

OTHERS = ("other_charges", "other", "others", "other_fees")
"""Codes that any charge may be spoken under, where there is a prompt of one."""

_ASCII = re.compile(r"[^a-z0-9]+")


class Names:
    """Gives what is charged for its code; prefers those that have a prompt."""

    def __init__(self, draft: Draft, spoken: Collection[str]) -> None:
        self._draft, self._spoken = draft, spoken
        self._used: dict[str, str] = {}

    def of(self, item: Item | None, name: str, told: str) -> str:
        """Return the code for an item; `told` is how the database names it for people."""
        if item is not None:
            for code in item.codes:
                if code in self._spoken:
                    return code
            self._draft.unnamed[item.codes[0]] = (item.zh, item.en)
            return item.codes[0]
        code = self._made(name)
        if code not in self._spoken:
            zh = told if not told.isascii() else ""
            self._draft.unnamed[code] = (zh, f"{code.replace('_', ' ').capitalize()},")
        return code

    def _made(self, name: str) -> str:
        plain = _ASCII.sub("_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")
        code = plain if plain and plain[0].isalpha() else f"charge_{plain}".rstrip("_")
        whole, number = code, 2
        while self._used.setdefault(whole, name) != name:
            whole, number = f"{code}_{number}", number + 1
        return whole

    @property
    def rest(self) -> str | None:
        """The code of a prompt that any charge may be spoken under."""
        return next((code for code in OTHERS if code in self._spoken), None)


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
    grouped: dict[tuple[str, Unit], list[tuple[Col, int]]] = {}
    for col in items:
        item = _item_of(at, col)
        if item is None and not shape.items:
            item = at.roles.lexicon.item(shape.table.name)  # the sum is all there is
        code = names.of(item, col.name, told_by(col) or col.name)
        grouped.setdefault((code, units[col.name].unit), []).append((col, signs[col.name]))
    _say_items(at, shape, grouped, units, base)


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
    at: Context, shape: Shape, grouped: Mapping[tuple[str, Unit], list[tuple[Col, int]]],
    units: Mapping[str, Unitary], base: Unit,
) -> None:  # fmt: skip
    said: set[str] = set()
    for (code, unit), columns in grouped.items():
        key = code
        number = 2
        while key in said:
            key, number = f"{code}_{number}", number + 1
        said.add(key)
        known = _item_of(at, columns[0][0]) is not None
        how: How = "sure" if shape.sum and known else "guess"
        first = columns[0][0]
        why = f"{first.comment}: " if first.comment else ""
        why += "a part of the total" if shape.sum else "its name is of something charged for"
        if unit != base:
            why += f"; {unit}: {units[first.name].why}"
        decide = "" if known else "what is it? Its prompt is named after the column"
        at.draft.say(
            ("bill", "items", key), amount_value(columns, unit, base), how, why, decide=decide
        )
    if not shape.sum and shape.total is not None and len(shape.items) > 1:
        at.draft.notes.append(
            f"{shape.total.name} is not the sum of the items in most rows: one is missing, or"
            " one is too many"
        )


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
