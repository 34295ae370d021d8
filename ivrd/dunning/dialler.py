"""The dialler: gives each free line that was given to dunning somebody to call.

It lives in the thread of the clock, as lines do, and never waits: what asks the store or the
billing data runs on a `Clerk` and comes back as a result. One question is under way at a time;
pace, guard, breaker and the operator's word are looked at before it is asked, the gate is asked
in it, and whether the line is still free is looked at again after it: a caller who rang meanwhile
wins over a dial that has not begun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Protocol, TypeVar

import structlog

from ivrd.card import Ability
from ivrd.clock import Clock, Timer
from ivrd.dunning.attempt import Follower
from ivrd.dunning.claim import Claim, Slot
from ivrd.dunning.closing import AttemptResult
from ivrd.dunning.due import Nobody
from ivrd.errors import IvrdError, arose_at
from ivrd.events import U_TIME, Event
from ivrd.line import Line
from ivrd.records import Role, Status
from ivrd.service import Service
from ivrd.store.states import Outcome

T = TypeVar("T")

NO_LINE = "no line is given to dunning"

SHOWN = 4
"""Lines of which it is told why none of them can dial."""

SAVE_AGAIN_S = 2.0
"""Pause before an outcome that could not be written is written again."""

LOOK_AT_CLOCK_S = 30.0
"""How soon a start that is set for an instant sees that the wall clock was set."""

_log = structlog.get_logger("ivrd.dunning")


class Clerk(Protocol):
    """Carries out what asks the store, one job after the other."""

    def submit(self, job: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        """Run `job`; `done` is called once, later, in the clock's thread."""

    async def close(self) -> None:
        """Wait for the jobs that were submitted, and take no more."""


class Desk(Protocol):
    """What the dialler asks for; each call may block, and is made on the clerk."""

    def claim(self, slot: Slot) -> Claim | Nobody:
        """Return somebody to call, with the gate's permit, or until when nobody may be."""

    def close(self, attempt: str, ended: AttemptResult) -> None:
        """Write what came of an attempt."""


@dataclass(frozen=True, slots=True)
class Care:
    """How lines are spared: all from ivrd.toml.

    `guard_s` lies between two calls of a line, `look_s` between two questions while nobody may be
    called: campaigns are started from outside too; `dials_per_s` holds for each card; after
    `faults` attempts running that failed by our own fault a card dials no more for `pause_s`.
    Every `upkeep_s` what is due beside the calls is seen to.
    """

    dials_per_s: float = 2.0
    guard_s: float = 1.0
    faults: int = 5
    pause_s: float = 300.0
    look_s: float = 5.0
    upkeep_s: float = 60.0


@dataclass
class CardCare:
    """What the dialler knows of one card."""

    next_s: float = 0.0
    """When the card may dial next."""
    faults: int = 0
    broken_until_s: float = 0.0


@dataclass
class Given:
    """What the dialler knows of one line."""

    on: bool = False
    paused: bool = False
    start: Timer | None = None
    starts_at: datetime | None = None
    free_s: float = 0.0
    """From when on it may dial again."""
    nobody_until_s: float = 0.0
    """Until when there is nobody for this line, though there may be for others."""


@dataclass
class Counts:
    """What the dialler has counted since it started."""

    dialled: int = 0
    lost_to_callers: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    unsaved: int = 0
    """Outcomes that are not written yet."""


