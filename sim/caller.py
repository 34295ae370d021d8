"""A caller who follows a script, and tells what was expected and what was heard instead."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ivrd.clock import Timer
from ivrd.commands import Utterance
from sim.card import SoftwareCard
from sim.party import Ending, Leg, Party
from sim.steps import (
    HEAR_WITHIN_S,
    SPEAKS_WITHIN_S,
    Ended,
    Finish,
    HangUp,
    Hear,
    Interrupt,
    Key,
    Listen,
    Script,
    Step,
    Wait,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that began `at_s` seconds after the call was placed."""

    at_s: float
    sentence: str
    lang: str
    text: str

    def __str__(self) -> str:
        return f"{self.at_s:8.2f}  {self.sentence}  {self.text}"


@dataclass(frozen=True, slots=True)
class _Until:
    """What the script waits for; `ready` None is a pause. The end of the call ends both."""

    ready: Callable[[], bool] | None
    limit_s: float


class _Failed(Exception):  # noqa: N818 - never leaves this module
    pass


_Run: TypeAlias = Generator[_Until, bool, None]


class ScriptedCaller(Party):
    """Follows `script` in one call; `call(card)` places it.

    It is `finished` when the script is through and the call has ended; `failure` then says
    what was expected and what was heard instead, or is None. A caller whose script fails hangs
    up. `when_hears` is called for each sentence as it begins, `when_finished` once.
    """

    follows_sentences = True

    def __init__(
        self,
        script: Script,
        *,
        when_hears: Callable[[Sentence], None] | None = None,
        when_finished: Callable[[ScriptedCaller], None] | None = None,
    ) -> None:
        self.script = script
        self.heard: list[Sentence] = []
        self.keyed: list[tuple[float, str]] = []
        self.ended_by: Ending | None = None
        self.failure: str | None = None
        self.finished = False
        self._when_hears = when_hears
        self._when_finished = when_finished
        self._speaking = False
        self._spoken = 0  # plays begun since the last key
        self._answered = False
        self._seen = 0  # sentences that count no more for `hear`
        self._run = self._follow()
        self._until: _Until | None = None
        self._timer: Timer | None = None
        self._advancing = False
        self._through = False

    def call(self, card: SoftwareCard) -> Leg | None:
        """Place the call of the script on `card`; None where no channel is free."""
        script = self.script
        return card.call(script.caller, script.called, self, faults=script.faults, seed=script.seed)

    @property
    def passed(self) -> bool:
        """Whether the script came to its end without a failure, and the call too."""
        return self.finished and self.failure is None

    def report(self) -> str:
        """Return everything heard with its time, and how it came out."""
        lines = [str(sentence) for sentence in self.heard]
        ended = f"ended by {self.ended_by.value}" if self.ended_by else "not ended"
        lines.append(f"{ended}; {self.failure or ('done' if self._through else 'going on')}")
        return "\n".join(lines)

    # What the card tells ----------------------------------------------------------------

    def joined(self, leg: Leg) -> None:
        """Begin the script: it may give up while it rings."""
        super().joined(leg)
        self._advance()

    def answered(self) -> None:
        """Go on, where the script waited for it."""
        self._answered = True
        self._advance()

    def playing(self, utterances: Sequence[Utterance]) -> None:
        """Know that ivrd speaks."""
        if utterances:
            self._speaking = True
            self._spoken += 1
            self._advance()

    def hears(self, utterance: Utterance) -> None:
        """Note the sentence, and go on where it is the one."""
        at_s = self.leg.clock.monotonic() - self.leg.started_s
        sentence = Sentence(at_s, utterance.sentence, utterance.lang, utterance.text)
        self.heard.append(sentence)
        if self._when_hears:
            self._when_hears(sentence)
        if utterance.sentence in self.script.never and self.failure is None:
            self._fail(f"expected never to hear {utterance.sentence}, heard it: {sentence.text}")
        self._advance()

    def silence(self) -> None:
        """Know that ivrd has stopped speaking."""
        self._speaking = False
        self._advance()

    def ended(self, by: Ending) -> None:
        """Go through the rest of the script; most steps fail now."""
        self.ended_by = by
        self._speaking = False
        self._advance()
        self._finish()

    # The script as a generator of waits -------------------------------------------------

    def _follow(self) -> _Run:
        for step in self.script.steps:
            try:
                yield from self._do(step)
            except _Failed as failed:
                place = f"line {step.line}: " if step.line else ""
                self._fail(f"{place}{step}: {failed}")
                return

    def _do(self, step: Step) -> _Run:
        match step:
            case Hear():
                yield from self._hear(step)
            case Key():
                yield from self._until_silent(step.after_s, SPEAKS_WITHIN_S, spoken=False)
                yield from self._press(step.keys, step.gap_s)
            case Interrupt():
                yield from self._pause(step.after_s)
                yield from self._press(step.keys, step.gap_s)
            case Wait():
                yield from self._pause(step.seconds)
                self._still_on()
            case Listen():
                yield from self._until_silent(step.silent_s, step.within_s, spoken=True)
            case Finish():
                yield from self._finish_listening(step)
            case HangUp():
                yield from self._pause(step.after_s)
                self._still_on()
                self.leg.hang_up()
            case Ended():
                yield _Until(lambda: False, step.within_s)
                if self.ended_by is not step.by:
                    by = f"it was ended by {self.ended_by.value}" if self.ended_by else "it goes on"
                    raise _Failed(f"{by}; heard {self._last_heard(0)}")

    def _hear(self, step: Hear) -> _Run:
        first = self._seen
        if not (yield _Until(lambda: self._found(step) is not None, step.within_s)):
            raise _Failed(f"not in {step.within_s:g} s; heard {self._last_heard(first)}")
        found = self._found(step)
        if found is None:
            raise _Failed(f"the call has ended; heard {self._last_heard(first)}")
        self._seen = found + 1

    def _found(self, step: Hear) -> int | None:
        for number in range(self._seen, len(self.heard)):
            sentence = self.heard[number]
            if sentence.sentence == step.sentence and step.text in sentence.text:
                return number
        return None

    def _press(self, keys: str, gap_s: float) -> _Run:
        if not self._answered:
            yield _Until(lambda: self._answered, HEAR_WITHIN_S)
            self._still_on()
            if not self._answered:
                raise _Failed(f"the call was not answered in {HEAR_WITHIN_S:g} s")
        self._seen = len(self.heard)
        self._spoken = 0
        for number, key in enumerate(keys):
            if number:
                yield from self._pause(gap_s)
            self._still_on()
            self.keyed.append((self.leg.clock.monotonic() - self.leg.started_s, key))
            self.leg.key(key)

    def _until_silent(self, silent_s: float, within_s: float, *, spoken: bool) -> _Run:
        """Wait for silence of `silent_s`, and where `spoken`, for speech before it."""
        clock = self.leg.clock if self.ended_by is None else None
        until_s = clock.monotonic() + within_s if clock else 0.0

        def silent() -> bool:
            return self._answered and not self._speaking and (not spoken or self._spoken > 0)

        while clock:
            self._still_on()
            left_s = until_s - clock.monotonic()
            if not (yield _Until(silent, left_s)):
                what = "is still speaking" if self._speaking else "has said nothing"
                raise _Failed(f"ivrd {what} after {within_s:g} s; heard {self._last_heard(0)}")
            self._still_on()
            if not silent_s or not (yield _Until(lambda: self._speaking, silent_s)):
                return
        self._still_on()

    def _finish_listening(self, step: Finish) -> _Run:
        try:
            yield from self._until_silent(step.silent_s, step.within_s, spoken=True)
        except _Failed:
            if self.ended_by is None:
                raise
        if self.ended_by is None:
            self.leg.hang_up()

    def _pause(self, seconds: float) -> _Run:
        if seconds:
            yield _Until(None, seconds)

    def _still_on(self) -> None:
        if self.ended_by is not None:
            raise _Failed(
                f"the call had been ended by {self.ended_by.value}; heard {self._last_heard(0)}"
            )

    def _last_heard(self, first: int) -> str:
        last = self.heard[first:][-4:]
        return ", ".join(f"{s.sentence} ({s.text})" for s in last) or "nothing"

    # The engine -------------------------------------------------------------------------

    def _advance(self, *, time_out: bool = False) -> None:
        """Run the script on until it waits for what is not there yet.

        A key or a hang-up within the script tells this caller more from the inside; the loop
        looks at what it waits for again after each step, so nothing told meanwhile is lost.
        """
        if self._advancing or self._through:
            return
        self._advancing = True
        try:
            while not self._through:
                until, answer = self._until, True
                if until is not None:
                    answer = until.ready is not None and until.ready()
                    if not answer and not time_out and self.ended_by is None:
                        return
                    answer = answer or self.ended_by is not None
                time_out = False
                self._go_on(answer if until is not None else None)
        finally:
            self._advancing = False
            self._finish()

    def _go_on(self, answer: bool | None) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        try:
            self._until = next(self._run) if answer is None else self._run.send(answer)
        except StopIteration:
            self._through = True
            return
        if self.ended_by is None:
            clock = self.leg.clock
            self._timer = clock.call_later(self._until.limit_s, self._time_out)

    def _time_out(self) -> None:
        self._timer = None
        self._advance(time_out=True)

    def _fail(self, failure: str) -> None:
        self.failure = self.failure or failure
        self._through = True
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.ended_by is None:
            self.leg.hang_up()

    def _finish(self) -> None:
        if self._through and self.ended_by is not None and not self.finished:
            self.finished = True
            if self._when_finished:
                self._when_finished(self)
