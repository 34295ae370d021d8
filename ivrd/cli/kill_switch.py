"""`ivrd kill-switch`: all dialling off, at once, until somebody switches it on again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ivrd.cli.instants import local
from ivrd.cli.output import json_option, print_json
from ivrd.cli.own_store import act, nudge, own_store
from ivrd.cli.settings import settings
from ivrd.config import Config
from ivrd.store.engine import Store
from ivrd.store.switches import KILL, all_switches, set_switch


@click.group("kill-switch")
def kill_switch() -> None:
    """Stop all dialling, of every campaign and every daemon on this store.

    It survives a restart. Calls under way go on: `ivrd dunning stop --now` ends those too.
    """


@kill_switch.command("on")
@click.option("--why", metavar="TEXT", help="For those who will ask.")
@json_option
@click.pass_obj
def switch_on(config_file: Path, why: str | None, as_json: bool) -> None:
    """Let nobody be dialled any more."""
    _switch(settings(config_file), on=True, why=why, as_json=as_json)


@kill_switch.command("off")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--why", metavar="TEXT", help="For those who will ask.")
@json_option
@click.pass_obj
def switch_off(config_file: Path, yes: bool, why: str | None, as_json: bool) -> None:
    """Let campaigns that run dial again."""
    config = settings(config_file)
    if not yes:
        click.confirm("Running campaigns will dial at once. Switch the kill switch off?",
                      abort=True, err=True)  # fmt: skip
    _switch(config, on=False, why=why, as_json=as_json)


@kill_switch.command("status")
@json_option
@click.pass_obj
def switch_status(config_file: Path, as_json: bool) -> None:
    """Say whether it is on, since when, by whom and why."""
    config = settings(config_file)
    with own_store(config) as store:
        _tell(config, store, as_json=as_json)


def _switch(config: Config, *, on: bool, why: str | None, as_json: bool) -> None:
    with own_store(config) as store:
        act(
            store, f"kill-switch.{'on' if on else 'off'}", {"why": why},
            lambda tx, now, by: set_switch(tx, now, KILL, on, by, why),
        )  # fmt: skip
        nudge(config)
        _tell(config, store, as_json=as_json)


def _tell(config: Config, store: Store, *, as_json: bool) -> None:
    found = store.read(all_switches).get(KILL)
    told: dict[str, Any] = {"on": bool(found and found.on)}
    if found:
        told |= {
            "at": found.at.astimezone(config.zone).isoformat(),
            "by": found.by,
            "why": found.why,
        }
    if as_json:
        print_json(told)
        return
    state = click.style("on: nobody is dialled", fg="red", bold=True) if told["on"] else "off"
    since = f", since {local(found.at, config.zone)}, by {found.by}" if found else ""
    why = f" ({found.why})" if found and found.why else ""
    click.echo(f"kill switch {state}{since}{why}")
