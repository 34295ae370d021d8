"""The text list of a language: ``voice_prompts/<tag>/prompts.toml``.

It is what a person reads aloud to record the prompts. ``[prompts]`` maps each prompt's id to
its text, or to a table with ``text`` and ``spoken`` (what a synthesiser is given instead:
pinyin, phonemes, another punctuation), or to ``silence_ms`` for a pause. ``[trade]`` has the words
that differ from trade to trade (`ivrd.speech.trades`), in the same form. ``[voice]`` says how the
prompts are synthesised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivrd.errors import Problem, PromptError, nearest
from ivrd.toml_file import TomlFile

TEXT_LIST = "prompts.toml"

WORDS = "trade"
"""The table of the words that differ from trade to trade."""

_ID = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Text:
    """What a prompt says: `text` as people write it, "" for a pause."""

    text: str
    spoken: str | None = None
    silence_ms: int = 0


@dataclass(frozen=True, slots=True)
class Voice:
    """How espeak-ng speaks a language; `pinyin` converts Chinese characters first."""

    espeak: str
    words_per_minute: int = 160
    pitch: int = 50
    pinyin: bool = False


@dataclass(frozen=True)
class TextList:
    """A language's text list, as far as it is right, and what is wrong in it."""

    file: Path
    texts: Mapping[str, Text]
    voice: Voice | None
    problems: tuple[Problem, ...]
    toml: TomlFile | None = field(default=None, repr=False)
    words: frozenset[str] = frozenset()
    """The ids of the texts that differ from trade to trade."""

    def line_of(self, prompt: str) -> int | None:
        """Return the line on which a prompt stands."""
        table = WORDS if prompt in self.words else "prompts"
        return self.toml.line_of(table, prompt) if self.toml else None


def load_texts(folder: Path, *, with_voice: bool = True) -> TextList:
    """Read the text list of the language in `folder`; what is wrong is in its `problems`.

    `with_voice` is false for a trade's list, which is spoken with the voice of the language.
    """
    file = folder / TEXT_LIST
    try:
        toml = TomlFile(file, PromptError)
    except PromptError as exc:
        return TextList(file, {}, None, exc.problems)
    tables = ("prompts", WORDS, *(("voice",) if with_voice else ()))
    problems = [
        toml.problem(
            [key],
            "unknown table",
            expected=" and ".join(f"[{table}]" for table in tables),
            nearest=nearest(key, tables),
            rule="text-list",
        )
        for key in toml.data
        if key not in tables
    ]
    prompts, words = (_texts(toml, table, problems) for table in ("prompts", WORDS))
    for prompt in prompts.keys() & words.keys():
        what = f"is in [{WORDS}] already"
        problems.append(toml.problem(["prompts", prompt], what, rule="text-list"))
    voice = _voice(toml, problems) if with_voice else None
    return TextList(file, {**prompts, **words}, voice, tuple(problems), toml, frozenset(words))


def _texts(toml: TomlFile, table: str, problems: list[Problem]) -> dict[str, Text]:
    """Return the texts of a table that are right."""
    entries = toml.data.get(table)
    if not isinstance(entries, dict) or not entries:
        if table == "prompts" or entries is not None:
            problems.append(toml.problem([table], "no prompts in the list", rule="text-list"))
        return {}
    texts: dict[str, Text] = {}
    for prompt, entry in entries.items():
        text = _text(entry) if _ID.fullmatch(prompt) else "an id of a-z, 0-9 and _"
        if isinstance(text, Text):
            texts[prompt] = text
        else:
            problems.append(
                toml.problem([table, prompt], "wrong entry", expected=text, rule="text-list")
            )
    return texts


def _text(entry: Any) -> Text | str:
    """Return the entry read, or what was expected."""
    if isinstance(entry, str) and entry.strip():
        return Text(entry)
    if isinstance(entry, dict):
        if set(entry) == {"silence_ms"}:
            silence = entry["silence_ms"]
            if type(silence) is int and 10 <= silence <= 5000:
                return Text("", silence_ms=silence)
            return "silence_ms from 10 to 5000"
        text, spoken = entry.get("text"), entry.get("spoken")
        if set(entry) == {"text", "spoken"} and isinstance(text, str) and text.strip():
            if isinstance(spoken, str) and spoken.strip():
                return Text(text, spoken)
            return "spoken as a text"
    return 'a text, { text = "…", spoken = "…" } or { silence_ms = 200 }'


_VOICE_KEYS = ("espeak", "words_per_minute", "pitch", "pinyin")
_RANGES = {"words_per_minute": range(80, 451), "pitch": range(100)}


def _voice(toml: TomlFile, problems: list[Problem]) -> Voice | None:
    table = toml.data.get("voice")
    if not isinstance(table, dict) or "espeak" not in table:
        what, expected = "no voice", '[voice] with espeak = "…"'
        problems.append(toml.problem(["voice"], what, expected=expected, rule="text-list"))
        return None
    wrong = [_voice_problem(toml, key, value) for key, value in table.items()]
    found = [problem for problem in wrong if problem]
    problems += found
    return None if found else Voice(**table)


def _voice_problem(toml: TomlFile, key: str, value: Any) -> Problem | None:
    place = ["voice", key]
    if key not in _VOICE_KEYS:
        near = nearest(key, _VOICE_KEYS)
        return toml.problem(place, "unknown key", nearest=near, rule="text-list")
    expected = None
    if key == "espeak" and not (isinstance(value, str) and value.strip()):
        expected = "the name of an espeak-ng voice"
    elif key == "pinyin" and not isinstance(value, bool):
        expected = "true or false"
    elif key in _RANGES and (type(value) is not int or value not in _RANGES[key]):
        expected = f"a whole number from {_RANGES[key].start} to {_RANGES[key].stop - 1}"
    if expected is None:
        return None
    return toml.problem(place, "wrong value", expected=expected, rule="text-list")
