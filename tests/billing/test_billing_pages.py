"""Bills of several months and calls by page: the same as one by one, in every layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ivrd.billing.engine import engine_from
from ivrd.billing.entities import NotReady
from ivrd.billing.mapping import load_mapping
from ivrd.billing.month_tables import months_between
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import LAYOUTS_AND_PROFILES, Layout, profile_for, write_sample
from tests.call_office import TODAY

MONTHS = months_between("2026-04", "2026-11")


@pytest.fixture(scope="module", params=sorted(LAYOUTS_AND_PROFILES))
def reader(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BillingReader]:
    layout: Layout = request.param
    file: Path = tmp_path_factory.mktemp(layout) / "sample.db"
    write_sample(file, TODAY, accounts=20, months=8, layout=layout, last_month_ready=False)
    engine = engine_from(f"sqlite:///{file}")
    yield BillingReader(load_mapping(profile_for(layout)), engine)
    engine.dispose()


def test_months_between_are_newest_first_and_none_where_turned_round() -> None:
    assert months_between("2025-11", "2026-02") == ["2026-02", "2026-01", "2025-12", "2025-11"]
    assert months_between("2026-02", "2026-02") == ["2026-02"]
    assert months_between("2026-03", "2026-02") == []


@pytest.mark.parametrize("account", ["100001", "100004", "100008", "999999"])
def test_bills_of_months_are_those_of_each_month(reader: BillingReader, account: str) -> None:
    one_by_one = [reader.bill(account, month) for month in MONTHS]
    assert reader.bills(account, "2026-04", "2026-11") == [bill for bill in one_by_one if bill]
    not_ready = [bill.month for bill in one_by_one if isinstance(bill, NotReady)]
    assert not_ready[:2] == ["2026-11", "2026-10"]


@pytest.mark.parametrize(("first", "most"), [(1, 100), (1, 3), (99, 5), (251, 100), (301, 100)])
def test_a_page_of_calls_is_what_one_by_one_gives(
    reader: BillingReader, first: int, most: int
) -> None:
    page, count = reader.details_page("100007", "2026-09", first, most)
    _, counted = reader.details("100007", "2026-09", 1)
    wanted = [
        reader.details("100007", "2026-09", position)[0]
        for position in range(first, min(first + most, counted + 1))
    ]
    assert (page, count) == (wanted, counted)


def test_no_page_stands_before_the_first(reader: BillingReader) -> None:
    assert reader.details_page("100007", "2026-09", 0, 10)[0] == []
