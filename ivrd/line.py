"""One line: the only place where a channel, a call, its timers and its lookups meet.

`Line.feed` takes events, one after the other, from whatever thread of control the clock runs in:
the asyncio loop in the daemon, a heap of virtual time in a simulation. It gives them to the call,
carries out what the call orders, and writes both to the line's log. Whatever breaks, the line
ends on hook, says why in its log, and is ready for the next call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ivrd.call import Call
from ivrd.card import RING_PERIOD_S, Ability, Channel, DialPermit
from ivrd.clock import Clock
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
    StartTimer,
    Stop,
    Transfer,
)
from ivrd.errors import SpeechError, arose_at
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
from ivrd.hook import Hook
from ivrd.linelog import CallHead, LineLog, masked
from ivrd.records import CallRecord, Counters, LineSettings, Role, Status
from ivrd.service import Service
from ivrd.talk import Follower, Talk

KEYS_AHEAD = 40
"""Keys that may wait for a call to listen; further ones are dropped and counted."""

PLAY_GRACE_S = 1.5
"""How long after its last sample a play may lack its T_EOF before the line takes it as ended."""

WATCH_S = 15.0
"""Period of the watchdog, and its grace on top of what the flow allows."""

RING_LOST_S = 2.5 * RING_PERIOD_S
"""How long after a ring neither the next one nor its end may come before the line goes on hook."""

DIAL_MARGIN_S = 2.0
"""How much earlier than the flow the card gives up a dial, so that it is the card that says why."""

T = TypeVar("T")

_SERVED = frozenset({Role.ENQUIRY, Role.BOTH})

_TOLD = frozenset({T_DIGIT, T_EOF})
"""What a follower is told even where the call has no use for it: a key, what was heard of a play
that was cut short."""


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
        """What the next call will run."""
        self.log = log
        self.counters = Counters()
        self.status = Status.IDLE
        self.reason = ""
        """Why the line is out of service."""
        self.stopped = False
        """Whether the operator has stopped enquiry here."""
        self.since_s = clock.monotonic()
        """Since when the line has been in its status, or its call in its state."""
        self.on_end: Callable[[CallRecord], None] | None = None
        self.on_change: Callable[[Line], None] | None = None
        self.on_fed: Callable[[float], None] | None = None
        """Told how many seconds an event took, with those that arose from it."""
        self.talk: Talk | None = None
        """The call under way."""
        self._hook = Hook(channel, clock, self._on_hook_late)
        self._queue: deque[Event] = deque()
        self._feeding = False
        self._rings = 0
        self._next_id: CommandId = 1
        self._calls = 0
        channel.connect(self.feed)

    # -- what others may do --------------------------------------------------------------------

    @property
    def number(self) -> int:
        """The line's number."""
        return self.settings.number

    @property
    def sentence(self) -> str:
        """What the far end hears now or heard last, private data masked; "" without a call."""
        heard = self.talk.heard_now() if self.talk else None
        return self.log.shown(heard[0], heard[1].text) if heard else ""

    def stop_call(self, reason: str) -> None:
        """End the call under way with a sentence: the flow's U_STOP."""
        if self.talk is not None:
            self.feed(Event(U_STOP, None, {"reason": reason}))

    def place(
        self,
        service: Service,
        permit: DialPermit,
        facts: Data,
        start: Event,
        follower: Follower | None = None,
    ) -> None:
        """Begin an outbound call on an idle line; only the holder of a permit can.

        `follower` is told how it goes.
        """
        if self.status is not Status.IDLE:
            raise RuntimeError(f"line {self.number} is {self.status}")
        talk = self._begin(service, dict(facts), permit.number, "out", permit)
        talk.follower = follower
        self.feed(start)

    def shut(self) -> None:
        """Go on hook at once, with no sentence; for the end of the daemon."""
        self._hook.forget()
        if self.talk is not None:
            self._abandon("shut")

    # -- events --------------------------------------------------------------------------------

    def feed(self, event: Event) -> None:
        """Take one event; those that arise meanwhile are taken after it, in order."""
        self._queue.append(event)
        if self._feeding:
            return
        self._feeding = True
        began_s = self.clock.monotonic() if self.on_fed is not None else 0.0
        try:
            while self._queue:
                self._take(self._queue.popleft())
        finally:
            self._feeding = False
        if self.on_fed is not None:
            self._tell(self.on_fed, self.clock.monotonic() - began_s)

    def _take(self, event: Event) -> None:
        try:
            if self._hook.cleared_by(event):
                self._cleared()
            elif self.talk is None:
                self._without_call(event)
            elif event.name == T_DIGIT:
                self._key(self.talk, event)
            else:
                self._in_call(self.talk, event)
        except Exception as error:  # one line's failure never reaches another
            self.counters.errors += 1
            self._remark("error", kind=type(error).__name__, event=event.name, at=arose_at(error))
            if self.talk is not None:
                self._abandon("error")
            elif event.name == T_RING:
                self._clear()

    def _without_call(self, event: Event) -> None:
        if event.name == T_RING and self.status is Status.OUT_OF_SERVICE and not self._hook.awaited:
            # a channel that brings a caller is back, and free
            self._hook.forget()
            self._cleared()
        if event.name == T_RING and self.status in {Status.IDLE, Status.RINGING}:
            self._ring(event)
        elif event.name == T_RINGOFF and self.status is Status.RINGING:
            self._rings = 0
            self._set_status(Status.IDLE)
        elif event.name == T_LC:
            self.counters.card_faults += 1
            self._remark("no_loop_signal", **_cause(event))
            self._fall_out(_no_loop(event))
        else:
            self.counters.stale += 1
            self._remark("stray", event=event.name, id=event.id)

    def _ring(self, event: Event) -> None:
        closed = self.stopped or self.settings.role not in _SERVED
        off = self.settings.role is Role.OFF
        if off or (closed and self.settings.when_stopped == "busy"):
            self.counters.refused += 1
            self._remark("refused", why="stopped" if self.stopped else f"role {self.settings.role}")
            self._clear()
            return
        self._rings += 1
        if self._rings < self.settings.rings:
            self._set_status(Status.RINGING)
            self.clock.call_later(RING_LOST_S, partial(self._ring_lost, self.since_s))
            return
        caller, called = _text(event, "caller"), _text(event, "called")
        facts = self.service.facts(caller, called)
        facts["closed"] = closed
        talk = self._begin(self.service, facts, caller, "in", None)
        self._in_call(talk, Event(T_RING, None, {**event.data, "caller": caller, "called": called}))

    def _ring_lost(self, since_s: float) -> None:
        """Take a ringing as over whose end, or whose next ring, the card never told."""
        if self.status is Status.RINGING and self.since_s == since_s:
            self.counters.card_faults += 1
            self._remark("ringing_without_end")
            self._clear()

    def _begin(
        self,
        service: Service,
        facts: dict[str, Json],
        number: str,
        direction: str,
        permit: DialPermit | None,
    ) -> Talk:
        self._rings = 0
        self._calls += 1
        self.counters.calls += 1
        machine = service.machine
        now, now_s = self.clock.now(), self.clock.monotonic()
        call = Call(machine, facts, service.lang, first_id=self._next_id)
        name = f"{now:%Y%m%d-%H%M%S}-L{self.number}-{self._calls}"
        shown = str(masked(number, keep=4))
        talk = Talk(call, service, self.clock, name, direction, shown, permit, now, now_s, now_s)
        head = CallHead(
            name, self.number, machine.flow.name, machine.hash, call.lang, self._next_id, facts
        )
        self.talk = talk
        self.log.begin(now, head, machine.private)
        talk.watchdog = self.clock.call_later(WATCH_S, partial(self._watch, talk))
        self._set_status(Status.IN_CALL)
        return talk

    def _key(self, talk: Talk, event: Event) -> None:
        """Hand a key to the call, or keep it until the call listens."""
        if not talk.call.busy:
            self._in_call(talk, event)
        elif len(talk.keys) < KEYS_AHEAD:
            talk.keys.append((str(event.data.get("key", "")), talk.at_s))
        else:
            self.counters.keys_dropped += 1
            self._remark("key_dropped", why=f"{KEYS_AHEAD} keys wait already")

    def _in_call(self, talk: Talk, event: Event) -> None:
        """Give one event to the call, carry out what it orders, then the keys that waited."""
        if event.name == T_EOF and event.id == talk.play and event.data.get("whole") is False:
            # the call must not take what was cut for what was told: it is stopped first
            talk.play_over()
            self.counters.card_faults += 1
            self._cannot_speak(talk, "a prompt was not played")
            self.feed(event)
            return
        self._deliver(talk, event)
        while talk.keys and not talk.call.busy and self.talk is talk:
            key, keyed_s = talk.keys.popleft()
            self._deliver(talk, Event(T_DIGIT, None, {"key": key, "keyed_s": keyed_s}))

    def _deliver(self, talk: Talk, event: Event) -> None:
        call = talk.call
        now_s = self.clock.monotonic()
        at_s = round(now_s - talk.began_s, 3)
        before, stale = call.state, call.stale
        private = event.name == T_DIGIT and self._hidden(call, event, at_s)
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
        self._learn(talk, event)
        if talk.follower is not None and (call.stale == stale or event.name in _TOLD):
            self._tell(talk.follower.took, (event, commands))
        for command in commands:
            if self.talk is not talk:  # given up: it orders nothing any more
                return
            self._carry_out(talk, command)
        if self.talk is not talk:
            return
        if call.over:
            self._over(talk)
        elif moved:
            self._changed(now_s)

    @staticmethod
    def _hidden(call: Call, event: Event, at_s: float) -> bool:
        keyed_s = event.data.get("keyed_s", at_s)
        return call.hides(str(event.data.get("key", "")), float(keyed_s))  # type: ignore[arg-type]  # the line's own number

    def _learn(self, talk: Talk, event: Event) -> None:
        """Keep from an event what the record of the call needs."""
        name = event.name
        if name == T_DIGIT:
            return
        if name == T_LCTERM:
            talk.ends("caller" if talk.direction == "in" else "far end", talk.before)
        elif name == T_RINGOFF:
            talk.ends("caller", talk.before)
        elif name == T_LC:
            self.counters.card_faults += 1
            talk.ends("card", talk.before)
            # the call waits for on hook yet; nobody is on the line any more
            self.reason = _no_loop(event)
            self._set_status(Status.OUT_OF_SERVICE)
        elif name == U_STOP:
            talk.ends("error" if talk.failed else "operator", talk.before)
        elif name == T_LONG:
            talk.ends("too long", talk.before)
        elif name == T_ONH and event.id == talk.on_hook:
            talk.on_hook_done = True
        elif name == T_EOF and event.id == talk.play:
            talk.play_over()

    def _over(self, talk: Talk) -> None:
        """Put away a call that came back to its start, whether or not the card is on hook."""
        self._finish(talk)
        if not talk.on_hook_done:
            self.counters.card_faults += 1
            self._remark("no_answer_to_on_hook")
            self._fall_out(self.reason or "does not go on hook")
        else:
            self.reason = ""

    # -- orders --------------------------------------------------------------------------------

    def _carry_out(self, talk: Talk, command: Command) -> None:
        match command:
            case StartTimer():
                talk.start_timer(
                    command, partial(self._timer_fired, talk, command.id, command.event)
                )
            case Play():
                self._play(talk, command)
            case Stop():
                talk.play_over()
                self.channel.stop(command.id)
            case CancelTimer():
                talk.cancel_timer()
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
                talk.ends("ivrd", talk.before)
                talk.keys.clear()
                talk.on_hook = command.id
                self.channel.on_hook(command.id)
            case Dial():
                self._dial(talk, command)
            case Transfer():
                self._transfer(talk, command)

    def _timer_fired(self, talk: Talk, ident: CommandId, event: str) -> None:
        if self.talk is talk:
            self.feed(Event(event, ident))

    def _answered(self, ident: CommandId, answer: Answer) -> None:
        self.feed(Event(answer.event, ident, answer.data))

    def _play(self, talk: Talk, order: Play) -> None:
        """Play sentences, all or none: a bill with an amount left out would be a wrong bill."""
        voice, lang = talk.service.voice, talk.call.lang
        try:
            utterances = [voice.utterance(say, lang) for say in order.sentences]
        except SpeechError as error:
            self._cannot_speak(talk, str(error))
            return
        length_s = sum([utterance.duration_s for utterance in utterances])
        late = partial(self._play_late, talk, order.id, length_s)
        talk.begin_play(order, utterances, length_s + PLAY_GRACE_S, late)
        self.channel.play(order.id, utterances)

    def _cannot_speak(self, talk: Talk, why: str) -> None:
        """End the call with a sentence, or without one where that cannot be spoken either."""
        self.counters.errors += 1
        self._remark("cannot_speak", why=why)
        if talk.failed:
            self._abandon("error")
        else:
            talk.failed = True
            self.feed(Event(U_STOP, None, {"reason": "cannot speak"}))

    def _play_late(self, talk: Talk, ident: CommandId, length_s: float) -> None:
        """Take a play as ended whose end the card never told, so that no caller hears silence."""
        if self.talk is not talk or talk.play != ident:
            return
        self.counters.card_faults += 1
        self._remark("play_without_end", id=ident)
        self.channel.stop(ident)
        self.feed(Event(T_EOF, ident, {"heard_s": round(length_s, 3), "lost": True}))

    def _dial(self, talk: Talk, order: Dial) -> None:
        permit, talk.permit = talk.permit, None
        if permit is None or permit.until <= self.clock.now():
            why = "no permit" if permit is None else "the permit is over"
            self._remark("dial_without_permit", why=why)
            self.feed(Event(T_FAULT, order.id, {"cause": why, "dialled": False}))
            return
        timeout_s = max(1.0, talk.call.longest_wait_s - DIAL_MARGIN_S)
        self.channel.dial(order.id, permit, timeout_s=timeout_s)

    def _transfer(self, talk: Talk, order: Transfer) -> None:
        permit = talk.service.transfer() if talk.service.transfer else None
        if permit is None or Ability.TRANSFER not in self.channel.abilities:
            self.feed(Event(T_REFUSED, order.id, {"cause": "no transfer is set up"}))
            return
        self.channel.transfer(order.id, permit)

    # -- when things go wrong ------------------------------------------------------------------

    def _watch(self, talk: Talk) -> None:
        """Give up a call that waits longer than its flow allows (the watchdog)."""
        if self.talk is not talk:
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
        if self.talk is not None:
            self.talk.ends(by, self.talk.call.state)
            self._finish(self.talk)
            self._clear()

    def _clear(self) -> None:
        """Go on hook by the line's own order, outside of any call."""
        self._rings = 0
        ident = self._next_id
        self._next_id += 1
        if self.status is not Status.OUT_OF_SERVICE:
            self._set_status(Status.CLEARING)
        self._hook.clear(ident)

    def _cleared(self) -> None:
        if self.status is Status.OUT_OF_SERVICE:
            self._remark("in_service_again")
        self.reason = ""
        self._set_status(Status.IDLE)

    def _on_hook_late(self) -> None:
        self._fall_out(self.reason or "does not go on hook")

    def _fall_out(self, reason: str) -> None:
        """Out of service, trying from time to time to go on hook and come back."""
        if self.status is not Status.OUT_OF_SERVICE:
            self._remark("out_of_service", why=reason)
        self.reason = reason
        self._set_status(Status.OUT_OF_SERVICE)
        self._hook.retry(self._clear)

    # -- the end of a call ---------------------------------------------------------------------

    def _finish(self, talk: Talk) -> None:
        """Put the call away: timers, record, log."""
        self.talk = None
        talk.close()
        record = talk.record(self.number)
        self.log.end(
            self.clock.now(), record.lasted_s, by=record.ended_by, left_in=record.left_in,
            lasted_s=record.lasted_s, sentences=record.sentences, notes=list(record.notes),
        )  # fmt: skip
        self._set_status(Status.IDLE)
        if self.on_end is not None:
            self._tell(self.on_end, record)
        if talk.follower is not None:
            self._tell(talk.follower.ended, record)

    def _remark(self, what: str, **more: Json) -> None:
        at_s = self.talk.at_s if self.talk else 0.0
        self.log.remark(self.clock.now(), at_s, what, **more)

    def _set_status(self, status: Status) -> None:
        self.status = status
        self._changed(self.clock.monotonic())

    def _changed(self, now_s: float) -> None:
        self.since_s = now_s
        if self.on_change is not None:
            self._tell(self.on_change, self)

    def _tell(self, listener: Callable[[T], None], news: T) -> None:
        """Tell who listens; that they break costs no caller the call, and no line its channel."""
        try:
            listener(news)
        except Exception as error:
            self.counters.errors += 1
            self._remark("listener_failed", kind=type(error).__name__, at=arose_at(error))


def _text(event: Event, name: str) -> str:
    """Return a text of the network's, with ? for what no file and no screen can take."""
    return str(event.data.get(name, "")).encode("utf-8", "replace").decode("utf-8")


def _cause(event: Event) -> dict[str, Json]:
    cause = event.data.get("cause")
    return {} if cause is None else {"cause": cause}


def _no_loop(event: Event) -> str:
    """Return why a line is out of service whose card went away."""
    cause = _text(event, "cause")
    return f"no loop signal: {cause}" if cause else "no loop signal"
