"""One import from end to end: read, check, and let the new file take the old one's place."""

from __future__ import annotations

import fcntl
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ivrd.billing.check import check_billing
from ivrd.billing.engine import engine_from
from ivrd.billing.imports.copy import Copy
from ivrd.billing.imports.embedded import About, embedded_mapping, shape_of
from ivrd.billing.imports.new_file import NewFile, disk_errors, put_in_place
from ivrd.billing.imports.parts import ACCOUNTS, ARREARS, BILLS, DETAILS, Months, Told
from ivrd.billing.imports.source import Origin
from ivrd.billing.imports.staging import Staging
from ivrd.billing.tables import BillingMapping, NarrowBill
from ivrd.errors import BillingDown, BillingError, IvrdError, MappingError

_TABLES = {ACCOUNTS: "account", BILLS: "bill", DETAILS: "detail", ARREARS: "arrears"}


_FILES_S = 6 * 3600.0
"""How long one statement on gathered files may take."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought, or would bring: rows read, taken over and refused, by part."""

    about: About
    read: dict[str, int]
    swapped: bool
    took_s: float

    @property
    def refused(self) -> int:
        """Rows refused in all."""
        return sum(self.about.refused.values())


class ImportRefused(IvrdError):  # noqa: N818 - what ivrd did
    """What was read is not fit to be used; the data in use stays. `report` says what came."""

    def __init__(self, why: str, report: Imported) -> None:
        super().__init__(why)
        self.report = report


class ImportBusy(IvrdError):  # noqa: N818 - as above
    """Another import is under way."""


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What is to be imported, and where to.

    `months` before the present one are kept besides it. `most_refused` is the share of the rows
    of any part (0 to 1) that may be refused; with more, the data in use stays.
    """

    file: Path
    source: str
    """How the source is told to people, without secrets."""
    months: int = 12
    most_refused: float = 0.01


@contextmanager
def import_lock(file: Path) -> Iterator[None]:
    """Be the only import into `file`, and clear away what one that was killed left behind.

    Raises `ImportBusy`.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(file):
        lock = file.with_name(f"{file.name}.lock").open("w", encoding="ascii")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ImportBusy(f"another import into {file} is under way") from None
        clear(file)
        try:
            yield
        finally:
            clear(file)


def new_name(file: Path) -> Path:
    """Return the name of the file that is written beside."""
    return file.with_name(f"{file.name}.new")


def rows_name(file: Path) -> Path:
    """Return the name of the file that rows of CSV and XLSX are gathered in."""
    return file.with_name(f"{file.name}.rows")


def clear(file: Path) -> None:
    """Remove what imports write on their way."""
    new = new_name(file)
    for left in (new, new.with_name(f"{new.name}.items"), rows_name(file)):
        for one in (left, left.with_name(f"{left.name}-journal")):
            with suppress(OSError):
                one.unlink(missing_ok=True)


def run_import(
    order: ImportOrder,
    origin: Origin,
    now: datetime,
    *,
    told: Told = lambda *_: None,
    dry_run: bool = False,
    refusals: Callable[[Iterator[tuple[Any, ...]]], None] = lambda _: None,
    before_swap: Callable[[Imported], None] = lambda _: None,
) -> Imported:
    """Import everything, under an `import_lock`. With `dry_run` nothing takes any place.

    `refusals` is given every refused row, whatever becomes of the import; `before_swap` what came,
    and may yet end it.
    Raises `ImportRefused`, `MappingError`, `BillingError`.
    """
    began_s = time.monotonic()
    _refuse_what_has_no_place(origin.mapping)
    _check(origin)
    embedded = embedded_mapping(origin.mapping)
    new = NewFile(new_name(order.file), embedded)
    try:
        with _uncollected(), origin.opened():
            copy = Copy(origin, new, months_of(origin.mapping, order, now), told)
            origin.refused_before(new.refuse, copy.read)
            copy.run()
        for step in new.index():
            told(step, 0, 0)
        about = About(now, order.source, shape_of(embedded), _rows(new, embedded),
                      new.rows_refused(), _months_in(new))  # fmt: skip
        refusals(new.refusals())
        report = Imported(about, dict(copy.read), False, time.monotonic() - began_s)
        _judge(report, order)
        _count_again(about, copy)
        if dry_run:
            return report
        told("checking", 0, 0)
        new.finish(about)
        before_swap(report)
        told("swapping", 0, 0)
        put_in_place(new.file, order.file)
        return Imported(about, report.read, True, time.monotonic() - began_s)
    finally:
        new.close()


