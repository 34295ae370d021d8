"""The plays of one channel: ordered, cut, told as ended; the end of one may have to wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drivers.asterisk import rest
from drivers.asterisk.ari import AriEvent
from drivers.asterisk.exchange import Exchange
from drivers.asterisk.plays import Playing, instant_s
from drivers.asterisk.rest import Reply
from ivrd.commands import Prompt
from ivrd.events import CommandId, Data

HOLD_S = 0.3
"""How long a play that failed waits for the news that the call has ended; they come 1 ms apart."""

Ended = Callable[[CommandId, Data], None]


class Player:
    """Plays on one channel; `ended` is called once for each, with the data of its T_EOF.

    A play that fails although nobody stopped it is held for a moment: where the call has ended,
    that is told first. One that ended by itself is held until it is known when it began and how
    many packets were sent for it.
    """

    def __init__(self, exchange: Exchange, ended: Ended) -> None:
        self._exchange = exchange
        self._ended = ended
        self._plays: dict[str, Playing] = {}
        self._current: Playing | None = None
        self._call = ""

    @property
    def plays(self) -> bool:
        """Whether a play is under way that nobody has stopped."""
        return self._current is not None and not self._current.stopped

    def begin(self, call: str, ident: CommandId, prompts: Sequence[Prompt]) -> bool:
        """Play prompts as one list; the play before it must have been cut.

        False, and nothing is played, where there is none or Asterisk does not see one of them.
        """
        try:
            media = [self._exchange.media(prompt) for prompt in prompts]
        except ValueError:  # `prepare` has named it
            return False
        if not media:
            return False
        playing = Playing(ident, self._exchange.new_id(), [prompt.samples for prompt in prompts])
        self._call, self._plays[playing.playback], self._current = call, playing, playing
        if playing.counted:
            self._exchange.send(
                rest.rtp_statistics(call), lambda reply: self._sent_before(playing, reply)
            )
        self._exchange.send(
            rest.play(call, playing.playback, media), lambda reply: self._taken(playing, reply)
        )
        return True

    def cut(self, call: str, ident: CommandId | None = None) -> None:
        """Stop the play under way, if it is `ident` or any will do."""
        playing = self._current
        if playing is None or ident not in {None, playing.id}:
            return
        if playing.held:
            self._end(playing)
        elif not playing.stopped:
            playing.stopped = True
            self._exchange.send(
                rest.stop(call, playing.playback), lambda reply: self._told(playing, reply)
            )

    def on_event(self, kind: str, event: AriEvent, *, in_call: bool) -> None:
        """Take the news of a playback; `in_call` says that no end of the call is known."""
        playback = event["playback"]
        playing = self._plays.get(playback["id"])
        if playing is None:
            return
        at_s = instant_s(event["timestamp"])
        if kind == "PlaybackStarted":
            playing.began(at_s)
            return
        playing.finished(at_s, playback["state"])
        if playing.stopped or not (playing.done or in_call):
            self._end(playing)
        elif playing.done and playing.sent_before is not None:
            self._hold(playing)
            self._exchange.send(
                rest.rtp_statistics(self._call), lambda reply: self._sent_after(playing, reply)
            )
        elif playing.done and playing.timed:
            self._end(playing)
        else:
            self._hold(playing)

    def tell_done(self) -> None:
        """Tell the end of what ended by itself: before the news that the call has ended, too."""
        for playing in [*self._plays.values()]:
            if playing.held and playing.done:
                self._end(playing)

    def tell_held(self) -> None:
        """Tell the end of what waited for the news that the call has ended: it has."""
        for playing in [*self._plays.values()]:
            if playing.held:
                self._end(playing)

    def end_all(self) -> None:
        """Tell the end of all plays; Asterisk has told all that it will."""
        for playing in [*self._plays.values()]:
            self._end(playing)

    def forget(self) -> None:
        """Tell nothing more of any play."""
        for playing in self._plays.values():
            if playing.held:
                playing.held.cancel()
        self._plays, self._current = {}, None

    def _taken(self, playing: Playing, reply: Reply) -> None:
        if not reply.ok:
            self._hold(playing)
            return
        playing.began(reply.at_s)
        if playing.held and playing.done and playing.sent_before is None:
            self._end(playing)

    def _sent_before(self, playing: Playing, reply: Reply) -> None:
        playing.sent_before = rest.packets_sent(reply)

    def _sent_after(self, playing: Playing, reply: Reply) -> None:
        playing.sent_after = rest.packets_sent(reply)
        self._end(playing)

    def _told(self, playing: Playing, reply: Reply) -> None:
        if not reply.ok:
            self._hold(playing)

    def _hold(self, playing: Playing) -> None:
        if playing.playback in self._plays and not playing.held:
            playing.held = self._exchange.clock.call_later(HOLD_S, lambda: self._end(playing))

    def _end(self, playing: Playing) -> None:
        if self._plays.pop(playing.playback, None) is None:
            return
        if playing.held:
            playing.held.cancel()
        if self._current is playing:
            self._current = None
        self._ended(playing.id, playing.answer(self._exchange.now_s))
