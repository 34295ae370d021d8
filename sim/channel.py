"""One channel of the software card: the contract of `ivrd.card`, and its far side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from ivrd.card import RING_PERIOD_S, Ability, Channel, DialPermit
from ivrd.clock import Clock, Timer
from ivrd.commands import SAMPLE_RATE, Utterance
from ivrd.events import (
    KEYS,
    T_DIGIT,
    T_EOF,
    T_FAULT,
    T_LC,
    T_LCON,
    T_LCTERM,
    T_MACHINE,
    T_NOANS,
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
from sim.faults import Fault, Faults
from sim.party import Ending, Leg, Party, Play
from sim.phone import Fails, Outcome, Rings
from sim.player import Player

_ABILITIES = frozenset({Ability.DIAL, Ability.ANSWER_SUPERVISION, Ability.DETECT_MACHINE})
_DIGITS = {key: Event(T_DIGIT, None, {"key": key}) for key in KEYS}


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take, in seconds."""

    off_hook_s: float = 0.02
    on_hook_s: float = 0.02
    setup_s: float = 1.0
    """From the dial to the first ring at the far end, or to what the network says instead."""
    ring_period_s: float = RING_PERIOD_S


class State(Enum):
    """What a channel is doing."""

    IDLE = "idle"
    RINGING = "ringing"
    ANSWERING = "answering"
    TALKING = "talking"
    DIALLING = "dialling"
    GONE = "gone"
    """Off hook, the far end has gone or was never reached."""
    CLOSING = "closing"
    """Going on hook."""


