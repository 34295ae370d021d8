"""`ivrd dunning`: which lines call debtors, and from when on (product D2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ivrd.cli.client import ask, order
from ivrd.cli.enquiry import LineNumbers
from ivrd.cli.instants import to_come
from ivrd.cli.output import Refused, json_option, print_facts, print_json
from ivrd.cli.own_store import operator, own_store
from ivrd.cli.settings import settings
from ivrd.cli.tables import print_table
from ivrd.config import Config
from ivrd.dunning.columns import OUTCOMES, word
from ivrd.store.switches import KILL, is_on

_lines = click.option("--lines", "numbers", type=LineNumbers(), required=True, metavar="5-8",
                      help="Which lines.")  # fmt: skip
_now = click.option("--now", is_flag=True, help="End the calls there too, with a sentence.")


@click.group()
def dunning() -> None:
    """Give lines to dunning, and take them back. Callers go before it on every line."""


@dunning.command()
@_lines
@click.option("--at", metavar="TIME", help="At this time: 15:00 or 2026-11-25T09:30.")
@json_option
@click.pass_obj
def start(config_file: Path, numbers: list[int], at: str | None, as_json: bool) -> None:
    """Let lines call debtors, now or at a time."""
    config = settings(config_file)
    when = to_come(at, datetime.now(config.zone), config.zone) if at else None
    told = _order(config, numbers, "start", at=when)
    from_then = f" from {when:%Y-%m-%d %H:%M} on" if when else ""
    _tell(told, f"dunning {'will start' if when else 'started'}", numbers, from_then,
          as_json=as_json)  # fmt: skip


@dunning.command()
@_lines
@_now
@json_option
@click.pass_obj
def stop(config_file: Path, numbers: list[int], now: bool, as_json: bool) -> None:
    """Take lines from dunning; calls in progress go on, unless --now."""
    told = _order(settings(config_file), numbers, "stop", now=now)
    _tell(told, "dunning stopped", numbers, as_json=as_json)


@dunning.command()
@_lines
@_now
@json_option
@click.pass_obj
def pause(config_file: Path, numbers: list[int], now: bool, as_json: bool) -> None:
    """Let lines rest from dunning until they are started again."""
    told = _order(settings(config_file), numbers, "pause", now=now)
    _tell(told, "dunning paused", numbers, as_json=as_json)


@dunning.command()
@json_option
@click.pass_obj
def status(config_file: Path, as_json: bool) -> None:
    """Say which lines call debtors, and what dialling waits for."""
    config = _dialling(settings(config_file))
    told = dict(ask(config, "/status")["dunning"] or {})
    lines = [
        {name: view[name] for name in ("line", "role", "dunning", "dunning_at", "status", "reason")}
        for view in ask(config, "/lines")
    ]
    with own_store(config) as store:
        # the daemon tells what it waited for when it looked last
        if store.read(lambda tx: is_on(tx, KILL)):
            told["waits_for"] = "the kill switch is on: `ivrd kill-switch off` lets it dial"
        elif not any(view["dunning"] == "on" for view in lines):
            told["waits_for"] = "no line is given to dunning: `ivrd dunning start --lines 5-8`"
    if as_json:
        print_json({"dunning": told, "lines": lines})
    else:
        print_status(told, lines)


def _dialling(config: Config) -> Config:
    """Refuse where ivrd.toml lets nobody be dialled."""
    if config.dunning is None:
        raise Refused(f"{config.path} has no [dunning]: nobody is dialled; its caller_id is enough")
    return config


def _order(
    config: Config, numbers: list[int], do: str, at: datetime | None = None, *, now: bool = False
) -> Any:
    body = {"lines": numbers, "do": do, "at": at.isoformat() if at else None, "now": now,
            "by": operator()}  # fmt: skip
    return order(_dialling(config), "/dunning/lines", body)


def _tell(told: Any, done: str, numbers: list[int], more: str = "", *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    which = ", ".join(str(number) for number in numbers)
    click.echo(f"{done} on line{'s' if len(numbers) > 1 else ''} {which}{more}")


def print_status(told: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> None:
    """Print how dunning goes on this node, and on each line."""
    print_facts(
        {
            "waits for": told.get("waits_for"),
            "calls": f"{told.get('dialled', 0)} since the start",
            "outcomes": ", ".join(
                f"{count} {word(outcome, OUTCOMES, 'en')}"
                for outcome, count in told.get("outcomes", {}).items()
            ),
        }
    )
    click.echo()
    print_table(
        ("line", "role", "dunning", "starts at", "status"),
        [
            (view["line"], view["role"], view["dunning"], view["dunning_at"],
             view["reason"] or view["status"])
            for view in lines
        ],
    )  # fmt: skip
