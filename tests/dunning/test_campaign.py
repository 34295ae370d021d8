"""Campaign files: what they come to, and every mistake told with its place and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ivrd.dunning.campaign import Campaign, CampaignDefaults, campaign_from, load_campaign
from ivrd.dunning.case import GateRules
from ivrd.dunning.holiday_calendar import ConfirmedYear, HolidayCalendar
from ivrd.dunning.hours import Windows
from ivrd.dunning.policy import Policy, ready_policies
from ivrd.dunning.retry import RetryRules
from ivrd.errors import CampaignError
from ivrd.prompts import Voices
from ivrd.resources import FLOWS, PROMPTS

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 5, 10, tzinfo=ZONE)
BAD = Path(__file__).parent / "bad"
EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "campaigns"


def policy(name: str, hours: str, until: date | None = None) -> Policy:
    return Policy(name, name, "made for a test", date(2020, 1, 1), until, Windows.daily(hours))


POLICIES = ready_policies() | {
    "mornings": policy("mornings", "09:00-12:00"),
    "noons": policy("noons", "12:00-14:00"),
    "expired": policy("expired", "08:00-20:00", date(2026, 10, 31)),
}
CALENDAR = HolidayCalendar(
    "CN",
    {
        2026: ConfirmedYear(frozenset(date(2026, 12, d) for d in (1, 2, 3)), frozenset(), "a test"),
        2027: ConfirmedYear(frozenset(), frozenset(), "a test"),
    },
)
DEFAULTS = CampaignDefaults(
    zone=ZONE,
    caller_id="+8657188610000",
    languages=("zh-CN", "en-US"),
    flows=frozenset({"dunning", "reminder"}),
    lines=(5, 6, 7, 8),
    rules=GateRules(POLICIES),
    calendar=CALENDAR,
    voices=Voices(PROMPTS, ["zh-CN", "en-US"], FLOWS / "sentences.toml"),
)


def loaded(tmp_path: Path, text: str, now: datetime = NOW) -> Campaign:
    file = tmp_path / "campaign.toml"
    file.write_text(text, encoding="utf-8")
    return load_campaign(file, DEFAULTS, now)


def test_a_file_of_two_lines_is_whole_with_the_defaults(tmp_path: Path) -> None:
    campaign = loaded(tmp_path, 'name = "short"\n[choose]\n')
    assert (campaign.kind, campaign.flow, campaign.caller_id) == (
        "dunning", "dunning", "+8657188610000"
    )  # fmt: skip
    assert campaign.languages == ["zh-CN", "en-US"]
    assert campaign.profiles == ["cn-consumer-credit"]
    assert campaign.retry == RetryRules()
    assert campaign.max_age_h == 24
    assert campaign.when.windows() == Windows.of(
        dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), ("09:30-12:00", "15:00-20:00"))
        | dict.fromkeys(("sat", "sun"), ("10:30-12:00", "15:00-20:00"))
    )


def test_what_the_file_says_goes_before_the_defaults(tmp_path: Path) -> None:
    campaign = loaded(tmp_path, 'name = "own"\ncaller_id = "170"\nflow = "reminder"\n[choose]\n')
    assert (campaign.caller_id, campaign.flow) == ("170", "reminder")


def test_a_day_of_its_own_goes_before_weekdays_and_weekends(tmp_path: Path) -> None:
    text = 'name = "a"\n[choose]\n[when]\nfri = ["09:00-10:00"]\nsun = []\n'
    windows = loaded(tmp_path, text).when.windows()
    assert [len(spans) for spans in windows.days] == [2, 2, 2, 2, 1, 2, 0]


@pytest.mark.parametrize("written", ['"1000.5"', "1000.50", '"1000.50"'])
def test_an_amount_is_yuan_as_text_or_number(tmp_path: Path, written: str) -> None:
    campaign = loaded(tmp_path, f'name = "a"\n[choose]\namount_at_least = {written}\n')
    assert campaign.choose
    assert campaign.choose.amount_at_least == Decimal("1000.50")
    assert campaign.choose.amount_at_least_fen == 100050


def test_an_instant_without_a_zone_is_the_nodes_and_a_day_counts_whole(tmp_path: Path) -> None:
    text = 'name = "a"\n[choose]\n[when]\nstart = 2026-11-09T15:00:00\nend = 2026-11-13\n'
    when = loaded(tmp_path, text).when
    assert when.start == datetime(2026, 11, 9, 7, tzinfo=UTC)
    assert when.end == datetime(2026, 11, 14, tzinfo=ZONE)
    today = loaded(tmp_path, 'name = "a"\n[choose]\n[when]\nstart = 2026-11-05\n').when
    assert today.start == datetime(2026, 11, 5, tzinfo=ZONE)


def test_the_last_day_of_the_message_may_be_today(tmp_path: Path) -> None:
    text = 'name = "a"\n[choose]\n[message]\nstale_after = 2026-11-05\n'
    assert loaded(tmp_path, text).message.stale_after == date(2026, 11, 5)


def test_what_the_store_keeps_is_the_same_campaign(tmp_path: Path) -> None:
    text = """
        name = "kept"
        [list]
        posted_at = 2026-11-05T09:00:00+08:00
        [when]
        start = 2026-11-05T15:00:00
        [retry.busy]
        after_s = 600
        most = 2
        [message]
        confirm = "digits"
        stale_after = 2026-12-24
    """
    campaign = loaded(tmp_path, text)
    assert campaign_from(campaign.settings()) == campaign
    assert campaign.settings()["list"]["posted_at"] == "2026-11-05T09:00:00+08:00"


@pytest.mark.parametrize("year", [2026, 2027])
@pytest.mark.parametrize("name", ["arrears", "list", "notice"])
def test_the_examples_load_on_any_day(name: str, year: int) -> None:
    now = datetime(year, 11, 22, 8, tzinfo=ZONE)
    campaign = load_campaign(EXAMPLES / f"{name}.toml", DEFAULTS, now)
    assert campaign_from(campaign.settings()) == campaign


def test_a_notice_is_not_spoken_after_its_day(tmp_path: Path) -> None:
    text = 'name = "a"\nkind = "notice"\n[list]\n[notice]\nprompt = "notice_supply"\n'
    assert loaded(tmp_path, text).message.stale_after is None
    text += "date = 2026-11-05\n"
    notice = loaded(tmp_path, text)
    assert notice.notice
    assert notice.notice.date == notice.message.stale_after == date(2026, 11, 5)
    text += "[message]\nstale_after = 2026-11-30\n"
    assert loaded(tmp_path, text).message.stale_after == date(2026, 11, 30)


def test_a_notice_with_hours_only_after_its_day_could_never_call(tmp_path: Path) -> None:
    text = 'name = "a"\nkind = "notice"\n[list]\n[when]\nweekdays = []\n[notice]\n'
    text += 'prompt = "notice_supply"\ndate = 2026-11-06\n'
    with pytest.raises(CampaignError, match="no day from 2026-11-05 to 2026-11-07 has hours"):
        loaded(tmp_path, text)


def test_until_when_payments_are_posted_may_be_said_later(tmp_path: Path) -> None:
    campaign = loaded(tmp_path, 'name = "a"\n[list]\n')
    assert campaign.from_list
    assert campaign.from_list.posted_at is None
    said = campaign.posted(NOW).from_list
    assert said
    assert said.posted_at == NOW
    chosen = loaded(tmp_path, 'name = "a"\n[choose]\n')
    assert chosen.posted(NOW) == chosen


def test_without_known_names_nothing_is_held_against_them(tmp_path: Path) -> None:
    file = tmp_path / "campaign.toml"
    file.write_text('name = "a"\nflow = "own"\nlines = [99]\nprofiles = ["x"]\n[choose]\n')
    bare = CampaignDefaults(zone=ZONE, caller_id="170")
    assert load_campaign(file, bare, NOW).lines == [99]


BAD_FILES = sorted(BAD.glob("*.toml"))


def _expected(file: Path) -> set[tuple[str, str, str]]:
    """Return key, rule and nearest name of each problem, as the head of the file says them."""
    heads = [line for line in file.read_text(encoding="utf-8").splitlines() if line[:1] == "#"]
    rows = [[part.strip() for part in head[1:].split("|")] for head in heads]
    return {(key, rule, near) for key, rule, near in rows}


@pytest.mark.parametrize("file", BAD_FILES, ids=[file.stem for file in BAD_FILES])
def test_each_mistake_is_told_once_with_its_place(file: Path) -> None:
    with pytest.raises(CampaignError) as caught:
        load_campaign(file, DEFAULTS, NOW)
    problems = caught.value.problems
    found = {(str(p.key), p.rule, p.nearest or "") for p in problems}
    assert found == _expected(file)
    assert len(problems) == len(found)
    assert all(p.file == file for p in problems)
    assert all(p.line for p in problems if "." in str(p.key) and p.rule != "missing")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("never-outer-limit", "never within the outer limit's"),
        ("never-profile", "never within those of profile mornings"),
        ("never-together", "all its profiles and the outer limit together"),
        ("never-in-force", "none of its profiles (expired) is in force"),
        ("never-weekday", "no day from 2026-11-05 to 2026-11-07 has hours"),
        ("never-holiday", "is a holiday"),
        ("never-known-year", "the holidays of 2031 (CN) are not confirmed"),
        ("never-before-stale", "no day from 2026-11-05 to 2026-11-07 has hours"),
    ],
)
def test_a_campaign_that_could_never_call_is_told_why(file: str, reason: str) -> None:
    with pytest.raises(CampaignError) as caught:
        load_campaign(BAD / f"{file}.toml", DEFAULTS, NOW)
    assert reason in str(caught.value)


def test_hours_that_meet_the_policy_by_a_minute_are_enough(tmp_path: Path) -> None:
    text = 'name = "a"\n[choose]\n[when]\nweekdays = ["19:59-22:00"]\nweekends = []\n'
    assert loaded(tmp_path, text).name == "a"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match="no such file"):
        load_campaign(tmp_path / "none.toml", DEFAULTS, NOW)


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield every key of a campaign file, those of its tables too."""
    for name, info in model.model_fields.items():
        yield info.alias or name, info
        for part in (info.annotation, *get_args(info.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _keys(part)


def test_the_document_has_every_key_with_its_default() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "campaigns.md").read_text("utf-8")
    days = {"tue", "wed", "thu", "fri", "sat"}
    for key, info in _keys(Campaign):
        if key in days:
            continue
        lines = [line for line in text.splitlines() if f"`{key}`" in line or f"{key}]" in line]
        assert lines, key
        if isinstance(info.default, bool):
            assert any(f"`{str(info.default).lower()}`" in line for line in lines) or (
                key == "other_time"
            ), key
        elif isinstance(info.default, int | str) and key not in {"after_s", "longest_s", "most"}:
            shown = f"`{info.default}`" if isinstance(info.default, int) else info.default
            assert any(shown in line for line in lines), key
    for name in ("no_answer", "busy", "out_of_service", "rejected", "machine", "not_confirmed",
                 "told_in_part"):  # fmt: skip
        rule = getattr(RetryRules(), name)
        row = f"| `{name}` | {rule.after_s} | {rule.most} | {str(rule.other_time).lower()} |"
        assert row in text
