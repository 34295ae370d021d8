"""`ivrd dial`: one test call to a number of the test list."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import click

from ivrd.cli.output import EXIT_NO, Refused, json_option, print_json
from ivrd.cli.settings import settings
from ivrd.config import Config
from ivrd.control.client import ControlClient
from ivrd.errors import ControlError

_COLOURS = {"answered": "green", "dialling": "yellow", "key": "cyan", "ended": "yellow"}


@click.command()
@click.option("--test", "number", metavar="NUMBER", required=True,
              help="A number of dial.test in ivrd.toml.")  # fmt: skip
@click.option("--line", type=click.IntRange(min=1), help="Dial on this line.  [default: the last"
              " that is idle]")  # fmt: skip
@json_option
@click.pass_context
def dial(ctx: click.Context, number: str, line: int | None, as_json: bool) -> None:
    """Place a test call: ring, speak, take keys, and tell how it ended.

    Only numbers of the test list can be called. Ctrl-C ends the call. The answer is no (exit
    code 1) where nobody answered.
    """
    if not asyncio.run(_dial(settings(ctx.obj), number, line, as_json)):
        ctx.exit(EXIT_NO)


async def _dial(config: Config, number: str, line: int | None, as_json: bool) -> bool:
    """Follow the call to its end; return whether it was answered."""
    answered = False
    last = ""
    async with ControlClient(config.socket) as client:
        await client.get("/status")  # a daemon that answers this and then says no, refuses
        try:
            async for told in client.dial(number, line):
                last = told["event"]
                answered = answered or bool(told.get("answered"))
                if as_json:
                    print_json(told)
                else:
                    click.echo(line_of(told))
                sys.stdout.flush()
        except ControlError as error:
            if last:
                raise
            raise Refused(str(error)) from None
    if last != "ended":
        raise ControlError("the call was cut off: the daemon has gone")
    return answered


def line_of(told: Mapping[str, Any]) -> str:
    """Return one thing that happened as people read it."""
    event = told["event"]
    at = click.style(f"{told['at_s']:8.1f}", dim=True)
    return f"{at}  {click.style(_words(event, told), fg=_COLOURS.get(event))}"


def _words(event: str, told: Mapping[str, Any]) -> str:
    match event:
        case "dialling":
            return f"dialling on line {told['line']} ({told['card']}), as {told['caller_id']}"
        case "speaks":
            return f"  {told['text'] or told['sentence']}"
        case "heard":
            cut = "" if told.get("whole", True) else ", cut short"
            return f"  heard {told.get('heard_s', 0.0):.1f} s{cut}"
        case "key":
            return f"▸ {told.get('key', '')}"
        case "ended":
            how = f", {told['how']}" if told.get("how") else ""
            notes = f" ({', '.join(told['notes'])})" if told["notes"] else ""
            return f"ended by {told['by']}{how}{_why(told)}{notes}; call {told['call']}"
    return f"{event}{_why(told)}"


def _why(told: Mapping[str, Any]) -> str:
    """Return reason and causes, where they were told."""
    names = {"reason": "", "cause": "cause ", "tech_cause": "", "rang": "rang: "}
    parts = [f"{word}{told[name]}" for name, word in names.items() if told.get(name) is not None]
    return f": {', '.join(parts)}" if parts else ""
