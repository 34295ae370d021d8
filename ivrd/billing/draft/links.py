"""Which column points at which: by foreign keys, by names, and by values found again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ivrd.billing.draft.findings import value_of
from ivrd.billing.draft.roles import Roles
from ivrd.billing.draft.survey import Col, Survey, Tab

LEAST = 0.5
"""What a link must have to be believed."""

_MOST_PARTS = 4
_ASKED = 40
"""Values that are looked for."""


class Link(NamedTuple):
    """That a column points at one of another table: how likely, and why."""

    column: str
    table: str
    to: str
    score: float
    why: str
    more: tuple[tuple[str, str], ...] = ()
    """Further columns that point together with the first, each with that to which it does."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All the columns that point."""
        return (self.column, *(own for own, _ in self.more))

    @property
    def to_all(self) -> tuple[str, ...]:
        """All the columns that are pointed at."""
        return (self.to, *(to for _, to in self.more))

    def value(self, alias: str | None = None) -> Any:
        """Return how a mapping says what points at an account."""
        if self.more:
            return {"columns": [value_of(name, alias) for name in self.columns]}
        return value_of(self.column, alias)


class Links:
    """Finds links; each pair of columns is tried once."""

    def __init__(self, survey: Survey, roles: Roles) -> None:
        self._survey, self._roles = survey, roles
        self._between: dict[tuple[str, str], list[Link]] = {}
        self._keyed: dict[str, list[Col]] = {}

    def between(self, left: Tab, right: Tab) -> list[Link]:
        """Return how `left` may point at `right`, the likeliest first."""
        known = self._between.get((left.name, right.name))
        if known is None:
            known = self._between[left.name, right.name] = self._found(left, right)
        return known

    def _found(self, left: Tab, right: Tab) -> list[Link]:
        keys = [(col, self._is_key(right, col)) for col in self._able(right)]
        found = []
        for own in self._able(left):
            for other, key in keys:
                refers = (own.name, right.name, other.name) in left.refers
                if not refers and _type(own) != _type(other):
                    continue
                score, why = self._score(own, right, other, refers=refers, key=key)
                if score >= LEAST:
                    found.append(Link(own.name, right.name, other.name, score, why))
        found += self._of_several(left, right)
        return sorted(found, key=lambda link: -link.score)

    def _of_several(self, left: Tab, right: Tab) -> Iterator[Link]:
        """Yield links by a key of several columns, which are named alike in both tables."""
        for key, once in right.keys:
            if not once or not 1 < len(key) <= _MOST_PARTS:
                continue
            if any(left.unique(name) or right.unique(name) for name in key if name in left.columns):
                continue
            if any(name not in left.columns or not _same(left, right, name) for name in key):
                continue
            mine, theirs = left.sampled(*key), right.sampled(*key)
            pairs = {tuple(map(_text, row[-len(key) :])) for row in mine if None not in row}
            there = {tuple(map(_text, row[-len(key) :])) for row in theirs if None not in row}
            part = len(pairs & there) / len(pairs) if pairs else 0.0
            if part > 0.8 or not right.whole:
                told = f"{' and '.join(key)} together are its key"
                more = tuple((name, name) for name in key[1:])
                yield Link(key[0], right.name, key[0], 0.75 + 0.2 * part, told, more)

    def _able(self, tab: Tab) -> list[Col]:
        """Return the columns that may point, or be pointed at."""
        if tab.name not in self._keyed:
            refers = {name for name, _, _ in tab.refers}
            self._keyed[tab.name] = [
                col
                for col in tab.columns.values()
                if col.name in refers or (_type(col) is not None and _names(col))
            ]
        return self._keyed[tab.name]

    def _is_key(self, tab: Tab, col: Col) -> bool:
        return tab.unique(col.name) or self._roles.name(col, "id") >= 0.5

    def _score(
        self, own: Col, right: Tab, other: Col, *, refers: bool, key: bool
    ) -> tuple[float, str]:
        if refers:
            return 1.0, "a foreign key"
        alike = self._alike(own, right, other)
        if not alike and not key:
            return 0.0, ""
        looked_for = sorted(own.distinct)[:_ASKED]
        if not looked_for or not other.held:
            return (0.55 if alike else 0.0), "of the same name"
        values = [value for value in own.held if str(value).strip() in set(looked_for)]
        there = self._survey.among(right, other.name, list(dict.fromkeys(values)))
        if there is None:
            return (0.55 if alike else 0.0), "of the same name"
        part = len(there & set(looked_for)) / len(looked_for)
        told = f"{part:.0%} of the sampled values are found there"
        if part < 0.3:
            return (0.2 if alike else 0.0), told
        told_apart = not _serial(own)
        score = 0.25 + 0.35 * part + (0.3 if alike else 0.0) + (0.1 if told_apart else -0.2)
        return min(score, 0.98), told + (", of the same name" if alike else "")

    def _alike(self, own: Col, right: Tab, other: Col) -> bool:
        if own.name.lower() == other.name.lower():
            return own.name.lower() != "id"
        lexicon = self._roles.lexicon
        mine, theirs = lexicon.words(own.name), lexicon.words(other.name)
        whole = lexicon.words(right.name.split("{")[0]) | theirs
        if not mine or mine == {"id"}:
            return False
        return mine in (theirs, whole) or mine - {"id"} == whole - {"id", "info"}


def _same(left: Tab, right: Tab, name: str) -> bool:
    """Return whether two tables have a column of one name and kind, which is no amount."""
    own, other = left.columns[name], right.columns[name]
    return _type(own) is not None and _type(own) == _type(other)


def _text(value: object) -> str:
    return str(value).strip()


def _type(col: Col) -> str | None:
    """Return how a database compares a column, None where it is no key."""
    if col.kind in {"integer", "decimal"}:
        return "number"
    return "text" if col.kind == "text" else None


def _names(col: Col) -> bool:
    """Return whether values can be keys: several, short, and no fractions."""
    if not col.held:
        return True
    if any(isinstance(value, float) and not value.is_integer() for value in col.held):
        return False
    return len(col.distinct) >= min(4, len(col.held)) and max(map(len, col.distinct)) <= 40


def _serial(col: Col) -> bool:
    """Return whether values are small numbers, which are found in any table."""
    return all(value.isdigit() and len(value) <= 4 for value in col.distinct)
