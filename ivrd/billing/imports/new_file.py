"""The file that an import writes beside the one in use, until it takes its place."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ivrd.billing.imports.embedded import LEFT, UNREADABLE, About, indexes_of, tables_of
from ivrd.billing.tables import ArrearsTable, BillingMapping
from ivrd.errors import BillingError

_CACHE_KB = 48 * 1024
"""Memory that SQLite may use for pages, and again to sort what it indexes."""

REFUSED = ("part", "source", "row", "account", "month", "key", "what", "expected")
"""What is told of a refused row: its file or table, its row there, whose it is, what is wrong."""

_REFUSED = {"part": "TEXT", "source": "TEXT", "row": "INTEGER", "account": "", "month": "TEXT",
            "key": "TEXT", "what": "TEXT", "expected": "TEXT", "serial": "INTEGER",
            "rows": "INTEGER DEFAULT 1"}  # fmt: skip


class DiskFull(BillingError):  # noqa: N818 - what happened
    """There is no room for what is imported; the data in use stays."""


@contextmanager
def disk_errors(file: Path) -> Iterator[None]:
    """Translate what a disk, or SQLite on it, refuses. SQLite's own words hold no data."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
            raise DiskFull(_full(file)) from None
        raise BillingError(f"{file} cannot be written: {error}") from None
    except OSError as error:
        raise DiskFull(f"{_full(file)}: {error.strerror}") from None


def _full(file: Path) -> str:
    return f"{file} cannot be written, the disk of {file.parent} is full or fails"


