"""`ivrd flow`: call flows checked, drawn, covered and reloaded."""

from __future__ import annotations

from pathlib import Path

import click

from ivrd.cli.client import order
from ivrd.cli.output import (
    EXIT_NO,
    Refused,
    json_option,
    print_json,
    print_problems,
    problem_json,
)
from ivrd.cli.service import DUNNING, flow_in, with_flow
from ivrd.cli.settings import settings
from ivrd.config import TEST_CALL
from ivrd.errors import FlowError
from ivrd.flow.coverage import Coverage
from ivrd.flow.draw import mermaid, svg
from ivrd.flow.fold import folded
from ivrd.flow.machine import FlowMachine
from ivrd.trace import read_trace, replay

_placed = frozenset({TEST_CALL, DUNNING})
"""Flows of calls that ivrd places: they share a log with the enquiry's, and no transition."""

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
    config = settings(ctx.obj)
    told_file = str(with_flow(config, file).flow_file)
    try:
        proved = flow_in(config, file)
    except FlowError as error:
        if as_json:
            problems = [problem_json(problem) for problem in error.problems]
            print_json({"file": told_file, "ok": False, "problems": problems})
        else:
            print_problems(error.problems)
        ctx.exit(EXIT_NO)
    states, edges = len(proved.states), len(list(proved.edges))
    if as_json:
        print_json({"file": told_file, "ok": True, "problems": [],
                    "name": proved.name, "hash": proved.hash, "states": states,
                    "transitions": edges})  # fmt: skip
    else:
        click.echo(f"ok: {told_file}: {proved.name}@{proved.hash}, {states} states, "
                   f"{edges} transitions")  # fmt: skip


@flow.command()
@click.argument("file", required=False, type=_FILE)
@click.option("--svg", "form", flag_value="svg", help="A picture of its own.")
@click.option("--mermaid", "form", flag_value="mermaid",
              help="Text for documents that render it.  [default, but for -o ….svg]")  # fmt: skip
@click.option("--fold", "parts", multiple=True, metavar="STATE",
              help="Draw the part used at STATE as one box; may be repeated.")  # fmt: skip
@click.option("-o", "--output", metavar="FILE", help="Write it there.",
              type=click.Path(dir_okay=False, writable=True, path_type=Path))  # fmt: skip
@json_option
@click.pass_obj
def draw(
    config_file: Path, file: Path | None, form: str | None, parts: tuple[str, ...],
    output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Draw FILE, or the flow of ivrd.toml."""
    proved = folded(flow_in(settings(config_file), file), parts)
    if form is None:
        form = "svg" if output is not None and output.suffix == ".svg" else "mermaid"
    drawing = svg(proved) if form == "svg" else mermaid(proved)
    told = {"flow": proved.name, "hash": proved.hash, "form": form}
    if output is not None:
        output.write_text(drawing, encoding="utf-8")
        told["file"] = str(output)
    else:
        told["drawing"] = drawing
    if as_json:
        print_json(told)
    else:
        click.echo(drawing if output is None else f"drawn: {output}", nl=output is not None)


@flow.command()
@click.argument("files", nargs=-1, required=True, metavar="TRACE...", type=_FILE)
@click.option("--flow", "flow_file", type=_FILE, help="Another flow file than that of ivrd.toml.")
@json_option
@click.pass_obj
def coverage(
    config_file: Path, files: tuple[Path, ...], flow_file: Path | None, as_json: bool
) -> None:
    """Say which transitions of the flow the calls in line logs have taken, and which not.

    A call is replayed up to its first difference from the flow as it is now.
    """
    proved = flow_in(settings(config_file), flow_file)
    taken, machine = Coverage(proved), FlowMachine(proved)
    calls, differences = 0, []
    for file in files:
        for trace in read_trace(file):
            if trace.head.flow != proved.name and _placed & {trace.head.flow, proved.name}:
                continue
            calls += 1
            difference = replay(trace, machine, taken.moved)
            if difference is not None:
                differences.append(str(difference))
    if as_json:
        print_json({**taken.as_json(), "calls": calls, "differences": differences})
        return
    click.echo(f"{taken.report()}\n{calls} calls in {len(files)} files")
    for told in differences:
        click.echo(f"counted up to a difference: {told}", err=True)


@click.command("reload")
@json_option
@click.pass_obj
def reload(config_file: Path, as_json: bool) -> None:
    """Let the daemon read flows and voice files again.

    Calls in progress end on the old flow. One that fails the check is refused, and the old one
    stays.
    """
    try:
        told = order(settings(config_file), "/reload")
    except Refused as error:
        raise Refused(f"{error}\nreload refused: calls go on with what was loaded before") from None
    if as_json:
        print_json(told)
        return
    changed = "{name}: {old} is now {new}" if told["flow"]["changed"] else "{name}@{new} as before"
    click.echo(f"reloaded voice files and flow: {changed.format(**told['flow'])}")


flow.add_command(reload)
