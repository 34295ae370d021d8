"""A campaign without telephones: every decision is the real one, every call a few numbers.

A discrete-event run. Who may be called is asked of the gate's own `judge`, what becomes of a
debtor after a call of `next_step`, the hours are the campaign's own with policy and calendar;
lines, guard and pace are those of the dialler. What a dial meets is drawn by `people`; how long
such a call takes and what the flow makes of it was measured on calls through a real line
(`calls`). The same seed gives the same run.
"""

from __future__ import annotations

import bisect
import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from ivrd.dunning.case import OF_NUMBER, WIDE, Case, Held, History, OpenPromise, Reason
from ivrd.dunning.claim import Slot, case_of
from ivrd.dunning.dialler import Care
from ivrd.dunning.frequency import Past as Counted
from ivrd.dunning.pacing import Opening
from ivrd.dunning.retry import Again, Note, Past, Why, next_step
from ivrd.dunning.running import Running
from ivrd.store.states import COSTS_NOTHING, EFFECTIVE, Outcome, TargetState

People: TypeAlias = Callable[[str, int, datetime], tuple[str, int]]
"""What a dial meets: of a number, the how manieth to it (from 0), at the debtor's local time; and
in how many days whoever promises to pay will do so."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One call that was made on a real line, to be made again and again here.

    `lasted_s` is from the dial until the line is on hook.
    """

    outcome: Outcome
    notes: frozenset[str]
    lasted_s: float


Calls: TypeAlias = Mapping[str, Sequence[Tried]]
"""The calls tried, by what the dial met."""


@dataclass(frozen=True, slots=True)
class Owing:
    """A debtor before the start, as `targets` and the rest of the store have them.

    `listed` says which of the numbers stand on the do-not-call list, `promise` is one that
    is open, `called` what the ledger has of person, numbers and debt already.
    """

    id: int
    account: str
    person: str
    numbers: tuple[str, ...]
    zone: str | None
    owed_fen: int
    listed: frozenset[str] = frozenset()
    promise: OpenPromise | None = None
    called: tuple[Counted, ...] = ()
    consent: bool | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be run: the campaign, whom it calls, and on which lines (by their card)."""

    running: Running
    owing: Sequence[Owing]
    lines: Sequence[str]
    start: datetime
    judge: Callable[[Case, History, datetime], Held | None]
    people: Callable[[int], People]
    """Gives the people of a seed."""
    calls: Calls
    care: Care


@dataclass
class DayOf:
    """What one day brought."""

    calls: int = 0
    busy_s: float = 0.0


@dataclass
class Run:
    """What one dry run brought."""

    seed: int
    end: datetime
    calls: int = 0
    days: dict[date, DayOf] = field(default_factory=lambda: defaultdict(DayOf))
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    """Debtors by how they ended: the state, a colon, and why."""

    held: Counter[Reason] = field(default_factory=Counter)
    """Debtors who were held, each once for a reason."""
    stuck: Counter[Reason] = field(default_factory=Counter)
    """Debtors whom no instant lets go of: something else has to happen first."""


class _Debtor:
    """One debtor in a run: what `case_of` reads, and what has happened."""

    __slots__ = (
        "account", "consent", "group", "held", "id", "number_at", "numbers", "owing", "past",
        "person", "promise", "zone",
    )  # fmt: skip

    def __init__(self, owing: Owing, group: _Group) -> None:
        self.owing = owing
        self.id, self.account, self.person = owing.id, owing.account, owing.person
        self.numbers, self.zone = owing.numbers, owing.zone
        self.consent = owing.consent
        self.number_at = 0
        self.past: list[Past] = []
        self.promise = owing.promise
        self.held: Reason | None = None
        self.group = group


class _Group:
    """Debtors who share a person or a number: one ledger, and no two calls at a time."""

    __slots__ = ("busy_until", "called", "listed")

    def __init__(self, owing: Owing) -> None:
        self.called: list[Counted] = list(owing.called)
        self.listed: set[str] = set(owing.listed)
        self.busy_until: datetime | None = None


class OpenHours:
    """When a campaign may call in one zone: asked once for each minute, then looked up.

    Hours open and close on whole minutes, so what holds in a minute holds in all of it.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._asked: list[datetime] = []
        self._opens: list[datetime | None] = []
        self._open: set[int] = set()

    def __call__(self, at: datetime) -> datetime | None:
        """Return the first instant from `at` on at which the campaign may call."""
        minute = int(at.timestamp()) // 60
        if minute in self._open:
            return at
        place = bisect.bisect_right(self._asked, at) - 1
        if place >= 0:
            opens = self._opens[place]
            if opens is None or at <= opens:
                return opens
        opens = self._opening(at)
        if opens == at:
            self._open.add(minute)
        elif place + 1 < len(self._opens) and self._opens[place + 1] == opens:
            self._asked[place + 1] = at
        else:
            self._asked.insert(place + 1, at)
            self._opens.insert(place + 1, opens)
        return opens


