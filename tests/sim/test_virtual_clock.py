"""Virtual time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.clock import COMPACT_AT, VirtualClock

START = datetime(2026, 11, 2, 9, 0, tzinfo=timezone(timedelta(hours=8)))


def test_it_starts_at_the_instant_given_and_stands_still() -> None:
    clock = VirtualClock(START)
    assert clock.now() == START
    assert clock.now().utcoffset() == timedelta(hours=8)
    assert clock.monotonic() == 0.0


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        VirtualClock(datetime(2026, 11, 2))  # noqa: DTZ001 - the very error


def test_it_stands_where_it_was_told_to_run_to() -> None:
    clock = VirtualClock(START)
    clock.run_until(3600.5)
    assert clock.monotonic() == 3600.5
    assert clock.now() == START + timedelta(seconds=3600.5)
    clock.run_for(0.5)
    assert clock.monotonic() == 3601.0


def test_it_refuses_to_go_back() -> None:
    clock = VirtualClock(START)
    clock.run_until(10)
    with pytest.raises(ValueError, match="does not go back"):
        clock.run_until(9.999)
    with pytest.raises(ValueError, match="does not go back"):
        clock.run_for(-1)
    with pytest.raises(ValueError, match="does not go back"):
        clock.run_until(float("nan"))
    assert clock.monotonic() == 10


def test_seconds_are_real_seconds_across_a_change_to_winter_time() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    clock = VirtualClock(datetime(2026, 10, 25, 1, 30, tzinfo=berlin))
    clock.run_for(3 * 3600)
    assert clock.now().hour == 3
    assert clock.now().astimezone(UTC) == datetime(2026, 10, 25, 2, 30, tzinfo=UTC)


@given(st.lists(st.integers(0, 5)))
def test_timers_run_in_order_of_time_then_of_setting(delays: list[int]) -> None:
    clock = VirtualClock(START)
    ran: list[tuple[float, int]] = []
    for number, delay in enumerate(delays):
        clock.call_later(delay, lambda n=number: ran.append((clock.monotonic(), n)))  # type: ignore[misc] # mypy infers no lambda default
    clock.run_until(5)
    assert ran == sorted((float(delay), number) for number, delay in enumerate(delays))


def test_a_timer_set_within_a_callback_runs_in_the_same_run_but_never_before_it_returns() -> None:
    clock = VirtualClock(START)
    ran: list[str] = []

    def first() -> None:
        clock.call_later(0, lambda: ran.append("second"))
        ran.append("first")

    clock.call_later(1, first)
    clock.run_until(1)
    assert ran == ["first", "second"]


def test_a_delay_below_zero_counts_as_none() -> None:
    clock = VirtualClock(START)
    clock.run_until(5)
    ran: list[float] = []
    clock.call_later(-3, lambda: ran.append(clock.monotonic()))
    clock.run_for(0)
    assert ran == [5.0]


def test_a_cancelled_timer_never_runs_and_cancelling_is_safe_at_any_time() -> None:
    clock = VirtualClock(START)
    ran: list[int] = []
    cancelled = clock.call_later(1, lambda: ran.append(1))
    kept = clock.call_later(1, lambda: ran.append(2))
    cancelled.cancel()
    cancelled.cancel()
    assert clock.pending == 1
    clock.run_until(2)
    kept.cancel()
    assert ran == [2]
    assert clock.pending == clock.size == 0


def test_millions_of_started_and_cancelled_timers_leave_no_growth() -> None:
    clock = VirtualClock(START)
    largest = 0
    for _ in range(50_000):
        clock.call_later(900, lambda: None).cancel()
        largest = max(largest, clock.size)
    assert largest <= COMPACT_AT + 1


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=60))
def test_cancelling_changes_nothing_for_the_others(timers: list[tuple[int, bool]]) -> None:
    clock = VirtualClock(START)
    ran: list[int] = []
    handles = [
        clock.call_later(delay, lambda d=delay: ran.append(d))  # type: ignore[misc] # as above
        for delay, _ in timers
    ]
    for _ in range(COMPACT_AT * 2):
        clock.call_later(1, lambda: ran.append(-1)).cancel()
    for handle, (_, keep) in zip(handles, timers, strict=True):
        if not keep:
            handle.cancel()
    assert clock.pending == sum(keep for _, keep in timers)
    clock.run_until_idle(100)
    assert ran == sorted(delay for delay, keep in timers if keep)


def test_timers_set_after_many_were_cancelled_within_a_run_still_run_in_it() -> None:
    clock = VirtualClock(START)
    ran: list[float] = []

    def cancel_many() -> None:
        for _ in range(COMPACT_AT * 3):
            clock.call_later(900, lambda: None).cancel()
        clock.call_later(1, lambda: ran.append(clock.monotonic()))

    clock.call_later(1, cancel_many)
    clock.run_until(5)
    assert ran == [2.0]


def test_a_callback_cannot_run_the_clock() -> None:
    clock = VirtualClock(START)
    clock.call_later(1, lambda: clock.run_for(1))
    with pytest.raises(RuntimeError, match="callback"):
        clock.run_for(2)


def test_what_a_callback_raises_comes_out_and_the_clock_goes_on() -> None:
    clock = VirtualClock(START)
    ran: list[float] = []
    clock.call_later(1, lambda: ran.append(1 / 0))
    clock.call_later(2, lambda: ran.append(clock.monotonic()))
    with pytest.raises(ZeroDivisionError):
        clock.run_for(5)
    assert clock.monotonic() == 1
    clock.run_for(5)
    assert ran == [2.0]


def test_step_runs_one_timer_and_tells_when_there_is_none() -> None:
    clock = VirtualClock(START)
    clock.call_later(3, lambda: None).cancel()
    clock.call_later(4, lambda: None)
    assert clock.step()
    assert clock.monotonic() == 4
    assert not clock.step()


def test_run_while_stops_as_soon_as_the_condition_is_false() -> None:
    clock = VirtualClock(START)
    ran: list[int] = []
    for number in range(5):
        clock.call_later(number, lambda: ran.append(1))
    assert clock.run_while(lambda: len(ran) < 3, 10)
    assert clock.monotonic() == 2
    assert not clock.run_while(lambda: True, 10)
    assert clock.monotonic() == 12
    assert len(ran) == 5


def test_run_until_idle_says_when_the_limit_does_not_do() -> None:
    clock = VirtualClock(START)

    def again() -> None:
        clock.call_later(1, again)

    again()
    with pytest.raises(TimeoutError, match="1 timers still set after 20 s"):
        clock.run_until_idle(20)
    assert clock.monotonic() == 20


@given(st.lists(st.floats(0, 1e6), min_size=2))
def test_time_only_ever_grows(delays: list[float]) -> None:
    clock = VirtualClock(START)
    seen: list[float] = []
    for delay in delays:
        clock.call_later(delay, lambda: seen.append(clock.monotonic()))
    clock.run_until_idle(1e6)
    assert len(seen) == len(delays)
    assert all(a <= b for a, b in pairwise(seen))
