"""`ivrd watch`: every line live; without a terminal, each change as a line of text."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from ivrd.cli.board import Board, screen
from ivrd.cli.keyboard import CTRL_C, END, Keyboard
from ivrd.cli.output import duration, json_option, print_json
from ivrd.cli.settings import settings
from ivrd.cli.status import print_lines, standing
from ivrd.config import Config
from ivrd.control.client import ControlClient
from ivrd.errors import ControlError

REDRAW_S = 0.25
"""Shortest time between two pictures."""
TICK_S = 1.0
"""A picture at least this often, for the times in it."""


@click.command()
@click.option("--once", is_flag=True, help="List the lines once, and end.")
@json_option
@click.pass_obj
def watch(config_file: Path, once: bool, as_json: bool) -> None:
    """See every line live: state, caller, step, time in it, last sentence. "q" ends.

    Without a terminal, or with --json, prints what changes, until Ctrl-C.
    """
    config = settings(config_file)
    if sys.stdout.isatty() and sys.stdin.isatty() and not (as_json or once):
        asyncio.run(watch_live(config, "q ends"))
    else:
        asyncio.run(_print_changes(config, once=once, as_json=as_json))


async def watch_live(config: Config, foot: str) -> None:
    """Show the board until "q", Ctrl-C or the end of the daemon. Raises `ControlError`."""
    board = Board()
    changed = asyncio.Event()

    async def listen() -> None:
        async with ControlClient(config.socket) as client:
            async for message in client.watch():
                board.take(message, time.monotonic())
                changed.set()
        raise ControlError("the daemon has ended")

    async def read_keys(keyboard: Keyboard) -> None:
        while await keyboard.key() not in {"q", "Q", CTRL_C, END}:
            pass

    async def draw(live: Live) -> None:
        while True:
            size = live.console.size
            live.update(
                screen(board, size.width, size.height, time.monotonic(), foot), refresh=True
            )
            await asyncio.sleep(REDRAW_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), TICK_S - REDRAW_S)
            changed.clear()

    console = Console()
    with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        await _until_first(listen, lambda: read_keys(keyboard), lambda: draw(live))


async def _until_first(*jobs: Callable[[], Awaitable[None]]) -> None:
    """Run jobs together until the first of them ends, or fails."""
    tasks = [asyncio.ensure_future(job()) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _print_changes(config: Config, *, once: bool, as_json: bool) -> None:
    first = True
    async with ControlClient(config.socket) as client:
        async for message in client.watch():
            if as_json:
                print_json(message)
            elif first:
                print_lines(message["lines"])
            else:
                for view in message.get("lines", ()):
                    click.echo(_change(view))
            first = False
            sys.stdout.flush()
            if once:
                return
    raise ControlError("the daemon has ended")


def _change(view: dict[str, Any]) -> str:
    parts = [f"{datetime.now():%H:%M:%S}", f"line {view['line']}", standing(view)]  # noqa: DTZ005 - the reader's own clock
    if view["call"]:
        parts += [view["caller"] or "withheld", view["step"], duration(view["in_call_s"] or 0)]
        parts += [view["sentence"]] if view["sentence"] else []
    elif view["reason"]:
        parts.append(view["reason"])
    return "  ".join(parts)
