"""Which column, or which two, tell the month of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ivrd.billing.draft import looks
from ivrd.billing.draft.findings import value_of
from ivrd.billing.draft.roles import LEAST, Roles, told_by
from ivrd.billing.draft.survey import Col, Tab

_CLEAR = 0.6
"""From here on one column alone is the month, whatever else there is."""


@dataclass(frozen=True)
class MonthAt:
    """A column of months, or one of years and one of months or quarters."""

    columns: tuple[Col, ...]
    quarter: bool = False

    @property
    def table(self) -> str:
        """The table's name."""
        return self.columns[0].table

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(col.name for col in self.columns)

    @property
    def order(self) -> Sequence[str | None]:
        """What stands in each sampled row, so that it can be compared."""
        rows = zip(*(col.values for col in self.columns), strict=True)
        return [None if None in row else "-".join(str(v).zfill(4) for v in row) for row in rows]

    def score(self, roles: Roles) -> float:
        """Return how well it does for the month."""
        return 0.9 if len(self.columns) > 1 else roles.of(self.columns[0], "month")

    def value(self, alias: str | None = None) -> tuple[Any, str]:
        """Return how a mapping says it, and why."""
        if len(self.columns) == 1:
            return _of_one(self.columns[0], alias)
        year, part = (value_of(col.name, alias) for col in self.columns)
        said = {"year": year, ("quarter" if self.quarter else "month"): part}
        if any(not col.numeric for col in self.columns):
            said["type"] = "text"
        if self.quarter:
            return said, "years and quarters: each bill is of three months"
        return said, "years and months of a year"


def month_of(tab: Tab, roles: Roles, besides: Sequence[str] = ()) -> MonthAt | None:
    """Return what tells the month in a table, None where nothing does."""
    if tab.monthly:
        return None
    one = roles.best(tab, "month", dict.fromkeys(besides))
    if one is not None and roles.of(one, "month") >= _CLEAR:
        return MonthAt((one,))
    two = _of_two(tab, roles)
    return two or (MonthAt((one,)) if one is not None else None)


def _of_two(tab: Tab, roles: Roles) -> MonthAt | None:
    years = [col for col in tab.columns.values() if _within(col, 1985, 2060)]
    years = [col for col in years if "year" in _words(roles, col)]
    for year in years:
        for word, most in (("month", 12), ("quarter", 4)):
            for col in tab.columns.values():
                if col is not year and word in _words(roles, col) and _within(col, 1, most):
                    return MonthAt((year, col), quarter=word == "quarter")
    return None


def _words(roles: Roles, col: Col) -> set[str]:
    """Return all the words that a name or a comment may hold."""
    told = [*roles.lexicon.readings(col.name), *roles.lexicon.readings(told_by(col))]
    return {word for reading in told if reading.sure >= LEAST for word in reading.words}


def _within(col: Col, least: int, most: int) -> bool:
    """Return whether everything in a column is a whole number of a range."""
    held = col.distinct
    return bool(held) and all(one.isdigit() and least <= int(one) <= most for one in held)


def _of_one(col: Col, alias: str | None) -> tuple[Any, str]:
    if col.kind in {"date", "datetime"}:
        return value_of(col.name, alias, type="date"), "it holds dates"
    pattern = looks.written(col, looks.MONTHS)
    if pattern is None and (day := looks.written(col, looks.SORTED_DAYS)):
        kind = "integer" if col.numeric else None
        return value_of(col.name, alias, type=kind, format=day), f"days, written {day}"
    kind = "integer" if col.numeric else None
    why = f"all sampled values are written {pattern}" if pattern else "no values to tell the format"
    shown = None if kind is None and pattern == "YYYYMM" else pattern or "YYYYMM"
    return value_of(col.name, alias, type=kind, format=shown), why
