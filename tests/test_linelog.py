"""Writing a line's log: readable, one step at a time, rotated, without loss."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ivrd.commands import (
    CancelTimer,
    Command,
    Dial,
    Flush,
    Note,
    OffHook,
    OnHook,
    Play,
    Run,
    Say,
    StartTimer,
    Stop,
    Transfer,
)
from ivrd.events import T_DIGIT, T_EOF, T_RING, Event
from ivrd.linelog import CallHead, LineLog, Mask, TraceFile, render_command, render_event
from ivrd.trace import parse_trace

NOW = datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=ZoneInfo("Asia/Shanghai"))
HEAD = CallHead("20261121-093000-L1-1", 1, "enquiry", "9239efe3", "zh-CN", 1, {"caller": ""})
OPEN = Mask(frozenset())


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (OffHook(2), "off_hook 2"),
        (OnHook(3), "on_hook 3"),
        (Transfer(4), "transfer 4"),
        (Dial(5, {"number": "88610001"}), 'dial 5 number="88610001"'),
        (Stop(6), "stop 6"),
        (StartTimer(7, 2.5, "T_TIME"), "timer 7 2.5 T_TIME"),
        (CancelTimer(8), "cancel 8"),
        (Run(9, "read_bill", {"month": "2026-10", "account": None}),
         'run 9 read_bill month="2026-10" account=null'),
        (Flush(), "flush"),
        (Note("told"), "note told"),
        (Play(10, (Say("bill_item", {"name": "data", "amount": -350}), Say("goodbye"))),
         "play 10 bill_item name=data amount=-350 | goodbye"),
        (Play(11, (Say("choose_english", {}, "en-US"),)), "play 11 choose_english@en-US"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_each_command_reads_as_one_line(command: Command, text: str) -> None:
    assert render_command(command, OPEN) == text


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event(T_RING, None, {"caller": "", "called": "170"}), 'T_RING caller="" called="170"'),
        (Event(T_EOF, 4, {"heard_s": 1.25, "whole": True}), "T_EOF 4 heard_s=1.25 whole=true"),
        (Event(T_DIGIT, None, {"key": "#"}), 'T_DIGIT key="#"'),
        (Event("U_OK", 7, {"bill": {"total": 100}}), 'U_OK 7 bill={"total":100}'),
        (Event("U_OK", 7, {"word": "true", "other": "true story"}),
         'U_OK 7 word="true" other="true story"'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_each_event_reads_as_one_line(event: Event, text: str) -> None:
    assert render_event(event, OPEN) == text


def test_line_break_in_data_stays_on_its_line() -> None:
    text = render_event(Event("U_OK", 1, {"cause": "two\nlines"}), OPEN)
    assert "\n" not in text
    assert text == 'U_OK 1 cause="two\\nlines"'


def test_step_is_written_as_event_commands_and_state(tmp_path: Path) -> None:
    file = TraceFile(tmp_path / "line-01.log", 0, 1)
    log = LineLog(file)
    log.begin(NOW, HEAD, frozenset())
    log.step(NOW, 0.0, Event(T_RING), [OffHook(2)], "answering", private_key=False)
    log.step(NOW, 1.5, Event(T_DIGIT, None, {"key": "1"}), [], None, private_key=False)
    log.remark(NOW, 1.5, "watchdog", state="menu")
    log.end(NOW, 2.0, by="caller", notes=["told"])
    file.close()
    stamp = "2026-11-21T09:30:00.123+08:00"
    assert (tmp_path / "line-01.log").read_text(encoding="utf-8").splitlines() == [
        f'{stamp} 0.000 @ 20261121-093000-L1-1 1 enquiry@9239efe3 zh-CN 1 caller=""',
        f"{stamp} 0.000 < T_RING",
        f"{stamp} 0.000 > off_hook 2",
        f"{stamp} 0.000 = answering",
        f'{stamp} 1.500 < T_DIGIT key="1"',
        f"{stamp} 1.500 ! watchdog state=menu",
        f'{stamp} 2.000 # ended by=caller notes=["told"]',
    ]


def test_full_file_is_rotated_between_lines_and_old_ones_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "line-01.log"
    file = TraceFile(path, 200, 2)
    for number in range(30):
        file.info(f"line {number:02} {'x' * 40}\n")
    file.close()
    kept = [path.with_name("line-01.log.2"), path.with_name("line-01.log.1"), path]
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    lines = [line for part in kept for line in part.read_text(encoding="utf-8").splitlines()]
    assert [line[5:7] for line in lines] == [f"{n:02}" for n in range(30 - len(lines), 30)]
    assert all(len(line) == 48 for line in lines), "no line is torn"
    assert all(part.stat().st_size <= 200 for part in kept)


def test_size_of_a_file_that_is_there_already_counts(tmp_path: Path) -> None:
    path = tmp_path / "line-01.log"
    path.write_text("x" * 190 + "\n", encoding="utf-8")
    file = TraceFile(path, 200, 1)
    file.info("a new line\n")
    file.close()
    assert path.read_text(encoding="utf-8") == "a new line\n"


def test_flushed_log_can_be_read_while_the_call_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "line-01.log"
    file = TraceFile(path, 0, 1)
    file.info("now\n")
    assert path.read_text(encoding="utf-8") == "now\n"
    file.close()
    file.close()


def test_what_one_turn_of_the_loop_writes_goes_in_one_piece_at_its_end(tmp_path: Path) -> None:
    path, turns = tmp_path / "line-01.log", deque[Callable[[], None]]()
    file = TraceFile(path, 0, 1, soon=turns.append)
    file.info("one\n")
    file.info("two\n")
    assert (path.read_text(encoding="utf-8"), len(turns)) == ("", 1)
    turns.popleft()()
    assert path.read_text(encoding="utf-8") == "one\ntwo\n"
    file.info("three\n")
    file.close()
    assert path.read_text(encoding="utf-8") == "one\ntwo\nthree\n"
    turns.popleft()()  # the turn after the close
    assert file.lost == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_disk_is_told_once_and_counted_at_the_end_of_a_turn_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turns = deque[Callable[[], None]]()
    file = TraceFile(Path("/dev/full"), 0, 1, soon=turns.append)
    for _ in range(2):
        file.info("lost\n")
        file.info("lost\n")
        turns.popleft()()
    assert file.lost == 4
    file.close()
    told = capsys.readouterr().out
    assert told.count("line_log_not_written") == 2, "for the first turn, and for the close"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_disk_is_told_once_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    file = TraceFile(Path("/dev/full"), 0, 1)
    for _ in range(3):
        file.info("lost\n")
    assert file.lost == 3
    file.close()
    told = capsys.readouterr().out
    assert told.count("line_log_not_written") == 2, "for the first line, and for the close"
    assert "No space left on device" in told


def test_call_whose_beginning_was_rotated_away_is_passed_over() -> None:
    stamp = "2026-11-21T09:30:00.123+08:00"
    lines = [
        f"{stamp} 9.000 < T_EOF 4\n",
        f"{stamp} 9.000 # ended by=caller\n",
        f'{stamp} 0.000 @ second 1 enquiry@9239efe3 zh-CN 17 caller=""\n',
    ]
    assert [trace.head.call for trace in parse_trace(lines)] == ["second"]


def test_the_hour_that_comes_twice_in_autumn_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "line-01.log"
    file = TraceFile(path, 0, 1)
    zone = ZoneInfo("America/New_York")
    for fold in (0, 1):
        LineLog(file).remark(datetime(2026, 11, 1, 1, 30, fold=fold, tzinfo=zone), 0.0, "stray")
    file.close()
    offsets = [line[23:29] for line in path.read_text(encoding="utf-8").splitlines()]
    assert offsets == ["-04:00", "-05:00"]
