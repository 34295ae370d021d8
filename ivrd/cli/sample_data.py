"""`ivrd sample-data`: everything a newcomer needs to make the first call."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime
from importlib import resources as package_files
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress

from ivrd import resources
from ivrd.billing.entities import Bill
from ivrd.billing.ready_profiles import DEFAULT, Profile, profile, profile_names
from ivrd.billing.sample import KNOWN, month_back
from ivrd.cli.output import json_option, print_json
from ivrd.cli.service import billing_reader
from ivrd.cli.settings import command_with, settings
from ivrd.cli.tables import print_table
from ivrd.config import Config
from ivrd.errors import BillingError, ConfigError, Problem

PLACES = """
[places]
flows = "fsm_specs"
prompts = "voice_prompts"
"""
CAMPAIGN = "arrears.toml"
"""What the campaign of a trade is called, beside its ivrd.toml."""
SHOWN = 7
"""How many of the sample numbers are told to people; `--json` tells all."""


@click.command("sample-data")
@click.argument(
    "folder", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--accounts", type=click.IntRange(len(KNOWN), 50_000), default=1000,
              show_default=True, help="How many accounts.")  # fmt: skip
@click.option("--months", type=click.IntRange(1, 120), default=12, show_default=True,
              help="How many months of bills, up to last month.")  # fmt: skip
@click.option("--seed", type=int, default=7, show_default=True,
              help="The same seed makes the same data.")  # fmt: skip
@click.option("--profile", "named", metavar="NAME", default=None,
              help=f"Whose bills: {', '.join(profile_names())}.  "
              f"[default: as in ivrd.toml, or {DEFAULT}]")  # fmt: skip
@click.option("--flows", is_flag=True, help="Copy flows and voice files there too, to edit.")
@click.option("--force/--keep", help="Make a database anew that is there already, or keep it.  "
              "[default: keep]")  # fmt: skip
@json_option
@click.pass_context
def sample_data(  # noqa: PLR0913, PLR0917 - one for each option
    ctx: click.Context, folder: Path | None, accounts: int, months: int, seed: int,
    named: str | None, flows: bool, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make the sample database where ivrd.toml says.

    Where DIR (this folder, if none is named) has no ivrd.toml, the sample one is written first,
    and for a trade beside the telephone's a campaign, too. What is there already is left as it is.
    """
    config_file = _config_file(ctx, folder)
    asked = profile(named) if named else None
    done: list[str] = []
    if flows:
        done += _copy_flows(config_file.parent)
    if not config_file.exists():
        done += _write_settings(config_file, asked or profile(DEFAULT), with_places=flows)
    config = settings(config_file)
    if flows and config.flows == resources.FLOWS:
        done.append(f"{config_file} does not use the copies yet: add\n{PLACES.strip()}")
    file = _database_file(config)
    fits = _fitting(config, asked)
    today = datetime.now(config.zone).date()
    if force or not file.exists():
        _write_database(file, config, accounts, months, seed, fits)
        done.append(f"{file} written: {accounts} accounts, {months} months up to "
                    f"{month_back(today, 1)}")  # fmt: skip
    else:
        done.append(_left_alone(file, config, month_back(today, 1)))
    _tell(done, config, file, month_back(today, 1), fits, as_json=as_json)


def _config_file(ctx: click.Context, folder: Path | None) -> Path:
    if folder is None:
        return Path(ctx.obj)
    named = ctx.find_root().get_parameter_source("config_file")
    if named is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("name either DIR or --config, not both")
    return folder / "ivrd.toml"


def _copy_flows(folder: Path) -> list[str]:
    """Copy flows and voice files to where they can be edited; what is there stays."""
    done = []
    for source in (resources.FLOWS, resources.PROMPTS):
        target = folder / source.name
        if target.exists():
            done.append(f"{target} is there already")
        else:
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            done.append(f"{target} copied")
    return done


