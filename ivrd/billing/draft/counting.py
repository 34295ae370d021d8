"""Which rows count: those that were cancelled, closed or made anew are to be left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from ivrd.billing.draft import codes, looks
from ivrd.billing.draft.context import Context
from ivrd.billing.draft.roles import LEAST, told_by
from ivrd.billing.draft.survey import Col, Tab

_TRUTHS = {"1", "t", "y", "true", "yes", "是", "x"}
_PAST = ("销户", "拆", "注销", "作废", "离网", "停用", "搬离", "冲销", "红冲", "撤销", "cancel")


class Gone(NamedTuple):
    """A condition that leaves out rows that do not count; `kept` are the codes of the others."""

    column: str
    condition: Any
    why: str
    kept: dict[str, str]


def gone_rows(
    at: Context, table: Tab, keys: Sequence[str], never: Sequence[str] = ()
) -> Gone | None:
    """Return what tells rows that do not count, None where nothing does.

    `keys` are columns whose values should be there once; what is there twice is evidence.
    `never` are columns that say something else.
    """
    able = [col for col in table.columns.values() if col.name not in keys]
    ranked = sorted(able, key=lambda col: -_promise(at, col))
    coded = [col for col in ranked if _coded(col)]
    for col in coded:
        if _promise(at, col) < LEAST or col.name in never:
            continue
        told = meanings(col)
        dead = [code for code in told if _is_past(at, col, code, told[code])]
        if dead and set(dead) < set(told):
            return _gone(col, dead, told, "these rows seem to be of the past, or cancelled")
    for col in coded:
        if keys and max(_promise(at, col), at.roles.of(col, "paid")) >= LEAST:
            dead = _losers(col, _twice(at, table, keys, col))
            if dead:
                why = f"with these rows {' and '.join(keys)} would be there twice"
                return _gone(col, dead, meanings(col), why)
    return _ended(at, table)


def meanings(col: Col) -> dict[str, str]:
    """Return the codes of a column, each with what its comment says of it, or itself."""
    told = codes.explained(col.comment)
    return {code: told.get(code, code) for code in sorted({*col.distinct, *told})}


def codes_told(told: Mapping[str, str]) -> str:
    """Return codes with their meanings, for a comment."""
    return ", ".join(code if code == word else f"{code} ({word})" for code, word in told.items())


def _promise(at: Context, col: Col) -> float:
    return max(at.roles.of(col, "state"), 0.9 if _says_closed(at, col) else 0.0)


def _says_closed(at: Context, col: Col) -> bool:
    """Return whether a name may say that what it marks is of the past."""
    lexicon = at.roles.lexicon
    told = [*lexicon.readings(col.name), *lexicon.readings(told_by(col))]
    return any("closed" in reading.words for reading in told if reading.sure > 0.7)


def _coded(col: Col) -> bool:
    return 1 <= len(col.distinct) <= 8 and looks.few(col, 8) and not looks.decimals(col)


def _is_past(at: Context, col: Col, code: str, word: str) -> bool:
    """Return whether a code says that a row is of the past."""
    lexicon = at.roles.lexicon
    explained = code != word
    if _says_closed(at, col) and not explained and _clear(at, col):
        return code.lower() in _TRUTHS
    if explained or len(word) > 1:
        return lexicon.says("dead", word) or any(part in word.lower() for part in _PAST)
    return False


def _clear(at: Context, col: Col) -> bool:
    """Return whether a name says nothing else that is as likely, as initials may."""
    return at.roles.of(col, "paid") < 0.6


def _gone(col: Col, dead: Sequence[str], told: Mapping[str, str], why: str) -> Gone:
    kept = {code: word for code, word in told.items() if code not in dead}
    return Gone(col.name, {"not": codes.codes_of(col, dead)}, why, kept)


def _twice(at: Context, table: Tab, keys: Sequence[str], state: Col) -> list[list[str]]:
    """Return the codes of rows that have one key, for each key that several rows have."""
    names = [*keys, state.name]
    rows = table.sampled(*names)
    if not table.whole and not table.monthly and table.indexed(keys[0]):
        values = list(dict.fromkeys(table.columns[keys[0]].held))[:200]
        rows = at.survey.rows_where(table, names, keys[0], values) or rows
    seen: dict[tuple[Any, ...], list[str]] = {}
    for row in rows:
        if all(part is not None and str(part).strip() for part in row[:-1]):
            seen.setdefault(tuple(map(str, row[:-1])), []).append(str(row[-1]).strip())
    return [found for found in seen.values() if len(found) > 1]


def _losers(state: Col, twice: list[list[str]]) -> list[str]:
    """Return the codes without which each key is there once: the fewest, the rarest first."""
    counts = Counter(str(value).strip() for value in state.held)
    ranked = sorted(counts, key=lambda code: counts[code])
    for size in (1, 2, 3):
        for gone in combinations(ranked[:-1], size):
            if twice and all(sum(code not in gone for code in found) == 1 for found in twice):
                return list(gone)
    return []


def _ended(at: Context, table: Tab) -> Gone | None:
    """Return that there must be no date on which it ended, where most rows have none."""
    for col in at.roles.ranked(table, "closed_date"):
        blank = len(col.values) - len(col.held)
        if blank > len(col.values) / 2:
            said = (
                "null"
                if all(value is None or str(value).strip() for value in col.values)
                else "empty"
            )
            return Gone(col.name, {said: True}, "filled in, it says when it ended", {})
    return None
