"""`ivrd billing`: a mapping drafted, and held against the live database."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from ivrd.assembly import load_voices
from ivrd.billing.check import Check
from ivrd.billing.entities import Bill
from ivrd.cli.billing_init import init, pointed
from ivrd.cli.output import EXIT_NO, json_option, print_json, print_problems, problem_json
from ivrd.cli.service import billing_reader
from ivrd.cli.settings import settings
from ivrd.commands import Say
from ivrd.errors import PromptError
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
@click.option("--url", help="Another database than that of ivrd.toml.")
@click.option("--password-env", metavar="NAME", help="The environment variable of its password.")
@click.option("--password-file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="The file of its password, of mode 0600.")  # fmt: skip
@json_option
@click.pass_context
def check(
    ctx: click.Context, mapping_file: Path | None, url: str | None, password_env: str | None,
    password_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Hold every table and column of the mapping against the database, and read one bill.

    Every item of a bill must have a name in each language, too. What a caller would hear of that
    bill is shown as text, with the account's number masked.
    """
    config = pointed(settings(ctx.obj), mapping_file, url, password_env, password_file)
    mapping = read_mapping(config)
    with billing_reader(config) as reader:
        found = check_data(config, mapping, reader.database.engine)
    spoken: dict[str, str] = {}
    try:
        voices = load_voices(config, mapping)
        if found.sample:
            spoken = {lang: bill_text(found.sample, voices, lang) for lang in voices.languages}
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
            "spoken": spoken,
        })  # fmt: skip
    else:
        print_problems(found.problems)
        for warning in found.warnings:
            click.echo(f"advice: {warning}")
        if not found.problems:
            read = f"a bill of {sample.month} was read" if sample else "there was no bill to read"
            click.echo(f"ok: {_named(config.mapping)} fits the database; {read}")
            for line in account_lines(found):
                click.echo(f"  {line}")
            for lang, text in spoken.items():
                click.echo(f"  {lang}: {text}")
            if mapping_file is not None:
                click.echo(f'next: in ivrd.toml, [billing] mapping = "{mapping_file.absolute()}"')
    if found.problems:
        ctx.exit(EXIT_NO)


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
