"""The circuit breaker, on time that is given."""

from __future__ import annotations

import pytest

from ivrd.billing.breaker import Breaker
from ivrd.errors import BillingDown


class Time:
    """Seconds that move when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(time: Time) -> Breaker:
    breaker = Breaker(time, failures=3, open_s=10)
    for _ in range(3):
        breaker.enter()
        breaker.failed()
    return breaker


def refused(breaker: Breaker) -> bool:
    try:
        breaker.enter()
    except BillingDown:
        return True
    return False


def test_it_opens_after_failures_in_a_row() -> None:
    time = Time()
    assert refused(opened(time))


def test_a_success_in_between_starts_the_count_again() -> None:
    breaker = Breaker(Time(), failures=2, open_s=10)
    for _ in range(5):
        breaker.failed()
        breaker.worked()
    assert not breaker.open
    assert not refused(breaker)


def test_it_lets_one_lookup_through_after_its_time() -> None:
    time = Time()
    breaker = opened(time)
    time.now += 9.9
    assert refused(breaker)
    time.now += 0.1
    assert [refused(breaker) for _ in range(3)] == [False, True, True]


def test_the_trials_success_closes_it() -> None:
    time = Time()
    breaker = opened(time)
    time.now += 10
    breaker.enter()
    breaker.worked()
    assert [refused(breaker) for _ in range(3)] == [False] * 3


def test_the_trials_failure_keeps_it_open_as_long_again() -> None:
    time = Time()
    breaker = opened(time)
    time.now += 10
    breaker.enter()
    time.now += 3
    breaker.failed()
    time.now += 9.9
    assert refused(breaker)
    time.now += 0.1
    assert not refused(breaker)


def test_a_trial_that_never_ends_holds_it_open_no_longer_than_its_time() -> None:
    time = Time()
    breaker = opened(time)
    time.now += 10
    breaker.enter()
    time.now += 10
    assert not refused(breaker)


@pytest.mark.parametrize(("failures", "open_s"), [(0, 1.0), (1, 0.0)])
def test_a_breaker_that_could_never_work_is_refused(failures: int, open_s: float) -> None:
    with pytest.raises(ValueError, match="failures"):
        Breaker(Time(), failures, open_s)
