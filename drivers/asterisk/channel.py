"""One channel of the Asterisk card: orders become requests, ARI's events become ours."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from enum import Enum

from drivers.asterisk import rest
from drivers.asterisk.ari import AriEvent
from drivers.asterisk.causes import Outcome, given_up, outcome
from drivers.asterisk.exchange import Exchange
from drivers.asterisk.keys import Keys
from drivers.asterisk.player import Player
from drivers.asterisk.plays import instant_s
from drivers.asterisk.rest import Reply
from drivers.asterisk.transfer import Transfer
from ivrd.card import RING_PERIOD_S, Ability, Channel, DialPermit
from ivrd.clock import Timer
from ivrd.commands import Utterance
from ivrd.events import (
    KEYS,
    T_DIGIT,
    T_EOF,
    T_FAULT,
    T_LC,
    T_LCON,
    T_LCTERM,
    T_MACHINE,
    T_MOVED,
    T_OFFH,
    T_ONH,
    T_REFUSED,
    T_RING,
    T_RINGOFF,
    CommandId,
    Data,
    Event,
    Refusal,
)

HANG_UP_AGAIN_S = 1.0
"""After how long a hang-up that Asterisk refused is tried again."""

DETECT_S = 5.0
"""How long AMD() takes at most to tell a person from a machine; so much earlier the ringing ends,
or who answers late would be taken for nobody."""

DETECT_LIMIT_S = 10.0
"""After this long the dialplan has lost the call."""

_DIALLED = re.compile(r"\+?[0-9*#]+")
_DIGITS = {key: Event(T_DIGIT, None, {"key": key}) for key in KEYS}


class State(Enum):
    """What a channel is doing."""

    IDLE = "idle"
    RINGING = "ringing"
    ANSWERING = "answering"
    TALKING = "in a call"
    DIALLING = "dialling"
    DETECTING = "dialling, answered: a person or a machine?"
    GONE = "off hook with no far end"
    CLOSING = "going on hook"
    AWAY = "out of reach"
    CLOSED = "closed"


class AsteriskChannel(Channel):
    """A channel of the card; the call on it is a channel of Asterisk with the id `_call`."""

    def __init__(self, number: int, exchange: Exchange) -> None:
        super().__init__(number)
        self.state = State.IDLE
        self._exchange = exchange
        self._clock = exchange.clock
        options = exchange.options
        abilities = {
            Ability.DIAL: options.endpoint,
            Ability.ANSWER_SUPERVISION: options.endpoint,
            Ability.TRANSFER: options.endpoint and options.transfer_context,
            Ability.DETECT_MACHINE: options.endpoint and options.machine_context,
        }
        self._abilities = frozenset(ability for ability, offered in abilities.items() if offered)
        self._call = ""
        self._ends_itself = False
        """Whether Asterisk is ending the call already, or never had it."""
        self._timer: Timer | None = None  # of ringing, dialling and hanging up
        self._hook_ids: list[CommandId] = []
        self._dial_id: CommandId = 0
        self._ring_s = 0
        """After how many seconds Asterisk gives a dial up, if we do not."""
        self._dials = False
        """Whether Asterisk has told that it dials."""
        self._rang = False
        self._moved_away = False
        """Whether the far end of a dial named another number."""
        self._player = Player(exchange, lambda ident, data: self._send(T_EOF, ident, data))
        self._transfer: Transfer | None = None
        self._keys = Keys()

    @property
    def abilities(self) -> frozenset[Ability]:
        """What the options offer: dialling needs `endpoint`, the others their context."""
        return self._abilities

    # -- orders --------------------------------------------------------------------------------

    def off_hook(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Answer the ringing call → T_OFFH."""
        if self.state is State.RINGING:
            self._set_timer(None)
            self.state, self._hook_ids = State.ANSWERING, [id]
            call = self._call
            self._exchange.send(rest.answer(call), lambda reply: self._answer_told(call, reply))
        elif self.state is State.ANSWERING:
            self._hook_ids.append(id)
        elif self.state is State.TALKING:
            self._send(T_OFFH, id)

    def on_hook(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Hang up → T_ONH."""
        if self.state is State.CLOSED:
            return
        if self.state is State.AWAY:
            self._hook_ids = [id]  # answered when the card is back
            return
        if self.state is State.IDLE:
            self._send(T_ONH, id)
            return
        if self.state is State.CLOSING:
            self._hook_ids.append(id)
            return
        reason = "busy" if self.state in {State.RINGING, State.ANSWERING} else "normal"
        self._set_timer(None)
        self._end_transfer()
        self.state, self._hook_ids = State.CLOSING, [id]
        if self._ends_itself:
            self._on_hook_done()
        else:
            self._hang_up(self._call, reason)

    def dial(self, id: CommandId, permit: DialPermit, timeout_s: float) -> None:  # noqa: A002
        """Dial → T_LCON, T_BUSY, T_NOANS, T_REFUSED or T_FAULT."""
        options = self._exchange.options
        if self.state is State.CLOSED:
            return
        why = ""
        if self.state is not State.IDLE:
            why = f"channel is {self.state.value}"
        elif options.endpoint is None:
            why = "this card has no endpoint to dial through"
        elif not _DIALLED.fullmatch(permit.number):
            why = "no telephone number"
        if why or options.endpoint is None:
            taken = self.state is not State.IDLE
            self._send(T_FAULT, id, {"cause": why, **({"dialled": False} if taken else {})})
            return
        call = self._exchange.new_id()
        self._begin(State.DIALLING, call)
        self._dial_id, self._dials, self._rang, self._moved_away = id, False, False, False
        ring_s = max(timeout_s - DETECT_S, timeout_s / 2) if options.machine_context else timeout_s
        self._set_timer(self._clock.call_later(ring_s, self._dial_times_out))
        request = rest.create(
            call, options.app, endpoint_of(options.endpoint, permit.number),
            caller_id=permit.caller_id, longest_s=options.longest_call_s,
        )  # fmt: skip
        self._exchange.send(request, lambda reply: self._dial_told(call, reply, made=False))
        self._ring_s = math.ceil(ring_s) + 5

    def play(self, id: CommandId, utterances: Sequence[Utterance]) -> None:  # noqa: A002
        """Play all prompts as one list → T_EOF."""
        if self.state is State.CLOSED:
            return
        self._player.cut(self._call)
        prompts = [prompt for utterance in utterances for prompt in utterance.prompts]
        audible = self.state is State.TALKING and not self._transfer
        if not (audible and self._player.begin(self._call, id, prompts)):
            self._send(T_EOF, id, {"heard_s": 0.0, "whole": audible and not prompts})

    def stop(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Stop the play with this id → its T_EOF."""
        self._player.cut(self._call, id)

    def transfer(self, id: CommandId, permit: DialPermit) -> None:  # noqa: A002
        """Dial a person and join the caller to them → T_MOVED, or T_REFUSED."""
        if self.state is State.CLOSED:
            return
        options = self._exchange.options
        endpoint = options.endpoint if options.transfer_context else None
        if (
            self.state is not State.TALKING or self._transfer or endpoint is None
            or not _DIALLED.fullmatch(permit.number)
        ):  # fmt: skip
            self._send(T_REFUSED, id, {"reason": Refusal.REJECTED.value, "cause": "not possible"})
            return
        self._player.cut(self._call)
        self._transfer = Transfer(self._exchange, id, self._call, self._transfer_failed)
        self._transfer.start(endpoint_of(endpoint, permit.number), permit.caller_id)

    # -- the card ------------------------------------------------------------------------------

    @property
    def free(self) -> bool:
        """Whether a caller can be put on this channel."""
        return self.state is State.IDLE

    def ring(self, call: str, caller: str, called: str) -> None:
        """Put an incoming call on this idle channel."""
        self._begin(State.RINGING, call)
        self._ring({"caller": caller, "called": called})
        if self.state is State.RINGING and self._call == call:  # most lines answer at once
            self._exchange.send(rest.ring(call))

    def go_away(self, cause: str) -> None:
        """Be out of reach: T_LC takes the place of every answer still due."""
        if self.state in {State.AWAY, State.CLOSED}:
            return
        self._forget_call()
        self.state = State.AWAY
        self._send(T_LC, None, {"cause": cause})

    def come_back(self) -> None:
        """Be idle again, and answer the last on hook."""
        if self.state is State.AWAY:
            ids, self._hook_ids = self._hook_ids, []
            self.state = State.IDLE
            for ident in ids:
                self._send(T_ONH, ident)

    def close(self) -> None:
        """Send nothing any more."""
        self._forget_call()
        self.state = State.CLOSED

    # -- what Asterisk tells -------------------------------------------------------------------

    def on_event(self, kind: str, event: AriEvent) -> None:
        """Take an event of this channel's call."""
        match kind:
            case "PlaybackStarted" | "PlaybackFinished":
                self._player.on_event(kind, event, in_call=self.state is State.TALKING)
            case "ChannelDtmfReceived":
                self._on_key(event)
            case "Dial":
                self._dials = True
                self._moved_away = self._moved_away or bool(event.get("forward"))
            case "ChannelStateChange":
                self._on_state(event["channel"]["state"])
            case "StasisStart":
                self._on_start(event.get("args") or [])
            case "ChannelHangupRequest":
                if self.state not in {State.DIALLING, State.DETECTING, State.CLOSING, State.GONE}:
                    self._far_end_gone(_cause(event))
            case "StasisEnd":
                if self.state is State.TALKING and self._transfer and self._transfer.joined:
                    self._moved()
                elif self.state not in {State.DIALLING, State.DETECTING}:  # more is to come
                    self._over(event)
            case "ChannelDestroyed":
                self._over(event)

    def _on_key(self, event: AriEvent) -> None:
        key, lasted_ms = event["digit"], event.get("duration_ms", 0)
        if self.state is not State.TALKING or self._transfer or key not in _DIGITS:
            return
        # while something plays every key is told once
        if self._keys.is_new(key, lasted_ms, instant_s(event["timestamp"])) or self._player.plays:
            self.emit(_DIGITS[key])

    def _on_state(self, state: str) -> None:
        if state == "Ringing" and self.state is State.DIALLING:
            self._dials = self._rang = True
        elif state == "Up" and self.state is State.ANSWERING:
            self._answered()
        elif state == "Up" and self.state is State.DIALLING:
            self._dial_answered()

    def _dial_answered(self) -> None:
        context = self._exchange.options.machine_context
        if not context:
            self._tell_answered()
            return
        self.state = State.DETECTING
        self._set_timer(self._clock.call_later(DETECT_LIMIT_S, self._detection_late))
        self._exchange.send(rest.leave(self._call, context))

    def _on_start(self, args: Sequence[str]) -> None:
        """Take a call that was created and can be dialled now, or that the dialplan gives back."""
        if self.state is State.DIALLING:
            call = self._call
            self._exchange.send(
                rest.dial(call, self._ring_s), lambda reply: self._dial_told(call, reply, made=True)
            )
        elif self.state is State.DETECTING:
            self._tell_answered()
            if "MACHINE" in args:
                self._send(T_MACHINE)

    def _over(self, event: AriEvent) -> None:
        """Take note that the call has left us or is no more."""
        match self.state:
            case State.DIALLING:
                cause, tech_cause = event.get("cause", 0), event.get("tech_cause")
                moved = self._moved_away
                self._dial_ends(outcome(cause, tech_cause, rang=self._rang, moved=moved))
            case State.DETECTING:
                self._tell_answered()
                self._over(event)
            case State.CLOSING:
                self._on_hook_done()
            case State.GONE:
                self._ends_itself = True
                self._player.end_all()
            case _:
                self._far_end_gone(_cause(event))
                self._player.end_all()

    # -- answering and hanging up --------------------------------------------------------------

    def _ring(self, numbers: Data) -> None:
        if self.state is State.RINGING:
            self._set_timer(self._clock.call_later(RING_PERIOD_S, lambda: self._ring(numbers)))
            self._send(T_RING, None, numbers)

    def _answer_told(self, call: str, reply: Reply) -> None:
        if call != self._call or self.state is not State.ANSWERING:
            return
        if reply.ok:
            self._answered()
        else:
            self._far_end_gone({"cause": reply.why}, ends_itself=reply.gone)

    def _answered(self) -> None:
        ids, self._hook_ids = self._hook_ids, []
        self.state = State.TALKING
        for ident in ids:
            self._send(T_OFFH, ident)

    def _far_end_gone(self, data: Data, *, ends_itself: bool = True) -> None:
        self._set_timer(None)
        self._end_transfer()
        self._ends_itself = ends_itself
        if self.state is State.RINGING:
            self._release()
            self.state = State.IDLE
            self._send(T_RINGOFF)
            return
        self.state = State.GONE
        self._player.tell_done()
        if self.state is State.GONE:  # and not on hook upon that
            self._send(T_LCTERM, None, data)
            self._player.tell_held()

    def _hang_up(self, call: str, reason: str) -> None:
        self._exchange.send(
            rest.hang_up(call, reason), lambda reply: self._hang_up_told(call, reply)
        )

    def _hang_up_told(self, call: str, reply: Reply) -> None:
        if call != self._call or self.state is not State.CLOSING:
            return
        if reply.gone:
            self._on_hook_done()
        elif not reply.ok:
            again = self._clock.call_later(HANG_UP_AGAIN_S, lambda: self._hang_up(call, "normal"))
            self._set_timer(again)

    def _on_hook_done(self) -> None:
        self._set_timer(None)
        self._release()
        self._player.end_all()
        ids, self._hook_ids = self._hook_ids, []
        self.state = State.IDLE
        for ident in ids:
            self._send(T_ONH, ident)

    # -- dialling ------------------------------------------------------------------------------

    def _dial_told(self, call: str, reply: Reply, *, made: bool) -> None:
        """Take a reply to the dial; `made`: the call was made before, and can be hung up."""
        if call == self._call and self.state is State.DIALLING and not reply.ok:
            # where nothing came back there may be a call all the same: on hook ends it
            cause = f"{reply.why}; dialled through {self._exchange.options.endpoint}"
            ends_itself = reply.status > 0 and not made
            self._dial_ends((T_FAULT, {"cause": cause}), ends_itself=ends_itself)

    def _dial_times_out(self) -> None:
        self._exchange.send(rest.hang_up(self._call, "no_answer"))
        ended = given_up(rang=self._rang)
        if not self._dials:
            ended = T_FAULT, {"cause": "Asterisk did not dial; expected its module bridge_holding"}
        self._dial_ends(ended, ends_itself=False)

    def _dial_ends(self, ended: Outcome, *, ends_itself: bool = True) -> None:
        self._set_timer(None)
        self.state, self._ends_itself = State.GONE, ends_itself
        name, data = ended
        self._send(name, self._dial_id, data)

    def _tell_answered(self) -> None:
        """Tell that the dial was answered; what the line orders upon that counts already."""
        self._set_timer(None)
        self.state = State.TALKING
        self._send(T_LCON, self._dial_id)

    def _detection_late(self) -> None:
        self._tell_answered()
        if self.state is State.TALKING:
            cause = "the dialplan did not bring the call back"
            self._far_end_gone({"cause": cause}, ends_itself=False)
            self._player.end_all()

    # -- transfer ------------------------------------------------------------------------------

    def _transfer_failed(self, ended: Outcome) -> None:
        transfer, self._transfer = self._transfer, None
        if transfer:
            name, data = ended
            self._send(name, transfer.id, data)

    def _moved(self) -> None:
        transfer, self._transfer = self._transfer, None
        self._release()
        self.state, self._ends_itself = State.GONE, True
        self._player.end_all()
        if transfer:
            transfer.moved()
            self._send(T_MOVED, transfer.id)

    def _end_transfer(self) -> None:
        transfer, self._transfer = self._transfer, None
        if transfer:
            transfer.end()

    # -- small parts ---------------------------------------------------------------------------

    def _begin(self, state: State, call: str) -> None:
        self.state, self._call, self._ends_itself = state, call, False
        self._keys = Keys()
        self._exchange.claim(call, self)

    def _release(self) -> None:
        self._exchange.release(self._call)
        self._call = ""

    def _forget_call(self) -> None:
        self._set_timer(None)
        self._end_transfer()
        self._player.forget()
        self._hook_ids = []
        self._release()

    def _set_timer(self, timer: Timer | None) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = timer

    def _send(self, name: str, ident: CommandId | None = None, data: Data | None = None) -> None:
        self.emit(Event(name, ident, {} if data is None else data))


def endpoint_of(template: str, number: str) -> str:
    """Return what Asterisk dials for a number, which holds nothing but digits, + * and #."""
    return template.replace("{number}", number).replace("{digits}", number.removeprefix("+"))


def _cause(event: AriEvent) -> Data:
    """Return the far end's cause as T_LCTERM keeps it; 0 and none say nothing."""
    cause = event.get("cause")
    data: dict[str, int | str] = {"cause": cause or "hung up"}
    if "tech_cause" in event:
        data["tech_cause"] = event["tech_cause"]
    return {**data}
