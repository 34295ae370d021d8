"""Whatever rows are refused, each is reported with its place, and the rest is intact."""

from __future__ import annotations

import csv
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from ivrd.billing.entities import Bill
from ivrd.billing.imports.file_rows import FilesError
from ivrd.billing.imports.new_file import REFUSED
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import profile_for, write_sample
from ivrd.errors import BillingError
from tests.billing.conftest import TODAY
from tests.billing.import_places import as_csv, embedded_reader, import_files, order

WIDE = load_mapping(profile_for("wide"))
MONTHS = ("2026-10", "2026-09")

Cells = list[list[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the sample as CSV."""
    made = tmp_path_factory.mktemp("csv")
    write_sample(made / "sample.db", TODAY, accounts=24, months=3)
    return as_csv(made / "sample.db", made / "files")


def cells_of(file: Path) -> Cells:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.reader(opened))


def write(file: Path, cells: Cells) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows(cells)


class Found(NamedTuple):
    """What an import of changed files brought."""

    reader: BillingReader
    refused: list[dict[str, Any]]
    counts: dict[str, int]


@contextmanager
def imported(
    folder: Path, change: Callable[[Path], None], mapping: BillingMapping = WIDE
) -> Iterator[Found]:
    """Import a copy of the files, changed."""
    with tempfile.TemporaryDirectory() as name:
        files = shutil.copytree(folder, Path(name) / "files")
        change(files)
        refused: list[dict[str, Any]] = []

        def keep(rows: Iterator[tuple[Any, ...]]) -> None:
            refused.extend(dict(zip(REFUSED, row, strict=True)) for row in rows)

        what = order(Path(name), most_refused=1.0)
        report = import_files(files, mapping, what, refusals=keep)
        with embedded_reader(what.file, mapping) as reader:
            yield Found(reader, refused, dict(report.about.refused))


# column of TB_ZHANGDAN, what is written there, whether the bill's place is lost
FAULTS = st.sampled_from(
    [
        ("RENT_FEE", "much", False), ("TOTAL_FEE", "12.345", False), ("PAY_LIMIT", "soon", False),
        ("LOCAL_FEE", "1,234.50", False), ("BILLING_CYCLE", "2026", True), ("SERV_ID", "", True),
    ]
)  # fmt: skip


@settings(max_examples=8, deadline=None)
@given(st.dictionaries(st.integers(1, 40), FAULTS, min_size=1, max_size=12), st.integers())
def test_every_bad_bill_is_reported_and_every_good_one_is_read(
    folder: Path, faults: dict[int, tuple[str, str, bool]], seed: int
) -> None:
    bills = cells_of(folder / "TB_ZHANGDAN.csv")
    heads, body = bills[0], bills[1:]
    random.Random(seed).shuffle(body)
    spoilt = [list(row) for row in body]
    for row, (column, text, _) in faults.items():
        spoilt[row][heads.index(column)] = text

    def change(files: Path) -> None:
        write(files / "TB_ZHANGDAN.csv", [heads, *spoilt])

    with imported(folder, lambda _: None) as whole, imported(folder, change) as found:
        places = {(one["source"], one["row"], one["key"].split(".")[-1]) for one in found.refused}
        names = {"RENT_FEE": "monthly_rent", "TOTAL_FEE": "total", "PAY_LIMIT": "due",
                 "LOCAL_FEE": "local_calls", "BILLING_CYCLE": "month",
                 "SERV_ID": "account"}  # fmt: skip
        assert places == {
            ("TB_ZHANGDAN.csv", row + 2, names[column]) for row, (column, _, _) in faults.items()
        }
        assert found.counts == {"bills": len(faults)}
        assert all(one["what"] and text not in str(one["what"])
                   for one in found.refused for _, text, _ in faults.values() if text)  # fmt: skip
        for at, cells in enumerate(body):
            account, cycle = cells[heads.index("SERV_ID")], cells[heads.index("BILLING_CYCLE")]
            month = f"{cycle[:4]}-{cycle[4:]}"
            if at not in faults:
                assert found.reader.bill(account, month) == whole.reader.bill(account, month)
                assert isinstance(found.reader.bill(account, month), Bill)
            elif not faults[at][2]:
                # what is not known whole is an error for its caller, never "no bill"
                with pytest.raises(BillingError):
                    found.reader.bill(account, month)
        for who in whole.reader.some_accounts():
            assert found.reader.account(who.id) == who
            assert found.reader.arrears(who.id) == whole.reader.arrears(who.id)
            assert found.reader.details(who.id, MONTHS[0], 1) == whole.reader.details(
                who.id, MONTHS[0], 1
            )


def test_a_row_with_cells_too_many_or_too_few_is_refused(folder: Path) -> None:
    def change(files: Path) -> None:
        accounts = cells_of(files / "TB_SERV.csv")
        accounts[3].append("more")
        accounts[5] = accounts[5][:4]
        accounts.insert(7, [])
        write(files / "TB_SERV.csv", accounts)

    with imported(folder, change) as found:
        told = ("source", "row", "what", "expected")
        assert [tuple(one[name] for name in told) for one in found.refused] == [
            ("TB_SERV.csv", 4, "has 12 cells", "11, as its heading"),
            ("TB_SERV.csv", 6, "has 4 cells", "11, as its heading"),
        ]  # fmt: skip
        assert found.counts == {"accounts": 2}


def test_of_an_account_with_an_arrears_row_refused_nobody_is_told_a_part(folder: Path) -> None:
    rows = cells_of(folder / "TB_OWE.csv")
    several = next(row[0] for row in rows[1:] if [r[0] for r in rows].count(row[0]) > 1)
    at = next(n for n, row in enumerate(rows) if row[0] == several)

    def change(files: Path) -> None:
        rows[at][rows[0].index("OWE_FEE")] = "?"
        write(files / "TB_OWE.csv", rows)

    with imported(folder, lambda _: None) as whole, imported(folder, change) as found:
        assert whole.reader.arrears(several)
        assert found.reader.arrears(several) == ()
        assert several not in {debtor.owed.account_id for debtor in found.reader.debtors()}
        others = [d for d in whole.reader.debtors() if d.owed.account_id != several]
        assert list(found.reader.debtors()) == others
        assert [(one["row"], one["account"]) for one in found.refused] == [(at + 1, int(several))]


def test_what_stands_there_twice_is_told_and_is_an_error_for_its_caller(folder: Path) -> None:
    def change(files: Path) -> None:
        for name in ("TB_SERV", "TB_ZHANGDAN"):
            rows = cells_of(files / f"{name}.csv")
            write(files / f"{name}.csv", [*rows, rows[1]])

    with imported(folder, change) as found:
        told = [(one["part"], one["key"], one["what"]) for one in found.refused]
        assert ("accounts", "account.id", "more than one account has this id") in told
        assert ("accounts", "account.phone", "more than one account has this phone") in told
        assert ("bills", "bill.account", "more than one bill for one account and month") in told
        with pytest.raises(BillingError, match="more than one"):
            found.reader.account("100001")


def test_a_sum_of_what_is_no_number_is_refused_not_taken_for_nothing(
    folder: Path, tmp_path: Path
) -> None:
    text = profile_for("wide").read_text(encoding="utf-8")
    text = text.replace(
        'monthly_rent = "RENT_FEE"',
        'monthly_rent = { add = ["RENT_FEE", "WORK_FEE"], subtract = ["INFO_FEE"] }',
    )
    (tmp_path / "sums.toml").write_text(text, encoding="utf-8")
    sums = load_mapping(tmp_path / "sums.toml")

    def change(files: Path) -> None:
        rows = cells_of(files / "TB_ZHANGDAN.csv")
        for at, columns in ((1, ["RENT_FEE"]), (2, ["INFO_FEE"]), (3, ["RENT_FEE", "INFO_FEE"])):
            for column in columns:
                rows[at][rows[0].index(column)] = "none"
        write(files / "TB_ZHANGDAN.csv", rows)

    with imported(folder, change, sums) as found:
        rows = {one["row"] for one in found.refused if one["key"] == "bill.items.monthly_rent"}
        assert rows == {2, 3, 4}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: (files / "TB_OWE.csv").unlink(), "has no file TB_OWE.csv"),
        (lambda files: (files / "TB_OWE.csv").rename(files / "TB_OWES.csv"), "mean 'TB_OWES'"),
        (lambda files: (files / "TB_OWE.csv").write_text(""), "TB_OWE.csv: is empty"),
        (lambda files: (files / "TB_OWE.csv").write_bytes(b"a\x00b\n"), "is no text"),
        (lambda files: (files / "TB_OWE.csv").write_text('"SERV_ID\n1'), "is no CSV"),
        (
            lambda files: (files / "TB_OWE.csv").write_text(
                "SERV_ID,BILLING_CYCLE,OWE_FE,PAY_LIMIT,PROD_CD,CUST_GRP\n"
            ),
            "did you mean 'OWE_FE'?",
        ),
        (
            lambda files: (files / "TB_OWE.csv").write_text(
                "SERV_ID,SERV_ID,BILLING_CYCLE,OWE_FEE,PAY_LIMIT,PROD_CD,CUST_GRP\n"
            ),
            "has 'SERV_ID' 2 times",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_told(
    folder: Path, change: Callable[[Path], Any], said: str
) -> None:
    with pytest.raises(FilesError) as caught, imported(folder, change):
        pass
    assert said in str(caught.value)


def test_all_that_is_wrong_with_the_files_is_told_at_once(folder: Path) -> None:
    def change(files: Path) -> None:
        (files / "TB_OWE.csv").unlink()
        (files / "TB_SERV.csv").write_text("SERV_ID\n1\n")

    with pytest.raises(FilesError) as caught, imported(folder, change):
        pass
    assert len(caught.value.problems) > 5
    assert {problem.rule for problem in caught.value.problems} == {"no-table", "no-column"}


def test_one_csv_does_not_stand_for_several_tables(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.raises(FilesError, match="5 tables"):
        import_files(folder / "TB_SERV.csv", WIDE, order(Path(name)))


def test_a_workbook_may_hold_dates_and_numbers_as_excel_has_them(
    folder: Path, tmp_path: Path
) -> None:
    book = Workbook(write_only=True)
    for file in sorted(folder.iterdir()):
        sheet = book.create_sheet(file.stem)
        rows = cells_of(file)
        sheet.append(rows[0])
        for row in rows[1:]:
            sheet.append([typed(head, cell) for head, cell in zip(rows[0], row, strict=True)])
    book.save(tmp_path / "typed.xlsx")
    what = order(tmp_path)
    assert import_files(tmp_path / "typed.xlsx", WIDE, what).refused == 0
    with imported(folder, lambda _: None) as found, embedded_reader(what.file, WIDE) as reader:
        for account in found.reader.some_accounts():
            assert reader.account(account.id) == account
            for month in MONTHS:
                assert reader.bill(account.id, month) == found.reader.bill(account.id, month)
                assert reader.details(account.id, month, 2) == found.reader.details(
                    account.id, month, 2
                )


def typed(head: str, cell: str) -> Any:
    """Return a cell as Excel keeps it: numbers as floats, dates as dates, empty as nothing."""
    if not cell:
        return None
    if head in {"PAY_LIMIT", "START_DATE"}:
        return datetime.strptime(cell, "%Y%m%d")  # noqa: DTZ007 - a date alone
    if head.endswith("_FEE") or head in {"SERV_ID", "DURATION", "TICKET_ID"}:
        return float(cell)
    return cell
