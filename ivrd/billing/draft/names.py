"""Names of tables and columns taken apart: ``TB_CustNo``, ``YHBH``, ``dianhua``, ``用户编号``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

_PIECE = re.compile(
    r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[\u3400-\u9fff]+"  # as people write names
)


def split(name: str) -> list[str]:
    """Return the pieces of a name: words of one case, digits, and Chinese as it stands."""
    return _PIECE.findall(name)


class Reading(NamedTuple):
    """One way to understand a name: its words, how likely, and how many pieces are not known."""

    words: tuple[str, ...]
    sure: float
    unknown: int


Words = Mapping[str, Sequence[str]]
"""What is written, to the words that it may stand for."""

_MOST = 6
"""Ways that are followed up for one piece."""

_WHOLE = 24
"""Ways that are followed up for one name."""


def segmented(text: str, forms: Words, shortest: int = 1) -> Iterator[tuple[str, ...]]:
    """Yield the ways to write `text` as forms, those of fewest first, some at most."""
    longest = max(map(len, forms), default=0)
    ways: list[list[tuple[str, ...]]] = [[()]]
    for end in range(1, len(text) + 1):
        found = [
            (*before, text[start:end])
            for start in range(max(0, end - longest), end - shortest + 1)
            if text[start:end] in forms
            for before in ways[start]
        ]
        # of as many forms, the one of the longest is meant
        found.sort(key=lambda way: (len(way), -max(map(len, way))))
        ways.append(found[:_MOST])
    yield from (way for way in ways[len(text)] if way)


def expanded(way: Sequence[str], forms: Words) -> list[tuple[str, ...]]:
    """Return every choice of words for forms, one behind the other; some at most."""
    ways: list[tuple[str, ...]] = [()]
    for form in way:
        ways = [(*before, word) for before in ways for word in forms[form]][:_MOST]
    return ways


def chinese(text: str, forms: Words) -> list[Reading]:
    """Return the readings of Chinese, in which characters that are not known are left out."""
    ways: list[list[tuple[int, tuple[str, ...]]]] = [[(0, ())]]
    longest = max(map(len, forms), default=0)
    for end in range(1, len(text) + 1):
        found = [(lost + 1, way) for lost, way in ways[end - 1]]
        for start in range(max(0, end - longest), end):
            if text[start:end] in forms:
                found += [(lost, (*way, text[start:end])) for lost, way in ways[start]]
        found.sort(key=lambda one: (one[0], len(one[1])))
        ways.append(found[:_MOST])
    if not ways[len(text)]:
        return []
    fewest = min(len(way) + 2 * lost for lost, way in ways[len(text)])
    known = [(lost, _telling(way, lost)) for lost, way in ways[len(text)]]
    return [
        Reading(words, max(1.0 - 0.15 * (len(way) + 2 * lost - fewest), 0.1), lost)
        for lost, way in known
        for words in expanded(way, forms)
    ][:_MOST]


_ENDINGS = frozenset("费额款号日月年户码量")


def _telling(way: Sequence[str], lost: int) -> tuple[str, ...]:
    """Leave single characters out where others are not known: 电 in 电报 is no electricity."""
    return tuple(form for form in way if not lost or len(form) > 1 or form in _ENDINGS)


def combined(pieces: Sequence[Sequence[Reading]]) -> list[Reading]:
    """Return the readings of a whole name out of those of its pieces, the likeliest first."""
    whole = [Reading((), 1.0, 0)]
    for options in pieces:
        whole = [
            Reading(a.words + b.words, a.sure * b.sure, a.unknown + b.unknown)
            for a in whole
            for b in options
        ]
        whole.sort(key=lambda reading: (-reading.sure, reading.unknown))
        del whole[_WHOLE:]
    return whole
