"""The gate: each reason, what it writes, and what other systems got wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import OperationalError

from ivrd.card import DialPermit
from ivrd.dunning.case import OF_NUMBER, WIDE, GateRules, Held, Holidays, OuterLimit, Reason
from ivrd.dunning.gate import Gate
from ivrd.dunning.holiday_calendar import HolidayCalendar
from ivrd.dunning.hours import Windows
from ivrd.dunning.numbers import NumberPlan
from ivrd.errors import StoreError
from ivrd.store import do_not_call, promises, switches, tables
from ivrd.store.states import CampaignState, Outcome, TargetState
from tests.dunning.gate_world import (
    CALENDAR,
    DEFAULT,
    PLAN,
    POLICIES,
    SHANGHAI,
    TUESDAY,
    World,
    minutes,
)

ALWAYS = Windows.daily("00:00-24:00")
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def world() -> World:
    return World()


def at(hour: int, minute: int = 0, *, month: int = 11, day: int = 24) -> datetime:
    """Return an instant of 2026 in Shanghai."""
    return datetime(2026, month, day, hour, minute, tzinfo=SHANGHAI)


# -- what is written ---------------------------------------------------------------------------


def test_a_permit_comes_with_attempt_reservations_and_ledger_row(world: World) -> None:
    debtor = world.debtor()
    case = world.case(debtor)
    permit = world.permitted(case)
    assert permit == DialPermit(case.number, "170", case.attempt, TUESDAY + timedelta(seconds=10))
    assert world.rows() == {"attempts": 1, "reservations": 3, "ledger": 1, "calling": 1}
    assert set(world.reserved()) == {
        f"number:{case.number}", f"person:{debtor.person}", f"debt:{debtor.account}"
    }  # fmt: skip
    row = world.do(lambda tx: tx.execute(select(tables.attempts)).one())
    assert (row.id, row.outcome, row.began_at) == (case.attempt, None, TUESDAY)
    assert row.lease_until == TUESDAY + timedelta(seconds=120)
    counted = world.do(lambda tx: tx.execute(select(tables.ledger)).one())
    assert (counted.at, counted.day, counted.effective) == (TUESDAY, date(2026, 11, 24), False)


def test_the_ledgers_day_is_the_debtors(world: World) -> None:
    evening = datetime(2026, 11, 24, 19, 0, tzinfo=NEW_YORK)
    world.permitted(world.case(world.debtor(), evening, zone=NEW_YORK), evening)
    assert world.do(lambda tx: tx.execute(select(tables.ledger.c.day)).scalar_one()) == date(
        2026, 11, 24
    )


def test_a_transaction_that_is_rolled_back_leaves_nothing(world: World) -> None:
    debtor = world.debtor()

    def job(tx: Connection) -> None:
        assert isinstance(world.gate.permit(tx, world.case(debtor), TUESDAY), DialPermit)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        world.do(job)
    assert not any(world.rows().values())
    world.permitted(world.case(debtor))


def test_a_fault_inside_holds_the_call_and_writes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("13800138000")

    monkeypatch.setattr("ivrd.dunning.gate._keys", broken)
    held = world.held(world.case(world.debtor()))
    assert held.reason is Reason.FAULT
    assert "KeyError" in held.detail
    assert "13800138000" not in held.detail


def test_an_error_of_the_database_is_passed_on_so_that_the_store_can_try_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("could not serialize access"))

    monkeypatch.setattr("ivrd.dunning.gate.listed", broken)
    case = world.case(world.debtor())
    with pytest.raises(StoreError):
        world.ask(case)
    assert not any(world.rows().values())


@pytest.mark.parametrize(
    "changes",
    [
        {"account": "another"}, {"person": "another"}, {"kind": "notice"}, {"target": 10**9},
        {"campaign": 10**9},
    ],
)  # fmt: skip
def test_a_case_that_is_not_as_its_debtor_is_a_fault(world: World, changes: dict[str, Any]) -> None:
    assert world.held(world.case(world.debtor(), **changes)).reason is Reason.FAULT


def test_a_clock_without_a_time_zone_is_a_fault(world: World) -> None:
    bare = TUESDAY.replace(tzinfo=None)
    assert world.held(world.case(world.debtor()), bare).reason is Reason.FAULT


# -- one live call to a person, a number, a debt -----------------------------------------------


def test_no_second_call_to_a_person_a_number_or_a_debt(world: World) -> None:
    first = world.debtor("+861088610001", person="P", account="A")
    world.permitted(world.case(first))
    cases = {
        Reason.TARGET_NOT_WAITING: world.case(first),
        Reason.PERSON_BUSY: world.case(world.debtor(person="P")),
        Reason.NUMBER_BUSY: world.case(world.debtor("+861088610001")),
    }
    for reason, case in cases.items():
        held = world.held(case)
        assert (held.reason, held.until, held.final) == (reason, None, False)
    joint = replace(world.case(world.debtor()), debt="A")
    assert world.held(joint).reason is Reason.PERSON_BUSY


def test_a_reservation_that_nobody_saw_breaks_the_transaction_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line of defence: two daemons on a database that lets both look at once."""
    case = world.case(world.debtor())
    world.do(
        lambda tx: tx.execute(
            insert(tables.reservations).values(key=f"person:{case.person}", attempt="other")
        )
    )
    history = world.gate.history
    monkeypatch.setattr(world.gate, "history", lambda *a: replace(history(*a), person_busy=False))
    with pytest.raises(StoreError):
        world.ask(case)
    assert world.reserved() == [f"person:{case.person}"]
    assert world.rows() == {"attempts": 0, "reservations": 1, "ledger": 0, "calling": 0}


