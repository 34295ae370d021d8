"""Which prompt says what is charged for: one of the trade's where that is sure, or the rest's."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from ivrd.billing.draft.findings import Draft, Unnamed
from ivrd.billing.draft.lexicon import Charged, Item, Lexicon

RESTS = ("other_charges", "other_charges_2", "other", "others", "other_fees")
"""Codes that any charge may be spoken under, where there is a prompt of one."""

SURE_ENOUGH = 0.5
"""From here on an item is given to the prompt that its name seems to mean."""

_OWN = 1.15
"""How much likelier what the trade itself charges for is than what any bill may hold."""

_ASCII = re.compile(r"[^a-z0-9]+")
_NUMBER = re.compile(r"[1-9一二三四五六七八九]")
_CHINESE = "一二三四五六七八九"


class Names:
    """Gives what is charged for its code: one that has a prompt, wherever there is one."""

    def __init__(
        self, draft: Draft, lexicon: Lexicon, spoken: Collection[str], own: Collection[str] = ()
    ) -> None:
        """`spoken` are the codes with a prompt; `own` those of them that are the trade's."""
        self._draft, self._lexicon = draft, lexicon
        self._spoken, self._own = spoken, own
        self._used: dict[str, str] = {}

    def of(self, texts: Sequence[str], made_of: str, held: Any) -> str:
        """Return the code for what is charged for.

        `texts` are how the database names it, the plainest first; `made_of` is what a new code is
        made of; `held` is the column or the code that stands for it in the database.
        """
        item = self.item(texts)
        if item is not None:
            code = next((one for one in _codes(item, texts) if one in self._spoken), None)
            if code is not None:
                return code
        told = next((text for text in texts if not text.isascii()), "")
        if item is not None:
            code, zh, en = item.codes[0], item.zh, item.en
        else:
            code = self._made(made_of)
            if code in self._spoken and code not in RESTS:
                return code
            zh, en = told, f"{code.replace('_', ' ').capitalize()},"
        unnamed = self._draft.unnamed.setdefault(code, Unnamed(zh, en))
        unnamed.held.append(held)
        unnamed.told.append(told or texts[0])
        return self.rest or code

    def has(self, texts: Sequence[str]) -> bool:
        """Return whether there is a prompt for what is charged for, and not only one near it."""
        item = self.item(texts)
        if item is None:
            return False
        first = next(_codes(item, texts))
        return first in self._spoken or item.codes[0] in self._spoken

    def item(self, texts: Sequence[str]) -> Item | None:
        """Return what the first of the texts that says anything is charged for, if sure enough."""
        found = next((found for text in texts if (found := self._lexicon.charged(text))), [])
        best: tuple[float, Charged] | None = None
        for one in found:
            fit = one.fit * (_OWN if self._is_own(one.item, texts) else 1.0)
            if best is None or fit > best[0] + 1e-9:
                best = fit, one
        return best[1].item if best and best[1].sure >= SURE_ENOUGH else None

    def _is_own(self, item: Item, texts: Sequence[str]) -> bool:
        return any(code in self._own for code in _codes(item, texts))

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
        return next(iter(self.rests), None)

    @property
    def rests(self) -> list[str]:
        """All such codes: amounts in another unit need a second."""
        return [code for code in RESTS if code in self._spoken]


def _codes(item: Item, texts: Sequence[str]) -> Iterator[str]:
    """Yield the codes of an item; of one in steps, first that of the step."""
    if item.numbered:
        numbers = [found[0] for text in texts if (found := _NUMBER.search(text))]
        for number in numbers[:1]:
            yield f"{item.codes[0]}_{_CHINESE.find(number) + 1 or number}"
    yield from item.codes