class NewFile:
    """Tables of ivrd's own billing file in the making. Not durable before `finish`."""

    def __init__(self, file: Path, mapping: BillingMapping) -> None:
        self.file, self._mapping = file, mapping
        self.side = file.with_name(f"{file.name}.items")
        self._tables = tables_of(mapping)
        self._items: list[str] = []
        with disk_errors(file):
            # readable by its owner alone: it names persons
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self.sql = sqlite3.connect(file, isolation_level=None)
            self.sql.executescript(
                "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
                f"PRAGMA page_size=8192; PRAGMA cache_size=-{_CACHE_KB};"
            )
            refused = {**_REFUSED, "account": self._tables["bill"]["account"]}
            for name, columns in {**self._tables, "refused": refused}.items():
                self._create(name, columns)
            self.sql.execute("CREATE TABLE about (told TEXT NOT NULL)")
            self.sql.execute("BEGIN")

    def _create(self, name: str, columns: dict[str, str]) -> None:
        told = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        self.sql.execute(f'CREATE TABLE "{name}" ({told})')

    def add(self, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Add rows to a table; return how many. Raises `DiskFull`."""
        with disk_errors(self.file):
            return self.sql.executemany(_insert(table, names), rows).rowcount

    def refuse(self, rows: Iterable[Sequence[Any]]) -> None:
        """Keep what is wrong with rows: as `REFUSED`, and the row's serial number in its part."""
        self.add("refused", [*REFUSED, "serial"], rows)

    def refusals(self) -> Iterator[tuple[Any, ...]]:
        """Yield what is wrong with rows, in the order in which it was found."""
        yield from self.sql.execute(
            f"SELECT {', '.join(REFUSED)} FROM refused ORDER BY rowid"  # noqa: S608 - our own names
        )

    def index(self) -> Iterator[str]:
        """Do what is left once all rows are there; yield the name of each step before it."""
        with disk_errors(self.file):
            self._hold_back()
            for name, (table, columns) in indexes_of(self._mapping).items():
                yield f"index {name.removeprefix('ix_')}"
                listed = ", ".join(f'"{column}"' for column in columns)
                self.sql.execute(f'CREATE INDEX "{name}" ON "{table}" ({listed})')
            yield "doubles"
            self._find_doubles()

    def _hold_back(self) -> None:
        """Mark bills that cannot be told whole, and leave out who owes nobody knows what."""
        if not self.rows_refused():
            return
        marked = [f'"{self._first_item}" = ?']
        # whether it is paid is not known then, so that nobody is dunned for it
        marked += [f"{name} = NULL" for name in ("paid", LEFT) if name in self._tables["bill"]]
        self.sql.execute(
            f"UPDATE bill SET {', '.join(marked)} WHERE (account, month) IN"  # noqa: S608 - names of the mapping
            " (SELECT account, month FROM refused WHERE part = 'bills' AND month IS NOT NULL)",
            (UNREADABLE,),
        )
        if isinstance(self._mapping.arrears, ArrearsTable):
            self.sql.execute(
                "DELETE FROM arrears WHERE account IN"
                " (SELECT account FROM refused WHERE part = 'arrears')"
            )

    @property
    def _first_item(self) -> str:
        return next(name for name in self._tables["bill"] if name.startswith("item_"))

    def _find_doubles(self) -> None:
        """Tell what is there twice: whoever asks for it gets an error, as of a live database."""
        found = [("accounts", "account", "id", "id", "NULL", "account.id")]
        found += [
            ("accounts", "account", name, "min(id)", "NULL", f"account.{name}")
            for name in ("phone", "agreement")
            if name in self._tables["account"]
        ]
        found.append(("bills", "bill", "account, month", "account", "month", "bill.account"))
        for part, table, by, account, month, key in found:
            what = f"more than one {'account has this' if part == 'accounts' else 'bill for one'}"
            what += f" {key.split('.')[1]}" + (" and month" if part == "bills" else "")
            first = by.split(",", maxsplit=1)[0]
            self.sql.execute(
                f"INSERT INTO refused SELECT ?, NULL, NULL, {account}, {month}, ?, ?, 'one', NULL,"  # noqa: S608 - our own names
                f" count(*) FROM {table} WHERE {first} IS NOT NULL"
                f" GROUP BY {by} HAVING count(*) > 1",
                (part, key, what),
            )

    def open_side(self, items: Sequence[str]) -> None:
        """Open a file beside for bills that come item by item, and add up later."""
        self._items = [f"item_{item}" for item in items]
        key = self._tables["bill"]["account"]
        whole = [f'"{name}" {kind}' for name, kind in self._tables["bill"].items()
                 if name not in self._items]  # fmt: skip
        with disk_errors(self.side):
            os.close(os.open(self.side, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self.sql.execute("COMMIT")
            self.sql.execute("ATTACH ? AS side", (str(self.side),))
            self.sql.executescript(
                "PRAGMA side.journal_mode=OFF; PRAGMA side.synchronous=OFF;"
                f"CREATE TABLE side.item (account {key}, month TEXT, item INTEGER, fen INTEGER);"
                f"CREATE TABLE side.whole ({', '.join(whole)});"
            )
            self.sql.execute("BEGIN")

    def add_up(self, *, whole: bool) -> int:
        """Make bills of what is in the file beside, which is let go; return how many.

        With `whole` there is a bill for each row per bill, else for each account and month with
        items. An amount or item that is `UNREADABLE` counts as 0: the bill is marked later.
        """
        sums = [f"sum(CASE item WHEN {n} THEN fen ELSE 0 END) AS {name}"
                for n, name in enumerate(self._items)]  # fmt: skip
        added = f"SELECT account, month, {', '.join(sums)} FROM side.item GROUP BY account, month"  # noqa: S608 - our own names
        listed = ", ".join(self._items)
        with disk_errors(self.side):
            if not whole:
                done = self.sql.execute(f"INSERT INTO bill (account, month, {listed}) {added}")
            else:
                columns = ", ".join(f"{name} INTEGER" for name in self._items)
                key = self._tables["bill"]["account"]
                self.sql.execute(
                    f"CREATE TABLE side.sums (account {key}, month TEXT, {columns},"
                    " PRIMARY KEY (account, month)) WITHOUT ROWID"
                )
                self.sql.execute(f"INSERT INTO side.sums {added}")
                own = [name for name in self._tables["bill"] if name not in self._items]
                done = self.sql.execute(
                    f"INSERT INTO bill ({', '.join(own)}, {listed})"  # noqa: S608 - as above
                    f" SELECT {', '.join(f'whole.{name}' for name in own)},"
                    f" {', '.join(f'coalesce(sums.{name}, 0)' for name in self._items)}"
                    " FROM side.whole AS whole LEFT JOIN side.sums AS sums"
                    " ON sums.account = whole.account AND sums.month = whole.month"
                )
            count = done.rowcount
            self.sql.execute("COMMIT")
            self.sql.execute("DETACH side")
            self.sql.execute("BEGIN")
        self.side.unlink()
        return count

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        with disk_errors(self.file):
            (count,) = self.sql.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608 - our own names
        return int(count)

    def rows_refused(self) -> dict[str, int]:
        """Return how many rows of each part are refused; a row counts once, whatever is wrong."""
        with disk_errors(self.file):
            return dict(
                self.sql.execute(
                    "SELECT part, sum(rows) FROM (SELECT part, max(rows) AS rows FROM refused"
                    " GROUP BY part, coalesce(serial, -rowid)) GROUP BY part"
                )
            )

    def finish(self, about: About) -> None:
        """Check the file, and see it onto the disk. Raises `BillingError`."""
        with disk_errors(self.file):
            self.sql.execute("INSERT INTO about VALUES (?)", (about.as_text(),))
            self.sql.execute("COMMIT")
            (verdict,) = self.sql.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise BillingError(f"{self.file} is damaged as soon as it is written")
            self.sql.close()
            _sync(self.file)

    def close(self) -> None:
        """Let go of the file; safe to repeat."""
        self.sql.close()


def put_in_place(new: Path, file: Path) -> None:
    """Let a finished file take the place of the one in use: all at once, and durably."""
    with disk_errors(file):
        new.replace(file)
        _sync(file.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _insert(table: str, names: Sequence[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {table} ({listed}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - our own names
