"""`ivrd simulate`: a day of callers on virtual time."""

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
from ivrd.cli.output import duration, json_option, print_facts, print_json
from ivrd.cli.settings import settings
from ivrd.simulation import DayReport, Office, run_day

CALLS_A_LINE = 500
"""Callers a day for each line: as many as leave a few of them turned away in the busiest hour."""


@click.command()
@click.option("--lines", type=click.IntRange(1, MAX_CHANNELS), default=32, show_default=True,
              help="Lines of the card.")  # fmt: skip
@click.option("--hours", type=click.FloatRange(0, 24 * 31, min_open=True), default=24,
              show_default=True, help="How long, from midnight on.")  # fmt: skip
@click.option("--seed", type=int, default=7, show_default=True,
              help="The same seed brings the same callers.")  # fmt: skip
@click.option("--calls", type=click.IntRange(min=1),
              help=f"Callers a day.  [default: {CALLS_A_LINE} a line]")  # fmt: skip
@click.option("--logs", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write the lines' logs there.")  # fmt: skip
@json_option
@click.pass_obj
def simulate(
    config_file: Path, lines: int, hours: float, seed: int, calls: int | None,
    logs: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Let a day's callers call: the lines, the flow and the lookups are the daemon's own.

    The same seed gives the same report, on the same day and the same billing data. How long it
    took goes to stderr.
    """
    config = settings(config_file)
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
