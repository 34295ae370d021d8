"""Amounts of files that the database reckons with: what is no number is refused, not guessed."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from openpyxl import Workbook

from ivrd.billing.entities import Bill
from ivrd.billing.imports.new_file import REFUSED
from ivrd.billing.mapping import load_mapping
from ivrd.billing.reader import BillingReader
from tests.billing.import_places import embedded_reader, import_files, order

MAPPING = """
name = "reckoned"
zone = "Asia/Shanghai"
unit = "yuan"

[account]
table = "accounts"
id = "id"
phone = "phone"

[bill]
layout = "wide"
table = "bills"
account = "id"
month = {{ column = "month", format = "YYYY-MM" }}
total = "total"
paid = {paid}
due = "due"

[bill.ready]
by = "any-bill"

[bill.items]
rent = "rent"
late_fee = {late}

[arrears]
{arrears}
"""

COMPUTED = 'by = "unpaid-bills"\npast_due = false'
OF_TABLE = 'table = "owed"\naccount = "id"\namount = "amount"\npaid = { amount = "came_in" }'

BY_AMOUNT, BY_LEFT = '{ amount = "came_in" }', '{ left = "came_in" }'


class Found(NamedTuple):
    """What an import brought."""

    reader: BillingReader
    refused: list[dict[str, Any]]


@contextmanager
def imported(
    folder: Path, *, bill: str = "1,2026-10,1234.50,1234.50,0,0,2026-11-01,", owed: str = "",
    paid: str = BY_AMOUNT, late: str = '"late"', arrears: str = COMPUTED,
) -> Iterator[Found]:  # fmt: skip
    """Import two accounts; the bill of the first is as given, of the second all is well."""
    files = folder / "files"
    files.mkdir()
    (folder / "m.toml").write_text(MAPPING.format(paid=paid, late=late, arrears=arrears))
    (files / "accounts.csv").write_text("id,phone\n1,88610001\n2,88610002\n")
    (files / "bills.csv").write_text(
        f"id,month,total,rent,late,came_in,due,sign\n{bill}\n2,2026-10,50,50,0,0,2026-11-01,\n"
    )
    (files / "owed.csv").write_text(f"id,amount,came_in\n{owed}\n2,50,0\n")
    mapping = load_mapping(folder / "m.toml")
    refused: list[tuple[Any, ...]] = []
    what = order(folder, most_refused=1.0)
    import_files(files, mapping, what, refusals=refused.extend)
    with embedded_reader(what.file, mapping) as reader:
        yield Found(reader, [dict(zip(REFUSED, row, strict=True)) for row in refused])


def owes(reader: BillingReader) -> dict[str, int]:
    return {debtor.owed.account_id: debtor.owed.amount_fen for debtor in reader.debtors()}


@pytest.mark.parametrize("paid", [BY_AMOUNT, BY_LEFT])
@pytest.mark.parametrize("text", ['"1,234.50"', "none", "￥1234.50"])
def test_nobody_is_dunned_by_an_amount_paid_that_is_no_number(
    tmp_path: Path, paid: str, text: str
) -> None:
    bill = f"1,2026-10,1234.50,1234.50,0,{text},2026-11-01,"
    with imported(tmp_path, bill=bill, paid=paid) as found:
        assert [(one["row"], one["key"]) for one in found.refused] == [(2, "bill.paid")]
        assert found.refused[0]["expected"] == "an amount in yuan, in whole fen"
        assert found.reader.arrears("1") == ()
        assert owes(found.reader) == ({"2": 5000} if paid == BY_AMOUNT else {})


@pytest.mark.parametrize("owed", ['1,"1,234.50",0', '1,1234.50,"1,234.50"', "1,much,less"])
def test_arrears_of_which_something_came_in_are_refused_with_either_amount(
    tmp_path: Path, owed: str
) -> None:
    with imported(tmp_path, owed=owed, arrears=OF_TABLE) as found:
        assert [(one["part"], one["row"]) for one in found.refused] == [("arrears", 2)]
        assert owes(found.reader) == {"2": 5000}


def test_a_refund_that_is_no_number_is_refused(tmp_path: Path) -> None:
    late = '{ column = "late", negative = { sign = "C" } }'
    bill = '1,2026-10,1234.50,1234.50,"1,234.50",0,2026-11-01,C'
    with imported(tmp_path, bill=bill, late=late) as found:
        assert [one["key"] for one in found.refused] == ["bill.items.late_fee"]


def test_a_refund_that_is_a_number_is_one(tmp_path: Path) -> None:
    late = '{ column = "late", negative = { sign = "C" } }'
    bill = "1,2026-10,1200.00,1234.50,34.50,1000.00,2026-11-01,C"
    with imported(tmp_path, bill=bill, late=late) as found:
        told = found.reader.bill("1", "2026-10")
        assert isinstance(told, Bill)
        assert [item.amount_fen for item in told.items] == [123450, -3450]
        assert owes(found.reader) == {"1": 20000, "2": 5000}


@pytest.mark.parametrize("amount", ["9" * 20, "-" + "9" * 20, "10000000000001"])
def test_an_amount_that_no_bill_has_is_a_row_refused_not_the_end_of_the_import(
    tmp_path: Path, amount: str
) -> None:
    with imported(tmp_path, bill=f"1,2026-10,10,10,{amount},0,2026-11-01,") as found:
        assert [one["key"] for one in found.refused] == ["bill.items.late_fee"]
        assert isinstance(found.reader.bill("2", "2026-10"), Bill)


def test_amounts_that_a_workbook_has_reckoned_are_what_it_shows(tmp_path: Path) -> None:
    """Excel writes what a formula came to with all digits that a double has."""
    book = Workbook()
    book.remove(book.worksheets[0])
    tables: dict[str, list[list[Any]]] = {
        "accounts": [["id", "phone"], [1, 88610001]],
        "bills": [["id", "month", "total", "rent", "late", "came_in", "due", "sign"],
                  [1, "2026-10", 161.95, 161.65, 0.3, 0, "2026-11-01", None]],
    }  # fmt: skip
    for name, rows in tables.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(tmp_path / "plain.xlsx")
    noise = {b"<v>161.95</v>": b"<v>161.95000000000002</v>",
             b"<v>0.3</v>": b"<v>0.30000000000000004</v>"}  # fmt: skip
    with (
        zipfile.ZipFile(tmp_path / "plain.xlsx") as plain,
        zipfile.ZipFile(tmp_path / "reckoned.xlsx", "w", zipfile.ZIP_DEFLATED) as reckoned,
    ):
        for part in plain.namelist():
            held = plain.read(part)
            if part.endswith("sheet2.xml"):
                for short, long in noise.items():
                    assert short in held
                    held = held.replace(short, long)
            reckoned.writestr(part, held)
    text = MAPPING.format(paid=BY_AMOUNT, late='"late"', arrears=COMPUTED)
    (tmp_path / "m.toml").write_text(text)
    mapping, what = load_mapping(tmp_path / "m.toml"), order(tmp_path)
    report = import_files(tmp_path / "reckoned.xlsx", mapping, what)
    assert report.refused == 0
    with embedded_reader(what.file, mapping) as reader:
        bill = reader.bill("1", "2026-10")
        assert isinstance(bill, Bill)
        assert bill.total_fen == 16195
        assert [item.amount_fen for item in bill.items] == [16165, 30]
