"""Sentence templates: ``voice_prompts/<tag>/sentences.toml``.

A template is words with blanks between them; a word is a prompt's id or ``{path:kind}``, a
value of the sentence's data::

    bill_item = "{name:item} {amount:money} pause"

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


Template: TypeAlias = tuple[str | Field, ...]
"""Prompt ids and fields in order of speech."""

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
    folder: Path, declared: Mapping[str, Set[str]], prompts: Set[str]
) -> tuple[dict[str, Template], list[Problem]]:
    """Return the templates of the language in `folder` that are right, and all problems.

    `prompts` are the ids of the language's text list.
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
        if name not in toml.data
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
            templates[name] = tuple(_part(word) for word in source.split())
    return templates, problems


def _part(word: str) -> str | Field:
    found = _FIELD.fullmatch(word)
    return Field(found[1], found[2]) if found else word


def _problems(
    toml: TomlFile, name: str, source: str, declared: Set[str], prompts: Set[str]
) -> Iterator[Problem]:
    for word in source.split():
        part = _part(word)
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
