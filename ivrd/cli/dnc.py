"""`ivrd dnc`: the numbers that nobody is to call (product D9)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress

from ivrd.cli.output import Refused, json_option, print_json
from ivrd.cli.own_store import act, nudge, own_store
from ivrd.cli.report_output import Shown, report_options, show
from ivrd.cli.settings import settings
from ivrd.dunning.columns import NUMBERS
from ivrd.dunning.list_columns import BY_HEADER, BadCell, header_key, text_in
from ivrd.dunning.list_files import Cell, Sheet, open_sheet, place, write_sheet
from ivrd.dunning.list_reports import do_not_call_list
from ivrd.dunning.numbers import NumberPlan, NumberProblem
from ivrd.dunning_settings import number_plan
from ivrd.errors import ListError, Problem
from ivrd.store.do_not_call import WhyListed, add, add_many, remove


@click.group()
def dnc() -> None:
    """Keep the do-not-call list; it holds for every campaign, at once."""


@dnc.command("add")
@click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True)
@click.option("--why", type=click.Choice([w.value for w in WhyListed if w is not WhyListed.LIST]),
              default=WhyListed.OPERATOR.value, show_default=True, help="How it came.")  # fmt: skip
@click.option("--account", metavar="ACCOUNT",
              help="With wrong_number: the account that it does not belong to.")  # fmt: skip
@json_option
@click.pass_obj
def add_numbers(
    config_file: Path, numbers: tuple[str, ...], why: str, account: str | None, as_json: bool
) -> None:
    """Put numbers on the list: they are not called from now on."""
    if account is not None and why != WhyListed.WRONG_NUMBER:
        raise click.UsageError("--account belongs to --why wrong_number")
    config = settings(config_file)
    called = _all_read(number_plan(config), numbers)
    with own_store(config) as store:
        added = act(
            store, "dnc.add", {"numbers": called, "why": why, "account": account},
            lambda tx, now, by: sum(
                add(tx, now, number, WhyListed(why), by, account) for number in called
            ),
        )  # fmt: skip
    nudge(config)
    if as_json:
        print_json({"added": added, "listed_before": len(called) - added})
    else:
        before = f", {len(called) - added} listed already" if added < len(called) else ""
        click.echo(f"{added} added to the do-not-call list{before}")


@dnc.command("remove")
@click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True)
@json_option
@click.pass_obj
def remove_numbers(config_file: Path, numbers: tuple[str, ...], as_json: bool) -> None:
    """Take numbers off the list; who took them off stays on record."""
    config = settings(config_file)
    called = _all_read(number_plan(config), numbers)
    with own_store(config) as store:

        def job(tx: Any, now: Any, by: str) -> int:
            gone = [at for at, number in enumerate(called, 1) if not remove(tx, now, number, by)]
            if gone:
                which = ", ".join(str(at) for at in gone)
                raise Refused(
                    f"not on the list: number {which} of {len(called)}; none was taken off"
                )
            return len(called)

        removed = act(store, "dnc.remove", {"numbers": called}, job)
    if as_json:
        print_json({"removed": removed})
    else:
        click.echo(f"{removed} taken off the do-not-call list")


@dnc.command("list")
@click.option("--all", "with_removed", is_flag=True, help="With those taken off.")
@report_options
@click.pass_obj
def list_numbers(config_file: Path, with_removed: bool, shown: Shown) -> None:
    """List the numbers, masked unless --clear is given."""
    config = settings(config_file)
    with own_store(config) as store:
        show(
            store, lambda tx: do_not_call_list(tx, config.zone, with_removed=with_removed),
            shown, NUMBERS,
        )  # fmt: skip


@dnc.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--skip-bad", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Write refused rows there, and import the others.")  # fmt: skip
@json_option
@click.pass_obj
def import_numbers(config_file: Path, file: Path, skip_bad: Path | None, as_json: bool) -> None:
    """Import numbers from a CSV or XLSX file; all of them or none.

    The column is called number, phone, 号码, 电话 or 手机; without a header it is the first.
    """
    config = settings(config_file)
    read = _read(file, number_plan(config))
    if read.problems and skip_bad is None:
        again = "; --skip-bad FILE imports the others and writes these rows to FILE"
        raise ListError([*read.problems[:-1], _with(read.problems[-1], again)])
    if skip_bad is not None and read.problems:
        write_sheet(skip_bad, read.sheet, read.refused)
    with own_store(config) as store:
        added = act(
            store, "dnc.import", {"file": file.name, "numbers": len(read.numbers)},
            lambda tx, now, by: add_many(tx, now, read.numbers, WhyListed.LIST, by),
        )  # fmt: skip
    nudge(config)
    told = {"rows": len(read.numbers), "added": added,
            "listed_before": len(read.numbers) - added, "refused": len(read.problems)}  # fmt: skip
    if as_json:
        print_json(told)
    else:
        click.echo("{rows} numbers: {added} added, {listed_before} listed already".format(**told))
        if read.problems:
            click.echo(f"{len(read.problems)} refused, in {skip_bad}")


def _with(problem: Problem, more: str) -> Problem:
    return Problem(problem.what, problem.file, problem.line, problem.key,
                   f"{problem.expected}{more}", problem.nearest, problem.rule)  # fmt: skip


def _all_read(plan: NumberPlan, texts: Sequence[str]) -> list[str]:
    """Return numbers in E.164, each once. Raises `click.UsageError` for all that are none."""
    numbers: dict[str, None] = {}
    wrong: list[str] = []
    for at, text in enumerate(texts, 1):
        try:
            numbers[plan.e164(text)] = None
        except NumberProblem as problem:
            wrong.append(f"number {at} of {len(texts)}: {problem}")
    if wrong:
        raise click.UsageError("\n".join(wrong))
    return list(numbers)


@dataclass(frozen=True, slots=True)
class _Read:
    sheet: Sheet
    numbers: list[str]
    refused: list[Sequence[Cell]]
    """The header, and every row with a number that is none."""
    problems: list[Problem]


def _read(file: Path, plan: NumberPlan) -> _Read:
    """Read a list of numbers. Raises `ListError` where it is none at all."""
    sheet = open_sheet(file)
    rows = iter(sheet.rows)
    first = next(rows, None)
    if first is None:
        raise ListError([Problem("is empty", file=file, expected="numbers", rule="file")])
    at, header = _column(first)
    numbers: dict[str, None] = {}
    problems: list[Problem] = []
    refused: list[Sequence[Cell]] = [first] if header else []
    with Progress(disable=not sys.stderr.isatty(), transient=True) as progress:
        todo = rows if header else _with_first(first, rows)
        counted = progress.track(todo, total=sheet.size, description="Reading")
        for line, row in enumerate(counted, start=2 if header else 1):
            cell = row[at] if at < len(row) else None
            if all(value is None or value == "" for value in row):
                continue
            try:
                numbers[plan.e164(text_in(cell).removeprefix("'"))] = None
            except (NumberProblem, BadCell) as problem:
                problems.append(Problem(str(problem), file=file, line=line, rule="number",
                                        key=place(at, header or ""),
                                        expected="a telephone number"))  # fmt: skip
                refused.append(row)
    return _Read(sheet, list(numbers), refused, problems)


def _with_first(first: tuple[Cell, ...], rows: Iterator[tuple[Cell, ...]]) -> Iterator[Any]:
    yield first
    yield from rows


def _column(first: tuple[Cell, ...]) -> tuple[int, str | None]:
    """Return the column of numbers and its header, None where the first row is none."""
    for at, cell in enumerate(first):
        if isinstance(cell, str) and BY_HEADER.get(header_key(cell)) == "number":
            return at, cell
    return 0, None
