"""`ivrd api`: the clients of the JSON interface."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import click

from ivrd.cli.instants import coming_day
from ivrd.cli.output import Refused, json_option, print_json
from ivrd.cli.own_store import intend, own_store
from ivrd.cli.settings import settings
from ivrd.cli.tables import print_table
from ivrd.config import Config
from ivrd.control.api.clients import (
    ACCOUNT_ID,
    DEFAULT_RATE,
    NAME,
    Client,
    May,
    changing,
    clients_file,
    load_clients,
)
from ivrd.control.api.rate import Rate
from ivrd.control.api.tokens import digest, new_token
from ivrd.errors import nearest

_MAY: tuple[str, ...] = get_args(May)


@click.group()
def api() -> None:
    """Keep the JSON interface's clients: who may ask for bills, and for which."""


@api.group()
def client() -> None:
    """Add, list and remove clients; a daemon that runs knows within a second."""


def _named(_: click.Context, __: click.Parameter, name: str) -> str:
    if not NAME.fullmatch(name):
        raise click.BadParameter("up to 32 letters, digits, dots, dashes and underscores")
    return name


def _may(_: click.Context, __: click.Parameter, text: str) -> list[str]:
    asked = [part.strip() for part in text.split(",")]
    for part in asked:
        if part not in _MAY:
            near = nearest(part, _MAY)
            hint = f"; did you mean {near!r}?" if near else ""
            raise click.BadParameter(f"{part!r} is none of {', '.join(_MAY)}{hint}")
    return [part for part in _MAY if part in asked]


def _rate(_: click.Context, __: click.Parameter, text: str) -> str:
    try:
        Rate.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return text


def _ids(_: click.Context, __: click.Parameter, ids: tuple[str, ...]) -> list[str]:
    for at, one in enumerate(ids, 1):
        if not ACCOUNT_ID.fullmatch(one):
            raise click.BadParameter(f"account {at}: up to 64 characters without blanks")
    return list(dict.fromkeys(ids))


@client.command("add")
@click.argument("name", callback=_named)
@click.option("--may", metavar="LIST", required=True, callback=_may,
              help="What it may ask: bills, details, arrears, with commas.")  # fmt: skip
@click.option("--accounts", type=click.Choice(["proven", "any"]), default=None,
              help="proven: with the holder's password or digits; any: it knows its people itself."
              "  [default: proven]")  # fmt: skip
@click.option("--account", "ids", metavar="ID", multiple=True, callback=_ids,
              help="This account alone, without a proof; may be given again.")  # fmt: skip
@click.option("--rate", metavar="RATE", default=DEFAULT_RATE, show_default=True, callback=_rate,
              help="So many requests at once, and again in each s, m or h.")  # fmt: skip
@click.option("--expires", metavar="DAY", help="The last day of the token, such as 2027-06-30.")
@json_option
@click.pass_obj
def add(
    config_file: Path, name: str, may: list[May], accounts: Literal["proven", "any"] | None,
    ids: list[str], rate: str, expires: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Add a client, and print its token: this once, for what is kept is its digest."""
    if accounts and ids:
        raise click.UsageError("--accounts and --account: one of the two")
    config = settings(config_file)
    now = datetime.now(config.zone)
    token = new_token()
    added = Client(
        token_sha256=digest(token), may=may, accounts=ids or accounts or "proven", rate=rate,
        expires=_end_of(expires, now, config), added=now.replace(microsecond=0),
    )  # fmt: skip
    with changing(clients_file(config)) as (clients, write):
        if name in clients:
            raise Refused(f"there is a client {name!r} already; remove it first for a new token")
        _on_record(config, "api.client.add", {"client": name, **_told(added)})
        write({**clients, name: added})
    if as_json:
        print_json({"client": name, "token": token, **_told(added)})
        return
    click.echo(token)
    click.echo("Keep it: it is not shown again.", err=True)


@client.command("remove")
@click.argument("name")
@json_option
@click.pass_obj
def remove(config_file: Path, name: str, as_json: bool) -> None:
    """Remove a client: its token is refused from now on."""
    config = settings(config_file)
    with changing(clients_file(config)) as (clients, write):
        if name not in clients:
            near = nearest(name, clients)
            raise Refused(f"no client {name!r}" + (f"; did you mean {near!r}?" if near else ""))
        _on_record(config, "api.client.remove", {"client": name})
        write({other: kept for other, kept in clients.items() if other != name})
    if as_json:
        print_json({"removed": name})
    else:
        click.echo(f"removed {name}")


@client.command("list")
@json_option
@click.pass_obj
def list_clients(config_file: Path, as_json: bool) -> None:
    """List the clients, and what each may ask."""
    config = settings(config_file)
    clients = load_clients(clients_file(config))
    told = [{"client": name, **_told(one)} for name, one in clients.items()]
    if as_json:
        print_json(told)
        return
    now = datetime.now(config.zone)
    print_table(
        ("client", "may", "accounts", "rate", "expires", "added"),
        [
            (name, ", ".join(one.may), _told(one)["accounts"], one.rate, _until(one, now),
             f"{one.added:%Y-%m-%d}")
            for name, one in clients.items()
        ],
    )  # fmt: skip


def _end_of(expires: str | None, now: datetime, config: Config) -> datetime | None:
    """Return the midnight after the last day."""
    if expires is None:
        return None
    day = coming_day(expires, now, config.zone) + timedelta(days=1)
    return datetime.combine(day, time(), config.zone)


def _until(client: Client, now: datetime) -> str | None:
    if client.expires is None:
        return None
    return f"{client.expires:%Y-%m-%d %H:%M}" + (", over" if client.over(now) else "")


def _told(client: Client) -> dict[str, Any]:
    """Return what is told of a client: not the token, and of accounts only how many are listed."""
    accounts = client.accounts
    return {
        "may": list(client.may),
        "accounts": accounts if isinstance(accounts, str) else f"{len(accounts)} listed",
        "rate": client.rate,
        "expires": client.expires.isoformat() if client.expires else None,
    }


def _on_record(config: Config, action: str, data: dict[str, Any]) -> None:
    """Put it on the audit trail before it is done: no client is ever there without its row."""
    with own_store(config) as store:
        intend(store, action, data)
