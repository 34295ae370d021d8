"""`ivrd simulate`: a day of callers, or a whole campaign, on virtual time."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ivrd.card import MAX_CHANNELS
from ivrd.cli.dry_run import dry_run
from ivrd.cli.output import duration, json_option, print_facts, print_json
from ivrd.cli.settings import settings
from ivrd.simulation import DayReport, Office, run_day

CALLS_A_LINE = 500
"""Callers a day for each line: as many as leave a few of them turned away in the busiest hour."""


@click.command()
@click.option("--campaign", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Run this campaign dry, in place of a day of callers.")  # fmt: skip
@click.option("--rates", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="With --campaign: how debtors behave.  [default: as the attempts on record"
              " have it]")  # fmt: skip
@click.option("--at", metavar="TIME", help="With --campaign: when it starts.  [default: now]")
@click.option("--lines", type=click.IntRange(min=1),
              help="How many lines.  [default: 32; with --campaign those that it may use]"
              )  # fmt: skip
@click.option("--hours", type=click.FloatRange(0, 24 * 31, min_open=True),
              help="How long, from midnight on.  [default: 24]")  # fmt: skip
@click.option("--seed", type=int, default=7, show_default=True,
              help="The same seed brings the same callers.")  # fmt: skip
@click.option("--calls", type=click.IntRange(min=1),
              help=f"Callers a day.  [default: {CALLS_A_LINE} a line]")  # fmt: skip
@click.option("--logs", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write the lines' logs there.")  # fmt: skip
@json_option
@click.pass_obj
def simulate(  # noqa: PLR0913, PLR0917 - one for each option
    config_file: Path, campaign: Path | None, rates: Path | None, at: str | None,
    lines: int | None, hours: float | None, seed: int, calls: int | None, logs: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Let a day's callers call: the lines, the flow and the lookups are the daemon's own.

    With --campaign: how many calls a day a campaign will make, when it ends, how busy the lines
    are, and who is held back and why; nobody is called. The same seed gives the same report, on
    the same data. How long it took goes to stderr.
    """
    config = settings(config_file)
    if campaign is not None:
        _only("--campaign", hours=hours, calls=calls, logs=logs)
        began_s = time.perf_counter()
        dry_run(config, campaign, lines=lines, seed=seed, at=at, rates=rates, as_json=as_json)
        click.echo(f"took {time.perf_counter() - began_s:.1f} s", err=True)
        return
    if rates is not None or at is not None:
        raise click.UsageError(f"{'--rates' if rates else '--at'} belongs to --campaign")
    if lines is not None and lines > MAX_CHANNELS:
        raise click.BadParameter(f"a card has at most {MAX_CHANNELS} lines", param_hint="--lines")
    lines, hours = lines or MAX_CHANNELS, hours or 24.0
    midnight = datetime.now(config.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    began_s = time.perf_counter()
    office = Office(config, midnight, lines=lines, logs=logs)
    try:
        with _progress(office, hours):
            report = run_day(
                office, hours=hours, calls_a_day=calls or CALLS_A_LINE * lines, seed=seed
            )
    finally:
        office.close()
    took_s = time.perf_counter() - began_s
    if as_json:
        print_json(asdict(report))
    else:
        _print(report)
    rate = report.hours * 3600 / took_s
    click.echo(f"took {took_s:.1f} s, {rate:,.0f} times as fast as the day", err=True)


def _only(option: str, **others: object) -> None:
    """Refuse options that have no use beside `option`."""
    for name, value in others.items():
        if value is not None:
            raise click.UsageError(f"--{name} has no use with {option}")


def _progress(office: Office, hours: float) -> AbstractContextManager[object]:
    """Show on a terminal how far virtual time has come."""
    if not sys.stderr.isatty():
        return nullcontext()

    def reached() -> Text:
        done_s = min(office.clock.monotonic(), hours * 3600)
        return Text(f"simulated {duration(done_s)} of {hours:g} hours", style="dim")

    return Live(get_renderable=reached, console=Console(stderr=True), transient=True)


def _print(report: DayReport) -> None:
    hour, line = report.busiest_hour, report.busiest_line
    load = report.talk_s / (report.hours * 3600)
    print_facts(
        {
            "simulated": f"{report.hours:g} hours, {report.lines} lines, seed {report.seed}",
            "calls": f"{report.calls} held, {report.turned_away} callers turned away",
            "talk": f"{duration(report.talk_s)} in all, {load:.1f} lines busy on average",
            "busiest hour": f"{hour:02}:00, {report.busiest_hour_calls} calls",
            "busiest line": f"{line}, {report.busiest_line_calls} calls",
        }
    )
    _print_shares("what calls came to", report.outcomes, report.calls)
    _print_shares("who ended them", report.ended_by, report.calls)
    _print_shares("counted", {n: c for n, c in report.counters.items() if c and n != "calls"}, 0)


def _print_shares(title: str, counts: Mapping[str, int], whole: int) -> None:
    """Print counts, the highest first, each with its share of the whole."""
    if not counts:
        return
    click.echo(f"\n{title}")
    width = max(len(name) for name in counts)
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        share = f"{100 * count / whole:6.1f} %" if whole else ""
        click.echo(f"  {name:{width}}  {count:>7}{share}".rstrip())
