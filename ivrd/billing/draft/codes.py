"""What codes mean: as comments explain them, as words say, or as other columns show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from ivrd.billing.draft.lexicon import Lexicon
from ivrd.billing.draft.looks import money
from ivrd.billing.draft.survey import Col

_CODE = r"[0-9A-Za-z_]{1,6}"
_WORD = r"[\u4e00-\u9fff]{1,10}|[A-Za-z][A-Za-z ]{0,20}[A-Za-z]|[A-Za-z]"
_EXPLAINED = (
    re.compile(rf"(?<![0-9A-Za-z])({_CODE})\s*(?:[:：=＝.、]|-{{1,2}}|—|->)\s*({_WORD})"),
    re.compile(r"(?<![0-9A-Za-z])([0-9]{1,3}|[A-Z][0-9A-Z]{0,3})\s*([\u4e00-\u9fff]{1,10})"),
)
_EXPLAINED_BEHIND = re.compile(r"([\u4e00-\u9fff]{1,8})\s*[=:：]\s*([0-9A-Z]{1,4})")

Code: TypeAlias = str | int | bool


def explained(comment: str) -> dict[str, str]:
    """Return what a comment says of codes: "0未缴 1已缴", "Y=paid, N=unpaid"."""
    for pattern in _EXPLAINED:
        found = dict(pattern.findall(comment))
        if len(found) > 1:
            return found
    behind = {code: word for word, code in _EXPLAINED_BEHIND.findall(comment)}
    return behind if len(behind) > 1 else {}


def codes_of(col: Col, texts: Iterable[str]) -> list[Code]:
    """Return codes as the column holds them: numbers without quotes."""
    numbers = col.numeric or (bool(col.held) and all(isinstance(v, int) for v in col.held))
    whole = [text for text in texts if text]
    if any(isinstance(value, bool) for value in col.held):
        return [text == "True" for text in whole if text in {"True", "False"}]
    if numbers:
        return [int(float(text)) for text in whole]
    return list(whole)


class Flag(NamedTuple):
    """Codes of yes and of no; `others` are neither."""

    yes: tuple[str, ...]
    no: tuple[str, ...]
    others: tuple[str, ...]
    score: float
    why: str


def flag_of(
    col: Col, lexicon: Lexicon, *, inverted: bool = False, shown: Sequence[tuple[Col, str]] = (),
    order: Sequence[str | None] = (),
) -> Flag | None:  # fmt: skip
    """Return which codes of a column say yes.

    `inverted`: the column says the contrary. `shown` are columns that show it, each with how:
    "there" (a date of payment), "some" (an amount paid), "none" (an amount owed). `order` is the
    month of each row: what is old is paid, mostly.
    """
    seen = sorted(col.distinct)
    by_rows = _by_rows(col, seen, shown)
    if by_rows is None and len(seen) > 1 and any(other.held for other, _ in shown):
        return None  # what was paid does not go by these codes
    meanings = explained(col.comment)
    if by_rows and not meanings:
        return by_rows
    said = {code: meanings.get(code, code) for code in dict.fromkeys([*seen, *meanings])}
    yes = [code for code, word in said.items() if _is(lexicon, word, "yes", "no")]
    no = [code for code, word in said.items() if _is(lexicon, word, "no", "yes")]
    why = "the comment explains its codes" if meanings else "its codes say so"
    if yes and not no and not meanings:
        no = [_COUNTERPART[code] for code in yes if code in _COUNTERPART]
    elif no and not yes and not meanings:
        yes = [_COUNTERPART[code] for code in no if code in _COUNTERPART]
    if inverted:
        yes, no = no, yes
    if by_rows and set(by_rows.yes) & set(no):
        return by_rows  # what the rows show is worth more than a word
    if yes and no:
        rest = tuple(code for code in seen if code not in {*yes, *no})
        return Flag(tuple(yes), tuple(no), rest, 0.85 if meanings or not inverted else 0.7, why)
    return by_rows or _by_age(col, seen, order)


_PAIRS = (("1", "0"), ("Y", "N"), ("y", "n"), ("T", "F"), ("是", "否"), ("True", "False"))
_COUNTERPART = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}


def _is(lexicon: Lexicon, word: str, kind: str, other: str) -> bool:
    if lexicon.says(kind, word):
        return True
    if lexicon.says(other, word) or len(word) < 2:
        return False
    # 未 comes first where both are in it: 未缴清
    if any("\u4e00" <= c <= "\u9fff" for c in word):
        no = word.startswith(("未", "欠", "待", "部分", "否", "不"))
        yes = word.startswith(("已", "是", "缴清", "结清", "付清", "全"))
        return yes if kind == "yes" else no
    return False


def _by_rows(col: Col, seen: Sequence[str], shown: Sequence[tuple[Col, str]]) -> Flag | None:
    """Tell codes apart by what else stands in their rows."""
    for other, how in shown:
        part: dict[str, float] = {}
        for code in seen:
            rows = [
                other.values[at]
                for at, value in enumerate(col.values)
                if value is not None and str(value).strip() == code
            ]
            part[code] = sum(_shows(value, how) for value in rows) / len(rows) if rows else 0.5
        yes = tuple(code for code, paid in part.items() if paid >= 0.95)
        no = tuple(code for code, paid in part.items() if paid <= 0.05)
        if yes and no:
            rest = tuple(code for code in seen if code not in {*yes, *no})
            told = {"there": "is filled in", "some": "is not 0", "none": "is 0"}[how]
            return Flag(yes, no, rest, 0.9, f"{other.name} {told} where it is one of yes")
    return None


def _shows(value: object, how: str) -> bool:
    if how == "there":
        return value is not None and str(value).strip() not in {"", "0"}
    amount = money(value) or 0
    return bool(amount) if how == "some" else not amount


def _by_age(col: Col, seen: Sequence[str], order: Sequence[str | None]) -> Flag | None:
    """Take the code of the oldest bills for paid, where there are two and they differ in age."""
    if len(seen) != 2 or not order:
        return None
    dated = sorted(
        (month, str(value).strip())
        for month, value in zip(order, col.values, strict=True)
        if month is not None and value is not None
    )
    third = len(dated) // 3
    if not third:
        return None
    oldest, newest = (Counter(code for _, code in part) for part in (dated[:third], dated[-third:]))
    lead = {code: oldest[code] / third - newest[code] / third for code in seen}
    yes = max(seen, key=lambda code: lead[code])
    if lead[yes] < 0.1:
        return None
    no = next(code for code in seen if code != yes)
    return Flag((yes,), (no,), (), 0.5, "it is commoner in old bills, which are mostly paid")
