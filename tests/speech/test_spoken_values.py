"""Values as they come out of a call: what is taken, what is refused, and how numbers group."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.errors import SpeechError
from ivrd.speech import GRAMMARS
from ivrd.speech.grammar import KINDS, LARGEST, speaker

GRAMMAR = GRAMMARS["zh-CN"]

WRONG = [
    ("integer", 1.0),
    ("integer", "1"),
    ("integer", True),
    ("integer", None),
    ("integer", LARGEST + 1),
    ("money", 12.5),
    ("money", "1250"),
    ("money", False),
    ("money", (LARGEST + 1) * 100),
    ("month", "202610"),
    ("month", "2026-13"),
    ("month", "2026-1"),
    ("month", 202610),
    ("date", "2026-06-31"),
    ("date", "2026-10"),
    ("date", "20261020"),
    ("date", "0000-01-01"),
    ("day", None),
    ("time", "24:00"),
    ("time", "14:60"),
    ("time", "14:05:60"),
    ("time", "1405"),
    ("exact_time", "14:05"),
    ("duration", -1),
    ("duration", 1.5),
    ("duration", "60"),
    ("digits", ""),
    ("digits", "12a"),
    ("digits", "٣"),
    ("digits", 12),
    ("digits", "1" * 41),
    ("phone", ""),
    ("phone", "+"),
    ("phone", "1x8"),
    ("phone", "138--001"),
    ("phone", 13800138000),
    ("item", ""),
    ("item", "../welcome"),
    ("item", "月租费"),
    ("item", 3),
    ("prompt", ""),
    ("prompt", "../welcome"),
    ("prompt", None),
]


@pytest.mark.parametrize(("kind", "value"), WRONG)
def test_a_value_of_the_wrong_kind_is_refused_without_being_repeated(
    kind: str, value: object
) -> None:
    with pytest.raises(SpeechError) as caught:
        speaker(GRAMMAR, kind)(value)
    assert str(caught.value).startswith("expected ")
    assert not value or str(value) not in str(caught.value).split()


def test_every_kind_refuses_something() -> None:
    assert {kind for kind, _ in WRONG} == set(KINDS)


@given(st.sampled_from(KINDS), st.one_of(st.text(), st.integers(), st.floats(), st.none()))
def test_any_value_is_spoken_or_refused(kind: str, value: object) -> None:
    try:
        ids = speaker(GRAMMAR, kind)(value)
    except SpeechError:
        return
    assert ids
    assert kind in {"item", "prompt"} or set(ids) <= GRAMMAR.ids


def test_an_unknown_kind_has_no_speaker() -> None:
    with pytest.raises(KeyError):
        speaker(GRAMMAR, "colour")


def _groups(kind: str, value: str) -> str:
    digits = (
        id_.replace("pause_short", " ").replace("d_plus", "+").removeprefix("d_")
        for id_ in speaker(GRAMMAR, kind)(value)
    )
    return "".join(digits)


@pytest.mark.parametrize(
    ("value", "groups"),
    [
        ("110", "110"),
        ("95588", "95588"),
        ("123456", "123456"),
        ("6234567", "623 4567"),
        ("62345678", "6234 5678"),
        ("13800138000", "138 0013 8000"),
        ("01062345678", "010 6234 5678"),
        ("02112345678", "021 1234 5678"),
        ("075512345678", "0755 1234 5678"),
        ("05511234567", "0551 123 4567"),
        ("+8613800138000", "+86 138 0013 8000"),
        ("+86", "+86"),
        ("+12025550123", "+120 2555 0123"),
        ("010-6234-5678", "010 6234 5678"),
        ("886100010001", "8861 0001 0001"),
    ],
)
def test_a_telephone_number_pauses_where_people_pause(value: str, groups: str) -> None:
    assert _groups("phone", value) == groups


def test_long_digit_strings_pause_every_four() -> None:
    assert _groups("digits", "010") == "010"
    assert _groups("digits", "886100010") == "8861 0001 0"


@given(st.text("0123456789", min_size=1, max_size=40), st.sampled_from(["digits", "phone"]))
def test_no_digit_is_lost(value: str, kind: str) -> None:
    assert _groups(kind, value).replace(" ", "") == value
