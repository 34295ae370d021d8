"""A million accounts with their bills into ivrd's own file, beside each database's bulk loader.

The loader of the source's own kind loads the same rows from a file, in the same run: the `.import`
of sqlite3, COPY, LOAD DATA. Each gets its indexes after its rows. PostgreSQL and MariaDB need not
sync here; ivrd's file is checked and synced, as always. An import is a process, timed from its
start to its end; its peak of memory and its time on the processor are what the kernel says.

``python -m bench.imports --accounts 100000`` is a quick run. The sources are those of the lookups'
bench (`bench.lookup_data`): wide bills of eight items, two for each account.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from psycopg import sql
from sqlalchemy import Engine, Index, MetaData, String, Text, create_engine, make_url, text

from bench.lookup_data import batches, mariadb_at, postgresql_at, sqlite_at
from bench.tables import table

ACCOUNTS = 1_000_000
MONTHS = 2
TARGET = 0.3
"""The least share of the loader's speed."""

_CHUNK = 1024 * 1024
_CONFIG = """
[node]
languages = ["zh-CN"]
[enquiry]
disclosure = "open"
[billing]
mode = "stand-alone"
[import]
mapping = "telecom"
months = 120
limit_s = 7200
{source}
[[card]]
name = "soft"
driver = "software"
"""

Load = Callable[[str, Path], None]


def measure(folder: Path, accounts: int = ACCOUNTS, only: str = "") -> str:
    """Import from each kind of source, and let its loader load the same rows."""
    rows: list[list[object]] = []
    with sqlite_at("wide", accounts, MONTHS) as made:
        files = _files(folder, make_url(made).database or "", accounts)
    for name, opened, loader in _SOURCES:
        if only.lower() not in name.lower():
            continue
        with opened(accounts) as url:
            if url is None:
                rows.append([name, "not installed", *["-"] * 9])
                continue
            load_s = _loaded(url, files, loader, folder)
            source = f'url = "{url}"'
            rows.append([name, *_compared(_import(folder, source), load_s)])
            if loader is _sqlite_loader:
                source = f'files = "{files}"'
                rows.append(["CSV", *_compared(_import(folder, source), load_s)])
    return table(
        f"Import of {accounts:,} accounts with {MONTHS} bills of 8 items each",
        ["source", "rows", "import s", "its processor s", "rows/s", "loader s", "loader's rows/s",
         "ratio", f"at least {TARGET}", "peak MB", "file MB"],
        rows,
    )  # fmt: skip


def _compared(done: dict[str, Any], load_s: float | None) -> list[object]:
    rows, took_s = done["rows"], done["took_s"]
    compared: list[object] = ["-"] * 4
    if load_s is not None:
        ratio = load_s / took_s
        compared = [load_s, rows / load_s, ratio, "yes" if ratio >= TARGET else "no"]
    return [rows, took_s, done["processor_s"], rows / took_s, *compared,
            done["peak_mb"], done["file_mb"]]  # fmt: skip


def _files(folder: Path, file: str, accounts: int) -> Path:
    """Write the rows as CSV with headings, and as MariaDB's loader wants them beside."""
    to = folder / "files"
    to.mkdir()
    heads = MetaData()
    engine = create_engine(f"sqlite:///{file}")
    heads.reflect(engine)
    engine.dispose()
    for name, of in heads.tables.items():
        with (to / f"{name}.csv").open("w", encoding="utf-8", newline="") as one:
            csv.writer(one).writerow([column.name for column in of.columns])
    for rows in batches("wide", accounts, MONTHS):
        for name, some in rows.items():
            with (to / f"{name}.csv").open("a", encoding="utf-8", newline="") as one:
                csv.writer(one).writerows(some)
            with (to / f"{name}.tsv").open("a", encoding="utf-8", newline="\n") as one:
                one.writelines(
                    "\t".join("\\N" if value is None else str(value) for value in row) + "\n"
                    for row in some
                )
    return to


