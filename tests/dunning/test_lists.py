"""Lists of debtors: every bad cell by row and column, all rows or none, refused rows written."""

from __future__ import annotations

import contextlib
import csv
import io
import random
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from ivrd.dunning import list_files
from ivrd.dunning.list_columns import BadCell, amount_in, day_in
from ivrd.dunning.lists import ListChecks, import_list
from ivrd.dunning.numbers import NumberPlan
from ivrd.dunning.target_rows import TargetRow
from ivrd.errors import ListError, Problem

ZONE = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 11, 5)
CHECKS = ListChecks(NumberPlan("86", "0571"), TODAY, ZONE, ("zh-CN", "en-US"))
NOTICE = replace(CHECKS, kind="notice")
EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "campaigns" / "debtors.csv"

HEADER = ("账号", "电话", "欠费金额")
GOOD = ("100001", "88610001", "146.99")
ROW = TargetRow("100001", "100001", ("+8657188610001",), 14699)


def csv_file(folder: Path, *rows: Sequence[str], encoding: str = "utf-8", delimiter: str = ",",
             name: str = "list.csv") -> Path:  # fmt: skip
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    file = folder / name
    file.write_bytes(text.getvalue().encode(encoding))
    return file


def xlsx_file(folder: Path, *rows: Sequence[Any], name: str = "list.xlsx") -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(list(row))  # type: ignore[union-attr]  # a new workbook has a sheet
    book.save(folder / name)
    return folder / name


def problems(file: Path, checks: ListChecks = CHECKS) -> tuple[Problem, ...]:
    with pytest.raises(ListError) as caught:
        import_list(file, checks)
    return caught.value.problems


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_in_every_encoding_and_delimiter(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    file = csv_file(tmp_path, HEADER, GOOD, encoding=encoding, delimiter=delimiter)
    assert import_list(file, CHECKS).rows == [ROW]


@pytest.mark.parametrize(
    "header",
    [
        ("account", "phone", "amount"),
        ("Account Number", "PHONE_NUMBER", "Amount owed"),
        ("户号", "联系电话", "欠费金额（元）"),
        ("用户编号", "手机号码", " 金额 "),
    ],
)
def test_headers_are_chinese_or_english(tmp_path: Path, header: tuple[str, ...]) -> None:
    assert import_list(csv_file(tmp_path, header, GOOD), CHECKS).rows == [ROW]


def test_every_column_is_read(tmp_path: Path) -> None:
    header = ("account", "customer", "phone", "other phones", "phone 2", "amount", "months",
              "due", "product", "group", "language", "time zone", "call from", "name")  # fmt: skip
    row = ("A1", "C9", "0571-8861 0001", "13805710005；021 5888 7766", "+8613805710006",
           "10", "3", "2026/8/20", "PSTN", "HOME", "英语", "Asia/Urumqi", "2026年11月9日",
           "王")  # fmt: skip
    assert import_list(csv_file(tmp_path, header, row), CHECKS).rows == [
        TargetRow(
            "A1", "C9", ("+8657188610001", "+8613805710005", "+862158887766", "+8613805710006"),
            1000, 3, date(2026, 8, 20), "PSTN", "HOME", "en-US", "Asia/Urumqi",
            datetime(2026, 11, 9, tzinfo=ZONE),
        )
    ]  # fmt: skip


def test_cells_of_a_sheet_are_numbers_dates_and_results_of_formulas(tmp_path: Path) -> None:
    header = (*HEADER, "缴费期限", "欠费月数")
    file = xlsx_file(
        tmp_path, header,
        (100001, 13805710001, 146.99, datetime(2026, 8, 20), 1.0),  # noqa: DTZ001 - a sheet has no zone
        ("100002", "88610002", 20, 46254, "2"),
        (100003, "88610003", "30.5", "2026-08-20", None),
    )  # fmt: skip
    rows = import_list(file, CHECKS).rows
    assert [(r.account, r.amount_fen, r.due, r.months) for r in rows] == [
        ("100001", 14699, date(2026, 8, 20), 1),
        ("100002", 2000, date(2026, 8, 20), 2),
        ("100003", 3050, date(2026, 8, 20), 1),
    ]
    assert rows[0].numbers == ("+8613805710001",)


def test_a_formula_counts_by_its_saved_result(tmp_path: Path) -> None:
    file = xlsx_file(tmp_path, HEADER, ("100001", "88610001", "=100+46.99"))
    (problem,) = problems(file)
    assert (problem.line, problem.key, problem.what) == (2, "column C 欠费金额", "is empty")
    _with_result(file, b"<f>100+46.99</f><v></v>", b"<f>100+46.99</f><v>146.99</v>")
    assert import_list(file, CHECKS).rows == [ROW]


def _with_result(file: Path, old: bytes, new: bytes) -> None:
    """Put a formula's result into the sheet, as a spreadsheet program saves it."""
    with zipfile.ZipFile(file) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].replace(b"<v />", b"<v></v>")
    assert old in sheet
    with zipfile.ZipFile(file, "w") as archive:
        for part, content in parts.items():
            changed = sheet.replace(old, new) if part.endswith("sheet1.xml") else content
            archive.writestr(part, changed)


