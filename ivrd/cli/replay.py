"""`ivrd replay`: recorded calls against the flow as it is now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ivrd.cli.output import EXIT_NO, json_option, print_json
from ivrd.cli.service import enquiry_flow, with_flow
from ivrd.cli.settings import settings
from ivrd.flow.machine import FlowMachine
from ivrd.trace import Difference, read_trace, replay


@click.command("replay")
@click.argument("files", nargs=-1, required=True, metavar="FILE...",
                type=click.Path(exists=True, dir_okay=False, path_type=Path))  # fmt: skip
@click.option("--flow", "flow_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Another flow file than that of ivrd.toml.")  # fmt: skip
@json_option
@click.pass_context
def replay_files(
    ctx: click.Context, files: tuple[Path, ...], flow_file: Path | None, as_json: bool
) -> None:
    """Feed the calls of line logs to the flow, and compare what it orders.

    Says "same" for a file, or shows the first difference with its line.
    """
    config = with_flow(settings(ctx.obj), flow_file)
    machine = FlowMachine(enquiry_flow(config))
    results = [_replayed(file, machine) for file in files]
    if as_json:
        print_json([_as_json(*result) for result in results])
    else:
        for file, calls, difference in results:
            number = f"{calls} {'call' if calls == 1 else 'calls'}"
            click.echo(str(difference) if difference else f"same  {file}  {number}")
    if any(difference for _, _, difference in results):
        ctx.exit(EXIT_NO)


def _replayed(file: Path, machine: FlowMachine) -> tuple[Path, int, Difference | None]:
    """Return how many calls of a file were replayed, and the first difference."""
    calls = 0
    for trace in read_trace(file):
        calls += 1
        difference = replay(trace, machine)
        if difference is not None:
            return file, calls, difference
    return file, calls, None


def _as_json(file: Path, calls: int, difference: Difference | None) -> dict[str, Any]:
    told = {"file": str(file), "calls": calls, "same": difference is None}
    if difference is not None:
        told |= {"line": difference.line, "logged": difference.logged, "now": difference.now}
    return told
