"""Sheets: read again as a spreadsheet reads them, and held row for row against the report."""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from ivrd.dunning import sheets
from ivrd.dunning.columns import OUTCOMES, Column, Kind, Lang, Report, Row
from ivrd.dunning.sheets import write_csv, write_xlsx

ZONE = ZoneInfo("Asia/Shanghai")

COLUMNS = (
    Column("at", "time", "时间", Kind.INSTANT),
    Column("day", "due", "截止日期", Kind.DAY),
    Column("owed_fen", "owed", "欠费", Kind.MONEY),
    Column("count", "calls", "次数", Kind.NUMBER),
    Column("share", "share", "占比", Kind.PERCENT),
    Column("heard_s", "heard", "收听", Kind.SECONDS),
    Column("outcome", "outcome", "结果", Kind.WORD, words=OUTCOMES),
    Column("notes", "keys", "按键", Kind.WORDS),
    Column("yes", "confirmed", "确认", Kind.YES_NO),
    Column("text", "note", "说明"),
)
ROWS: list[Row] = [
    (
        datetime(2026, 11, 20, 18, 30, 5, tzinfo=UTC), date(2026, 11, 25), 1_234_567, 3, 62.5, 21.5,
        "no_answer", ["confirmed", "promise"], True, "王女士，晚上在家",
    ),
    (None, None, -500, 0, 100.0, 0.0, "told", [], False, "=HYPERLINK(\"http://x\")"),
    (None, None, None, None, None, None, None, None, None, "the rest is unknown"),
]  # fmt: skip


def report(
    rows: Iterable[Row] = ROWS,
    columns: tuple[Column, ...] = COLUMNS,
    remarks: tuple[tuple[str, str], ...] = (),
) -> Report:
    return Report("calls", ("Calls", "呼叫记录"), columns, rows, ZONE, remarks)


def texts(values: Iterable[str]) -> Report:
    return report([(value,) for value in values], (Column("text", "text", "文本"),))


def read_xlsx(path: Path, lang: Lang = "en") -> list[tuple[Any, ...]]:
    sheet = load_workbook(path)["Calls" if lang == "en" else "呼叫记录"]
    return [tuple(cell.value for cell in row) for row in sheet.iter_rows()]


def read_csv(table: Report, lang: Lang = "en") -> list[list[str]]:
    stream = io.StringIO(newline="")
    write_csv(table, stream, lang)
    return list(csv.reader(io.StringIO(stream.getvalue(), newline="")))


def test_xlsx_opens_with_the_right_rows(tmp_path: Path) -> None:
    file = tmp_path / "calls.xlsx"
    assert write_xlsx(report(), file, "en") == 3
    heading, first, second, unknown = read_xlsx(file)
    assert heading == tuple(column.en for column in COLUMNS)
    assert first == (
        datetime(2026, 11, 21, 2, 30, 5), datetime(2026, 11, 25), 12345.67, 3, 0.625, 21.5,  # noqa: DTZ001 - a sheet has no zones
        "no answer", "confirmed; promise", "yes", "王女士，晚上在家",
    )  # fmt: skip
    assert second[2:] == (-5, 0, 1, 0, "told in full", None, "no", '=HYPERLINK("http://x")')
    assert unknown == (*(None,) * 9, "the rest is unknown")


def test_xlsx_has_dates_and_numbers_that_a_sheet_reckons_with(tmp_path: Path) -> None:
    file = tmp_path / "calls.xlsx"
    write_xlsx(report(), file, "en")
    sheet = load_workbook(file)["Calls"]
    cells = {column.name: cell for column, cell in zip(COLUMNS, sheet[2], strict=True)}
    assert cells["at"].number_format == "yyyy-mm-dd hh:mm:ss"
    assert cells["at"].data_type == cells["day"].data_type == "d"
    assert cells["day"].number_format == "yyyy-mm-dd"
    assert (cells["owed_fen"].data_type, cells["owed_fen"].number_format) == ("n", "#,##0.00")
    assert cells["share"].number_format == "0.0%"
    assert sheet.freeze_panes == "A2"
    assert sheet["A1"].font.b
    assert sheet.column_dimensions["A"].width >= 19  # a whole instant is seen


