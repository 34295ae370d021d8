"""One line: the only place where a channel, a call, its timers and its lookups meet.

`Line.feed` takes events, one after the other, from whatever thread of control the clock runs in:
the asyncio loop in the daemon, a heap of virtual time in a simulation. It gives them to the call,
carries out what the call orders, and writes both to the line's log. Whatever breaks, the line
ends on hook, says why in its log, and is ready for the next call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Protocol

from ivrd.call import Call
from ivrd.card import Channel, DialPermit
from ivrd.clock import Clock, Timer
from ivrd.commands import (
    CancelTimer,
    Command,
    Dial,
    Flush,
    Note,
    OffHook,
    OnHook,
    Play,
    Run,
    Say,
    StartTimer,
    Stop,
    Transfer,
    Utterance,
)
from ivrd.errors import SpeechError
from ivrd.events import (
    T_DIGIT,
    T_EOF,
    T_FAULT,
    T_LC,
    T_LCTERM,
    T_LONG,
    T_ONH,
    T_REFUSED,
    T_RING,
    T_RINGOFF,
    U_STOP,
    CommandId,
    Data,
    Event,
    Json,
)
from ivrd.flow.actions import Answer
from ivrd.flow.machine import FlowMachine
from ivrd.linelog import CallHead, LineLog, masked

KEYS_AHEAD = 40
"""Keys that may wait for a call to listen; further ones are dropped and counted."""

PLAY_GRACE_S = 3.0
"""How long after its last sample a play may lack its T_EOF before the line takes it as ended."""

WATCH_S = 15.0
"""Period of the watchdog, and its grace on top of what the flow allows."""

ON_HOOK_S = 5.0
"""How long the card may take to go on hook when the line itself orders it."""

DIAL_MARGIN_S = 2.0
"""How much earlier than the flow the card gives up a dial, so that it is the card that says why."""

RETRY_S = 30.0
"""Period at which a line that is out of service tries to go on hook again."""


class Role(StrEnum):
    """What a line is used for."""

    ENQUIRY = "enquiry"
    DUNNING = "dunning"
    BOTH = "both"
    OFF = "off"


class Status(StrEnum):
    """What a line is doing, as an operator would say it."""

    IDLE = "idle"
    RINGING = "ringing"
    IN_CALL = "in call"
    CLEARING = "clearing"
    OUT_OF_SERVICE = "out of service"


class Voice(Protocol):
    """Makes sentences audible (`ivrd.prompts`)."""

    def utterance(self, say: Say, lang: str) -> Utterance:
        """Return `say` as audio files; raises `SpeechError`."""


class Actions(Protocol):
    """Carries out what a flow asks of the application (`ivrd.runner`)."""

    def start(self, name: str, args: Data, answer: Callable[[Answer], None]) -> None:
        """Start an action; `answer` is called once, later, where `Line.feed` may be called."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a call runs: a flow with its facts, actions and voice, and the language it begins in.

    `facts` gives the flow's ``knows`` for a caller's and a called number. A reload gives lines
    another service; a call in progress keeps the one it has.
    """

    machine: FlowMachine
    facts: Callable[[str, str], dict[str, Json]]
    actions: Actions
    voice: Voice
    lang: str


@dataclass
class LineSettings:
    """How one line is used; `number` is the line's, counted over all cards."""

    number: int
    card: str = "card"
    role: Role = Role.ENQUIRY
    rings: int = 1
    when_stopped: str = "sentence"


@dataclass(frozen=True, slots=True)
class CallRecord:
    """How one call went; `caller` is masked, `left_in` the state it was in before hanging up."""

    call: str
    line: int
    began: datetime
    lasted_s: float
    direction: str
    caller: str
    lang: str
    ended_by: str
    left_in: str
    notes: tuple[str, ...]
    sentences: int


@dataclass
class Counters:
    """What a line has counted since it started."""

    calls: int = 0
    refused: int = 0
    stale: int = 0
    keys_dropped: int = 0
    watchdog: int = 0
    card_faults: int = 0
    errors: int = 0


