"""Actions carried out: in threads for the daemon, inline on virtual time; faults have an answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ivrd.billing.breaker import Breaker
from ivrd.billing.outages import Outages
from ivrd.billing.pool import LookupPool
from ivrd.clock import LoopClock
from ivrd.enquiry import U_DOWN, U_SLOW
from ivrd.events import U_FAIL, U_OK, Data
from ivrd.flow.actions import Action, Answer, Shape, registry
from ivrd.runner import InlineActions, PooledActions, carry_out
from sim.clock import VirtualClock

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def action(
    do: Callable[[Data], Answer], *, name: str = "look", blocking: bool = True, lookup: bool = True
) -> Action:
    lost: dict[str, Shape] = {U_SLOW: {}, U_DOWN: {}} if lookup else {}
    return Action(name, takes=(), answers={U_OK: {}, **lost}, do=do, blocking=blocking)


def fine(_: Data) -> Answer:
    return Answer(U_OK, {"found": 1})


def breaks(args: Data) -> Answer:
    raise RuntimeError(f"no account {args['number']}")


# -- one action ----------------------------------------------------------------------------------


def test_answer_is_handed_on() -> None:
    assert carry_out(action(fine), {}) == Answer(U_OK, {"found": 1})


def test_fault_of_an_action_is_u_fail_and_logged_without_its_data(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert carry_out(action(breaks), {"number": "88610001"}) == Answer(U_FAIL)
    told = capsys.readouterr().out
    assert "action_failed" in told
    assert "RuntimeError" in told
    assert "test_runner.py:" in told
    assert "88610001" not in told


def test_answer_that_was_not_declared_is_u_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert carry_out(action(lambda _: Answer("U_MAYBE")), {}) == Answer(U_FAIL)
    assert "undeclared_answer" in capsys.readouterr().out


# -- inline --------------------------------------------------------------------------------------


def test_inline_answer_comes_later_never_at_once() -> None:
    clock = VirtualClock(NOW)
    answers: list[Answer] = []
    InlineActions(registry(action(fine)), clock, 0.5).start("look", {}, answers.append)
    assert answers == []
    clock.run_for(0.4)
    assert answers == []
    clock.run_for(0.2)
    assert answers == [Answer(U_OK, {"found": 1})]


# -- in threads ----------------------------------------------------------------------------------


class Pooled:
    """Pooled actions in a running loop."""

    def __init__(self, *actions: Action, threads: int = 1, waiting: int = 4, limit_s: float = 5.0):
        self.clock = LoopClock()
        self.pool = LookupPool(threads, waiting, limit_s)
        self.outages = Outages(Breaker(time.monotonic), self.clock.now)
        self.actions = PooledActions(registry(*actions), self.pool, self.clock, self.outages)

    async def ask(self, name: str) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.actions.start(name, {"number": "88610001"}, answer.set_result)
        assert not answer.done(), "never before start returns"
        return await answer


@pytest.mark.usefixtures("no_leftovers")
async def test_blocking_action_runs_in_a_thread_and_is_answered_in_the_loop() -> None:
    ran_in: list[str] = []

    def look(_: Data) -> Answer:
        ran_in.append(threading.current_thread().name)
        return Answer(U_OK)

    pooled = Pooled(action(look))
    assert await pooled.ask("look") == Answer(U_OK)
    assert ran_in == ["billing-1"]
    await closed(pooled)


@pytest.mark.usefixtures("no_leftovers")
async def test_quick_action_needs_no_thread() -> None:
    ran_in: list[str] = []

    def check(_: Data) -> Answer:
        ran_in.append(threading.current_thread().name)
        return Answer(U_OK)

    pooled = Pooled(action(check, blocking=False))
    assert await pooled.ask("look") == Answer(U_OK)
    assert ran_in == ["MainThread"]
    await closed(pooled)


@pytest.mark.usefixtures("no_leftovers")
async def test_lookup_that_hangs_is_answered_slow_and_the_health_says_so() -> None:
    go_on = threading.Event()

    def hang(_: Data) -> Answer:
        go_on.wait(20)
        return Answer(U_OK)

    pooled = Pooled(action(hang), action(fine, name="other"), threads=1, limit_s=0.05)
    assert await pooled.ask("look") == Answer(U_SLOW)
    assert pooled.outages.view()["state"] == "slow"
    assert pooled.outages.view()["why"] == "no answer in time"
    assert await pooled.ask("other") == Answer(U_SLOW), "its only thread still hangs"
    assert pooled.outages.view()["why"] == "no thread was free in time"
    go_on.set()
    await closed(pooled)


@pytest.mark.usefixtures("no_leftovers")
async def test_lookup_for_which_there_is_no_room_is_answered_slow() -> None:
    go_on = threading.Event()

    def hang(_: Data) -> Answer:
        go_on.wait(20)
        return Answer(U_OK)

    pooled = Pooled(action(hang), threads=1, waiting=1)
    asked = [asyncio.ensure_future(pooled.ask("look")) for _ in range(8)]
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    assert all(task.result().event == U_SLOW for task in done)
    go_on.set()
    answers = [answer.event for answer in await asyncio.gather(*asked)]
    assert answers.count(U_OK) >= 1
    assert answers.count(U_SLOW) >= 5
    await closed(pooled)


@pytest.mark.usefixtures("no_leftovers")
async def test_fault_in_a_thread_is_u_fail() -> None:
    pooled = Pooled(action(breaks))
    assert await pooled.ask("look") == Answer(U_FAIL)
    await closed(pooled)


async def closed(pooled: Pooled) -> None:
    """Close the pool, and let its threads end."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("billing-")]
    pooled.pool.close()
    for thread in threads:
        await asyncio.to_thread(thread.join, 5)
    await asyncio.get_running_loop().shutdown_default_executor()
