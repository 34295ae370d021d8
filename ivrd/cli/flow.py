"""`ivrd flow`: call flows checked, drawn, covered and reloaded."""

from __future__ import annotations

from pathlib import Path

import click

from ivrd.cli.client import order
from ivrd.cli.output import EXIT_NO, json_option, print_json, print_problems, problem_json
from ivrd.cli.service import enquiry_flow, with_flow
from ivrd.cli.settings import settings
from ivrd.errors import FlowError

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def flow() -> None:
    """Check, draw and reload call flows."""


@flow.command()
@click.argument("file", required=False, type=_FILE)
@json_option
@click.pass_context
def check(ctx: click.Context, file: Path | None, as_json: bool) -> None:
    """Prove FILE, or the flow of ivrd.toml: no call can get stuck in it."""
    config = with_flow(settings(ctx.obj), file)
    try:
        proved = enquiry_flow(config)
    except FlowError as error:
        if as_json:
            problems = [problem_json(problem) for problem in error.problems]
            print_json({"file": str(config.flow_file), "ok": False, "problems": problems})
        else:
            print_problems(error.problems)
        ctx.exit(EXIT_NO)
    states, edges = len(proved.states), len(list(proved.edges))
    if as_json:
        print_json({"file": str(config.flow_file), "ok": True, "problems": [],
                    "name": proved.name, "hash": proved.hash, "states": states,
                    "transitions": edges})  # fmt: skip
    else:
        click.echo(f"ok: {config.flow_file}: {proved.name}@{proved.hash}, {states} states, "
                   f"{edges} transitions")  # fmt: skip


@click.command("reload")
@json_option
@click.pass_obj
def reload(config_file: Path, as_json: bool) -> None:
    """Let the daemon read flows and voice files again.

    Calls in progress end on the old flow. One that fails the check is refused, and the old one
    stays.
    """
    told = order(settings(config_file), "/reload")
    if as_json:
        print_json(told)
        return
    changed = "{name}: {old} is now {new}" if told["flow"]["changed"] else "{name}@{new} as before"
    click.echo(f"reloaded, {changed.format(**told['flow'])}")


flow.add_command(reload)
