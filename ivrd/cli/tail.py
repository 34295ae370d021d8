"""`ivrd tail`: the log of a line, for people; in a pipe it comes out as it was written."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import click

from ivrd.cli.output import EXIT_NO, json_option, print_json
from ivrd.cli.settings import settings
from ivrd.config import Config
from ivrd.errors import ConfigError, Problem, TraceError
from ivrd.log_query import could_be, log_files
from ivrd.trace import parse_trace

Lines: TypeAlias = Generator[str, None, None]

POLL_S = 0.2
"""How often a followed log is looked at."""
TRIES = 5
"""Looks for the next log while others are being renamed."""

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
@click.option("--call", "call_id", metavar="ID", help="The call with this id, or that begins so.")
@click.option("--number", metavar="NUMBER", help="Calls from or to a number, or one that ends so.")
@click.option("--outcome", metavar="WORD",
              help="Calls ended by, left in or noted with this, once they ended.")  # fmt: skip
@json_option
@click.pass_context
def tail(
    ctx: click.Context, line: int, follow: bool, last: int, call_id: str | None,
    number: str | None, outcome: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Show the log of LINE.

    Marks: "@" a call begins, "<" what came, ">" what the call ordered, "=" the state it came
    to, "!" a remark of the line, "#" how the call ended.

    With --call, --number or --outcome whole calls are shown; -n counts for them only with -f, as
    the lines in which a call may have begun.
    """
    config = settings(ctx.obj)
    known_line(config, line)
    file = config.line_log(line)
    filtered = (call_id, number, outcome) != (None, None, None)
    if follow:
        lines: Iterator[str] = followed(file, last if call_id is None else None)
    elif filtered:
        lines = every_line(file)
    else:
        lines = iter(deque(every_line(file), maxlen=last))
    if filtered:
        lines = call_lines(lines, call_id or "", number, outcome)
    shown = False
    for text in lines:
        shown = True
        show_line(text, as_json=as_json)
    if shown:
        return
    if not filtered:
        click.echo(f"ivrd: line {line} has no log yet: {file}", err=True)
        return
    asked = ", ".join(repr(word) for word in (call_id, number, outcome) if word is not None)
    click.echo(f"ivrd: no call {asked} in the logs of line {line}", err=True)
    ctx.exit(EXIT_NO)


def known_line(config: Config, line: int) -> None:
    """Raise `ConfigError` where ivrd.toml has no such line."""
    numbers = [number for number, *_ in config.every_line()]
    span = f"{min(numbers)} to {max(numbers)}"
    if line not in numbers:
        raise ConfigError([Problem(f"no line {line}", file=config.path, rule="unknown-line",
                                   expected=f"one of {span}")])  # fmt: skip


def every_line(file: Path) -> Iterator[str]:
    """Yield all lines of a log, rotated files first."""
    for path in log_files(file):
        with path.open(encoding="utf-8", errors="replace", newline="\n") as log:
            yield from log


def call_lines(
    lines: Iterable[str], call_id: str, number: str | None = None, outcome: str | None = None
) -> Iterator[str]:
    """Yield the lines of the calls whose id begins with `call_id`, and that the rest fits.

    How a call ended is known at its end: where that is asked for, its lines wait until then.
    """
    within = False
    waiting: list[str] = []
    for text in lines:
        found = _LINE.match(text.removesuffix("\n"))
        mark = found[3] if found is not None else ""
        if found is not None and mark == "@":
            within = found[4].startswith(call_id) and _from(text, number)
            waiting = []
        if not within:
            continue
        if outcome is None:
            yield text
        else:
            waiting.append(text)
        if mark == "#":
            within = False
            if outcome is not None and _ended_so(waiting, outcome):
                yield from waiting


def _from(head: str, number: str | None) -> bool:
    if number is None:
        return True
    try:
        (trace,) = parse_trace([head])
    except TraceError:
        return False
    return could_be(str(trace.head.facts.get("caller") or ""), number)


def _ended_so(call: list[str], outcome: str) -> bool:
    try:
        (trace,) = parse_trace([call[0], call[-1]])
    except TraceError:
        return False
    data = trace.ended.data if trace.ended is not None else {}
    notes = data.get("notes")
    return outcome in {data.get("by"), data.get("left_in")} or (
        isinstance(notes, list) and outcome in notes
    )


def followed(file: Path, last: int | None, pause: Callable[[float], None] = time.sleep) -> Lines:
    """Yield the `last` lines, then each line as it is written, through rotations; never ends.

    Without `last`, all lines that there are.
    """
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
                after = _next_after(log, file) or _waited_for(file, pause)
                log.close()
                log, rest = after, ""
            elif not text:
                pause(POLL_S)
    finally:
        log.close()


def _next_after(log: TextIO, file: Path) -> TextIO | None:
    """Open what was written after a log that was rotated away, perhaps rotated itself since.

    None where that is not known: the log asked for is gone too, or names are just changing.
    """
    for _ in range(TRIES):
        inodes = _inodes(file)
        mine = os.fstat(log.fileno()).st_ino
        if mine not in inodes[:-1]:
            return None
        after = inodes[inodes.index(mine) + 1]
        for path in log_files(file):
            try:
                opened = path.open(encoding="utf-8", errors="replace", newline="\n")
            except FileNotFoundError:
                continue
            if os.fstat(opened.fileno()).st_ino == after:
                return opened
            opened.close()
    return None


def _inodes(file: Path) -> list[int]:
    """Return the inodes of a log and of what was rotated away, oldest first."""
    inodes = []
    for path in log_files(file):
        with suppress(FileNotFoundError):
            inodes.append(path.stat().st_ino)
    return inodes


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


def show_line(text: str, *, as_json: bool) -> None:
    """Print a line: in colours on a terminal, as it was written in a pipe."""
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
