"""What is noted of outages, on time that is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ivrd.billing.breaker import Breaker
from ivrd.billing.outages import (
    CONNECTION,
    RETRY_MOST_S,
    RETRY_S,
    SETTLE_S,
    Outage,
    Outages,
)
from ivrd.errors import BillingDown, BillingSlow

BEGAN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
DOWN = BillingDown("the billing database failed: no server answers (2003)")
SLOW = BillingSlow("the billing database was not done in time")


class World:
    """Outages on a clock of its own, and what was told of them."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.breaker = Breaker(lambda: self.now_s, failures=3, open_s=10)
        self.outages = Outages(self.breaker, self.now, lambda: self.now_s)
        self.told: list[Outage] = []
        self.outages.tell = self.told.append

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.now_s)

    def at(self, seconds: float) -> Outages:
        self.now_s = seconds
        return self.outages

    def begun_and_over(self) -> list[bool]:
        return [outage.until is not None for outage in self.told]


@pytest.fixture
def world() -> World:
    return World()


def test_without_a_failure_it_is_up_since_it_began(world: World) -> None:
    assert world.at(5).view() == {"state": "up", "since": "2026-11-21T09:30:00+00:00", "why": ""}
    assert world.outages.outage_view() is None


def test_an_outage_says_since_when_why_how_many_and_when_it_is_tried_next(world: World) -> None:
    world.at(60).failed(CONNECTION, DOWN)
    world.at(62).failed(CONNECTION, DOWN)
    world.outages.refused()
    assert world.outages.outage_view() == {
        "state": "down", "why": "no server answers (2003)", "since": "2026-11-21T09:31:00+00:00",
        "until": None, "lasted_s": None, "failed": 3, "next_try": "2026-11-21T09:31:10+00:00",
    }  # fmt: skip
    assert world.outages.view()["state"] == "down"
    assert world.begun_and_over() == [False], "one word, however many calls fail"


def test_an_open_breaker_says_when_it_is_tried_next(world: World) -> None:
    for at in range(3):
        world.at(at).failed(CONNECTION, DOWN)
        world.breaker.failed()
    assert world.outages.next_try == BEGAN + timedelta(seconds=12)
    assert not world.at(11.9).due
    assert world.at(12).due


def test_its_end_says_how_long_it_was(world: World) -> None:
    world.at(60).failed(CONNECTION, DOWN)
    world.at(185).worked("SELECT 1")
    assert world.outages.view() == {
        "state": "up", "since": "2026-11-21T09:33:05+00:00", "why": "",
    }  # fmt: skip
    view = world.outages.outage_view()
    assert view
    assert (view["until"], view["lasted_s"]) == ("2026-11-21T09:33:05+00:00", 125.0)
    assert view["next_try"] is None
    assert world.begun_and_over() == [False, True]
    assert world.told[1].lasted_s == 125.0


def test_a_statement_that_fails_is_mended_by_itself_alone(world: World) -> None:
    world.at(1).failed("SELECT bill", DOWN)
    world.at(2).worked("SELECT account")
    assert world.outages.state == "down"
    world.at(3).failed("SELECT bill", DOWN)
    world.at(4).worked("SELECT account")
    assert world.begun_and_over() == [False], "and says nothing for each call"
    world.at(5).worked("SELECT bill")
    assert world.begun_and_over() == [False, True]


def test_what_is_slow_now_and_then_is_one_outage_and_told_over_when_it_has_settled(
    world: World,
) -> None:
    for at in range(0, 300, 10):
        world.at(at).failed("SELECT bill", SLOW)
        assert world.outages.state == "slow"
        world.at(at + 1).worked("SELECT bill")
        assert world.outages.state == "up"
        world.outages.settle()
    assert world.begun_and_over() == [False]
    world.at(291 + SETTLE_S).settle()
    assert world.begun_and_over() == [False, True]
    over = world.told[1]
    assert (over.failed, over.lasted_s) == (30, 291.0)
    world.at(1000).settle()
    assert len(world.told) == 2


def test_a_server_that_goes_again_is_another_outage(world: World) -> None:
    for at in (10, 20):
        world.at(at).failed(CONNECTION, DOWN)
        world.at(at + 5).worked("SELECT 1")
    assert world.begun_and_over() == [False, True, False, True]
    assert [outage.failed for outage in world.told] == [1, 1, 1, 1]


def test_slow_that_became_down_is_down_until_all_is_well(world: World) -> None:
    world.at(1).failed("SELECT bill", SLOW)
    world.at(2).failed(CONNECTION, DOWN)
    assert world.outages.view()["state"] == "down"
    assert world.outages.view()["since"] == "2026-11-21T09:30:01+00:00"
    world.at(3).worked("SELECT account")
    assert world.outages.on, "the bill has not been read yet"
    world.at(4).worked("SELECT bill")
    assert not world.outages.on


def test_what_fails_on_is_tried_ever_more_seldom(world: World) -> None:
    world.at(0).failed("SELECT bill", SLOW)
    pauses = []
    for _ in range(5):
        began_s = world.now_s
        while not world.outages.due:
            world.now_s += 1
        pauses.append(world.now_s - began_s)
        world.outages.put_off()
    assert pauses == [RETRY_S, 2 * RETRY_S, 4 * RETRY_S, RETRY_MOST_S, RETRY_MOST_S]


def test_an_action_that_is_late_is_mended_when_it_is_in_time_again(world: World) -> None:
    world.at(1).late("bill", BillingSlow("no answer in time"))
    world.at(2).in_time("find")
    assert world.outages.view()["why"] == "no answer in time"
    world.at(3).in_time("bill")
    assert world.outages.state == "up"


def test_an_action_that_nobody_asks_for_again_is_forgotten_in_time(world: World) -> None:
    world.at(1).late("bill", BillingSlow("no thread was free in time"))
    world.at(SETTLE_S).settle()
    assert world.outages.state == "slow"
    world.at(SETTLE_S + 1).settle()
    assert world.outages.state == "up"
