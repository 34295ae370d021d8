"""Reports on the command line: masked or not, JSON, CSV and XLSX, filters, both languages."""

from __future__ import annotations

import csv
import io
import json
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import Connection, select

from ivrd.cli.report_output import Shown, show_report
from ivrd.dunning.columns import Column, Private, Report
from ivrd.store import tables
from tests.cli.cli_terminal import IVRD, Invoke, Terminal
from tests.cli.dunning_set_up import (
    DEBTOR,
    DEBTOR_NUMBER,
    campaign_file,
    in_store,
    told,
    with_dunning,
)
from tests.dunning.report_rows import attempt, campaign, promise, target

NOW = datetime.now(UTC).replace(microsecond=0)
OTHER = "+861088610002"


def _filled(tx: Connection) -> None:
    of = campaign(tx, made_at=NOW - timedelta(days=20), started_at=NOW - timedelta(days=20))
    one = target(tx, of, DEBTOR, DEBTOR_NUMBER, amount_fen=123_456)
    two = target(tx, of, "100002", OTHER, state="exhausted", why="total")
    for days, outcome in ((10, "no_answer"), (9, "told")):
        attempt(tx, of, one, DEBTOR, DEBTOR_NUMBER, began_at=NOW - timedelta(days=days),
                outcome=outcome, lasted_s=75.0)  # fmt: skip
    attempt(tx, of, two, "100002", OTHER, began_at=NOW - timedelta(days=1), outcome="busy", line=7,
            cause="=cmd()")  # fmt: skip
    promise(tx, of, DEBTOR, made_at=NOW - timedelta(days=9))


