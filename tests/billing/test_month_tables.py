"""Names that stand for a table each month."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.billing.month_tables import (
    is_monthly,
    months_among,
    months_until,
    names_a_month,
    of_month,
)

MONTHS = st.builds("{:04}-{:02}".format, st.integers(2000, 2099), st.integers(1, 12))
NAMES = ("bill_{yyyymm}", "账单{yyyy}年{mm}月", "b{yymm}", "{mm}.{yyyy}.fee", "bill {yy}{mm}")


@given(MONTHS, st.sampled_from(NAMES))
def test_a_name_made_for_a_month_is_found_again_as_that_months(month: str, name: str) -> None:
    table = of_month(name, month)
    assert months_among(name, ["bill", table, "bill_202613", "bill_x"]) == {month: table}


@pytest.mark.parametrize(
    ("name", "whole"),
    [("bill", False), ("bill_{yyyy}", False), ("bill_{mm}", False), ("bill_{yyyymm}_{mm}", False),
     ("bill_{yymm}", True), ("bill_{mm}_{yyyy}", True)],
)  # fmt: skip
def test_a_name_must_give_year_and_month_once(name: str, whole: bool) -> None:
    assert names_a_month(name) is whole


def test_a_name_without_braces_stands_for_itself() -> None:
    assert not is_monthly("bill_202610")
    assert of_month("bill_202610", "2026-11") == "bill_202610"


def test_months_are_told_backwards_over_the_year() -> None:
    assert months_until("2026-02", 4) == ["2026-02", "2026-01", "2025-12", "2025-11"]
