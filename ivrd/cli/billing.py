"""`ivrd billing`: a mapping drafted, and held against the live database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from ivrd.assembly import load_voices
from ivrd.billing.check import Check
from ivrd.billing.entities import Bill
from ivrd.cli.billing_init import init
from ivrd.cli.billing_next import how_to_name, merged, next_lines
from ivrd.cli.billing_settings import Place, billing_settings, place_options
from ivrd.cli.output import EXIT_NO, json_option, print_json, print_problems, problem_json
from ivrd.cli.service import billing_reader
from ivrd.commands import Say
from ivrd.config import Config
from ivrd.errors import Problem, PromptError
from ivrd.prompts import Voices
from ivrd.stand_alone import check_data, read_mapping


@click.group()
def billing() -> None:
    """Draft and check the billing mapping."""


billing.add_command(init)


@billing.command()
@click.option("--mapping", "mapping_file", metavar="FILE",
              type=click.Path(dir_okay=False, path_type=Path),
              help="Another mapping than that of ivrd.toml.")  # fmt: skip
@place_options
@json_option
@click.pass_context
def check(ctx: click.Context, mapping_file: Path | None, place: Place, as_json: bool) -> None:
    """Hold every table and column of the mapping against the database, and read one bill.

    Every item of a bill must have a name in each language, too. What a caller would hear of that
    bill is shown as text, with the account's number masked.
    """
    config = billing_settings(ctx.obj, mapping_file, place)
    mapping = read_mapping(config)
    with billing_reader(config) as reader:
        found = check_data(config, mapping, reader.database.engine)
    spoken: dict[str, str] = {}
    unnamed: list[Problem] = []
    try:
        voices = load_voices(config, mapping)
        if found.sample:
            spoken = {lang: bill_text(found.sample, voices, lang) for lang in voices.languages}
    except PromptError as error:
        unnamed = [problem for problem in error.problems if problem.rule == "item"]
        found.problems += unnamed or [_voices_wrong(error, place)]
    if as_json:
        print_json(_as_json(config, found, spoken))
    else:
        others = [problem for problem in found.problems if problem not in unnamed]
        print_problems([*others, *merged(unnamed)])
        for line in how_to_name(unnamed, config):
            click.echo(line)
        for warning in found.warnings:
            click.echo(f"advice: {warning}")
        if not found.problems:
            _print_read(config, found, spoken)
            for line in next_lines(config, mapping_file, place, found):
                click.echo(line)
    if found.problems:
        ctx.exit(EXIT_NO)


def _voices_wrong(error: PromptError, place: Place) -> Problem:
    """Return the one problem of voice files that are wrong in themselves."""
    first = error.problems[0]
    if first.rule in {"trade-unknown", "prompts-folder", "language-unknown"}:
        return replace(first, file=None, key="--trade") if place.trade else first
    return Problem(
        f"nothing can be spoken: {len(error.problems)} things are wrong with the voice files",
        expected="`ivrd prompts check` to be content", rule="voices",
    )  # fmt: skip


def _as_json(config: Config, found: Check, spoken: Mapping[str, str]) -> dict[str, Any]:
    return {
        "mapping": str(config.mapping),
        "trade": config.node.trade,
        "ok": not found.problems,
        "problems": [problem_json(problem) for problem in found.problems],
        "warnings": [problem_json(problem) for problem in found.warnings],
        "sample": asdict(found.sample) if found.sample else None,
        "spoken": spoken,
    }


def _print_read(config: Config, found: Check, spoken: Mapping[str, str]) -> None:
    sample = found.sample
    read = f"a bill of {sample.month} was read" if sample else "there was no bill to read"
    click.echo(f"ok: {_named(config.mapping)} fits the database; {read}")
    for line in account_lines(found):
        click.echo(f"  {line}")
    for lang, text in spoken.items():
        click.echo(f"  {lang}: {text}")


def bill_text(bill: Bill, voices: Voices, lang: str) -> str:
    """Return what a caller hears of a bill, as text."""
    says = [Say("bill_of_month", {"bill.month": bill.month})]
    says += [
        Say("bill_item", {"name": item.code, "amount": item.amount_fen})
        for item in bill.items
        if item.amount_fen
    ]
    says.append(Say("bill_total", {"bill.total": bill.total_fen}))
    if bill.paid is not None:
        says.append(Say("bill_paid" if bill.paid else "bill_unpaid"))
    if bill.due and not bill.paid:
        says.append(Say("bill_due", {"bill.due": bill.due.isoformat()}))
    joined = (voices.utterance(say, lang).text for say in says)
    return " ".join(" ".join(joined).split())


def account_lines(found: Check) -> list[str]:
    """Return what was read of the sample's account, numbers masked to their last two digits."""
    account = found.account
    if account is None:
        return []
    said = {
        "phone": _masked(account.phone),
        "agreement": _masked(account.agreement),
        "other numbers": ", ".join(_masked(n) or "" for n in account.other_phones),
        "language": account.language,
        "group": account.group,
        "product": account.product,
        "zone": account.zone,
        "consent": {True: "yes", False: "no", None: None}[account.consent],
        "owes": f"{sum(a.amount_fen for a in found.arrears)} fen" if found.arrears else "nothing",
    }
    return ["account: " + ", ".join(f"{name} {value}" for name, value in said.items() if value)]


def _masked(number: str | None) -> str | None:
    return number and "*" * max(len(number) - 2, 0) + number[-2:]


def _named(mapping: Path) -> str:
    return mapping.stem if mapping.parent.name == "profiles" else str(mapping)
