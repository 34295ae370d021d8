"""What a draft says and why: values for the mapping, each with its reason and what else may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

How: TypeAlias = Literal["sure", "guess", "unknown"]
Key: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One key of the mapping: its value, how sure that is and why.

    `others` might be meant instead; `decide` is what a person must say. Without a `value` nothing
    was found.
    """

    key: Key
    value: Any
    how: How
    why: str = ""
    others: tuple[str, ...] = ()
    decide: str = ""


@dataclass
class Unnamed:
    """What is charged for and has no prompt of its own: how it may be said, and what holds it."""

    zh: str
    en: str
    held: list[Any] = field(default_factory=list)
    """Columns, or codes."""
    told: list[str] = field(default_factory=list)
    """How the database names each."""


@dataclass
class Draft:
    """A mapping that was drafted, and what a person should know of it."""

    findings: list[Finding] = field(default_factory=list)
    unnamed: dict[str, Unnamed] = field(default_factory=dict)
    """Codes that items without a prompt may be given."""
    rest: str | None = None
    """Under which item those are spoken; None where there is no prompt for that either."""
    trade: str | None = None
    """Whose words are to be spoken; None for the telephone's."""
    trade_why: str = ""
    """Empty where nothing says whose words they are."""
    trade_sure: bool = False
    spoken: tuple[str, ...] = ()
    """Codes of items that have a prompt."""
    words: str = ""
    """The folder of those words: a folder below it for each language."""
    notes: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    """What the database has, for a skeleton."""
    seen: int = 0
    """Tables and views of the database."""

    def say(
        self, key: str | Key, value: Any, how: How, why: str = "", *,
        others: tuple[str, ...] = (), decide: str = "",
    ) -> None:  # fmt: skip
        """Add a key."""
        parts = tuple(key.split(".")) if isinstance(key, str) else key
        self.findings.append(Finding(parts, value, how, why, others, decide))

    def has(self, key: str) -> bool:
        """Return whether a key was found a value."""
        return any(f.key == tuple(key.split(".")) and f.value is not None for f in self.findings)

    def drop(self, *prefix: str) -> None:
        """Take a key, and all below it, out again."""
        self.findings = [f for f in self.findings if f.key[: len(prefix)] != prefix]

    @property
    def complete(self) -> bool:
        """Whether it has all that a mapping must have."""
        needed = ("account.id", "bill.layout")
        return all(map(self.has, needed)) and (
            self.has("account.phone") or self.has("account.agreement")
        )

    def data(self) -> dict[str, Any]:
        """Return the mapping, as its file would be read."""
        whole: dict[str, Any] = {}
        for found in self.findings:
            if found.value is None:
                continue
            table = whole
            for part in found.key[:-1]:
                table = table.setdefault(part, {})
            table[found.key[-1]] = found.value
        return whole


def how_sure(score: float, sure_from: float = 0.72) -> How:
    """Return the word for a score."""
    return "sure" if score >= sure_from else "guess"


def value_of(column: str, join: str | None = None, **more: Any) -> Any:
    """Return how a mapping names a column, by its name alone where that is enough."""
    said: dict[str, Any] = {"column": column}
    if join:
        said["from"] = join
    said |= {name: value for name, value in more.items() if value is not None}
    return column if len(said) == 1 else said


def merged(value: Any, **more: Any) -> Any:
    """Return a value of a mapping with more said about it."""
    said: Mapping[str, Any] = {"column": value} if isinstance(value, str) else value
    return {**said, **{name: one for name, one in more.items() if one is not None}}