def test_a_debtor_who_is_taken_in_between_is_held(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    debtor = world.debtor()
    world.set_target(debtor, state=TargetState.EXCLUDED.value)
    history = world.gate.history
    monkeypatch.setattr(world.gate, "history", lambda *a: replace(history(*a), target_waits=True))
    assert world.held(world.case(debtor)).reason is Reason.TARGET_NOT_WAITING


# -- the state of things -----------------------------------------------------------------------


def test_kill_switch_holds_everybody_until_somebody_turns_it_off(world: World) -> None:
    case = world.case(world.debtor())
    world.do(lambda tx: switches.set_switch(tx, TUESDAY, switches.KILL, True, "li", "flood"))
    held = world.held(case)
    assert (held.reason, held.until, held.final) == (Reason.KILL_SWITCH, None, False)
    world.do(lambda tx: switches.set_switch(tx, TUESDAY, switches.KILL, False, "li"))
    world.permitted(case)


@pytest.mark.parametrize("state", sorted(set(CampaignState) - {CampaignState.RUNNING}))
def test_a_campaign_that_does_not_run_calls_nobody(world: World, state: CampaignState) -> None:
    case = world.case(world.debtor())
    world.do(lambda tx: tx.execute(update(tables.campaigns).values(state=state.value)))
    assert world.held(case).reason is Reason.CAMPAIGN_NOT_RUNNING


@pytest.mark.parametrize(
    "state", sorted(set(TargetState) - {TargetState.WAITING, TargetState.PROMISED})
)
def test_a_debtor_who_is_through_is_not_called(world: World, state: TargetState) -> None:
    debtor = world.debtor()
    world.set_target(debtor, state=state.value)
    held = world.ask(world.case(debtor))
    assert isinstance(held, Held)
    assert held.reason is Reason.TARGET_NOT_WAITING


def test_the_retry_rules_instant_is_kept(world: World) -> None:
    held = world.held(world.case(world.debtor(due_at=TUESDAY + minutes(5))))
    assert (held.reason, held.until) == (Reason.NOT_DUE, TUESDAY + minutes(5))


def test_a_retry_that_falls_into_the_break_waits_for_its_end(world: World) -> None:
    held = world.held(world.case(world.debtor(due_at=at(12, 30))))
    assert (held.reason, held.until) == (Reason.NOT_DUE, at(15))


# -- numbers -----------------------------------------------------------------------------------


def test_a_number_that_is_none_of_the_debtors_is_not_dialled(world: World) -> None:
    held = world.held(world.case(world.debtor(), number="+861088619999"))
    assert (held.reason, held.final) == (Reason.FOREIGN_NUMBER, True)
    assert "88619999" not in held.detail


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("88610001", Reason.NUMBER_INVALID),
        ("+86110", Reason.NUMBER_INVALID),
        ("+8695588", Reason.NUMBER_BLOCKED),
        ("+861095588", Reason.NUMBER_BLOCKED),
        ("+8616812345", Reason.NUMBER_BLOCKED),
        ("+12125550123", Reason.NUMBER_BLOCKED),
        ("", Reason.NUMBER_INVALID),
    ],
)
def test_the_dial_plan_holds_for_good(world: World, number: str, reason: Reason) -> None:
    held = world.held(world.case(world.debtor(number)))
    assert (held.reason, held.final, held.until) == (reason, True, None)
    assert held.reason in OF_NUMBER, "another number of the same debtor may do"


