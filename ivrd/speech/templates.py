"""Sentence templates: ``voice_prompts/<tag>/sentences.toml``.

A template is words with blanks between them; a word is a prompt's id or ``{path:kind}``, a
value of the sentence's data::

    bill_item = "{name:item} {amount:money} pause"

What stands between ``[`` and ``]`` is left out where a value in it is the empty text::

    call_detail = "… [area {detail.area:digits}] …"

``fsm_specs/sentences.toml`` declares which data a sentence has; a template uses nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ivrd.errors import Problem, PromptError, nearest
from ivrd.speech.grammar import KINDS
from ivrd.toml_file import TomlFile

TEMPLATES = "sentences.toml"


@dataclass(frozen=True, slots=True)
class Field:
    """A place in a template for a value: its path in the sentence's data, and its kind."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that are spoken together, or not at all where one of their values is ""."""

    parts: tuple[str | Field, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The data paths of the fields."""
        return tuple(part.path for part in self.parts if isinstance(part, Field))


Template: TypeAlias = tuple[str | Field | Group, ...]
"""Prompt ids, fields and groups in order of speech."""

_FIELD = re.compile(r"\{([a-z][a-z0-9_.]*):([a-z_]+)\}")
_ID = re.compile(r"[a-z][a-z0-9_]*")
_WRITE = 'prompt ids and {path:kind}, such as "{name:item} {amount:money}"'


def load_declared(file: Path) -> dict[str, frozenset[str]]:
    """Return each sentence's declared data paths; raises `PromptError`."""
    toml = TomlFile(file, PromptError)
    problems = [
        toml.problem([name], "wrong entry", expected='data paths: ["bill.month"]', rule="sentences")
        for name, paths in toml.data.items()
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths)
    ]
    if problems:
        raise PromptError(problems)
    return {name: frozenset(paths) for name, paths in toml.data.items()}


def load_templates(
    folder: Path, declared: Mapping[str, Set[str]], prompts: Set[str], *, whole: bool = True
) -> tuple[dict[str, Template], list[Problem]]:
    """Return the templates of the language in `folder` that are right, and all problems.

    `prompts` are the ids of the language's text list. `whole` asks for every declared sentence.
    """
    try:
        toml = TomlFile(folder / TEMPLATES, PromptError)
    except PromptError as exc:
        return {}, list(exc.problems)
    templates: dict[str, Template] = {}
    problems = [
        Problem(
            f"sentence {name!r} is missing",
            file=toml.path,
            nearest=nearest(name, toml.data.keys() - declared.keys()),
            rule="sentence-missing",
        )
        for name in declared
        if whole and name not in toml.data
    ]
    for name, source in toml.data.items():
        if name not in declared:
            problems.append(
                toml.problem(
                    [name],
                    "no such sentence",
                    expected="a sentence of fsm_specs/sentences.toml",
                    nearest=nearest(name, declared),
                    rule="sentence-unknown",
                )
            )
            continue
        if not isinstance(source, str) or not source.strip():
            problems.append(
                toml.problem([name], "wrong template", expected=_WRITE, rule="template")
            )
            continue
        wrong = list(_problems(toml, name, source, declared[name], prompts))
        problems += wrong
        if not wrong:
            templates[name] = _template(source)
    return templates, problems


def prompts_in(folder: Path) -> set[str]:
    """Return the ids of all prompts that the sentences in `folder` name, right or not."""
    try:
        toml = TomlFile(folder / TEMPLATES, PromptError)
    except PromptError:
        return set()
    sources = [source for source in toml.data.values() if isinstance(source, str)]
    return {word for source in sources for word in _words(source) if _ID.fullmatch(word)}


def fields(template: Template) -> tuple[Field, ...]:
    """Return all fields of a template, those in groups too."""
    parts = [part.parts if isinstance(part, Group) else (part,) for part in template]
    return tuple(part for inner in parts for part in inner if isinstance(part, Field))


def _words(source: str) -> list[str]:
    return source.replace("[", " [ ").replace("]", " ] ").split()


def _template(source: str) -> Template:
    """Read a template without problems."""
    parts: list[str | Field | Group] = []
    group: list[str | Field] | None = None
    for word in _words(source):
        if word == "[":
            group = []
        elif word == "]":
            parts.append(Group(tuple(group or ())))
            group = None
        elif group is not None:
            group.append(_part(word))
        else:
            parts.append(_part(word))
    return tuple(parts)


def _groups_are_right(source: str) -> bool:
    """Return whether brackets pair up, are not nested, and hold a field each."""
    bare = re.sub(r"\[[^\[\]]*\{[^\[\]]*\]", "", source)
    return "[" not in bare and "]" not in bare


def _part(word: str) -> str | Field:
    found = _FIELD.fullmatch(word)
    return Field(found[1], found[2]) if found else word


def _problems(
    toml: TomlFile, name: str, source: str, declared: Set[str], prompts: Set[str]
) -> Iterator[Problem]:
    if not _groups_are_right(source):
        expected = "pairs of [ and ], not within each other, each around a {path:kind}"
        yield toml.problem([name], "wrong brackets", expected=expected, rule="template")
    for word in _words(source):
        part = _part(word)
        if part in ("[", "]"):
            continue
        if isinstance(part, Field):
            if part.path not in declared:
                has = ", ".join(sorted(declared)) or "no data"
                yield toml.problem(
                    [name],
                    f"uses {part.path!r}, which the sentence does not declare",
                    expected=has,
                    nearest=nearest(part.path, declared),
                    rule="data-undeclared",
                )
            if part.kind not in KINDS:
                yield toml.problem(
                    [name],
                    f"unknown kind {part.kind!r}",
                    expected="one of " + ", ".join(KINDS),
                    nearest=nearest(part.kind, KINDS),
                    rule="kind-unknown",
                )
        elif not _ID.fullmatch(part):
            yield toml.problem([name], f"cannot read {part!r}", expected=_WRITE, rule="template")
        elif part not in prompts:
            yield toml.problem(
                [name],
                f"prompt {part!r} is not in the text list",
                nearest=nearest(part, prompts),
                rule="prompt-unknown",
            )