def _write_settings(file: Path, chosen: Profile, *, with_places: bool) -> list[str]:
    """Write ivrd.toml, and beside it the trade's campaign; return what was done."""
    text = package_files.files("ivrd.cli").joinpath("sample.toml").read_text(encoding="utf-8")
    text = text.replace('mapping = "telecom" ', f'mapping = "{chosen.name}" ')
    if chosen.trade:
        text = text.replace('# trade = "water"   ', f'trade = "{chosen.trade}"')
        text = text.replace("deploy/campaigns/arrears.toml", CAMPAIGN)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + (PLACES if with_places else ""), encoding="utf-8")
    campaign = file.with_name(CAMPAIGN)
    if not chosen.campaign or campaign.exists():
        return [f"{file} written"]
    campaign.write_text(chosen.campaign, encoding="utf-8")
    return [f"{file} written", f"{campaign} written: a campaign for its debtors"]


def _database_file(config: Config) -> Path:
    start = "sqlite:///"
    if not config.billing_url.startswith(start):
        raise ConfigError([Problem("sample data is not written into a database server",
                                   file=config.path, key="billing.url", rule="sample",
                                   expected="sqlite:///var/sample.db")])  # fmt: skip
    return Path(config.billing_url.removeprefix(start))


def _fitting(config: Config, asked: Profile | None) -> Profile:
    """Return the profile that the mapping in use is, which must be the one asked for."""
    mapping = config.billing.mapping
    if mapping not in ([asked.name] if asked else profile_names()):
        expected = " or ".join(repr(name) for name in ([asked.name] if asked else profile_names()))
        raise ConfigError([Problem(f"{mapping!r} does not read this sample",
                                   file=config.path, key="billing.mapping", expected=expected,
                                   rule="sample")])  # fmt: skip
    return profile(mapping)


def _write_database(
    file: Path, config: Config, accounts: int, months: int, seed: int, chosen: Profile
) -> None:
    """Write the database beside its place, then put it there: readers never see half of it."""
    if file.exists() and not _is_sample(config, chosen):
        raise ConfigError([Problem("is no sample database; it is not replaced", file=file,
                                   rule="not-a-sample")])  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    today = datetime.now(config.zone).date()
    with Progress(disable=not sys.stderr.isatty(), transient=True) as progress:
        progress.add_task("Writing the sample database", total=None)
        try:
            chosen.write(new, today, seed=seed, accounts=accounts, months=months)
            new.replace(file)
        finally:
            new.unlink(missing_ok=True)


def _is_sample(config: Config, chosen: Profile) -> bool:
    """Return whether the database holds the accounts that every sample of the profile has."""
    try:
        with billing_reader(config) as reader:
            return all(
                reader.account(str(known.subscriber.id)) is not None
                for known in chosen.known
                if not known.subscriber.removed
            )
    except BillingError:
        return False


def _left_alone(file: Path, config: Config, month: str) -> str:
    """Say that the database stays, and whether its bills have become old."""
    try:
        with billing_reader(config) as reader:
            newest = reader.bill(str(KNOWN[0].subscriber.id), month)
    except BillingError as error:
        return f"{file} is there already, and cannot be read: {error}"
    if isinstance(newest, Bill):
        return f"{file} is there already"
    return f"{file} is there already, without the bills of {month}: --force makes it anew"


def _tell(
    done: list[str], config: Config, file: Path, month: str, chosen: Profile, *, as_json: bool
) -> None:
    subscribers: list[dict[str, Any]] = [
        {"phone": known.subscriber.phone, "agreement": known.subscriber.agreement,
         "password": known.subscriber.password, "what": known.what}
        for known in chosen.known
    ]  # fmt: skip
    if as_json:
        print_json({"config": str(config.path), "database": str(file), "month": month,
                    "done": done, "subscribers": subscribers})  # fmt: skip
        return
    for line in done:
        click.echo(line)
    click.echo("\nNumbers to try:")
    print_table(
        ("phone", "agreement", "password", "what its bill shows"),
        [tuple(subscriber.values()) for subscriber in subscribers[:SHOWN]],
    )
    keys = f"1 {month.replace('-', '')}# 1 {KNOWN[0].subscriber.phone}#"
    ivrd = command_with(config)
    click.echo(f'\nNext: `{ivrd} run`, and in another terminal `{ivrd} call --keys "{keys}"`')
