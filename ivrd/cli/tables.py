"""Tables: fitted to a terminal, whole and plain in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ivrd.cli.output import shown

_LEAST = 6
"""Characters that are left of a column that is cut short."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under headings. Numbers stand right."""
    texts = [[shown(value) for value in row] for row in rows]
    right = [
        bool(texts) and all(text == "-" or _is_number(text) for text in column)
        for column in zip(*texts, strict=True)
    ] or [False] * len(columns)
    if sys.stdout.isatty():
        _print_fitted(columns, texts, right)
    else:
        _print_whole(columns, texts, right)


def _is_number(text: str) -> bool:
    plain = text.removeprefix("-").removesuffix("%").replace(",", "")
    return plain.replace(".", "", 1).replace(":", "").isdigit()


def _print_fitted(columns: Sequence[str], texts: list[list[str]], right: list[bool]) -> None:
    """Print whole columns, but the widest cut short where the terminal is too narrow for all."""
    widths = _widths([list(columns), *texts])
    console = Console(highlight=False)
    widest = widths.index(max(widths))
    # rich would cut every column, and then clip what still is too long
    room = console.width - (sum(widths) - widths[widest]) - 2 * (len(widths) - 1)
    widths[widest] = min(widths[widest], max(room, _LEAST))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for at, (name, is_right) in enumerate(zip(columns, right, strict=True)):
        table.add_column(
            name, justify="right" if is_right else "left", no_wrap=True, overflow="ellipsis",
            width=widths[at],
        )  # fmt: skip
    for row in texts:
        table.add_row(*(Text(text) for text in row))
    console.print(table)


def _widths(rows: list[list[str]]) -> list[int]:
    return [max(cell_len(row[at]) for row in rows) for at in range(len(rows[0]))]


def _print_whole(columns: Sequence[str], texts: list[list[str]], right: list[bool]) -> None:
    rows = [list(columns), *texts]
    widths = _widths(rows)
    for row in rows:
        parts = []
        for text, width, is_right in zip(row, widths, right, strict=True):
            blanks = " " * (width - cell_len(text))
            parts.append(blanks + text if is_right else text + blanks)
        click.echo("  ".join(parts).rstrip())
