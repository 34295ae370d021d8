"""The day of a promise, from the four digits keyed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.dunning.promised_day import Past, TooFar, read_day

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("keyed", "day"),
    [
        ("1121", TODAY),
        ("1201", date(2026, 12, 1)),
        ("1221", date(2026, 12, 21)),
    ],
)
def test_day_within_reach_is_taken(keyed: str, day: date) -> None:
    assert read_day(keyed, TODAY, 30) == day


def test_day_of_january_is_next_years_in_december() -> None:
    assert read_day("0105", date(2026, 12, 20), 30) == date(2027, 1, 5)


@pytest.mark.parametrize("keyed", ["", "12", "1331", "0231", "0000", "12345", "1１21", "ab12"])
def test_no_such_day(keyed: str) -> None:
    assert read_day(keyed, TODAY, 30) is None


@pytest.mark.parametrize("keyed", ["1120", "0820", "0630"])
def test_day_that_is_over_is_past(keyed: str) -> None:
    assert read_day(keyed, TODAY, 30) == Past()


@pytest.mark.parametrize("keyed", ["1222", "0301", "0115"])
def test_day_out_of_reach_is_told_with_the_latest(keyed: str) -> None:
    assert read_day(keyed, TODAY, 30) == TooFar(date(2026, 12, 21))


def test_leap_day_is_of_the_year_that_has_it() -> None:
    assert read_day("0229", date(2028, 2, 1), 30) == date(2028, 2, 29)
    assert read_day("0229", date(2027, 12, 1), 366) == date(2028, 2, 29)
    assert read_day("0229", TODAY, 30) is None


@given(st.dates(date(2024, 1, 1), date(2040, 12, 31)), st.integers(1, 366), st.text("0123456789"))
def test_what_is_taken_is_the_day_keyed_and_within_reach(
    today: date, most_days: int, keyed: str
) -> None:
    found = read_day(keyed, today, most_days)
    if isinstance(found, date):
        assert today <= found <= today + timedelta(days=most_days)
        assert f"{found:%m%d}" == keyed


@given(st.dates(date(2024, 1, 1), date(2040, 12, 31)), st.integers(0, 364))
def test_every_day_of_the_coming_year_is_reached_where_the_campaign_lets_it(
    today: date, ahead: int
) -> None:
    day = today + timedelta(days=ahead)
    assert read_day(f"{day:%m%d}", today, 366) == day
