"""The small forms of a flow file: edges, sentences, entries, and the keys of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivrd.errors import Problem, nearest
from ivrd.flow.spec import Collect, Edge, Place, Sentence
from ivrd.toml_file import TomlFile

NUMBER = (int, float)

_EDGE_KEYS: Mapping[str, Any] = {
    "to": str,
    "retry": str,
    "say": list,
    "note": str,
    "set": dict,
    "if": str,
}
_SENTENCE_KEYS: Mapping[str, Any] = {"say": str, "if": str, "each": str, "lang": str}
_COLLECT_KEYS: Mapping[str, Any] = {"digits": int, "into": str, "private": bool}
_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


@dataclass
class Source:
    """One file being read, a flow or a part of one; `problems` is shared by all of a flow's.

    `prefix` is put in front of the names of the states; `above` are the files that use this one,
    `files` all that were read, shared like `problems`.
    """

    file: TomlFile
    problems: list[Problem]
    prefix: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    above: tuple[Path, ...] = ()
    files: list[Path] = field(default_factory=list)

    def place(self, key: Sequence[str]) -> Place:
        """Return where `key` stands."""
        return Place(self.file.path, self.file.line_of(*key), ".".join(key))

    def problem(self, key: Sequence[str], what: str, **more: Any) -> None:
        """Note one thing wrong at `key`."""
        self.problems.append(self.file.problem(key, what, **more))

    def form(
        self,
        key: Sequence[str],
        table: Mapping[str, Any],
        types: Mapping[str, Any],
        required: Sequence[str] = (),
    ) -> bool:
        """Report unknown keys, wrong types and missing keys of a table; tell if it was right."""
        before = len(self.problems)
        for name, value in table.items():
            if name not in types:
                self.problem(
                    (*key, name),
                    "unknown key",
                    rule="unknown-key",
                    expected=f"one of {', '.join(types)}",
                    nearest=nearest(name, types),
                )
            elif not _is(value, types[name]):
                expected = _words(types[name])
                self.problem((*key, name), f"is {_told(value)}", rule="type", expected=expected)
            elif value == "" and name != "wait":  # an empty wait is no waiting sentence
                self.problem((*key, name), "is empty", rule="type", expected=_words(types[name]))
        for name in required:
            if name not in table:
                self.problem(key, f"has no {name!r}", rule="missing-key")
        return len(self.problems) == before

    def names(self, key: Sequence[str], values: Sequence[Any]) -> bool:
        """Report what in a list is not text; tell if all is."""
        wrong = [value for value in values if not isinstance(value, str)]
        if wrong:
            self.problem(key, f"holds {_told(wrong[0])}", rule="type", expected="a list of names")
        return not wrong

    def edge(
        self, key: Sequence[str], trigger: str, value: Any, *, shared: bool = False
    ) -> Edge | None:
        """Read an edge: a state's name, or a table with ``to`` or ``retry``."""
        if isinstance(value, str):
            return Edge(trigger, self.prefix + value, self.place(key), shared=shared)
        if not isinstance(value, dict):
            expected = "a state's name, or a table with to or retry"
            self.problem(key, f"is {_told(value)}", rule="type", expected=expected)
            return None
        if not self.form(key, value, _EDGE_KEYS):
            return None
        before = len(self.problems)
        if ("to" in value) == ("retry" in value):
            both = "has both to and retry" if "to" in value else "has neither to nor retry"
            self.problem(key, both, rule="to-or-retry", expected="one of them")
        if "if" in value and not trigger.startswith("key "):
            expected = "a state with if, yes and no behind this edge"
            self.problem((*key, "if"), "only a menu's key has if", rule="if", expected=expected)
        for name, what in value.get("set", {}).items():
            if not isinstance(what, str | int | float):
                expected = "text, a number, true or false"
                self.problem((*key, "set"), f"{name} is {_told(what)}", rule="type",
                             expected=expected)  # fmt: skip
        say = self.sentences((*key, "say"), value.get("say", []))
        if len(self.problems) > before:
            return None
        return Edge(
            trigger,
            self.prefix + (value.get("to") or value["retry"]),
            self.place(key),
            retry="retry" in value,
            say=say,
            notes=(value["note"],) if "note" in value else (),
            set=value.get("set", {}),
            condition=value.get("if"),
            shared=shared,
        )

    def sentences(self, key: Sequence[str], values: Sequence[Any]) -> tuple[Sentence, ...]:
        """Read a list of sentences: names, or tables with ``say``."""
        found: list[Sentence] = []
        for value in values:
            if isinstance(value, str):
                found.append(Sentence(value))
            elif not isinstance(value, dict):
                expected = "a sentence's name, or a table with say"
                self.problem(key, f"holds {_told(value)}", rule="type", expected=expected)
            elif self.form(key, value, _SENTENCE_KEYS, required=("say",)):
                more = (value.get("if"), value.get("each"), value.get("lang"))
                found.append(Sentence(value["say"], *more))
        return tuple(found)

    def collect(self, key: Sequence[str], value: Mapping[str, Any]) -> Collect | None:
        """Read what an entry is: how many ``digits`` go ``into`` what, ``private`` or not."""
        if not self.form(key, value, _COLLECT_KEYS, required=("digits", "into")):
            return None
        if not 1 <= value["digits"] <= 40:
            what = f"is {value['digits']}"
            self.problem((*key, "digits"), what, rule="digits", expected="1 to 40")
            return None
        return Collect(value["digits"], value["into"], value.get("private", False))


def _is(value: Any, types: Any) -> bool:
    # bool is an int to Python, and to no person who writes a flow
    return isinstance(value, types) and (types is bool or not isinstance(value, bool))


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    return f"the text {value!r}" if isinstance(value, str) else _WORDS.get(type(value), "a date")


def _words(types: Any) -> str:
    if types == NUMBER:
        return "a number"
    many = types if isinstance(types, tuple) else (types,)
    return " or ".join(_WORDS[one] for one in many)
