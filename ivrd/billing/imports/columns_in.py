"""From rows of a source to rows of ivrd's own file, by the readers that a call would use.

Whole columns of a batch are read at once: a reader is asked once for each value that it has not
met lately, which is what makes a million bills quick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from ivrd.billing.columns import Column
from ivrd.billing.imports.embedded import UNREADABLE
from ivrd.billing.readers import day_reader, flag_reader, month_reader
from ivrd.billing.tables import BillingMapping
from ivrd.billing.values import Pattern, clock_time_of, instant_of, text_of

Read: TypeAlias = Callable[[Any], Any]

_REMEMBERED = 50_000
"""Values that a reader remembers; more would fill the memory, not save time."""


class Remembered(dict[Any, Any]):
    """A reader that is asked once for each value. What it refuses is not remembered."""

    def __init__(self, read: Read) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, value: Any) -> Any:
        found = self._read(value)
        # 1, 1.0 and True are one key of a dictionary, but not one text
        if isinstance(value, str | int) or value is None or not isinstance(found, str):
            if len(self) >= _REMEMBERED:
                self.clear()
            self[value] = found
        return found


@dataclass(frozen=True, slots=True)
class Taken:
    """One column of ivrd's own file: which columns of the row it is read from, and how.

    `needed`: a row in which it cannot be read, or is empty, has no place at all; of any other
    column the value alone is lost, and marked.
    """

    name: str
    key: str
    at: tuple[int, ...]
    read: Read
    expected: str | None = None
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a row, without what stands there; `at` is the row's place in its batch."""

    at: int
    key: str
    what: str
    expected: str | None
    lost: bool
    """Whether the row has no place in ivrd's own file."""
    account: Any = None
    month: str | None = None


class Take:
    """What is read of the rows of one table, column by column."""

    def __init__(self) -> None:
        self.columns: list[Column] = []
        self.taken: list[Taken] = []

    def add(
        self,
        name: str,
        key: str,
        said: Column | Sequence[Column],
        read: Read | Remembered,
        *,
        expected: str | None = None,
        few: bool = True,
        needed: bool = False,
    ) -> None:
        """Take a column; `few`: its values repeat. Of several columns `read` gets a tuple.

        Columns that are read alike may share what one `Remembered` remembers.
        """
        listed = [said] if isinstance(said, Column) else list(said)
        at = tuple(range(len(self.columns), len(self.columns) + len(listed)))
        self.columns += listed
        if few and not isinstance(read, Remembered):
            read = Remembered(read)
        if isinstance(read, Remembered):
            read = read.__getitem__
        self.taken.append(Taken(name, key, at, read, expected, needed))

    def of(self, rows: Sequence[Sequence[Any]]) -> tuple[Sequence[Sequence[Any]], list[Fault]]:
        """Return the columns of the rows as ivrd's own file has them, and what is wrong with some.

        Columns, for rows made of them are needed one at a time.
        """
        try:
            return list(self._whole(rows)), []
        except (ValueError, TypeError, OverflowError, _Nothing):
            made, faults = self._one_by_one(rows)
            return list(zip(*made, strict=True)) or [()] * len(self.taken), faults

    def _whole(self, rows: Sequence[Sequence[Any]]) -> Iterator[list[Any]]:
        columns = list(zip(*rows, strict=True))
        for taken in self.taken:
            if len(taken.at) == 1:
                read = list(map(taken.read, columns[taken.at[0]]))
            else:
                read = list(map(taken.read, zip(*(columns[n] for n in taken.at), strict=True)))
            if taken.needed and None in read:
                raise _Nothing
            yield read

    def _one_by_one(
        self, rows: Sequence[Sequence[Any]]
    ) -> tuple[list[tuple[Any, ...]], list[Fault]]:
        made: list[tuple[Any, ...]] = []
        faults: list[Fault] = []
        for at, row in enumerate(rows):
            values, wrong = self._row(at, row)
            faults += wrong
            if not any(fault.lost for fault in wrong):
                made.append(values)
        return made, faults

    def _row(self, at: int, row: Sequence[Any]) -> tuple[tuple[Any, ...], list[Fault]]:
        values: list[Any] = []
        faults: list[Fault] = []
        for taken in self.taken:
            said = row[taken.at[0]] if len(taken.at) == 1 else tuple(row[n] for n in taken.at)
            try:
                value = taken.read(said)
                what = "is empty" if taken.needed and value is None else ""
            except (ValueError, TypeError, OverflowError) as error:
                value, what = UNREADABLE, _reason(error)
            if what:
                faults.append(Fault(at, taken.key, what, taken.expected, taken.needed))
            values.append(value)
        if not faults:
            return tuple(values), faults
        named = {taken.name: value for taken, value in zip(self.taken, values, strict=True)}
        known = {n: None if named.get(n) == UNREADABLE else named.get(n) for n in named}
        account, month = known.get("account", known.get("id")), known.get("month")
        return tuple(values), [replace(one, account=account, month=month) for one in faults]


class _Nothing(Exception):  # noqa: N818 - never leaves this module
    """A value that must be there is not."""


def _reason(error: Exception) -> str:
    """Return our own words for a value that does not fit; foreign ones may hold the value."""
    own = str(error)
    return own if own.startswith("not ") else "not as the mapping says"


MOST = 10**15
"""Fen, bills or seconds beyond which a value is a fault: SQLite's numbers, and their sums, end."""


def within_reason(read: Read) -> Read:
    """Return what reads whole numbers that can be added up."""

    def taken(value: Any) -> int:
        found: int = read(value)
        if abs(found) > MOST:
            raise ValueError("not within reason")
        return found

    return taken


def key_reader(kind: str) -> Read:
    """Return what reads a value that rows are looked up by."""
    if kind == "text":
        return text_of
    return lambda value: value if type(value) is int else text_of(value)


def day_taker(part: Any) -> Read:
    """Return what reads a date as ivrd's own file has it."""
    read = day_reader(part)

    def taken(value: Any) -> str | None:
        day = read(value)
        return day.isoformat() if day else None

    return taken


def flag_taker(part: Any) -> Read:
    """Return what reads yes or no as 1 or 0."""
    read = flag_reader(part)

    def taken(value: Any) -> int | None:
        flag = read(value)
        return None if flag is None else int(flag)

    return taken


def month_taker(part: Any) -> Read:
    """Return what reads a month; blanks that a column of fixed length adds do not count."""
    read = month_reader(part)
    return lambda value: read(value.strip() if isinstance(value, str) else value)


def start_taker(mapping: BillingMapping) -> tuple[list[Column], Read, str]:
    """Return the columns that tell when a call began, what reads them, and how it is written."""
    part, zone = mapping.details, ZoneInfo(mapping.zone)
    if part is None:
        raise TypeError("a mapping without details")
    if part.started:
        pattern = Pattern(part.started.format)
        return [part.started], lambda said: _local(instant_of(said, pattern), zone), pattern.text
    if part.date is None or part.time is None:
        raise TypeError("load_mapping refuses details without a start")
    of_time, day_of = Pattern(part.time.format), day_reader(part.date)

    def both(said: tuple[Any, Any]) -> str:
        day = day_of(said[0])
        if day is None:
            raise ValueError("not a date")
        return _local(datetime.combine(day, clock_time_of(said[1], of_time)), zone)

    return [part.date, part.time], both, f"{part.date.format} and {of_time.text}"


def _local(began: datetime, zone: ZoneInfo) -> str:
    if began.tzinfo is not None:
        began = began.astimezone(zone)
    return began.replace(tzinfo=None).isoformat(" ", "seconds")
