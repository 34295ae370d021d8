"""For no sequence of clock, calendar, history and crash is anybody dialled against the rules.

A machine plays operators, debtors, wrong clocks and crashes, and asks the gate. Beside the store
it keeps books of its own, in plain lists, and judges by them with an oracle that knows nothing of
the gate's way: it walks over every rule and every call. Both must agree on who is held, and why.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import Connection, select, update

from ivrd.card import DialPermit
from ivrd.dunning.case import WIDE, Case, GateRules, Held, Holidays, OuterLimit, Reason
from ivrd.dunning.holiday_calendar import CalendarUnknown
from ivrd.dunning.hours import Hours, Windows
from ivrd.dunning.numbers import NumberPlan
from ivrd.dunning.policy import Limit, Policy
from ivrd.store import do_not_call, promises, switches, tables
from ivrd.store.states import COSTS_NOTHING, EFFECTIVE, CampaignState, Outcome, TargetState
from tests.dunning.gate_world import CALENDAR, DEFAULT, POLICIES, Debtor, World
from tests.dunning.test_hours import slowly_open

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
ALWAYS = Windows.daily("00:00-24:00")
NIGHT = Windows.daily("06:00-07:30", "22:00-02:30")

NUMBERS = {
    "+861088610001": None,
    "+861088610002": None,
    "+8613800138000": None,
    "+8613800138001": None,
    "+861095588": Reason.NUMBER_BLOCKED,
    "+85291234567": Reason.NUMBER_BLOCKED,
    "+86110": Reason.NUMBER_INVALID,
}
"""Numbers, and what the dial plan says of them."""

TIGHT = Policy(
    "tight", "t", "this test", date(2026, 3, 1), date(2026, 11, 25), Windows.daily("09:00-19:00"),
    (Limit("attempts", "person", 2, 1), Limit("contacts", "debt", 1, "day")),
)  # fmt: skip
LATER = replace(TIGHT, name="later", in_force_from=date(2026, 11, 26), in_force_until=None)
KNOWN = {**POLICIES, "tight": TIGHT, "later": LATER}

PROFILES: tuple[tuple[str, ...], ...] = (
    (), ("cn-consumer-credit",), ("cn-consumer-credit", "cn-banking-association"), ("us-reg-f",),
    ("tight",), ("tight", "later"), ("later",), ("unheard-of",),
)  # fmt: skip

BEGINNINGS = [
    datetime(2026, 11, 24, 1, 0, tzinfo=UTC),
    datetime(2026, 11, 25, 2, 0, tzinfo=UTC),
    datetime(2026, 9, 30, 8, 0, tzinfo=UTC),
    datetime(2026, 12, 31, 2, 0, tzinfo=UTC),
    datetime(2026, 3, 8, 5, 30, tzinfo=UTC),
    datetime(2026, 11, 1, 4, 30, tzinfo=UTC),
]
"""Plain days, a holiday, the end of the calendar, New York's changes of clocks."""


class Crash(BaseException):
    """The process is gone."""


class Fault(Exception):  # noqa: N818 - something of ours, or of the database's driver
    """A statement fails."""


class Breaking:
    """A connection whose nth statement is not run: it fails, or the process is gone."""

    def __init__(self, tx: Connection, step: int, failure: BaseException) -> None:
        self.tx, self.left, self.failure = tx, step, failure

    def execute(self, *args: Any, **more: Any) -> Any:
        """Run a statement, or fail."""
        self.left -= 1
        if self.left == 0:
            raise self.failure
        return self.tx.execute(*args, **more)


@dataclass
class Call:
    """A call in the machine's own books."""

    attempt: str
    debtor: Debtor
    number: str
    at: datetime
    day: date
    outcome: Outcome | None = None


@dataclass
class Promise:
    """A promise in the machine's own books."""

    pay_by: date
    made_at: datetime
    reminded: bool


