"""`ivrd billing check`: the mapping held against the live database."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from ivrd.assembly import load_voices
from ivrd.billing.check import check_billing
from ivrd.billing.mapping import load_mapping
from ivrd.cli.output import EXIT_NO, json_option, print_json, print_problems, problem_json
from ivrd.cli.service import billing_reader
from ivrd.cli.settings import settings
from ivrd.errors import PromptError


@click.group()
def billing() -> None:
    """Check the billing mapping."""


@billing.command()
@json_option
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Hold every table and column of the mapping against the database, and read one bill.

    Every item of a bill must have a name in each language, too.
    """
    config = settings(ctx.obj)
    mapping = load_mapping(config.mapping)
    with billing_reader(config) as reader:
        found = check_billing(mapping, reader.database.engine)
    try:
        load_voices(config, mapping)
    except PromptError as error:
        # voice files that are wrong in themselves are for `ivrd prompts check` to tell
        found.problems += [problem for problem in error.problems if problem.rule == "item"]
    sample = found.sample
    if as_json:
        print_json({
            "mapping": str(config.mapping),
            "ok": not found.problems,
            "problems": [problem_json(problem) for problem in found.problems],
            "warnings": [problem_json(problem) for problem in found.warnings],
            "sample": asdict(sample) if sample else None,
        })  # fmt: skip
    else:
        print_problems(found.problems)
        for warning in found.warnings:
            click.echo(f"advice: {warning}")
        if not found.problems:
            read = f"a bill of {sample.month} was read" if sample else "there was no bill to read"
            click.echo(f"ok: {_named(config.mapping)} fits the database; {read}")
    if found.problems:
        ctx.exit(EXIT_NO)


def _named(mapping: Path) -> str:
    return mapping.stem if mapping.parent.name == "profiles" else str(mapping)
