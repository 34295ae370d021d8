"""What names mean: the words of `lexicon.toml`, and how well they say what a column is for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ivrd.billing.draft.names import Reading, chinese, combined, expanded, segmented, split

FILE = Path(__file__).parent / "lexicon.toml"

_FILLER = "table"
"""Words that say nothing, such as the T of T_USER."""

_OF_ANY = frozenset({"fee", "month"})
"""Words that leave what is charged for as it is."""

_FURTHER, _FURTHER_DIGITS = "second", frozenset("23456")
"""What the digit of TEL2 says."""

_INITIALS_AT_MOST = 9
_LEAST_INITIALS = 2


class Role(NamedTuple):
    """What makes a role: sets of words with how well each does, and words that rule it out."""

    made_of: tuple[tuple[frozenset[str], float], ...]
    never: frozenset[str]


class Item(NamedTuple):
    """Something that is charged for: our codes for it, the best first, and how it is said."""

    codes: tuple[str, ...]
    made_of: tuple[frozenset[str], ...]
    zh: str
    en: str
    numbered: bool
    """Whether there may be several, with a number behind the code."""


class Charged(NamedTuple):
    """What a name may say is charged for: how well it fits beside others, and how sure it is."""

    item: Item
    fit: float
    sure: float


class Trade(NamedTuple):
    """What goes with a trade: items of the languages' own list, and words that speak for it."""

    common: frozenset[str]
    words: Mapping[str, float]


