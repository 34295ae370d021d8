"""The analogue line behind an emulated modem: its exchange, and who is at the far end.

The exchange rings, tells the caller id between the first ring and the second, sends tones, and
shows by the loop or by busy tone that the far end has hung up, in the time that a real one takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

from drivers.modem.protocol import Code
from ivrd.card import RING_PERIOD_S
from ivrd.clock import Clock, Timer
from ivrd.commands import SAMPLE_RATE, Utterance
from ivrd.events import T_BUSY, T_FAULT, T_NOANS, Data
from sim.modem_ear import Announced, Ear, Vocabulary
from sim.modem_tape import Tape
from sim.party import Ending, Leg, Party, Play
from sim.phone import Answering, Dialled, Fails, Outcome, Rings

NO_DIAL_TONE = "no dial tone"
"""The cause of a `Fails` for a line without dial tone."""


class HangUpSign(StrEnum):
    """How the exchange shows that the far end has hung up."""

    LOOP = "loop"
    """It interrupts the loop current for a moment, then sends busy tone."""
    BUSY = "busy"
    """It sends busy tone."""
    SILENCE = "silence"
    """It does nothing."""


@dataclass(frozen=True, slots=True)
class LineTiming:
    """What takes how long on the line, in seconds."""

    ring_period_s: float = RING_PERIOD_S
    ring_s: float = 1.0
    """How long one ring lasts, and one ringback tone."""
    caller_id_s: float = 2.5
    """From the beginning of the first ring to the end of the caller id message."""
    dial_tone_s: float = 0.6
    """From off hook until dial tone is recognised."""
    setup_s: float = 1.5
    """From the last digit to the first ringback tone, or to what comes in its place."""
    loop_s: float = 0.6
    """From the far end's hang-up to the interruption of the loop."""
    tone_s: float = 2.2
    """From the beginning of a tone with a cadence until it is recognised."""
    repeat_s: float = 4.0
    """From one report of a tone to the next while it lasts."""
    announcement_s: float = 8.0
    """What follows special information tones, before fast busy."""
    key_s: float = 0.1
    """How long a key is held."""
    key_heard_s: float = 0.04
    """From the beginning of a key until it is recognised (ITU-T Q.24: 40 ms at most)."""
    key_gap_s: float = 0.06


class Hook(Enum):
    """The state of the line, as the exchange sees it."""

    IDLE = "idle"
    RINGING = "ringing"
    OFF_HOOK = "off hook"
    """Nobody at the far end: dial tone, or what is left of a call."""
    DIALLED = "dialled"
    TALKING = "talking"


Watch = Callable[[str, Data], None]
"""Is told what happens on a line, for people who look on: a word, and what belongs to it."""


@dataclass(frozen=True, slots=True)
class Digits:
    """Digits that came over the line: all that an exchange knows of a dial."""

    number: str
    caller_id: str = ""


class LineEnd(Protocol):
    """The modem on the line: what it notices."""

    def on_ring(self) -> None:
        """Notice a ring."""

    def on_caller_id(self, number: str, when: str) -> None:
        """Receive the caller id; `when` is MMDDHHMM, `number` "" where it is withheld."""

    def on_tone(self, code: Code) -> None:
        """Recognise a tone, or something that the loop did."""

    def on_answer(self) -> None:
        """Be there when the far end answers. No modem notices that, only that ringback ceases."""

    def on_key(self, key: str, held_s: float) -> None:
        """Recognise a key, that is held for so long from now on."""


