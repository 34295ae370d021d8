"""Handles for accounts: one owner each, an end, and never too many. And languages, as asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.control.api import handles as api_handles
from ivrd.control.api.handles import LASTS_S, Handles
from ivrd.control.api.language import language

STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2000)), max_size=30)


@given(STEPS)
def test_a_handle_is_good_for_its_owner_and_its_time_alone(steps: list[tuple[str, int]]) -> None:
    now_s = 0.0
    handles = Handles(lambda: now_s)
    given_out: list[tuple[str, str, str, float]] = []
    for number, (owner, later_s) in enumerate(steps):
        now_s += later_s
        given_out.append(
            (handles.give(owner, f"account {number}"), owner, f"account {number}", now_s)
        )
        for handle, whose, account, at_s in given_out:
            good = now_s < at_s + LASTS_S
            assert handles.account(whose, handle) == (account if good else None)
            assert handles.account("ab"[whose == "a"], handle) is None
    assert len({handle for handle, *_ in given_out}) == len(steps)


def test_the_oldest_goes_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_handles, "MOST", 3)
    handles = Handles(lambda: 0.0)
    made = [handles.give("a", str(n)) for n in range(5)]
    assert [handles.account("a", one) for one in made] == [None, None, "2", "3", "4"]


@given(st.one_of(st.text(), st.from_regex(r"([a-z*]{1,3}(-[a-z]{2})?(;q=[01](\.[0-9])?)?,? ?)*")))
def test_whatever_is_asked_for_one_of_ours_is_told(header: str) -> None:
    assert language(header, ["zh-CN", "en-US"]) in {"zh-CN", "en-US"}


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("", "zh-CN"), ("en", "en-US"), ("EN-us", "en-US"), ("en-GB", "en-US"), ("fr", "zh-CN"),
        ("fr, en;q=0.1", "en-US"), ("zh;q=0.4, en;q=0.5", "en-US"), ("en;q=0", "zh-CN"),
        ("*, en;q=0.5", "zh-CN"), ("zh-Hans-CN", "zh-CN"), ("en ; q=0.9 , zh", "zh-CN"),
        ("q=;;,,", "zh-CN"),
    ],
)  # fmt: skip
def test_the_language_wanted_most_is_told(header: str, told: str) -> None:
    assert language(header, ["zh-CN", "en-US"]) == told