def _import(folder: Path, source: str) -> dict[str, Any]:
    """Import in a process of its own."""
    home = Path(tempfile.mkdtemp(dir=folder))
    (home / "ivrd.toml").write_text(_CONFIG.format(source=source), encoding="utf-8")
    command = [sys.executable, "-c", "from ivrd.cli import main; main()", "-c",
               str(home / "ivrd.toml"), "import", "--json"]  # fmt: skip
    began_s = time.perf_counter()
    with (
        (home / "told").open("w+", encoding="utf-8") as told,
        subprocess.Popen(command, stdout=told) as process,  # noqa: S603 - this Python
    ):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took_s = time.perf_counter() - began_s
        told.seek(0)
        said = json.load(told)
    if process.returncode:
        raise RuntimeError(said["error"])
    size_mb = (home / "var" / "billing.db").stat().st_size / 1e6
    shutil.rmtree(home)
    return {"rows": sum(said["rows"].values()), "took_s": took_s,
            "processor_s": used.ru_utime + used.ru_stime,
            "peak_mb": used.ru_maxrss / 1024, "file_mb": size_mb}  # fmt: skip


# -- the loaders -------------------------------------------------------------------------------


def _loaded(url: str, files: Path, load: Load, folder: Path) -> float | None:
    """Load all tables into an empty database beside the source, then index them; in seconds."""
    if load is _sqlite_loader and shutil.which("sqlite3") is None:
        return None
    with _beside(url, folder) as other:
        engine = create_engine(other)
        indexes = _empty_tables(url, engine)
        began_s = time.perf_counter()
        for file in sorted(files.glob("*.csv")):
            load(other, file)
        for index in indexes:
            index.create(engine)
        took_s = time.perf_counter() - began_s
        engine.dispose()
    return took_s


def _empty_tables(url: str, to: Engine) -> list[Index]:
    """Make the source's tables without its indexes, which are returned."""
    source, tables = create_engine(url), MetaData()
    tables.reflect(source)
    source.dispose()
    indexes: list[Index] = []
    for one in tables.tables.values():
        indexes += one.indexes
        one.indexes.clear()
        for column in one.columns:
            if isinstance(column.type, Text):
                column.type = String(64)
    tables.create_all(to)
    return indexes


@contextmanager
def _beside(url: str, folder: Path) -> Iterator[str]:
    """Give an empty database where the source is."""
    at = make_url(url)
    if at.get_backend_name() == "sqlite":
        file = folder / "loaded.db"
        yield f"sqlite:///{file}"
        file.unlink()
        return
    name = "loaded"
    owner = create_engine(url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield at.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name}"))
    owner.dispose()


def _sqlite_loader(url: str, file: Path) -> None:
    order = f".import --csv --skip 1 '{file}' {file.stem}"
    command = ["sqlite3", str(make_url(url).database), order]
    subprocess.run(command, check=True)  # noqa: S603 - sqlite3's own


def _copy(url: str, file: Path) -> None:
    order = sql.SQL("COPY {} FROM STDIN WITH (FORMAT csv, HEADER)").format(
        sql.Identifier(file.stem)
    )
    with (
        psycopg.connect(url.replace("+psycopg", "")) as to,
        to.cursor() as cursor,
        cursor.copy(order) as copy,
        file.open("rb") as rows,
    ):
        while chunk := rows.read(_CHUNK):
            copy.write(chunk)


def _load_data(url: str, file: Path) -> None:
    at = make_url(url)
    rows = file.with_suffix(".tsv")
    if not rows.exists():
        return
    with (
        closing(pymysql.connect(host=at.host, port=at.port or 3306, user="root",
                                database=at.database, autocommit=True, local_infile=True)) as to,
        to.cursor() as cursor,
    ):  # fmt: skip
        cursor.execute(f"LOAD DATA LOCAL INFILE '{rows}' INTO TABLE `{file.stem}`"
                       " CHARACTER SET utf8mb4")  # fmt: skip


_SOURCES: tuple[tuple[str, Callable[[int], AbstractContextManager[str | None]], Load], ...] = (
    ("SQLite", lambda n: sqlite_at("wide", n, MONTHS), _sqlite_loader),
    ("PostgreSQL", lambda n: postgresql_at("wide", n, MONTHS), _copy),
    ("MariaDB", lambda n: mariadb_at("wide", n, MONTHS), _load_data),
)


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--only", default="", help="SQLite, PostgreSQL or MariaDB")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(measure(Path(folder), asked.accounts, asked.only))


if __name__ == "__main__":
    main()
