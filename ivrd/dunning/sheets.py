"""Reports as files for spreadsheets: CSV and XLSX, written row by row.

No text becomes a formula, whatever it begins with. CSV cannot say that a value is text: there a
text that a spreadsheet would reckon with gets an apostrophe before it (OWASP, CSV injection).
"""

from __future__ import annotations

import csv
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import WorkbookAlreadySaved

from ivrd.dunning.columns import Column, Kind, Lang, Report, Row, Said, word

MOST_ROWS = 1_048_576
"""Rows of one sheet, its heading included; the rest goes on to further sheets (ECMA-376)."""

LONGEST_TEXT = 32_767
"""Characters of one cell."""

_RECKONED = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_YES_NO = {True: ("yes", "是"), False: ("no", "否")}
_FORMATS = {
    Kind.NUMBER: "0",
    Kind.MONEY: "#,##0.00",
    Kind.PERCENT: "0.0%",
    Kind.SECONDS: "0.0",
    Kind.DAY: "yyyy-mm-dd",
    Kind.INSTANT: "yyyy-mm-dd hh:mm:ss",
}
_WIDTHS = {Kind.DAY: 12, Kind.INSTANT: 20, Kind.WORD: 18, Kind.WORDS: 32, Kind.MONEY: 14}


def cell_value(value: Any, column: Column, report: Report, lang: Lang) -> Any:
    """Return a value as a sheet has it: yuan, shares of 1, local time without its zone, words."""
    match column.kind:
        case _ if value is None:
            return None
        case _ if isinstance(value, Said):
            return value.zh if lang == "zh" else value.en
        case Kind.MONEY:
            return Decimal(value) / 100
        case Kind.PERCENT:
            return value / 100
        case Kind.INSTANT:
            return value.astimezone(report.zone).replace(tzinfo=None)
        case Kind.YES_NO:
            return _YES_NO[bool(value)][lang == "zh"]
        case Kind.WORD:
            return word(value, column.words, lang)
        case Kind.WORDS:
            return "; ".join(str(part) for part in value)
    return value


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a file to write, which takes the place of `path` when it is whole.

    It is readable by its owner alone: what it holds names persons.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # not the name beside it
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_csv(report: Report, stream: TextIO, lang: Lang) -> int:
    """Write a report as CSV (RFC 4180); return how many rows it has.

    A file is to be opened with ``encoding="utf-8-sig", newline=""``: spreadsheets know UTF-8 by
    its mark alone.
    """
    writer = csv.writer(stream)
    writer.writerow([column.heading(lang) for column in report.columns])
    count = 0
    for row in report.rows:
        writer.writerow([_csv(cell) for cell in _cells(row, report, lang)])
        count += 1
    for row in report.totals:
        writer.writerow([_csv(cell) for cell in _cells(row, report, lang)])
    return count


def _cells(row: Row, report: Report, lang: Lang) -> Iterator[Any]:
    for value, column in zip(row, report.columns, strict=True):
        yield cell_value(value, column, report, lang)


def _csv(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, str) and value.lstrip().startswith(_RECKONED):
        return f"'{value}"
    return value


def write_xlsx(report: Report, path: Path, lang: Lang) -> int:
    """Write a report as XLSX; return how many rows it has.

    Dates, amounts and counts are numbers to reckon with, times are those of the report's zone.
    """
    book = Workbook(write_only=True)
    try:
        count = _rows(book, report, lang)
        if report.remarks:
            _remarks(book, report, lang)
        with replacing(path) as beside:
            book.save(beside)
    except BaseException:
        for sheet in book.worksheets:
            with suppress(WorkbookAlreadySaved):
                sheet.close()
        raise
    return count


def _rows(book: Workbook, report: Report, lang: Lang) -> int:
    """Write the rows, to as many sheets as they need; return how many, without the sums."""
    title = report.titled(lang)
    sheet = _sheet(book, report, lang, title)
    cells = _row_of(sheet, report)
    count = 0
    every = itertools.chain(
        zip(report.rows, itertools.repeat(False)), zip(report.totals, itertools.repeat(True))
    )
    for written, (row, is_sum) in enumerate(every):
        if written and written % (MOST_ROWS - 1) == 0:
            sheet = _sheet(book, report, lang, f"{title} {1 + written // (MOST_ROWS - 1)}")
            cells = _row_of(sheet, report)
        for cell, value in zip(cells, _cells(row, report, lang), strict=True):
            if is_sum:
                cell.font = Font(bold=True)
            _put(cell, value)
        sheet.append(cells)
        count += not is_sum
    return count


def _row_of(sheet: Any, report: Report) -> list[Cell]:
    """Return one row of cells, used for all: a row is written as soon as it is appended."""
    cells = []
    for column in report.columns:
        cell = WriteOnlyCell(sheet)
        if column.kind in _FORMATS:
            cell.number_format = _FORMATS[column.kind]
        cells.append(cell)
    return cells


def _put(cell: Cell, value: Any) -> None:
    """Put a value into a cell; texts are marked as texts after openpyxl has guessed."""
    if not isinstance(value, str):
        cell.value = value
        return
    cell.value = ILLEGAL_CHARACTERS_RE.sub("\ufffd", value)[:LONGEST_TEXT]
    cell.data_type = "s"


def _sheet(book: Workbook, report: Report, lang: Lang, title: str) -> Any:
    sheet = book.create_sheet(_title(title))
    sheet.freeze_panes = "A2"
    headings = []
    for at, column in enumerate(report.columns, start=1):
        heading = column.heading(lang)
        wide = 2 * len(heading) if lang == "zh" else len(heading)
        sheet.column_dimensions[get_column_letter(at)].width = max(
            wide + 2, _WIDTHS.get(column.kind, 16 if column.kind is Kind.TEXT else 10)
        )
        cell = WriteOnlyCell(sheet, heading)
        cell.font = Font(bold=True)
        headings.append(cell)
    sheet.append(headings)
    return sheet


def _title(text: str) -> str:
    """Return a name that a sheet may have (ECMA-376): 31 characters, and not every one."""
    return "".join(" " if char in "[]:*?/\\" else char for char in text)[:31]


def _remarks(book: Workbook, report: Report, lang: Lang) -> None:
    sheet = book.create_sheet("说明" if lang == "zh" else "Remarks")
    sheet.column_dimensions["A"].width = 100
    for remark in report.remarks:
        cell = WriteOnlyCell(sheet, remark[lang == "zh"])
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        sheet.append([cell])
