"""Reports on the terminal, as JSON, and as files for spreadsheets."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from sqlalchemy import Connection

from ivrd.cli.instants import local
from ivrd.cli.output import duration, json_option
from ivrd.cli.tables import print_table
from ivrd.dunning.columns import (
    EVERYTHING,
    SHEETS_ONLY,
    Column,
    Kind,
    Lang,
    Private,
    Report,
    Row,
    Said,
    word,
)
from ivrd.store.engine import Store

F = TypeVar("F", bound=Callable[..., Any])

ROOMY = 140
"""Terminals from this width on show instants with their year."""

MOST_SHOWN = 200
"""Rows that a table for people has, if they do not ask for more."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How the reader wants a report."""

    csv: str | None
    xlsx: Path | None
    lang: Lang
    clear: bool
    mask: bool
    limit: int
    as_json: bool


def user_language() -> Lang:
    """Return the language of the user's locale (POSIX: LC_ALL, LC_MESSAGES, LANG)."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "zh" if value.startswith("zh") else "en"
    return "en"


def report_options(command: F) -> F:
    """Give a command the options of all reports, as its parameter `shown`."""

    @wraps(command)
    def with_shown(
        *args: Any, csv: str | None, xlsx: Path | None, lang: Lang | None, clear: bool, mask: bool,
        limit: int, as_json: bool, **more: Any,
    ) -> Any:  # fmt: skip
        if sum((csv is not None, xlsx is not None, as_json)) > 1:
            raise click.UsageError("name one of --csv, --xlsx and --json")
        if clear and mask:
            raise click.UsageError("name one of --clear and --mask")
        shown = Shown(csv, xlsx, lang or user_language(), clear, mask, limit, as_json)
        return command(*args, shown=shown, **more)

    for option in (
        click.option("--csv", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True),
                     help="Write CSV; - is the standard output."),
        click.option("--xlsx", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
                     help="Write a spreadsheet."),
        click.option("--lang", type=click.Choice(["en", "zh"]),
                     help="Language of headings and words.  [default: the locale's]"),
        click.option("--clear", is_flag=True, help="Show numbers and accounts in full."),
        click.option("--mask", is_flag=True, help="Mask them in files too."),
        click.option("--limit", type=click.IntRange(min=0), default=MOST_SHOWN, show_default=True,
                     help="Rows shown on the terminal; 0 shows all."),
        json_option,
    ):  # fmt: skip
        with_shown = option(with_shown)
    return cast("F", with_shown)


def show(
    store: Store,
    make: Callable[[Connection], Report],
    shown: Shown,
    hidden: frozenset[Private] = EVERYTHING,
) -> None:
    """Show a report on the store as it was asked for; see `show_report`."""
    store.read(lambda tx: show_report(make(tx), shown, hidden))


def show_report(report: Report, shown: Shown, hidden: frozenset[Private] = EVERYTHING) -> None:
    """Show a report as it was asked for; `hidden` is masked where people read it.

    Files have everything in full, unless masking was asked for: they are made for those who
    need it.
    """
    source = report.rows
    to_file = shown.csv is not None or shown.xlsx is not None
    if shown.mask:
        report = report.masking(EVERYTHING)
    elif not to_file and not shown.clear:
        report = report.masking(hidden)
    try:
        _show(report, shown)
    finally:
        # a reader who goes leaves rows half read: they end while what they are read from is open
        if isinstance(source, Generator):
            source.close()


def _show(report: Report, shown: Shown) -> None:
    if shown.csv is not None or shown.xlsx is not None:
        # what goes to the terminal itself would stand in the middle of the bar
        seen = sys.stderr.isatty() and shown.csv != "-"
        with Progress(
            TextColumn("Writing"), MofNCompleteColumn(), TimeElapsedColumn(),
            console=Console(stderr=True), disable=not seen, transient=True,
        ) as bar:  # fmt: skip
            count = _write(replace(report, rows=_counted(report.rows, bar)), shown)
        path = shown.xlsx or shown.csv
        if path != "-":
            click.echo(f"{path} written, {rows(count)}")
    elif shown.as_json:
        print_report_json(report)
    else:
        print_report(report, shown.lang, shown.limit)


def _counted(found: Iterable[Row], bar: Progress) -> Iterator[Row]:
    """Yield rows, telling now and then how many there were."""
    task = bar.add_task("", total=None)
    for number, row in enumerate(found, start=1):
        if number % 1000 == 0:
            bar.update(task, completed=number)
        yield row


def _write(report: Report, shown: Shown) -> int:
    """Write the file that is asked for, or CSV to stdout; return how many rows it has."""
    # openpyxl takes half a second to load, and most reports are read on the terminal
    from ivrd.dunning.sheets import replacing, write_csv, write_xlsx  # noqa: PLC0415 - as said

    if shown.xlsx is not None:
        return write_xlsx(report, shown.xlsx, shown.lang)
    if shown.csv == "-":
        # the mark and the line ends of RFC 4180 come out as they are
        with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="") as stream:
            return write_csv(report, stream, shown.lang)
    with (
        replacing(Path(shown.csv or "")) as beside,
        beside.open("w", encoding="utf-8-sig", newline="") as stream,
    ):
        return write_csv(report, stream, shown.lang)


def rows(count: int) -> str:
    """Return a count of rows as people read it."""
    return f"{count:,} row{'' if count == 1 else 's'}"


def print_report_json(report: Report) -> None:
    """Print a report as one JSON object, row by row."""
    head = {"report": report.name, "title": report.title[0]}
    click.echo(f'{json.dumps(head, ensure_ascii=False)[:-1]}, "rows": [', nl=False)
    for number, row in enumerate(report.rows):
        told = json.dumps(_named(row, report), ensure_ascii=False)
        click.echo(f"{',' if number else ''}\n{told}", nl=False)
    rest: dict[str, Any] = {"remarks": [english for english, _ in report.remarks]}
    totals = [_named(row, report) for row in report.totals]
    if totals:
        rest["totals"] = totals
    click.echo(f"\n], {json.dumps(rest, ensure_ascii=False)[1:]}")


def _named(row: Row, report: Report) -> dict[str, Any]:
    return {
        column.name: plain(value, report) for column, value in zip(report.columns, row, strict=True)
    }


def plain(value: Any, report: Report) -> Any:
    """Return a value in JSON's types; instants with the offset of the report's zone."""
    if isinstance(value, datetime):
        return value.astimezone(report.zone).isoformat(timespec="milliseconds")
    if isinstance(value, float):
        return round(value, 3)
    if value is None or isinstance(value, str | int | bool | list):
        return value
    return value.number if isinstance(value, Said) else str(value)


def print_report(report: Report, lang: Lang, limit: int = 0) -> None:
    """Print a report as a table that fits the terminal; a pipe gets every column of a table."""
    to_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if to_terminal else SHEETS_ONLY - 1
    fitted = report.for_width(width)
    found = iter(fitted.rows)
    shown = list(itertools.islice(found, limit)) if limit else list(found)
    left = sum(1 for _ in found)  # sums are known when all is read
    if not shown:
        click.echo(f"{report.titled(lang)}: nothing")
    else:
        print_table(
            [column.heading(lang) for column in fitted.columns],
            [
                [cell(v, c, report, lang, short=width < ROOMY) for v, c in
                 zip(row, fitted.columns, strict=True)]
                for row in itertools.chain(shown, fitted.totals)
            ],
        )  # fmt: skip
    if left:
        click.echo(f"{rows(left)} more: --limit 0 shows all, --csv and --xlsx write all", err=True)
    for remark in report.remarks:
        told = Text(f"\n{remark[lang == 'zh']}", style="dim")
        Console(stderr=True, highlight=False).print(told, soft_wrap=not sys.stderr.isatty())


def cell(value: Any, column: Column, report: Report, lang: Lang, *, short: bool) -> str | None:
    """Return a value as a table for people has it."""
    match column.kind:
        case _ if value is None:
            return None
        case _ if isinstance(value, Said):
            return value.zh if lang == "zh" else value.en
        case Kind.MONEY:
            return yuan(value)
        case Kind.PERCENT:
            return f"{value:.0f}%" if float(value).is_integer() else f"{value:.1f}%"
        case Kind.SECONDS:
            return duration(value)
        case Kind.INSTANT:
            return local(value, report.zone, short=short)
        case Kind.WORD:
            return word(value, column.words, lang)
        case Kind.WORDS:
            return ", ".join(str(part) for part in value) or None
        case Kind.YES_NO if lang == "zh":
            return "是" if value else "否"
        case Kind.YES_NO:
            return "yes" if value else "no"
    return str(value)


def yuan(fen: int) -> str:
    """Return an amount in fen as people read it: 1,234.50."""
    sign, whole = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{whole // 100:,}.{whole % 100:02}"
