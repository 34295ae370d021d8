"""When imports run: by plan, at once where one was missed, again where one failed."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ivrd.billing.imports.embedded import About, embedded_mapping, shape_of
from ivrd.billing.imports.new_file import NewFile
from ivrd.billing.mapping import load_mapping
from ivrd.billing.sample_tables import profile_for
from ivrd.config import Config, load_config
from ivrd.import_settings import ImportTable
from ivrd.import_times import last_due, next_due, too_old
from ivrd.import_watch import LOOK_S, ImportWatch, Ran
from sim.clock import VirtualClock

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=ZONE)

SETTINGS = """
[enquiry]
disclosure = "open"
[billing]
mode = "stand-alone"
[import]
mapping = "telecom"
files = "files"
at = ["02:30", "13:00"]
days = ["mon", "tue"]
[[card]]
name = "soft"
driver = "software"
"""


def table(**more: object) -> ImportTable:
    return ImportTable.model_validate({"mapping": "telecom", "files": "files", **more})


@pytest.mark.parametrize(
    ("at", "days", "last", "following"),
    [
        (["02:30"], None, (23, 2, 30), (24, 2, 30)),
        (["02:30", "13:00"], None, (23, 2, 30), (23, 13, 0)),
        (["02:30"], ["sun"], (22, 2, 30), (29, 2, 30)),
        (["12:00"], ["mon"], (23, 12, 0), (30, 12, 0)),
    ],
)
def test_the_planned_instants_around_now(
    at: list[str], days: list[str] | None, last: tuple[int, int, int],
    following: tuple[int, int, int],
) -> None:  # fmt: skip
    plan = table(at=at, **({"days": days} if days else {}))
    assert last_due(plan, MONDAY) == datetime(2026, 11, *last, tzinfo=ZONE)
    assert next_due(plan, MONDAY) == datetime(2026, 11, *following, tzinfo=ZONE)


def test_without_a_plan_nothing_is_due_and_data_grows_old_in_a_month() -> None:
    assert last_due(table(), MONDAY) is next_due(table(), MONDAY) is None
    assert not too_old(table(), MONDAY - timedelta(days=34), MONDAY)
    assert too_old(table(), MONDAY - timedelta(days=36), MONDAY)


def test_data_is_old_when_its_import_is_two_hours_late() -> None:
    plan, yesterday = table(at=["02:30"]), datetime(2026, 11, 22, 2, 31, tzinfo=ZONE)
    assert not too_old(plan, yesterday, MONDAY.replace(hour=4, minute=29))
    assert too_old(plan, yesterday, MONDAY.replace(hour=4, minute=30))


class Node:
    """An import watch on virtual time, whose imports end as they are told."""

    def __init__(self, config: Config, clock: VirtualClock) -> None:
        assert config.import_
        assert config.billing_file
        self.file, self.clock = config.billing_file, clock
        self.began: list[str] = []
        self.ends: list[int] = []
        self.went_over = 0
        self.watch = ImportWatch(config, config.import_, clock, self.go_over, self.spawn)

    async def spawn(self) -> Ran:
        self.began.append(f"{self.clock.now():%a %H:%M}")
        code = self.ends.pop(0) if self.ends else 0
        if code == 0:
            write_data(self.file, self.clock.now())
        return Ran(code, "the source is away" if code else "")

    async def go_over(self) -> None:
        self.went_over += 1

    async def run_until(self, when: datetime) -> None:
        while self.clock.now() < when:
            for _ in range(3):
                await asyncio.sleep(0)
            self.clock.run_for(LOOK_S)


def write_data(file: Path, now: datetime) -> None:
    """Put an empty file of ours in place."""
    embedded = embedded_mapping(load_mapping(profile_for("wide")))
    file.parent.mkdir(exist_ok=True)
    new = NewFile(file.with_name("beside"), embedded)
    new.finish(About(now, "", shape_of(embedded)))
    new.file.replace(file)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "ivrd.toml").write_text(SETTINGS, encoding="utf-8")
    return load_config(tmp_path / "ivrd.toml")


def at(hour: int, minute: int = 0, day: int = 23) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=ZONE)


async def test_imports_run_by_plan_and_new_data_is_gone_over_to(config: Config) -> None:
    assert config.billing_file
    write_data(config.billing_file, at(2, 40))
    node = Node(config, VirtualClock(at(12)))
    node.watch.start()
    await node.run_until(at(3, day=24))
    assert node.began == ["Mon 13:00", "Tue 02:30"]
    assert node.went_over == 2
    assert node.watch.failed is None
    await node.watch.stop()


async def test_a_missed_import_runs_at_the_start(config: Config) -> None:
    assert config.billing_file
    write_data(config.billing_file, at(2, 29))
    node = Node(config, VirtualClock(at(12)))
    node.watch.start()
    await node.run_until(at(12, 30))
    assert node.began == ["Mon 12:00"]
    await node.watch.stop()


async def test_without_any_data_an_import_runs_at_the_start(config: Config) -> None:
    node = Node(config, VirtualClock(at(12, day=26)))  # a Thursday, on which none is planned
    node.watch.start()
    await node.run_until(at(13, day=26))
    assert node.began == ["Thu 12:00"]
    await node.watch.stop()


async def test_an_import_that_fails_is_tried_again_and_then_left_until_the_next_time(
    config: Config,
) -> None:
    node = Node(config, VirtualClock(at(2, 30)))
    node.ends = [1, 2, 2, 2]
    node.watch.start()
    await node.run_until(at(12))
    assert node.began == ["Mon 02:30", "Mon 02:45", "Mon 03:00", "Mon 03:15"]
    view = node.watch.view()
    assert view["old"]
    assert view["why"] == "the source is away"
    assert view["failed_at"].startswith("2026-11-23T03:15")
    assert view["next"].startswith("2026-11-23T13:00")
    await node.run_until(at(14))
    assert node.began[4:] == ["Mon 13:00"]
    view = node.watch.view()
    assert not view["old"]
    assert view["failed_at"] is None
    await node.watch.stop()
