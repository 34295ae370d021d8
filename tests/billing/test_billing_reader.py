"""Lookups on the sample database: the same entities out of both layouts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from ivrd.billing.entities import Account, Bill, CallDetail, NotReady
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample import ITEMS, KNOWN, Known
from ivrd.billing.sample_tables import Layout, profile_for, write_sample
from ivrd.errors import BillingError
from tests.billing.conftest import TODAY

LAST = "2026-10"


def plain(account: Account | None) -> Account | None:
    """Return an account without what not every mapping says."""
    if account is None:
        return None
    more = {"group": None, "product": None, "zone": None, "consent": None, "other_phones": ()}
    return replace(account, **more)  # type: ignore[arg-type]  # values of each field's type


def test_an_account_is_found_by_phone_and_by_agreement(reader: BillingReader) -> None:
    found = reader.find_by_phone("88610001")
    assert found
    assert plain(found) == Account("100001", "88610001", "100000000001", "zh-CN")
    assert reader.find_by_agreement("100000000001") == found
    assert reader.account("100001") == found


@pytest.mark.parametrize("number", ["88610099", "", "88610012", "' OR 1=1 --"])
def test_an_unknown_or_removed_number_is_not_found(reader: BillingReader, number: str) -> None:
    assert reader.find_by_phone(number) is None


def test_private_fields_are_not_printed(reader: BillingReader) -> None:
    printed = f"{reader.find_by_phone('88610001')} {reader.proof('100001')}"
    assert not [digits for digits in ("88610001", "100001", "123456", "3301") if digits in printed]


def test_what_proves_the_holder_is_read(reader: BillingReader) -> None:
    proof = reader.proof("100001")
    assert proof
    assert (proof.password, proof.agreement) == ("123456", "100000000001")
    assert len(proof.identity or "") == 18
    assert reader.proof("999999") is None


@pytest.mark.parametrize("expected", KNOWN, ids=[k.subscriber.phone + " " + k.what for k in KNOWN])
def test_a_known_bill_of_last_month_is_read(reader: BillingReader, expected: Known) -> None:
    bill = reader.bill(str(expected.subscriber.id), LAST)
    if expected.bills_from > 1:
        assert bill is None
        return
    assert isinstance(bill, Bill)
    assert [item.code for item in bill.items] == list(ITEMS)
    assert tuple(item.amount_fen for item in bill.items) == expected.amounts_fen
    assert bill.total_fen == sum(expected.amounts_fen)
    assert bill.paid == (expected.paid and not expected.unpaid_months)
    assert bill.due == (date(2026, 11, 20) if expected.has_due else None)


def test_a_month_not_yet_run_is_not_ready_for_anybody(reader: BillingReader) -> None:
    assert reader.bill("100001", "2026-11") == NotReady("2026-11")
    assert reader.bill("999999", "2026-11") == NotReady("2026-11")


def test_a_ready_month_without_a_bill_is_none(reader: BillingReader) -> None:
    assert reader.bill("999999", LAST) is None


def test_a_bill_that_stands_there_before_its_run_is_done_is_not_read(
    layout: Layout, mapping: BillingMapping, tmp_path: Path, engine_on: Callable[..., Engine]
) -> None:
    file = tmp_path / "early.db"
    write_sample(file, date(2026, 11, 5), accounts=20, layout=layout, last_month_ready=False)
    reader = BillingReader(mapping, engine_on(file))
    assert reader.bill("100001", LAST) == NotReady(LAST)
    assert isinstance(reader.bill("100001", "2026-09"), Bill)


def test_details_are_read_by_position_oldest_first(reader: BillingReader) -> None:
    first, count = reader.details("100001", LAST, 1)
    last, _ = reader.details("100001", LAST, 6)
    assert count == reader.detail_count("100001", LAST) == 6
    zone = ZoneInfo("Asia/Shanghai")
    assert first == CallDetail(
        1, "010", "62551234", datetime(2026, 10, 3, 9, 15, 20, tzinfo=zone), 185, 217
    )
    assert last
    assert (last.area_code, last.charge_fen, last.surcharge_fen) == ("00852", 420, 50)


@pytest.mark.parametrize("position", [-1, 0, 7, 10**9])
def test_there_is_no_detail_outside_the_list(reader: BillingReader, position: int) -> None:
    assert reader.details("100001", LAST, position) == (None, 6)


def test_all_300_details_of_a_month_come_once_and_in_order(reader: BillingReader) -> None:
    rows = [reader.details("100007", LAST, n)[0] for n in range(1, 301)]
    starts = [row.started for row in rows if row]
    assert len(set(starts)) == 300
    assert starts == sorted(starts)
    assert sum(row.charge_fen + row.surcharge_fen for row in rows if row) == 21000


def test_arrears_are_summed_over_the_months_past_due(reader: BillingReader) -> None:
    (owed,) = reader.arrears("100005")
    months = [reader.bill("100005", month) for month in ("2026-07", "2026-08", "2026-09")]
    assert owed.amount_fen == sum(b.total_fen for b in months if isinstance(b, Bill))
    assert (owed.months, owed.due, owed.product, owed.group) == (
        3,
        date(2026, 8, 20),
        "PSTN",
        "HOME",
    )
    assert reader.arrears("100001") == ()


def test_what_belongs_to_an_account_is_read_where_the_mapping_says_it(
    reader: BillingReader, layout: Layout
) -> None:
    found = reader.account("100008")
    assert found
    said = (found.group, found.product, found.zone, found.consent, found.other_phones)
    if layout == "monthly":
        assert said == ("COMPANY", "TRUNK", "Asia/Shanghai", False, ("13805710008",))
        debtor = next(d for d in reader.debtors() if d.owed.account_id == "100005")
        assert (debtor.zone, debtor.consent) == ("Asia/Shanghai", True)
        assert (debtor.owed.group, debtor.owed.product) == ("HOME", "PSTN")
    else:
        assert said == (None, None, None, None, ("13805710008",))


def test_all_layouts_give_identical_entities(
    samples: dict[Layout, Path], engine_on: Callable[..., Engine]
) -> None:
    wide, *others = (
        BillingReader(load_mapping(profile_for(layout)), engine_on(file), today=lambda: TODAY)
        for layout, file in samples.items()
    )
    ids = [str(k.subscriber.id) for k in KNOWN] + [str(101000 + n) for n in range(80 - len(KNOWN))]
    months = ["2025-10", *(f"2026-{m:02}" for m in range(1, 12))]
    bills = 0
    for account in ids:
        for other in others:
            assert plain(wide.account(account)) == plain(other.account(account))
            assert wide.proof(account) == other.proof(account)
            if wide.account(account):  # computed arrears leave removed accounts out
                assert wide.arrears(account) == other.arrears(account)
            for month in months:
                bill = wide.bill(account, month)
                assert bill == other.bill(account, month)
                assert wide.details(account, month, 2) == other.details(account, month, 2)
                bills += isinstance(bill, Bill)
    assert bills > 500


def test_long_distance_is_the_sum_of_its_details(reader: BillingReader) -> None:
    checked = 0
    for n in range(60):
        bill = reader.bill(str(101000 + n), LAST)
        if not isinstance(bill, Bill):
            continue
        count = reader.detail_count(str(101000 + n), LAST)
        rows = [reader.details(str(101000 + n), LAST, p)[0] for p in range(1, count + 1)]
        amounts = {item.code: item.amount_fen for item in bill.items}
        assert sum(r.charge_fen + r.surcharge_fen for r in rows if r) == (
            amounts["long_distance"] + amounts["operator_long_distance"]
        )
        checked += bool(rows)
    assert checked > 10


# -- data that is not as the mapping says ------------------------------------------------------


@pytest.fixture
def changed(
    samples: dict[Layout, Path], tmp_path: Path, engine_on: Callable[..., Engine]
) -> Callable[[Layout, str], BillingReader]:
    """Return a reader on a copy of the sample after one statement of SQL."""

    def change(layout: Layout, sql: str) -> BillingReader:
        copy = tmp_path / "changed.db"
        copy.write_bytes(samples[layout].read_bytes())
        with sqlite3.connect(copy) as connection:
            connection.execute(sql)
        connection.close()
        return BillingReader(load_mapping(profile_for(layout)), engine_on(copy))

    return change


BAD_DATA: dict[str, tuple[Layout, str, str]] = {
    "text for an amount": ("wide", "UPDATE TB_ZHANGDAN SET DATA_FEE='secret'", "bill.items.data"),
    "part of a fen": ("wide", "UPDATE TB_ZHANGDAN SET DATA_FEE=1.005", "whole number of fen"),
    "no date": ("wide", "UPDATE TB_ZHANGDAN SET PAY_LIMIT='20261399'", "bill.due"),
    "unknown item": ("narrow", "UPDATE acct_item SET acct_item_type_id=7777", "'7777'"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_data_against_the_mapping_is_told_by_its_key_and_trips_no_breaker(
    name: str, changed: Callable[[Layout, str], BillingReader]
) -> None:
    layout, sql, told = BAD_DATA[name]
    reader = changed(layout, sql)
    for _ in range(10):
        with pytest.raises(BillingError, match=told) as caught:
            reader.bill("100001", LAST)
        assert type(caught.value) is BillingError
        assert "secret" not in str(caught.value)
    assert not reader.database.breaker.open


def test_two_accounts_with_one_number_are_a_fault_not_a_guess(
    changed: Callable[[Layout, str], BillingReader],
) -> None:
    reader = changed("wide", "UPDATE TB_SERV SET ACC_NBR='88610001' WHERE SERV_ID=100002")
    with pytest.raises(BillingError, match="more than one account"):
        reader.find_by_phone("88610001")


def test_a_code_that_is_neither_paid_nor_unpaid_is_not_known(
    changed: Callable[[Layout, str], BillingReader],
) -> None:
    bill = changed("wide", "UPDATE TB_ZHANGDAN SET PAY_FLAG='?'").bill("100001", LAST)
    assert isinstance(bill, Bill)
    assert bill.paid is None


def test_an_item_code_of_no_item_goes_to_the_rest_where_there_is_one(
    samples: dict[Layout, Path], tmp_path: Path, engine_on: Callable[..., Engine]
) -> None:
    text = profile_for("narrow").read_text(encoding="utf-8")
    file = tmp_path / "rest.toml"
    file.write_text(
        text.replace("information = 1401", "information = 9999").replace(
            'code = "acct', 'rest = "adjustments"\ncode = "acct'
        ),
        encoding="utf-8",
    )
    bill = BillingReader(load_mapping(file), engine_on(samples["narrow"])).bill("100001", LAST)
    assert isinstance(bill, Bill)
    amounts = {item.code: item.amount_fen for item in bill.items}
    assert (amounts["information"], amounts["adjustments"]) == (0, 1050)
    assert bill.total_fen == sum(amounts.values())
