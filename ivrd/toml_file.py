"""TOML with a memory for places: every problem can name the line it is on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ivrd.errors import Problem, ProblemsError

Path_: TypeAlias = tuple[str, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_NAME = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEY = re.compile(rf"^\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)""")
_AT = re.compile(r"\(at line (\d+), column (\d+)\)|\(at end of document\)")


class TomlFile:
    """A TOML file's `data`, and the line on which each key stands.

    Raises `error` (a `ProblemsError`) where the file cannot be read or is not TOML.
    """

    def __init__(self, path: Path, error: type[ProblemsError]) -> None:
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise error([Problem("no such file", file=path, rule="no-file")]) from None
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
            raise error([Problem(f"cannot be read: {reason}", file=path, rule="no-file")]) from None
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as exc:
            raise error([_syntax_problem(path, str(exc), text)]) from None
        self.text = text
        self._lines = dict(_places(text))

    def line_of(self, *key: str | int) -> int | None:
        """Return the line of `key`, or of the nearest table around it that has a line.

        Array items are numbered from 0: ``line_of("card", 1, "driver")``.
        """
        parts = tuple(str(part) for part in key)
        while parts:
            if parts in self._lines:
                return self._lines[parts]
            parts = parts[:-1]
        return None

    def problem(self, key: Sequence[str | int], what: str, **more: Any) -> Problem:
        """Return a `Problem` at `key`, told as ``card[1].driver``."""
        return Problem(what, file=self.path, line=self.line_of(*key), key=dotted(key), **more)


def dotted(key: Sequence[str | int]) -> str:
    """Return a key path as people write it: ``card[1].driver``."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _syntax_problem(path: Path, message: str, text: str) -> Problem:
    found = _AT.search(message)
    line = int(found[1]) if found and found[1] else text.count("\n") + 1
    what = _AT.sub("", message).strip()
    return Problem(f"not TOML: {what}", file=path, line=line, rule="toml")


def _places(text: str) -> Iterator[tuple[Path_, int]]:
    """Yield each key path with its line; keys inside inline tables have their table's line."""
    table: Path_ = ()
    arrays: dict[Path_, int] = {}
    skip_to: str | None = None
    depth = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if skip_to:
            if skip_to in line:
                skip_to = None
            continue
        if depth > 0:
            depth += _opened(line)
            continue
        header = _HEADER.match(line)
        if header:
            table = _parts(header[2])
            if header[1] == "[[":
                arrays[table] = arrays.get(table, -1) + 1
            table = _indexed(table, arrays)
            yield table, number
            continue
        key = _KEY.match(line)
        if not key:
            continue
        parts = _parts(key[1])
        for length in range(1, len(parts) + 1):
            yield table + parts[:length], number
        value = line[key.end() :]
        for quote in ('"""', "'''"):
            if value.count(quote) == 1:
                skip_to = quote
        if skip_to is None:
            depth = _opened(value)


def _indexed(table: Path_, arrays: dict[Path_, int]) -> Path_:
    """Put the current index behind each part of `table` that is an array of tables."""
    path: Path_ = ()
    for length in range(1, len(table) + 1):
        path += (table[length - 1],)
        if table[:length] in arrays:
            path += (str(arrays[table[:length]]),)
    return path


def _parts(dotted_key: str) -> Path_:
    return tuple(a or b or c for a, b, c in _PART.findall(dotted_key))


def _opened(text: str) -> int:
    """Return how many brackets `text` leaves open, strings and comments aside."""
    bare = re.sub(r'"(?:\\.|[^"\\])*"|\'[^\']*\'', "", text).split("#", 1)[0]
    return sum(bare.count(c) for c in "[{") - sum(bare.count(c) for c in "]}")
