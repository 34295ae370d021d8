"""What a check finds: problems with their places, each told once."""

from __future__ import annotations

from pathlib import Path

from ivrd.errors import FlowError, Problem
from ivrd.flow.spec import Place
from ivrd.toml_file import TomlFile


class Findings:
    """Problems in the order in which they were found; the same one at one place counts once.

    A part that is used twice, or an edge of [any], is met many times and told once.
    """

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._files: dict[Path, TomlFile | None] = {}

    @property
    def problems(self) -> list[Problem]:
        """All that was found."""
        return list(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def add(
        self,
        rule: str,
        place: Place,
        what: str,
        *inner: str,
        expected: str | None = None,
        nearest: str | None = None,
    ) -> None:
        """Note a problem at `place`, or at the key `inner` within it."""
        key = tuple(part for part in (*place.key.split("."), *inner) if part)
        problem = Problem(
            what,
            place.file,
            self._line(place.file, key) or place.line,
            ".".join(key) or None,
            expected,
            nearest,
            rule,
        )
        self._found.setdefault(problem)

    def _line(self, path: Path, key: tuple[str, ...]) -> int | None:
        """Return the line of a key; files are read again for this, and only when one is wrong."""
        if path not in self._files:
            try:
                self._files[path] = TomlFile(path, FlowError)
            except FlowError:
                self._files[path] = None
        file = self._files[path]
        return file.line_of(*key) if file else None
