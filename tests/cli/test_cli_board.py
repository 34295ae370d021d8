"""The board of `ivrd watch`: how lines are arranged, and what each shows."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from ivrd.cli.board import Board, arrange, screen

STATUS: dict[str, Any] = {
    "version": "0.1.0", "node": "hall", "uptime_s": 185.0, "disclosure": "open",
    "flow": {"name": "enquiry", "hash": "9239efe3", "file": "enquiry.toml"},
    "calls": {"now": 1, "total": 34, "ended_by": {}, "notes": {}},
    "billing": {"state": "up", "since": None, "why": ""},
    "cards": [{"name": "soft", "state": "open", "reason": ""}],
}  # fmt: skip


def _view(line: int, **more: Any) -> dict[str, Any]:
    view = {
        "line": line, "status": "idle", "stopped": False, "reason": "", "call": "", "caller": "",
        "lang": "", "step": "", "in_step_s": 1.0, "in_call_s": None, "sentence": "", "calls": 0,
    }  # fmt: skip
    return view | more


def _talking(line: int, **more: Any) -> dict[str, Any]:
    return _view(
        line, status="in call", call="c", caller="xxxx0001", lang="zh-CN", step="ask_month",
        in_step_s=2.0, in_call_s=12.0, sentence="请输入四位年份和两位月份，共六位数字。", calls=3,
        **more,
    )  # fmt: skip


def _drawn(
    views: list[dict[str, Any]], width: int, height: int, now_s: float = 100.0, **status: Any
) -> list[str]:
    board = Board()
    board.take({"status": STATUS | status, "lines": views}, 100.0)
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, color_system=None)
    console.print(screen(board, width, height, now_s, "q ends"), end="")
    return out.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize(
    ("lines", "width", "height", "window", "columns"),
    [
        (8, 80, 21, 5, 2),
        (8, 80, 16, 4, 2),
        (8, 60, 21, 1, 1),
        (4, 100, 40, 7, 2),
        (32, 80, 21, 1, 2),
        (32, 160, 47, 5, 4),
        (1, 20, 3, 1, 1),
    ],
)
def test_the_most_comfortable_arrangement_that_fits(
    lines: int, width: int, height: int, window: int, columns: int
) -> None:
    plan = arrange(lines, width, height)
    assert (plan.height, plan.columns) == (window, columns)


@given(lines=st.integers(0, 64), width=st.integers(20, 250), height=st.integers(5, 80))
def test_the_picture_never_outgrows_the_terminal(lines: int, width: int, height: int) -> None:
    views = [_talking(n) if n % 2 else _view(n) for n in range(1, lines + 1)]
    drawn = _drawn(views, width, height)
    assert len(drawn) <= height
    assert max(cell_len(row) for row in drawn) <= width


def test_a_window_shows_state_caller_step_times_and_sentence() -> None:
    text = "\n".join(_drawn([_talking(3)], 80, 24))
    for part in ("3 in call", "xxxx0001", "zh-CN", "ask_month", "2 s", "12 s", "请输入四位年份"):
        assert part in text


def test_a_tall_window_has_the_whole_sentence() -> None:
    said = "请输入电话号码，按井号键结束，输错请按星号键重新输入。"
    cut = _drawn([_talking(n) | {"sentence": said} for n in range(1, 9)], 80, 24)
    assert "输入。" not in "\n".join(cut)
    whole = _drawn([_talking(n) | {"sentence": said} for n in range(1, 9)], 80, 30)
    assert "输入。" in "\n".join(whole)


def test_times_go_on_between_messages() -> None:
    text = "\n".join(_drawn([_talking(3)], 80, 24, now_s=160.0))
    assert "1:02" in text
    assert "1:12" in text
    assert "up 4:05" in text


def test_eight_lines_have_windows_on_a_small_terminal() -> None:
    drawn = _drawn([_talking(number) for number in range(1, 9)], 80, 24)
    assert len(drawn) == 24
    assert sum("in call ─" in row for row in drawn) == 4
    assert sum(row.count("ask_month") for row in drawn) == 8


def test_thirty_two_lines_all_stand_on_a_small_terminal() -> None:
    views = [_talking(number) if number % 3 else _view(number) for number in range(1, 33)]
    text = "\n".join(_drawn(views, 80, 24))
    assert all(f" {number} " in text for number in range(1, 33))


def test_lines_that_do_not_fit_are_told() -> None:
    assert "enlarge the terminal" in "\n".join(_drawn([_view(n) for n in range(1, 33)], 80, 9))


def test_trouble_stands_above() -> None:
    away = [{"name": "soft", "state": "not open", "reason": "no such device"}]
    head = "\n".join(
        _drawn([_view(1, status="out of service", reason="no loop signal")], 120, 24,
               cards=away, billing={"state": "down", "why": "cannot be reached"})
    )  # fmt: skip
    assert "billing down (cannot be reached)" in head
    assert "card soft: no such device" in head
    assert "no loop signal" in head


def test_a_stopped_line_says_so() -> None:
    assert "1 idle, stopped" in "\n".join(_drawn([_view(1, stopped=True)], 80, 24))


def test_words_below_that_are_too_long_for_a_row_stand_on_two_rows_whole() -> None:
    foot = 'q stops.  To call: ivrd -c var/property/ivrd.toml call --keys "1 202610# 1 88610001#"'
    with Console(width=80, file=io.StringIO(), record=True) as console:
        console.print(screen(Board(), 80, 24, 0.0, foot), end="")
    rows = [row.rstrip() for row in console.export_text().splitlines()]
    assert len(rows) == 24
    assert " ".join(rows[-2:]) == foot
