"""Imports of the tests: samples as files, and imports of them from every kind of source."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from openpyxl import Workbook

from ivrd.billing.engine import engine_from
from ivrd.billing.imports.embedded import embedded_mapping
from ivrd.billing.imports.run import (
    Imported,
    ImportOrder,
    import_lock,
    origin_of_files,
    run_import,
)
from ivrd.billing.imports.source import Origin
from ivrd.billing.mapping import BillingMapping
from ivrd.billing.reader import BillingReader
from tests.billing.conftest import TODAY
from tests.billing.places import reader_engine

NOW = datetime(2026, 11, 5, 2, 30, tzinfo=ZoneInfo("Asia/Shanghai"))


def tables_in(file: Path) -> Iterator[tuple[str, list[list[Any]]]]:
    """Yield the tables of a SQLite file, each with its heading and rows."""
    with closing(sqlite3.connect(file)) as opened:
        found = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in found:
            rows = opened.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - a name of the sample's
            yield name, [[one[0] for one in rows.description], *map(list, rows)]


def as_csv(file: Path, folder: Path, encoding: str = "utf-8") -> Path:
    """Write each table of a SQLite file as a CSV."""
    folder.mkdir()
    for name, rows in tables_in(file):
        with (folder / f"{name}.csv").open("w", encoding=encoding, newline="") as opened:
            csv.writer(opened).writerows(rows)
    return folder


def as_xlsx(file: Path, book: Path) -> Path:
    """Write each table of a SQLite file as a sheet of a workbook."""
    made = Workbook(write_only=True)
    for name, rows in tables_in(file):
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(book)
    return book


def order(folder: Path, **more: Any) -> ImportOrder:
    """Return an order for ivrd's own file in a folder."""
    return ImportOrder(folder / "billing.db", "a source", **more)


def import_files(files: Path, mapping: BillingMapping, what: ImportOrder, **more: Any) -> Imported:
    """Import CSV or XLSX."""
    with import_lock(what.file), origin_of_files(files, mapping, what, NOW, _untold) as origin:
        return run_import(what, origin, NOW, **more)


def import_url(url: str, mapping: BillingMapping, what: ImportOrder, **more: Any) -> Imported:
    """Import a database."""
    engine = reader_engine(url, connections=2, time_limit_s=60.0)
    try:
        with import_lock(what.file):
            return run_import(what, Origin(mapping, engine), NOW, **more)
    finally:
        engine.dispose()


@contextmanager
def embedded_reader(file: Path, mapping: BillingMapping) -> Iterator[BillingReader]:
    """Give a reader on ivrd's own file, as the daemon makes it."""
    engine = engine_from(f"sqlite:///{file}", held=True)
    try:
        yield BillingReader(embedded_mapping(mapping), engine, today=lambda: TODAY)
    finally:
        engine.dispose()


def _untold(what: str, done: int, total: int) -> None:
    del what, done, total
