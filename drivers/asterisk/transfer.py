"""A caller handed to a person: a second call is placed, and the dialplan joins the two.

Once joined, neither call is ours: they go on if ivrd stops. That is why the dialplan joins them
(`Bridge()` in the context of the option `transfer_context`) and not a bridge of ARI.
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.asterisk import rest
from drivers.asterisk.ari import AriEvent
from drivers.asterisk.causes import Outcome, given_up, of_transfer, outcome
from drivers.asterisk.exchange import Exchange
from drivers.asterisk.rest import Reply
from ivrd.clock import Timer
from ivrd.events import T_FAULT, CommandId

RING_S = 30.0
"""How long the person's telephone may ring."""

JOIN_S = 5.0
"""How long the dialplan may take to join the two."""

PEER = "IVRD_PEER"
"""The channel variable that names the person's channel to the dialplan."""


class Transfer:
    """The second call of a transfer; `failed` is called unless the two are joined."""

    def __init__(
        self,
        exchange: Exchange,
        ident: CommandId,
        caller: str,
        failed: Callable[[Outcome], None],
    ) -> None:
        self.id = ident
        self.joined = False
        """Whether the caller has been sent to the person."""
        self._exchange = exchange
        self._caller = caller
        self._failed = failed
        self._call = ""
        self._rang = False
        self._timer: Timer | None = None

    def start(self, endpoint: str, caller_id: str) -> None:
        """Place the second call; the caller hears it ring."""
        options = self._exchange.options
        call = self._call = self._exchange.new_id()
        self._exchange.claim(call, self)
        self._timer = self._exchange.clock.call_later(RING_S, self._nobody)
        self._exchange.send(rest.ring(self._caller))
        request = rest.originate(
            call, options.app, endpoint, caller_id=caller_id,
            timeout_s=int(RING_S) + 5, longest_s=options.longest_call_s,
        )  # fmt: skip
        self._exchange.send(request, self._placed)

    def end(self) -> None:
        """Give it up: the caller is gone, or the person was not reached."""
        self._cancel_timer()
        if self._call:
            self._exchange.send(rest.hang_up(self._call))
            self._let_go()

    def moved(self) -> None:
        """Take note that the caller has left; if the dialplan does not take the person too, end it.

        A dialplan without `Bridge()`, or a caller who hung up in that moment.
        """
        self._timer = self._exchange.clock.call_later(JOIN_S, self.end)

    def on_event(self, kind: str, event: AriEvent) -> None:
        """Take an event of the person's call."""
        if kind == "ChannelStateChange" and event["channel"]["state"] == "Ringing":
            self._rang = True
        elif kind == "StasisStart":
            self._answered(event["channel"]["name"])
        elif self.joined and kind in {"StasisEnd", "ChannelDestroyed"}:
            self._exchange.send(rest.forget(self._call, self._exchange.options.app))
            self._cancel_timer()
            self._let_go()
        elif kind == "ChannelDestroyed":
            self._fails(outcome(event.get("cause", 0), event.get("tech_cause"), rang=self._rang))

    def _placed(self, reply: Reply) -> None:
        if self._call and not reply.ok:
            self._fails((T_FAULT, {"cause": reply.why}))

    def _answered(self, channel_name: str) -> None:
        self._cancel_timer()
        self.joined = True
        self._exchange.send(rest.end_ring(self._caller))
        self._exchange.send(rest.set_variable(self._caller, PEER, channel_name))
        context = self._exchange.options.transfer_context or ""
        self._exchange.send(rest.leave(self._caller, context), self._left)

    def _left(self, reply: Reply) -> None:
        if self._call and not reply.ok:
            self.joined = False
            self._fails((T_FAULT, {"cause": reply.why}))

    def _nobody(self) -> None:
        self._fails(given_up(rang=self._rang))

    def _fails(self, ended: Outcome) -> None:
        if not self._call:
            return
        self._exchange.send(rest.end_ring(self._caller))
        self.end()
        self._failed(of_transfer(ended))

    def _let_go(self) -> None:
        self._exchange.release(self._call)
        self._call = ""

    def _cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
