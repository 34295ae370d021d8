"""A list of debtors, CSV or XLSX: every bad cell by row and column, and all rows or none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from ivrd.dunning.list_columns import (
    BY_HEADER,
    HEADERS,
    REASON,
    BadCell,
    amount_in,
    count_in,
    day_in,
    header_key,
    key_in,
    language_in,
    number_in,
    numbers_in,
    text_in,
    word_in,
    zone_in,
)
from ivrd.dunning.list_files import (
    MOST_COLUMNS,
    MOST_ROWS,
    Cell,
    Sheet,
    open_sheet,
    place,
    write_sheet,
)
from ivrd.dunning.numbers import NumberPlan
from ivrd.dunning.target_rows import TargetRow
from ivrd.errors import ListError, Problem, nearest

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told how many rows are done, and of how many where that is known."""

_TELL_EVERY = 1000
_OLDEST_DUE = date(1980, 1, 1)
_LATEST_DUE_YEARS = 2


@dataclass(frozen=True, slots=True)
class ListChecks:
    """What a list is held against: the dial plan, the campaign's kind and languages, today."""

    plan: NumberPlan
    today: date
    zone: ZoneInfo
    languages: tuple[str, ...] = ("zh-CN",)
    kind: Literal["dunning", "notice"] = "dunning"


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that cannot be used: its cells as they stand, and what is wrong with them."""

    row: int
    cells: tuple[Cell, ...]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class DebtorList:
    """What a list came to."""

    rows: list[TargetRow] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)

    def problems(self) -> list[Problem]:
        """Return what is wrong with all refused rows."""
        return [problem for row in self.refused for problem in row.problems]


def import_list(
    path: Path, rules: ListChecks, *, skip_bad: Path | None = None, progress: Progress | None = None
) -> DebtorList:
    """Read a list, all of it or nothing.

    With `skip_bad`, bad rows are written to that file, in the list's own format with a column
    that says what is wrong, and the others are returned. Raises `ListError` with every problem:
    of the file, of its header, and without `skip_bad` of its rows; row 1 is the header.
    """
    sheet = open_sheet(path)
    header, rows = _header(path, sheet)
    columns = _columns(path, header, rules)
    found = DebtorList()
    reader = _Reader(path, header, columns, rules)
    total = sheet.size
    for row, cells in rows:
        if row > MOST_ROWS:
            raise _whole(path, f"has more than {MOST_ROWS} rows", "several lists")
        if any(cell not in (None, "") for cell in cells):
            reader.take(row, cells, found)
        if progress and row % _TELL_EVERY == 0:
            progress(row, total)
    if found.refused and skip_bad is None:
        raise ListError(found.problems())
    if not found.rows and not found.refused:
        raise _whole(path, "has a header and no rows", "at least one debtor")
    if found.refused and skip_bad is not None:
        write_sheet(skip_bad, sheet, _with_reasons(header, found.refused))
    if progress:
        done = len(found.rows) + len(found.refused)
        progress(done, done)
    return found


def _whole(path: Path, what: str, expected: str) -> ListError:
    return ListError([Problem(what, file=path, expected=expected, rule="file")])


def _header(
    path: Path, sheet: Sheet
) -> tuple[tuple[str, ...], Iterator[tuple[int, tuple[Cell, ...]]]]:
    """Return the header and, numbered as in a spreadsheet, the rows after it."""
    rows = enumerate(sheet.rows, start=1)
    for row, cells in rows:
        if len(cells) > MOST_COLUMNS:
            raise _whole(path, f"has {len(cells)} columns", f"at most {MOST_COLUMNS}")
        if any(cell not in (None, "") for cell in cells):
            return tuple("" if c is None else str(c).strip() for c in cells), rows
        if row >= 100:
            break
    raise _whole(path, "is empty", "a header and a row for each debtor")


def _columns(path: Path, header: tuple[str, ...], rules: ListChecks) -> dict[int, str]:
    """Return what each column is. Raises `ListError` where the header is not understood."""
    problems: list[Problem] = []
    columns: dict[int, str] = {}
    known = {name: column for name, column in BY_HEADER.items() if column}
    for index, text in enumerate(header):
        if not text:
            continue
        column = BY_HEADER.get(header_key(text))
        what = None
        if column is None:
            what, near = "no such column", nearest(header_key(text), known)
        elif column and column != "others" and column in columns.values():
            what, near = f"a second column for {column}", None
        elif column == "amount" and re.search(r"分|fen|cent", text.lower()):
            what, near = "amounts in fen", "in yuan, as 欠费金额(元)"
        if what:
            problems.append(
                Problem(what, file=path, line=1, key=place(index, text),
                        expected="one of " + ", ".join(HEADERS), nearest=near, rule="column")
            )  # fmt: skip
        elif column:
            columns[index] = column
    needed = ("number",) if rules.kind == "notice" else ("account", "number", "amount")
    missing = [column for column in needed if column not in columns.values()]
    problems += [
        Problem(f"no column {column}", file=path, line=1, rule="no-column",
                expected=" or ".join(HEADERS[column]))
        for column in missing
    ]  # fmt: skip
    if problems:
        raise ListError(problems)
    return columns


class _Reader:
    """Reads rows one after the other, and knows what has come before."""

    def __init__(
        self, path: Path, header: tuple[str, ...], columns: Mapping[int, str], rules: ListChecks
    ) -> None:
        self._path, self._header, self._columns, self._rules = path, header, columns, rules
        plan = rules.plan
        self._read: Mapping[str, Callable[[Cell], Any]] = {
            "account": key_in,
            "person": key_in,
            "number": lambda cell: number_in(cell, plan),
            "others": lambda cell: numbers_in(cell, plan),
            "amount": amount_in,
            "months": count_in,
            "due": self._due,
            "product": word_in,
            "group": word_in,
            "lang": language_in(rules.languages),
            "zone": zone_in,
            "call_from": self._call_from,
        }
        self._needed = {"number"} if rules.kind == "notice" else {"account", "number", "amount"}
        self._seen: dict[tuple[str, str], int] = {}

    def take(self, row: int, cells: tuple[Cell, ...], found: DebtorList) -> None:
        """Add one row to what was found, as a debtor or as refused."""
        problems: list[Problem] = []
        values: dict[str, Any] = {}
        for index, column in self._columns.items():
            cell = cells[index] if index < len(cells) else None
            try:
                self._take_cell(column, cell, values)
            except BadCell as bad:
                problems.append(self._problem(row, index, bad))
        extra = [i for i in range(len(self._header), len(cells)) if cells[i] not in (None, "")]
        if extra:
            beyond = BadCell("is beyond the header", f"{len(self._header)} cells")
            problems.append(self._problem(row, extra[0], beyond))
        if problems:
            found.refused.append(RefusedRow(row, cells, tuple(problems)))
        else:
            found.rows.append(self._row(values))
            for column in ("account", "number"):
                if column in values:
                    self._seen[column, values[column]] = row

    def _take_cell(self, column: str, cell: Cell, values: dict[str, Any]) -> None:
        if column not in self._needed and (cell is None or text_or_none(cell) == ""):
            return
        value = self._read[column](cell)
        if column == "others":
            values.setdefault("others", []).extend(value)
            return
        values[column] = value
        first = self._seen.get((column, value)) if column in {"account", "number"} else None
        if first is not None:
            raise BadCell(f"is there already, in row {first}", "each debtor once")

    def _problem(self, row: int, index: int, bad: BadCell) -> Problem:
        header = self._header[index] if index < len(self._header) else ""
        return Problem(bad.what, file=self._path, line=row, key=place(index, header),
                       expected=bad.expected, nearest=bad.near, rule="cell")  # fmt: skip

    def _row(self, values: Mapping[str, Any]) -> TargetRow:
        number = values["number"]
        account = values.get("account", number)
        zone = values.get("zone")
        return TargetRow(
            account=account,
            person=values.get("person", account),
            numbers=tuple(dict.fromkeys([number, *values.get("others", ())])),
            amount_fen=values.get("amount", 0),
            months=values.get("months", 1),
            due=values.get("due"),
            product=values.get("product") or None,
            group=values.get("group") or None,
            lang=values.get("lang"),
            zone=None if zone == self._rules.zone.key else zone,
            call_from=values.get("call_from"),
        )

    def _due(self, cell: Cell) -> date:
        day, today = day_in(cell), self._rules.today
        if self._rules.kind == "notice" and day < today:
            raise BadCell("is in the past", f"{today} or later: a notice speaks of what comes")
        if day < _OLDEST_DUE or day.year > today.year + _LATEST_DUE_YEARS:
            raise BadCell("is no day on which a bill was due",
                          f"{_OLDEST_DUE.year} to {today.year + _LATEST_DUE_YEARS}")  # fmt: skip
        return day

    def _call_from(self, cell: Cell) -> datetime:
        day, today = day_in(cell), self._rules.today
        if day < today:
            raise BadCell("is in the past", f"{today} or later")
        return datetime.combine(day, time(), self._rules.zone)


def text_or_none(cell: Cell) -> str | None:
    """Return a cell's text; None where it is a date or a time."""
    try:
        return text_in(cell)
    except BadCell:
        return None


def _with_reasons(header: tuple[str, ...], refused: list[RefusedRow]) -> Iterator[tuple[Cell, ...]]:
    """Yield the header and the refused rows, what is wrong with each in a column behind."""
    kept = [i for i, text in enumerate(header) if header_key(text) != header_key(REASON)]
    yield (*(header[i] for i in kept), REASON)
    for row in refused:
        cells = [row.cells[i] if i < len(row.cells) else None for i in kept]
        why = "; ".join(f"{p.key}: {p.what}" for p in row.problems)
        yield (*cells, why)