@pytest.mark.parametrize("why", list(do_not_call.WhyListed))
def test_do_not_call_holds_for_good(world: World, why: do_not_call.WhyListed) -> None:
    debtor = world.debtor()
    case = world.case(debtor)
    world.do(
        lambda tx: do_not_call.add(tx, TUESDAY, case.number, why, "li", account=debtor.account)
    )
    held = world.held(case)
    assert (held.reason, held.final) == (Reason.DO_NOT_CALL, True)
    world.do(lambda tx: do_not_call.remove(tx, TUESDAY, case.number, "li"))
    world.permitted(case)


def test_a_wrong_number_is_wrong_for_its_account_alone(world: World) -> None:
    wrong, right = world.debtor("+861088610001"), world.debtor("+861088610001")
    world.do(
        lambda tx: do_not_call.add(
            tx, TUESDAY, "+861088610001", do_not_call.WhyListed.WRONG_NUMBER, "call",
            account=wrong.account,
        )
    )  # fmt: skip
    assert world.held(world.case(wrong)).reason is Reason.DO_NOT_CALL
    world.permitted(world.case(right))


def test_with_an_allow_list_nobody_else_is_called() -> None:
    world = World(GateRules(POLICIES, allowed=frozenset({"+861088610001"})))
    held = world.held(world.case(world.debtor("+861088610002")))
    assert (held.reason, held.final) == (Reason.NOT_ALLOWED, False)
    world.permitted(world.case(world.debtor("+861088610001")))


# -- is it still true? -------------------------------------------------------------------------


def test_paid_since_is_not_called(world: World) -> None:
    held = world.held(world.case(world.debtor(), owed_fen=0))
    assert (held.reason, held.final) == (Reason.SETTLED, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"read_at": None},
        {"read_at": TUESDAY - timedelta(hours=24)},
        {"read_at": TUESDAY + timedelta(hours=24)},
        {"posted_at": TUESDAY - timedelta(hours=25)},
        {"source": "list"},
        {"source": "list", "posted_at": TUESDAY - timedelta(hours=25)},
    ],
)
def test_data_that_is_too_old_calls_nobody(world: World, changes: dict[str, Any]) -> None:
    held = world.held(world.case(world.debtor(), **{"owed_fen": 0, **changes}))
    assert (held.reason, held.until, held.final) == (Reason.BILLING_STALE, None, False)


def test_a_list_is_as_old_as_its_payments(world: World) -> None:
    world.permitted(
        world.case(world.debtor(), source="list", read_at=None, posted_at=TUESDAY - minutes(60))
    )


def test_a_notice_asks_for_no_debt_and_all_the_rest() -> None:
    world = World(kind="notice")
    case = world.case(world.debtor(), kind="notice", owed_fen=0, read_at=None)
    assert world.held(case, at(21)).reason is Reason.OUTSIDE_WINDOW
    world.permitted(case)


def test_a_promise_leaves_the_debtor_alone_until_the_day_before_and_reminds_once(
    world: World,
) -> None:
    debtor = world.debtor()
    promise = world.do(
        lambda tx: promises.keep_promise(
            tx, debtor.account, world.campaign, None, 10000, TUESDAY, date(2026, 11, 30)
        )
    )
    held = world.held(world.case(debtor))
    assert held.reason is Reason.PROMISED
    assert held.until == at(10, 30, day=29), "Sunday's first hour, the day before"
    day_before = at(11, day=29)
    case = world.case(debtor, day_before)
    world.do(lambda tx: promises.mark_reminded(tx, promise, day_before))
    again = world.held(case, day_before)
    assert (again.reason, again.until) == (Reason.PROMISED, at(9, 30, month=12, day=1))
    world.permitted(world.case(debtor, at(10, month=12, day=1)), at(10, month=12, day=1))


def test_a_promise_for_tomorrow_is_not_reminded_of_today(world: World) -> None:
    debtor = world.debtor()
    world.do(
        lambda tx: promises.keep_promise(
            tx, debtor.account, world.campaign, None, 10000, TUESDAY, date(2026, 11, 25)
        )
    )
    assert world.held(world.case(debtor)).until == at(9, 30, day=25)


