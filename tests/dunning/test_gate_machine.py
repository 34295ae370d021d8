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
from random import Random
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
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

PROFILES = st.sampled_from(
    [
        (), ("cn-consumer-credit",), ("cn-consumer-credit", "cn-banking-association"),
        ("us-reg-f",), ("uk-conc",), ("tight", "later"), ("tight", "later"), ("later",),
    ]
)  # fmt: skip
FATES = ["rolled back", "fault", "crash"]

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
    debt: str
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
                if case.person == call.debtor.person or case.debt == call.debt:
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
        if (
            any(policy.consent != "none" for policy in self.in_force())
            and not case.consent
            and mobile
        ):
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
                   "debt": call.debt}[limit.per]  # fmt: skip
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
        one, two, three, four, *barred = NUMBERS
        self.joins("A1", "P1", (one, two), 0)
        self.joins("A2", "P1", (three,), 0)
        self.joins("A3", "P3", (one, four), 0)
        self.joins("A1", "P2", (two,), 1)
        self.joins("A4", "P4", (four, *barred), 1)

    # -- what happens ----------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([1, 61, 600, 1440, 4000, 11000, -61, -1440, -3000]))
    def time_passes_or_the_clock_is_put_back(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    def joins(self, account: str, person: str, numbers: tuple[str, ...], campaign: int) -> None:
        """Add a debtor to a campaign."""
        debtor = self.world.debtor(
            *numbers, person=person, account=account, campaign=self.campaigns[campaign]
        )
        self.debtors[debtor.target] = debtor
        self.state[debtor.target] = TargetState.WAITING
        self.due[debtor.target] = datetime(2020, 1, 1, tzinfo=UTC)

    @rule(number=st.sampled_from(["+861088610002", "+8613800138001"]))
    def somebody_asks_not_to_be_called_or_may_be_called_again(self, number: str) -> None:
        def job(tx: Connection) -> None:
            if number in self.listed:
                do_not_call.remove(tx, self.now, number, "t")
            else:
                do_not_call.add(tx, self.now, number, do_not_call.WhyListed.ASKED, "t")

        self.world.do(job)
        self.listed ^= {number}

    def somebody_promises(self, days: int, reminded: bool, account: str) -> None:
        """Let an account promise to pay; the one reminder of it may have been given."""
        pay_by = self.now.date() + timedelta(days=days)

        def job(tx: Connection) -> None:
            made = promises.keep_promise(tx, account, None, None, 100, self.now, pay_by)
            if reminded:
                promises.mark_reminded(tx, made, self.now)

        self.world.do(job)
        self.promises[account] = Promise(pay_by, self.now, reminded)

    @rule()
    def promises_are_withdrawn(self) -> None:
        self.promises.clear()
        self.world.do(lambda tx: tx.execute(update(tables.promises).values(state="withdrawn")))

    @rule(what=st.sampled_from(["kill", "first", "second"]))
    def an_operator_holds_calls_for_one_question(self, what: str) -> None:
        self.stops(what, stop=True)
        self.asks(self.plain(), "kept", 1)
        self.stops(what, stop=False)

    def stops(self, what: str, *, stop: bool) -> None:
        """Turn the kill switch, or pause or start a campaign."""
        if what == "kill":
            self.killed = stop
            self.world.do(lambda tx: switches.set_switch(tx, self.now, switches.KILL, stop, "t"))
            return
        campaign = self.campaigns[what == "second"]
        self.running[campaign] = not stop
        state = CampaignState.PAUSED if stop else CampaignState.RUNNING
        self.world.do(
            lambda tx: tx.execute(
                update(tables.campaigns)
                .where(tables.campaigns.c.id == campaign)
                .values(state=state.value)
            )
        )

    def plain(self) -> Case:
        """Return the case of the first debtor, with nothing in particular about it."""
        return self.world.case(self.debtors[min(self.debtors)], self.now)

    # -- calls ---------------------------------------------------------------------------------

    @rule(seed=st.integers(0, 2**24), zone=st.sampled_from([SHANGHAI, NEW_YORK]), profiles=PROFILES)
    def some_are_called_one_after_the_other(
        self, seed: int, zone: ZoneInfo, profiles: tuple[str, ...]
    ) -> None:
        """Ask for some debtors, most of them soon after each other and in an hour that is open.

        By dice, and not by draws of Hypothesis: there are far too many for its buffer.
        """
        dice = Random(seed)
        for _ in range(12):
            if dice.random() < 0.2:
                day = self.now.astimezone(zone).date() + timedelta(days=dice.choice([0, 1, 1, 3]))
                hour = dice.choice([0, 7, 9, 10, 10, 12, 15, 18, 19])
                self.now = datetime.combine(day, time(hour, 40), zone).astimezone(UTC)
            self.now += timedelta(seconds=dice.choice([1, 30, 300, 1193, 4000]))
            fate = "kept" if dice.random() < 0.8 else dice.choice(FATES)
            case = self.some_case(dice, zone, profiles)
            self.asks(case, fate, dice.randint(1, 14))
            if dice.random() < 0.03:
                account = dice.choice(["A1", "A2", "A4"])
                self.somebody_promises(dice.randint(0, 4), dice.random() < 0.3, account)
            under_way = [call for call in self.calls if call.outcome is None]
            if under_way and dice.random() < 0.7:
                wait = timedelta(minutes=dice.choice([0, 0, 0, 5, 700]))
                outcome = dice.choice(sorted(Outcome))
                self.closes(dice.choice(under_way), outcome, self.now + wait)

    def some_case(self, dice: Random, zone: ZoneInfo, profiles: tuple[str, ...]) -> Case:
        """Return a case; most have one thing out of the ordinary, at the most."""
        waiting = [t for t in sorted(self.debtors) if self.state[t] is TargetState.WAITING]
        debtor = self.debtors[dice.choice(sorted(self.debtors) if dice.random() < 0.1 or not
                                          waiting else waiting)]  # fmt: skip
        case = self.world.case(
            debtor, self.now, number=dice.choice(debtor.numbers), zone=zone, windows=ALWAYS,
            holidays=Holidays.OPEN, profiles=profiles, consent=True,
        )  # fmt: skip
        odd: dict[str, Any] = {
            "number": dice.choice(sorted(NUMBERS)),
            "zone": dice.choice([SHANGHAI, NEW_YORK]),
            "windows": dice.choice([DEFAULT, NIGHT]),
            "holidays": dice.choice([Holidays.CLOSED, Holidays.AS_SUNDAY]),
            "consent": False,
            "owed_fen": 0,
            "read_at": self.now - timedelta(hours=dice.choice([23, 24, 25])),
            "stale_after": self.now + timedelta(seconds=dice.choice([0, 3])),
            "debt": dice.choice(["A1", "A3"]),
            "profiles": ("unheard-of", "tight"),
        }
        names = dice.sample(sorted(odd), dice.choice([0, 0, 0, 0, 0, 1, 1, 4]))
        return replace(case, **{name: odd[name] for name in names})

    def asks(self, case: Case, fate: str, step: int) -> None:
        """Ask the gate, and hold its answer against the oracle's."""
        wrong = Oracle(self, case, self.now).reasons()
        before = self.books()
        answer = self.asked(case, fate, step)
        note(f"{self.now} {case.number} {fate} {step}: {answer}; oracle: {sorted(wrong)}")
        if fate == "kept" and isinstance(answer, Held):
            assert answer.reason in wrong, f"held by {answer}, and only {wrong} hold"
            self.until_is_right(case, answer)
        if isinstance(answer, DialPermit):
            assert not wrong, f"dialled against {wrong}"
            self.permit_is_right(case, answer)
        if isinstance(answer, DialPermit) and fate != "rolled back":
            day = self.now.astimezone(case.zone).date()
            debtor = self.debtors[case.target]
            self.calls.append(Call(case.attempt, debtor, case.debt, case.number, self.now, day))
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
                            f"debt:{call.debt}")
            },
            "calling": {str(call.debtor.target) for call in under_way},
        }  # fmt: skip
        for what in ([c.number for c in under_way], [c.debtor.person for c in under_way]):
            assert len(what) == len(set(what)), "two live calls to one"


TestGateMachine = pytest.mark.timeout(600)(GateMachine.TestCase)  # a busy machine is slow
TestGateMachine.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
