"""Lookups of clients stand behind those of calls: shown by counts, whatever the clock says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ivrd.billing.pool import LookupPool
from ivrd.clock import LoopClock
from ivrd.control.api.lookups import MOST_OF_ONE, MOST_WAITING, ApiLookups, TooBusy
from ivrd.errors import BillingSlow
from tests.control.api_office import Answer, Office, office
from tests.control.conftest import until


class Gate:
    """A lookup that hangs until the gate is opened; counts who is in and who was."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._guard = threading.Lock()
        self.begun = 0

    def __call__(self) -> str:
        with self._guard:
            self.begun += 1
        assert self._open.wait(20)
        return "done"

    def open(self) -> None:
        self._open.set()


@pytest.fixture
async def pool() -> AsyncIterator[LookupPool]:
    made = LookupPool(threads=4, limit_s=10.0)
    yield made
    made.close()


@pytest.fixture
async def here(sample_db: Path, tmp_path: Path) -> AsyncIterator[Office]:
    async with office(sample_db, tmp_path, "threads = 4\nlimit_s = 30") as made:
        yield made


async def test_a_client_that_hammers_leaves_threads_to_calls(
    here: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await here.handle()
    gate = Gate()
    monkeypatch.setattr(here.daemon.parts.reader, "arrears", lambda _: gate() and ())
    path = f"/api/v1/accounts/{handle}/arrears"
    asked = [asyncio.create_task(here.ask(path)) for _ in range(40)]
    await until(lambda: gate.begun == 2 and here.server._lookups._waiting)  # noqa: SLF001 - so that none is on its way
    answers: list[str] = []
    for _ in range(10):
        here.daemon.actions.start("find_by_phone", {"number": "88610001"},
                                  lambda answer: answers.append(answer.event))  # fmt: skip
    # every call's lookup is answered while not one of the client's is
    await until(lambda: len(answers) == 10)
    assert answers == ["U_OK"] * 10
    assert gate.begun == 2
    gate.open()
    done = await asyncio.gather(*asked)
    assert_each_is_told(done, gate)


def assert_each_is_told(done: list[Answer], gate: Gate) -> None:
    told = [answer.status if answer.status == 200 else answer.code for answer in done]
    assert told.count(200) == gate.begun
    # 2 were under way, as many waited as one client may, the rest was told to come back
    assert told.count(200) == 2 + MOST_OF_ONE
    assert told.count("busy") == 40 - 2 - MOST_OF_ONE


async def test_no_more_run_at_once_than_they_may_and_none_is_lost(pool: LookupPool) -> None:
    lookups = ApiLookups(pool, LoopClock(), at_once=2)
    gate = Gate()
    asked = [asyncio.create_task(lookups.ask(f"client {n % 8}", gate)) for n in range(32)]
    await until(lambda: gate.begun == 2)
    for _ in range(50):
        await asyncio.sleep(0)
    assert (gate.begun, pool.waiting) == (2, 0)
    gate.open()
    assert await asyncio.gather(*asked) == ["done"] * 32
    assert gate.begun == 32


async def test_while_a_call_waits_no_client_begins(pool: LookupPool) -> None:
    lookups = ApiLookups(pool, LoopClock(), at_once=2)
    calls, client = Gate(), Gate()
    answers: list[object] = []
    for _ in range(6):
        pool.submit(calls, answers.append)
    await until(lambda: calls.begun == 4)
    asked = asyncio.create_task(lookups.ask("client", client))
    for _ in range(20):
        await asyncio.sleep(0)
    # two calls wait in the pool: the client's lookup is not even put behind them
    assert (pool.waiting, client.begun) == (2, 0)
    client.open()
    calls.open()
    assert await asked == "done"
    assert calls.begun == 6


class Timers:
    """Deadlines that pass when the test says so."""

    def __init__(self) -> None:
        self._set: list[Callable[[], None]] = []

    def call_later(self, _: float, callback: Callable[[], None]) -> Timers:
        self._set.append(callback)
        return self

    def cancel(self) -> None:
        """Nothing to forget: a deadline of what is answered does nothing."""

    def pass_all(self) -> None:
        due, self._set = self._set, []
        for callback in due:
            callback()


async def test_threads_that_hang_are_taken_until_they_end() -> None:
    timers, gate = Timers(), Gate()
    pool = LookupPool(threads=4, call_later=timers.call_later)
    lookups = ApiLookups(pool, LoopClock(), at_once=2)
    asked = [asyncio.create_task(lookups.ask("client", gate)) for _ in range(2)]
    await until(lambda: gate.begun == 2)
    timers.pass_all()
    for one in asked:
        with pytest.raises(BillingSlow):
            await one
    # both were answered, but their threads still hang: a third would be the calls' loss
    third = asyncio.create_task(lookups.ask("client", gate))
    for _ in range(20):
        await asyncio.sleep(0)
    assert gate.begun == 2
    gate.open()
    assert await third == "done"
    pool.close()


async def test_a_lookup_answered_before_it_began_takes_no_place() -> None:
    timers, calls, client = Timers(), Gate(), Gate()
    pool = LookupPool(threads=1, call_later=timers.call_later)
    lookups = ApiLookups(pool, LoopClock(), at_once=1)
    client.open()
    asked = asyncio.create_task(lookups.ask("client", client))
    assert await asked == "done"
    pool.submit(calls, lambda _: None)
    await until(lambda: calls.begun == 1)
    # the only thread hangs with a call: the next waits in the pool until its time is over
    late = asyncio.create_task(lookups.ask("client", client))
    await until(lambda: pool.waiting == 1)
    timers.pass_all()
    with pytest.raises(BillingSlow):
        await late
    calls.open()
    assert await lookups.ask("client", client) == "done"
    assert client.begun == 2
    pool.close()


async def test_askers_that_go_away_leave_no_place_taken(pool: LookupPool) -> None:
    lookups = ApiLookups(pool, LoopClock(), at_once=1)
    gate = Gate()
    first = asyncio.create_task(lookups.ask("client", gate))
    await until(lambda: gate.begun == 1)
    gone = [asyncio.create_task(lookups.ask("client", gate)) for _ in range(MOST_OF_ONE)]
    await until(lambda: len(lookups._waiting) == MOST_OF_ONE)  # noqa: SLF001 - all have come in
    with pytest.raises(TooBusy):
        await lookups.ask("client", gate)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    last = asyncio.create_task(lookups.ask("client", gate))
    gate.open()
    assert [await first, await last] == ["done", "done"]
    assert gate.begun == 2


async def test_one_client_fills_the_queue_for_no_other_and_all_fill_it_for_the_last(
    pool: LookupPool,
) -> None:
    lookups = ApiLookups(pool, LoopClock(), at_once=1)
    gate = Gate()
    asked = [asyncio.create_task(lookups.ask(f"client {n // MOST_OF_ONE}", gate))
             for n in range(MOST_WAITING + 1)]  # fmt: skip
    await until(lambda: len(lookups._waiting) == MOST_WAITING)  # noqa: SLF001 - all have come in
    with pytest.raises(TooBusy):
        await lookups.ask("somebody else", gate)
    gate.open()
    assert await asyncio.gather(*asked) == ["done"] * (MOST_WAITING + 1)


async def test_what_a_lookup_raises_is_its_askers(pool: LookupPool) -> None:
    lookups = ApiLookups(pool, LoopClock(), at_once=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await lookups.ask("client", lambda: 1 / 0)
    assert await lookups.ask("client", lambda: 5) == 5
