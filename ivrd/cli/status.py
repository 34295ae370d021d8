"""`ivrd status` and `ivrd lines`: what the daemon says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ivrd.cli.client import ask
from ivrd.cli.output import duration, json_option, print_facts, print_json
from ivrd.cli.settings import settings
from ivrd.cli.tables import print_table


@click.command()
@json_option
@click.pass_obj
def status(config_file: Path, as_json: bool) -> None:
    """Say how the daemon is: flow, cards, lines, calls, billing."""
    told = ask(settings(config_file), "/status")
    if as_json:
        print_json(told)
        return
    calls, billing = told["calls"], told["billing"]
    print_facts(
        {
            "node": f"{told['node']}, ivrd {told['version']}, process {told['pid']}",
            "up": f"{duration(told['uptime_s'])}, since {told['started']}",
            "settings": told["config"],
            "flow": "{name}@{hash}, {file}".format(**told["flow"]),
            "disclosure": told["disclosure"],
            "languages": ", ".join(told["languages"]),
            "lines": counted(told["lines"]),
            "calls": f"{calls['now']} now, {calls['total']} ended",
            "ended by": counted(calls["ended_by"]),
            "notes": counted(calls["notes"]),
            "billing": billing_told(billing, told["billing_outage"]),
            **({"data": imported_told(told["imported"])} if told["imported"] else {}),
            "counted": counted({name: n for name, n in told["counters"].items() if n}),
        }
    )
    click.echo()
    print_table(
        ("card", "driver", "channels", "state", "reason"),
        [(c["name"], c["driver"], c["channels"], c["state"], c["reason"]) for c in told["cards"]],
    )


def billing_told(billing: dict[str, Any], outage: dict[str, Any] | None) -> str:
    """Return how the billing database is, since when, and what there is to say of its outage."""
    told = f"{billing['state']} since {billing['since']}"
    if outage is None:
        return told
    lookups = f"{outage['failed']:,} lookup{'' if outage['failed'] == 1 else 's'} failed"
    if outage["until"] is None:
        return f"{told}: {outage['why']}; {lookups}, tried again at {outage['next_try']}"
    gone = f"was {outage['state']} for {duration(outage['lasted_s'])} until {outage['until']}"
    return f"{told}; {gone}: {outage['why']}; {lookups}"


def imported_told(imported: dict[str, Any]) -> str:
    """Return how old the imported billing data is, and how imports go."""
    if imported["as_of"] is None:
        told = "none was imported yet"
    else:
        old = ", older than it should be" if imported["old"] else ""
        told = f"as of {imported['as_of']}, {duration(imported['age_s'])} old{old}"
    if imported["running"]:
        told += "; an import is under way"
    if imported["failed_at"]:
        told += f"; the import failed at {imported['failed_at']}: {imported['why']}"
    return f"{told}; next at {imported['next']}" if imported["next"] else told


@click.command()
@json_option
@click.pass_obj
def lines(config_file: Path, as_json: bool) -> None:
    """List the lines and what each is doing."""
    views = ask(settings(config_file), "/lines")
    if as_json:
        print_json(views)
    else:
        print_lines(views)


def print_lines(views: list[dict[str, Any]]) -> None:
    """Print the lines as a table."""
    print_table(
        ("line", "card", "role", "status", "caller", "lang", "step", "for", "calls", "sentence"),
        [
            (
                view["line"], f"{view['card']}/{view['channel']}", view["role"],
                standing(view), view["caller"], view["lang"], view["step"],
                None if view["in_step_s"] is None else duration(view["in_step_s"]),
                view["calls"], view["sentence"] if view["call"] else view["reason"],
            )
            for view in views
        ],
    )  # fmt: skip


def standing(view: dict[str, Any]) -> str:
    """Return what a line is doing, and whether enquiry is stopped on it."""
    return f"{view['status']}, stopped" if view["stopped"] else str(view["status"])


def counted(counts: dict[str, int]) -> str:
    """Return counts as people read them: 3 in call, 5 idle."""
    return ", ".join(f"{number} {name}" for name, number in counts.items())
