"""How often somebody may ask: never more than their rate, and never less."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ivrd.control.api.rate import Bucket, Limiter, Rate

RATES = st.builds(Rate, st.integers(1, 1000), st.sampled_from([1.0, 60.0, 3600.0]))
STEPS = st.lists(st.floats(0, 30), min_size=1, max_size=200)

NEAR = 1e-6
"""What is lost in sums of floating point numbers."""


@pytest.mark.parametrize(
    ("text", "rate"),
    [("10/s", Rate(10, 1)), ("600/m", Rate(600, 60)), ("5000/h", Rate(5000, 3600))],
)
def test_rates_are_read_as_they_are_written(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize("text", ["", "10", "0/s", "10/d", "-1/s", "1.5/s", "10 / s", "100000/s"])
def test_what_is_no_rate_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 10/s, 600/m or 5000/h"):
        Rate.parse(text)


@given(RATES, STEPS)
def test_in_any_time_no_more_get_in_than_the_rate_lets(rate: Rate, steps: list[float]) -> None:
    bucket, now_s = Bucket(rate, 0.0), 0.0
    taken: list[float] = []
    for step_s in steps:
        now_s += step_s
        if bucket.take(now_s) == 0:
            taken.append(now_s)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            passed_s = taken[last] - taken[first]
            most = rate.count + passed_s * rate.count / rate.period_s
            assert last - first + 1 <= most + NEAR


@given(RATES, STEPS)
@example(Rate(1, 3600.0), [0.0, 0.0, 1.0])
def test_who_waits_as_long_as_told_gets_in_and_not_before(rate: Rate, steps: list[float]) -> None:
    bucket, now_s = Bucket(rate, 0.0), 0.0
    for step_s in steps:
        now_s += step_s
        wait_s = bucket.take(now_s)
        if wait_s:
            assert bucket.wait_s(now_s + wait_s * 0.99) > 0
            now_s += wait_s
            assert bucket.wait_s(now_s) < NEAR
            now_s += NEAR * rate.period_s
            assert bucket.take(now_s) == 0


@given(RATES)
def test_as_many_as_the_rate_names_get_in_at_once(rate: Rate) -> None:
    bucket = Bucket(rate, 5.0)
    assert [bucket.take(5.0) for _ in range(rate.count)] == [0.0] * rate.count
    assert bucket.take(5.0) == pytest.approx(rate.period_s / rate.count)


def test_names_do_not_count_for_each_other_and_looking_counts_for_nobody() -> None:
    limiter = Limiter(lambda: 0.0)
    rate = Rate(1, 60.0)
    assert limiter.wait_s("a", rate) == 0
    assert limiter.take("a", rate) == 0
    assert limiter.take("a", rate) == pytest.approx(60)
    assert limiter.wait_s("a", rate) == pytest.approx(60)
    assert limiter.take("b", rate) == 0
    # another rate for the same name is a bucket of its own
    assert limiter.take("a", Rate(2, 60.0)) == 0


def test_names_that_have_long_been_quiet_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limiter, "_MANY", 100)
    now_s = 0.0
    limiter = Limiter(lambda: now_s)
    rate = Rate(1, 60.0)
    for n in range(1000):
        now_s += 0.001
        limiter.take(f"address {n}", rate)
    assert len(limiter._buckets) <= 100  # noqa: SLF001 - what it holds is what is asked here
    now_s += 60
    for n in range(50):
        limiter.take(f"other {n}", rate)
    assert len(limiter._buckets) <= 100  # noqa: SLF001 - as above
