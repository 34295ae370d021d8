"""`ivrd run`: the daemon in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Literal, TextIO

import click

from ivrd import __version__, resources
from ivrd.billing.ready_profiles import profile
from ivrd.cli.settings import command_with, settings
from ivrd.cli.watch import watch_live
from ivrd.config import CardTable, Config
from ivrd.control.daemon_log import (
    FromLogging,
    log_through,
    open_daemon_log,
    to_file,
    to_stream,
)
from ivrd.control.run import run_daemon
from ivrd.daemon import Daemon
from ivrd.errors import ControlError
from ivrd.linelog import TraceFile
from sim.crowd import months_before

DEMO, SOFTWARE = "demo", "software"
"""The software card with callers of its own, and without."""
DEMO_OPTIONS = frozenset({"calls_an_hour", "numbers", "seed"})
"""Options that only the former has."""


@click.command()
@click.option("--watch", is_flag=True, help="Show every line live, in this terminal.")
@click.option("--demo", type=click.IntRange(0, 36_000), metavar="CALLS",
              help="Simulated callers an hour on the software card; 0 for none.")  # fmt: skip
@click.pass_obj
def run(config_file: Path, watch: bool, demo: int | None) -> None:
    """Run the daemon here until Ctrl-C or SIGTERM; SIGHUP reloads flows and voice files.

    Calls in progress end with a sentence. What the daemon has to say goes to stderr, with
    --watch to ivrd.log in the data folder, and to the file log.daemon where ivrd.toml names one;
    each line has a log of its own (`ivrd tail`).
    """
    config = settings(config_file)
    if demo is not None:
        config = with_callers(config, demo)
    if watch and not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise click.UsageError("--watch needs a terminal")
    file = open_daemon_log(config)
    if watch and file is None:
        log = config.log
        file = TraceFile(config.data / "ivrd.log", log.max_bytes, log.keep, max_age_s=log.max_age_s)
    log_to(None if watch else sys.stderr, config.zone, file, config.log.format)
    logging.basicConfig(handlers=[FromLogging()], level=logging.WARNING)
    reopen = file.reopen if file is not None else None
    try:
        if watch:
            asyncio.run(_run_watched(config, reopen))
        else:
            asyncio.run(run_daemon(config, _ready, reopen))
    finally:
        if file is not None:
            file.close()


def with_callers(config: Config, calls_an_hour: int) -> Config:
    """Return the settings with so many simulated callers on each software card."""
    if not any(card.driver in {DEMO, SOFTWARE} for card in config.card):
        raise click.UsageError("--demo needs a software card in ivrd.toml")

    def changed(card: CardTable) -> CardTable:
        if card.driver not in {DEMO, SOFTWARE}:
            return card
        if calls_an_hour:
            options = {**card.options, "calls_an_hour": calls_an_hour}
            return card.model_copy(update={"driver": DEMO, "options": options})
        options = {name: card.options[name] for name in card.options if name not in DEMO_OPTIONS}
        return card.model_copy(update={"driver": SOFTWARE, "options": options})

    return config.model_copy(update={"card": [changed(card) for card in config.card]})


def log_to(
    stream: TextIO | None, zone: tzinfo, file: TraceFile | None = None,
    form: Literal["text", "json"] = "text",
) -> None:  # fmt: skip
    """Let the daemon's own log go to a stream and a file.

    Its times are those of `zone`, as in the line logs.
    """
    sinks = [to_stream(stream)] if stream is not None else []
    if file is not None:
        sinks.append(to_file(file, form))
    log_through(tuple(sinks), zone)


def how_to_call(config: Config) -> str:
    """Return the words with which a newcomer makes the first call.

    Of a database that is not the sample nobody knows a number here.
    """
    ivrd = command_with(config)
    if config.mapping.parent != resources.PROFILES:
        return f"{ivrd} call"
    month = months_before(datetime.now(config.zone), 1)[0]
    choose = "1 " if len(config.node.languages) > 1 else ""
    enquiry, sample = config.enquiry, profile(config.billing.mapping).known[0].subscriber
    if enquiry.disclosure == "own-line":
        return f'{ivrd} call --caller {sample.phone} --keys "{choose}{month}#"'
    proof = ""
    if enquiry.disclosure == "checked":
        digits = sample.agreement if enquiry.last_digits_of == "agreement" else sample.identity
        proof = f" {sample.password if enquiry.proof == 'password' else digits[-4:]}#"
    return f'{ivrd} call --keys "{choose}{month}# 1 {sample.phone}#{proof}"'


def _ready(daemon: Daemon) -> None:
    config = daemon.config
    lines = len(list(config.every_line()))
    click.echo(f"ivrd {__version__} runs with {lines} lines on {config.socket}.")
    click.echo("In another terminal: `ivrd watch` shows the lines, `ivrd call` is a phone;")
    click.echo(f"a sample: {how_to_call(config)}")
    click.echo("Ctrl-C stops.")


async def _run_watched(config: Config, reopen: Callable[[], None] | None) -> None:
    """Run the daemon with the live view in front; the end of either is the end of both."""
    ready = asyncio.Event()
    daemon = asyncio.create_task(run_daemon(config, lambda _: ready.set(), reopen))
    started = asyncio.create_task(ready.wait())
    await asyncio.wait({daemon, started}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not daemon.done():
            with contextlib.suppress(ControlError):  # the view ends where the daemon does
                await watch_live(config, f"q stops.  To call: {how_to_call(config)}")
    finally:
        started.cancel()
        if not daemon.done():
            click.echo("stopping: calls in progress end with a sentence", err=True)
            os.kill(os.getpid(), signal.SIGTERM)
        await daemon
