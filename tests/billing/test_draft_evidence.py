"""What data say: which columns add up and in which unit, and what codes mean."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.billing.draft import looks
from ivrd.billing.draft.codes import explained, flag_of
from ivrd.billing.draft.lexicon import lexicon
from ivrd.billing.draft.roles import Roles
from ivrd.billing.draft.sums import adds_up, times_unit, unit_of
from ivrd.billing.draft.survey import Col, Kind

ROLES = Roles(lexicon())
AMOUNTS = st.lists(st.integers(1, 99999), min_size=4, max_size=20)


def column(name: str, *values: Any, kind: Kind = "integer", comment: str = "") -> Col:
    return Col("t", name, kind, comment=comment, values=values)


@given(AMOUNTS, st.sampled_from([(1, 1), (1, 100), (1, 1000), (10, 1)]))
def test_items_are_found_that_make_a_total_in_another_unit(
    parts: list[int], times: tuple[int, int]
) -> None:
    first, second = column("A", *parts), column("B", *(n + 7 for n in parts))
    up, down = times
    total = column("T", *(Decimal(2 * n + 7) * up / down for n in parts), kind="decimal")
    found = adds_up(total, [first, second])
    assert found is not None
    assert found.items == {"A": 1, "B": 1}
    assert found.times == {"A": times, "B": times}


def test_two_units_in_one_table_are_told_apart() -> None:
    calls, extra = column("A", 2500, 1340, 99), column("B", "1.50", "0.05", "2.00", kind="decimal")
    total = column("T", "26.50", "13.45", "2.99", kind="decimal")
    found = adds_up(total, [calls, extra])
    assert found is not None
    assert found.times == {"A": (1, 100), "B": (1, 1)}


def test_a_column_that_is_no_part_is_left_out_and_a_discount_is_taken_off() -> None:
    a, b = column("A", 5, 7, 9, 11), column("B", 100, 250, 300, 99)
    stranger, off = column("M3", 12, 99, 3, 1), column("OFF", 1, 0, 2, 0)
    total = column("T", 104, 257, 307, 110)
    found = adds_up(total, [a, b, stranger], minus=[off])
    assert found is not None
    assert found.items == {"A": 1, "B": 1, "OFF": -1}


def test_one_column_that_is_always_the_total_proves_nothing() -> None:
    a, zero = column("A", 5, 7, 9), column("B", 0, 0, 0)
    assert adds_up(column("T", 5, 7, 9), [a, zero]) is None


@given(AMOUNTS)
def test_numbers_that_do_not_add_up_are_not_made_to(parts: list[int]) -> None:
    total = column("T", *(3 * n * n + 31 for n in range(len(parts))))
    a, b = column("A", *parts), column("B", *(n + 1 for n in parts))
    found = adds_up(total, [a, b])
    if found:
        rows = zip(total.values, a.values, b.values, strict=True)
        assert any(t * 1000 in {x * k, y * k, (x + y) * k} for t, x, y in rows for k in
                   (1, 10, 100, 1000, 10_000, 100_000, 1_000_000))  # fmt: skip


@pytest.mark.parametrize(
    ("col", "unit"),
    [
        (column("JE", "12.50", "7.05", kind="decimal"), "yuan"),
        (column("AMT_FEN", 5, 6), "fen"),
        (column("F1", 5, 6, comment="金额(分)"), "fen"),
        (column("F1", 5, 6, comment="费用，单位：厘"), "li"),
        (column("F1", 5, 6, comment="应收金额(元)"), "yuan"),
        (column("JE", 2531, 4999, 10213), "fen"),
        (column("JE", 12340, 25010, 99990, 101230, 45670), "li"),
    ],
)
def test_the_unit_is_told_by_name_comment_or_values(col: Col, unit: str) -> None:
    assert unit_of(col, ROLES).unit == unit


def test_units_of_one_another() -> None:
    assert times_unit("yuan", (1, 100)) == "fen"
    assert times_unit("yuan", (1, 1000)) == "li"
    assert times_unit("fen", (100, 1)) == "yuan"
    assert times_unit("yuan", (100, 1)) is None


@pytest.mark.parametrize(
    ("comment", "meanings"),
    [
        ("缴费状态 0未缴 1已缴", {"0": "未缴", "1": "已缴"}),
        ("0-未缴；1-已缴", {"0": "未缴", "1": "已缴"}),
        ("Y:paid, N:unpaid", {"Y": "paid", "N": "unpaid"}),
        ("状态（10:正常、20:停机、30:销户）", {"10": "正常", "20": "停机", "30": "销户"}),
        ("已缴=1,未缴=0", {"1": "已缴", "0": "未缴"}),
        ("用户编号", {}),
        ("", {}),
    ],
)
def test_comments_explain_codes(comment: str, meanings: dict[str, str]) -> None:
    assert explained(comment) == meanings


@given(st.text(max_size=60))
def test_any_comment_can_be_read(comment: str) -> None:
    assert len(explained(comment)) != 1


def test_a_date_of_payment_tells_which_code_is_yes() -> None:
    flag = column("ZT", "A", "B", "A", "B", kind="text")
    paid = column("D", "2026-09-01", None, "2026-09-03", "", kind="text")
    found = flag_of(flag, lexicon(), shown=[(paid, "there")])
    assert found is not None
    assert (found.yes, found.no) == (("A",), ("B",))


def test_a_code_that_payments_contradict_is_not_taken() -> None:
    state = column("STATE", 0, 1, 0, 1)
    received = column("PAID", 10, 0, 0, 20)
    assert flag_of(state, lexicon(), shown=[(received, "some")]) is None


def test_a_column_that_says_the_contrary_is_turned_round() -> None:
    found = flag_of(column("DNC", "T", "F", kind="text"), lexicon(), inverted=True)
    assert found is not None
    assert (found.yes, found.no) == (("F",), ("T",))


@pytest.mark.parametrize(
    ("values", "pattern"),
    [
        (("202609", "202610"), "YYYYMM"),
        ((202609, 202610), "YYYYMM"),
        (("2026-09",), "YYYY-MM"),
        (("2026年09月",), "YYYY年MM月"),
        (("20260901", "20261001"), "YYYYMM01"),
        (("10/2026",), "MM/YYYY"),
        (("2609", "2610"), "YYMM"),
        (("88610001",), None),
        (("209913", "202601"), None),
        ((), None),
    ],
)
def test_months_are_known_by_how_they_are_written(values: tuple[Any, ...], pattern: str) -> None:
    assert looks.written(column("c", *values), looks.MONTHS) == pattern


def test_numbers_of_people_are_told_by_their_form() -> None:
    assert looks.phones(column("c", "13800571234", "0571-88610001", "+8613800571234")) == 1.0
    assert looks.phones(column("c", "12", "abc")) == 0.0
    assert looks.identities(column("c", "330199198001010017")) == 1.0
    assert looks.padded(column("c", "A1   ", "B22  ")) == 5
    assert looks.padded(column("c", "A1", "B2")) is None