class SoftwareChannel(Channel):
    """A channel whose far end is a `Party`.

    Every order first puts the channel into its new state, then tells the line, then the party:
    either may order more, or key or hang up, from within what it is told.
    """

    def __init__(
        self, number: int, clock: Clock, timing: Timing, directory: Callable[[DialPermit], Outcome]
    ) -> None:
        super().__init__(number)
        self.state = State.IDLE
        self.leg: Leg | None = None
        self.dead = False
        self._lost = False
        """Whether the line knows that the card is away: on hook is answered when it is back."""
        self._clock = clock
        self._timing = timing
        self._directory = directory
        self._timer: Timer | None = None  # of ringing, hooks and dialling
        self._player = Player(clock, self._play_ended)
        self._hook_ids: list[CommandId] = []
        self._dial_id: CommandId = 0
        self._dial_until_s = 0.0
        self._faults: Faults | None = None
        self._call_faults: Faults | None = None

    @property
    def abilities(self) -> frozenset[Ability]:
        """It dials, knows when somebody answered, and tells a machine from a person."""
        return _ABILITIES

    @property
    def free(self) -> bool:
        """Whether a caller can be put on this channel."""
        return self.state is State.IDLE and not self.dead

    # Orders -----------------------------------------------------------------------------

    def off_hook(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Answer the ringing call → T_OFFH; T_LC where no call is there."""
        if self.dead:
            return
        if self.state is State.RINGING:
            self._cancel_timer()
            self.state = State.ANSWERING
            self._hook_ids = [id]
            self._timer = self._clock.call_later(self._timing.off_hook_s, self._off_hook_done)
        elif self.state is State.ANSWERING:
            self._hook_ids.append(id)
        elif self.state in {State.IDLE, State.CLOSING}:
            self._send(T_LC, None, {"cause": "no call"})
        else:
            self._send(T_OFFH, id)

    def on_hook(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Hang up → T_ONH."""
        if self.dead:
            self._hook_ids = [id] if self._lost else []
            return
        if self.state is State.CLOSING:
            self._hook_ids.append(id)
            return
        if self.state is State.IDLE:
            self._send(T_ONH, id)
            return
        by = Ending.BUSY if self.state in {State.RINGING, State.ANSWERING} else Ending.IVRD
        self.state = State.CLOSING
        self._cancel_timer()
        self._hook_ids = [id]
        self._timer = self._clock.call_later(self._timing.on_hook_s, self._on_hook_done)
        cut = self._player.cut()
        leg = self._end_leg(by)
        if cut:
            self._send_eof(cut)
        if leg:
            leg.party.ended(by)

    def dial(self, id: CommandId, permit: DialPermit, timeout_s: float) -> None:  # noqa: A002 - the contract's word
        """Dial; what comes of it stands in the card's `parties`."""
        if self.dead:
            return
        if self.state is not State.IDLE:
            self._send(T_FAULT, id, {"cause": f"channel is {self.state.value}", "dialled": False})
            return
        self.state = State.DIALLING
        self._end_call_faults()
        self._dial_id = id
        self._dial_until_s = self._clock.monotonic() + timeout_s
        match self._directory(permit):
            case Fails() as fails:
                self._dial_goes_on(
                    self._timing.setup_s + fails.after_s, lambda: self._dial_fails(fails)
                )
            case Rings() as rings:
                self._dial_goes_on(self._timing.setup_s, lambda: self._far_rings(rings, permit))

    def play(self, id: CommandId, utterances: Sequence[Utterance]) -> None:  # noqa: A002 - the contract's word
        """Play all prompts in order → T_EOF."""
        if self.dead:
            return
        leg = self.leg
        if self.state is not State.TALKING or leg is None:
            self._send(T_EOF, id, {"heard_s": 0.0, "whole": False})
            return
        cut = self._player.cut()
        faults = self._call_faults or self._faults
        endless = faults is not None and faults.endless()
        play = self._player.begin(leg, id, tuple(utterances), endless=endless)
        if cut:
            self._send_eof(cut)
        self._player.tell(play)

    def stop(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Stop the play with this id → its T_EOF."""
        playing = self._player.play
        if self.dead or playing is None or playing.id != id:
            return
        leg = self.leg
        cut = self._player.cut()
        if cut:
            self._send_eof(cut)
        self._tell_silence(leg)

    # The far end ------------------------------------------------------------------------

    def ring(self, leg: Leg, faults: Faults | None) -> None:
        """Put an incoming call on this idle channel."""
        self.state = State.RINGING
        self.leg = leg
        self._end_call_faults()
        if faults:
            self._call_faults = faults
            faults.start(self.die, self.come_back)
        leg.party.joined(leg)
        if self.leg is leg and self._timer is None:
            self._ring()

    def far_key(self, leg: Leg, key: str) -> None:
        """Take a key of the far end."""
        if leg is self.leg and self.state is State.TALKING and not self.dead:
            self._pass_on(_DIGITS[key])

    def far_hang_up(self, leg: Leg) -> None:
        """Take the far end's hanging up."""
        if leg is not self.leg:
            return
        was, rang = self.state, self._timer is not None
        self.state = State.IDLE if was is State.RINGING else State.GONE
        self._cancel_timer()
        cut = self._player.cut()
        self._end_leg(Ending.FAR_END)
        if was is State.RINGING:
            if rang:
                self._send(T_RINGOFF)
        elif was is State.DIALLING:
            self._send_dial(T_REFUSED, {"reason": Refusal.REJECTED, "cause": 21})
        else:
            self._send(T_LCTERM, None, {"cause": "hung up"})
        if cut:
            self._send_eof(cut)
        leg.party.ended(Ending.FAR_END)

    # Faults and the end -----------------------------------------------------------------

    def inject(self, *rules: Fault, seed: int = 0) -> None:
        """Let these faults work on the channel from now on, in place of earlier ones."""
        self.clear_faults()
        self._faults = Faults(self._clock, rules, seed)
        self._faults.start(self.die, self.come_back)

    def clear_faults(self) -> None:
        """Take all faults off the channel, those of the present call too, and revive it."""
        if self._faults:
            self._faults.end()
            self._faults = None
        self._end_call_faults()
        self.come_back()

    def die(self) -> None:
        """Answer nothing any more; a caller hears silence, and is not told."""
        self.dead = True
        self._cancel_timer()
        cut = self._player.cut()
        self._hook_ids = []
        if self.state is State.ANSWERING:
            self.state = State.RINGING
        elif self.state is State.DIALLING:
            self.state = State.GONE
            leg = self._end_leg(Ending.IVRD)
            if leg:
                leg.party.ended(Ending.IVRD)
        if cut and self.leg:
            self.leg.party.silence()

    def lose_loop(self, cause: str) -> None:
        """Go away as a card does: the call is lost, T_LC says so, and nothing more is told."""
        if self.dead:
            return
        self.die()
        self._lost = True
        leg = self._end_leg(Ending.IVRD)
        self.emit(Event(T_LC, None, {"cause": cause}))
        if leg:
            leg.party.ended(Ending.IVRD)

    def come_back(self) -> None:
        """Work again, as a card that was reset: nothing ordered meanwhile happened but on hook."""
        if not self.dead:
            return
        self.dead = self._lost = False
        if self.leg is None:
            self.state = State.IDLE
            self._on_hook_done()
        elif self.state is State.RINGING:
            self._ring()

    def close(self) -> None:
        """End whatever is on; the channel is of no use after this."""
        self.dead = True
        self._cancel_timer()
        self._player.cut()
        for faults in (self._faults, self._call_faults):
            if faults:
                faults.end()
        leg = self._end_leg(Ending.IVRD)
        if leg:
            leg.party.ended(Ending.IVRD)

    # What happens by itself -------------------------------------------------------------

    def _ring(self) -> None:
        leg = self.leg
        if leg is None or self.state is not State.RINGING:
            return
        self._timer = self._clock.call_later(self._timing.ring_period_s, self._ring)
        self._send(T_RING, None, {"caller": leg.caller, "called": leg.called})

    def _off_hook_done(self) -> None:
        leg, ids = self.leg, self._hook_ids
        self._timer, self._hook_ids = None, []
        self.state = State.TALKING
        if leg:
            leg.answer()
        for id_ in ids:
            self._send(T_OFFH, id_)
        if leg:
            leg.tell_answered()

    def _on_hook_done(self) -> None:
        ids, self._hook_ids = self._hook_ids, []
        self._timer = None
        self.state = State.IDLE
        for id_ in ids:
            self._send(T_ONH, id_)

    def _play_ended(self, play: Play) -> None:
        leg = self.leg
        if not play.endless:
            self._send_eof(play)
        self._tell_silence(leg)

    def _dial_goes_on(self, delay_s: float, then: Callable[[], None]) -> None:
        """Do `then` after `delay_s`, or tell that nobody answered where time runs out first."""
        left_s = self._dial_until_s - self._clock.monotonic()
        if delay_s < left_s:
            self._timer = self._clock.call_later(delay_s, then)
        else:
            self._timer = self._clock.call_later(left_s, self._dial_times_out)

    def _dial_times_out(self) -> None:
        leg = self._dial_ends()
        self._send_dial(T_NOANS, {"rang": leg is not None, "cause": 19 if leg else 18})
        if leg:
            leg.party.ended(Ending.IVRD)

    def _dial_fails(self, fails: Fails) -> None:
        self._dial_ends()
        self._send_dial(fails.event, fails.data)

    def _dial_ends(self) -> Leg | None:
        self._timer = None
        self.state = State.GONE
        return self._end_leg(Ending.IVRD)

    def _far_rings(self, rings: Rings, permit: DialPermit) -> None:
        party = rings.party() if rings.party else Party()
        numbers = (permit.caller_id, permit.number)
        leg = self.leg = Leg(self, party, self._clock, numbers, self.number)
        answers_s = rings.rings * self._timing.ring_period_s if rings.party else float("inf")
        self._dial_goes_on(answers_s, lambda: self._far_answers(rings.machine_after_s))
        party.joined(leg)

    def _far_answers(self, machine_after_s: float | None) -> None:
        self._timer = None
        leg = self.leg
        if leg is None:
            return
        self.state = State.TALKING
        leg.answer()
        if machine_after_s is not None:
            self._timer = self._clock.call_later(machine_after_s, self._machine_detected)
        self._send_dial(T_LCON, {})
        leg.tell_answered()

    def _machine_detected(self) -> None:
        self._timer = None
        if self.state is State.TALKING:
            self._send(T_MACHINE)

    # Small parts ------------------------------------------------------------------------

    def _tell_silence(self, leg: Leg | None) -> None:
        """Tell the party, unless the line has begun another play or ended the call already."""
        if leg and leg is self.leg and not self._player.audible:
            leg.party.silence()

    def _end_leg(self, by: Ending) -> Leg | None:
        leg, self.leg = self.leg, None
        if leg:
            leg.end(by)
        return leg

    def _cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _end_call_faults(self) -> None:
        if self._call_faults:
            self._call_faults.end()
            self._call_faults = None

    def _send_eof(self, play: Play) -> None:
        heard = play.heard or 0
        data: Data = {"heard_s": heard / SAMPLE_RATE, "whole": heard == play.samples}
        self._send(T_EOF, play.id, data)

    def _send_dial(self, name: str, data: Data) -> None:
        self._send(name, self._dial_id, data)

    def _send(self, name: str, id_: CommandId | None = None, data: Data | None = None) -> None:
        if not self.dead:
            self._pass_on(Event(name, id_, {} if data is None else data))

    def _pass_on(self, event: Event) -> None:
        faults = self._call_faults or self._faults
        if faults is None:
            self.emit(event)
        else:
            faults.pass_on(event, self._emit_late)

    def _emit_late(self, event: Event) -> None:
        if not self.dead:
            self.emit(event)