# -- hours -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "reason", "until"),
    [
        (at(9, 29), Reason.OUTSIDE_WINDOW, at(9, 30)),
        (at(12), Reason.OUTSIDE_WINDOW, at(15)),
        (at(20), Reason.OUTSIDE_WINDOW, at(9, 30, day=25)),
        (at(20, day=27), Reason.OUTSIDE_WINDOW, at(10, 30, day=28)),
        (at(10, month=10, day=1), Reason.HOLIDAY, at(9, 30, month=10, day=8)),
    ],
)
def test_outside_its_hours_a_campaign_waits_for_the_next(
    world: World, now: datetime, reason: Reason, until: datetime
) -> None:
    held = world.held(world.case(world.debtor(), now), now)
    assert (held.reason, held.until, held.final) == (reason, until, False)
    assert held.reason in WIDE


def test_a_holiday_may_count_as_a_sunday_or_not_at_all(world: World) -> None:
    national_day = at(9, 45, month=10, day=1)
    as_sunday = world.case(world.debtor(), national_day, holidays=Holidays.AS_SUNDAY)
    assert world.held(as_sunday, national_day).until == at(10, 30, month=10, day=1)
    world.permitted(world.case(world.debtor(), national_day, holidays=Holidays.OPEN), national_day)


def test_a_weekend_that_is_worked_has_a_workdays_hours(world: World) -> None:
    saturday = at(9, 45, month=10, day=10)
    world.permitted(world.case(world.debtor(), saturday), saturday)


@pytest.mark.parametrize("moved", [8 * 60 - 1, 20 * 60])
def test_the_outer_limit_holds_with_no_profile_at_all(world: World, moved: int) -> None:
    now = at(0) + minutes(moved)
    held = world.held(world.case(world.debtor(), now, windows=ALWAYS), now)
    assert held.reason is Reason.OUTER_HOURS
    assert held.until == (at(8) if moved < 600 else at(8, day=25))


def test_the_outer_limit_moves_only_with_a_reason_to_its_name() -> None:
    with pytest.raises(ValueError, match="because"):
        OuterLimit(Windows.daily("07:00-20:00"))
    with pytest.raises(ValueError, match="because"):
        OuterLimit(attempts_a_day=4)
    world = World(GateRules(POLICIES, OuterLimit(Windows.daily("07:00-20:00"), 3, "night shift")))
    world.permitted(world.case(world.debtor(), at(7), windows=ALWAYS), at(7))


def test_a_profiles_quiet_hours_hold_where_the_outer_limit_is_wider() -> None:
    world = World(GateRules(POLICIES, OuterLimit(ALWAYS, 3, "a test of profiles")))
    case = world.case(world.debtor(), at(22), windows=ALWAYS, profiles=("cn-consumer-credit",))
    held = world.held(case, at(22))
    assert (held.reason, held.until) == (Reason.QUIET_HOURS, at(8, day=25))


def test_hours_that_never_meet_lift_at_no_instant(world: World) -> None:
    night = Windows.daily("21:00-22:00")
    held = world.held(world.case(world.debtor(), windows=night, holidays=Holidays.OPEN))
    assert (held.reason, held.until) == (Reason.OUTSIDE_WINDOW, None)


def test_an_unknown_profile_holds(world: World) -> None:
    held = world.held(world.case(world.debtor(), profiles=("cn-consumer-crdit",)))
    assert (held.reason, held.until) == (Reason.POLICY_UNKNOWN, None)


def test_profiles_none_of_which_is_in_force_hold_until_one_is() -> None:
    old = replace(POLICIES["us-reg-f"], name="old", in_force_until=date(2026, 11, 23))
    new = replace(old, name="new", in_force_from=date(2026, 11, 26), in_force_until=None)
    world = World(GateRules({"old": old, "new": new}))
    case = world.case(world.debtor(), profiles=("old", "new"))
    held = world.held(case)
    assert (held.reason, held.until) == (Reason.POLICY_NOT_IN_FORCE, at(9, 30, day=26))


def test_consent_is_asked_for_where_a_profile_wants_it() -> None:
    world = World(plan=NumberPlan("86", "010"))
    mobile = world.debtor("+8613800138000")
    case = world.case(mobile, profiles=("us-reg-f",))
    assert world.held(case).reason is Reason.NO_CONSENT
    nobody, no = world.held(case), world.held(replace(case, consent=False))
    assert nobody.detail.endswith("there is none")
    assert (no.reason, no.detail.endswith("the account says no")) == (Reason.NO_CONSENT, True)
    world.permitted(replace(case, consent=True))
    world.permitted(world.case(world.debtor(), profiles=("us-reg-f",)))


