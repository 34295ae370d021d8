"""What each key of a campaign file allows by itself but the whole does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from ivrd.dunning.campaign_form import Campaign, CampaignDefaults
from ivrd.dunning.campaign_meets import Span, why_never
from ivrd.dunning.campaign_prompts import unspoken
from ivrd.dunning.hours import Holidays, Windows
from ivrd.errors import Problem, nearest
from ivrd.toml_file import TomlFile


def problems_in(
    campaign: Campaign, file: TomlFile, defaults: CampaignDefaults, now: datetime
) -> list[Problem]:
    """Return everything wrong in a campaign whose keys are each right."""
    found = [
        *_whom(campaign, file),
        *_names(campaign, file, defaults),
        *(unspoken(campaign, defaults.voices, file) if defaults.voices else ()),
        *_hours(campaign, file),
        *_days(campaign, file, now),
    ]
    # hours and days that are wrong by themselves need no second reason
    return found or list(_never(campaign, file, defaults, now))


def _never(
    campaign: Campaign, file: TomlFile, defaults: CampaignDefaults, now: datetime
) -> Iterator[Problem]:
    when, last = campaign.when, campaign.last_day
    ends = [end for end in (when.end, _end_of(last, now) if last else None) if end]
    span = Span(
        when.windows(), Holidays(when.holidays), max(now, when.start) if when.start else now,
        min(ends, default=None), defaults.zone,
    )  # fmt: skip
    known = defaults.rules.policies
    policies = {name: known[name] for name in campaign.profiles if name in known}
    why = why_never(span, defaults.rules.outer.hours, policies, defaults.calendar)
    if why:
        yield file.problem(("when",), f"it could never call: {why}",
                           expected="hours and days in which its policy lets it call",
                           rule="never")  # fmt: skip


def _whom(campaign: Campaign, file: TomlFile) -> Iterator[Problem]:
    if campaign.choose and campaign.from_list:
        yield file.problem(("list",), "the debtors are chosen from the billing data already",
                           expected="either [choose] or [list]", rule="whom")  # fmt: skip
    if not campaign.choose and not campaign.from_list:
        yield file.problem((), "nothing says whom it calls", expected="[choose] or [list]",
                           rule="whom")  # fmt: skip
    if campaign.kind == "dunning" and campaign.notice:
        yield file.problem(("notice",), "is spoken only by a notice campaign",
                           expected='kind = "notice"', rule="no-use")  # fmt: skip
    if campaign.kind == "notice":
        yield from _of_a_notice(campaign, file)
    if campaign.retry.per_day > campaign.retry.per_week:
        yield file.problem(("retry", "per_day"), f"{campaign.retry.per_day} are more than "
                           f"{campaign.retry.per_week} in a week",
                           expected="at most per_week", rule="limits")  # fmt: skip


def _of_a_notice(campaign: Campaign, file: TomlFile) -> Iterator[Problem]:
    said = file.data.get("message", {})
    if campaign.notice is None:
        yield file.problem(("kind",), "a notice without a message",
                           expected='[notice] with prompt = "notice_supply", or another prompt',
                           rule="notice")  # fmt: skip
    elif "confirm" in said and not campaign.notice.to_holder:
        yield file.problem(("message", "confirm"), "nobody is asked to confirm for this notice",
                           expected="[notice] to_holder = true", rule="no-use")  # fmt: skip
    if "how_to_pay" in said:
        yield file.problem(("message", "how_to_pay"), "is not spoken in a notice",
                           expected="left out", rule="no-use")  # fmt: skip


def _names(campaign: Campaign, file: TomlFile, defaults: CampaignDefaults) -> Iterator[Problem]:
    """Check what names something that stands elsewhere."""
    named: list[tuple[tuple[str | int, ...], str, frozenset[str], str]] = [
        (("flow",), campaign.flow, defaults.flows, "flow")
    ]
    named += [
        (("languages", index), lang, frozenset(defaults.languages), "language of this node")
        for index, lang in enumerate(campaign.languages)
    ]
    named += [
        (("profiles", index), name, frozenset(defaults.rules.policies), "policy profile")
        for index, name in enumerate(campaign.profiles)
    ]
    for key, name, known, what in named:
        if known and name not in known:
            yield file.problem(key, f"no {what} {name!r}", expected=" or ".join(sorted(known)),
                               nearest=nearest(name, known), rule="unknown-name")  # fmt: skip
    for index, line in enumerate(campaign.lines):
        if line in campaign.lines[:index]:
            yield file.problem(("lines", index), f"line {line} is there twice", rule="twice")
        elif defaults.lines and line not in defaults.lines:
            yield file.problem(("lines", index), f"there is no line {line}",
                               expected=f"{min(defaults.lines)} to {max(defaults.lines)}",
                               rule="line")  # fmt: skip


def _hours(campaign: Campaign, file: TomlFile) -> Iterator[Problem]:
    told: set[str] = set()
    for day, (key, hours) in campaign.when.by_day().items():
        try:
            Windows.of({day: hours})
        except ValueError:
            if key not in told:
                yield file.problem(
                    ("when", key),
                    "two of its windows overlap",
                    expected="windows one after the other",
                    rule="overlap",
                )
        told.add(key)
    if not any(hours for _, hours in campaign.when.by_day().values()):
        yield file.problem(("when",), "no weekday has hours", expected="at least one window",
                           rule="hours")  # fmt: skip


def _days(campaign: Campaign, file: TomlFile, now: datetime) -> Iterator[Problem]:
    when = campaign.when
    stale = campaign.message.stale_after
    notice_day = campaign.notice.date if campaign.notice else None
    places: list[tuple[tuple[str, str], datetime | None]] = [
        (("when", "start"), when.start),
        (("when", "end"), when.end),
        (("message", "stale_after"), _end_of(stale, now) if stale else None),
        (("notice", "date"), _end_of(notice_day, now) if notice_day else None),
    ]
    for key, instant in places:
        # a day alone counts whole: a start of today is not past
        if instant and instant < now and not (key[1] == "start" and _is_today(instant, now)):
            yield file.problem(key, "is in the past", expected=f"later than {_told(now)}",
                               rule="past")  # fmt: skip
    for key, instant in places[1:]:
        if instant and when.start and now <= instant <= when.start:
            yield file.problem(key, "is not later than the start",
                               expected=f"later than {_told(when.start)}",
                               rule="order")  # fmt: skip
    begins = max(now, when.start) if when.start else now
    posted = campaign.from_list.posted_at if campaign.from_list else None
    if posted and campaign.kind == "dunning":
        if posted > now:
            yield file.problem(("list", "posted_at"), "is in the future",
                               expected="when the payments in the list were posted last",
                               rule="future")  # fmt: skip
        elif posted + timedelta(hours=campaign.max_age_h) < begins:
            yield file.problem(("list", "posted_at"), "is too old when the campaign begins",
                               expected=f"at most {campaign.max_age_h:g} hours (max_age_h) before "
                               f"{_told(begins)}; or leave it out, and say it with --posted-at",
                               rule="stale")  # fmt: skip


def _is_today(instant: datetime, now: datetime) -> bool:
    here = now.astimezone(instant.tzinfo)
    midnight = instant.hour == instant.minute == instant.second == 0
    return midnight and instant.date() == here.date()


def _end_of(day: date, now: datetime) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), now.tzinfo)


def _told(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"