@dataclass(slots=True)
class _Talk:
    """A call under way, and what the line keeps for it."""

    call: Call
    service: Service
    id: str
    began: datetime
    began_s: float
    direction: str
    caller: str
    progress_s: float
    before: str = ""
    ended_by: str = ""
    left_in: str = ""
    notes: list[str] = field(default_factory=list)
    sentences: int = 0
    keys: deque[tuple[str, float]] = field(default_factory=deque)
    timer: Timer | None = None
    long_timer: Timer | None = None
    watchdog: Timer | None = None
    play: CommandId | None = None
    play_guard: Timer | None = None
    permit: DialPermit | None = None
    on_hook_done: bool = False
    failed: bool = False


class Line:
    """The shell around one channel."""

    def __init__(
        self,
        settings: LineSettings,
        channel: Channel,
        clock: Clock,
        service: Service,
        log: LineLog,
    ) -> None:
        self.settings = settings
        self.channel = channel
        self.clock = clock
        self.service = service
        self.log = log
        self.counters = Counters()
        self.status = Status.IDLE
        self.reason = ""
        """Why the line is out of service."""
        self.stopped = False
        """Whether the operator has stopped enquiry here."""
        self.since_s = clock.monotonic()
        self.last_sentence = ""
        self.on_end: Callable[[CallRecord], None] | None = None
        self.on_change: Callable[[Line], None] | None = None
        self._talk: _Talk | None = None
        self._queue: deque[Event] = deque()
        self._feeding = False
        self._rings = 0
        self._next_id: CommandId = 1
        self._calls = 0
        self._clearing: CommandId | None = None
        self._clear_timer: Timer | None = None
        channel.connect(self.feed)

    # -- what others may see and do ------------------------------------------------------------

    @property
    def number(self) -> int:
        """The line's number."""
        return self.settings.number

    @property
    def call(self) -> Call | None:
        """The call under way."""
        return self._talk.call if self._talk else None

    @property
    def call_id(self) -> str:
        """Id of the call under way, or ""."""
        return self._talk.id if self._talk else ""

    @property
    def caller(self) -> str:
        """The number at the other end, masked; or ""."""
        return self._talk.caller if self._talk else ""

    @property
    def direction(self) -> str:
        """``in`` or ``out`` while there is a call; else ""."""
        return self._talk.direction if self._talk else ""

    def call_began_s(self) -> float | None:
        """When the call under way began, on the clock's monotonic time."""
        return self._talk.began_s if self._talk else None

    def stop_call(self, reason: str) -> None:
        """End the call under way with a sentence: the flow's U_STOP."""
        if self._talk is not None:
            self.feed(Event(U_STOP, None, {"reason": reason}))

    def place(self, service: Service, permit: DialPermit, facts: Data, start: Event) -> None:
        """Begin an outbound call on an idle line; only the holder of a permit can."""
        if self.status is not Status.IDLE:
            raise RuntimeError(f"line {self.number} is {self.status}")
        self._begin(service, dict(facts), permit.number, "out", permit)
        self.feed(start)

    def shut(self) -> None:
        """Go on hook at once, with no sentence; for the end of the daemon."""
        if self._talk is not None:
            self._abandon("shut")

    def out_of_service(self, reason: str) -> None:
        """Take the line out of service: its card has gone away."""
        if self._talk is not None:
            self._talk.ended_by = self._talk.ended_by or "card"
            self._finish()
        self._cancel_clearing()
        self.reason = reason
        self._set_status(Status.OUT_OF_SERVICE)

    # -- events --------------------------------------------------------------------------------

    def feed(self, event: Event) -> None:
        """Take one event; those that arise meanwhile are taken after it, in order."""
        self._queue.append(event)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._queue:
                self._take(self._queue.popleft())
        finally:
            self._feeding = False

    def _take(self, event: Event) -> None:
        try:
            if self._clearing is not None and event.name == T_ONH and event.id == self._clearing:
                self._cleared()
            elif self._talk is None:
                self._without_call(event)
            elif event.name == T_DIGIT:
                self._key(self._talk, event)
            else:
                self._in_call(self._talk, event)
        except Exception as error:  # one line's failure never reaches another
            self.counters.errors += 1
            self._remark("error", kind=type(error).__name__, event=event.name, at=_where(error))
            if self._talk is not None:
                self._abandon("error")

    def _without_call(self, event: Event) -> None:
        if event.name == T_RING and self.status in {Status.IDLE, Status.RINGING}:
            self._ring(event)
        elif event.name == T_RINGOFF and self.status is Status.RINGING:
            self._rings = 0
            self._set_status(Status.IDLE)
        elif event.name == T_LC:
            self.counters.card_faults += 1
            self._remark("no_loop_signal", **_cause(event))
            self._fall_out("no loop signal")
        else:
            self.counters.stale += 1
            self._remark("stray", event=event.name, id=event.id)

    def _ring(self, event: Event) -> None:
        role = self.settings.role
        serves = role in {Role.ENQUIRY, Role.BOTH} or self.settings.when_stopped == "sentence"
        if not serves or (self.stopped and self.settings.when_stopped == "busy"):
            self.counters.refused += 1
            self._remark("refused", why="line is stopped" if self.stopped else f"role {role}")
            self._clear()
            return
        self._rings += 1
        if self._rings < self.settings.rings:
            self._set_status(Status.RINGING)
            return
        caller, called = str(event.data.get("caller", "")), str(event.data.get("called", ""))
        facts = self.service.facts(caller, called)
        if "closed" in facts:
            facts["closed"] = self.stopped or role not in {Role.ENQUIRY, Role.BOTH}
        self._begin(self.service, facts, caller, "in", None)
        assert self._talk is not None  # noqa: S101 - begun above
        self._in_call(self._talk, event)

    def _begin(
        self,
        service: Service,
        facts: dict[str, Json],
        number: str,
        direction: str,
        permit: DialPermit | None,
    ) -> None:
        self._rings = 0
        self._calls += 1
        self.counters.calls += 1
        machine = service.machine
        now, now_s = self.clock.now(), self.clock.monotonic()
        call = Call(machine, facts, service.lang, first_id=self._next_id)
        name = f"{now:%Y%m%d-%H%M%S}-L{self.number}-{self._calls}"
        shown = str(masked(number, keep=4))
        self._talk = talk = _Talk(
            call, service, name, now, now_s, direction, shown, now_s, permit=permit
        )
        head = CallHead(
            name, self.number, machine.flow.name, machine.hash, call.lang, self._next_id, facts
        )
        self.log.begin(now, head, machine.private)
        self.last_sentence = ""
        talk.watchdog = self.clock.call_later(WATCH_S, partial(self._watch, talk))
        self._set_status(Status.IN_CALL)

    def _key(self, talk: _Talk, event: Event) -> None:
        """Hand a key to the call, or keep it until the call listens."""
        if not talk.call.busy:
            self._in_call(talk, event)
        elif len(talk.keys) < KEYS_AHEAD:
            talk.keys.append((str(event.data.get("key", "")), self._at_s(talk)))
        else:
            self.counters.keys_dropped += 1
            self._remark("key_dropped", why=f"{KEYS_AHEAD} keys wait already")

    def _in_call(self, talk: _Talk, event: Event) -> None:
        """Give one event to the call, carry out what it orders, then the keys that waited."""
        self._deliver(talk, event)
        while talk.keys and not talk.call.busy and self._talk is talk:
            key, keyed_s = talk.keys.popleft()
            self._deliver(talk, Event(T_DIGIT, None, {"key": key, "keyed_s": keyed_s}))

    def _deliver(self, talk: _Talk, event: Event) -> None:
        call = talk.call
        now_s = self.clock.monotonic()
        at_s = round(now_s - talk.began_s, 3)
        before, stale = call.state, call.stale
        private = event.name == T_DIGIT and call.private
        commands = call.handle(event, at_s)
        moved = call.state != before
        self.log.step(
            self.clock.now(), at_s, event, commands, call.state if moved else None,
            private_key=private,
        )  # fmt: skip
        self._next_id = call.next_id
        talk.before = before
        if call.stale != stale:
            self.counters.stale += 1
        else:
            talk.progress_s = now_s
        self._learn(talk, event, before)
        for command in commands:
            self._carry_out(talk, command)
        if call.over:
            self._over(talk)
        elif moved:
            self._changed(now_s)

    def _learn(self, talk: _Talk, event: Event, before: str) -> None:
        """Keep from an event what the record of the call needs."""
        name = event.name
        if name == T_LCTERM:
            self._ended_by(talk, "caller" if talk.direction == "in" else "far end", before)
        elif name == T_RINGOFF:
            self._ended_by(talk, "caller", before)
        elif name == T_LC:
            self.counters.card_faults += 1
            self._ended_by(talk, "card", before)
        elif name == U_STOP:
            self._ended_by(talk, "operator", before)
        elif name == T_LONG:
            self._ended_by(talk, "too long", before)
        elif name == T_ONH:
            talk.on_hook_done = True
        elif name == T_EOF and event.id == talk.play:
            self._play_over(talk)
            if event.data.get("whole") is False:
                self.counters.card_faults += 1
                self._cannot_speak(talk, "a prompt was not played")

    def _ended_by(self, talk: _Talk, who: str, state: str) -> None:
        if not talk.ended_by:
            talk.ended_by, talk.left_in = who, state

    def _over(self, talk: _Talk) -> None:
        """Put away a call that came back to its start, whether or not the card is on hook."""
        on_hook = talk.on_hook_done
        self._finish()
        if not on_hook:
            self.counters.card_faults += 1
            self._remark("no_answer_to_on_hook")
            self._fall_out("does not go on hook")

    # -- orders --------------------------------------------------------------------------------

    def _carry_out(self, talk: _Talk, command: Command) -> None:
        match command:
            case StartTimer():
                self._start_timer(talk, command)
            case Play():
                self._play(talk, command)
            case Stop():
                self._play_over(talk)
                self.channel.stop(command.id)
            case CancelTimer():
                if talk.timer is not None:
                    talk.timer.cancel()
            case Run():
                answer = partial(self._answered, command.id)
                talk.service.actions.start(command.action, command.args, answer)
            case Note():
                talk.notes.append(command.word)
            case Flush():
                talk.keys.clear()
            case OffHook():
                self.channel.off_hook(command.id)
            case OnHook():
                self._ended_by(talk, "ivrd", talk.before)
                talk.keys.clear()
                self.channel.on_hook(command.id)
            case Dial():
                self._dial(talk, command)
            case Transfer():
                # a transfer needs a permit from its own list, which only the gate will make
                self.feed(Event(T_REFUSED, command.id, {"reason": "no permit"}))

    def _start_timer(self, talk: _Talk, order: StartTimer) -> None:
        fire = partial(self._timer_fired, talk, order.id, order.event)
        timer = self.clock.call_later(order.after_s, fire)
        if order.event == T_LONG:
            talk.long_timer = timer
            return
        if talk.timer is not None:
            talk.timer.cancel()
        talk.timer = timer

    def _timer_fired(self, talk: _Talk, ident: CommandId, event: str) -> None:
        if self._talk is talk:
            self.feed(Event(event, ident))

    def _answered(self, ident: CommandId, answer: Answer) -> None:
        self.feed(Event(answer.event, ident, answer.data))

    def _play(self, talk: _Talk, order: Play) -> None:
        """Play sentences, all or none: a bill with an amount left out would be a wrong bill."""
        try:
            utterances = [
                talk.service.voice.utterance(say, talk.call.lang) for say in order.sentences
            ]
        except SpeechError as error:
            self._cannot_speak(talk, str(error))
            return
        length_s = sum(utterance.duration_s for utterance in utterances)
        talk.sentences += len(utterances)
        self.last_sentence = utterances[-1].text
        self._play_over(talk)
        talk.play = order.id
        late = partial(self._play_late, talk, order.id, length_s)
        talk.play_guard = self.clock.call_later(length_s + PLAY_GRACE_S, late)
        self.channel.play(order.id, utterances)

    def _cannot_speak(self, talk: _Talk, why: str) -> None:
        """End the call with a sentence, or without one where that cannot be spoken either."""
        self.counters.errors += 1
        self._remark("cannot_speak", why=why)
        if talk.failed:
            self._abandon("error")
        else:
            talk.failed = True
            self.feed(Event(U_STOP, None, {"reason": "cannot speak"}))

    def _play_over(self, talk: _Talk) -> None:
        talk.play = None
        if talk.play_guard is not None:
            talk.play_guard.cancel()
            talk.play_guard = None

    def _play_late(self, talk: _Talk, ident: CommandId, length_s: float) -> None:
        """Take a play as ended whose end the card never told, so that no caller hears silence."""
        if self._talk is not talk or talk.play != ident:
            return
        self.counters.card_faults += 1
        self._remark("play_without_end", id=ident)
        self.channel.stop(ident)
        self.feed(Event(T_EOF, ident, {"heard_s": round(length_s, 3), "lost": True}))

    def _dial(self, talk: _Talk, order: Dial) -> None:
        permit, talk.permit = talk.permit, None
        if permit is None:
            self._remark("dial_without_permit")
            self.feed(Event(T_FAULT, order.id, {"reason": "no permit"}))
            return
        timeout_s = max(1.0, talk.call.longest_wait_s - DIAL_MARGIN_S)
        self.channel.dial(order.id, permit, timeout_s=timeout_s)

    # -- when things go wrong ------------------------------------------------------------------

    def _watch(self, talk: _Talk) -> None:
        """Give up a call that waits longer than its flow allows (the watchdog)."""
        if self._talk is not talk:
            return
        quiet_s = self.clock.monotonic() - talk.progress_s
        if quiet_s > talk.call.longest_wait_s + WATCH_S:
            self.counters.watchdog += 1
            self._remark("watchdog", state=talk.call.state, quiet_s=round(quiet_s, 1))
            self._abandon("watchdog")
        else:
            talk.watchdog = self.clock.call_later(WATCH_S, partial(self._watch, talk))

    def _abandon(self, by: str) -> None:
        """Give the call up and go on hook, whatever it wanted."""
        talk = self._talk
        if talk is None:
            return
        self._ended_by(talk, by, talk.call.state)
        self._finish()
        self._clear()

    def _clear(self) -> None:
        """Go on hook by the line's own order, outside of any call."""
        self._rings = 0
        self._clearing = self._next_id
        self._next_id += 1
        if self._clear_timer is not None:
            self._clear_timer.cancel()
        self._clear_timer = self.clock.call_later(ON_HOOK_S, self._clear_late)
        if self.status is not Status.OUT_OF_SERVICE:
            self._set_status(Status.CLEARING)
        self.channel.on_hook(self._clearing)

    def _cleared(self) -> None:
        self._cancel_clearing()
        if self.status is Status.OUT_OF_SERVICE:
            self._remark("in_service_again")
        self.reason = ""
        self._set_status(Status.IDLE)

    def _clear_late(self) -> None:
        self._fall_out("does not go on hook")

    def _fall_out(self, reason: str) -> None:
        """Out of service, trying from time to time to go on hook and come back."""
        self._cancel_clearing()
        if self.status is not Status.OUT_OF_SERVICE:
            self._remark("out_of_service", why=reason)
        self.reason = reason
        self._set_status(Status.OUT_OF_SERVICE)
        self._clear_timer = self.clock.call_later(RETRY_S, self._clear)

    def _cancel_clearing(self) -> None:
        self._clearing = None
        if self._clear_timer is not None:
            self._clear_timer.cancel()
            self._clear_timer = None

    # -- the end of a call ---------------------------------------------------------------------

    def _finish(self) -> None:
        """Put the call away: timers, record, log."""
        talk = self._talk
        if talk is None:
            return
        self._talk = None
        for timer in (talk.timer, talk.long_timer, talk.watchdog, talk.play_guard):
            if timer is not None:
                timer.cancel()
        record = CallRecord(
            talk.id, self.number, talk.began, self._at_s(talk), talk.direction, talk.caller,
            talk.call.lang, talk.ended_by or "ivrd", talk.left_in, tuple(talk.notes),
            talk.sentences,
        )  # fmt: skip
        self.log.end(
            self.clock.now(), record.lasted_s, by=record.ended_by, left_in=record.left_in,
            lasted_s=record.lasted_s, sentences=record.sentences, notes=list(record.notes),
        )  # fmt: skip
        self.last_sentence = ""
        self._set_status(Status.IDLE)
        if self.on_end is not None:
            self.on_end(record)

    def _at_s(self, talk: _Talk) -> float:
        return round(self.clock.monotonic() - talk.began_s, 3)

    def _remark(self, what: str, **more: Json) -> None:
        at_s = self._at_s(self._talk) if self._talk else 0.0
        self.log.remark(self.clock.now(), at_s, what, **more)

    def _set_status(self, status: Status) -> None:
        self.status = status
        self._changed(self.clock.monotonic())

    def _changed(self, now_s: float) -> None:
        self.since_s = now_s
        if self.on_change is not None:
            self.on_change(self)


def _cause(event: Event) -> dict[str, Json]:
    cause = event.data.get("cause")
    return {} if cause is None else {"cause": cause}


def _where(error: Exception) -> str:
    """Return file and line where an error arose, which no private data can be in."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""
