"""Tables by month: a name such as ``bill_{yyyymm}`` stands for one table each month."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PARTS = {"yyyy": r"(?P<year>[0-9]{4})", "yy": r"(?P<year>[0-9]{2})", "mm": r"(?P<month>[0-9]{2})"}
_PARTS["yyyymm"] = _PARTS["yyyy"] + _PARTS["mm"]
_PARTS["yymm"] = _PARTS["yy"] + _PARTS["mm"]

PLACES = tuple(_PARTS)
"""What may stand in braces in the name of a table."""

_PLACE = re.compile(r"\{([^{}]*)\}")


def places_in(name: str) -> list[str]:
    """Return what stands in braces in a name, known or not."""
    return _PLACE.findall(name)


def is_monthly(name: str) -> bool:
    """Return whether a name stands for a table each month."""
    return bool(places_in(name))


def names_a_month(name: str) -> bool:
    """Return whether the braces of a name give year and month, each once."""
    said = "".join(places_in(name)).replace("yyyy", "Y").replace("yy", "Y").replace("mm", "M")
    return sorted(said) == ["M", "Y"]


def of_month(name: str, month: str) -> str:
    """Return the name of the table of a month ``"YYYY-MM"``; a plain name is returned as it is."""
    year, of_year = month[:4], month[5:7]
    made = {"yyyy": year, "yy": year[2:], "mm": of_year}
    made["yyyymm"], made["yymm"] = year + of_year, year[2:] + of_year
    return _PLACE.sub(lambda found: made[found[1]], name)


def months_among(name: str, tables: Iterable[str]) -> dict[str, str]:
    """Return the tables that a name stands for, by their months, oldest first."""
    pieces = _PLACE.split(name)
    pattern = "".join(
        _PARTS[piece] if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)
    )
    found = {}
    for table in tables:
        match = re.fullmatch(pattern, table)
        if match and 1 <= int(match["month"]) <= 12:
            year = match["year"] if len(match["year"]) == 4 else f"20{match['year']}"
            found[f"{year}-{match['month']}"] = table
    return dict(sorted(found.items()))


def months_until(month: str, count: int) -> list[str]:
    """Return `count` months ``"YYYY-MM"``, the last of them `month`, newest first."""
    last = int(month[:4]) * 12 + int(month[5:7]) - 1
    return [f"{n // 12:04}-{n % 12 + 1:02}" for n in range(last, last - count, -1)]


def months_between(first: str, last: str) -> list[str]:
    """Return the months from `first` to `last`, both ``"YYYY-MM"``, newest first."""
    count = int(last[:4]) * 12 + int(last[5:7]) - int(first[:4]) * 12 - int(first[5:7]) + 1
    return months_until(last, count)
