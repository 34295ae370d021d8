"""What a caller hears for whom no channel is free; no line is part of it."""

from __future__ import annotations

from drivers.asterisk import rest
from drivers.asterisk.ari import AriEvent
from drivers.asterisk.exchange import Exchange
from ivrd.commands import Utterance


class Announcement:
    """One sentence on one call, which is then hung up."""

    def __init__(self, exchange: Exchange, call: str, utterance: Utterance) -> None:
        self._exchange = exchange
        self._call = call
        self._utterance = utterance

    def start(self) -> None:
        """Answer, speak and hang up; the requests are carried out in order."""
        exchange, call = self._exchange, self._call
        try:
            media = [exchange.media(prompt) for prompt in self._utterance.prompts]
        except ValueError:  # not in the folder that Asterisk sees; `prepare` has named it
            exchange.send(rest.hang_up(call, "busy"))
            return
        exchange.claim(call, self)
        exchange.send(rest.answer(call))
        exchange.send(
            rest.play(call, exchange.new_id(), media),
            lambda reply: None if reply.ok else self._hang_up(),
        )

    def on_event(self, kind: str, event: AriEvent) -> None:  # noqa: ARG002 - every party's
        """Take an event of the call."""
        if kind == "PlaybackFinished":
            self._hang_up()
        elif kind in {"StasisEnd", "ChannelDestroyed"}:
            self._exchange.release(self._call)

    def _hang_up(self) -> None:
        self._exchange.send(rest.hang_up(self._call))
