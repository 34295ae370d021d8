"""Money, months and dates out of columns."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.billing.columns import MonthColumn
from ivrd.billing.keys import as_key
from ivrd.billing.months import MonthWriter
from ivrd.billing.values import (
    Pattern,
    Unit,
    clock_time_of,
    day_of,
    fen,
    instant_of,
    number,
    text_of,
)

AMOUNTS = st.integers(-(10**11), 10**11)


@given(AMOUNTS)
def test_yuan_in_any_form_give_the_same_fen(amount: int) -> None:
    yuan = Decimal(amount) / 100
    assert fen(yuan, "yuan") == amount
    assert fen(str(yuan), "yuan") == amount
    assert fen(float(yuan), "yuan") == amount


@given(AMOUNTS)
def test_fen_in_any_form_stay_as_they_are(amount: int) -> None:
    assert fen(amount, "fen") == amount
    assert fen(Decimal(amount), "fen") == amount
    assert fen(float(amount), "fen") == amount


@given(st.lists(st.integers(-10000, 10000), max_size=50))
def test_the_noise_of_summed_doubles_is_no_fraction_of_a_fen(amounts: list[int]) -> None:
    assert fen(sum(amount / 100 for amount in amounts), "yuan") == sum(amounts)


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (0.005, "yuan"), (Decimal("1.001"), "yuan"), ("0.5", "fen"), ("", "fen"), ("12,50", "yuan"),
        (float("nan"), "fen"), (float("inf"), "fen"), (True, "fen"), (b"1", "fen"), ("A", "fen"),
    ],
)  # fmt: skip
def test_what_is_no_whole_amount_is_refused_without_being_repeated(
    value: object, unit: Unit
) -> None:
    with pytest.raises(ValueError, match=r"^not (an amount|a whole number of fen)$"):
        fen(value, unit)


def test_no_amount_is_nothing() -> None:
    assert fen(None, "yuan") == 0


def test_a_count_is_never_negative() -> None:
    assert number("61") == 61
    with pytest.raises(ValueError, match="not a count"):
        number(-1)


MONTHS = st.tuples(st.integers(1900, 2199), st.integers(1, 12))


@given(MONTHS, st.sampled_from(["YYYYMM", "YYYY-MM", "YYYY/MM", "MM.YYYY", "YYYYMM01"]))
def test_a_month_is_read_as_it_is_written(month: tuple[int, int], text: str) -> None:
    pattern = Pattern(text)
    assert pattern.parse(pattern.write(*month))[:2] == month


@pytest.mark.parametrize("text", ["", "MM-MM", "YYYYmonth", "yy-mm", "99"])
def test_a_pattern_that_says_nothing_clear_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="YYYY"):
        Pattern(text)


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ({"column": "m"}, "202609"),
        ({"column": "m", "format": "YYYY-MM"}, "2026-09"),
        ({"column": "m", "type": "integer"}, 202609),
        ({"column": "m", "type": "date"}, date(2026, 9, 1)),
    ],
)
def test_a_month_is_written_as_its_column_holds_it(column: dict[str, str], written: object) -> None:
    assert MonthWriter(MonthColumn.model_validate(column))("2026-09")["month"] == written


@pytest.mark.parametrize(
    "value", ["20261120", 20261120, date(2026, 11, 20), datetime.fromisoformat("2026-11-20")]
)
def test_a_date_is_read_from_text_number_and_date(value: object) -> None:
    assert day_of(value, Pattern("YYYYMMDD")) == date(2026, 11, 20)


@pytest.mark.parametrize("value", [None, ""])
def test_no_date_is_none(value: object) -> None:
    assert day_of(value, Pattern("YYYYMMDD")) is None


@pytest.mark.parametrize("value", ["20261131", "2026-11-30", 5, 1.5])
def test_what_is_no_date_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        day_of(value, Pattern("YYYYMMDD"))


def test_times_are_read_from_text_and_from_numbers_without_leading_zeros() -> None:
    assert clock_time_of("091520", Pattern("hhmmss")) == time(9, 15, 20)
    assert clock_time_of(91520, Pattern("hhmmss")) == time(9, 15, 20)
    assert clock_time_of(time(1, 2), Pattern("hhmmss")) == time(1, 2)


def test_an_instant_is_read_from_one_column() -> None:
    when = datetime(2026, 10, 3, 9, 15, 20)  # noqa: DTZ001 - the zone is the mapping's
    assert instant_of("2026-10-03 09:15:20", Pattern("YYYY-MM-DD hh:mm:ss")) == when
    assert instant_of(when, Pattern("YYYY")) == when


def test_blank_text_is_none() -> None:
    assert [text_of(value) for value in (None, "  ", " A ", 7)] == [None, None, "A", "7"]


@pytest.mark.parametrize("keyed", ["", "12A", "*", "１２", "1" * 19, "-1"])
def test_an_integer_key_takes_digits_alone(keyed: str) -> None:
    assert as_key(keyed, "integer") is None


def test_a_month_of_dates_is_from_its_first_day_to_the_next_months() -> None:
    write = MonthWriter(MonthColumn.model_validate({"column": "m", "type": "date"}))
    assert write("2026-12") == {"month": date(2026, 12, 1), "month_after": date(2027, 1, 1)}


@pytest.mark.parametrize(
    ("value", "unit", "in_fen"),
    [(12340, "li", 1234), (Decimal("7.5"), "jiao", 75), (3, "jiao", 30), (2, "major", 200),
     ("19.99", "major", 1999), (1999, "minor", 1999)],
)  # fmt: skip
def test_every_unit_is_read_into_fen(value: object, unit: Unit, in_fen: int) -> None:
    assert fen(value, unit) == in_fen


def test_a_part_of_a_fen_in_li_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number of fen"):
        fen(12345, "li")


def test_a_year_of_two_digits_is_of_this_century() -> None:
    pattern = Pattern("YYMM")
    assert pattern.parse(2609)[:2] == (2026, 9)
    assert pattern.write(2026, 9) == "2609"
    assert Pattern("YYYY年MM月").write(2026, 9) == "2026年09月"