class Oracle:
    """Judges a case by the machine's own books, rule by rule, and collects all that hold it."""

    def __init__(self, machine: GateMachine, case: Case, now: datetime) -> None:
        self.machine, self.case, self.now = machine, case, now
        self.wall = now.astimezone(case.zone)
        self.today = self.wall.date()

    def reasons(self) -> set[Reason]:
        """Return every reason that holds the case."""
        return set(self._state()) | set(self._truth()) | set(self._hours()) | set(self._often())

    def in_force(self) -> list[Policy]:
        """Return the profiles that bind today."""
        return [
            KNOWN[name] for name in self.case.profiles if name in KNOWN
            and KNOWN[name].in_force_from <= self.today
            and self.today <= (KNOWN[name].in_force_until or self.today)
        ]  # fmt: skip

    def _state(self) -> Iterator[Reason]:
        machine, case = self.machine, self.case
        if machine.killed:
            yield Reason.KILL_SWITCH
        if not machine.running[case.campaign]:
            yield Reason.CAMPAIGN_NOT_RUNNING
        if machine.state[case.target] not in {TargetState.WAITING, TargetState.PROMISED}:
            yield Reason.TARGET_NOT_WAITING
        if self.now < machine.due[case.target]:
            yield Reason.NOT_DUE
        if case.number not in machine.debtors[case.target].numbers:
            yield Reason.FOREIGN_NUMBER
        barred = NUMBERS[case.number]
        if barred is not None:
            yield barred
        if case.number in machine.listed:
            yield Reason.DO_NOT_CALL
        for call in machine.calls:
            if call.outcome is None:
                if call.number == case.number:
                    yield Reason.NUMBER_BUSY
                if case.person == call.debtor.person or case.debt == call.debtor.account:
                    yield Reason.PERSON_BUSY

    def _truth(self) -> Iterator[Reason]:
        case = self.case
        if case.stale_after is not None and self.now >= case.stale_after:
            yield Reason.MESSAGE_STALE
        if case.read_at is None or self.now - case.read_at >= timedelta(hours=24):
            yield Reason.BILLING_STALE
        if case.owed_fen <= 0:
            yield Reason.SETTLED
        promise = self.machine.promises.get(case.account)
        if promise is not None:
            made = promise.made_at.astimezone(case.zone).date()
            first = max(promise.pay_by - timedelta(days=1), made + timedelta(days=1))
            if self.today < (promise.pay_by + timedelta(days=1) if promise.reminded else first):
                yield Reason.PROMISED
        if any(name not in KNOWN for name in case.profiles):
            yield Reason.POLICY_UNKNOWN
        if case.profiles and not self.in_force():
            yield Reason.POLICY_NOT_IN_FORCE
        mobile = case.number.startswith("+861380") or NUMBERS[case.number] is not None
        if any(policy.consent != "none" for policy in self.in_force()) and mobile:
            yield Reason.NO_CONSENT

    def _hours(self) -> Iterator[Reason]:
        case, outer = self.case, self.machine.outer
        own = Hours(case.windows, case.zone, CALENDAR, case.holidays)
        try:
            if case.holidays is not Holidays.OPEN:
                CALENDAR.kind(self.today)
            if not slowly_open(own, self.now):
                yield Reason.OUTSIDE_WINDOW
                yield Reason.HOLIDAY
        except CalendarUnknown:
            yield Reason.CALENDAR_UNKNOWN
        for policy in self.in_force():
            if policy.hours and not slowly_open(Hours(policy.hours, case.zone), self.now):
                yield Reason.QUIET_HOURS
        if not slowly_open(Hours(outer.hours, case.zone), self.now):
            yield Reason.OUTER_HOURS

    def _often(self) -> Iterator[Reason]:
        if self._count(Limit("attempts", "number", 1, "day")) >= self.machine.outer.attempts_a_day:
            yield Reason.OUTER_FREQUENCY
        for policy in self.in_force():
            for limit in policy.limits:
                if self._count(limit) >= limit.most:
                    yield Reason.FREQUENCY

    def _count(self, limit: Limit) -> int:
        case, count = self.case, 0
        for call in self.machine.calls:
            if call.outcome in COSTS_NOTHING:
                continue
            one = {"person": call.debtor.person, "number": call.number,
                   "debt": call.debtor.account}[limit.per]  # fmt: skip
            if one != {"person": case.person, "number": case.number, "debt": case.debt}[limit.per]:
                continue
            may_be = call.outcome in EFFECTIVE or call.outcome in {None, Outcome.UNKNOWN}
            if limit.counts == "contacts" and not may_be:
                continue
            if limit.within == "day":
                here = call.at.astimezone(case.zone).date()
                count += self.today in {here, call.day} or call.at > self.now
            else:
                count += call.at > self.now - timedelta(hours=24 * limit.within)
        return count


