"""`ivrd logs query` as operators use it, and `ivrd tail` with filters."""

from __future__ import annotations

import csv
import itertools
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from openpyxl import load_workbook

from ivrd.cli.tail import call_lines, followed
from ivrd.config import load_config
from ivrd.linelog import TraceFile
from tests.cli.cli_terminal import Invoke
from tests.test_log_query import MONDAY, call


@pytest.fixture
def logged(own_sample: Path) -> Path:
    """Give a set-up whose line 7 had three calls and line 3 one."""
    config = load_config(own_sample)
    config.logs.mkdir(parents=True, exist_ok=True)
    afternoon = MONDAY.replace(hour=15)
    calls = [call(afternoon + timedelta(minutes=10 * n), n, lasted_s=180) for n in range(2)]
    calls.append(call(afternoon + timedelta(minutes=30), 2, out=True, caller="+xxxxxxxxx0538",
                      notes=["busy"]))  # fmt: skip
    config.line_log(7).write_text("".join(calls), encoding="utf-8")
    config.line_log(3).write_text(call(afternoon, 1, line=3, caller="=1+1"), encoding="utf-8")
    return own_sample


def test_what_happened_on_line_7_at_15_02_is_one_command(invoke: Invoke, logged: Path) -> None:
    asked = ("logs", "query", "--line", "7", "--at", "2026-11-16T15:02")
    table = invoke(logged, *asked).stdout
    assert "20261116-150000-L7-0" in table
    assert len(table.splitlines()) == 2
    first = load_config(logged).line_log(7).read_text(encoding="utf-8").split("#")[0]
    assert invoke(logged, *asked, "--steps").stdout.startswith(first)


def test_json_csv_and_xlsx_have_the_same_calls(
    invoke: Invoke, logged: Path, tmp_path: Path
) -> None:
    rows = json.loads(invoke(logged, "logs", "query", "--json").stdout)["rows"]
    assert [(row["line"], row["kind"]) for row in rows] == [
        (3, "in"), (7, "in"), (7, "in"), (7, "out"),
    ]  # fmt: skip
    assert rows[3]["notes"] == ["busy"]
    assert datetime.fromisoformat(rows[0]["at"]) == MONDAY.replace(hour=15)
    sheet, table = tmp_path / "calls.xlsx", tmp_path / "calls.csv"
    assert "4 rows" in invoke(logged, "logs", "query", "--xlsx", str(sheet)).stdout
    assert invoke(logged, "logs", "query", "--csv", str(table)).exit_code == 0
    cells = list(load_workbook(sheet).active.values)  # type: ignore[union-attr]  # there is one
    assert [row[1] for row in cells[1:]] == [3, 7, 7, 7]
    with table.open(encoding="utf-8-sig", newline="") as file:
        written = list(csv.DictReader(file, strict=True))
    assert [row["line"] for row in written] == ["3", "7", "7", "7"]
    assert not any(row["number"].startswith("=") for row in written)


def test_an_outcome_that_no_call_had_is_answered_with_those_there_were(
    invoke: Invoke, logged: Path
) -> None:
    result = invoke(logged, "logs", "query", "--outcome", "bussy", "--kind", "out")
    assert result.exit_code == 1
    assert "did you mean busy?" in result.stderr


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--line", "99"), "no line 99"),
        (("--from", "today", "--to", "2020-01-01"), "is not after"),
        (("--at", "today", "--from", "7d"), "--at, or --from"),
        (("--number", "abc"), "no digit"),
        (("--steps", "--json"), "--steps"),
        (("--from", "soon"), "names no time"),
    ],
)
def test_wrong_use_is_told(invoke: Invoke, logged: Path, args: tuple[str, ...], told: str) -> None:
    result = invoke(logged, "logs", "query", *args)
    assert result.exit_code == 2
    assert told in result.stderr


def test_tail_shows_the_calls_of_a_number_or_with_an_outcome(invoke: Invoke, logged: Path) -> None:
    for option in (("--number", "13800000538"), ("--outcome", "busy")):
        text = invoke(logged, "tail", "7", *option).stdout
        assert text.count(" @ ") == 1
        assert "L7-2 7 dunning" in text
    missing = invoke(logged, "tail", "7", "--outcome", "fax")
    assert missing.exit_code == 1
    assert "no call 'fax'" in missing.stderr


def test_a_call_is_shown_as_soon_as_its_end_says_that_it_fits() -> None:
    lines = call(MONDAY, 1, notes=["busy"]).splitlines(keepends=True)
    written = iter([*lines, "more\n"])
    shown = call_lines(written, "", None, "busy")
    assert next(shown) == lines[0]
    assert list(written) == ["more\n"], "at its end, not before and not after"


def test_following_goes_on_with_what_was_rotated_twice_between_two_looks(tmp_path: Path) -> None:
    written = [f"2026-11-21T10:00:00.000+08:00 0.000 ! line-{number:03}\n" for number in range(90)]
    file = TraceFile(tmp_path / "line-03.log", max_bytes=400, keep=50)
    rest = iter(written)
    file.info(next(rest))

    def write_much(_seconds: float) -> None:
        """Fill three files where a follower would pause."""
        for text in itertools.islice(rest, 30):
            file.info(text)

    lines = followed(tmp_path / "line-03.log", last=1, pause=write_much)
    seen = [next(lines) for _ in written]
    lines.close()
    file.close()
    assert seen == written
