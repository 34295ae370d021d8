"""`ivrd billing init`: a first mapping, drafted from a schema that nobody has described."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

import click
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ivrd.billing.check import Check, check_billing
from ivrd.billing.draft.drafting import draft_mapping
from ivrd.billing.draft.findings import Draft, Finding
from ivrd.billing.draft.write import DECIDE, toml_of, value
from ivrd.billing.driver_errors import translated
from ivrd.billing.engine import engine_from
from ivrd.billing.mapping import load_mapping
from ivrd.cli.billing_settings import Place, billing_settings, place_options
from ivrd.cli.output import EXIT_NO, json_option, print_facts, print_json, problem_json
from ivrd.cli.settings import command_with
from ivrd.config import Config
from ivrd.errors import BillingDown, ConfigError, MappingError, Problem, nearest
from ivrd.speech.texts import load_texts
from ivrd.speech.trades import TRADES

_ITEM = "item_"

LIMIT_S = 5.0
"""Seconds that a statement may take: nobody waits on the line."""


@dataclass(frozen=True)
class Target:
    """Where the database is, as the command line or ivrd.toml says."""

    url: str
    password_env: str | None
    password_file: Path | None
    zone: str
    spoken: Collection[str]
    """Items that have a prompt in the languages' own lists."""
    trades: Mapping[str, Collection[str]]
    """Those that each trade has beside."""
    trade: str | None


@click.command()
@place_options
@click.option("--schema", metavar="NAME", help="The database schema, where not the account's own.")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("my-billing.toml"),
    show_default=True,
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
@click.pass_context
def init(
    ctx: click.Context, place: Place, schema: str | None, output: Path, force: bool, as_json: bool
) -> None:  # fmt: skip
    """Look at a database and draft its mapping: names, keys, and a few rows of each table.

    The database is only read. The file that is written says of every guess why it was made, and
    holds no data of account holders. Read it, decide what it asks, then check it.
    """
    if output.exists() and not force:
        raise ConfigError([Problem("is there already", file=output, rule="exists",
                                   expected="another --output, or --force")])  # fmt: skip
    config = billing_settings(ctx.obj, None, place)
    target = _target(config, place)
    with _engine(target) as engine:
        draft = _drafted(engine, target, schema, output.stem)
        if not draft.seen:
            raise ConfigError([_nothing(engine, schema)])
        draft.words = str(_words(config, draft))
        output.write_text(toml_of(draft), encoding="utf-8")
        tried = _try(output, engine) if draft.complete else None
    if as_json:
        print_json(_as_json(draft, output, tried))
    else:
        trade = draft.trade if draft.trade != config.node.trade else None
        _print(draft, output, tried, _check_command(config, place, output, trade))
    if not draft.complete or (tried and tried.problems):
        ctx.exit(EXIT_NO)


def _target(config: Config, place: Place) -> Target:
    """Return where to look, and what can be spoken there."""
    billing = config.billing
    spoken, trades = _spoken(config, place)
    return Target(
        config.billing_url, billing.password_env, config.password_file, config.node.zone, spoken,
        trades, config.node.trade,
    )  # fmt: skip


@contextmanager
def _engine(target: Target) -> Iterator[Engine]:
    try:
        engine = engine_from(
            target.url, password_env=target.password_env, password_file=target.password_file,
            time_limit_s=LIMIT_S,
        )  # fmt: skip
    except ConfigError as error:
        raise ConfigError(
            [replace(problem, key=_option(problem.key)) for problem in error.problems]
        ) from None
    try:
        yield engine
    finally:
        engine.dispose()


def _option(key: str | None) -> str | None:
    return f"--{key.replace('_', '-')}" if key else None


def _drafted(engine: Engine, target: Target, schema: str | None, name: str) -> Draft:
    try:
        return draft_mapping(
            engine,
            name=name,
            zone=target.zone,
            schema=schema,
            spoken=target.spoken,
            trades=target.trades,
            trade=target.trade,
        )
    except (SQLAlchemyError, OSError) as error:
        raise BillingDown(str(translated(error))) from None


def _spoken(config: Config, place: Place) -> tuple[set[str], dict[str, set[str]]]:
    """Return the items that have a prompt in every language, and those that each trade has beside.

    Raises `ConfigError` where the trade of the settings is not there.
    """
    folders = {path.name: path for path in sorted((config.prompts / TRADES).glob("*/"))}
    named, folder = config.node.trade, config.trade
    if named is not None and folder is not None:
        if not folder.is_dir():
            raise ConfigError([
                Problem(f"no trade {named!r}", rule="trade-unknown",
                        file=None if place.trade else config.path,
                        key="--trade" if place.trade else "node.trade",
                        expected=f"{', '.join(folders)}, or a folder of your own, such as ./gas",
                        nearest=nearest(named, folders))
            ])  # fmt: skip
        folders[named] = folder
    languages = config.node.languages
    trades = {name: _items(path, languages) for name, path in folders.items()}
    return _items(config.prompts, languages), trades


def _words(config: Config, draft: Draft) -> Path:
    """Return the folder of the words that the draft is spoken with."""
    if draft.trade is None:
        return config.prompts
    return config.trade or config.prompts / TRADES / draft.trade