def months_of(mapping: BillingMapping, order: ImportOrder, now: datetime) -> Months:
    """Return the months that are imported."""
    local = now.astimezone(ZoneInfo(mapping.zone))
    return Months.until(f"{local:%Y-%m}", order.months, mapping.arrears)


@contextmanager
def origin_of_files(
    files: Path, mapping: BillingMapping, order: ImportOrder, now: datetime, told: Told
) -> Iterator[Origin]:
    """Gather what files hold, under an `import_lock`, and give it. Raises `FilesError`."""
    mapping = mapping.model_copy(update={"db_schema": None})
    file = rows_name(order.file)
    staging = Staging(files, mapping, file, told)
    try:
        with _uncollected():
            staging.load(months_of(mapping, order, now))
    finally:
        staging.close()
    engine = engine_from(f"sqlite:///{file.absolute()}", time_limit_s=_FILES_S, connections=2)
    try:
        yield Origin(mapping, engine, staging)
    finally:
        engine.dispose()
        file.unlink(missing_ok=True)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Search for no garbage meanwhile: rows have no cycles, and a sixth of the time goes there."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _refuse_what_has_no_place(mapping: BillingMapping) -> None:
    """Refuse what ivrd's own file could not tell as a live database does."""
    bill = mapping.bill
    wrong = []
    if isinstance(bill, NarrowBill) and bill.head is None and bill.paid:
        wrong.append(mapping.problem(
            ("bill", "paid"), "each item knows whether it is paid: that cannot be imported",
            expected="a row for each bill, as [bill.head]; a view will do", rule="import",
        ))  # fmt: skip
    if bill.month and bill.month.quarter:
        wrong.append(mapping.problem(
            ("bill", "month"), "bills of quarters cannot be imported",
            expected="a row for each month; a view will do", rule="import",
        ))  # fmt: skip
    if wrong:
        raise MappingError(wrong)


def _check(origin: Origin) -> None:
    """Hold the mapping against the source; a sample that cannot be read is a row to be refused.

    Files have been held against it when they were gathered: their columns have no types.
    """
    if origin.of_files:
        return
    found = check_billing(origin.mapping, origin.engine).problems
    origin.engine.dispose()  # the connections that the check keeps are needed now
    down = [problem for problem in found if problem.rule == "down"]
    if down:
        raise BillingDown(str(down[0]))
    wrong = [problem for problem in found if problem.rule != "sample"]
    if wrong:
        raise MappingError(wrong)


def _rows(new: NewFile, embedded: Any) -> dict[str, int]:
    there = {table.table for _, table in embedded.tables()}
    return {part: new.count(table) for part, table in _TABLES.items() if table in there}


def _months_in(new: NewFile) -> tuple[str, ...]:
    return tuple(month for (month,) in new.sql.execute("SELECT month FROM ready ORDER BY month"))


def _judge(report: Imported, order: ImportOrder) -> None:
    """Refuse what would leave callers without bills."""
    about = report.about
    if not about.rows[ACCOUNTS]:
        raise ImportRefused("not one account was read; the data in use stays", report)
    for part, refused in sorted(about.refused.items()):
        share = refused / max(report.read.get(part, 0), 1)
        if share > order.most_refused:
            raise ImportRefused(
                f"{refused:,} of {report.read.get(part, 0):,} rows of {part} are refused, more"
                f" than {order.most_refused:.2%}; the data in use stays", report,
            )  # fmt: skip


def _count_again(about: About, copy: Copy) -> None:
    """Hold what stands in the file against what was written."""
    for part in (ACCOUNTS, BILLS, DETAILS):
        if part in about.rows and about.rows[part] != copy.written[part]:
            raise BillingError(
                f"{copy.written[part]:,} {part} were written, {about.rows[part]:,} are there"
            )
