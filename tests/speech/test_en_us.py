"""English: hard cases by hand, and all numbers against num2words where it speaks as people do.

num2words writes British: "one hundred and five", commas between groups. The bill is American:
no "and" within a number, so the comparison drops both. Nothing else differed in a million
numbers up to 10^12. Its money (``to="currency"``) has no yuan and fen, so none is compared.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import chain
from typing import TypeAlias

import num2words
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrd.resources import PROMPTS
from ivrd.speech import GRAMMARS
from ivrd.speech.grammar import LARGEST
from ivrd.speech.texts import load_texts

Says: TypeAlias = Callable[[str, object], str]

TEXTS = {id_: text.text for id_, text in load_texts(PROMPTS / "en-US").texts.items()}
GRAMMAR = GRAMMARS["en-US"]


@pytest.mark.parametrize(
    ("fen", "text"),
    [
        (0, "zero yuan"),
        (1, "one fen"),
        (5, "five fen"),
        (50, "fifty fen"),
        (1_00, "one yuan"),
        (2_00, "two yuan"),
        (10_00, "ten yuan"),
        (10_05, "ten yuan and five fen"),
        (12_00, "twelve yuan"),
        (100_10, "one hundred yuan and ten fen"),
        (123_45, "one hundred twenty-three yuan and forty-five fen"),
        (200_00, "two hundred yuan"),
        (1010_00, "one thousand ten yuan"),
        (2000_00, "two thousand yuan"),
        (10010_00, "ten thousand ten yuan"),
        (20000_00, "twenty thousand yuan"),
        (
            22222_22,
            "twenty-two thousand two hundred twenty-two yuan and twenty-two fen",
        ),
        (100000000_01, "one hundred million yuan and one fen"),
        (-3_50, "a refund of three yuan and fifty fen"),
        (-5, "a refund of five fen"),
    ],
)
def test_amounts_are_spoken_in_yuan_and_fen(en: Says, fen: int, text: str) -> None:
    assert en("money", fen) == text


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("integer", 0, "zero"),
        ("integer", 105, "one hundred five"),
        ("integer", -12, "minus twelve"),
        ("integer", 1_000_001, "one million one"),
        ("month", "2026-10", "October twenty twenty-six"),
        ("month", "2005-01", "January two thousand five"),
        ("month", "2000-01", "January two thousand"),
        ("month", "2010-05", "May twenty ten"),
        ("month", "2100-05", "May two thousand one hundred"),
        ("date", "2026-10-20", "October twentieth twenty twenty-six"),
        ("date", "1999-12-31", "December thirty-first nineteen ninety-nine"),
        ("date", "1905-03-03", "March third nineteen oh five"),
        ("day", "2026-10-01", "October first"),
        ("time", "00:00", "twelve midnight"),
        ("time", "00:05", "twelve oh five a.m."),
        ("time", "12:00", "twelve noon"),
        ("time", "12:30", "twelve thirty p.m."),
        ("time", "14:00:30", "two p.m."),
        ("time", "14:05:09", "two oh five p.m."),
        ("exact_time", "14:05:09", "two oh five p.m. and nine seconds"),
        ("exact_time", "12:00:01", "twelve p.m. and one second"),
        ("exact_time", "23:59:00", "eleven fifty-nine p.m."),
        ("duration", 0, "zero seconds"),
        ("duration", 1, "one second"),
        ("duration", 60, "one minute"),
        ("duration", 192, "three minutes twelve seconds"),
        ("duration", 3600, "one hour"),
        ("duration", 7265, "two hours one minute five seconds"),
        ("digits", "010", "zero one zero"),
        ("phone", "13800138000", "one three eight zero zero one three eight zero zero zero"),
        ("phone", "+1 202", "plus one two zero two"),
        ("item", "adjustments", "Adjustments,"),
    ],
)
def test_numbers_dates_times_durations_and_digits(
    en: Says, kind: str, value: object, text: str
) -> None:
    assert en(kind, value) == text


def _spoken(n: int) -> str:
    return " ".join(TEXTS[id_] for id_ in GRAMMAR.integer(n))


def _oracle(n: int) -> str:
    words: str = num2words.num2words(n)
    return words.replace(" and ", " ").replace(",", "")


def test_fifty_thousand_numbers_read_as_num2words_writes_them() -> None:
    for n in chain(range(10_000), range(10_000, LARGEST, LARGEST // 40_000)):
        assert _spoken(n) == _oracle(n), n


@settings(max_examples=1500, deadline=None)
@given(st.integers(0, LARGEST))
def test_any_number_reads_as_num2words_writes_it(n: int) -> None:
    assert _spoken(n) == _oracle(n)


@given(st.integers(2000, 2099))
def test_any_year_of_this_century_reads_as_num2words_writes_it(year: int) -> None:
    spoken = " ".join(TEXTS[id_] for id_ in GRAMMAR.month(year, 5)[1:])
    oracle: str = num2words.num2words(year, to="year")
    assert spoken == oracle.replace(" and ", " ")


@given(st.integers(-LARGEST * 100, LARGEST * 100), st.integers(0, LARGEST), st.dates())
def test_whatever_is_spoken_is_in_the_declared_ids(fen: int, seconds: int, day: dt.date) -> None:
    spoken = {
        *GRAMMAR.money(fen),
        *GRAMMAR.integer(fen // 100),
        *GRAMMAR.duration(seconds),
        *GRAMMAR.date(day),
        *GRAMMAR.month(day.year, day.month),
        *GRAMMAR.time(seconds % 24, seconds % 60, fen % 60),
    }
    assert spoken <= GRAMMAR.ids
