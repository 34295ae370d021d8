"""`ivrd billing init`: a first mapping, drafted from a schema that nobody has described."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ivrd import resources
from ivrd.billing.check import Check, check_billing
from ivrd.billing.draft.drafting import draft_mapping
from ivrd.billing.draft.findings import Draft, Finding
from ivrd.billing.draft.write import DECIDE, toml_of, value
from ivrd.billing.driver_errors import translated
from ivrd.billing.engine import engine_from
from ivrd.billing.mapping import load_mapping
from ivrd.cli.output import EXIT_NO, json_option, print_json, problem_json
from ivrd.cli.settings import settings
from ivrd.cli.tables import print_table
from ivrd.config import Config
from ivrd.errors import BillingDown, ConfigError, MappingError, Problem
from ivrd.speech.texts import load_texts

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
    languages: Sequence[str]
    prompts: Path
    from_settings: bool


@click.command()
@click.option("--url", help="The database, as in ivrd.toml.  [default: that of ivrd.toml]")
@click.option("--password-env", metavar="NAME", help="The environment variable of its password.")
@click.option("--password-file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="The file of its password, of mode 0600.")  # fmt: skip
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
    ctx: click.Context, url: str | None, password_env: str | None, password_file: Path | None,
    schema: str | None, output: Path, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Look at a database and draft its mapping: names, keys, and a few rows of each table.

    The database is only read. The file that is written says of every guess why it was made, and
    holds no data of account holders. Read it, decide what it asks, then check it.
    """
    if output.exists() and not force:
        raise ConfigError([Problem("is there already", file=output, rule="exists",
                                   expected="another --output, or --force")])  # fmt: skip
    target = _target(ctx.obj, url, password_env, password_file)
    with _engine(target) as engine:
        draft = _drafted(engine, target, schema, output.stem)
        if not draft.seen:
            raise ConfigError([_nothing(engine, schema)])
        output.write_text(toml_of(draft), encoding="utf-8")
        tried = _try(output, engine) if draft.complete else None
    if as_json:
        print_json(_as_json(draft, output, tried))
    else:
        _print(draft, output, tried, target)
    if not draft.complete or (tried and tried.problems):
        ctx.exit(EXIT_NO)


def _target(
    config_file: Path, url: str | None, password_env: str | None, password_file: Path | None
) -> Target:
    """Return where to look; without --url what ivrd.toml says."""
    zone, languages, prompts = "Asia/Shanghai", ["zh-CN", "en-US"], resources.PROMPTS
    if url is not None and not config_file.exists():
        return Target(url, password_env, password_file, zone, languages, prompts, False)
    config = settings(config_file)
    at = pointed(config, None, url, password_env, password_file)
    return Target(
        at.billing_url, at.billing.password_env, at.password_file, config.node.zone,
        config.node.languages, config.prompts, url is None,
    )  # fmt: skip


def pointed(
    config: Config, mapping: Path | None, url: str | None, password_env: str | None,
    password_file: Path | None,
) -> Config:  # fmt: skip
    """Return the settings with another mapping file, or another billing database.

    In stand-alone mode a mapping is held against the database that is imported from.
    """
    billing: dict[str, Any] = {}
    if mapping is not None:
        billing["mapping"] = str(mapping.absolute())
    if url is not None:
        billing |= {"url": _from_here(url), "password_env": None, "password_file": None}
    elif config.billing_file and (mapping is not None or not config.billing.url):
        if config.import_ is None or config.import_url is None:
            raise ConfigError([Problem("no database is named", file=config.path, key="import.url",
                                       expected="--url with one", rule="url")])  # fmt: skip
        billing |= {
            "url": config.import_url, "password_env": config.import_.password_env,
            "password_file": config.file_of(config.import_.password_file),
        }  # fmt: skip
    if password_env is not None or password_file is not None:
        file = password_file.absolute() if password_file else None
        billing |= {"password_env": password_env, "password_file": file}
    if not billing:
        return config
    whole = config.billing.model_copy(update={"mode": "network", **billing})
    return config.model_copy(update={"billing": whole})


def _from_here(url: str) -> str:
    """Return a URL whose SQLite file is taken from the folder of now, not of ivrd.toml."""
    start = "sqlite:///"
    if not url.startswith(start) or url.startswith(start + "/"):
        return url
    return start + str(Path(url.removeprefix(start)).absolute())


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
            engine, name=name, zone=target.zone, schema=schema, spoken=_spoken(target)
        )
    except (SQLAlchemyError, OSError) as error:
        raise BillingDown(str(translated(error))) from None


def _spoken(target: Target) -> set[str]:
    """Return the items that have a prompt in every language."""
    listed = [
        {
            prompt.removeprefix(_ITEM)
            for prompt in load_texts(target.prompts / tag).texts
            if prompt.startswith(_ITEM)
        }
        for tag in target.languages
    ]
    return set.intersection(*listed) if listed else set()


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
        "items_without_prompt": sorted(draft.unnamed),
        "ok": bool(tried and not tried.problems),
        "problems": [problem_json(problem) for problem in tried.problems] if tried else [],
        "warnings": [problem_json(problem) for problem in tried.warnings] if tried else [],
        "bill_read": tried.sample.month if tried and tried.sample else None,
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {**asdict(found), "key": ".".join(found.key)}


def _print(draft: Draft, output: Path, tried: Check | None, target: Target) -> None:
    click.echo(f"{draft.seen} tables and views seen; {output} written")
    shown = [found for found in draft.findings if found.value is not None and found.why]
    print_table(("sure", "key", "value", "why"), [
        (found.how, ".".join(found.key), value(found.value), found.why) for found in shown
    ])  # fmt: skip
    for found in draft.findings:
        if found.value is None:
            click.echo(f"not found: {'.'.join(found.key)}: {found.why}")
    for note in draft.notes:
        click.echo(f"note: {note}")
    if draft.unnamed:
        click.echo(
            f"no prompt yet: {', '.join(draft.unnamed)}; the end of the file says what to add"
        )
    asks = sum(bool(found.decide) for found in draft.findings)
    if asks:
        click.echo(f"to decide: {asks}, see {DECIDE} in the file")
    _print_next(draft, output, tried, target)


def _print_next(draft: Draft, output: Path, tried: Check | None, target: Target) -> None:
    if not draft.complete:
        click.echo("It is not whole: accounts or bills were not found. Fill it in, then check it.")
    elif tried and not tried.problems and tried.sample:
        click.echo(f"tried: a bill of {tried.sample.month} was read by it")
    elif tried:
        for problem in tried.problems:
            click.echo(f"tried: {problem}")
    where = "" if target.from_settings else f" --url {target.url}"
    click.echo(f"next: ivrd billing check --mapping {output}{where}")