class Dialler:
    """Dials for the lines it was given; `lines` is looked at anew each time."""

    def __init__(
        self,
        clock: Clock,
        desk: Desk,
        clerk: Clerk,
        lines: Callable[[], Mapping[int, Line]],
        service: Callable[[Claim], Service],
        care: Care,
        node: str,
    ) -> None:
        self.counts = Counts()
        self.waits_for = NO_LINE
        """Why nobody is called just now."""
        self.on_outcome: Callable[[str, AttemptResult], None] | None = None
        """Told of each attempt what came of it; must not raise."""
        self._clock = clock
        self._desk = desk
        self._clerk = clerk
        self._lines = lines
        self._service = service
        self._care = care
        self._node = node
        self._given: dict[int, Given] = {}
        self._cards: dict[str, CardCare] = {}
        self._asking: int | None = None
        self._nobody_until_s = 0.0
        self._timer: Timer | None = None
        self._wakes_s = 0.0
        self._stopping = False

    # -- what the operator says ----------------------------------------------------------------

    def start(self, numbers: list[int], at: datetime | None = None) -> None:
        """Give lines to dunning, now or at an instant."""
        for number in numbers:
            given = self._of(number)
            self._forget_start(given)
            if at is not None and self._until_s(at) > 0:
                given.starts_at = at
                self._await_start(number, given, at)
            else:
                given.on, given.paused = True, False
        self.wake()

    def stop(self, numbers: list[int], *, pause: bool = False, now: bool = False) -> None:
        """Take lines from dunning; a call under way goes on unless `now`."""
        lines = self._lines()
        for number in numbers:
            given = self._of(number)
            self._forget_start(given)
            given.on, given.paused = False, pause
            line = lines.get(number)
            ours = line is not None and line.talk and isinstance(line.talk.follower, Follower)
            if now and line is not None and ours:
                line.stop_call("stopped by the operator")
        self._set_timer(0.0)

    def given(self, number: int) -> Given:
        """Return how a line stands."""
        return self._given.get(number, Given())

    def wake(self) -> None:
        """Look anew at once: something may have changed for which the dialler waited."""
        self._nobody_until_s = 0.0
        for given in self._given.values():
            given.nobody_until_s = 0.0
        self._set_timer(0.0)

    def shut(self) -> None:
        """Dial no more; outcomes are still written."""
        self._stopping = True
        for given in self._given.values():
            self._forget_start(given)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def busy(self) -> bool:
        """Whether a question or an outcome is still under way."""
        return self._asking is not None or self.counts.unsaved > 0

    def line_changed(self, line: Line) -> None:
        """Take note of a line that may be free now."""
        if line.status is Status.IDLE and self._of(line.number).on:
            self._set_timer(0.0)

    # -- who calls next ------------------------------------------------------------------------

    def _begin(self, number: int) -> None:
        given = self._of(number)
        given.start = given.starts_at = None
        given.on, given.paused = True, False
        _log.info("dunning_starts", line=number)
        self.wake()

    def _until_s(self, at: datetime) -> float:
        """Return how long until an instant; in UTC, since local days have 23 and 25 hours too."""
        return (at.astimezone(UTC) - self._clock.now().astimezone(UTC)).total_seconds()

    def _await_start(self, number: int, given: Given, at: datetime) -> None:
        """Begin when the wall clock shows `at`, however it is set, or stood still, meanwhile."""
        left_s = self._until_s(at)
        if left_s > 0:
            look = partial(self._await_start, number, given, at)
            given.start = self._clock.call_later(min(left_s, LOOK_AT_CLOCK_S), look)
        else:
            self._begin(number)

    def _forget_start(self, given: Given) -> None:
        if given.start is not None:
            given.start.cancel()
        given.start = given.starts_at = None

    def _of(self, number: int) -> Given:
        return self._given.setdefault(number, Given())

    def _card(self, line: Line) -> CardCare:
        return self._cards.setdefault(line.settings.card, CardCare())

    def _set_timer(self, delay_s: float) -> None:
        """Look again after `delay_s`, or earlier where that is set already."""
        at_s = self._clock.monotonic() + delay_s
        if self._stopping or (self._timer is not None and self._wakes_s <= at_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_s = at_s
        self._timer = self._clock.call_later(delay_s, self._look)

    def _look(self) -> None:
        """Ask for the first line that may dial now, or look again when the next one may."""
        self._timer = None
        if self._stopping or self._asking is not None:
            return
        now_s = self._clock.monotonic()
        soonest_s = now_s + self._care.look_s
        given = [line for line in self._lines().values() if self._of(line.number).on]
        if all(cannot_dial(line) for line in given):
            self.waits_for = self._why_no_line(given)
        for line in given:
            if self._unfit(line):
                continue
            ready_s = self._ready_s(line)
            if ready_s <= now_s:
                self._ask(line)
                return
            soonest_s = min(soonest_s, ready_s)
        self._set_timer(soonest_s - now_s)

    def _why_no_line(self, given: list[Line]) -> str:
        """Return why none of the lines that were given can dial."""
        if given:
            return "; ".join(f"line {line.number} {cannot_dial(line)}" for line in given[:SHOWN])
        on = any(one.on for one in self._given.values())
        return "no line that is given to dunning is open" if on else NO_LINE

    @staticmethod
    def _unfit(line: Line) -> str:
        """Return why a line cannot dial now; "" where it can."""
        return cannot_dial(line) or ("" if line.status is Status.IDLE else line.status.value)

    def _ready_s(self, line: Line) -> float:
        card, given = self._card(line), self._of(line.number)
        return max(
            given.free_s, given.nobody_until_s, card.next_s, card.broken_until_s,
            self._nobody_until_s,
        )  # fmt: skip

    def _ask(self, line: Line) -> None:
        self._asking = line.number
        slot = Slot(self._node, line.settings.card, line.number)
        self._clerk.submit(partial(self._desk.claim, slot), partial(self._claimed, line))

    def _claimed(self, line: Line, found: Claim | Nobody | Exception) -> None:
        self._asking = None
        now_s = self._clock.monotonic()
        if isinstance(found, Claim):
            self._place(line, found)
            self._set_timer(0.0)
            return
        if isinstance(found, Nobody):
            self.waits_for = found.why
            wait_s = self._care.look_s
            if found.until is not None:
                wait_s = min(wait_s, self._until_s(found.until))
            until_s = now_s + max(wait_s, 0.1)
            if found.here:
                self._of(line.number).nobody_until_s = until_s
                self._set_timer(0.0)
                return
            self._nobody_until_s = until_s
        else:
            log_failure("claim_failed", found)
            self.waits_for = "the store does not answer"
            self._nobody_until_s = now_s + self._care.look_s
        self._set_timer(self._nobody_until_s - now_s)

    def _place(self, line: Line, claim: Claim) -> None:
        """Dial, unless the line was taken while the gate was asked."""
        attempt = claim.permit.attempt
        if self._stopping or not self._of(line.number).on:
            self._save(attempt, AttemptResult(Outcome.CANCELLED, cause="dunning was stopped"))
            return
        if self._unfit(line):
            self.counts.lost_to_callers += 1
            self._save(attempt, AttemptResult(Outcome.CANCELLED, cause="the line was taken"))
            return
        card = self._card(line)
        rate = min(self._care.dials_per_s, claim.dials_per_s)
        card.next_s = self._clock.monotonic() + 1 / rate
        follower = Follower(line, partial(self._ended, line, attempt))
        self.counts.dialled += 1
        self.waits_for = ""
        try:
            line.place(
                self._service(claim), claim.permit, claim.facts, Event(U_TIME), follower=follower
            )
        except Exception as error:  # an attempt never lacks an outcome
            log_failure("place_failed", error)
            self._save(attempt, AttemptResult(Outcome.LINE_FAULT, cause=type(error).__name__))

    def _ended(self, line: Line, attempt: str, ended: AttemptResult) -> None:
        self._of(line.number).free_s = self._clock.monotonic() + self._care.guard_s
        self._watch_card(line, ended.outcome)
        self._save(attempt, ended)
        self._set_timer(self._care.guard_s)

    def _watch_card(self, line: Line, outcome: Outcome) -> None:
        """Stop dialling on a card whose calls fail by its own fault, one after the other."""
        card = self._card(line)
        if outcome not in {Outcome.LINE_FAULT, Outcome.NETWORK}:
            card.faults = 0
            return
        card.faults += 1
        if card.faults >= self._care.faults:
            card.faults = 0
            card.broken_until_s = self._clock.monotonic() + self._care.pause_s
            self.waits_for = f"card {line.settings.card!r} failed {self._care.faults} times running"
            _log.error(
                "card_stops_dialling", card=line.settings.card, faults=self._care.faults,
                again_in_s=self._care.pause_s,
            )  # fmt: skip

    # -- what came of it -----------------------------------------------------------------------

    def _save(self, attempt: str, ended: AttemptResult) -> None:
        self.counts.unsaved += 1
        outcome = ended.outcome.value
        self.counts.outcomes[outcome] = self.counts.outcomes.get(outcome, 0) + 1
        if self.on_outcome is not None:
            self.on_outcome(attempt, ended)
        self._write(attempt, ended)

    def _write(self, attempt: str, ended: AttemptResult) -> None:
        job = partial(self._desk.close, attempt, ended)
        self._clerk.submit(job, partial(self._written, attempt, ended))

    def _written(self, attempt: str, ended: AttemptResult, result: object) -> None:
        if isinstance(result, Exception):
            log_failure("outcome_not_written", result)
            self._clock.call_later(SAVE_AGAIN_S, partial(self._write, attempt, ended))
            return
        self.counts.unsaved -= 1
        self.wake()  # what was closed may be called again, or be the last one


def cannot_dial(line: Line) -> str:
    """Return why a line never dials as it is set up; "" where it may."""
    if line.settings.role is Role.OFF:
        return "is off (its role in ivrd.toml)"
    if Ability.DIAL not in line.channel.abilities:
        return f"cannot dial: card {line.settings.card!r} is not set up for it"
    return ""


def log_failure(what: str, error: Exception) -> None:
    """Log what failed; of what is no word of ours, which may hold a person's data, the kind."""
    why = str(error) if isinstance(error, IvrdError) else type(error).__name__
    _log.error(what, why=why, at=arose_at(error))