class Lexicon:
    """The words, roles, items and codes of the file."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._english: dict[str, list[str]] = {}
        self._pinyin: dict[str, list[str]] = {}
        self._initials: dict[str, list[str]] = {}
        self._chinese: dict[str, list[str]] = {}
        charged = {words for item in data["item"].values() for words in item["is"]}
        for word, said in data["word"].items():
            self._learn(word, said)
            if word in charged:
                fees = [f"{_first(zh)}费 {_rest(zh)} fei" for zh in said.get("zh", ())]
                self._learn(word, {"zh": [zh for zh in fees if "费费" not in zh]})
        self._latin = {
            form: [*self._english.get(form, ()), *self._pinyin.get(form, ())]
            for form in (*self._english, *self._pinyin)
        }
        self.roles = {name: _role(table) for name, table in data["role"].items()}
        self.tables = {name: _role(table) for name, table in data["table"].items()}
        self.items = [_item(code, table) for code, table in data["item"].items()]
        self.trades = {
            name: Trade(frozenset(table["common"]), table["is"])
            for name, table in data["trade"].items()
        }
        self._codes = {name: frozenset(words) for name, words in data["codes"].items()}
        self._known: dict[str, list[Reading]] = {}
        self._words: dict[str, frozenset[str]] = {}

    def _learn(self, word: str, said: Mapping[str, Sequence[str]]) -> None:
        def put(forms: dict[str, list[str]], form: str) -> None:
            listed = forms.setdefault(form, [])
            if word not in listed:
                listed.append(word)

        for entry in said.get("zh", ()):
            text, *syllables = entry.split()
            put(self._chinese, text)
            if len(syllables) == len(text):  # else its initials mean something else more often
                put(self._initials, "".join(syllable[0] for syllable in syllables))
            whole = "".join(syllables)
            if len(whole) > _LEAST_INITIALS:
                put(self._pinyin, whole)
        for form in (*said.get("en", ()), *said.get("short", ())):
            put(self._english, form)

    def readings(self, name: str) -> list[Reading]:
        """Return how a name may be understood, the likeliest first; never none."""
        if name not in self._known:
            self._known[name] = combined([self._of_piece(piece) for piece in self._joined(name)])
        return self._known[name]

    def _joined(self, name: str) -> list[str]:
        """Return a name's pieces, two set together where only both are a word: ID_CARD."""
        pieces = [_FURTHER if piece in _FURTHER_DIGITS else piece for piece in split(name)]
        pieces = [piece for piece in pieces if not piece.isdigit()]
        joined: list[str] = []
        for piece in pieces:
            both = (joined[-1] + piece).lower() if joined else ""
            if both in self._english:
                joined[-1] = both
            else:
                joined.append(piece)
        return joined

    def _of_piece(self, piece: str) -> list[Reading]:
        if not piece.isascii():
            return chinese(piece, self._chinese)
        text = piece.lower()
        found = [Reading((word,), 1.0, 0) for word in self._latin.get(text, ())]
        if not found and text.endswith("s"):
            found = [Reading((word,), 0.95, 0) for word in self._english.get(text[:-1], ())]
        if not found and len(text) > 3:
            for way in segmented(text, self._latin, 2):
                short = sum(len(form) == 2 for form in way)
                sure = 0.95 - 0.05 * len(way) - 0.1 * short
                found += [Reading(words, sure, 0) for words in expanded(way, self._latin)]
        filler = _FILLER in self._latin.get(text, ())
        if _LEAST_INITIALS <= len(text) <= _INITIALS_AT_MOST and not filler:
            found += self._of_initials(text, known=bool(found))
        return found[:12] or [Reading((), 0.9, 1)]

    def _of_initials(self, text: str, *, known: bool) -> list[Reading]:
        """Return what initials of pinyin may say: much, so they are never sure."""
        found = []
        for way in segmented(text, self._initials):
            single = sum(len(form) == 1 for form in way)
            if single > 1 and len(text) > _LEAST_INITIALS:
                continue
            sure = (0.35 if known else 0.85) - 0.06 * (len(way) - 1) - 0.1 * single
            found += [Reading(words, sure, 0) for words in expanded(way, self._initials)]
        return found

    def score(self, role: Role, name: str) -> float:
        """Return from 0 to 1 how well a name says a role."""
        return max(_fits(role, reading) for reading in self.readings(name))

    def words(self, name: str) -> frozenset[str]:
        """Return the words of the likeliest reading of a name."""
        if name not in self._words:
            self._words[name] = frozenset(self.readings(name)[0].words) - {_FILLER}
        return self._words[name]

    def item(self, name: str) -> Item | None:
        """Return what a name says is charged for, None where it says nothing of the kind."""
        found = self.charged(name)
        return found[0].item if found else None

    def charged(self, name: str) -> list[Charged]:
        """Return all that a name may say is charged for, the likeliest first."""
        best: dict[str, Charged] = {}
        for reading in self.readings(name):
            words = frozenset(reading.words) - {_FILLER}
            for item in self.items:
                for made_of in item.made_of:
                    if made_of <= words:
                        # what is said with more words is said more exactly
                        fit = reading.sure * (len(made_of) + 1) / (len(words) + 2)
                        known = best.get(item.codes[0])
                        if known is None or fit > known.fit + 1e-9:
                            more = len(words - made_of - _OF_ANY)
                            sure = reading.sure / (1 + more / 2) / (1 + reading.unknown / 4)
                            best[item.codes[0]] = Charged(item, fit, sure)
        return sorted(best.values(), key=lambda one: -one.fit)

    def says(self, kind: str, code: object) -> bool:
        """Return whether a code, or the words that explain it, is one of a kind."""
        return str(code).strip().lower() in self._codes[kind]


def _first(entry: str) -> str:
    return entry.split(maxsplit=1)[0]


def _rest(entry: str) -> str:
    return entry.split(maxsplit=1)[1]


def _fits(role: Role, reading: Reading) -> float:
    words = frozenset(reading.words) - {_FILLER}
    size = len(words) + reading.unknown / 2
    best = 0.0
    for made_of, weight in role.made_of:
        if made_of <= words and not (role.never - made_of) & words:
            best = max(best, reading.sure * weight * (0.5 + 0.5 * len(made_of) / size))
    return best


def _role(table: Mapping[str, Any]) -> Role:
    made_of = tuple((frozenset(words.split()), weight) for words, weight in table["is"].items())
    return Role(made_of, frozenset(table["not"]))


def _item(code: str, table: Mapping[str, Any]) -> Item:
    made_of = tuple(frozenset(words.split()) for words in table["is"])
    said = table["said"]
    codes = (code, *table.get("or", ()))
    return Item(codes, made_of, said["zh"], said["en"], table.get("numbered", False))


@cache
def lexicon() -> Lexicon:
    """Return the lexicon, read once."""
    return Lexicon(tomllib.loads(FILE.read_text(encoding="utf-8")))
