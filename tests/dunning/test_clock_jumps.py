"""The wall clock is set, or the machine sleeps for hours: windows, starts and leases stay right."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from ivrd.dunning.dialler import LOOK_AT_CLOCK_S
from ivrd.records import Status
from ivrd.store import tables
from sim.debtor import Does, Manner, outcome
from tests.dunning.dunning_office import MONDAY, DunningOffice

HOUR = timedelta(hours=1)
NEW_YORK = ZoneInfo("America/New_York")
RICH, OLD = "+861088610001", "+861088610005"


def is_on(node: DunningOffice) -> bool:
    return node.outbound.dialler.given(1).on


def begun(node: DunningOffice) -> list[datetime]:
    """Return when attempts began, as the store has it."""
    return sorted(row["began_at"] for row in node.rows(tables.attempts))


def test_a_start_set_for_an_instant_is_reached_by_the_wall_clock_after_a_suspend(
    node: DunningOffice,
) -> None:
    node.outbound.dialler.start([1], at=MONDAY + 6 * HOUR)
    node.clock.run_for(60)
    node.clock.set_wall(5 * HOUR + timedelta(minutes=50))
    node.clock.run_for(8 * 60)
    assert not is_on(node)
    node.clock.run_for(60 + 1)
    assert node.clock.now() == MONDAY + 6 * HOUR + timedelta(seconds=1)
    assert is_on(node)


def test_a_suspend_over_the_instant_is_seen_soon_after(node: DunningOffice) -> None:
    node.outbound.dialler.start([1], at=MONDAY + 6 * HOUR)
    node.clock.set_wall(7 * HOUR)
    node.clock.run_for(LOOK_AT_CLOCK_S)
    assert is_on(node)
    assert node.outbound.dialler.given(1).starts_at is None


def test_a_clock_set_back_before_the_instant_puts_the_start_off(node: DunningOffice) -> None:
    node.outbound.dialler.start([1], at=MONDAY + HOUR)
    node.clock.run_for(3590)
    node.clock.set_wall(-HOUR)
    node.clock.run_for(3600)
    assert not is_on(node)
    node.clock.run_for(10)
    assert is_on(node)


def test_a_start_that_was_taken_back_stays_so(node: DunningOffice) -> None:
    node.outbound.dialler.start([1], at=MONDAY + HOUR)
    node.clock.run_for(600)
    node.outbound.dialler.stop([1])
    node.clock.set_wall(2 * HOUR)
    node.clock.run_for(600)
    assert not is_on(node)


def test_a_start_over_the_night_that_has_an_hour_more_is_not_an_hour_early(
    billing: Path, tmp_path: Path
) -> None:
    office = DunningOffice(tmp_path, billing, datetime(2026, 10, 31, 23, 0, tzinfo=NEW_YORK))
    office.outbound.dialler.start([1], at=datetime(2026, 11, 1, 3, 0, tzinfo=NEW_YORK))
    office.clock.run_for(4 * 3600 + 60)
    assert not is_on(office)
    office.clock.run_for(3600)
    assert is_on(office)
    office.close()


def test_nobody_is_called_at_a_time_that_the_clock_leapt_to_and_all_are_when_it_is_right(
    node: DunningOffice,
) -> None:
    node.campaign()
    for number in (RICH, OLD):
        node.parties[number] = outcome(Does.LISTENS, Manner())
    node.outbound.dialler.start([1])
    node.run_until(9, 29)
    node.clock.set_wall(13 * HOUR)  # 22:29: its hours begin nowhere near
    node.clock.run_for(1800)
    assert begun(node) == []
    node.clock.set_wall(-13 * HOUR)  # 9:59
    node.clock.run_for(600)
    assert [row["outcome"] for row in node.rows(tables.attempts)] == ["told", "told"]
    assert all(at >= MONDAY + timedelta(minutes=59) for at in begun(node))


def test_hours_of_suspend_in_a_call_do_not_make_it_a_lost_attempt(node: DunningOffice) -> None:
    node.campaign()
    for number in (RICH, OLD):
        node.parties[number] = outcome(Does.LISTENS, Manner())
    node.outbound.dialler.start([1])
    node.run_until(9, 30)
    line = node.office.lines[0]
    assert node.clock.run_while(lambda: line.status is not Status.IN_CALL, 120)
    (attempt,) = node.rows(tables.attempts)
    node.clock.set_wall(3 * HOUR)
    assert attempt["lease_until"] < node.store.now(), "its lease is over"
    node.outbound.desk.upkeep()
    (attempt,) = node.rows(tables.attempts)
    assert attempt["outcome"] is None
    record_s = node.clock.monotonic()
    assert node.clock.run_while(lambda: line.status is Status.IN_CALL, 300)
    (attempt, *_) = sorted(node.rows(tables.attempts), key=lambda row: row["began_at"])
    assert attempt["outcome"] == "told"
    assert attempt["lasted_s"] < node.clock.monotonic() - record_s + 60, "no hours of it"


def test_a_lease_that_a_clock_set_back_made_long_ends_when_the_clock_is_right(
    node: DunningOffice,
) -> None:
    """Another node took it by a clock an hour fast, and died."""
    node.campaign()
    node.parties[RICH] = node.parties[OLD] = outcome(Does.LISTENS, Manner())
    node.outbound.dialler.start([1])
    node.run_until(9, 30)
    line = node.office.lines[0]
    assert node.clock.run_while(lambda: line.status is not Status.IN_CALL, 120)
    node.outbound.desk._open.clear()  # noqa: SLF001 - as if it were not this node's
    node.clock.set_wall(-HOUR)
    assert node.outbound.desk.upkeep().lost == 0
    node.clock.set_wall(HOUR + timedelta(minutes=20))
    assert node.outbound.desk.upkeep().lost == 1
