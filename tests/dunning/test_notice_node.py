"""A notice as operators and called people live it: a list, a call, and what is on record of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ivrd.dunning import campaigns
from ivrd.dunning.campaign import load_campaign
from ivrd.dunning.fill import refill
from ivrd.dunning.lists import ListChecks, import_list
from ivrd.dunning_settings import campaign_defaults, number_plan
from ivrd.store import tables
from ivrd.store.states import CampaignState
from sim.debtor import Debtor, Does, Manner
from sim.phone import Rings
from tests.dunning.dunning_office import MONDAY, DunningOffice

NUMBER = "+861088610002"
NOTICE = """
name = "water-off"
kind = "notice"
languages = ["zh-CN"]

[list]

[notice]
prompt = "notice_supply"
date = 2026-11-25
"""
TO_HOLDER = NOTICE + "to_holder = true\n"


def notice(node: DunningOffice, text: str = NOTICE) -> None:
    """Make a notice campaign, import a list of one number into it, and start it, as commands do."""
    file = node.folder / "notice.toml"
    file.write_text(text, encoding="utf-8")
    listed = node.folder / "list.csv"
    listed.write_text("电话\n88610002\n", encoding="utf-8")
    now = node.clock.now()
    campaign = load_campaign(file, campaign_defaults(node.config, node.dunning), now)
    checks = ListChecks(
        number_plan(node.config), now.date(), node.config.zone, tuple(campaign.languages), "notice"
    )
    rows = import_list(listed, checks).rows
    made = node.store.transact(lambda tx: campaigns.make(tx, campaign, now))
    refill(node.store, made, rows, now, whole=False)
    node.store.transact(lambda tx: campaigns.bring(tx, "water-off", CampaignState.RUNNING, now))


def called(node: DunningOffice, does: Does, manner: Manner | None = None) -> Debtor:
    """Let somebody answer who does this; dial, and return them."""
    person = Debtor(does, manner or Manner())
    node.parties[NUMBER] = Rings(lambda: person)
    node.outbound.dialler.start([1])
    node.run_until(9, 35)
    return person


def attempt(node: DunningOffice) -> dict[str, Any]:
    """Return what is on record of the one call."""
    (row,) = node.rows(tables.attempts)
    return dict(row)


def standing(node: DunningOffice) -> str:
    """Return how the one debtor stands."""
    (row,) = node.rows(tables.targets)
    return str(row["state"])


@pytest.fixture
def node(billing: Path, tmp_path: Path) -> Iterator[DunningOffice]:
    """Return a node at nine on a Monday, half an hour before its hours begin."""
    office = DunningOffice(tmp_path, billing)
    yield office
    office.close()


def test_a_notice_from_a_list_is_heard_and_recorded_as_told(node: DunningOffice) -> None:
    notice(node)
    person = called(node, Does.LISTENS)
    assert person.heard[:3] == ["reminder_greeting", "notice", "notice_date"]
    row = attempt(node)
    assert (row["outcome"], row["heard_percent"], row["confirmed"]) == ("told", 100, False)
    assert "told_in_full" in row["notes"]
    assert standing(node) == "notified"
    assert [one["state"] for one in node.rows(tables.campaigns)] == ["done"]


def test_a_notice_left_in_its_middle_is_told_in_part_and_told_again(node: DunningOffice) -> None:
    notice(node)
    called(node, Does.HANGS_UP_IN_MESSAGE, Manner(hears=0.5))
    row = attempt(node)
    assert row["outcome"] == "told_in_part"
    assert 0 < row["heard_percent"] < 100
    assert standing(node) == "waiting"


def test_who_hears_the_greeting_alone_has_heard_nothing_of_the_notice(node: DunningOffice) -> None:
    notice(node)
    called(node, Does.HANGS_UP_AT_GREETING, Manner(hears=0.2))
    row = attempt(node)
    assert (row["outcome"], row["heard_percent"]) == ("not_confirmed", 0)


def test_a_notice_for_the_holder_is_told_to_who_confirms(node: DunningOffice) -> None:
    notice(node, TO_HOLDER)
    person = called(node, Does.LISTENS)
    assert person.heard.index("are_you_holder") < person.heard.index("notice")
    row = attempt(node)
    assert (row["outcome"], row["heard_percent"], row["confirmed"]) == ("told", 100, True)


def test_a_notice_for_the_holder_is_not_told_to_who_denies(node: DunningOffice) -> None:
    notice(node, TO_HOLDER)
    person = called(node, Does.DENIES)
    assert "notice" not in person.heard
    assert attempt(node)["outcome"] == "not_confirmed"


def test_after_its_day_a_notice_calls_nobody(node: DunningOffice) -> None:
    notice(node)
    node.clock.run_for(timedelta(days=3).total_seconds())
    assert node.clock.now().date() == date(2026, 11, 26) == (MONDAY + timedelta(days=3)).date()
    called(node, Does.LISTENS)
    assert node.rows(tables.attempts) == []
    (row,) = node.rows(tables.targets)
    assert (row["state"], row["why"]) == ("exhausted", "message_stale")
