"""The scan over everybody in arrears: whole, once each, in pages of any size, on real databases."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql

from ivrd.billing.arrears import owed_of
from ivrd.billing.check import check_billing
from ivrd.billing.debtors import Debtors
from ivrd.billing.entities import Debtor
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample import KNOWN
from ivrd.billing.sample_tables import Layout, profile_for, write_sample
from ivrd.errors import BillingError
from tests.billing.conftest import TODAY


def with_page(reader: BillingReader, mapping: BillingMapping, page: int) -> list[Debtor]:
    owed = owed_of(mapping)
    assert owed
    return list(Debtors(mapping, owed, lambda: TODAY, page).debtors(reader.database.ask))


def test_a_debtor_has_the_sum_of_the_rows_and_all_numbers(reader: BillingReader) -> None:
    found = {debtor.owed.account_id: debtor for debtor in reader.debtors()}
    five = found["100005"]
    (owed,) = reader.arrears("100005")
    assert five.owed == owed
    assert (five.owed.months, five.owed.product, five.owed.group) == (3, "PSTN", "HOME")
    assert (five.phones, five.language) == (("88610005",), "zh-CN")
    two_numbers = [debtor for debtor in found.values() if len(debtor.phones) == 2]
    assert two_numbers
    assert {int(debtor.owed.account_id) % 4 for debtor in two_numbers} == {0}


def test_everybody_in_arrears_is_there_once_as_a_lookup_finds_them(reader: BillingReader) -> None:
    found = list(reader.debtors())
    assert max(Counter(d.owed.account_id for d in found).values()) == 1
    owing = {a.id for a in reader.some_accounts() if reader.arrears(a.id)}
    assert {d.owed.account_id for d in found} == owing
    assert len(owing) > 5


def test_removed_accounts_are_not_debtors(reader: BillingReader) -> None:
    removed = {str(k.subscriber.id) for k in KNOWN if k.subscriber.removed}
    assert not removed & {d.owed.account_id for d in reader.debtors()}


def test_wide_and_narrow_have_the_same_debtors(
    samples: dict[Layout, Path], engine_on: Callable[..., Engine]
) -> None:
    found = [
        {
            d.owed.account_id: (d.owed.amount_fen, d.owed.months, d.owed.due, d.phones)
            for d in BillingReader(load_mapping(profile_for(one)), engine_on(file)).debtors()
        }
        for one, file in samples.items()
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("page", [13, 14, 20, 50, 5000])
def test_no_size_of_page_changes_who_is_found(
    reader: BillingReader, mapping: BillingMapping, page: int
) -> None:
    whole = list(reader.debtors())
    assert with_page(reader, mapping, page) == sorted(whole, key=lambda d: d.owed.account_id)


def test_an_account_with_more_rows_than_a_page_is_a_fault(
    samples: dict[Layout, Path], engine_on: Callable[..., Engine]
) -> None:
    mapping = load_mapping(profile_for("wide"))
    reader = BillingReader(mapping, engine_on(samples["wide"]))
    with pytest.raises(BillingError, match="rows for one account"):
        with_page(reader, mapping, 2)


def test_groups_and_products_narrow_what_is_summed(reader: BillingReader) -> None:
    home = list(reader.debtors(groups=["HOME"], products=["PSTN", "ADSL"]))
    assert home
    assert {d.owed.group for d in home} == {"HOME"}
    assert {d.owed.product for d in home} <= {"PSTN", "ADSL"}
    assert not list(reader.debtors(groups=["NOBODY"]))


def test_rows_of_the_arrears_have_the_bill_month_where_the_data_has_it(
    reader: BillingReader, layout: Layout
) -> None:
    rows = [row for row in reader.owed_rows() if row.owed.account_id == "100005"]
    if layout == "narrow":
        assert [(row.month, row.owed.months) for row in rows] == [(None, 3)]
    else:
        assert [row.month for row in rows] == ["2026-07", "2026-08", "2026-09"]
        assert [row.owed.due for row in rows] == [date(2026, m, 20) for m in (8, 9, 10)]


def test_names_of_persons_are_not_printed(reader: BillingReader) -> None:
    printed = " ".join(map(str, reader.debtors()))
    assert "100005" not in printed
    assert "88610005" not in printed


def changed(folder: Path, old: str, new: str, layout: Layout = "wide") -> BillingMapping:
    text = profile_for(layout).read_text("utf-8")
    assert old in text
    file = folder / "mapping.toml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    return load_mapping(file)


def test_without_arrears_or_numbers_in_the_mapping_there_is_no_scan(
    samples: dict[Layout, Path], engine_on: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = engine_on(samples["wide"])
    whole = profile_for("wide").read_text("utf-8")
    bare = tmp_path / "bare.toml"
    bare.write_text(whole[: whole.index("[arrears]")], encoding="utf-8")
    with pytest.raises(BillingError, match=r"no \[arrears\]"):
        list(BillingReader(load_mapping(bare), engine).debtors())
    text = whole.replace('phone = "ACC_NBR"\n', "").replace("other_phones = ", "#")
    bare.write_text(text, encoding="utf-8")
    with pytest.raises(BillingError, match="telephone number"):
        list(BillingReader(load_mapping(bare), engine).debtors())


def test_no_due_and_no_product_are_none(
    samples: dict[Layout, Path], engine_on: Callable[..., Engine], tmp_path: Path
) -> None:
    file = profile_for("wide").read_text("utf-8")
    arrears = file[file.index("[arrears]") :]
    kept = [line for line in arrears.splitlines() if not line.startswith(("due", "prod", "group"))]
    mapping = changed(tmp_path, arrears, "\n".join(kept))
    found = {d.owed.account_id: d.owed for d in
             BillingReader(mapping, engine_on(samples["wide"])).debtors()}  # fmt: skip
    one = found["100005"]
    assert (one.months, one.due, one.product, one.group) == (3, None, None, None)


def test_the_customer_of_an_account_is_read_where_the_mapping_names_one(
    samples: dict[Layout, Path], engine_on: Callable[..., Engine], tmp_path: Path
) -> None:
    mapping = changed(tmp_path, 'phone = "ACC_NBR"', 'phone = "ACC_NBR"\ncustomer = "CERT_NBR"')
    found = list(BillingReader(mapping, engine_on(samples["wide"])).debtors())
    assert all(len(debtor.customer or "") == 18 for debtor in found)


@pytest.mark.parametrize(
    ("old", "new", "key", "nearest"),
    [
        ('other_phones = ["CONTACT_NBR"]', 'other_phones = ["ACC_NBR", "CONTACT_NUM"]',
         "account.other_phones.1", "CONTACT_NBR"),
        ('phone = "ACC_NBR"', 'phone = "ACC_NBR"\ncustomer = "CUST_NAM"', "account.customer",
         "CUST_NAME"),
        ('month = { column = "BILLING_CYCLE", type = "integer", format = "YYYYMM" }\ndue = { col',
         'month = { column = "BILLING_CICLE", type = "integer", format = "YYYYMM" }\ndue = { col',
         None, "BILLING_CYCLE"),
    ],
)  # fmt: skip
def test_the_check_finds_columns_of_debtors_that_are_not_there(
    samples: dict[Layout, Path], engine_on: Callable[..., Engine], tmp_path: Path,
    old: str, new: str, key: str | None, nearest: str,
) -> None:  # fmt: skip
    check = check_billing(changed(tmp_path, old, new), engine_on(samples["wide"]))
    found = {(p.key, p.nearest) for p in check.problems}
    if key:
        assert found == {(key, nearest)}
    else:
        assert {near for _, near in found} == {nearest}


def test_rows_that_write_one_account_in_two_ways_are_one_where_the_database_takes_them_so(
    tmp_path: Path, engine_on: Callable[..., Engine]
) -> None:
    file = tmp_path / "nocase.db"
    write_sample(file, TODAY, accounts=20, layout="narrow")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript(
            """
            DROP TABLE owe_account;
            CREATE TABLE owe_account (serv_id TEXT COLLATE NOCASE NOT NULL, owe_charge INTEGER,
                owe_months INTEGER, first_limit_date DATE, prod_id TEXT, cust_group TEXT);
            DELETE FROM serv;
            """
        )
        for n in range(30):
            connection.execute(
                "INSERT INTO serv (serv_id, acc_nbr, state) VALUES (?, '88610001', '2HA')",
                (f"A{n:02}",),
            )
            connection.executemany(
                "INSERT INTO owe_account VALUES (?, 100, 1, NULL, 'P', 'G')",
                [(f"a{n:02}",), (f"A{n:02}",)],
            )
    mapping = load_mapping(profile_for("narrow"))
    reader = BillingReader(mapping, engine_on(file))
    for page in (5, 6, 7, 1000):
        found = with_page(reader, mapping, page)
        assert [d.owed.account_id for d in found] == [f"A{n:02}" for n in range(30)]
        assert {d.owed.amount_fen for d in found} == {200}


@pytest.mark.parametrize("dialect", [mssql, mysql, oracle, postgresql])
def test_the_scan_can_be_said_in_every_dialect(dialect: object, mapping: BillingMapping) -> None:
    owed = owed_of(mapping)
    assert owed
    scan = Debtors(mapping, owed, lambda: TODAY)
    for query in (scan._first, scan._following):  # noqa: SLF001 - what is sent to the database
        sql = str(query.of("2026-10").compile(dialect=dialect.dialect())).lower()  # type: ignore[attr-defined]  # each of these modules has one
        assert " join " in sql
        assert "order by" in sql
