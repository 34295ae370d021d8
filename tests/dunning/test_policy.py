"""Policy profiles: the files that come with ivrd, and what is wrong in one of an operator's."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.dunning.frequency import Past, reached_until
from ivrd.dunning.policy import Limit, PolicyError, load_policies, load_policy, ready_policies

SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_the_profiles_that_come_with_ivrd() -> None:
    ready = ready_policies()
    assert sorted(ready) == [
        "cn-banking-association", "cn-consumer-credit", "outer-limit", "uk-conc", "us-reg-f",
    ]  # fmt: skip
    assert ready["cn-consumer-credit"].limits == (Limit("contacts", "person", 3, "day"),)
    assert ready["cn-banking-association"].limits == (Limit("attempts", "number", 6, "day"),)
    assert ready["us-reg-f"].limits == (
        Limit("attempts", "debt", 7, 7),
        Limit("contacts", "debt", 1, 7),
    )
    assert ready["us-reg-f"].consent == "mobile"
    assert all(policy.source and policy.hours for policy in ready.values())


def test_a_profile_binds_from_its_first_day_to_its_last() -> None:
    policy = ready_policies()["cn-consumer-credit"]
    assert not policy.in_force(date(2025, 2, 27))
    assert policy.in_force(date(2025, 2, 28))
    assert policy.in_force(date(2099, 1, 1))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "house.toml"
    path.write_text(text, encoding="utf-8")
    return path


GOOD = """title = "Our own"
source = "the board, 2026-05-04"
from = 2026-05-04
until = 2026-12-31
hours = ["09:00-12:00", "14:00-18:00"]
[[limit]]
counts = "attempts"
per = "person"
most = 2
within = "day"
[[limit]]
counts = "attempts"
per = "person"
most = 5
within = 7
"""


def test_an_operators_file_is_named_by_its_path(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    policies = load_policies(["us-reg-f", "house.toml"], tmp_path)
    assert policies["house.toml"].in_force(date(2026, 12, 31))
    assert not policies["house.toml"].in_force(date(2027, 1, 1))
    assert "cn-consumer-credit" in policies, "a campaign may name any ready profile"


def test_a_profile_that_does_not_exist_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policies(["us-regf", "gone.toml"], tmp_path)
    first, second = caught.value.problems
    assert first.nearest == "us-reg-f"
    assert "no such file" in str(second)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("counts =", "count =", r"house.toml:7: limit\[0\].count: no such key.*'counts'"),
        ('"attempts"', '"atempts"', r"house.toml:7: limit\[0\].counts: is 'atempts'.*'attempts'"),
        ('"person"', '"persons"', r"house.toml:8: limit\[0\].per: is 'persons'.*'person'"),
        ("until = 2026-12-31", "until = 2026-05-03", r":4: until: 2026-05-03 is before"),
        ('"14:00-18:00"', '"11:00-18:00"', r":5: hours: the windows of mon overlap"),
        ('["09:00-12:00", "14:00-18:00"]', '["9-12"]', r":5: hours: '9-12' is no span of time"),
        ('["09:00-12:00", "14:00-18:00"]', "[]", r":5: hours: no hour of the day is left"),
        ("within = 7", "within = 0", r":15: limit\[1\].within: is 0"),
        ("most = 5", "most = 0", r":14: limit\[1\].most: is 0"),
        ("within = 7", 'within = "day"', r":11: limit\[1\]: counts the same as limit\[0\]: 2 or 5"),
        ("most = 5", "most = 2", r":14: limit\[1\].most: at 2, limit\[0\] with 2 can never"),
        ("source = ", "sources = ", r"house.toml:2: sources: no such key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_line_and_key(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    assert before in GOOD
    path = write(tmp_path, GOOD.replace(before, after, 1))
    with pytest.raises(PolicyError, match=told):
        load_policy(path)


def test_a_limit_of_contacts_that_attempts_never_reach_is_a_slip(tmp_path: Path) -> None:
    text = GOOD.replace('counts = "attempts"\nper = "person"\nmost = 2',
                        'counts = "contacts"\nper = "person"\nmost = 5', 1)  # fmt: skip
    with pytest.raises(PolicyError, match=r"limit\[1\].most: at 5, limit\[0\] with 5 can never"):
        load_policy(write(tmp_path, text))


def test_a_file_that_says_nothing_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 'title = "x"\nsource = "nobody at all"\nfrom = 2026-01-01\n')
    with pytest.raises(PolicyError, match="says nothing"):
        load_policy(path)


# -- counting ----------------------------------------------------------------------------------

BASE = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


def past(at: datetime, *, contact: bool = False, day: date | None = None) -> Past:
    return Past(at, day or at.astimezone(SHANGHAI).date(), "p", "n", "d", contact)


def test_seven_in_seven_days_lets_go_when_the_first_is_seven_days_old() -> None:
    limit = Limit("attempts", "debt", 7, 7)
    calls = [past(BASE - timedelta(days=6 - count)) for count in range(7)]
    assert reached_until(limit, calls, "d", SHANGHAI, BASE) == BASE + timedelta(days=1)
    assert reached_until(limit, calls, "d", SHANGHAI, BASE + timedelta(days=1)) is None
    assert reached_until(limit, calls, "another", SHANGHAI, BASE) is None


def test_a_contact_leaves_the_debtor_alone_for_seven_days() -> None:
    limit = Limit("contacts", "debt", 1, 7)
    assert reached_until(limit, [past(BASE)], "d", SHANGHAI, BASE) is None, "it was no contact"
    calls = [past(BASE, contact=True)]
    assert reached_until(limit, calls, "d", SHANGHAI, BASE) == BASE + timedelta(days=7)


def test_a_calendar_day_is_the_debtors() -> None:
    limit = Limit("attempts", "number", 1, "day")
    evening = datetime(2026, 11, 24, 23, 0, tzinfo=SHANGHAI)
    midnight = datetime(2026, 11, 25, 0, 0, tzinfo=SHANGHAI)
    assert reached_until(limit, [past(evening)], "n", SHANGHAI, evening) == midnight
    new_york = ZoneInfo("America/New_York")
    assert reached_until(limit, [past(evening)], "n", new_york, evening) == datetime(
        2026, 11, 25, tzinfo=new_york
    )


def test_a_call_counts_on_its_day_then_and_on_its_day_now_when_a_zone_was_put_right() -> None:
    limit = Limit("attempts", "number", 1, "day")
    call = [past(BASE, day=date(2026, 11, 25))]
    assert reached_until(limit, call, "n", SHANGHAI, BASE) is not None
    assert reached_until(limit, call, "n", SHANGHAI, BASE + timedelta(days=1)) is not None
    assert reached_until(limit, call, "n", SHANGHAI, BASE + timedelta(days=2)) is None


def test_a_call_dated_later_than_the_clock_counts_as_of_now() -> None:
    limit = Limit("attempts", "number", 1, "day")
    tomorrow = BASE + timedelta(days=1)
    until = reached_until(limit, [past(tomorrow)], "n", SHANGHAI, BASE)
    assert until == datetime(2026, 11, 26, tzinfo=SHANGHAI), "its own day counts as well"


@given(
    st.lists(st.tuples(st.integers(-12000, 3000), st.booleans(), st.integers(-1, 1)), max_size=12),
    st.integers(1, 4),
    st.sampled_from(["day", 1, 2, 7]),
    st.sampled_from(["attempts", "contacts"]),
)
def test_a_limit_lets_go_at_the_instant_it_names_and_not_before(
    made: list[tuple[int, bool, int]], most: int, within: str | int, counts: str
) -> None:
    limit = Limit(counts, "person", most, within)  # type: ignore[arg-type] # drawn from both
    calls = [
        past(at := BASE + timedelta(minutes=minute), contact=contact,
             day=at.astimezone(SHANGHAI).date() + timedelta(days=shift))
        for minute, contact, shift in made
    ]  # fmt: skip
    until = reached_until(limit, calls, "p", SHANGHAI, BASE)
    if until is None:
        return
    assert until > BASE
    assert reached_until(limit, calls, "p", SHANGHAI, until) is None
    span = (until - BASE).total_seconds()
    for part in range(1, 60):
        before = BASE + timedelta(seconds=span * part / 60)
        assert reached_until(limit, calls, "p", SHANGHAI, before) is not None
