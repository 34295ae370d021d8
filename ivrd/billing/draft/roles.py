"""What each column may be for: what its name and comment say, weighed with what it holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from ivrd.billing.draft import looks
from ivrd.billing.draft.lexicon import Lexicon, Role
from ivrd.billing.draft.survey import Col, Tab

LEAST = 0.42
"""What a column must have to be taken for something at all."""

SURE = 0.72
"""From here on a guess is told as sure."""

_OF_COMMENT = re.compile(r"[0-9:：,，;；(（\[【/|、.。\s]")

Weigh: TypeAlias = Callable[[Col, float], float]
"""From a column and what its name says, to what both say together."""


def told_by(col: Col) -> str:
    """Return the part of a column's comment that names it: before its codes, or any explanation."""
    return _OF_COMMENT.split(col.comment.strip(), maxsplit=1)[0]


class Roles:
    """The scores of columns for roles, from 0 to 1; each is worked out once."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self._known: dict[tuple[str, str, str], float] = {}
        self._names: dict[tuple[str, str, str], float] = {}

    def name(self, col: Col, role: str) -> float:
        """Return how well name and comment alone say a role."""
        key = (col.table, col.name, role)
        if key not in self._names:
            self._names[key] = self._said(self.lexicon.roles[role], col.name, told_by(col))
        return self._names[key]

    def _said(self, role: Role, name: str, comment: str) -> float:
        by_name = self.lexicon.score(role, name)
        if not comment or not self.lexicon.words(comment):
            return by_name
        # a comment is written to be understood, a name often is not
        by_comment = self.lexicon.score(role, comment)
        return max(by_comment * 0.95, 0.4 * by_name + 0.6 * by_comment)

    def of(self, col: Col, role: str) -> float:
        """Return how well a column does for a role."""
        key = (col.table, col.name, role)
        if key not in self._known:
            said = self.name(col, role)
            weighed = _WEIGH[role](col, said) if role in _WEIGH else said
            self._known[key] = min(max(weighed, 0.0), 1.0)
        return self._known[key]

    def best(self, tab: Tab, role: str, besides: Mapping[str, object] | None = None) -> Col | None:
        """Return the column of a table that does best for a role, None where none does."""
        ranked = self.ranked(tab, role)
        return next((col for col in ranked if not besides or col.name not in besides), None)

    def ranked(self, tab: Tab, role: str) -> list[Col]:
        """Return the columns that may do for a role, the best first."""
        able = [col for col in tab.columns.values() if self.of(col, role) >= LEAST]
        return sorted(able, key=lambda col: -self.of(col, role))

    def table(self, tab: Tab, kind: str) -> float:
        """Return how well the name and the comment of a table say what it holds."""
        plain = re.sub(r"\{[a-z]+\}", " ", tab.name)
        return self._said(
            self.lexicon.tables[kind], plain, _OF_COMMENT.split(tab.comment, maxsplit=1)[0]
        )


def _phone(col: Col, said: float) -> float:
    if col.kind in {"date", "datetime", "time", "bool", "decimal"}:
        return 0.0
    if not col.held:
        return said * 0.9
    like = looks.phones(col)
    if like < 0.3:
        return said * 0.35
    if not said:
        return 0.55 if looks.mobiles(col) > 0.5 else 0.0
    return 0.7 * said + 0.3 * like


def _month(col: Col, said: float) -> float:
    if col.kind in {"date", "datetime"}:
        return said
    if not col.held:
        return said * 0.8 if col.kind in {"text", "integer"} else 0.0
    pattern = looks.written(col, looks.MONTHS)
    if pattern is None:
        return said * 0.9 if looks.written(col, looks.SORTED_DAYS) else 0.0
    if pattern == "YYMM":
        return said
    return max(said, 0.44) if said else (0.44 if pattern.startswith("YYYYMM") else 0.3)


def _day(col: Col, said: float) -> float:
    if col.kind in {"date", "datetime"} or not col.held:
        return said
    return said if looks.written(col, looks.DAYS) or looks.is_iso(col) else 0.0


def _instant(col: Col, said: float) -> float:
    if col.kind in {"date", "datetime", "time"} or not col.held:
        return said
    return said if looks.written(col, (*looks.INSTANTS, *looks.DAYS)) else 0.0


def _money(col: Col, said: float) -> float:
    return said if looks.is_money(col) else 0.0


def _count(col: Col, said: float) -> float:
    return said if col.kind in {"integer", "decimal"} and not looks.decimals(col) else 0.0


def _flag(col: Col, said: float) -> float:
    if col.kind == "bool":
        return min(said * 1.1, 1.0)
    if not col.held:
        return said * 0.8
    return said if looks.few(col, 8) and not looks.decimals(col) else 0.0


def _codes(col: Col, said: float) -> float:
    return said if not col.held or looks.few(col, 20) else 0.0


def _text_codes(col: Col, said: float) -> float:
    if col.kind in {"date", "datetime", "time", "bool"}:
        return 0.0
    return said if not looks.decimals(col) and not looks.written(col, ("YYYY-MM-DD",)) else 0.0


def _identity(col: Col, said: float) -> float:
    like = looks.identities(col)
    return max(said * (0.6 if col.held and like < 0.3 else 1.0), 0.9 * like)


def _key(col: Col, said: float) -> float:
    if col.kind in {"date", "datetime", "time", "bool"} or looks.decimals(col):
        return 0.0
    return said * (0.4 if looks.identities(col) > 0.5 else 1.0)


def _agreement(col: Col, said: float) -> float:
    # what is keyed in on a telephone is digits
    if col.held and looks.share(col, str.isdigit) < 0.5:
        return said * 0.5
    return _key(col, said) * (0.5 if looks.mobiles(col) > 0.5 else 1.0)


def _password(col: Col, said: float) -> float:
    return said if not col.held or looks.share(col, lambda t: len(t) <= 64) > 0.9 else 0.0


_WEIGH: Mapping[str, Weigh] = {
    "phone": _phone, "other_phones": _phone, "other_number": _text_codes, "month": _month,
    "due": _day, "paid_date": _instant, "started": _instant, "total": _money, "owed": _money,
    "paid_amount": _money, "amount": _money, "discount": _money, "surcharge": _money,
    "owed_months": _count, "seconds": _count, "paid": _flag, "consent": _flag, "state": _codes,
    "group": _codes, "product": _codes, "language": _codes, "code": _text_codes,
    "identity": _identity, "id": _key, "customer": _key, "agreement": _agreement,
    "password": _password,
}  # fmt: skip
