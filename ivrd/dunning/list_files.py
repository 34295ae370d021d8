"""Lists of debtors as files: CSV and XLSX in, and refused rows out in the same format."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree.ElementTree import ParseError

from openpyxl import Workbook, load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from ivrd.errors import ListError, Problem

Cell: TypeAlias = str | int | float | bool | Decimal | datetime | date | time | timedelta | None

MOST_BYTES = 256 * 1024 * 1024
"""Of a CSV file, and of an XLSX file once it is unpacked."""

MOST_ROWS = 1_048_576
"""As many as a sheet can have."""

MOST_COLUMNS = 100
_MOST_RATIO = 400
"""A part of an XLSX file that unpacks to more times its size than this was made to do harm."""

_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A list as it stands in its file: rows of cells, the header among them.

    `encoding` is None for XLSX, `size` the number of rows where it is known beforehand.
    """

    rows: Iterator[tuple[Cell, ...]]
    encoding: str | None
    delimiter: str = ","
    size: int | None = None


def open_sheet(path: Path) -> Sheet:
    """Open a list by what is in it, not by its name. Raises `ListError`."""
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as exc:
        raise _refused(path, f"cannot be read: {exc.strerror}", "a CSV or XLSX file") from None
    if length > MOST_BYTES:
        raise _refused(path, f"has {length // 2**20} MB", f"at most {MOST_BYTES // 2**20} MB")
    if start == _OLD_EXCEL:
        raise _refused(path, "is an Excel file of the old kind, XLS", "XLSX; save it as that")
    return _xlsx(path) if start == _ZIP else _csv(path)


def place(column: int, header: str) -> str:
    """Return how a column is told: the letter of a spreadsheet, and its header."""
    return f"column {get_column_letter(column + 1)} {header}".rstrip()


def _refused(path: Path, what: str, expected: str) -> ListError:
    return ListError([Problem(what, file=path, expected=expected, rule="file")])


def _csv(path: Path) -> Sheet:
    raw = path.read_bytes()
    encoding = _encoding(raw)
    if encoding is None or (b"\x00" in raw and encoding != "utf-16"):
        raise _refused(path, "is no text", "CSV in UTF-8 or GB 18030, or XLSX")
    text = raw.decode(encoding)
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    return Sheet(_csv_rows(path, text, delimiter), encoding, delimiter, text.count("\n"))


def _encoding(raw: bytes) -> str | None:
    """Return the encoding: by its mark, else the first of the two that can be."""
    if raw.startswith(b"\xef\xbb\xbf"):
        candidates = ["utf-8-sig"]
    elif raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        candidates = ["utf-16"]
    else:
        candidates = ["utf-8", "gb18030"]
    for encoding in candidates:
        try:
            raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return None


def _csv_rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[Cell, ...]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield tuple(row)
    except csv.Error as exc:
        problem = Problem(f"is no CSV: {exc}", file=path, line=reader.line_num, rule="file",
                          expected="quotes in pairs, one row a line")  # fmt: skip
        raise ListError([problem]) from None


def _xlsx(path: Path) -> Sheet:
    try:
        _check_archive(path)
        # results of formulas, not their text; without read_only a sheet would be all in memory;
        # from bytes, because a workbook's parts hold each other and would hold the file open
        content = io.BytesIO(path.read_bytes())
        book = load_workbook(content, read_only=True, data_only=True, keep_links=False)
        filled = [sheet for sheet in book.worksheets if _has_rows(sheet)]
    except _XLSX_ERRORS as exc:
        raise _not_xlsx(path, exc) from None
    if len(filled) > 1:
        names = ", ".join(sheet.title for sheet in filled)
        raise _refused(path, f"has {len(filled)} sheets with rows: {names}", "one")
    rows = _xlsx_rows(path, filled[0].iter_rows(values_only=True)) if filled else iter(())
    return Sheet(rows, None)


_XLSX_ERRORS = (
    zipfile.BadZipFile, InvalidFileException, ParseError, KeyError, ValueError, TypeError,
    AttributeError, IndexError, EOFError, OSError, NotImplementedError,
)  # fmt: skip
"""What zipfile and openpyxl raise for files that are damaged or no workbook."""


def _not_xlsx(path: Path, error: Exception) -> ListError:
    return _refused(path, f"is no XLSX that can be read ({type(error).__name__})",
                    "a workbook as Excel or LibreOffice saves it")  # fmt: skip


def _check_archive(path: Path) -> None:
    """Refuse what would fill the memory before it is unpacked."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    if sum(part.file_size for part in parts) > MOST_BYTES or any(
        part.file_size > _MOST_RATIO * max(part.compress_size, 1024) for part in parts
    ):
        raise _refused(path, "unpacks to far more than a list needs",
                       f"at most {MOST_BYTES // 2**20} MB")  # fmt: skip


def _has_rows(sheet: object) -> bool:
    # the size that a file states may be wrong, and rows are then cut or made up
    sheet.reset_dimensions()  # type: ignore[attr-defined]  # of a read-only sheet alone
    rows = sheet.iter_rows(values_only=True, max_row=100)  # type: ignore[attr-defined]  # as above
    return any(value is not None for row in rows for value in row)


def _xlsx_rows(path: Path, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Cell, ...]]:
    try:
        yield from rows
    except _XLSX_ERRORS as exc:
        raise _not_xlsx(path, exc) from None


def write_sheet(path: Path, like: Sheet, rows: Iterable[Sequence[Cell]]) -> None:
    """Write rows in the format of `like`, whole or not at all.

    Raises `ListError` where the file is there already or cannot be written.
    """
    if path.exists():
        raise _refused(path, "is there already", "a new file")
    half = path.with_name(path.name + ".part")
    try:
        if like.encoding is None:
            book = Workbook(write_only=True)
            sheet = book.create_sheet()
            for row in rows:
                sheet.append(list(row))
            book.save(half)
        else:
            with half.open("w", encoding=like.encoding, newline="") as file:
                csv.writer(file, delimiter=like.delimiter).writerows(rows)
        half.rename(path)
    except OSError as exc:
        raise _refused(path, f"cannot be written: {exc.strerror}", "a folder to write in") from None
    finally:
        half.unlink(missing_ok=True)
