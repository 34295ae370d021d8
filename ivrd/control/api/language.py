"""Which language an asker gets: Accept-Language (RFC 9110 §12.5.4) against what ivrd speaks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_RANGE = re.compile(
    r"\s*(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?"
)


def language(header: str, languages: Sequence[str]) -> str:
    """Return the one of `languages` that is wanted most, the first where none is.

    ``zh`` and ``zh-Hans-CN`` both get zh-CN: what is told has the same words everywhere.
    """
    wanted = sorted(_ranges(header), key=lambda one: -one[1])
    for tag, weight in wanted:
        if weight <= 0:
            continue
        if tag == "*":
            break
        same = [one for one in languages if one.lower() == tag]
        near = [one for one in languages if one.lower().split("-")[0] == tag.split("-")[0]]
        if same or near:
            return (same or near)[0]
    return languages[0]


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    for part in header.split(",")[:20]:
        found = _RANGE.fullmatch(part)
        if found:
            yield found[1].lower(), float(found[2] or 1)