class ModemLine:
    """One analogue line. `directory` says what comes of a dialled number."""

    def __init__(
        self,
        number: int,
        clock: Clock,
        modem: LineEnd,
        directory: Callable[[Dialled], Outcome],
        *,
        sign: HangUpSign,
        timing: LineTiming = LineTiming(),
    ) -> None:
        self.number = number
        self.hook = Hook.IDLE
        self.leg: Leg | None = None
        self.timing = timing
        self.sign = sign
        self.dead = False
        """Whether the wire to the exchange is cut: no dial tone, and no calls come."""
        self.vocabulary: Vocabulary | None = None
        self.announced: deque[tuple[Utterance, ...]] = deque()
        """What the next streams should say, where a test tells it."""
        self.wrong_samples = 0
        self.watch: Watch | None = None
        self.tape: Tape | None = None
        """Where the sound is kept that comes through a call, if anybody wants it."""
        self._clock = clock
        self._modem = modem
        self._directory = directory
        self._timers: list[Timer] = []
        self._digits: Digits | None = None
        self._outcome: Outcome | None = None
        self._keys_until_s = 0.0
        self._stream: Announced | Ear | None = None
        self._play: Play | None = None
        self._stream_s = 0.0
        self._streams = 0
        self._told = 0

    @property
    def free(self) -> bool:
        """Whether a caller can be put on this line."""
        return self.hook is Hook.IDLE and not self.dead

    # What the modem does ------------------------------------------------------------------

    def off_hook(self) -> None:
        """Close the loop: answer, or hear dial tone."""
        if self.hook is Hook.RINGING:
            self._cancel()
            self.hook = Hook.TALKING
            leg = self.leg
            if leg:
                leg.answer()
                self._told_watch("answered", {})
                leg.tell_answered()
        elif self.hook is Hook.IDLE:
            self.hook = Hook.OFF_HOOK
            if not self.dead:
                self._tone(Code.DIAL_TONE, self.timing.dial_tone_s)

    def on_hook(self) -> None:
        """Open the loop; a line that only rings goes on ringing."""
        if self.hook is Hook.RINGING:
            return
        self._cancel()
        self.hook = Hook.IDLE
        self._leave(Ending.IVRD)

    def dial_tone(self, digits: str) -> bool:
        """Close the loop to dial these digits; return whether there is dial tone."""
        self._cancel()
        self.hook = Hook.DIALLED
        self._digits = Digits(digits)
        self._outcome = None if self.dead else self._directory(self._digits)
        self._told_watch("dials", {"number": digits})
        match self._outcome:
            case None:
                return False
            case Fails() as fails:
                return fails.data.get("cause") != NO_DIAL_TONE
        return True

    def dialled(self) -> None:
        """Take the digits, once all of them have been dialled."""
        outcome, dialled, setup_s = self._outcome, self._digits, self.timing.setup_s
        if isinstance(outcome, Rings) and dialled:
            self._after(setup_s, lambda: self._far_rings(outcome, dialled))
        elif isinstance(outcome, Fails):
            self._after(setup_s + outcome.after_s, lambda: self._fails(outcome))

    def hears(self, samples: bytes) -> None:
        """Carry samples to the far end."""
        leg = self.leg
        if leg is None or self.hook is not Hook.TALKING:
            return
        if self.tape:
            self.tape.hear(samples, self._clock.monotonic())
        if self.vocabulary is None:
            return
        if self._stream is None:
            self._streams += 1
            self._told = 0
            self._stream_s = self._clock.monotonic() - len(samples) / SAMPLE_RATE
            self._stream = self._expected(samples, self.vocabulary)
        match self._stream:
            case Announced() as stream:
                self._follow(leg, stream, samples)
            case Ear() as ear:
                ear.hear(samples)
                if leg.party.follows_sentences:
                    self._tell_sentences(leg, ear, whole=False)

    def stream_pauses(self) -> None:
        """Know that the modem has nothing to play for a while."""
        if self.tape:
            self.tape.pause()

    def stream_ends(self) -> None:
        """Know that the modem plays no more."""
        self.stream_pauses()
        leg, stream, self._stream = self.leg, self._stream, None
        play, self._play = self._play, None
        if isinstance(stream, Announced):
            self.wrong_samples += stream.wrong
            if play is not None:
                play.heard = min(stream.heard, play.samples)
        elif isinstance(stream, Ear):
            stream.end()
            if leg:
                self._recall(leg, stream)
        if leg and stream is not None:
            leg.party.silence()

    # The far end ---------------------------------------------------------------------------

    def ring(self, caller: str, called: str, party: Party) -> Leg:
        """Put an incoming call on this line, which must be free."""
        leg = self.leg = Leg(self, party, self._clock, (caller, called), self.number)
        self.hook = Hook.RINGING
        self._told_watch("rings", {"caller": caller})
        party.joined(leg)
        if self.leg is leg:
            self._ring(first=True)
        return leg

    def far_key(self, leg: Leg, key: str) -> None:
        """Take a key of the far end; one that comes too soon waits for the one before it."""
        if leg is not self.leg or self.hook is not Hook.TALKING:
            return
        now_s, timing = self._clock.monotonic(), self.timing
        start_s = max(now_s, self._keys_until_s)
        self._keys_until_s = start_s + timing.key_s + timing.key_gap_s
        self._told_watch("key", {"key": key})
        heard_s = min(timing.key_heard_s, timing.key_s)
        self._after(
            start_s - now_s + heard_s, lambda: self._modem.on_key(key, timing.key_s - heard_s)
        )

    def far_hang_up(self, leg: Leg) -> None:
        """Take the far end's hanging up."""
        if leg is not self.leg:
            return
        was = self.hook
        self._cancel()
        self.hook = Hook.IDLE if was is Hook.RINGING else Hook.OFF_HOOK
        self._leave(Ending.FAR_END)
        if was is Hook.RINGING:
            return  # the ringing stops, and nothing tells it
        loop_s = self.timing.loop_s
        if self.sign is HangUpSign.LOOP:
            self._after(loop_s, lambda: self._modem.on_tone(Code.LOOP_BROKEN))
        if self.sign is not HangUpSign.SILENCE:
            self._tone(Code.BUSY, loop_s + self.timing.tone_s)

    def cut(self) -> None:
        """Lose the modem: it has no power, and so the line is on hook."""
        self._cancel()
        ringing = self.hook is Hook.RINGING
        self.hook = Hook.IDLE
        self._leave(Ending.BUSY if ringing else Ending.IVRD)

    # What happens by itself ------------------------------------------------------------------

    def _ring(self, *, first: bool = False) -> None:
        leg, timing = self.leg, self.timing
        if leg is None or self.hook is not Hook.RINGING:
            return
        self._after(timing.ring_period_s, self._ring)
        if first:
            when = f"{self._clock.now():%m%d%H%M}"
            caller = leg.caller
            self._after(timing.caller_id_s, lambda: self._modem.on_caller_id(caller, when))
        self._modem.on_ring()

    def _far_rings(self, rings: Rings, dialled: Digits) -> None:
        party = rings.party() if rings.party else Party()
        leg = self.leg = Leg(self, party, self._clock, ("", dialled.number), self.number)
        if rings.party:
            self._after(rings.rings * self.timing.ring_period_s, self._far_answers)
        self._ringback()
        party.joined(leg)

    def _ringback(self) -> None:
        if self.hook is Hook.DIALLED and self.leg:
            self._after(self.timing.ring_period_s, self._ringback)
            self._modem.on_tone(Code.RINGBACK)

    def _far_answers(self) -> None:
        leg = self.leg
        if leg is None:
            return
        self._cancel()
        self.hook = Hook.TALKING
        leg.answer()
        self._told_watch("answered", {})
        self._modem.on_answer()
        leg.tell_answered()

    def _fails(self, fails: Fails) -> None:
        if fails.event == T_BUSY:
            self._tone(Code.BUSY, self.timing.tone_s)
        elif fails.event == T_FAULT:
            self._tone(Code.FAST_BUSY, self.timing.tone_s)
        elif fails.event != T_NOANS:  # that one is told by a voice alone, which no modem knows
            self._modem.on_tone(Code.SIT)
            self._tone(Code.FAST_BUSY, self.timing.announcement_s + self.timing.tone_s)

    def _tone(self, code: Code, after_s: float) -> None:
        """Let a tone be recognised after a while, and again for as long as it lasts."""

        def told() -> None:
            if self.hook in {Hook.OFF_HOOK, Hook.DIALLED}:
                self._tone(code, self.timing.repeat_s)
                self._modem.on_tone(code)

        self._after(after_s, told)

    # What the far end hears -------------------------------------------------------------------

    def _follow(self, leg: Leg, stream: Announced, samples: bytes) -> None:
        begun = stream.hear(samples)
        if self._play is None:
            self._play = leg.begin_play(self._streams, stream.utterances)
            leg.party.playing(stream.utterances)
        if leg.party.follows_sentences:
            for utterance in begun:
                if self.leg is leg:
                    leg.party.hears(utterance)

    def _expected(self, samples: bytes, vocabulary: Vocabulary) -> Announced | Ear:
        """Return what is to hear the stream that begins so.

        The newest that fits: a play replaces the one before it, which then was never played.
        """
        streams = [Announced(utterances, vocabulary) for utterances in self.announced]
        if not streams:
            return Ear(vocabulary)
        fits = [number for number, stream in enumerate(streams) if stream.fits(samples)]
        number = fits[-1] if fits else 0
        for _ in range(number + 1):
            self.announced.popleft()
        return streams[number]

    def _tell_sentences(self, leg: Leg, ear: Ear, *, whole: bool) -> Sequence[Utterance]:
        """Tell a party of the sentences that it has heard out since it was told last."""
        sentences = ear.utterances()
        known = len(sentences) if whole else len(sentences) - 1
        for utterance in sentences[self._told : max(known, self._told)]:
            self._told += 1
            if self.leg is leg:
                leg.party.hears(utterance)
        return sentences

    def _recall(self, leg: Leg, ear: Ear) -> None:
        """Tell the party at the end of a stream what it was: by then it has been heard."""
        if leg.party.follows_sentences:
            self._tell_sentences(leg, ear, whole=True)
        sentences = self._noted(leg, ear)
        if sentences and self.leg is leg:
            # no prompts: they are over, and who answers them need not wait for their end
            leg.party.playing([Utterance(said.sentence, said.lang, ()) for said in sentences])

    def _noted(self, leg: Leg, ear: Ear) -> Sequence[Utterance]:
        """Keep in the leg's memory what was heard, and return it."""
        answered_s = self._stream_s if leg.answered_s is None else leg.answered_s
        start = max(0, round((self._stream_s - answered_s) * SAMPLE_RATE))
        for said in ear.utterances():
            self._told_watch("hears", {"sentence": said.sentence, "text": said.text})
        for heard in ear.found:  # a play each: any of them may have been cut
            at_s = self._stream_s + heard.start / SAMPLE_RATE
            alone = Utterance(heard.prompt.id, "", (heard.prompt,))
            play = Play(self._streams, (alone,), answered_s, at_s, start + heard.start)
            play.heard = heard.samples
            leg.plays.append(play)
        return ear.utterances()

    # Small parts ---------------------------------------------------------------------------

    def _leave(self, by: Ending) -> None:
        leg, self.leg = self.leg, None
        stream, self._stream = self._stream, None
        play, self._play = self._play, None
        self._keys_until_s = 0.0
        self.announced.clear()
        if leg is None:
            return
        if play is not None and isinstance(stream, Announced):
            play.heard = min(stream.heard, play.samples)
            self.wrong_samples += stream.wrong
        elif isinstance(stream, Ear):
            stream.end()
            self._noted(leg, stream)
        leg.end(by)
        self._told_watch("ended", {"by": by.value})
        leg.party.ended(by)

    def _told_watch(self, what: str, data: Data) -> None:
        if self.watch:
            self.watch(what, data)

    def _after(self, delay_s: float, then: Callable[[], None]) -> None:
        def due() -> None:
            self._timers.remove(timer)
            then()

        timer = self._clock.call_later(delay_s, due)
        self._timers.append(timer)

    def _cancel(self) -> None:
        timers, self._timers = self._timers, []
        for timer in timers:
            timer.cancel()


def directory_of(
    parties: Mapping[str, Answering], others: Callable[[], Answering]
) -> Callable[[Dialled], Outcome]:
    """Return what finds the outcome of a dial.

    A modem leaves out the + of an international number; here it is put in front again.
    """

    def found(dialled: Dialled) -> Outcome:
        digits = dialled.number
        number = f"+{digits}" if len(digits) > 7 and digits[0] != "0" else digits
        known = next((name for name in (digits, f"+{digits}") if name in parties), None)
        answering = others() if known is None else parties[known]
        return (
            answering(Digits(known or number, dialled.caller_id))
            if callable(answering)
            else answering
        )

    return found