def _items(folder: Path, languages: Sequence[str]) -> set[str]:
    listed = [
        {
            prompt.removeprefix(_ITEM)
            for prompt in load_texts(folder / tag, with_voice=False).texts
            if prompt.startswith(_ITEM)
        }
        for tag in languages
    ]
    return set.intersection(*listed)


def _nothing(engine: Engine, schema: str | None) -> Problem:
    where = f"schema {schema!r}" if schema else "this database"
    who = f" for the account {engine.url.username}" if engine.url.username else ""
    return Problem(
        f"no table is to be seen in {where}; nothing was written", key="--url", rule="no-tables",
        expected=f"another database, or --schema, or rights to read{who}",
    )  # fmt: skip


def _try(file: Path, engine: Engine) -> Check:
    """Hold what was written against the database, as `ivrd billing check` does."""
    try:
        return check_billing(load_mapping(file), engine)
    except MappingError as error:
        return Check(problems=list(error.problems))


def _as_json(draft: Draft, output: Path, tried: Check | None) -> dict[str, Any]:
    return {
        "mapping": str(output),
        "complete": draft.complete,
        "tables": draft.seen,
        "found": [_finding(found) for found in draft.findings],
        "notes": draft.notes,
        "trade": draft.trade,
        "items_without_prompt": sorted(draft.unnamed),
        "ok": bool(tried and not tried.problems),
        "problems": [problem_json(problem) for problem in tried.problems] if tried else [],
        "warnings": [problem_json(problem) for problem in tried.warnings] if tried else [],
        "bill_read": tried.sample.month if tried and tried.sample else None,
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {**asdict(found), "key": ".".join(found.key)}


def _print(draft: Draft, output: Path, tried: Check | None, command: str) -> None:
    click.echo(f"{output} written, drafted from {draft.seen} tables and views:")
    print_facts(dict(_summary(draft)))
    asked = [found for found in draft.findings if found.decide]
    if asked:
        click.echo(f"\nFor you to decide; in the file, {DECIDE} stands below each:")
        for found in asked:
            click.echo(f"  {'.'.join(found.key)} = {value(found.value)}")
            click.echo(f"    {found.decide}")
    lacking = [found for found in draft.findings if found.value is None]
    if lacking or draft.notes:
        click.echo("")
    for found in lacking:
        click.echo(f"not found: {'.'.join(found.key)}: {found.why}")
    for note in draft.notes:
        click.echo(f"note: {note}")
    click.echo("")
    _print_next(draft, tried, command)


def _summary(draft: Draft) -> Iterator[tuple[str, str]]:
    """Yield what was found, as a person asks for it; the file has the reasons."""
    data = draft.data()
    account, bill = data.get("account", {}), data.get("bill", {})
    if "table" in account:
        by = [value(account[key]) for key in ("phone", "agreement") if key in account]
        yield "accounts", f"{account['table']}, looked up by {' or '.join(by)}"
    if "table" in bill:
        yield "bills", f"{bill['table']}, a {_ROW.get(bill.get('layout', ''), 'row')} for each item"
    if "items" in bill:
        yield "items", ", ".join(bill["items"])
    if draft.unnamed:
        told = [name for unnamed in draft.unnamed.values() for name in unnamed.told]
        under = f"spoken as {draft.rest}" if draft.rest else "`ivrd run` needs one"
        shown = ", ".join(told[:8]) + (", …" if len(told) > 8 else "")
        yield "no prompt for", f"{shown}: {under}; the end of the file says how to name them"
    if "details" in data:
        yield "calls", data["details"]["table"]
    if "arrears" in data:
        yield "arrears", data["arrears"].get("table", "out of the bills that are not paid")
    if draft.trade is not None:
        yield "trade", f"{draft.trade}: {draft.trade_why}"
    elif draft.trade_why:
        yield "trade", f"the telephone's words, without a trade: {draft.trade_why}"
    elif draft.complete:
        yield "trade", "not recognised: the telephone's words, or see --trade and docs/trades.md"
    hows = [found.how for found in draft.findings if found.value is not None]
    yield "lines", f"{hows.count('sure')} sure, {hows.count('guess')} guessed: read those"


_ROW = {"wide": "column", "narrow": "row"}


def _print_next(draft: Draft, tried: Check | None, command: str) -> None:
    if not draft.complete:
        click.echo("It is not whole: accounts or bills were not found. Fill it in, then check it.")
    elif tried and not tried.problems and tried.sample:
        click.echo(f"tried: a bill of {tried.sample.month} was read by it")
    elif tried:
        for problem in tried.problems:
            click.echo(f"tried: {problem}")
    click.echo(f"next: {command}")


def _check_command(config: Config, place: Place, output: Path, trade: str | None) -> str:
    """Return the words that check what was written, with the options of now."""
    words = [command_with(config), "billing", "check", "--mapping", str(output)]
    said = {
        "--url": place.url, "--password-env": place.password_env,
        "--password-file": place.password_file, "--trade": place.trade or trade,
    }  # fmt: skip
    words += [word for name, one in said.items() if one for word in (name, quote(str(one)))]
    return " ".join(words)