# -- how often ---------------------------------------------------------------------------------


def test_three_attempts_a_day_per_number_are_the_outer_limit(world: World) -> None:
    debtor = world.debtor()
    for hour in (10, 11):
        world.called(debtor, at(hour))
    world.called(world.debtor(debtor.numbers[0]), at(15))
    now = at(16)
    held = world.held(world.case(debtor, now), now)
    assert (held.reason, held.until) == (Reason.OUTER_FREQUENCY, at(9, 30, day=25))
    world.permitted(world.case(debtor, at(10, day=25)), at(10, day=25))


@pytest.mark.parametrize("outcome", [None, Outcome.UNKNOWN])
def test_calls_under_way_and_unknown_ones_count_as_attempt_and_as_contact(
    world: World, outcome: Outcome | None
) -> None:
    debtor = world.debtor()
    for minute in range(3):
        world.called(debtor, at(9, minute), outcome, number=f"+86108862000{minute}")
    held = world.held(world.case(debtor, profiles=("cn-consumer-credit",)))
    assert (held.reason, held.until) == (Reason.FREQUENCY, at(9, 30, day=25))


def test_contacts_count_and_attempts_without_one_do_not(world: World) -> None:
    debtor = world.debtor()
    for minute in range(3):
        world.called(debtor, at(9, minute), number=f"+86108862000{minute}")
    world.permitted(world.case(debtor, profiles=("cn-consumer-credit",)))


def test_what_cost_the_debtor_nothing_is_not_in_the_ledger_and_counts_nothing(
    world: World,
) -> None:
    debtor = world.debtor()
    for minute in range(5):
        world.called(debtor, at(9, minute), Outcome.LINE_FAULT)
    world.do(lambda tx: tx.execute(tables.ledger.delete()))
    world.permitted(world.case(debtor))


def test_an_old_ledger_row_whose_attempt_is_gone_counts_as_what_it_says(world: World) -> None:
    debtor = world.debtor()
    world.called(debtor, at(9), Outcome.TOLD, effective=True)
    world.called(debtor, at(9, 1))
    world.do(lambda tx: tx.execute(tables.attempts.delete()))
    held = world.held(world.case(debtor, profiles=("uk-conc",)))
    assert (held.reason, held.until) == (Reason.FREQUENCY, at(9, 30, day=25))


def test_regulation_f_leaves_a_debt_alone_for_seven_days_after_a_contact() -> None:
    world = World()
    debtor = world.debtor()
    world.called(debtor, at(16, day=20), Outcome.TOLD, effective=True)
    held = world.held(world.case(debtor, profiles=("us-reg-f",)))
    assert (held.reason, held.until) == (Reason.FREQUENCY, at(16, day=27))


def test_regulation_f_allows_seven_attempts_in_seven_days() -> None:
    world = World()
    debtor = world.debtor()
    for day in range(17, 24):
        world.called(debtor, at(16, day=day))
    held = world.held(world.case(debtor, profiles=("us-reg-f",)))
    assert (held.reason, held.until) == (Reason.FREQUENCY, at(16))


def test_until_takes_all_reasons_in_turn(world: World) -> None:
    debtor = world.debtor(due_at=at(19, 59))
    for hour in (15, 16, 17):
        world.called(debtor, at(hour))
    now = at(18)
    held = world.held(world.case(debtor, now), now)
    assert (held.reason, held.until) == (Reason.NOT_DUE, at(9, 30, day=25))


def test_hours_name_their_own_end_whatever_else_holds_this_one_debtor(world: World) -> None:
    debtor = world.debtor()
    for hour in (15, 16, 17):
        world.called(debtor, at(hour, day=25))
    held = world.held(world.case(debtor, at(8)), at(8))
    assert (held.reason, held.until) == (Reason.OUTSIDE_WINDOW, at(9, 30))


# -- how long a permit is good -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "changes", "good_s"),
    [
        (at(11, 59) + timedelta(seconds=55), {}, 5),
        (at(19, 59) + timedelta(seconds=57), {"windows": ALWAYS}, 3),
        (TUESDAY, {"stale_after": TUESDAY + timedelta(seconds=4)}, 4),
        (TUESDAY, {"read_at": TUESDAY - timedelta(hours=24) + timedelta(seconds=2)}, 2),
        (TUESDAY, {}, 10),
    ],
)
def test_a_permit_never_outlives_what_allows_it(
    world: World, now: datetime, changes: dict[str, Any], good_s: int
) -> None:
    permit = world.permitted(world.case(world.debtor(), now, **changes), now)
    assert permit.until == now + timedelta(seconds=good_s)


