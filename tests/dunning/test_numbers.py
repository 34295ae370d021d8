"""Numbers: what people and databases write becomes E.164, and the dial plan bars the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.dunning.numbers import NumberKind, NumberPlan, NumberProblem

BEIJING = NumberPlan("86", "010")
NEW_YORK = NumberPlan("1", "212")


@pytest.mark.parametrize(
    ("text", "e164"),
    [
        ("88610001", "+861088610001"),
        ("８８６１０００１", "+861088610001"),
        ("8861 0001", "+861088610001"),
        ("(010) 8861-0001", "+861088610001"),
        ("（010）88610001", "+861088610001"),
        ("01088610001", "+861088610001"),
        ("0571-88610001", "+8657188610001"),
        ("13800138000", "+8613800138000"),
        ("013800138000", "+8613800138000"),
        ("138 0013 8000", "+8613800138000"),
        ("+86 138 0013 8000", "+8613800138000"),
        ("0086 10 88610001", "+861088610001"),
        ("17012345678", "+8617012345678"),
        ("+852 9123 4567", "+85291234567"),
    ],
)
def test_what_people_write_becomes_e164(text: str, e164: str) -> None:
    assert BEIJING.e164(text) == e164
    assert BEIJING.e164(e164) == e164, "and stays so"


@pytest.mark.parametrize("area", ["010", "10"])
def test_area_code_may_be_written_with_its_trunk_prefix_or_without(area: str) -> None:
    assert NumberPlan("86", area).e164("88610001") == "+861088610001"


def test_bare_local_number_is_not_taken_for_another_areas() -> None:
    # by the numbering plan alone 88610001 is 10001 in area 886
    with pytest.raises(NumberProblem, match="no home area code"):
        NumberPlan("86").e164("88610001")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no number"),
        ("  ", "no number"),
        ("88610001转12", "extension"),
        ("88610001 ext. 12", "extension"),
        ("88610001#12", "extension"),
        ("unknown", "characters"),
        ("8861o001", "characters"),
        ("110", "service or emergency"),
        ("119", "service or emergency"),
        ("120", "service or emergency"),
        ("10086", "service or emergency"),
        ("12345", "service or emergency"),
        ("95588", "service or emergency"),
        ("010-95588", "no number of its"),
        ("010-110", "no number of its"),
        ("8861000", "no number of its"),
        ("886100012", "no number of its"),
        ("+86110", "no number of its"),
        ("+999123456", "no number of its"),
    ],
)
def test_what_cannot_be_called_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(NumberProblem) as caught:
        BEIJING.e164(text)
    assert why in str(caught.value)


@given(st.text(max_size=20))
def test_any_text_is_a_number_or_a_problem_that_does_not_repeat_it(text: str) -> None:
    try:
        number = BEIJING.e164(text)
    except NumberProblem as problem:
        digits, told = "".join(char for char in text if char.isdigit()), str(problem)
    else:
        digits, told = "", ""
        assert number.startswith("+")
        assert number[1:].isdigit()
    assert len(digits) < 4 or digits not in told


@given(st.integers(min_value=0, max_value=10**15).map(lambda n: f"+{n}"))
def test_any_digits_are_judged_and_what_is_let_through_is_a_line_at_home(number: str) -> None:
    if BEIJING.blocked(number) is None:
        assert number.startswith("+86")
        assert BEIJING.kind(number) is not NumberKind.OTHER


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+86110", "not a number"),
        ("+861088610001x", "not a number"),
        ("88610001", "not a number"),
        ("+8695588", "service or emergency"),
        ("+8612345", "service or emergency"),
        ("+8610086", "service or emergency"),
        ("+861095588", "service or emergency number behind"),
        ("+8688610001", "service or emergency number behind"),
        ("+864008001234", "400"),
        ("+868008101234", "800"),
        ("+8616812345", "premium"),
        ("+85291234567", "abroad"),
        ("+12125550123", "abroad"),
        ("+8810612345678", "not a number of its country"),
    ],
)
def test_dial_plan_bars(number: str, why: str) -> None:
    told = BEIJING.blocked(number)
    assert told is not None
    assert why in told


@pytest.mark.parametrize("number", ["+861088610001", "+8657188610001", "+8613800138000"])
def test_dial_plan_lets_lines_and_mobiles_through(number: str) -> None:
    assert BEIJING.blocked(number) is None


@pytest.mark.parametrize("prefix", ["+86170", "170", "0170", "17"])
def test_a_configured_prefix_is_barred_however_it_is_written(prefix: str) -> None:
    plan = NumberPlan("86", "010", blocked_prefixes=(prefix,))
    assert "blocks" in (plan.blocked("+8617012345678") or "")
    assert plan.blocked("+8613800138000") is None


def test_abroad_is_allowed_by_prefix_and_no_further() -> None:
    plan = NumberPlan("86", "010", abroad=("+852",))
    assert plan.blocked("+85291234567") is None
    assert "abroad" in (plan.blocked("+85366123456") or "")


@pytest.mark.parametrize("number", ["+18765550123", "+16135550123"])
def test_another_country_that_shares_the_code_is_abroad(number: str) -> None:
    assert "abroad" in (NEW_YORK.blocked(number) or "")
    assert NEW_YORK.blocked("+12125550123") is None
    assert "premium" in (NEW_YORK.blocked("+19005550123") or "")


def test_kind_of_number() -> None:
    assert BEIJING.kind("+861088610001") is NumberKind.FIXED
    assert BEIJING.kind("+8613800138000") is NumberKind.MOBILE
    assert NEW_YORK.kind("+12125550123") is NumberKind.FIXED_OR_MOBILE
    assert BEIJING.kind("+864008001234") is NumberKind.OTHER


@pytest.mark.parametrize(
    ("number", "national", "local"),
    [
        ("+861088610001", "01088610001", "88610001"),
        ("+8657188610001", "057188610001", "057188610001"),
        ("+8613800138000", "13800138000", "13800138000"),
        ("+85291234567", "0085291234567", "0085291234567"),
    ],
)
def test_what_the_trunk_is_given(number: str, national: str, local: str) -> None:
    assert BEIJING.dialled(number) == number
    assert BEIJING.dialled(number, "national") == national
    assert BEIJING.dialled(number, "local") == local


@given(st.from_regex(r"\+86(10[2-8][0-9]{7}|1[38][0-9]{9})", fullmatch=True))
def test_what_is_dialled_at_home_reads_back_as_the_same_number(number: str) -> None:
    if BEIJING.blocked(number) is not None:
        return
    assert BEIJING.e164(BEIJING.dialled(number, "national")) == number
    assert BEIJING.e164(BEIJING.dialled(number, "local")) == number


def test_country_code_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no country code"):
        NumberPlan("999")