class GateMachine(RuleBasedStateMachine):
    """Everything that can happen to a gate."""

    @initialize(
        begin=st.sampled_from(BEGINNINGS),
        outer=st.sampled_from([OuterLimit(), OuterLimit(), OuterLimit(ALWAYS, 4, "a test")]),
    )
    def begins(self, begin: datetime, outer: OuterLimit) -> None:
        self.now, self.outer = begin, outer
        self.world = World(GateRules(KNOWN, outer), plan=NumberPlan("86", "010"), calendar=CALENDAR)
        self.campaigns = (self.world.campaign, self.world.another_campaign("second"))
        self.running = dict.fromkeys(self.campaigns, True)
        self.killed = False
        self.debtors: dict[int, Debtor] = {}
        self.state: dict[int, TargetState] = {}
        self.due: dict[int, datetime] = {}
        self.calls: list[Call] = []
        self.listed: set[str] = set()
        self.promises: dict[str, Promise] = {}
        self.permits = 0
        for account, person in (("A1", "P1"), ("A2", "P1"), ("A3", "P3")):
            self.joins(account, person, tuple(NUMBERS)[:3], campaign=0)

    # -- the clock -----------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([1, 7, 45, 61, 180, 600, 1440, 4000, 11000]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(minutes=st.sampled_from([-1, -61, -600, -1440, -3000]))
    def the_clock_is_put_back(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(hour=st.sampled_from([8, 9, 10, 11, 15, 19]), zone=st.sampled_from([SHANGHAI, NEW_YORK]))
    def it_is_some_hour_of_the_debtors_day(self, hour: int, zone: ZoneInfo) -> None:
        day = self.now.astimezone(zone).date()
        self.now = datetime.combine(day, time(hour, 40), zone).astimezone(UTC)

    # -- people --------------------------------------------------------------------------------

    @rule(
        account=st.sampled_from(["A1", "A2", "A3"]),
        person=st.sampled_from(["P1", "P2", "P3"]),
        numbers=st.lists(st.sampled_from(sorted(NUMBERS)), min_size=1, max_size=3).map(tuple),
        campaign=st.integers(0, 1),
    )
    def joins(self, account: str, person: str, numbers: tuple[str, ...], campaign: int) -> None:
        campaign_id = self.campaigns[campaign]
        there = {(one.campaign, one.account) for one in self.debtors.values()}
        if (campaign_id, account) in there:
            return
        debtor = self.world.debtor(*numbers, person=person, account=account, campaign=campaign_id)
        self.debtors[debtor.target] = debtor
        self.state[debtor.target] = TargetState.WAITING
        self.due[debtor.target] = datetime(2020, 1, 1, tzinfo=UTC)

    @rule(number=st.sampled_from(sorted(NUMBERS)), on=st.booleans())
    def somebody_asks_not_to_be_called(self, number: str, on: bool) -> None:
        if on or len(number) < 8:
            return  # not too often, and the list takes only E.164
        self.world.do(
            lambda tx: do_not_call.add(tx, self.now, number, do_not_call.WhyListed.ASKED, "t")
        )
        self.listed.add(number)

    @rule()
    def the_list_is_emptied(self) -> None:
        self.world.do(lambda tx: tx.execute(tables.do_not_call.delete()))
        self.listed.clear()

    @rule(account=st.sampled_from(["A1", "A2"]), days=st.integers(0, 5), reminded=st.booleans())
    def somebody_promises(self, account: str, days: int, reminded: bool) -> None:
        pay_by = self.now.date() + timedelta(days=days)

        def job(tx: Connection) -> None:
            made = promises.keep_promise(tx, account, None, None, 100, self.now, pay_by)
            if reminded:
                promises.mark_reminded(tx, made, self.now)

        self.world.do(job)
        self.promises[account] = Promise(pay_by, self.now, reminded)

    @rule(account=st.sampled_from(["A1", "A2"]))
    def a_promise_is_withdrawn(self, account: str) -> None:
        self.promises.pop(account, None)
        self.world.do(lambda tx: tx.execute(
            update(tables.promises).where(tables.promises.c.account == account)
            .values(state="withdrawn")
        ))  # fmt: skip

    # -- operators -----------------------------------------------------------------------------

    @rule(on=st.sampled_from([False, False, True]))
    def kill_switch(self, on: bool) -> None:
        self.killed = on
        self.world.do(lambda tx: switches.set_switch(tx, self.now, switches.KILL, on, "t"))

    @rule(campaign=st.integers(0, 1), runs=st.sampled_from([True, True, False]))
    def a_campaign_is_started_or_paused(self, campaign: int, runs: bool) -> None:
        campaign_id = self.campaigns[campaign]
        self.running[campaign_id] = runs
        state = CampaignState.RUNNING if runs else CampaignState.PAUSED
        self.world.do(lambda tx: tx.execute(
            update(tables.campaigns).where(tables.campaigns.c.id == campaign_id)
            .values(state=state.value)
        ))  # fmt: skip

    # -- calls ---------------------------------------------------------------------------------

    @rule(
        data=st.data(),
        zone=st.sampled_from([SHANGHAI, SHANGHAI, NEW_YORK]),
        windows=st.sampled_from([DEFAULT, ALWAYS, ALWAYS, NIGHT]),
        holidays=st.sampled_from(list(Holidays)),
        profiles=st.sampled_from(PROFILES),
        fate=st.sampled_from(["kept", "kept", "kept", "kept", "rolled back", "fault", "crash"]),
        step=st.integers(1, 14),
    )
    def somebody_is_to_be_called(
        self,
        data: st.DataObject,
        zone: ZoneInfo,
        windows: Windows,
        holidays: Holidays,
        profiles: tuple[str, ...],
        fate: str,
        step: int,
    ) -> None:
        debtor = self.debtors[data.draw(st.sampled_from(sorted(self.debtors)))]
        number = data.draw(st.sampled_from([*debtor.numbers] * 3 + sorted(NUMBERS)))
        case = self.world.case(
            debtor, self.now, number=number, zone=zone, windows=windows, holidays=holidays,
            profiles=profiles, owed_fen=data.draw(st.sampled_from([100, 100, 100, 100, 0])),
            read_at=self.now - timedelta(hours=data.draw(st.sampled_from([0, 0, 0, 23, 24]))),
            stale_after=data.draw(st.sampled_from(
                [None, None, self.now, self.now + timedelta(seconds=3)])),
        )  # fmt: skip
        wrong = Oracle(self, case, self.now).reasons()
        before = self.books()
        answer = self.asked(case, fate, step)
        note(f"{self.now} {case.number} {fate}: {answer}")
        if fate == "kept" and isinstance(answer, Held):
            assert answer.reason in wrong, f"held by {answer}, and only {wrong} hold"
            self.until_is_right(case, answer)
        if isinstance(answer, DialPermit):
            assert not wrong, f"dialled against {wrong}"
            self.permit_is_right(case, answer)
        if isinstance(answer, DialPermit) and fate != "rolled back":
            self.permits += 1
            day = self.now.astimezone(case.zone).date()
            self.calls.append(Call(case.attempt, debtor, case.number, self.now, day))
            self.state[case.target] = TargetState.CALLING
        else:
            assert self.books() == before, "nothing may be left of a call that is not made"

    def asked(self, case: Case, fate: str, step: int) -> DialPermit | Held | None:
        """Ask the gate, with something going wrong at some step; None where the process died."""
        answers: list[DialPermit | Held] = []

        failure: BaseException | None = {"fault": Fault(), "crash": Crash()}.get(fate)

        def job(tx: Connection) -> None:
            breaking = tx if failure is None else cast("Connection", Breaking(tx, step, failure))
            answers.append(self.world.gate.permit(breaking, case, self.now))
            if fate == "rolled back":
                raise Crash

        with suppress(Crash, Fault):
            self.world.do(job)
        return answers[0] if answers else None

    def until_is_right(self, case: Case, held: Held) -> None:
        """Before `until` the case is held, and at it no longer for this reason."""
        if held.until is None:
            return
        assert held.until > self.now
        span = held.until - self.now
        for part in (0.0, 0.3, 0.7):
            assert self.judged(case, self.now + span * part) is not None
        assert self.judged(case, held.until - timedelta(milliseconds=1)) is not None
        then = self.judged(case, held.until)
        assert then is None or then.reason is not held.reason
        if held.reason not in WIDE:
            assert then is None or then.until is None, f"could have been asked at {then.until}"

    def judged(self, case: Case, at: datetime) -> Held | None:
        """Ask later, with what is owed read anew and nothing else changed."""
        assert case.read_at is not None
        later = replace(case, read_at=case.read_at + (at - self.now))
        history = self.world.do(lambda tx: self.world.gate.history(tx, later, at))
        return self.world.gate.judge(later, history, at)

    def permit_is_right(self, case: Case, permit: DialPermit) -> None:
        """No instant at which the permit is good may be one at which the case is held."""
        assert permit.number == case.number
        assert self.now < permit.until <= self.now + timedelta(seconds=10)
        last = permit.until - timedelta(milliseconds=1)
        assert not Oracle(self, case, last).reasons()

    @precondition(lambda self: any(call.outcome is None for call in self.calls))
    @rule(
        data=st.data(),
        outcome=st.sampled_from(sorted(Outcome)),
        wait=st.sampled_from([0, 0, 5, 60]),
    )
    def a_call_ends(self, data: st.DataObject, outcome: Outcome, wait: int) -> None:
        under_way = [call for call in self.calls if call.outcome is None]
        call = data.draw(st.sampled_from(under_way))
        self.closes(call, outcome, self.now + timedelta(minutes=wait))

    @rule()
    def the_daemon_starts_again(self) -> None:
        """After a crash: what was under way is unknown."""
        for call in self.calls:
            if call.outcome is None:
                self.closes(call, Outcome.UNKNOWN, self.now)

    def closes(self, call: Call, outcome: Outcome, due_at: datetime) -> None:
        """Close a call in the store and in the books."""
        self.world.close(call.attempt, outcome, call.debtor, due_at)

        def job(tx: Connection) -> None:
            mine = tables.ledger.c.attempt == call.attempt
            if outcome in COSTS_NOTHING:
                tx.execute(tables.ledger.delete().where(mine))
            elif outcome in EFFECTIVE:
                tx.execute(update(tables.ledger).where(mine).values(effective=True))

        self.world.do(job)
        call.outcome = outcome
        self.state[call.debtor.target] = TargetState.WAITING
        self.due[call.debtor.target] = due_at

    # -- what always holds -----------------------------------------------------------------------

    def books(self) -> dict[str, set[str]]:
        """Return what the store says is under way and was counted."""

        def job(tx: Connection) -> dict[str, set[str]]:
            t = tables
            calling = select(t.targets.c.id).where(t.targets.c.state == TargetState.CALLING.value)
            return {
                "open": set(tx.execute(
                    select(t.attempts.c.id).where(t.attempts.c.outcome.is_(None))).scalars()),
                "attempts": set(tx.execute(select(t.attempts.c.id)).scalars()),
                "ledger": set(tx.execute(select(t.ledger.c.attempt)).scalars()),
                "reserved": {f"{row.key} {row.attempt}" for row in tx.execute(
                    select(t.reservations))},
                "calling": {str(one) for one in tx.execute(calling).scalars()},
            }  # fmt: skip

        return self.world.do(job)

    @invariant()
    def the_store_says_what_happened(self) -> None:
        if not hasattr(self, "world"):
            return
        under_way = [call for call in self.calls if call.outcome is None]
        assert self.books() == {
            "open": {call.attempt for call in under_way},
            "attempts": {call.attempt for call in self.calls},
            "ledger": {c.attempt for c in self.calls if c.outcome not in COSTS_NOTHING},
            "reserved": {
                f"{key} {call.attempt}"
                for call in under_way
                for key in (f"number:{call.number}", f"person:{call.debtor.person}",
                            f"debt:{call.debtor.account}")
            },
            "calling": {str(call.debtor.target) for call in under_way},
        }  # fmt: skip
        for what in ([c.number for c in under_way], [c.debtor.person for c in under_way]):
            assert len(what) == len(set(what)), "two live calls to one"


TestGateMachine = GateMachine.TestCase
TestGateMachine.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
