"""Tables by month found among names: ``bill_202609``, ``bill_202610`` are ``bill_{yyyymm}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ivrd.billing.month_tables import months_among

_MONTHS = (
    # a four-digit year, separated or not, before a two-digit one: bill_202609, 账单2026年09月
    (re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?![0-9])"), "{yyyymm}"),
    (re.compile(r"(?<![0-9])((?:19|20)[0-9]{2})([^0-9]{1,2})(?:0[1-9]|1[0-2])(?![0-9])"),
     r"{yyyy}\2{mm}"),
    (re.compile(r"(?<![0-9])(?:0[1-9]|1[0-2])([^0-9])((?:19|20)[0-9]{2})(?![0-9])"),
     r"{mm}\1{yyyy}"),
    (re.compile(r"(?<![0-9])[0-9]{2}(?:0[1-9]|1[0-2])(?![0-9])"), "{yymm}"),
    (re.compile(r"(?<![0-9])([0-9]{2})([^0-9])(?:0[1-9]|1[0-2])(?![0-9])"), r"{yy}\2{mm}"),
)  # fmt: skip


class Family(NamedTuple):
    """A table, or those of one name with a month in it.

    `tables` is empty for a table alone, else has those of all months, the oldest first.
    """

    name: str
    newest: str
    tables: tuple[str, ...]


_YEARS = ("1990", "2060")


def families(names: Sequence[str], alike: Callable[[str, str], bool]) -> list[Family]:
    """Return every table once, those by month under the name that stands for all of them.

    `alike` says whether two tables are made alike: T0101 and T0201 may be anything.
    """
    taken: set[str] = set()
    found: dict[str, Family] = {}
    for name in names:
        if name in taken:
            continue
        for pattern in _patterns(name):
            months = months_among(pattern, names)
            tables = list(months.values())
            if not months or not all(_YEARS[0] < month < _YEARS[1] for month in months):
                continue
            # one table alone is a family only where its digits can hardly be anything else
            if alike(tables[0], tables[-1]) if len(tables) > 1 else _clear(pattern, *months):
                taken |= set(months.values())
                found[pattern] = Family(pattern, list(months.values())[-1], tuple(months.values()))
                break
        else:
            found[name] = Family(name, name, ())
    return list(found.values())


def _clear(pattern: str, month: str) -> bool:
    return "yyyy" in pattern or (pattern.endswith("_{yymm}") and "2015" < month < "2045")


def _patterns(name: str) -> Iterator[str]:
    if "{" in name or "}" in name:
        return
    for month, written in _MONTHS:
        made, times = month.subn(written, name)
        if times == 1:
            yield made
