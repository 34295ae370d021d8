"""Ages of arrears: the edges of every bucket, sums that lose nothing, and early warnings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.billing.engine import engine_from
from ivrd.billing.entities import Arrears, OwedRow
from ivrd.billing.mapping import load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import Layout, profile_for, write_sample
from ivrd.dunning.ages import (
    Age,
    about_to_run_over,
    age_by_days,
    age_by_months,
    ages_by_days,
    ages_by_month,
    months_old,
    run_over,
    soonest_first,
)

TODAY = date(2026, 11, 22)


def owed(account: str, fen: int, due: date | None, month: str | None = None, *,
         months: int = 1, product: str = "PSTN", group: str = "HOME") -> OwedRow:  # fmt: skip
    return OwedRow(Arrears(account, fen, months, due, product, group), month)


@pytest.mark.parametrize(
    ("months", "age"),
    [
        (1, Age.THIS_MONTH), (2, Age.TWO_MONTHS), (3, Age.THREE_MONTHS), (4, Age.TO_SIX_MONTHS),
        (6, Age.TO_SIX_MONTHS), (7, Age.TO_A_YEAR), (12, Age.TO_A_YEAR), (13, Age.TO_TWO_YEARS),
        (24, Age.TO_TWO_YEARS), (25, Age.TO_THREE_YEARS), (36, Age.TO_THREE_YEARS),
        (37, Age.OVER_THREE_YEARS), (400, Age.OVER_THREE_YEARS),
    ],
)  # fmt: skip
def test_each_bucket_has_its_upper_end_within(months: int, age: Age) -> None:
    assert age_by_months(months) is age


@pytest.mark.parametrize(
    ("month", "old"), [("2026-11", 1), ("2026-10", 1), ("2026-09", 2), ("2025-11", 12)]
)
def test_the_latest_bill_is_this_months(month: str, old: int) -> None:
    assert months_old(month, TODAY) == old


@pytest.mark.parametrize(
    ("due", "age"),
    [
        (date(2026, 11, 22), Age.NOT_DUE), (date(2026, 11, 21), Age.THIS_MONTH),
        (date(2026, 10, 22), Age.THIS_MONTH), (date(2026, 10, 21), Age.TWO_MONTHS),
        (date(2026, 9, 21), Age.THREE_MONTHS), (date(2026, 8, 22), Age.THREE_MONTHS),
        (date(2026, 8, 21), Age.TO_SIX_MONTHS), (date(2026, 5, 22), Age.TO_SIX_MONTHS),
        (date(2026, 5, 21), Age.TO_A_YEAR), (date(2025, 11, 22), Age.TO_A_YEAR),
        (date(2025, 11, 21), Age.TO_TWO_YEARS), (date(2024, 11, 21), Age.TO_THREE_YEARS),
        (date(2023, 11, 22), Age.TO_THREE_YEARS), (date(2023, 11, 21), Age.OVER_THREE_YEARS),
    ],
)  # fmt: skip
def test_days_past_due_are_counted_by_the_calendar(due: date, age: Age) -> None:
    assert age_by_days(due, TODAY) is age


def test_a_month_without_the_day_ends_with_its_last() -> None:
    assert run_over(date(2026, 1, 31), 1) == date(2026, 3, 1)
    assert run_over(date(2027, 12, 31), 2) == date(2028, 3, 1)
    assert run_over(date(2026, 8, 20), 6) == date(2027, 2, 21)


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(0, 2000))
def test_no_debt_grows_younger(due: date, days: int) -> None:
    order = list(Age)
    today = due + timedelta(days=days)
    later = today + timedelta(days=1)
    assert order.index(age_by_days(due, today)) <= order.index(age_by_days(due, later))


def test_amounts_are_by_product_group_and_age_and_accounts_count_once() -> None:
    rows = [
        owed("1", 100, date(2026, 11, 20), "2026-10"),
        owed("1", 200, date(2026, 10, 20), "2026-09"),
        owed("1", 50, date(2026, 10, 20), "2026-09"), owed("2", 7, None, None, product="ADSL"),
        owed("3", 1000, date(2022, 1, 20), "2021-12", group="STATE"),
    ]  # fmt: skip
    table = ages_by_month(rows, TODAY)
    two = table.cells["PSTN", "HOME", Age.TWO_MONTHS]
    assert (two.fen, two.bills, two.accounts) == (250, 2, 1)
    assert table.total(Age.OVER_THREE_YEARS, group="STATE") == 1000
    assert table.total(product="PSTN") == 1350
    days = ages_by_days(rows, TODAY)
    assert days.total(Age.UNKNOWN) == 7
    assert days.total(Age.THIS_MONTH) == 100
    assert days.total() == table.total() == 1357


def test_a_row_per_account_is_as_old_as_its_oldest_bill() -> None:
    table = ages_by_month([owed("1", 500, date(2026, 8, 20), months=4)], TODAY)
    assert table.total(Age.TO_SIX_MONTHS) == 500
    one = ages_by_month([owed("1", 500, date(2025, 8, 20))], TODAY)
    assert one.total(Age.TO_TWO_YEARS) == 500, "one old bill is old"
    new = ages_by_month([owed("1", 500, date(2026, 11, 20))], TODAY)
    assert new.total(Age.THIS_MONTH) == 500


@pytest.fixture(scope="module", params=["wide", "narrow"])
def billing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BillingReader]:
    layout: Layout = request.param
    file = tmp_path_factory.mktemp("ages") / f"{layout}.db"
    write_sample(file, TODAY, accounts=200, layout=layout)
    engine = engine_from(f"sqlite:///{file}")
    yield BillingReader(load_mapping(profile_for(layout)), engine)
    engine.dispose()


def test_of_the_sample_nothing_is_lost(billing: BillingReader) -> None:
    owing = sum(debtor.owed.amount_fen for debtor in billing.debtors())
    months = ages_by_month(billing.owed_rows(), TODAY)
    days = ages_by_days(billing.owed_rows(), TODAY)
    assert months.total() == days.total() == owing > 0
    assert days.total(Age.UNKNOWN) == days.total(Age.NOT_DUE) == 0
    assert {product for product, _, _ in days.cells} == {"PSTN", "ADSL", "MOBILE", "TRUNK"}


def test_accounts_about_to_run_over_are_warned_of_soonest_first() -> None:
    rows = [
        owed("soon", 100, date(2026, 5, 24)), owed("soon", 50, date(2026, 10, 20)),
        owed("sooner", 10, date(2026, 10, 23)),
        owed("later", 10, date(2026, 6, 10)),
        owed("over", 10, date(2020, 1, 1)),
        owed("undated", 10, None),
        owed("refund", -10, date(2026, 10, 23)),
    ]  # fmt: skip
    found = list(soonest_first(about_to_run_over(rows, TODAY, within_days=7)))
    assert [(w.account, w.months, w.day, w.amount_fen) for w in found] == [
        ("sooner", 1, date(2026, 11, 24), 10),
        ("soon", 6, date(2026, 11, 25), 150),
    ]


def test_thresholds_can_be_ones_own() -> None:
    rows = [owed("a", 10, date(2026, 10, 23)), owed("b", 10, date(2026, 8, 25))]
    found = about_to_run_over(rows, TODAY, within_days=7, thresholds=[3])
    assert [(w.account, w.months) for w in found] == [("b", 3)]


def test_a_warning_prints_no_account() -> None:
    (warned,) = about_to_run_over([owed("4711", 1, date(2026, 10, 23))], TODAY, within_days=9)
    assert "4711" not in repr(warned)
