"""The edges of the ages of arrears, for every day on which a bill may be due."""

from __future__ import annotations

import calendar
import tracemalloc
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ivrd.billing.entities import Arrears, OwedRow
from ivrd.dunning.ages import (
    EVERY,
    THRESHOLDS,
    Age,
    Warned,
    about_to_run_over,
    age_by_days,
    ages_by_days,
    ages_by_month,
    months_old,
    run_over,
    soonest_first,
)

DAY = timedelta(days=1)
DAYS = st.dates(date(1996, 1, 1), date(2104, 12, 31))
"""With the leap years 1996, 2000 and 2104, and 2100, which is none."""

OLDER = dict(zip(THRESHOLDS, list(Age)[2:], strict=False))
"""The age that begins when a debt has run over a threshold."""


@given(DAYS, st.sampled_from(THRESHOLDS))
@example(date(2024, 2, 29), 12)
@example(date(2024, 2, 29), 24)
@example(date(2027, 12, 31), 2)
@example(date(2026, 8, 31), 6)
def test_a_month_ends_on_its_day_of_the_later_month_or_on_that_months_last(
    due: date, months: int
) -> None:
    last = run_over(due, months) - DAY
    assert (last.year - due.year) * 12 + last.month - due.month == months
    longest = calendar.monthrange(last.year, last.month)[1]
    assert last.day == due.day or (last.day == longest and due.day > longest)


@given(DAYS, st.sampled_from(THRESHOLDS))
def test_the_upper_end_is_within_and_the_day_after_is_not(due: date, months: int) -> None:
    over = run_over(due, months)
    order = list(Age)
    assert order.index(age_by_days(due, over - DAY)) < order.index(OLDER[months])
    assert age_by_days(due, over) is OLDER[months]


@given(DAYS)
def test_the_first_day_past_due_is_of_this_month(due: date) -> None:
    assert age_by_days(due, due) is Age.NOT_DUE
    assert age_by_days(due, due + DAY) is Age.THIS_MONTH


@given(DAYS, st.integers(0, 60))
def test_a_bill_grows_a_month_older_with_each_month_of_the_calendar(today: date, back: int) -> None:
    count = today.year * 12 + today.month - 1 - back
    month = f"{count // 12:04}-{count % 12 + 1:02}"
    assert months_old(month, today) == max(back, 1)


ROWS = st.lists(
    st.builds(
        lambda account, fen, due, months, product, group, dated: OwedRow(
            Arrears(f"{account:02}", fen, months, due, product, group),
            f"{due:%Y-%m}" if dated else None,
        ),
        st.integers(0, 9), st.integers(-500, 90_000), st.dates(date(2021, 1, 1), date(2026, 12, 9)),
        st.integers(1, 40), st.sampled_from(["PSTN", "ADSL", None]),
        st.sampled_from(["HOME", "COMPANY", None]), st.booleans(),
    ),
    max_size=30,
).map(lambda rows: sorted(rows, key=lambda row: row.owed.account_id))  # fmt: skip


@given(ROWS, st.booleans())
def test_sums_lose_nothing_and_count_each_account_once(rows: list[OwedRow], by_days: bool) -> None:
    today = date(2026, 11, 22)
    table = ages_by_days(rows, today) if by_days else ages_by_month(rows, today)
    owed = sum(row.owed.amount_fen for row in rows)
    assert table.total() == owed
    for place in range(3):
        several = [amount for key, amount in table.sums.items() if key[place] is not EVERY]
        assert sum(amount.fen for amount in several) == owed
        assert all(amount.accounts <= 10 for amount in several)
    if rows:
        whole = table.sums[EVERY, EVERY, EVERY]
        assert whole.fen == owed
        assert whole.accounts == len({row.owed.account_id for row in rows})
        assert whole.bills == sum(amount.bills for amount in table.cells.values())


@given(ROWS, st.integers(1, 366), st.sets(st.sampled_from(THRESHOLDS), min_size=1))
def test_who_is_warned_of_runs_over_just_then_and_the_soonest_comes_first(
    rows: list[OwedRow], within: int, thresholds: set[int]
) -> None:
    today = date(2026, 11, 22)
    found = list(soonest_first(about_to_run_over(
        rows, today, within_days=within, thresholds=sorted(thresholds)
    )))  # fmt: skip
    assert [one.day for one in found] == sorted(one.day for one in found)
    assert len({one.account for one in found}) == len(found)
    for one in found:
        assert one.months in thresholds
        assert today < one.day <= today + timedelta(days=within)
        assert age_by_days(one.due, one.day - DAY) is not age_by_days(one.due, one.day)


def warned(count: int) -> Iterator[Warned]:
    for number in range(count):
        yield Warned(f"account {number:07}", "PSTN", "HOME", number % 977, date(2026, 10, 22), 1,
                     date(2026, 11, 23) + timedelta(days=number * 7919 % 30))  # fmt: skip


@pytest.mark.parametrize("count", [20_000])
def test_memory_does_not_grow_with_who_is_warned_of(count: int) -> None:
    tracemalloc.start()
    try:
        days = [one.day for one in soonest_first(warned(count))]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert days == sorted(days)
    assert len(days) == count
    assert most < 60 * count, "a list of them all would have 200 bytes and more for each"
