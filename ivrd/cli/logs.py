"""`ivrd logs`: what happened on the lines, read from their logs in place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import click

from ivrd.cli.enquiry import LineNumbers
from ivrd.cli.instants import instant
from ivrd.cli.output import EXIT_NO
from ivrd.cli.report_output import Shown, report_options, show_report
from ivrd.cli.settings import settings
from ivrd.cli.tail import known_line, show_line
from ivrd.config import Config
from ivrd.dunning.columns import SHEETS_ONLY, WIDE, Column, Kind, Private, Report, Row
from ivrd.errors import nearest
from ivrd.log_query import IN, KINDS, LINE, OUT, LoggedCall, LogQuery, Wanted

MOMENT = timedelta(minutes=1)
"""What ``--at`` covers."""
MOST_WORDS = 12
"""Words that are told where an outcome was asked for that no call had."""

_COLUMNS = (
    Column("at", "at", "时间", Kind.INSTANT),
    Column("line", "line", "线路", Kind.NUMBER),
    Column("kind", "kind", "类型", Kind.WORD,
           words={IN: ("in", "呼入"), OUT: ("out", "呼出"), LINE: ("line", "线路"), "": ("", "")}),
    Column("number", "number", "号码", private=Private.NUMBER),
    Column("flow", "flow", "流程", from_width=WIDE),
    Column("ended_by", "ended by", "结束方", Kind.TEXT),
    Column("left_in", "left in", "所在状态", from_width=WIDE),
    Column("lasted_s", "lasted", "时长", Kind.SECONDS),
    Column("notes", "notes", "结果", Kind.WORDS),
    Column("remarks", "remarks", "备注", Kind.WORDS),
    Column("call", "call", "呼叫编号", from_width=WIDE),
    Column("lang", "language", "语言", from_width=SHEETS_ONLY),
)  # fmt: skip


@click.group()
def logs() -> None:
    """Ask the logs of the lines, those rotated away included."""


@logs.command()
@click.option("--at", metavar="TIME", help="In that minute: 2026-11-14T15:02.")
@click.option("--from", "since", metavar="TIME", help="From then on: 2026-11-20T15:00, today, 7d.")
@click.option("--to", "until", metavar="TIME", help="Until then; a day is included.")
@click.option("--line", "numbers", type=LineNumbers(), metavar="1-4,7", help="On these lines.")
@click.option("--number", metavar="NUMBER",
              help="From or to this number, or that ends so; masked digits match any.")  # fmt: skip
@click.option("--outcome", "outcomes", metavar="WORD", multiple=True,
              help="Ended by, left in or noted with this, or unfinished; repeatable.")  # fmt: skip
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True,
              help="Calls received, placed, or remarks of the line between calls.")  # fmt: skip
@click.option("--call", metavar="ID", help="The call with this id, or one that begins so.")
@click.option("--steps", is_flag=True, help="Show the whole trace of each call.")
@report_options
@click.pass_context
def query(  # noqa: PLR0913, PLR0917 - one for each option
    ctx: click.Context, at: str | None, since: str | None, until: str | None,
    numbers: list[int] | None, number: str | None, outcomes: tuple[str, ...],
    kinds: tuple[str, ...], call: str | None, steps: bool, shown: Shown,
) -> None:  # fmt: skip
    """Say what happened: on which line, when, with whom, and how it ended.

    A call is found by any moment of it. What happened on line 7 at 15:02 a week ago:

        ivrd logs query --line 7 --at 2026-11-14T15:02 --steps
    """
    if steps and (shown.as_json or shown.csv is not None or shown.xlsx is not None):
        raise click.UsageError("--steps prints the trace itself: without --json, --csv and --xlsx")
    if number is not None and not any(char.isdigit() for char in number):
        raise click.BadParameter(f"{number!r} has no digit", param_hint="--number")
    config = settings(ctx.obj)
    begin, end = _span(config, at, since, until)
    lines = numbers or [one for one, *_ in config.every_line()]
    for one in lines:
        known_line(config, one)
    wanted = Wanted(begin, end, number, frozenset(outcomes), frozenset(kinds), call)
    asked = LogQuery({one: config.line_log(one) for one in lines}, wanted)
    found = _Found(asked)
    if steps:
        for happened in found.calls():
            for text in happened.trace.splitlines(keepends=True):
                show_line(text, as_json=False)
    else:
        title = ("What happened on the lines", "线路日志")
        show_report(Report("logs", title, _COLUMNS, found.rows(), config.zone), shown)
    for damage in asked.damaged:
        click.echo(f"ivrd: not read: {damage}", err=True)
    if not found.count:
        _nothing(asked, outcomes)
        ctx.exit(EXIT_NO)


def _span(
    config: Config, at: str | None, since: str | None, until: str | None
) -> tuple[datetime | None, datetime | None]:
    """Return the time asked for; its end is outside it."""
    now = datetime.now(config.zone)
    if at is not None:
        if since is not None or until is not None:
            raise click.UsageError("name --at, or --from and --to")
        begin = instant(at, now, config.zone)
        return begin, begin + MOMENT
    begin_or = instant(since, now, config.zone) if since else None
    end = instant(until, now, config.zone, ends=True) if until else None
    if begin_or is not None and end is not None and end <= begin_or:
        raise click.UsageError(f"--to {until} is not after --from {since}")
    return begin_or, end


class _Found:
    """Counts what is found while it is shown."""

    def __init__(self, asked: LogQuery) -> None:
        self.count = 0
        self._asked = asked

    def calls(self) -> Iterator[LoggedCall]:
        for found in self._asked.calls():
            self.count += 1
            yield found

    def rows(self) -> Iterator[Row]:
        for one in self.calls():
            yield (
                one.at, one.line, one.kind, one.number or None, one.flow or None,
                one.ended_by or None, one.left_in or None, one.lasted_s, list(one.notes),
                list(one.remarks), one.call or None, one.lang or None,
            )  # fmt: skip


def _nothing(asked: LogQuery, outcomes: tuple[str, ...]) -> None:
    """Say that nothing was found; of an outcome, which there would have been."""
    told = "nothing like that is in the logs"
    if asked.words:
        near = nearest(outcomes[0], asked.words)
        there = ", ".join(word for word, _ in asked.words.most_common(MOST_WORDS))
        told += f"; outcomes there: {there}" + (f"; did you mean {near}?" if near else "")
    click.echo(f"ivrd: {told}", err=True)
