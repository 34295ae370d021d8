"""The contract of a lock-out, on the one in memory and on the one in the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from ivrd.billing.lockout import Lockout, MemoryLockout
from ivrd.store.engine import Store, open_store
from ivrd.store.lockout import StoreLockout
from ivrd.store.tables import proofs
from tests.store.conftest import KINDS, NOW

WINDOW_S = 60.0


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(params=["plain", "memory", *KINDS])
def lockout(request: pytest.FixtureRequest, time: Time, new_url: Callable[[str], str]) -> Lockout:
    if request.param == "plain":
        return MemoryLockout(time.now, WINDOW_S)
    url = "sqlite://" if request.param == "memory" else new_url(request.param)
    store = open_store(url, now=time.now)
    request.addfinalizer(store.close)  # noqa: PT021 - one of four kinds has a store to close
    return StoreLockout(store, WINDOW_S)


def test_key_has_as_many_tries_as_its_limit(lockout: Lockout) -> None:
    assert [lockout.begin({"a": 3}) for _ in range(5)] == [True, True, True, False, False]
    assert lockout.locked({"a": 3})
    assert lockout.begin({"b": 3})


def test_full_key_leaves_the_other_one_uncounted(lockout: Lockout) -> None:
    assert lockout.begin({"a": 1, "b": 2})
    assert not lockout.begin({"a": 1, "b": 2})
    assert lockout.begin({"b": 2})
    assert not lockout.begin({"b": 2})


def test_try_taken_back_may_be_had_again(lockout: Lockout) -> None:
    assert lockout.begin({"a": 1, "b": 1})
    lockout.undo("a", "b")
    assert not lockout.locked({"a": 1, "b": 1})
    lockout.undo("a")
    assert [lockout.begin({"a": 1}) for _ in range(2)] == [True, False]


def test_forgotten_key_starts_anew(lockout: Lockout) -> None:
    for _ in range(3):
        lockout.begin({"a": 3})
    lockout.forget("a")
    lockout.forget("never seen")
    assert not lockout.locked({"a": 1})


def test_tries_count_until_their_window_is_over(lockout: Lockout, time: Time) -> None:
    assert lockout.begin({"a": 2})
    time.pass_s(30)
    assert lockout.begin({"a": 2})
    time.pass_s(29.999)
    assert not lockout.begin({"a": 2})
    time.pass_s(0.001)
    assert lockout.begin({"a": 2})
    assert not lockout.begin({"a": 2})


def test_many_threads_at_once_get_no_more_tries_than_one(lockout: Lockout) -> None:
    got: list[bool] = []

    def work() -> None:
        got.extend(lockout.begin({"a": 5}) for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got.count(True) == 5


def test_restart_gives_no_new_tries(url: str, open_at: Callable[[str], Store]) -> None:
    first = open_at(url)
    assert [StoreLockout(first, WINDOW_S).begin({"a": 2}) for _ in range(2)] == [True, True]
    first.close()
    assert not StoreLockout(open_at(url), WINDOW_S).begin({"a": 2})


def test_store_holds_neither_account_nor_caller(memory: Store) -> None:
    StoreLockout(memory, WINDOW_S).begin({"account 13800138000": 2})
    (key,) = memory.read(lambda tx: tx.execute(select(proofs.c.key)).scalars().all())
    assert "138" not in key or len(key) == 64
    assert "account" not in key


def test_tries_that_no_longer_count_do_not_pile_up() -> None:
    time = Time()
    store = open_store("sqlite://", now=time.now)
    try:
        lockout = StoreLockout(store, 0.001)
        for n in range(2002):
            lockout.begin({f"caller {n}": 3})
            time.pass_s(1)
        count = select(func.count()).select_from(proofs)
        assert store.read(lambda tx: tx.execute(count).scalar_one()) <= 1001
    finally:
        store.close()


KEYS = st.sampled_from("abc")
LIMITS = st.dictionaries(KEYS, st.integers(1, 4), min_size=1)
STEP = st.one_of(
    st.tuples(st.just("begin"), LIMITS),
    st.tuples(st.just("locked"), LIMITS),
    st.tuples(st.just("undo"), st.lists(KEYS, max_size=3)),
    st.tuples(st.just("forget"), KEYS),
    st.tuples(st.just("pass"), st.integers(0, 40_000)),
)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Store, Time]]:
    """Return one store for all examples, emptied by each."""
    time = Time()
    store = open_store("sqlite://", now=time.now)
    yield store, time
    store.close()


@settings(deadline=None)
@given(steps=st.lists(STEP, max_size=40))
def test_both_lockouts_answer_alike_whatever_happens(
    shared: tuple[Store, Time], steps: list[tuple[str, object]]
) -> None:
    store, time = shared
    store.transact(lambda tx: tx.execute(delete(proofs)).rowcount)
    both: list[Lockout] = [MemoryLockout(time.now, WINDOW_S), StoreLockout(store, WINDOW_S)]
    for name, what in steps:
        if name == "pass":
            assert isinstance(what, int)
            time.pass_s(what / 1000)
            continue
        arguments = what if name == "undo" else [what]
        assert isinstance(arguments, list)
        first, second = [getattr(one, name)(*arguments) for one in both]
        assert first == second