BAD_CELLS = [
    ("account", "", "is empty", "cell"),
    ("account", "9" * 65, "has 65 characters", "cell"),
    ("phone", "", "is empty", "cell"),
    ("phone", "12", "", "cell"),
    ("phone", "110", "service or emergency", "cell"),
    ("phone", "8861 000a", "characters that belong to no number", "cell"),
    ("phone", "88610001转8", "extension", "cell"),
    ("phone", "+12125550123", "abroad", "cell"),
    ("other phones", "13805710005、12", "", "cell"),
    ("amount", "1,000.00", "has a comma", "cell"),
    ("amount", "", "is empty", "cell"),
    ("amount", "ten", "is no amount", "cell"),
    ("amount", "10.001", "not a whole number of fen", "cell"),
    ("amount", "0", "is not above 0", "cell"),
    ("amount", "-5", "is not above 0", "cell"),
    ("months", "1.5", "is no number of months", "cell"),
    ("due", "20.08.2026", "is no date", "cell"),
    ("due", "2026-02-30", "is no day of the calendar", "cell"),
    ("due", "1899-12-31", "is no day on which a bill was due", "cell"),
    ("call from", "2026-11-04", "is in the past", "cell"),
    ("language", "fr", "is no language of the campaign", "cell"),
    ("time zone", "Asia/Shanghia", "is no time zone", "cell"),
]


@pytest.mark.parametrize(("column", "cell", "what", "rule"), BAD_CELLS)
def test_a_bad_cell_is_told_by_row_and_column(
    tmp_path: Path, column: str, cell: str, what: str, rule: str
) -> None:
    values = {"account": "100002", "phone": "88610002", "amount": "10"} | {column: cell}
    head = tuple(values)
    file = csv_file(tmp_path, head, ("100001", "88610001", "10"), tuple(values.values()))
    (problem,) = problems(file)
    letter = "ABCD"[head.index(column)]
    assert (problem.file, problem.line, problem.key) == (file, 3, f"column {letter} {column}")
    assert what in problem.what
    assert problem.rule == rule
    assert problem.expected
    assert cell not in str(problem) or len(cell) < 4, "what stands in the cell is private"


def test_a_notice_needs_no_account_and_speaks_of_no_past_day(tmp_path: Path) -> None:
    file = csv_file(tmp_path, ("号码",), ("88610001",))
    assert import_list(file, NOTICE).rows == [
        TargetRow("+8657188610001", "+8657188610001", ("+8657188610001",))
    ]
    file = csv_file(tmp_path, ("号码", "到期日"), ("88610001", "2026-11-04"))
    (problem,) = problems(file, NOTICE)
    assert (problem.line, problem.what) == (2, "is in the past")


def test_a_debtor_or_number_that_is_there_already_is_told_with_the_first_row(
    tmp_path: Path,
) -> None:
    file = csv_file(tmp_path, HEADER, GOOD, ("100001", "88610002", "1"),
                    ("100003", "0571-88610001", "1"))  # fmt: skip
    assert [(p.line, p.key, p.what) for p in problems(file)] == [
        (3, "column A 账号", "is there already, in row 2"),
        (4, "column B 电话", "is there already, in row 2"),
    ]


