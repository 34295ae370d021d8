"""The kill switch, backup and restore on the command line."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest

from ivrd.cli.instants import coming_day, instant, to_come
from ivrd.cli.own_store import operator
from tests.cli.cli_terminal import Invoke
from tests.cli.dunning_set_up import audited, campaign_file, told, with_dunning

ME = operator()


@pytest.fixture
def config(own_sample: Path) -> Path:
    return with_dunning(own_sample)


def test_the_kill_switch_holds_until_somebody_says_yes(invoke: Invoke, config: Path) -> None:
    assert told(invoke, config, "kill-switch", "status") == {"on": False}
    on = invoke(config, "kill-switch", "on", "--why", "a storm")
    assert on.exit_code == 0, on.output
    assert "on: nobody is dialled" in on.stdout
    status = told(invoke, config, "kill-switch", "status")
    assert (status["on"], status["by"], status["why"]) == (True, ME, "a storm")
    assert datetime.fromisoformat(status["at"]).utcoffset() == timedelta(hours=8)
    refused = invoke(config, "kill-switch", "off", stdin="n\n")
    assert refused.exit_code == 1
    assert told(invoke, config, "kill-switch", "status")["on"] is True
    assert invoke(config, "kill-switch", "off", "--yes").stdout.startswith("kill switch off")
    assert audited(config) == [f"kill-switch.on {ME}", f"kill-switch.off {ME}"]


def test_a_backup_is_written_once_and_for_its_owner_alone(invoke: Invoke, config: Path) -> None:
    invoke(config, "dnc", "add", "88610001")
    file = config.parent / "store.bak"
    made = invoke(config, "backup", str(file))
    assert made.exit_code == 0, made.output
    assert "1 do not call" in made.stdout
    assert "head of the audit trail: 2:" in made.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = invoke(config, "backup", str(file))
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_a_store_that_holds_something_is_replaced_only_on_request(
    invoke: Invoke, config: Path
) -> None:
    invoke(config, "dnc", "add", "88610001")
    file = config.parent / "store.bak"
    invoke(config, "backup", str(file))
    invoke(config, "dnc", "add", "88610002")
    refused = invoke(config, "restore", str(file))
    assert refused.exit_code == 1
    assert "--replace" in refused.stderr
    asked = invoke(config, "restore", str(file), "--replace", stdin="n\n")
    assert asked.exit_code == 1
    assert "is lost" in asked.stderr
    assert len(told(invoke, config, "dnc", "list")["rows"]) == 2
    done = invoke(config, "restore", str(file), "--replace", "--yes")
    assert done.exit_code == 0, done.output
    assert len(told(invoke, config, "dnc", "list")["rows"]) == 1
    assert "kill switch" not in done.stdout
    assert audited(config)[-1] == f"store.restore {ME}"


def test_what_is_no_backup_is_refused(invoke: Invoke, config: Path) -> None:
    for file in (config, config.parent / "none.bak"):
        result = invoke(config, "restore", str(file), "--replace", "--yes")
        assert result.exit_code == 2
        assert str(file) in result.stderr


def test_after_a_restore_no_campaign_dials_by_itself(invoke: Invoke, config: Path) -> None:
    assert invoke(config, "campaign", "new", str(campaign_file(config))).exit_code == 0
    assert invoke(config, "campaign", "start", "arrears").exit_code == 0
    file = config.parent / "store.bak"
    invoke(config, "backup", str(file))
    done = told(invoke, config, "restore", str(file), "--replace", "--yes")
    assert done["kill_switch"] is True
    status = told(invoke, config, "kill-switch", "status")
    assert (status["on"], status["why"]) == (True, "the store was restored")


# -- times as people write them --------------------------------------------------------------------

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ends", "wanted"),
    [
        ("2026-11-19", False, datetime(2026, 11, 19, tzinfo=ZONE)),
        ("2026-11-19", True, datetime(2026, 11, 20, tzinfo=ZONE)),
        ("today", False, datetime(2026, 11, 20, tzinfo=ZONE)),
        ("yesterday", True, datetime(2026, 11, 20, tzinfo=ZONE)),
        ("2026-11-19T15:30", True, datetime(2026, 11, 19, 15, 30, tzinfo=ZONE)),
        ("2026-11-19T15:30+00:00", False, datetime(2026, 11, 19, 15, 30, tzinfo=UTC)),
        ("12h", False, NOW - timedelta(hours=12)),
        ("2w", True, NOW - timedelta(days=14)),
    ],
)
def test_instants_are_read_in_the_nodes_zone(text: str, ends: bool, wanted: datetime) -> None:
    assert instant(text, NOW, ZONE, ends=ends) == wanted


def test_a_time_to_come_is_the_next_such_time() -> None:
    assert to_come("15:00", NOW, ZONE) == datetime(2026, 11, 20, 15, 0, tzinfo=ZONE)
    assert to_come("9:30", NOW, ZONE) == datetime(2026, 11, 21, 9, 30, tzinfo=ZONE)
    assert to_come("2026-11-25T09:30", NOW, ZONE) == datetime(2026, 11, 25, 9, 30, tzinfo=ZONE)
    assert str(coming_day("3d", NOW, ZONE)) == "2026-11-23"
    assert str(coming_day("tomorrow", NOW, ZONE)) == "2026-11-21"
    for read, text in (
        (to_come, "25:00"), (to_come, "2020-01-01T00:00"), (to_come, "soon"),
        (coming_day, "2026-11-19"), (coming_day, "32d?"), (coming_day, "1h"),
    ):  # fmt: skip
        with pytest.raises(click.BadParameter):
            read(text, NOW, ZONE)
    with pytest.raises(click.BadParameter, match="names no time"):
        instant("15 o'clock", NOW, ZONE)
