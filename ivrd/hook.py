"""Getting a channel back on hook outside of any call, and bringing it back into service."""

from __future__ import annotations

from collections.abc import Callable

from ivrd.card import Channel
from ivrd.clock import Clock, Timer
from ivrd.events import T_ONH, CommandId, Event

ON_HOOK_S = 5.0
"""How long the card may take to go on hook when the line itself orders it."""

RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Pauses before a channel that is out of service is told to go on hook again; the last for ever.

They are for a card that forgets orders while it is away. One that keeps to the contract answers
the last on hook as soon as it is back, whatever the pause.
"""


class Hook:
    """Orders on hook until the card answers; `late` is called each time that it does not."""

    def __init__(self, channel: Channel, clock: Clock, late: Callable[[], None]) -> None:
        self._channel = channel
        self._clock = clock
        self._late = late
        self._order: CommandId | None = None
        self._timer: Timer | None = None
        self._retries = 0
        self.awaited = False
        """Whether an order was given just now that the card may still answer in time."""

    def clear(self, ident: CommandId) -> None:
        """Order on hook under `ident`."""
        self._cancel_timer()
        self._order, self.awaited = ident, True
        self._timer = self._clock.call_later(ON_HOOK_S, self._late)
        self._channel.on_hook(ident)

    def retry(self, again: Callable[[], None]) -> None:
        """Call `again` after a pause, unless the card answers the last order before."""
        self._cancel_timer()
        self.awaited = False
        pause_s = RETRY_S[min(self._retries, len(RETRY_S) - 1)]
        self._retries += 1
        self._timer = self._clock.call_later(pause_s, again)

    def cleared_by(self, event: Event) -> bool:
        """Whether `event` is the answer that was awaited; it is awaited no more then."""
        if self._order is None or event.name != T_ONH or event.id != self._order:
            return False
        self.forget()
        return True

    def forget(self) -> None:
        """Await nothing."""
        self._order, self.awaited, self._retries = None, False, 0
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