def test_all_bad_cells_of_all_rows_are_told_at_once(tmp_path: Path) -> None:
    file = csv_file(tmp_path, HEADER, ("", "12", "1,5"), GOOD, (), ("100004", "88610004", "x"))
    assert [(p.line, str(p.key)[7]) for p in problems(file)] == [
        (2, "A"), (2, "B"), (2, "C"), (5, "C")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "rule", "key", "near"),
    [
        (("账号", "电话", "欠费金额", "缴费期现"), "column", "column D 缴费期现", "缴费期限"),
        (("账号", "电话", "欠费金额", "amuont"), "column", "column D amuont", "amount"),
        (("账号", "电话", "欠费金额", "手机"), "column", "column D 手机", None),
        (("账号", "电话", "欠费金额(分)"), "column", "column C 欠费金额(分)",
         "in yuan, as 欠费金额(元)"),
        (("账号", "电话"), "no-column", None, None),
        (("100001", "88610001", "1.00"), "column", "column A 100001", None),
    ],
)  # fmt: skip
def test_a_wrong_header_is_told_with_the_nearest_column(
    tmp_path: Path, header: tuple[str, ...], rule: str, key: str | None, near: str | None
) -> None:
    found = problems(csv_file(tmp_path, header, GOOD))
    assert (found[0].rule, found[0].key, found[0].nearest) == (rule, key, near)


def test_what_a_sheet_has_spoilt_is_told_and_what_it_has_not_is_read(tmp_path: Path) -> None:
    rows = [(100001, 57188610001, 146.99), (1234567890123456789, "88610002", 1)]
    file = xlsx_file(tmp_path, HEADER, *rows)
    (problem,) = problems(file)
    assert (problem.line, problem.key) == (3, "column A 账号")
    assert "rounded" in problem.what
    assert "format the column as text" in str(problem.expected)
    good = xlsx_file(tmp_path, HEADER, rows[0])
    assert import_list(good, CHECKS).rows == [ROW], "a lost leading 0 is no matter"


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_refused_rows_are_written_in_the_same_format_with_the_reason(
    tmp_path: Path, kind: str
) -> None:
    make = csv_file if kind == "csv" else xlsx_file
    rows = [HEADER, GOOD, ("100002", "12", "1,000"), ("100003", "88610003", "5")]
    file, refused = make(tmp_path, *rows), tmp_path / f"refused.{kind}"
    found = import_list(file, CHECKS, skip_bad=refused)
    assert [row.account for row in found.rows] == ["100001", "100003"]
    written = _rows_of(refused)
    assert written[0] == [*HEADER, "reason"]
    assert written[1][:3] == ["100002", "12", "1,000"]
    assert "column C 欠费金额: has a comma" in str(written[1][3])
    mended = [written[0], ["100002", "88610002", "1000", written[1][3]]]
    assert import_list(make(tmp_path, *mended), CHECKS).rows[0].amount_fen == 100000


def _rows_of(file: Path) -> list[list[Any]]:
    if file.suffix == ".csv":
        return list(csv.reader(file.read_text("utf-8").splitlines()))
    book = load_workbook(file)
    return [list(row) for row in book.active.iter_rows(values_only=True)]  # type: ignore[union-attr]  # as above


def test_refused_rows_keep_encoding_and_delimiter(tmp_path: Path) -> None:
    file = csv_file(tmp_path, HEADER, ("1", "12", "1"), encoding="gb18030", delimiter=";")
    import_list(file, CHECKS, skip_bad=tmp_path / "refused.csv")
    first = (tmp_path / "refused.csv").read_bytes().decode("gb18030").splitlines()[0]
    assert first == "账号;电话;欠费金额;reason"


def test_no_file_is_written_over_and_none_without_refused_rows(tmp_path: Path) -> None:
    there = tmp_path / "there.csv"
    there.write_text("mine")
    file = csv_file(tmp_path, HEADER, ("1", "12", "1"))
    with pytest.raises(ListError, match="is there already"):
        import_list(file, CHECKS, skip_bad=there)
    assert there.read_text() == "mine"
    import_list(csv_file(tmp_path, HEADER, GOOD), CHECKS, skip_bad=tmp_path / "none.csv")
    assert not (tmp_path / "none.csv").exists()


def test_blank_rows_are_passed_over_and_a_header_alone_is_an_empty_list(tmp_path: Path) -> None:
    file = csv_file(tmp_path, (), HEADER, (), ("", "", ""), GOOD)
    assert import_list(file, CHECKS).rows == [ROW]
    assert "no rows" in problems(csv_file(tmp_path, HEADER))[0].what
    assert "is empty" in problems(csv_file(tmp_path))[0].what


