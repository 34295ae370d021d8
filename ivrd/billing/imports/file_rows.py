"""Rows of CSV files, one at a time: no file is ever whole in memory. And what files are."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ivrd.errors import Problem, ProblemsError

Row: TypeAlias = tuple[int, Sequence[Any]]
"""The number of a row as its file counts them from 1, and its cells."""

_CHUNK = 1024 * 1024
_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class FilesError(ProblemsError):
    """What files hold cannot be imported; each problem names file and line."""


def is_xlsx(path: Path) -> bool:
    """Return whether a file is a workbook, by what is in it. Raises `FilesError`."""
    with readable(path), path.open("rb") as file:
        start = file.read(4)
    if start == _OLD_EXCEL:
        raise refused(path, "is an Excel file of the old kind, XLS", "XLSX; save it as that")
    return start == _ZIP


def refused(path: Path, what: str, expected: str, line: int | None = None) -> FilesError:
    """Return the error for a file that cannot be read."""
    return FilesError([Problem(what, file=path, line=line, expected=expected, rule="file")])


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Let the errors of an unreadable file out as `FilesError`."""
    try:
        yield
    except OSError as error:
        raise refused(path, f"cannot be read: {error.strerror}", "a CSV or XLSX file") from None


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV file (RFC 4180) in UTF-8, UTF-16 or GB 18030; `lines` are its line feeds."""

    path: Path
    encoding: str
    delimiter: str
    lines: int

    @classmethod
    def looked_at(cls, path: Path) -> CsvFile:
        """Find out how a file is written: reads it once. Raises `FilesError`."""
        with readable(path):
            with path.open("rb") as file:
                start = file.read(4)
            marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
            candidates = [marked] if marked else ["utf-8", "gb18030"]
            for encoding in candidates:
                lines = _decoded(path, encoding)
                if lines is not None:
                    with path.open(encoding=encoding, newline="") as text:
                        first = text.readline(_CHUNK)
                    return cls(path, encoding, max(",;\t", key=first.count), lines)
        raise refused(path, "is no text", "CSV in UTF-8 or GB 18030")

    def rows(self) -> Iterator[Row]:
        """Yield the rows with the numbers of their first lines. Raises `FilesError`."""
        with readable(self.path), self.path.open(encoding=self.encoding, newline="") as text:
            reader = csv.reader(text, delimiter=self.delimiter, strict=True)
            line = 1
            try:
                for row in reader:
                    yield line, row
                    line = reader.line_num + 1
            except csv.Error as error:
                raise refused(self.path, f"is no CSV: {error}", "quotes in pairs, one row a line",
                              line) from None  # fmt: skip


def _decoded(path: Path, encoding: str) -> int | None:
    """Return how many lines a file has, None where it is not of this encoding."""
    decoder, lines = codecs.getincrementaldecoder(encoding)(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            try:
                text = decoder.decode(chunk)
            except UnicodeDecodeError:
                return None
            if "\x00" in text:
                return None
            lines += text.count("\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    return lines
