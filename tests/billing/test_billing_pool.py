"""The lookups' threads: bounded, never waited for, answered in the loop's own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ivrd.billing.pool import LookupPool
from ivrd.errors import BillingSlow


class Later:
    """Timers that fire when the test says so."""

    def __init__(self) -> None:
        self.set: list[tuple[float, Callable[[], None]]] = []
        self.cancelled = 0

    def __call__(self, delay_s: float, callback: Callable[[], None]) -> Later:
        self.set.append((delay_s, callback))
        return self

    def cancel(self) -> None:
        self.cancelled += 1

    def fire(self) -> None:
        due, self.set = self.set, []
        for _, callback in due:
            callback()


@contextmanager
def hanging() -> Iterator[tuple[Callable[[], str], threading.Semaphore]]:
    """Give a lookup that hangs until the end of the block, and a sign that it has begun."""
    release, begun = threading.Event(), threading.Semaphore(0)

    def hang() -> str:
        begun.release()
        release.wait(30)
        return "late"

    try:
        yield hang, begun
    finally:
        release.set()


async def begun(sign: threading.Semaphore, times: int = 1) -> None:
    for _ in range(times):
        assert await asyncio.to_thread(sign.acquire, timeout=10)


def outcome() -> tuple[asyncio.Future[Any], Callable[[Any], None]]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    return future, future.set_result


async def test_the_result_comes_in_the_loops_thread() -> None:
    pool = LookupPool(threads=2)
    future: asyncio.Future[tuple[object, int]] = asyncio.get_running_loop().create_future()
    pool.submit(
        threading.get_ident, lambda ran_in: future.set_result((ran_in, threading.get_ident()))
    )
    ran_in, done_in = await future
    assert done_in == threading.get_ident() != ran_in
    pool.close()


async def test_an_exception_is_handed_over_as_it_is() -> None:
    pool = LookupPool(threads=1)
    error = BillingSlow("x")

    def fail() -> None:
        raise error

    future, done = outcome()
    pool.submit(fail, done)
    assert await future is error
    pool.close()


async def test_done_is_never_called_before_submit_returns() -> None:
    pool = LookupPool(threads=1, waiting=1)
    pool.close()
    future, done = outcome()
    pool.submit(lambda: None, done)
    assert not future.done()
    assert isinstance(await future, BillingSlow)


async def test_a_hung_lookup_leaves_the_other_threads_free() -> None:
    pool = LookupPool(threads=2)
    with hanging() as (hang, sign):
        hung, hung_done = outcome()
        pool.submit(hang, hung_done)
        await begun(sign)
        for n in range(20):
            future, done = outcome()
            pool.submit(lambda n=n: n, done)  # type: ignore[misc]  # n is bound to this round's
            assert await future == n
        assert not hung.done()
        pool.close()


async def test_a_hung_lookup_is_answered_slow_in_time_and_only_once() -> None:
    later = Later()
    pool = LookupPool(threads=1, limit_s=3.0, call_later=later)
    answers: list[object] = []
    with hanging() as (hang, sign):
        pool.submit(hang, answers.append)
        await begun(sign)
        assert [delay for delay, _ in later.set] == [3.0]
        later.fire()
        assert [str(answer) for answer in answers] == ["no answer in time"]
    future, done = outcome()
    pool.submit(lambda: "next", done)
    assert await future == "next", "the thread serves on once the lookup has ended"
    assert len(answers) == 1
    pool.close()


async def test_a_lookup_that_waited_too_long_is_answered_and_never_begun() -> None:
    later = Later()
    pool = LookupPool(threads=1, call_later=later)
    ran: list[int] = []
    answers: list[object] = []
    with hanging() as (hang, sign):
        pool.submit(hang, answers.append)
        await begun(sign)
        pool.submit(lambda: ran.append(1), answers.append)
        later.fire()
        assert [str(a) for a in answers] == ["no answer in time", "no thread was free in time"]
    future, done = outcome()
    pool.submit(lambda: "next", done)
    await future
    assert ran == []
    pool.close()


async def test_a_full_queue_refuses_at_once() -> None:
    pool = LookupPool(threads=1, waiting=2)
    with hanging() as (hang, sign):
        pool.submit(hang, lambda _: None)
        await begun(sign)
        for _ in range(2):
            pool.submit(lambda: None, lambda _: None)
        assert pool.waiting == 2
        future, done = outcome()
        pool.submit(lambda: None, done)
        assert "full" in str(await future)
        pool.close()


async def test_closing_waits_for_nothing_and_answers_those_that_wait() -> None:
    pool = LookupPool(threads=1)
    answers: list[object] = []
    with hanging() as (hang, sign):
        pool.submit(hang, lambda _: None)
        await begun(sign)
        pool.submit(lambda: None, answers.append)
        pool.close()
        pool.close()
        assert [str(answer) for answer in answers] == ["the lookup queue is closed"]


async def test_threads_end_after_closing() -> None:
    before = set(threading.enumerate())
    pool = LookupPool(threads=3)
    mine = set(threading.enumerate()) - before
    assert len(mine) == 3
    assert all(thread.daemon for thread in mine), "a hung one cannot hold the process"
    pool.close()
    for thread in mine:
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()


async def test_the_timer_of_an_answered_lookup_is_cancelled() -> None:
    later = Later()
    pool = LookupPool(threads=1, call_later=later)
    future, done = outcome()
    pool.submit(lambda: 1, done)
    await future
    assert later.cancelled == 1
    pool.close()


@pytest.mark.parametrize(("threads", "waiting"), [(0, 1), (1, 0)])
async def test_a_pool_without_threads_or_room_is_refused(threads: int, waiting: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        LookupPool(threads, waiting)
