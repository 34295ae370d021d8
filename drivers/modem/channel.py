"""One channel of the modem card: orders become commands, what the modem hears becomes events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

import structlog

from drivers.modem.incoming import Incoming
from drivers.modem.link import Answer, Link
from drivers.modem.options import PortOptions
from drivers.modem.progress import (
    HANG_UP_CODES,
    MACHINE_CODES,
    Outcome,
    given_up,
    of_code,
    of_word,
)
from drivers.modem.protocol import CallerId, Code, Heard, Key, Report, Result, Ring, Word
from drivers.modem.stream import Stream
from drivers.modem.voices import Voices
from ivrd.card import Ability, Channel, DialPermit
from ivrd.clock import Clock, Timer
from ivrd.commands import SAMPLE_RATE, Utterance
from ivrd.errors import Problem
from ivrd.events import (
    T_DIGIT,
    T_EOF,
    T_FAULT,
    T_LC,
    T_LCON,
    T_LCTERM,
    T_MACHINE,
    T_OFFH,
    T_ONH,
    T_RING,
    T_RINGOFF,
    CommandId,
    Data,
    Event,
)

OFF_HOOK, ON_HOOK = "AT+VLS=1", "AT+VLS=0"

DIAL_MORE_S = 5.0
"""How long after its time-out a dial that was given up may still be answered by the modem."""

DIGIT_S = 0.08
"""No modem dials a digit faster: 40 ms of tone and 40 ms of pause (ITU-T Q.24)."""

RINGBACK_S = 1.0
"""How long one ringback tone lasts (ITU-T E.180; China: 1 s on, 4 s off)."""

_SILENCE = frozenset({Code.SILENCE, Code.QUIET})
_log = structlog.get_logger("ivrd.modem")


class State(Enum):
    """What a channel is doing."""

    IDLE = "idle"
    RINGING = "ringing"
    ANSWERING = "answering"
    TALKING = "in a call"
    DIALLING = "dialling"
    GONE = "off hook with no far end"
    CLOSING = "going on hook"
    AWAY = "out of reach"
    CLOSED = "closed"


class ModemChannel(Channel):
    """A modem on a line. `link.port` is set and taken away by the card."""

    def __init__(
        self,
        number: int,
        clock: Clock,
        options: PortOptions,
        voices: Voices,
        failed: Callable[[ModemChannel, str], None],
    ) -> None:
        super().__init__(number)
        self.state = State.AWAY
        self.link = Link(clock, options.profile, self._on_heard, self._on_failed)
        self.options = options
        self._failed = failed
        self._clock = clock
        self._voices = voices
        self._incoming = Incoming(clock, options.settings.rings, self._ring, self._ring_off)
        self._stream: Stream | None = None
        self._play_id: CommandId | None = None
        self._hook_ids: list[CommandId] = []
        self._dial_id: CommandId = 0
        self._dialled_s = 0.0  # before that no exchange can have the whole number
        self._rang = False
        self._machine = False  # a fax or modem was heard in this dial, or told in its call
        self._number_sent = False  # the modem's part of a dial is over, we listen to the tones
        self._call = 0  # to know whether an answer is of this call
        self._timer: Timer | None = None  # of a dial
        self._quiet: Timer | None = None  # of silence in a call, of ringback in a dial

    @property
    def abilities(self) -> frozenset[Ability]:
        """Dialling alone: that ringback ceased is a guess, and no answer supervision."""
        return frozenset({Ability.DIAL})

    # -- orders --------------------------------------------------------------------------------

    def off_hook(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Answer the ringing call → T_OFFH."""
        if self.state is State.RINGING:
            self._incoming.stop()
            self.state, self._hook_ids = State.ANSWERING, [id]
            self.link.ask(OFF_HOOK, self._answered)
        elif self.state is State.ANSWERING:
            self._hook_ids.append(id)
        elif self.state is State.TALKING:
            self._send(T_OFFH, id)

    def on_hook(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Hang up → T_ONH. A call that rings is taken and hung up: no modem can refuse one."""
        match self.state:
            case State.CLOSED:
                return
            case State.AWAY:
                self._hook_ids = [id]  # answered when the modem is back
                return
            case State.CLOSING:
                self._hook_ids.append(id)
                return
            case State.IDLE:
                self._send(T_ONH, id)
                return
            case State.RINGING if not self._incoming.told:
                self._send(T_ONH, id)  # nobody knows of that call yet; it goes on
                return
        was, self.state, self._hook_ids = self.state, State.CLOSING, [id]
        self._set_timer(None)
        self._hear_voice()
        self._incoming.stop()
        self._cut()
        self.link.give_up_dial()
        if was is State.RINGING:
            self.link.ask(OFF_HOOK, lambda _: None)
        self.link.ask(ON_HOOK, self._on_hook_done)

    def dial(self, id: CommandId, permit: DialPermit, timeout_s: float) -> None:  # noqa: A002
        """Dial → T_LCON, T_BUSY, T_NOANS, T_REFUSED or T_FAULT."""
        if self.state is State.CLOSED:
            return
        if self.state is not State.IDLE:
            cause = f"channel is {self.state.value}"
            self._send(T_FAULT, id, {"cause": cause, "dialled": False})
            return
        self._call += 1
        call = self._call
        self.state, self._dial_id = State.DIALLING, id
        self._dialled_s = self._clock.monotonic() + DIGIT_S * len(permit.number.removeprefix("+"))
        self._rang = self._machine = self._number_sent = False
        try:
            self.link.dial(
                permit.number, lambda answer: self._dial_told(call, answer), timeout_s + DIAL_MORE_S
            )
        except ValueError:
            self.state = State.GONE
            self._send(T_FAULT, id, {"cause": "no telephone number"})
            return
        self._set_timer(self._clock.call_later(timeout_s, self._dial_times_out))

    def play(self, id: CommandId, utterances: Sequence[Utterance]) -> None:  # noqa: A002
        """Play all prompts as one stream → T_EOF."""
        if self.state is State.CLOSED:
            return
        self._cut()
        prompts = [prompt for utterance in utterances for prompt in utterance.prompts]
        audible = self.state is State.TALKING
        if not (audible and prompts):
            self._send(T_EOF, id, {"heard_s": 0.0, "whole": audible and not prompts})
            return
        samples = self._voices.samples(prompts, self.options.profile.coding)
        if isinstance(samples, Problem):
            _log.error("voice_file_not_played", port=self.options.device, why=str(samples))
            self._send(T_EOF, id, {"heard_s": 0.0, "whole": False})
            return
        self._hear_voice()
        self._play_id = id
        self._stream = self.link.play(
            samples, lambda stream, heard: self._play_ended(id, stream, heard)
        )

    def stop(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Stop the play with this id → its T_EOF."""
        if self._play_id == id:
            self._cut()

    # -- the card ------------------------------------------------------------------------------

    def go_away(self, cause: str) -> None:
        """Be out of reach: T_LC takes the place of every answer still due.

        But for that of a dial which is known to have reached nobody: it may be made again.
        """
        self._forget_call()
        if self.state in {State.AWAY, State.CLOSED}:
            return
        too_soon = self._clock.monotonic() < self._dialled_s
        unanswered, self.state = self.state is State.DIALLING, State.AWAY
        if unanswered and too_soon:
            self._send(T_FAULT, self._dial_id, {"cause": cause, "dialled": False})
        self._send(T_LC, None, {"cause": cause})

    def come_back(self) -> None:
        """Be idle again, and answer the last on hook."""
        if self.state is State.AWAY:
            ids, self._hook_ids = self._hook_ids, []
            self.state = State.IDLE
            for ident in ids:
                self._send(T_ONH, ident)

    @property
    def in_call(self) -> bool:
        """Whether the loop is closed, or about to be."""
        return self.state not in {State.IDLE, State.RINGING, State.AWAY, State.CLOSED}

    def leave(self, done: Callable[[ModemChannel], None]) -> None:
        """Hang up and tell nothing of it but `done`."""
        self.state = State.CLOSED
        self._cut()
        self.link.give_up_dial()
        self.link.ask(ON_HOOK, lambda _: done(self))

    def close(self) -> None:
        """Send nothing any more."""
        self._forget_call()
        self.state = State.CLOSED

    # -- what the modem tells ------------------------------------------------------------------

    def _on_heard(self, heard: Heard) -> None:
        match heard:
            case Ring():
                if self.state is State.IDLE:
                    self.state = State.RINGING
                    self._call += 1
                    self._dialled_s = 0.0
                    self._incoming.begin()
                if self.state is State.RINGING:
                    self._incoming.ring()
            case CallerId(number=number):
                if self.state is State.RINGING:
                    self._incoming.caller_id(number)
            case Key(key=key):
                if self.state is State.TALKING:
                    self._hear_voice()
                    self._send(T_DIGIT, None, {"key": key})
            case Report(code=code):
                self._on_code(code)
            case Result(word=word):
                if self.state is State.TALKING and word in {Word.NO_CARRIER, Word.BUSY}:
                    self._far_end_gone(word.value)
            case _:
                pass

    def _on_code(self, code: Code) -> None:
        if self.state is State.TALKING:
            if code in HANG_UP_CODES:
                self._far_end_gone(code.value)
            elif code in _SILENCE:
                self._hear_silence()
            elif code is Code.VOICE:
                self._hear_voice()
            elif code in MACHINE_CODES and self._dialled_s and not self._machine:
                self._machine = True
                self._send(T_MACHINE)
        elif self.state is State.DIALLING:
            ended = of_code(code)
            if code is Code.RINGBACK:
                self._rang = True
                if self._number_sent:
                    self._expect_ringback()
            elif code is Code.VOICE and self._number_sent and self._rang:
                self._tell_answered()
            elif code in MACHINE_CODES:
                self._machine = True  # told when the modem has noticed the answer
            elif ended:
                self._dial_ends(ended)

    def _on_failed(self, why: str) -> None:
        self._failed(self, f"{self.options.device}: {why}")

    # -- answering and hanging up --------------------------------------------------------------

    def _ring(self, caller: str) -> None:
        self._send(T_RING, None, {"caller": caller, "called": self.options.called})

    def _ring_off(self, told: bool) -> None:
        if self.state is State.RINGING:
            self.state = State.IDLE
            if told:
                self._send(T_RINGOFF)

    def _answered(self, answer: Answer) -> None:
        if not self._well(OFF_HOOK, answer):
            return
        if self.state is not State.ANSWERING:
            return
        ids, self._hook_ids = self._hook_ids, []
        self.state = State.TALKING
        for ident in ids:
            self._send(T_OFFH, ident)

    def _on_hook_done(self, answer: Answer) -> None:
        if not self._well(ON_HOOK, answer):
            return
        ids, self._hook_ids = self._hook_ids, []
        self.state = State.IDLE
        for ident in ids:
            self._send(T_ONH, ident)

    def _far_end_gone(self, cause: str) -> None:
        self._hear_voice()
        self.state = State.GONE
        self._send(T_LCTERM, None, {"cause": cause})
        self._cut()

    def _hear_silence(self) -> None:
        """Begin to count silence; who listens is silent too, so a play ends the count."""
        limit_s = self.options.settings.silence_s
        if limit_s and not self._quiet and not self._stream:
            self._quiet = self._clock.call_later(limit_s, self._silent_long)

    def _hear_voice(self) -> None:
        if self._quiet:
            self._quiet.cancel()
            self._quiet = None

    def _silent_long(self) -> None:
        self._quiet = None
        if self.state is State.TALKING and not self._stream:
            self._far_end_gone("long silence")

    # -- dialling ------------------------------------------------------------------------------

    def _dial_told(self, call: int, answer: Answer) -> None:
        """Take the modem's last word of a dial."""
        if self.state is not State.DIALLING or call != self._call:
            return
        if not answer.ok:
            self._dial_ends(of_word(answer.word, rang=self._rang))
        elif self._rang:
            self._tell_answered()
        else:  # a model that answers before it has heard anything: we listen ourselves
            self._number_sent = True

    def _expect_ringback(self) -> None:
        """Take the dial for answered unless ringback comes again in its time."""
        self._hear_voice()
        gone_s = RINGBACK_S + self.options.settings.ringback_gone_s
        self._quiet = self._clock.call_later(gone_s, self._tell_answered)

    def _tell_answered(self) -> None:
        self._hear_voice()
        self._set_timer(None)
        self.state = State.TALKING
        self._send(T_LCON, self._dial_id)
        if self._machine and self.state is State.TALKING:  # else the line has hung up at once
            self._send(T_MACHINE)

    def _dial_times_out(self) -> None:
        self._dial_ends(given_up(rang=self._rang), at_once=True)

    def _dial_ends(self, ended: Outcome, *, at_once: bool = False) -> None:
        """End a dial, and keep the loop closed: no caller shall come before on hook."""
        self._set_timer(None)
        self._hear_voice()
        name, data = ended
        ident, call = self._dial_id, self._call
        self.state = State.GONE
        self.link.give_up_dial()

        def hold(answer: Answer) -> None:
            held = self._well(OFF_HOOK, answer)
            if held and not at_once and self.state is State.GONE and call == self._call:
                self._send(name, ident, data)

        self.link.ask(OFF_HOOK, hold)
        if at_once:
            self._send(name, ident, data)

    # -- small parts ---------------------------------------------------------------------------

    def _well(self, command: str, answer: Answer) -> bool:
        """Return whether a command that cannot fail was carried out; else the modem is lost."""
        if not answer.ok:
            self._on_failed(f"{command} was answered by {answer}; expected OK")
        return answer.ok

    def _play_ended(self, ident: CommandId, stream: Stream, heard: int) -> None:
        if self._stream is stream:
            self._stream = self._play_id = None
        heard_s = round(heard / SAMPLE_RATE, 3)
        self._send(T_EOF, ident, {"heard_s": heard_s, "whole": stream.whole})

    def _cut(self) -> None:
        if self._stream:
            self._stream.cut()

    def _forget_call(self) -> None:
        self._set_timer(None)
        self._hear_voice()
        self._incoming.stop()
        self._stream = None
        self._hook_ids = []
        self.link.detach()

    def _set_timer(self, timer: Timer | None) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = timer

    def _send(self, name: str, ident: CommandId | None = None, data: Data | None = None) -> None:
        if self.state is not State.CLOSED:
            self.emit(Event(name, ident, {} if data is None else data))
