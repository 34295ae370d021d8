"""The lines as windows side by side, or as rows where the terminal is too small for that."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ivrd.cli.output import duration
from ivrd.cli.status import counted, standing

WINDOW_WIDTH = 36
"""Narrowest window, in columns, in which the last sentence can still be guessed."""
WINDOW_HEIGHTS = (7, 6, 5, 4)
"""Rows of a window, its frame among them: from a sentence in full to one cut short."""
ROW_WIDTH = 39
"""Narrowest row of a line."""

_STYLES = {
    "idle": "bright_black",
    "ringing": "yellow",
    "in call": "green",
    "clearing": "blue",
    "out of service": "red",
}


@dataclass
class Board:
    """What a watch has told so far; each line with the moment it was told."""

    status: dict[str, Any] = field(default_factory=dict)
    lines: dict[int, dict[str, Any]] = field(default_factory=dict)

    def take(self, message: dict[str, Any], now_s: float) -> None:
        """Take one message of the watch."""
        if "status" in message:
            self.status = {**message["status"], "told_s": now_s}
        for view in message.get("lines", ()):
            self.lines[view["line"]] = {**view, "told_s": now_s}


@dataclass(frozen=True)
class Arrangement:
    """How lines are laid out: windows of `height` rows, or rows where it is 1."""

    height: int
    columns: int


def arrange(lines: int, width: int, height: int) -> Arrangement:
    """Return the most comfortable arrangement that fits `lines` into `width` by `height`."""
    most = max(1, width // (WINDOW_WIDTH + 2))
    for window in WINDOW_HEIGHTS:
        for columns in range(min(2, most), most + 1):
            if -(-lines // columns) * window <= height:
                return Arrangement(window, columns)
    most = max(1, width // ROW_WIDTH)
    for columns in range(1, most):
        if -(-lines // columns) <= height:
            return Arrangement(1, columns)
    return Arrangement(1, most)


def screen(board: Board, width: int, height: int, now_s: float, foot: str) -> RenderableType:
    """Return the whole screen: the daemon above, the lines, and `foot` below, in whole words."""
    head = _head(board, now_s)
    feet = textwrap.wrap(foot, width, break_on_hyphens=False) or [""]
    room = max(1, height - len(head) - len(feet))
    views = [board.lines[number] for number in sorted(board.lines)]
    plan = arrange(len(views), width, room)
    cells: Callable[[dict[str, Any], float], RenderableType] = (
        _row if plan.height == 1 else lambda view, now: _window(view, now, plan.height)
    )
    rows = room // plan.height
    shown = views[: rows * plan.columns]
    body = _grid([cells(view, now_s) for view in shown], plan.columns)
    used = -(-len(shown) // plan.columns) * plan.height
    if len(shown) < len(views):
        feet[0] = f"{len(views) - len(shown)} more lines; enlarge the terminal.  {feet[0]}"
    below = [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in feet]
    blank = [Text("")] * max(0, room - used)
    return Group(*head, body, *blank, *below)


def _head(board: Board, now_s: float) -> list[Text]:
    status = board.status
    if not status:
        return [Text("waiting for the daemon …", style="dim"), Text("")]
    up_s = status["uptime_s"] + now_s - status["told_s"]
    title = Text(no_wrap=True, overflow="ellipsis")
    title.append(f"ivrd {status['version']} ", style="bold")
    title.append(f"on {status['node']}, up {duration(up_s)}  ")
    title.append("{name}@{hash}  {0}".format(status["disclosure"], **status["flow"]), style="dim")
    return [title, _facts(status, list(board.lines.values()))]


def _facts(status: dict[str, Any], lines: list[dict[str, Any]]) -> Text:
    facts = Text(no_wrap=True, overflow="ellipsis")
    now = sum(1 for line in lines if line["call"])
    facts.append(f"{_number(now, 'call')}, {status['calls']['total']} ended  ")
    billing = status["billing"]
    up = billing["state"] == "up"
    facts.append(f"billing {billing['state']}", style="green" if up else "bold red")
    if not up and billing.get("why"):
        facts.append(f" ({billing['why']})", style="red")
    facts.append(f"  {counted(Counter(line['status'] for line in lines))}", style="dim")
    dunning = status.get("dunning")
    if dunning and any(line.get("dunning", "off") != "off" for line in lines):
        facts.append(f"  dunning: {dunning['dialled']} dialled")
        if dunning["waits_for"]:
            facts.append(f", {dunning['waits_for']}", style="dim")
    for card in status["cards"]:
        if card["state"] != "open":
            facts.append(f"  card {card['name']}: {card['reason']}", style="bold red")
    return facts


def _grid(cells: Sequence[RenderableType], columns: int) -> Table:
    """Return cells in columns, row by row."""
    table = Table.grid(expand=True, padding=(0, 0))
    for _ in range(columns):
        table.add_column(ratio=1)
    for start in range(0, len(cells), columns):
        row = list(cells[start : start + columns])
        table.add_row(*row, *[""] * (columns - len(row)))
    return table


def _window(view: dict[str, Any], now_s: float, height: int) -> Panel:
    style = _style(view)
    who = _who(view)
    facts = [_sides(f"{who}  {view['lang']}".strip(), _age(view, "in_call_s", now_s))]
    if height > 4:
        facts.append(_sides(_step(view), _age(view, "in_step_s", now_s), style=style))
    elif view["call"]:
        facts = [_sides(f"{who}  {_step(view)}".strip(), _age(view, "in_step_s", now_s))]
    said = view["sentence"] if view["call"] else view["reason"]
    tall = height > 5
    last = Text(said or "", no_wrap=not tall, overflow="fold" if tall else "ellipsis",
                style="italic")  # fmt: skip
    title = Text.assemble((f"{view['line']} ", "bold"), standing(view))
    if view.get("dunning", "off") != "off":
        title.append(f", dunning {view['dunning']}" if view["dunning"] != "on" else ", dunning")
    return Panel(Group(*facts, last), title=title, title_align="left", height=height,
                 border_style=style, subtitle=_calls(view), subtitle_align="right")  # fmt: skip


def _row(view: dict[str, Any], now_s: float) -> Text:
    style = _style(view)
    row = Text(no_wrap=True, overflow="ellipsis")
    row.append(f"{view['line']:>3} ", style="bold")
    if not view["call"]:
        row.append(f"{standing(view)}  ", style=style)
        row.append(view["reason"] or _calls(view), style="dim")
        return row
    row.append("● ", style=style)
    row.append(f"{_who(view)} ")
    row.append(f"{_step(view)} ", style=style)
    row.append(f"{_age(view, 'in_step_s', now_s)} ", style="dim")
    row.append(view["sentence"], style="italic")
    return row


def _who(view: dict[str, Any]) -> str:
    """Return the far end's number; an arrow where ivrd calls it."""
    if not view["call"]:
        return ""
    who = view["caller"] or "number withheld"
    return f"→ {who}" if view.get("direction") == "out" else str(who)


def _step(view: dict[str, Any]) -> str:
    return str(view["step"] or "")


def _calls(view: dict[str, Any]) -> str:
    return _number(view["calls"], "call") if view["calls"] else ""


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _sides(left: str, right: str, style: str = "") -> Table:
    """Return a row with one text at each end."""
    table = Table.grid(expand=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_row(Text(left, style=style), Text(right, style="dim"))
    return table


def _age(view: dict[str, Any], what: str, now_s: float) -> str:
    """Return how long something has lasted, by the time that has passed since it was told."""
    if not view["call"] or view[what] is None:
        return ""
    return duration(view[what] + max(0.0, now_s - view["told_s"]))


def _style(view: dict[str, Any]) -> str:
    return "magenta" if view["stopped"] else _STYLES.get(view["status"], "")