# -- what users of other systems complain about -------------------------------------------------


def test_hours_are_the_debtors_and_not_utc(world: World) -> None:
    """Spoke#441: hours in UTC instead of the contact's zone."""
    now = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
    world.permitted(world.case(world.debtor(), now), now)
    held = world.held(world.case(world.debtor(), now, zone=NEW_YORK), now)
    assert (held.reason, held.until) == (
        Reason.OUTSIDE_WINDOW, datetime(2026, 11, 24, 9, 30, tzinfo=NEW_YORK)
    )  # fmt: skip


def test_a_stale_message_is_not_resumed_next_morning(world: World) -> None:
    """Spoke#1293."""
    case = world.case(world.debtor(), stale_after=at(20))
    evening = world.held(replace(case, read_at=at(20)), at(20))
    assert (evening.reason, evening.final) == (Reason.MESSAGE_STALE, True)
    morning = at(10, day=25)
    assert world.held(replace(case, read_at=morning), morning).reason is Reason.MESSAGE_STALE


def test_a_year_without_a_calendar_is_told_and_not_taken_for_workdays(world: World) -> None:
    """FreePBX#1015: holiday calendars failing silently."""
    now = datetime(2027, 1, 4, 10, 0, tzinfo=SHANGHAI)
    held = world.held(world.case(world.debtor(), now), now)
    assert (held.reason, held.until) == (Reason.CALENDAR_UNKNOWN, None)
    assert "2027-01-01" in held.detail
    eve = datetime(2026, 12, 31, 20, 30, tzinfo=SHANGHAI)
    before = world.held(world.case(world.debtor(), eve), eve)
    assert before.until == datetime(2027, 1, 1, tzinfo=SHANGHAI)
    assert "2027-01-01" in before.detail, "told before it matters"


def test_an_unknown_year_lifts_when_a_known_one_begins() -> None:
    world = World(calendar=HolidayCalendar("CN", {2025: CALENDAR.years[2026],
                                                  2027: CALENDAR.years[2026]}))  # fmt: skip
    held = world.held(world.case(world.debtor()))
    assert held.reason is Reason.CALENDAR_UNKNOWN
    assert held.until == datetime(2027, 1, 1, 9, 30, tzinfo=SHANGHAI)


def test_a_call_of_which_nobody_knows_the_end_is_not_repeated_blindly(world: World) -> None:
    """surveda#672 and others: a retry before the original ran, or over a crash."""
    debtor = world.debtor()
    case = world.case(debtor)
    world.permitted(case)
    assert world.held(world.case(debtor)).reason is Reason.TARGET_NOT_WAITING
    world.close(case.attempt, Outcome.UNKNOWN, debtor, at(11))
    assert world.held(world.case(debtor)).reason is Reason.NOT_DUE
    counted = world.gate.history
    history = world.do(lambda tx: counted(tx, world.case(debtor), at(11)))
    assert [call.contact for call in history.calls] == [True]


def test_every_reason_says_itself_in_a_sentence_without_private_data(world: World) -> None:
    """Goautodial v4.0#4: leads never picked, with no reason shown."""
    debtor = world.debtor()
    for changes, now in (
        ({"owed_fen": 0}, TUESDAY), ({"number": "+861088619999"}, TUESDAY), ({}, at(21)),
        ({"profiles": ("none",)}, TUESDAY), ({"read_at": None}, TUESDAY),
    ):  # fmt: skip
        held = world.held(replace(world.case(debtor, now), **changes), now)
        assert len(held.detail) > 15
        for private in (debtor.account, debtor.person, debtor.numbers[0][3:], "88619999"):
            assert private not in held.detail.split()


def test_every_reason_stands_in_the_handbook() -> None:
    text = (Path(__file__).parents[2] / "docs" / "dunning-rules.md").read_text(encoding="utf-8")
    assert [reason for reason in Reason if f"`{reason}`" not in text] == []
    assert [name for name in POLICIES if f"`{name}`" not in text] == []


def test_without_an_exception_the_outer_limit_is_eight_to_eight_and_three_a_day() -> None:
    gate = Gate(GateRules(POLICIES), PLAN, CALENDAR)
    assert gate.rules.outer.attempts_a_day == 3
    assert gate.rules.outer.hours == Windows.daily("08:00-20:00")
    assert DEFAULT.meets(gate.rules.outer.hours)