class _Zone:
    """The debtors of one time zone who wait, and until when the gate lets none of them through."""

    def __init__(self, zone: ZoneInfo, opening: Opening) -> None:
        self.zone = zone
        self.opening = OpenHours(opening)
        self.promised: list[tuple[datetime, int]] = []
        self.waiting: list[tuple[datetime, int]] = []
        self.closed_until: datetime | None = None

    def next_at(self) -> datetime | None:
        """Return when the next debtor may be looked at; None where nobody waits."""
        tops = [heap[0][0] for heap in (self.promised, self.waiting) if heap]
        if not tops:
            return None
        return max(min(tops), self.closed_until) if self.closed_until else min(tops)

    def take(self, now: datetime) -> int:
        """Take the next debtor who is due: one with a promise before all others."""
        if self.promised and self.promised[0][0] <= now:
            return heapq.heappop(self.promised)[1]
        return heapq.heappop(self.waiting)[1]


class Runner:
    """One run of a plan with one seed."""

    def __init__(self, plan: Plan, seed: int, progress: Callable[[int], None]) -> None:
        self.run = Run(seed, plan.start)
        self._plan = plan
        self._people = plan.people(seed)
        self._random = random.Random(seed)  # noqa: S311 - a simulation is not cryptography
        self._progress = progress
        self.debtors = _grouped(plan.owing)
        self._zones: dict[str | None, _Zone] = {}
        self._lines = [(plan.start, line) for line in range(len(plan.lines))]
        self._card_free: dict[str, datetime] = {}
        self._faults: Counter[str] = Counter()
        rate = min(plan.care.dials_per_s, plan.running.campaign.dials_per_s)
        self._dial_gap = timedelta(seconds=1 / rate)
        self._guard = timedelta(seconds=plan.care.guard_s)
        start = plan.running.campaign.when.start
        begins = max(plan.start, start) if start else plan.start
        for index, debtor in enumerate(self.debtors):
            heapq.heappush(self._zone_of(debtor).waiting, (begins, index))

    def go(self) -> Run:
        """Run the campaign to its end."""
        while (found := self._next()) is not None:
            zone, at = found
            free, line = self._lines[0]
            card = self._plan.lines[line]
            now = max(at, free, self._card_free.get(card, free))
            index = zone.take(now)
            debtor = self.debtors[index]
            if debtor.group.busy_until is not None and debtor.group.busy_until > now:
                heapq.heappush(zone.waiting, (debtor.group.busy_until, index))
                continue
            held = self._judged(debtor, now, line)
            if held is None:
                self._call(zone, index, now, line)
            else:
                self._hold(zone, index, held, now)
        return self.run

    def _next(self) -> tuple[_Zone, datetime] | None:
        """Return the zone of the debtor who may be looked at first, and when."""
        best: tuple[_Zone, datetime] | None = None
        for zone in self._zones.values():
            at = zone.next_at()
            if at is not None and (best is None or at < best[1]):
                best = zone, at
        return best

    def _zone_of(self, debtor: _Debtor) -> _Zone:
        zone = self._zones.get(debtor.zone)
        if zone is None:
            running = self._plan.running
            info = running.zone_of(debtor.zone)
            zone = self._zones[debtor.zone] = _Zone(info, running.opening(info))
        return zone

    def _judged(self, debtor: _Debtor, now: datetime, line: int) -> Held | None:
        plan = self._plan
        slot = Slot("dry-run", plan.lines[line], line + 1)
        case = case_of(plan.running, debtor, slot, "dry-run", debtor.owing.owed_fen, now)
        if case.source == "list":
            # a list is taken to be renewed in time: else nobody is called after `max_age_h`
            case = replace(case, posted_at=now, read_at=now)
        return plan.judge(case, self._history(debtor, case.number), now)

    def _history(self, debtor: _Debtor, number: str) -> History:
        group = debtor.group
        listed = "asked" if number in group.listed else None
        return History(do_not_call=listed, promise=debtor.promise, calls=tuple(group.called))

    def held_at(self, at: datetime) -> Counter[Reason]:
        """Return how many debtors the gate would hold at an instant, by its reason."""
        verdicts = (self._judged(debtor, at, 0) for debtor in self.debtors)
        return Counter(held.reason for held in verdicts if held is not None)

    # -- what becomes of a debtor --------------------------------------------------------------

    def _call(self, zone: _Zone, index: int, now: datetime, line: int) -> None:
        """Make the call of a debtor who was let through, and take the next step."""
        plan, debtor = self._plan, self.debtors[index]
        dials = sum(past.number == debtor.number_at for past in debtor.past)
        local = now.astimezone(zone.zone)
        meets, pay_in_days = self._people(debtor.numbers[debtor.number_at], dials, local)
        tried = self._random.choice(plan.calls[meets])
        end = now + timedelta(seconds=tried.lasted_s)
        heapq.heapreplace(self._lines, (end + self._guard, line))
        self._spare(plan.lines[line], tried.outcome, now, end)
        self._count(debtor, tried, now, end, local.date())
        debtor.promise = self._promise(debtor.promise, tried, end, local.date(), pay_in_days)
        campaign = plan.running.campaign
        step = next_step(
            campaign.retry, campaign.promise, debtor.past[-1], debtor.past[:-1], end,
            numbers=len(debtor.numbers), zone=zone.zone, opening=zone.opening,
            promised=debtor.promise.pay_by if debtor.promise else None,
        )  # fmt: skip
        if isinstance(step, Again):
            debtor.number_at = step.number_index
            promised = step.state is TargetState.PROMISED
            heapq.heappush(zone.promised if promised else zone.waiting, (step.at, index))
        else:
            self._end(step.state, step.why, end)

    def _spare(self, card: str, outcome: Outcome, now: datetime, end: datetime) -> None:
        """Let a card pause between dials, and for longer after so many faults of its own."""
        free = now + self._dial_gap
        self._faults[card] = self._faults[card] + 1 if outcome is Outcome.LINE_FAULT else 0
        if self._faults[card] >= self._plan.care.faults:
            self._faults[card] = 0
            free = end + timedelta(seconds=self._plan.care.pause_s)
        self._card_free[card] = free

    def _promise(
        self, promise: OpenPromise | None, tried: Tried, end: datetime, today: date, days: int
    ) -> OpenPromise | None:
        """Return the promise that is open after a call; nobody pays in a dry run."""
        if Note.PROMISE in tried.notes:
            return OpenPromise(today + timedelta(days=days), end)
        if promise is None:
            return None
        grace = timedelta(days=self._plan.running.campaign.promise.grace_days)
        if today > promise.pay_by + grace:
            return None
        return replace(promise, reminded=promise.reminded or tried.outcome in EFFECTIVE)

    def _count(
        self, debtor: _Debtor, tried: Tried, now: datetime, end: datetime, today: date
    ) -> None:
        """Write down a call, as the store would."""
        number, group = debtor.numbers[debtor.number_at], debtor.group
        debtor.past.append(Past(now, debtor.number_at, tried.outcome, tried.notes))
        debtor.held = None
        group.busy_until = end
        if tried.outcome not in COSTS_NOTHING:
            spoken_to = tried.outcome in EFFECTIVE or tried.outcome is Outcome.UNKNOWN
            group.called.append(
                Counted(now, today, debtor.person, number, debtor.account, spoken_to)
            )
        if not tried.notes.isdisjoint(_LISTS):
            group.listed.add(number)
        run, day = self.run, self.run.days[today]
        run.calls += 1
        run.outcomes[tried.outcome] += 1
        day.calls += 1
        day.busy_s += tried.lasted_s

    def _hold(self, zone: _Zone, index: int, held: Held, now: datetime) -> None:
        """Do with a debtor whom the gate holds what the claim does with their row."""
        debtor, run = self.debtors[index], self.run
        if held.reason is not debtor.held:
            debtor.held = held.reason
            run.held[held.reason] += 1
        if held.reason in WIDE:
            heapq.heappush(zone.waiting, (now, index))
            if held.until is None:
                self._stuck(zone, held.reason)
            zone.closed_until = held.until
        elif held.final and held.reason in OF_NUMBER and debtor.number_at + 1 < len(debtor.numbers):
            debtor.number_at += 1
            heapq.heappush(zone.waiting, (now, index))
        elif held.final:
            state = _ENDS.get(held.reason, TargetState.EXCLUDED)
            self._end(state, held.reason, now)
        elif held.until is not None:
            heapq.heappush(zone.waiting, (held.until, index))
        else:
            run.stuck[held.reason] += 1

    def _stuck(self, zone: _Zone, reason: Reason) -> None:
        """Give up on a zone of which no instant lets anybody through."""
        self.run.stuck[reason] += len(zone.waiting) + len(zone.promised)
        zone.waiting.clear()
        zone.promised.clear()

    def _end(self, state: TargetState, why: Why | Reason, at: datetime) -> None:
        self.run.ended[f"{state.value}: {why.value}"] += 1
        self.run.end = max(self.run.end, at)
        self._progress(1)


_LISTS = frozenset({Note.DO_NOT_CALL, Note.WRONG_NUMBER})
"""What is said by key that puts a number on the do-not-call list."""

_ENDS = {
    Reason.SETTLED: TargetState.SETTLED,
    Reason.CAMPAIGN_OVER: TargetState.EXHAUSTED,
    Reason.MESSAGE_STALE: TargetState.EXHAUSTED,
}
"""How a debtor ends whom the gate holds for good; all others are excluded."""


def _grouped(owing: Sequence[Owing]) -> list[_Debtor]:
    """Return the debtors, those who share a person or a number with one ledger."""
    groups: dict[str, _Group] = {}
    debtors: list[_Debtor] = []
    for one in owing:
        keys = [f"person:{one.person}", *(f"number:{number}" for number in one.numbers)]
        found = [groups[key] for key in keys if key in groups]
        group = found[0] if found else _Group(one)
        if found:
            group.called += [call for call in one.called if call not in group.called]
            group.listed |= one.listed
        for key in keys:
            groups[key] = group
        debtors.append(_Debtor(one, group))
    return debtors
