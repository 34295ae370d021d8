"""CSV and XLSX as a database: their rows, as they are, in a SQLite file of their own.

A mapping then reads them as it reads any database; nothing here knows what a bill is. Cells are
text, for that is what a CSV has: "0571" stays so. Empty cells are NULL. Columns that a mapping
reckons with are numbers; what is none there becomes infinite, so that what comes of it is refused
when it is read.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivrd.billing.arrears import owed_of
from ivrd.billing.columns import Column, LeftToPay, MonthColumn, Term
from ivrd.billing.imports.file_rows import (
    CsvFile,
    FilesError,
    Row,
    is_xlsx,
    refused,
)
from ivrd.billing.imports.new_file import disk_errors
from ivrd.billing.imports.parts import ACCOUNTS, ARREARS, BILLS, DETAILS, RUNS, Months, Told
from ivrd.billing.month_tables import is_monthly, of_month
from ivrd.billing.tables import BillingMapping, Table
from ivrd.errors import Problem, nearest

if TYPE_CHECKING:
    from ivrd.billing.imports.xlsx_rows import XlsxFile

ROW = "ivrd_row"
"""The column with the number of a row in its file."""

_BATCH = 5000
_PARTS = {"account": ACCOUNTS, "bill": BILLS, "details": DETAILS, "arrears": ARREARS}
_DATES = {"YYYY": "%Y", "YY": "%y", "MM": "%m", "DD": "%d", "hh": "%H", "mm": "%M", "ss": "%S"}


@dataclass
class Wanted:
    """What a mapping wants of one table; `formats` say how it writes dates, `signs` what counts
    as it is (1) and what is taken away (-1) where the database reckons.
    """  # noqa: D205 - one sentence

    part: str
    columns: dict[str, None] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    signs: dict[str, int] = field(default_factory=dict)


def wanted_of(mapping: BillingMapping) -> dict[str, Wanted]:
    """Return what a mapping wants of each table that it names."""
    found: dict[str, Wanted] = {}
    parts = [*mapping.tables()]
    owed = owed_of(mapping)
    if owed is not None and owed.computed:
        parts.append((("arrears",), owed.part))
    for key, part in parts:
        name = RUNS if key == ("bill", "ready") else _PARTS[key[0]]
        tables: dict[str | None, str] = {alias: join.table for alias, join in part.join.items()}
        tables[None] = part.table
        for table in tables.values():
            found.setdefault(table, Wanted(name))
        for _, term in part.terms():
            if term.column is not None:
                found[tables[term.from_]].columns[term.column] = None
        _note_kinds(part, {alias: found[table] for alias, table in tables.items()})
    return found


def _note_kinds(part: Table, wanted: Mapping[str | None, Wanted]) -> None:
    for key, column in part.columns():
        form = getattr(column, "format", None)
        if isinstance(column, MonthColumn) and column.type == "date":
            form = "YYYY-MM-DD"
        if form is not None:
            for _, term in column.terms():
                if term.column is not None:
                    wanted[term.from_].formats[term.column] = form
        for term, sign in _reckoned(key, column):
            if term.column is not None and sign > 0:
                wanted[term.from_].signs[term.column] = sign
            elif term.column is not None:
                wanted[term.from_].signs.setdefault(term.column, sign)


def _reckoned(key: tuple[str, ...], column: Column) -> Iterator[tuple[Term, int]]:
    """Yield the columns that the database reckons with, and with which sign each counts.

    SQLite takes a text that is no number for 0, and "1,234.50" for 1.
    """
    if isinstance(column, LeftToPay):
        yield from _added(column.total, 1)
        if column.paid:
            yield from _added(column.paid, -1)
    elif key in {("paid", "amount"), ("paid", "left")}:  # a code or a date is not reckoned with
        yield from _added(column, -1 if key[1:] == ("amount",) else 1)
    elif column.add or getattr(column, "negative", None):
        yield from _added(column, 1)


def _added(column: Column, sign: int) -> Iterator[tuple[Term, int]]:
    for place, term in column.terms():
        if place[:1] != ("negative",):
            yield term, -sign if place[:1] == ("subtract",) else sign


class Staging:
    """The tables of `files` in a SQLite file: a folder of CSV, one CSV, or an XLSX.

    Raises `FilesError` for what is not there or cannot be read, `DiskFull`.
    """

    def __init__(self, files: Path, mapping: BillingMapping, file: Path, told: Told) -> None:
        self._files, self._file, self._told = files, file, told
        self._wanted = wanted_of(mapping)
        self._book = None if files.is_dir() or not is_xlsx(files) else _opened_book(files)
        try:
            self._sheets = self._found()
            self._sql = self._made()
        except BaseException:
            if self._book:
                self._book.close()
            raise

    def _made(self) -> sqlite3.Connection:
        with disk_errors(self._file):
            os.close(os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            made = sqlite3.connect(self._file, isolation_level=None)
            made.executescript(
                "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16384;"
                "CREATE TABLE ivrd_refused (part TEXT, source TEXT, row INTEGER, what TEXT,"
                " expected TEXT);"
            )
        return made

    def _found(self) -> dict[str, Callable[[], tuple[Iterator[Row], int]]]:
        """Return what opens the rows of each table that the files have, by its name."""
        files = self._files
        if files.is_dir():
            listed = [one for one in sorted(files.iterdir()) if one.suffix.lower() == ".csv"]
            return {one.stem: _csv_opener(one) for one in listed}
        if self._book:
            return {name: _sheet_opener(self._book, name) for name in self._book.sheets}
        if len(self._wanted) > 1:
            names = ", ".join(self._wanted)
            raise refused(files, f"is one CSV file, and the mapping reads {len(self._wanted)}"
                          f" tables: {names}",
                          "a folder with a file for each, or an XLSX")  # fmt: skip
        return {name: _csv_opener(files) for name in self._wanted}

    def named(self, table: str) -> str:
        """Return how a table is told to people."""
        if self._files.is_dir():
            return f"{table}.csv"
        return self._files.name if len(self._sheets) == 1 else f"{self._files.name}, {table}"

    def _place(self, table: str) -> Path:
        named = self.named(table)
        return self._files / named if self._files.is_dir() else self._files.with_name(named)

    def load(self, months: Months) -> None:
        """Gather the rows of all tables; of those by month, of the months that are wanted."""
        problems: list[Problem] = []
        for name, wanted in self._wanted.items():
            monthly = is_monthly(name)
            every = [of_month(name, month) for month in (*months.kept, *months.unpaid)]
            names = [one for one in every if one in self._sheets] if monthly else [name]
            if not names or (not monthly and name not in self._sheets):
                problems.append(self._missing(name))
                continue
            for one in names:
                try:
                    self._gather(one, wanted)
                except FilesError as error:
                    problems += error.problems
        if problems:
            raise FilesError(problems)
        with disk_errors(self._file):
            self._sql.close()

    def _missing(self, name: str) -> Problem:
        what = f"has no file {name}.csv" if self._files.is_dir() else f"has no sheet {name!r}"
        return Problem(what, file=self._files, expected=f"one of that name for the table {name!r}",
                       nearest=nearest(name, self._sheets), rule="no-table")  # fmt: skip

    def _gather(self, name: str, wanted: Wanted) -> None:
        rows, total = self._sheets[name]()
        heading = next(((at, row) for at, row in rows if not _empty(row)), None)
        if heading is None:
            raise refused(self._place(name), "is empty", "a heading and rows")
        heads = [str(cell).strip() if cell is not None else "" for cell in heading[1]]
        picked = self._picked(name, wanted, heads, heading[0])
        kinds = ["NUMERIC" if column in wanted.signs else "TEXT" for column in picked]
        listed = ", ".join(f"{_quoted(c)} {kind}" for c, kind in zip(picked, kinds, strict=True))
        places = ", ".join(["nullif(trim(?), '')"] * len(picked))
        forms = [wanted.formats.get(column, "") for column in picked]
        done = 0
        with disk_errors(self._file):
            self._sql.execute("BEGIN")
            self._sql.execute(f"CREATE TABLE {_quoted(name)} ({ROW} INTEGER PRIMARY KEY, {listed})")
            insert = f"INSERT INTO {_quoted(name)} VALUES (?, {places})"  # noqa: S608 - quoted
            take = _taker(list(picked.values()), forms)
            while batch := list(islice(rows, _BATCH)):
                self._told(f"reading {self.named(name)}", done, max(total, done))
                good = list(self._whole(name, wanted, batch, len(heads)))
                self._sql.executemany(insert, map(take, good))
                done += len(batch)
            for column, sign in wanted.signs.items():
                self._sql.execute(
                    f"UPDATE {_quoted(name)} SET {_quoted(column)} = {sign} * 9e999"  # noqa: S608 - quoted
                    f" WHERE typeof({_quoted(column)}) = 'text'"
                )
            self._sql.execute("COMMIT")

    def _picked(self, name: str, wanted: Wanted, heads: Sequence[str], line: int) -> dict[str, int]:
        """Return where each wanted column stands."""
        problems = []
        for column in wanted.columns:
            there = heads.count(column)
            if there != 1:
                what = f"has no column {column!r}" if not there else f"has {column!r} {there} times"
                problems.append(
                    Problem(what, file=self._place(name), line=line,
                            expected="each column of the mapping once",
                            nearest=None if there else nearest(column, heads), rule="no-column")
                )  # fmt: skip
        if problems:
            raise FilesError(problems)
        return {column: heads.index(column) for column in wanted.columns}

    def _whole(self, name: str, wanted: Wanted, rows: Sequence[Row], width: int) -> Iterator[Row]:
        """Yield the rows with as many cells as the heading; note the others."""
        for row in rows:
            cells = row[1]
            if len(cells) == width:
                yield row
            elif _empty(cells):
                continue
            elif len(cells) < width and self._book:
                yield row[0], [*cells, *[None] * (width - len(cells))]
            elif len(cells) > width and _empty(cells[width:]):
                yield row[0], cells[:width]
            else:
                self._sql.execute(
                    "INSERT INTO ivrd_refused VALUES (?, ?, ?, ?, ?)",
                    (wanted.part, self.named(name), row[0], f"has {len(cells)} cells",
                     f"{width}, as its heading"),
                )  # fmt: skip

    def refuse_into(
        self, refuse: Callable[[Iterable[Sequence[Any]]], None], read: dict[str, int]
    ) -> None:
        """Tell which rows were refused before the mapping could read them."""
        with disk_errors(self._file):
            sql = sqlite3.connect(self._file)
            try:
                for part, count in sql.execute(
                    "SELECT part, count(*) FROM ivrd_refused GROUP BY part"
                ).fetchall():
                    read[part] = read.get(part, 0) + count
                refuse(
                    sql.execute(
                        "SELECT part, source, row, NULL, NULL, NULL, what, expected, -rowid"
                        " FROM ivrd_refused"
                    )
                )
            finally:
                sql.close()

    def close(self) -> None:
        """Let go of the files; safe to repeat."""
        self._sql.close()
        if self._book:
            self._book.close()


def _opened_book(path: Path) -> XlsxFile:
    from ivrd.billing.imports.xlsx_rows import XlsxFile  # noqa: PLC0415 - slow to load, rarely asked

    return XlsxFile(path)


def _csv_opener(path: Path) -> Callable[[], tuple[Iterator[Row], int]]:
    def opened() -> tuple[Iterator[Row], int]:
        found = CsvFile.looked_at(path)
        return found.rows(), found.lines

    return opened


def _sheet_opener(book: XlsxFile, name: str) -> Callable[[], tuple[Iterator[Row], int]]:
    return lambda: (book.rows(name), 0)


def _taker(at: list[int], forms: list[str]) -> Callable[[Row], tuple[Any, ...]]:
    """Return what takes the wanted cells of a row, as text."""
    pick = itemgetter(*at) if len(at) > 1 else lambda cells: (cells[at[0]],)

    def take(row: Row) -> tuple[Any, ...]:
        cells = pick(row[1])
        for cell in cells:
            if cell.__class__ is not str:
                return (row[0], *map(_text, cells, forms))
        return (row[0], *cells)

    return take


def _text(cell: Any, form: str) -> str | None:
    """Return a cell of a workbook as a CSV would have it, dates as the mapping writes them."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, float):
        # what a spreadsheet shows: the digits behind are noise of its reckoning
        return format(Decimal(f"{cell:.15g}"), "f")
    if isinstance(cell, date | time):
        return _written(cell, form)
    return str(cell)


def _written(cell: date | time, form: str) -> str:
    if not form:
        return cell.isoformat(" ") if isinstance(cell, datetime) else cell.isoformat()
    for token, code in _DATES.items():
        form = form.replace(token, f"\x00{code}")
    return cell.strftime(form.replace("\x00", ""))


def _empty(cells: Sequence[Any]) -> bool:
    return all(cell is None or cell == "" for cell in cells)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
