"""Plays on one channel: one at a time, with the least number of timers."""

from __future__ import annotations

from collections.abc import Callable

from ivrd.clock import Clock, Timer
from ivrd.commands import SAMPLE_RATE, Utterance
from ivrd.events import CommandId
from sim.party import Leg, Play


class Player:
    """Plays to the party of a leg and tells it each sentence, where it wants that.

    `ended` is called when a play came to its end by itself; a play that is cut is returned by
    `cut` instead. An endless one falls silent, and is still there until it is cut.
    """

    def __init__(self, clock: Clock, ended: Callable[[Play], None]) -> None:
        self.play: Play | None = None
        self._clock = clock
        self._ended = ended
        self._leg: Leg | None = None
        self._timer: Timer | None = None

    @property
    def audible(self) -> bool:
        """Whether something can be heard now."""
        return self._timer is not None

    def begin(
        self,
        leg: Leg,
        id: CommandId,  # noqa: A002 - the contract's word
        utterances: tuple[Utterance, ...],
        *,
        endless: bool,
    ) -> Play:
        """Begin a play; what was on must have been cut. The party is told by `tell`."""
        play = self.play = leg.begin_play(id, utterances)
        play.endless = endless
        self._leg = leg
        if leg.party.follows_sentences:
            self._await_sentence(play)
        else:
            delay_s = play.samples / SAMPLE_RATE
            self._timer = self._clock.call_later(delay_s, self._play_done)
        return play

    def tell(self, play: Play) -> None:
        """Tell the party of `play`, for as long as nothing it does in return puts an end to it."""
        leg = self._leg
        if leg is None:
            return
        leg.tell_answered()
        if self.play is play:
            leg.party.playing(play.utterances)
        if self.play is play and leg.party.follows_sentences and play.utterances:
            leg.party.hears(play.utterances[0])

    def cut(self) -> Play | None:
        """Silence what is playing, and return it."""
        play, self.play = self.play, None
        if play is None:
            return None
        self._leg = None
        play.heard = play.heard_by(self._clock.monotonic())
        if self._timer:
            self._timer.cancel()
            self._timer = None
        return play

    def _await_sentence(self, play: Play) -> None:
        """Set the timer for the end of the sentence that is heard now."""
        samples = sum(p.samples for u in play.utterances[: play.next + 1] for p in u.prompts)
        ends_s = play.start_s + samples / SAMPLE_RATE - self._clock.monotonic()
        self._timer = self._clock.call_later(ends_s, self._sentence_done)

    def _sentence_done(self) -> None:
        play, leg = self.play, self._leg
        if play is None or leg is None:
            return
        play.next += 1
        if play.next >= len(play.utterances):
            self._play_done()
        else:
            self._await_sentence(play)
            leg.party.hears(play.utterances[play.next])

    def _play_done(self) -> None:
        play, self._timer = self.play, None
        if play is None:
            return
        if not play.endless:
            play.heard = play.samples
            self.play = self._leg = None
        self._ended(play)
