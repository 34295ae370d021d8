"""Retry rules: each outcome's own, and that one total holds whatever the order."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrd.dunning.pacing import PartOfDay, next_part, part_of_day
from ivrd.dunning.retry import (
    Again,
    Ended,
    Note,
    OutcomeRule,
    Past,
    PromiseRules,
    RetryRules,
    Why,
    next_step,
)
from ivrd.store.states import COSTS_NOTHING, Outcome, TargetState

ZONE = ZoneInfo("Asia/Shanghai")
RULES = RetryRules()
PROMISES = PromiseRules()


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=ZONE)


def past(began: str, outcome: Outcome, number: int = 0, *notes: str) -> Past:
    return Past(at(began), number, outcome, frozenset(notes))


def step(
    *attempts: Past,
    rules: RetryRules = RULES,
    numbers: int = 1,
    promised: date | None = None,
    promises: PromiseRules = PROMISES,
) -> Again | Ended:
    now = attempts[-1].began_at + timedelta(seconds=30)
    return next_step(
        rules, promises, attempts[-1], attempts[:-1], now, numbers=numbers, zone=ZONE,
        opening=opens, promised=promised,
    )  # fmt: skip


def opens(instant: datetime) -> datetime | None:
    """Return the first moment in 09:30-12:00 or 15:00-20:00 of any day."""
    local = instant.astimezone(ZONE)
    for day in (local.date(), local.date() + timedelta(days=1)):
        for begin, end in ((time(9, 30), time(12)), (time(15), time(20))):
            if local < datetime.combine(day, end, ZONE):
                return max(local, datetime.combine(day, begin, ZONE))
    raise AssertionError("a day without hours")


def local(found: Again | Ended) -> str:
    assert isinstance(found, Again)
    return found.at.astimezone(ZONE).strftime("%d %H:%M:%S")


def test_no_answer_is_tried_again_after_half_an_hour() -> None:
    found = step(past("02T10:00", Outcome.NO_ANSWER))
    assert local(found) == "02 10:30:30"
    assert isinstance(found, Again)
    assert (found.number_index, found.why) == (0, Why.NO_ANSWER)


def test_a_second_no_answer_goes_to_another_time_of_day() -> None:
    found = step(past("02T10:00", Outcome.NO_ANSWER), past("02T10:31", Outcome.NO_ANSWER))
    assert local(found) == "02 15:00:00"


def test_the_next_day_is_not_tried_at_the_same_time_of_day() -> None:
    found = step(past("02T19:50", Outcome.NO_ANSWER))
    assert local(found) == "03 09:30:00"
    found = step(past("02T09:40", Outcome.NO_ANSWER), past("02T10:40", Outcome.NO_ANSWER),
                 past("02T15:20", Outcome.NO_ANSWER))  # fmt: skip
    assert local(found) == "03 18:00:00", "the evening is the part tried least"


def test_of_the_other_times_of_day_the_one_tried_least_is_taken() -> None:
    found = step(
        past("02T09:40", Outcome.NO_ANSWER), past("02T15:40", Outcome.NO_ANSWER),
        past("03T09:40", Outcome.NO_ANSWER), past("03T15:40", Outcome.NO_ANSWER),
        past("03T16:40", Outcome.NO_ANSWER),
    )  # fmt: skip
    assert local(found) == "04 18:00:00"


def test_hours_with_one_time_of_day_only_are_used_all_the_same() -> None:
    def mornings(instant: datetime) -> datetime | None:
        there = instant.astimezone(ZONE)
        begin = datetime.combine(there.date(), time(9), ZONE)
        if there >= begin + timedelta(hours=2):
            begin += timedelta(days=1)
        return max(there, begin)

    last = past("02T10:50", Outcome.NO_ANSWER)
    found = next_step(RULES, PROMISES, last, [], last.began_at, numbers=1, zone=ZONE,
                      opening=mornings)  # fmt: skip
    assert local(found) == "03 09:00:00"


def test_busy_is_tried_again_after_five_minutes_on_the_same_number() -> None:
    found = step(past("02T10:00", Outcome.BUSY), numbers=2)
    assert local(found) == "02 10:05:30"
    assert isinstance(found, Again)
    assert found.number_index == 0


def test_an_unallocated_number_is_never_dialled_again() -> None:
    found = step(past("02T10:00", Outcome.UNALLOCATED), numbers=2)
    assert isinstance(found, Again)
    assert (found.number_index, local(found)) == (1, "02 10:05:30")
    found = step(past("02T10:00", Outcome.UNALLOCATED), past("02T10:06", Outcome.BUSY, 1),
                 past("02T10:12", Outcome.NO_ANSWER, 1), past("02T10:50", Outcome.NO_ANSWER, 1),
                 numbers=2)  # fmt: skip
    assert isinstance(found, Again)
    assert found.number_index == 1


def test_a_debtor_with_no_number_in_use_is_excluded() -> None:
    assert step(past("02T10:00", Outcome.UNALLOCATED)) == Ended(
        TargetState.EXCLUDED, Why.UNALLOCATED
    )


def test_alternate_numbers_can_be_switched_off() -> None:
    rules = RetryRules(alternate_numbers=False)
    assert step(past("02T10:00", Outcome.UNALLOCATED), rules=rules, numbers=3) == Ended(
        TargetState.EXCLUDED, Why.UNALLOCATED
    )


def test_out_of_service_goes_to_the_alternate_number_and_later_to_another_time() -> None:
    off = past("02T10:00", Outcome.OUT_OF_SERVICE)
    found = step(off, numbers=2)
    assert isinstance(found, Again)
    assert (found.number_index, local(found)) == (1, "02 10:05:30")
    assert local(step(off)) == "02 15:00:00"


@pytest.mark.parametrize(
    ("outcome", "when"),
    [
        (Outcome.REJECTED, "02 15:00:00"),
        (Outcome.MACHINE, "02 15:00:00"),
        (Outcome.NOT_CONFIRMED, "02 15:00:00"),
        (Outcome.TOLD_IN_PART, "02 15:00:00"),
        (Outcome.UNKNOWN, "02 10:30:30"),
        (Outcome.NETWORK, "02 10:02:30"),
        (Outcome.LINE_FAULT, "02 10:02:30"),
        (Outcome.CANCELLED, "02 10:02:30"),
    ],
)
def test_each_outcome_has_its_own_pause(outcome: Outcome, when: str) -> None:
    assert local(step(past("02T10:00", outcome))) == when


def test_so_many_of_one_outcome_give_a_number_up() -> None:
    found = step(past("02T10:00", Outcome.REJECTED), past("02T15:00", Outcome.REJECTED))
    assert found == Ended(TargetState.EXHAUSTED, Why.REJECTED)


def test_an_attempt_cut_off_by_a_crash_can_end_it() -> None:
    found = step(past("02T10:00", Outcome.UNKNOWN), rules=RetryRules(unknown="end"))
    assert found == Ended(TargetState.EXCLUDED, Why.UNKNOWN)


def test_who_was_told_is_notified_and_after_a_transfer_too() -> None:
    assert step(past("02T10:00", Outcome.TOLD)) == Ended(TargetState.NOTIFIED, Why.TOLD)
    assert step(past("02T10:00", Outcome.TRANSFERRED)) == Ended(
        TargetState.NOTIFIED, Why.TRANSFERRED
    )


def test_rounds_tell_a_debtor_again() -> None:
    rules = RetryRules(rounds=2)
    found = step(past("02T10:00", Outcome.TOLD), rules=rules)
    assert local(found) == "09 10:00:30"
    found = step(past("02T10:00", Outcome.TOLD), past("09T10:10", Outcome.TOLD), rules=rules)
    assert found == Ended(TargetState.NOTIFIED, Why.TOLD)


def test_who_was_told_in_an_earlier_round_stays_notified() -> None:
    rules = RetryRules(rounds=2, total=2)
    found = step(past("02T10:00", Outcome.TOLD), past("09T10:10", Outcome.NO_ANSWER), rules=rules)
    assert found == Ended(TargetState.NOTIFIED, Why.TOLD)


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        (Note.DO_NOT_CALL, Ended(TargetState.EXCLUDED, Why.DO_NOT_CALL)),
        (Note.DISPUTE, Ended(TargetState.EXCLUDED, Why.DISPUTE)),
        (Note.WRONG_NUMBER, Ended(TargetState.EXCLUDED, Why.WRONG_NUMBER)),
        (Note.SAYS_PAID, Ended(TargetState.NOTIFIED, Why.SAYS_PAID)),
    ],
)
@pytest.mark.parametrize("outcome", [Outcome.TOLD, Outcome.NOT_CONFIRMED, Outcome.TOLD_IN_PART])
def test_what_a_person_keys_goes_before_what_the_outcome_says(
    note: Note, expected: Ended, outcome: Outcome
) -> None:
    assert step(past("02T10:00", outcome, 0, note)) == expected


def test_a_wrong_number_leaves_the_alternate_one() -> None:
    found = step(past("02T10:00", Outcome.NOT_CONFIRMED, 0, "wrong_number"), numbers=2)
    assert isinstance(found, Again)
    assert (found.number_index, found.why) == (1, Why.WRONG_NUMBER)


def test_paid_since_is_settled() -> None:
    assert step(past("02T10:00", Outcome.SETTLED)) == Ended(TargetState.SETTLED, Why.SETTLED)


def test_a_promise_leaves_alone_until_the_day_before() -> None:
    found = step(past("02T10:00", Outcome.TOLD, 0, "promise"), promised=date(2026, 11, 20))
    assert local(found) == "19 09:30:00"
    assert isinstance(found, Again)
    assert (found.state, found.why) == (TargetState.PROMISED, Why.PROMISE)


def test_a_promise_for_tomorrow_or_without_reminder_needs_no_call() -> None:
    done = Ended(TargetState.NOTIFIED, Why.PROMISE)
    promise = past("02T10:00", Outcome.TOLD, 0, "promise")
    assert step(promise, promised=date(2026, 11, 3)) == done
    silent = PromiseRules(remind=False)
    assert step(promise, promised=date(2026, 11, 20), promises=silent) == done


def test_after_the_reminder_it_is_done_and_an_unheard_one_is_tried_again() -> None:
    promise = past("02T10:00", Outcome.TOLD, 0, "promise")
    day = date(2026, 11, 20)
    assert step(promise, past("19T10:00", Outcome.TOLD), promised=day) == Ended(
        TargetState.NOTIFIED, Why.PROMISE
    )
    assert local(step(promise, past("19T10:00", Outcome.NO_ANSWER), promised=day)) == "19 10:30:30"
    assert step(promise, past("20T19:50", Outcome.NO_ANSWER), promised=day) == Ended(
        TargetState.NOTIFIED, Why.PROMISE
    ), "nobody is reminded after the promised day"


def test_faults_are_tried_with_growing_pauses_and_not_for_ever() -> None:
    attempts = [past("02T00:00", Outcome.LINE_FAULT)]
    pauses: list[timedelta] = []
    while isinstance(found := _anytime(attempts), Again):
        pauses.append(found.at - attempts[-1].began_at)
        attempts.append(Past(found.at, 0, Outcome.NETWORK))
    assert found == Ended(TargetState.EXHAUSTED, Why.FAULT)
    assert len(pauses) == RULES.fault.most - 1
    assert pauses[:3] == [timedelta(seconds=s) for s in (120, 240, 480)]
    assert pauses == sorted(pauses)
    assert max(pauses) == timedelta(seconds=RULES.fault.longest_s)


def _anytime(attempts: list[Past]) -> Again | Ended:
    last = attempts[-1]
    return next_step(RULES, PROMISES, last, attempts[:-1], last.began_at, numbers=1, zone=ZONE)


def test_a_fault_uses_up_no_try() -> None:
    rules = RetryRules(total=2)
    found = step(past("02T10:00", Outcome.NO_ANSWER), past("02T10:40", Outcome.LINE_FAULT),
                 past("02T10:50", Outcome.NETWORK), rules=rules)  # fmt: skip
    assert isinstance(found, Again)


def test_a_day_and_a_week_have_their_most() -> None:
    rules = RetryRules(per_day=2, per_week=3, total=10)
    day = [past("02T10:00", Outcome.BUSY), past("02T10:10", Outcome.BUSY)]
    assert local(step(*day, rules=rules)) == "03 09:30:00"
    assert local(step(*day, past("03T10:00", Outcome.BUSY), rules=rules)) == "09 10:00:00"


def test_a_campaign_that_is_over_ends_it() -> None:
    last = past("02T10:00", Outcome.BUSY)
    found = next_step(RULES, PROMISES, last, [], last.began_at, numbers=1, zone=ZONE,
                      opening=lambda _: None)  # fmt: skip
    assert found == Ended(TargetState.EXHAUSTED, Why.OVER)


def test_each_hour_belongs_to_one_part_of_the_day() -> None:
    day = [part_of_day(datetime(2026, 11, 2, hour, tzinfo=ZONE)) for hour in range(24)]
    assert Counter(day) == {
        PartOfDay.MORNING: 7, PartOfDay.AFTERNOON: 6, PartOfDay.EVENING: 11
    }  # fmt: skip
    moment = datetime(2026, 11, 2, 6, tzinfo=ZONE)
    for part in (PartOfDay.AFTERNOON, PartOfDay.EVENING, PartOfDay.MORNING):
        moment = next_part(moment)
        assert part_of_day(moment) is part


rule = st.builds(
    OutcomeRule, after_s=st.integers(0, 90_000), most=st.integers(1, 9), other_time=st.booleans()
)
all_rules = st.builds(
    RetryRules,
    total=st.integers(1, 12), per_day=st.integers(1, 5), per_week=st.integers(1, 9),
    rounds=st.integers(1, 4), round_pause_days=st.integers(1, 9),
    alternate_numbers=st.booleans(), unknown=st.sampled_from(["no_answer", "end"]),
    no_answer=rule, busy=rule, out_of_service=rule, rejected=rule, machine=rule,
    not_confirmed=rule, told_in_part=rule,
)  # fmt: skip
happens = st.tuples(
    st.sampled_from(list(Outcome)),
    st.sampled_from([frozenset[str](), frozenset({"wrong_number"}), frozenset({"promise"})]),
    st.integers(0, 7200),
)


@settings(max_examples=300, deadline=None)
@given(all_rules, st.integers(1, 4), st.lists(happens, min_size=1, max_size=25), st.data())
def test_no_order_of_outcomes_goes_over_a_limit(
    rules: RetryRules, numbers: int, course: list[tuple[Outcome, frozenset[str], int]],
    data: st.DataObject,
) -> None:  # fmt: skip
    attempts: list[Past] = []
    moment, number = at("02T09:30"), 0
    for outcome, notes, lasted_s in course:
        attempts.append(Past(moment, number, outcome, notes))
        now = moment + timedelta(seconds=lasted_s)
        promised = None
        if "promise" in notes:
            promised = now.astimezone(ZONE).date() + timedelta(days=data.draw(st.integers(0, 30)))
        found = next_step(rules, PROMISES, attempts[-1], attempts[:-1], now, numbers=numbers,
                          zone=ZONE, opening=opens, promised=promised)  # fmt: skip
        counted = [p for p in attempts if p.outcome not in COSTS_NOTHING]
        assert len(counted) <= rules.total
        if isinstance(found, Ended):
            assert found.state not in {TargetState.WAITING, TargetState.CALLING}
            return
        assert now <= found.at == opens(found.at)
        assert 0 <= found.number_index < numbers
        _holds_the_limits(rules, counted, found.at)
        _never_a_dead_number(attempts, found.number_index)
        moment, number = found.at, found.number_index


def _holds_the_limits(rules: RetryRules, counted: list[Past], when: datetime) -> None:
    day = when.astimezone(ZONE).date()
    assert sum(p.began_at.astimezone(ZONE).date() == day for p in counted) < rules.per_day
    week = when - timedelta(days=7)
    assert sum(p.began_at > week for p in counted) < rules.per_week


def _never_a_dead_number(attempts: list[Past], number: int) -> None:
    for p in attempts:
        if p.number == number and p.outcome not in COSTS_NOTHING:
            assert p.outcome is not Outcome.UNALLOCATED
            assert "wrong_number" not in p.notes


@settings(max_examples=200, deadline=None)
@given(all_rules, st.integers(1, 4), st.sampled_from(list(Outcome)))
def test_every_debtor_comes_to_an_end(rules: RetryRules, numbers: int, outcome: Outcome) -> None:
    attempts = [Past(at("02T09:30"), 0, outcome)]
    for _ in range(rules.total + rules.fault.most):
        last = attempts[-1]
        found = next_step(rules, PROMISES, last, attempts[:-1], last.began_at, numbers=numbers,
                          zone=ZONE)  # fmt: skip
        if isinstance(found, Ended):
            return
        attempts.append(Past(found.at, found.number_index, outcome))
    pytest.fail("it goes on beyond total and faults")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10 * 24 * 60), st.integers(2, 6))
def test_no_later_day_repeats_the_time_of_day_in_which_nobody_answered(
    minute: int, tries: int
) -> None:
    attempts: list[Past] = []
    moment = opens(at("02T00:00") + timedelta(minutes=minute))
    for _ in range(tries):
        assert moment is not None
        attempts.append(Past(moment.astimezone(UTC), 0, Outcome.NO_ANSWER))
        found = step(*attempts, rules=RetryRules(total=9, per_week=9))
        if isinstance(found, Ended):
            return
        before, after = moment.astimezone(ZONE), found.at.astimezone(ZONE)
        if before.date() != after.date():
            assert part_of_day(before) is not part_of_day(after)
        moment = found.at
