"""Bills of several months and calls by page: as one by one, in every layout on every server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from ivrd.billing.details import PAGE
from ivrd.billing.entities import Bill, NotReady
from ivrd.billing.mapping import load_mapping
from ivrd.billing.month_tables import months_between
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import Layout, profile_for, write_sample
from tests.billing.conftest import LAST, TODAY

FIRST, NEXT = "2026-04", "2026-11"
MONTHS = months_between(FIRST, NEXT)


def test_months_between_are_newest_first_and_none_where_turned_round() -> None:
    assert months_between("2025-11", "2026-02") == ["2026-02", "2026-01", "2025-12", "2025-11"]
    assert months_between("2026-02", "2026-02") == ["2026-02"]
    assert months_between("2026-03", "2026-02") == []


def test_bills_of_months_are_those_of_each_month(reader: BillingReader) -> None:
    # one with all bills, one without the last, one without any, and one that nobody knows
    for account, count in (("100001", 7), ("100004", 6), ("100012", 2), ("999999", 0)):
        one_by_one = [reader.bill(account, month) for month in MONTHS]
        together = reader.bills(account, FIRST, NEXT)
        assert together == [bill for bill in one_by_one if bill is not None]
        assert sum(isinstance(bill, Bill) for bill in together) == count, account
        assert [bill.month for bill in together if isinstance(bill, NotReady)] == [NEXT]


def test_months_whose_run_is_not_done_stand_among_the_bills(
    layout: Layout, tmp_path_factory: pytest.TempPathFactory, engine_on: Callable[..., Engine]
) -> None:
    file = tmp_path_factory.mktemp("not_ready") / "sample.db"
    write_sample(file, TODAY, accounts=20, layout=layout, last_month_ready=False)
    reader = BillingReader(load_mapping(profile_for(layout)), engine_on(file))
    newest, *others = reader.bills("100001", FIRST, LAST)
    assert newest == NotReady(LAST)
    assert [bill.month for bill in others] == MONTHS[2:]


def test_a_page_of_calls_is_what_one_by_one_gives(reader: BillingReader) -> None:
    for first, most in ((1, PAGE), (1, 3), (99, 5), (251, PAGE), (301, PAGE)):
        page, count = reader.details_page("100007", LAST, first, most)
        assert count == 300
        wanted = [
            reader.details("100007", LAST, position)[0]
            for position in sorted({first, first + 1, min(first + most - 1, count)})
            if first <= position <= count
        ]
        assert len(page) == min(most, max(count - first + 1, 0))
        assert [call.position for call in page] == list(range(first, first + len(page)))
        assert [call for call in page if call in wanted] == wanted


def test_no_page_stands_before_the_first_and_none_where_there_are_no_calls(
    reader: BillingReader,
) -> None:
    assert reader.details_page("100007", LAST, 0, 10) == ([], 300)
    assert reader.details_page("100010", LAST, 1, 10) == ([], 0)
