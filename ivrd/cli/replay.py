"""`ivrd replay`: recorded calls against the flow as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ivrd.cli.output import EXIT_CONFIG, EXIT_NO, json_option, print_json
from ivrd.cli.service import Machines
from ivrd.cli.settings import settings
from ivrd.errors import TraceError
from ivrd.trace import Difference, read_trace, replay


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one file: how many calls were replayed, and where it ended if not well."""

    file: Path
    calls: int
    difference: Difference | None = None
    unreadable: str | None = None


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
    machines = Machines(settings(ctx.obj), flow_file)
    results = [_replayed(file, machines) for file in files]
    if as_json:
        print_json([_as_json(result) for result in results])
    else:
        for result in results:
            click.echo(_line(result), err=result.unreadable is not None)
    if any(result.unreadable for result in results):
        ctx.exit(EXIT_CONFIG)
    if any(result.difference for result in results):
        ctx.exit(EXIT_NO)


def _replayed(file: Path, machines: Machines) -> Replayed:
    """Replay a file up to its first difference."""
    calls = 0
    try:
        for trace in read_trace(file):
            calls += 1
            difference = replay(trace, machines.of(trace.head.flow))
            if difference is not None:
                return Replayed(file, calls, difference)
    except TraceError as error:
        return Replayed(file, calls, unreadable=str(error))
    return Replayed(file, calls)


def _line(result: Replayed) -> str:
    if result.unreadable is not None:
        return f"ivrd: {result.unreadable}"
    if result.difference is not None:
        return str(result.difference)
    number = f"{result.calls} {'call' if result.calls == 1 else 'calls'}"
    return f"{'same ' if result.calls else 'empty'}  {result.file}  {number}"


def _as_json(result: Replayed) -> dict[str, Any]:
    difference = result.difference
    same = difference is None and result.unreadable is None
    told: dict[str, Any] = {"file": str(result.file), "calls": result.calls, "same": same}
    if difference is not None:
        told |= {"line": difference.line, "logged": difference.logged, "now": difference.now}
    if result.unreadable is not None:
        told["error"] = result.unreadable
    return told
