"""How commands print and fail: JSON where asked for, problems one a line, exit codes."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click

from ivrd.errors import IvrdError, Problem, ProblemsError

EXIT_NO = 1
"""The answer is no: a difference, problems found."""
EXIT_CONFIG = 2
"""Wrong use, or wrong settings."""
EXIT_DAEMON = 3
"""The daemon cannot be reached."""
EXIT_FAULT = 70
"""A fault of ivrd's own (EX_SOFTWARE of sysexits.h)."""
EXIT_INTERRUPTED = 130
"""Ended by Ctrl-C, as shells count it: 128 and SIGINT's 2."""

_AS_JSON = "ivrd.json"


class Refused(IvrdError):  # noqa: N818 - what the daemon did
    """The daemon answered, and the answer is no."""


F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Give a command the option ``--json``, as its parameter `as_json`."""

    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
        ctx.meta[_AS_JSON] = value
        return value

    return click.option(
        "--json", "as_json", is_flag=True, callback=remember, help="Print JSON."
    )(command)  # fmt: skip


def print_json(value: Any) -> None:
    """Print one JSON value, on several lines for people and on one for pipes."""
    indent = 2 if sys.stdout.isatty() else None
    click.echo(json.dumps(value, ensure_ascii=False, indent=indent, default=_plain))


def _plain(value: Any) -> str:
    if isinstance(value, date | Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def problem_json(problem: Problem) -> dict[str, Any]:
    """Return a problem in JSON's types."""
    return {
        "rule": problem.rule,
        "what": problem.what,
        "file": str(problem.file) if problem.file else None,
        "line": problem.line,
        "key": problem.key,
        "expected": problem.expected,
        "nearest": problem.nearest,
    }


def tell_error(ctx: click.Context, error: IvrdError) -> None:
    """Print an error on stderr, each of its problems on a line; with ``--json`` on stdout too."""
    problems = error.problems if isinstance(error, ProblemsError) else ()
    if ctx.meta.get(_AS_JSON):
        told = [problem_json(problem) for problem in problems]
        print_json({"error": str(error), "problems": told})
    for line in str(error).splitlines():
        click.echo(f"ivrd: {line}", err=True)


def print_problems(problems: Iterable[Problem]) -> None:
    """Print what was found wrong, one a line: for commands whose answer it is."""
    for problem in problems:
        click.echo(str(problem))


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print names with their values, one a line; a long one goes on below its beginning."""
    width = max((len(name) for name in facts), default=0)
    room = shutil.get_terminal_size().columns - width - 2
    for name, value in facts.items():
        lines = [shown(value)]
        if sys.stdout.isatty() and lines[0].isascii():  # as wide as it is long
            lines = textwrap.wrap(lines[0], max(room, 20), break_on_hyphens=False)
        for at, line in enumerate(lines):
            told = "" if at else name
            click.echo(f"{click.style(f'{told:{width}}', dim=True)}  {line}")


def duration(seconds: float) -> str:
    """Return a duration as people read it: 7 s, 3:05, 1:02:03, 2 d 4 h."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    if whole < 86400:
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 86400} d {whole // 3600 % 24} h"


def shown(value: Any) -> str:
    """Return a value as a table shows it; "-" where there is none."""
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.1f}"
    return str(value)