def test_more_cells_than_the_header_has_are_told(tmp_path: Path) -> None:
    (problem,) = problems(csv_file(tmp_path, HEADER, (*GOOD, "", "more")))
    assert (problem.line, problem.key) == (2, "column E")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "XLS"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is no text"),
        (b"PK\x03\x04 nothing", "no XLSX that can be read"),
        ("账号,电话,金额\n\"1,2\n".encode(), "is no CSV"),
        (b"", "is empty"),
    ],
)  # fmt: skip
def test_what_is_no_list_is_refused_by_what_is_in_it(
    tmp_path: Path, content: bytes, what: str
) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(content)
    assert what in problems(file)[0].what


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert "cannot be read" in problems(tmp_path / "none.csv")[0].what


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    file = xlsx_file(tmp_path, HEADER, GOOD)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/bomb.xml", b" " * 40_000_000)
    assert "far more than a list needs" in problems(file)[0].what


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_files, "MOST_BYTES", 10)
    assert "has 0 MB" in problems(csv_file(tmp_path, HEADER, GOOD))[0].what


def test_rows_on_two_sheets_are_not_guessed_at(tmp_path: Path) -> None:
    book = Workbook()
    for name in ("one", "two"):
        sheet = book.create_sheet(name)
        sheet.append(HEADER)
        sheet.append(GOOD)
    book.save(tmp_path / "two.xlsx")
    assert "2 sheets with rows: one, two" in problems(tmp_path / "two.xlsx")[0].what


def test_a_damaged_sheet_is_told_not_half_read(tmp_path: Path) -> None:
    file = xlsx_file(tmp_path, HEADER, GOOD)
    with zipfile.ZipFile(file) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content[:-40] if part.endswith("sheet1.xml") else content)
    assert "no XLSX that can be read" in problems(file)[0].what


def test_progress_is_told(tmp_path: Path) -> None:
    rows = [(str(n), f"8862{n:04}", "1") for n in range(2500)]
    told: list[tuple[int, int | None]] = []
    import_list(csv_file(tmp_path, HEADER, *rows), CHECKS,
                progress=lambda done, total: told.append((done, total)))  # fmt: skip
    assert told == [(1000, 2501), (2000, 2501), (2500, 2500)]


def test_the_example_loads() -> None:
    found = import_list(EXAMPLE, CHECKS)
    assert [len(row.numbers) for row in found.rows] == [1, 2, 1]


@settings(max_examples=300)
@given(st.integers(1, 10**12 - 1))
def test_every_amount_in_yuan_is_read_as_its_fen(fen: int) -> None:
    text = f"{fen // 100}.{fen % 100:02}"
    assert amount_in(text) == amount_in(f"¥{text}") == amount_in(f"{text}元") == fen
    if fen < 10**11:
        assert amount_in(fen / 100) == fen


@settings(max_examples=300)
@given(st.dates(date(1980, 1, 1), date(2099, 12, 31)))
def test_every_form_of_a_date_is_the_same_day(day: date) -> None:
    forms = ("{0:%Y-%m-%d}", "{0:%Y%m%d}", "{0.year}/{0.month}/{0.day}", "{0:%Y.%m.%d}",
             "{0.year}年{0.month}月{0.day}日", "{0:%Y-%m-%d} 00:00:00")  # fmt: skip
    assert {day_in(form.format(day)) for form in forms} == {day}
    serial = (day - date(1899, 12, 30)).days
    assert day_in(serial) == day_in(float(serial)) == day


@settings(max_examples=300)
@given(st.text(max_size=20))
def test_no_text_breaks_a_cell(text: str) -> None:
    for read in (amount_in, day_in):
        with contextlib.suppress(BadCell):
            read(text)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_import(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "list"
    file.write_bytes(raw)
    with pytest.raises(ListError):
        import_list(file, CHECKS)


def test_four_thousand_rows_of_which_one_is_bad_are_none(tmp_path: Path) -> None:
    rng = random.Random(7)
    numbers = rng.sample(range(88620000, 88699999), 4_000)
    rows = [(str(100000 + i), str(n), "1.50") for i, n in enumerate(numbers)]
    rows[2_345] = ("x", "88610001", "1,50")
    (problem,) = problems(csv_file(tmp_path, HEADER, *rows))
    assert (problem.line, problem.key) == (2_347, "column C 欠费金额")