def test_headings_and_words_are_in_the_readers_language(tmp_path: Path) -> None:
    file = tmp_path / "calls.xlsx"
    write_xlsx(report(), file, "zh")
    heading, first, *_ = read_xlsx(file, "zh")
    assert heading == tuple(column.zh for column in COLUMNS)
    assert (first[6], first[8]) == ("无人接听", "是")
    assert read_csv(report(), "zh")[0] == [column.zh for column in COLUMNS]


def test_csv_has_the_same_rows_as_the_report() -> None:
    heading, first, second, unknown = read_csv(report())
    assert heading == [column.en for column in COLUMNS]
    assert first == [
        "2026-11-21 02:30:05", "2026-11-25", "12345.67", "3", "0.625", "21.5", "no answer",
        "confirmed; promise", "yes", "王女士，晚上在家",
    ]  # fmt: skip
    assert second[2] == "-5"
    assert second[9] == '\'=HYPERLINK("http://x")'
    assert unknown == [*[""] * 9, "the rest is unknown"]


DANGEROUS = ["=1+1", "+8657188610001", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1+1", "＝1+1", "=", "-"]


def test_no_text_becomes_a_formula_in_csv() -> None:
    assert [row[0] for row in read_csv(texts(DANGEROUS))[1:]] == [f"'{text}" for text in DANGEROUS]
    assert read_csv(texts(["a=b", "170-1", "'x"]))[1:] == [["a=b"], ["170-1"], ["'x"]]


def test_no_text_becomes_a_formula_in_xlsx(tmp_path: Path) -> None:
    file = tmp_path / "calls.xlsx"
    write_xlsx(texts(DANGEROUS), file, "en")
    cells = [row[0] for row in load_workbook(file)["Calls"].iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}
    # XML makes a line end of every carriage return
    assert [cell.value for cell in cells] == [text.replace("\r", "\n") for text in DANGEROUS]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_csv_gives_every_text_back_and_none_that_begins_a_formula(written: list[str]) -> None:
    found = [row[0] for row in read_csv(texts(written))[1:]]
    for text, cell in zip(written, found, strict=True):
        assert cell in {text, f"'{text}"}
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))


def test_control_characters_that_no_xlsx_can_hold_are_shown_as_such(tmp_path: Path) -> None:
    file = tmp_path / "calls.xlsx"
    write_xlsx(texts(["a\x00b\x1bc", "x" * 40_000]), file, "en")
    rows = read_xlsx(file)
    assert rows[1] == ("a\ufffdb\ufffdc",)
    assert len(rows[2][0]) == sheets.LONGEST_TEXT


def test_remarks_have_a_sheet_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "effect.xlsx"
    write_xlsx(report(remarks=(("not randomised", "并非随机"),)), file, "zh")
    assert load_workbook(file)["说明"]["A1"].value == "并非随机"


def test_more_rows_than_a_sheet_holds_go_on_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "MOST_ROWS", 4)
    file = tmp_path / "calls.xlsx"
    assert write_xlsx(texts(str(at) for at in range(7)), file, "en") == 7
    book = load_workbook(file)
    found = {sheet.title: [row[0] for row in sheet.iter_rows(values_only=True)] for sheet in book}
    assert found == {
        "Calls": ["text", "0", "1", "2"],
        "Calls 2": ["text", "3", "4", "5"],
        "Calls 3": ["text", "6"],
    }


def test_a_file_is_replaced_whole_or_not_at_all_and_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "calls.xlsx"
    write_xlsx(texts(["old"]), file, "en")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def failing() -> Iterable[Row]:
        yield ("new",)
        raise RuntimeError("the store went away")

    with pytest.raises(RuntimeError):
        write_xlsx(report(failing(), (Column("text", "text", "文本"),)), file, "en")
    assert read_xlsx(file)[1] == ("old",)
    assert [path.name for path in tmp_path.iterdir()] == ["calls.xlsx"]