@pytest.fixture(scope="module")
def config(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a set-up whose store has calls; no test of this file changes them."""
    text = sample.read_text(encoding="utf-8")
    database = sample.parent / "var" / "sample.db"
    folder = tmp_path_factory.mktemp("reports")
    file = folder / "ivrd.toml"
    file.write_text(text.replace("var/sample.db", str(database)), encoding="utf-8")
    in_store(with_dunning(file), _filled)
    return file


def test_calls_are_masked_for_those_who_need_not_know(invoke: Invoke, config: Path) -> None:
    rows = told(invoke, config, "report", "calls")["rows"]
    assert [row["number"] for row in rows] == ["+xxxxxxxx0005"] * 2 + ["+xxxxxxxx0002"]
    assert DEBTOR_NUMBER not in invoke(config, "report", "calls").stdout
    clear = told(invoke, config, "report", "calls", "--clear")["rows"]
    assert [row["number"] for row in clear] == [DEBTOR_NUMBER, DEBTOR_NUMBER, OTHER]
    assert clear[0]["account"] == DEBTOR
    assert DEBTOR_NUMBER in invoke(config, "report", "calls", "--clear").stdout


@pytest.mark.parametrize(
    ("args", "outcomes"),
    [
        (("--since", "2d"), ["busy"]),
        (("--until", "2d"), ["no_answer", "told"]),
        (("--lines", "7"), ["busy"]),
        (("--lines", "1-6"), ["no_answer", "told"]),
        (("--number", "88610002"), ["busy"]),
        (("--account", DEBTOR), ["no_answer", "told"]),
        (("--outcome", "told", "--outcome", "busy"), ["told", "busy"]),
        (("--campaign", "none"), []),
    ],
)
def test_calls_are_filtered(
    args: tuple[str, ...], outcomes: list[str], invoke: Invoke, config: Path
) -> None:
    rows = told(invoke, config, "report", "calls", *args)["rows"]
    assert [row["outcome"] for row in rows] == outcomes


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("--since", "soon"), "2026-11-20"),
        (("--number", "12"), "number"),
        (("--outcome", "tld"), "told"),
        (("--csv", "a.csv", "--json"), "one of"),
        (("--clear", "--mask"), "one of"),
    ],
)
def test_wrong_filters_say_what_was_expected(
    args: tuple[str, ...], word: str, invoke: Invoke, config: Path
) -> None:
    result = invoke(config, "report", "calls", *args)
    assert result.exit_code == 2
    assert word in result.stderr


def test_the_spreadsheet_has_the_same_rows_in_full(invoke: Invoke, config: Path) -> None:
    file = config.parent / "calls.xlsx"
    result = invoke(config, "report", "calls", "--xlsx", str(file))
    assert result.exit_code == 0, result.output
    assert "3 rows" in result.stdout
    heading, *rows = load_workbook(file)["Calls"].iter_rows(values_only=True)
    found = [dict(zip(heading, row, strict=True)) for row in rows]
    assert [row["number"] for row in found] == [DEBTOR_NUMBER, DEBTOR_NUMBER, OTHER]
    assert [row["outcome"] for row in found] == ["no answer", "told in full", "busy"]
    assert isinstance(found[0]["time"], datetime)
    assert found[0]["lasted"] == 75
    assert found[2]["cause"] == "=cmd()"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    invoke(config, "report", "calls", "--xlsx", str(file), "--mask")
    cells = [row[4] for row in load_workbook(file)["Calls"].iter_rows(min_row=2, values_only=True)]
    assert cells == ["+xxxxxxxx0005"] * 2 + ["+xxxxxxxx0002"]


def test_csv_goes_to_a_file_or_into_a_pipe(invoke: Invoke, config: Path) -> None:
    file = config.parent / "calls.csv"
    assert invoke(config, "report", "calls", "--csv", str(file), "--lang", "zh").exit_code == 0
    raw = file.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    assert [row["结果"] for row in rows] == ["无人接听", "已完整告知", "忙"]
    assert [row["原因"] for row in rows] == ["", "", "'=cmd()"]
    piped = subprocess.run(  # noqa: S603 - our own command
        [*IVRD, "--config", str(config), "report", "calls", "--csv", "-"],
        capture_output=True, check=True,
    )  # fmt: skip
    lines = piped.stdout.decode("utf-8").splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("time,line,campaign")


def test_headings_follow_the_locale(
    invoke: Invoke, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert "无人接听" in invoke(config, "report", "calls").stdout
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    assert "no answer" in invoke(config, "report", "calls").stdout


def test_a_long_table_says_how_many_rows_it_left_out(invoke: Invoke, config: Path) -> None:
    result = invoke(config, "report", "calls", "--limit", "1")
    assert len(result.stdout.splitlines()) == 2
    assert "2 rows more" in result.stderr
    assert len(invoke(config, "report", "calls", "--limit", "0").stdout.splitlines()) == 4


def test_promises_and_progress_are_reported(invoke: Invoke, config: Path) -> None:
    (row,) = told(invoke, config, "report", "promises", "--state", "open")["rows"]
    assert (row["account"], row["amount_fen"], row["pay_by"]) == (DEBTOR, 12_345, "2026-11-25")
    assert told(invoke, config, "report", "promises", "--state", "kept")["rows"] == []
    rows = told(invoke, config, "report", "campaign", "arrears")["rows"]
    assert {(row["state"], row["count"]) for row in rows} == {("waiting", 1), ("exhausted", 1)}
    assert "all calls that the campaign allows" in invoke(config, "report", "campaign").stdout


def test_effect_says_what_its_figures_cannot(invoke: Invoke, config: Path) -> None:
    report = told(invoke, config, "report", "effect", "--days", "7", "--offline")
    groups = {row["group"]: row for row in report["rows"]}
    assert (groups["contacted"]["debtors"], groups["contacted"]["unpaid"]) == (1, 1)
    assert groups["tried"]["too_early"] == 1
    assert "not randomised" in report["remarks"][0]
    human = invoke(config, "report", "effect", "--offline", "--lang", "zh")
    assert "并非随机" in human.stderr


@pytest.mark.parametrize("columns", [80, 120])
def test_calls_fit_the_terminal(columns: int, config: Path) -> None:
    command = [*IVRD, "--config", str(config), "report", "calls"]
    with Terminal(command, columns=columns) as terminal:
        assert terminal.ended() == 0
        lines = terminal.text.splitlines()
    assert max(len(line) for line in lines) <= columns
    assert "told in full" in terminal.text
    assert "1:15" in terminal.text
    assert ("=cmd()" in terminal.text) == (columns == 120)


def test_effect_asks_the_billing_data_who_has_paid(invoke: Invoke, own_sample: Path) -> None:
    config = with_dunning(own_sample)
    assert invoke(config, "campaign", "new", str(campaign_file(config))).exit_code == 0
    in_store(config, lambda tx: tx.execute(
        tables.targets.update().where(tables.targets.c.account == DEBTOR)
        .values(account="100002", state="notified")
    ))  # fmt: skip
    report = told(invoke, config, "report", "effect")
    assert sum(row["debtors"] for row in report["rows"]) > 3
    query = select(tables.targets.c.account).where(tables.targets.c.paid_at.is_not(None))
    assert in_store(config, lambda tx: list(tx.execute(query).scalars())) == ["100002"]


def test_a_folder_that_is_not_there_is_named(invoke: Invoke, config: Path) -> None:
    file = config.parent / "none" / "calls.xlsx"
    result = invoke(config, "report", "calls", "--xlsx", str(file))
    assert result.exit_code == 2
    assert f"ivrd: {file}: No such file" in result.stderr


def test_ages_of_arrears_add_up_to_what_is_owed(invoke: Invoke, config: Path) -> None:
    by_month = told(invoke, config, "report", "arrears")["rows"]
    by_days = told(invoke, config, "report", "arrears", "--by", "days")["rows"]
    owed = sum(row["amount_fen"] for row in by_month)
    assert owed == sum(row["amount_fen"] for row in by_days) > 0
    assert sum(row["share"] for row in by_month) == pytest.approx(100, abs=0.1)
    assert {"this_month", "two_months"} <= {row["age"] for row in by_month}
    chinese = invoke(config, "report", "arrears", "--lang", "zh")
    assert "当月" in chinese.stdout


def test_sums_of_arrears_are_told_apart_from_the_rows(invoke: Invoke, config: Path) -> None:
    report = told(invoke, config, "report", "arrears")
    rows, totals = report["rows"], report["totals"]
    whole = totals[-1]
    assert (whole["product"], whole["group"], whole["age"]) == (None, None, None)
    assert whole["amount_fen"] == sum(row["amount_fen"] for row in rows)
    by_age = {row["age"]: row["amount_fen"] for row in totals if row["age"]}
    for age, fen in by_age.items():
        assert fen == sum(row["amount_fen"] for row in rows if row["age"] == age)
    shown = invoke(config, "report", "arrears", "--lang", "zh").stdout.splitlines()
    assert shown[-1].split()[:3] == ["合计", "全部", "全部"]


def test_arrears_open_as_a_spreadsheet_with_the_rows_of_the_report(
    invoke: Invoke, config: Path, tmp_path: Path
) -> None:
    report = told(invoke, config, "report", "arrears", "--by", "days")
    for lang, first, last in (("en", "product", "total"), ("zh", "产品", "合计")):
        file = tmp_path / f"{lang}.xlsx"
        made = invoke(
            config, "report", "arrears", "--by", "days", "--xlsx", str(file), "--lang", lang
        )
        assert f"{len(report['rows']):,} rows" in made.stdout
        with closing(load_workbook(file)) as book:
            sheet: list[list[Any]] = [
                [cell.value for cell in row] for row in book.worksheets[0].iter_rows()
            ]
            bold = [row[0].font.bold for row in book.worksheets[0].iter_rows()]
        assert sheet[0][0] == first
        assert sheet[-1][0] == last
        assert len(sheet) == 1 + len(report["rows"]) + len(report["totals"])
        assert bold == [True, *[False] * len(report["rows"]), *[True] * len(report["totals"])]
        owed = [round(100 * row[5]) for row in sheet[1:]]
        assert owed == [row["amount_fen"] for row in [*report["rows"], *report["totals"]]]


def test_accounts_about_to_run_over_come_with_the_day(invoke: Invoke, config: Path) -> None:
    report = told(invoke, config, "report", "arrears", "--warn", "40")
    rows = report["rows"]
    assert rows
    assert [row["day"] for row in rows] == sorted(row["day"] for row in rows)
    assert all(row["months"] in {1, 2, 3, 6, 12, 24, 36} for row in rows)
    assert report["totals"][-1]["amount_fen"] == sum(row["amount_fen"] for row in rows)
    assert report["totals"][-1]["account"] == len(rows)


def test_thresholds_and_days_of_warnings_are_those_of_the_settings(
    invoke: Invoke, own_sample: Path
) -> None:
    text = own_sample.read_text(encoding="utf-8")
    own_sample.write_text(f"{text}\n[arrears]\nwarn = [3, 12]\nwarn_days = 60\n", encoding="utf-8")
    rows = told(invoke, own_sample, "report", "arrears", "--warn")["rows"]
    assert rows
    assert {row["months"] for row in rows} <= {3, 12}
    assert rows == told(invoke, own_sample, "report", "arrears", "--warn", "60")["rows"]
    file = own_sample.parent / "warned.csv"
    assert invoke(own_sample, "report", "arrears", "--warn", "--csv", str(file)).exit_code == 0
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) > len(rows) + 1, "a heading, and sums"


@pytest.mark.parametrize("warn", ["[]", "[6, 3]", "[3, 3]", "[0]", "[1.5]", '["3"]'])
def test_thresholds_that_make_no_sense_are_refused_by_key(
    warn: str, invoke: Invoke, own_sample: Path
) -> None:
    text = own_sample.read_text(encoding="utf-8")
    own_sample.write_text(f"{text}\n[arrears]\nwarn = {warn}\n", encoding="utf-8")
    result = invoke(own_sample, "report", "arrears", "--warn")
    assert result.exit_code == 2
    assert "arrears.warn" in result.stderr


def test_json_of_an_empty_report_is_whole(invoke: Invoke, own_sample: Path) -> None:
    result = invoke(own_sample, "report", "calls", "--json")
    assert json.loads(result.stdout) == {
        "report": "calls", "title": "Calls", "rows": [], "remarks": [],
    }  # fmt: skip
    assert invoke(own_sample, "report", "calls").stdout == "Calls: nothing\n"


class _Gone(io.StringIO):
    """Standard output whose reader goes after the first row."""

    def write(self, text: str) -> int:
        if "0001" in text:
            raise BrokenPipeError
        return super().write(text)


def test_rows_that_a_reader_left_half_read_end_while_the_store_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[bool] = []

    def rows() -> Iterator[tuple[str]]:
        try:
            for number in ("+861088610001", "+861088610002"):
                yield (number,)
        finally:
            ended.append(True)

    column = Column("number", "number", "号码", private=Private.NUMBER)
    report = Report("calls", ("Calls", "呼叫记录"), (column,), rows(), UTC)
    shown = Shown(None, None, "en", clear=False, mask=True, limit=0, as_json=True)
    monkeypatch.setattr("sys.stdout", _Gone())
    with pytest.raises(BrokenPipeError) as left:
        show_report(report, shown)
    # the traceback holds the frame in which they were read
    assert (bool(left.tb), ended) == (True, [True])
