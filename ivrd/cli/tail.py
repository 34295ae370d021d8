"""`ivrd tail`: the log of a line, for people; in a pipe it comes out as it was written."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import click

from ivrd.cli.output import EXIT_NO, json_option, print_json
from ivrd.cli.settings import settings
from ivrd.config import Config
from ivrd.errors import ConfigError, Problem

Lines: TypeAlias = Generator[str, None, None]

POLL_S = 0.2
"""How often a followed log is looked at."""

_LINE = re.compile(r"(\S+) (\d+\.\d{3}) ([@<>=!#]) (.*)\Z", re.DOTALL)
_COLOURS: dict[str, dict[str, Any]] = {
    "@": {"bold": True},
    "<": {"fg": "cyan"},
    ">": {"fg": "green"},
    "=": {"fg": "yellow"},
    "!": {"fg": "red", "bold": True},
    "#": {"fg": "magenta"},
}


@click.command()
@click.argument("line", type=click.IntRange(min=1))
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("-n", "--last", type=click.IntRange(min=0), default=40, show_default=True,
              help="How many of the last lines.")  # fmt: skip
@click.option("--call", "call_id", metavar="ID", help="One whole call, by its id or its beginning.")
@json_option
@click.pass_context
def tail(
    ctx: click.Context, line: int, follow: bool, last: int, call_id: str | None, as_json: bool
) -> None:
    """Show the log of LINE.

    Marks: "@" a call begins, "<" what came, ">" what the call ordered, "=" the state it came
    to, "!" a remark of the line, "#" how the call ended.
    """
    config = settings(ctx.obj)
    _known(config, line)
    file = config.line_log(line)
    if call_id is not None:
        found = False
        for text in call_lines(every_line(file), call_id):
            found = True
            _show(text, as_json=as_json)
        if not found:
            click.echo(f"ivrd: no call {call_id!r} in the logs of line {line}", err=True)
            ctx.exit(EXIT_NO)
        return
    if follow:
        for text in followed(file, last):
            _show(text, as_json=as_json)
        return
    texts = deque(every_line(file), maxlen=last)
    for text in texts:
        _show(text, as_json=as_json)
    if not texts:
        click.echo(f"ivrd: line {line} has no log yet: {file}", err=True)


def _known(config: Config, line: int) -> None:
    numbers = [number for number, *_ in config.every_line()]
    span = f"{min(numbers)} to {max(numbers)}"
    if line not in numbers:
        raise ConfigError([Problem(f"no line {line}", file=config.path, rule="unknown-line",
                                   expected=f"one of {span}")])  # fmt: skip


def log_files(file: Path) -> list[Path]:
    """Return the log with what was rotated away, oldest first."""
    rotated = [path for path in file.parent.glob(f"{file.name}.*") if path.suffix[1:].isdigit()]
    rotated.sort(key=lambda path: -int(path.suffix[1:]))
    return [*rotated, file] if file.exists() else rotated


def every_line(file: Path) -> Iterator[str]:
    """Yield all lines of a log, rotated files first."""
    for path in log_files(file):
        with path.open(encoding="utf-8", errors="replace", newline="\n") as log:
            yield from log


def call_lines(lines: Iterator[str], call_id: str) -> Iterator[str]:
    """Yield the lines of the calls whose id begins with `call_id`."""
    within = False
    for text in lines:
        found = _LINE.match(text)
        if found is not None and found[3] == "@":
            within = found[4].startswith(call_id)
        if within:
            yield text


def followed(file: Path, last: int, pause: Callable[[float], None] = time.sleep) -> Lines:
    """Yield the `last` lines, then each line as it is written, through rotations; never ends."""
    log = _waited_for(file, pause)
    try:
        before: deque[str] = deque(maxlen=last)
        for path in log_files(file)[:-1]:
            with path.open(encoding="utf-8", errors="replace", newline="\n") as rotated:
                before.extend(rotated)
        rest = ""
        for text in iter(log.readline, ""):
            if text.endswith("\n"):
                before.append(text)
            else:
                rest = text
        yield from before
        while True:
            # looked at before the last read: what was written until the rotation is still read
            rotated_away = _was_rotated(log, file)
            text = log.readline()
            rest += text
            if rest.endswith("\n"):
                yield rest
                rest = ""
            elif rotated_away and not text:
                log.close()
                log, rest = _waited_for(file, pause), ""
            elif not text:
                pause(POLL_S)
    finally:
        log.close()


def _waited_for(file: Path, pause: Callable[[float], None]) -> TextIO:
    while True:
        try:
            return file.open(encoding="utf-8", errors="replace", newline="\n")
        except FileNotFoundError:
            pause(POLL_S)


def _was_rotated(log: TextIO, file: Path) -> bool:
    """Return whether another file stands in the place of the one that is open."""
    try:
        return file.stat().st_ino != os.fstat(log.fileno()).st_ino
    except FileNotFoundError:
        return False


def _show(text: str, *, as_json: bool) -> None:
    found = _LINE.match(text.removesuffix("\n"))
    if as_json:
        if found is None:
            print_json({"text": text.removesuffix("\n")})
        else:
            at, at_s, mark, rest = found.groups()
            print_json({"at": at, "at_s": float(at_s), "mark": mark, "text": rest})
    elif found is None or not sys.stdout.isatty():
        click.echo(text, nl=False)
    else:
        click.echo(_coloured(*found.groups()))
    sys.stdout.flush()


def _coloured(at: str, at_s: str, mark: str, text: str) -> str:
    """Return a line as people read it: the time of day alone, in a colour for each mark."""
    day, _, clock = at.partition("T")
    when = f"{day} {clock[:12]}" if mark == "@" else " " * 11 + clock[:12]
    seconds = click.style(f"{when} {at_s:>8}", dim=True)
    return f"{seconds} {click.style(f'{mark} {text}', **_COLOURS[mark])}"
