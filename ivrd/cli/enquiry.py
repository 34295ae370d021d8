"""`ivrd enquiry start` and `stop`: which lines answer callers."""

from __future__ import annotations

from pathlib import Path

import click

from ivrd.cli.client import order
from ivrd.cli.output import json_option, print_json
from ivrd.cli.settings import settings
from ivrd.config import number_ranges


class LineNumbers(click.ParamType[list[int]]):
    """Line numbers as in ``1-4,7``."""

    name = "lines"

    def convert(
        self, value: str | list[int], param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        """Return the numbers."""
        if isinstance(value, list):
            return value
        try:
            return number_ranges(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_lines = click.option("--lines", "numbers", type=LineNumbers(), required=True, metavar="1-4,7",
                      help="Which lines.")  # fmt: skip


@click.group()
def enquiry() -> None:
    """Start and stop enquiry on lines."""


@enquiry.command()
@_lines
@json_option
@click.pass_obj
def start(config_file: Path, numbers: list[int], as_json: bool) -> None:
    """Let lines answer enquiries again."""
    changed = order(settings(config_file), "/lines/start", {"lines": numbers})
    if as_json:
        print_json(changed)
    else:
        click.echo(f"enquiry started on {_named(numbers)}")


@enquiry.command()
@_lines
@click.option("--now", is_flag=True, help="End the calls there too, with a sentence.")
@json_option
@click.pass_obj
def stop(config_file: Path, numbers: list[int], now: bool, as_json: bool) -> None:
    """Stop enquiry on lines; calls in progress go on, unless --now.

    New callers hear that enquiry is closed, or are busy, as enquiry.when_stopped says.
    """
    changed = order(settings(config_file), "/lines/stop", {"lines": numbers, "now": now})
    if as_json:
        print_json(changed)
    else:
        click.echo(f"enquiry stopped on {_named(numbers)}")


def _named(numbers: list[int]) -> str:
    word = "line" if len(numbers) == 1 else "lines"
    return f"{word} {', '.join(str(number) for number in numbers)}"
