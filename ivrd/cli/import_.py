"""`ivrd import`: billing data into ivrd's own file, for stand-alone mode (product B2)."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from ivrd.billing.imports.new_file import REFUSED
from ivrd.billing.imports.run import (
    ImportBusy,
    Imported,
    ImportRefused,
    import_lock,
    run_import,
)
from ivrd.cli.instants import local
from ivrd.cli.output import EXIT_NO, Refused, duration, json_option, print_json
from ivrd.cli.own_store import operator, own_store
from ivrd.cli.settings import settings
from ivrd.cli.tables import print_table
from ivrd.config import Config
from ivrd.stand_alone import import_order, import_origin
from ivrd.store import audit

LEAST_NICE = 19
"""The lowest priority: calls come first."""

SHOWN = 20
"""Kinds of faults that people are told."""

MOST_KINDS = 200
"""Kinds of faults that are told apart: where a code is wrong, each of millions may have its own."""

OTHERS = "other values that do not fit"


@click.command("import")
@click.option("--dry-run", is_flag=True, help="Read and check everything; the data in use stays.")
@click.option("--refused", "refused_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write refused rows to this CSV, whose they are among it.")  # fmt: skip
@click.option("--scheduled", is_flag=True, hidden=True)
@json_option
@click.pass_context
def import_(
    ctx: click.Context, dry_run: bool, refused_file: Path | None, scheduled: bool, as_json: bool
) -> None:
    """Import billing data as [import] of ivrd.toml says, for stand-alone mode.

    The data in use stays until all of the new is there and checked; a daemon that runs goes over
    to it, and calls in progress end on what they began with. Rows that do not fit are refused
    and told. With too many of them, or without any account, the data in use stays, and the exit
    code is 1.
    """
    config = settings(ctx.obj)
    if scheduled:
        os.nice(LEAST_NICE)
    faults = _Faults()
    try:
        with _refusals(refused_file) as written:
            report = _import(config, faults, written, dry_run=dry_run, scheduled=scheduled)
    except ImportRefused as error:
        _tell(error.report, faults, config, as_json=as_json, dry_run=dry_run, why=str(error))
        if as_json:
            ctx.exit(EXIT_NO)
        raise Refused(str(error)) from None
    except ImportBusy as error:
        raise Refused(str(error)) from None
    _tell(report, faults, config, as_json=as_json, dry_run=dry_run)


def _import(
    config: Config,
    faults: _Faults,
    written: Callable[[tuple[Any, ...]], None],
    *,
    dry_run: bool,
    scheduled: bool,
) -> Imported:
    order = import_order(config)
    # what SQLite sorts must not fill another disk than the one that was chosen for it
    os.environ.setdefault("SQLITE_TMPDIR", str(order.file.parent.absolute()))

    def refusals(rows: Iterator[tuple[Any, ...]]) -> None:
        for row in rows:
            faults.add(row)
            written(row)

    def on_record(report: Imported) -> None:
        about = report.about
        told = {"source": about.source, "rows": dict(about.rows), "refused": dict(about.refused)}
        by = "schedule" if scheduled else operator()
        with own_store(config) as store:
            audit.intend(store, by, "billing.import", told)

    now = datetime.now(config.zone)
    with (
        import_lock(order.file),
        _progress() as told,
        import_origin(config, now, told) as origin,
    ):
        return run_import(
            order, origin, now, told=told, dry_run=dry_run, refusals=refusals,
            before_swap=on_record,
        )  # fmt: skip


@dataclass
class _Fault:
    """One kind of fault: how many rows have it, and where the first is."""

    rows: int = 0
    source: str | None = None
    row: int | None = None


@dataclass
class _Faults:
    """What is wrong with refused rows, by kind; nothing of it is private."""

    kinds: dict[tuple[str, str, str, str | None], _Fault] = field(default_factory=dict)

    def add(self, row: tuple[Any, ...]) -> None:
        part, source, number, _account, _month, key, what, expected = row
        named = (part, key, what, expected)
        if named not in self.kinds and len(self.kinds) >= MOST_KINDS:
            named = (part, key, OTHERS, expected)
        kind = self.kinds.setdefault(named, _Fault(source=source, row=number))
        kind.rows += 1

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {"part": part, "key": key, "what": what, "expected": expected, "rows": fault.rows,
             "first": {"source": fault.source, "row": fault.row}}
            for (part, key, what, expected), fault in self.kinds.items()
        ]  # fmt: skip


@contextmanager
def _refusals(file: Path | None) -> Iterator[Callable[[tuple[Any, ...]], None]]:
    """Give what writes refused rows to a file that only its owner may read."""
    if file is None:
        yield lambda _: None
        return
    with ExitStack() as stack:
        try:
            handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            raise Refused(f"{file} is there already; name a new file") from None
        opened: TextIO = stack.enter_context(
            os.fdopen(handle, "w", encoding="utf-8-sig", newline="")
        )
        writer = csv.writer(opened)
        writer.writerow(REFUSED)
        yield writer.writerow


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give what shows how far the import is; nothing where nobody looks."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("Looking at the source", total=None)

        def told(what: str, done: int, total: int) -> None:
            progress.update(task, description=what.capitalize(), completed=done,
                            total=total or None)  # fmt: skip

        yield told


def _tell(
    report: Imported, faults: _Faults, config: Config, *, as_json: bool, dry_run: bool,
    why: str | None = None,
) -> None:  # fmt: skip
    about = report.about
    if as_json:
        print_json({
            "swapped": report.swapped, "dry_run": dry_run, "error": why, "source": about.source,
            "file": str(config.billing_file), "as_of": about.as_of.isoformat(timespec="seconds"),
            "rows": dict(about.rows), "read": report.read, "refused": dict(about.refused),
            "months": about.months, "faults": faults.as_json(), "took_s": round(report.took_s, 3),
        })  # fmt: skip
        return
    parts = sorted(
        {*about.rows, *report.read, *about.refused}, key=[*about.rows, *report.read].index
    )
    print_table(
        ("part", "rows read", "taken over", "refused"),
        [
            (part, report.read.get(part, 0), about.rows.get(part), about.refused.get(part, 0))
            for part in parts
        ],
    )
    for line in _told_faults(faults):
        click.echo(line)
    months = f"{about.months[0]} to {about.months[-1]}" if about.months else "none"
    click.echo(f"months that may be spoken: {months}")
    if why is None:
        did = "would be used; nothing was changed" if dry_run else "is in use"
        click.echo(f"the data as of {local(about.as_of, config.zone)} {did};"
                   f" it took {duration(report.took_s)}")  # fmt: skip


def _told_faults(faults: _Faults) -> Iterator[str]:
    listed = list(faults.kinds.items())
    for (part, key, what, expected), fault in listed[:SHOWN]:
        place = ", ".join(
            str(one) for one in (fault.source, f"row {fault.row}" if fault.row else None) if one
        )
        first = f" (first: {place})" if place else ""
        wanted = f"; expected {expected}" if expected else ""
        yield (f"refused, {fault.rows:,} of {part}: {key}: {what}{wanted}{first}")
    if len(listed) > SHOWN:
        yield f"and {len(listed) - SHOWN} more kinds of faults: --refused FILE has every row"
