"""Getting a channel back on hook outside of any call, and bringing it back into service."""

from __future__ import annotations

from collections.abc import Callable

from ivrd.card import Channel
from ivrd.clock import Clock, Timer
from ivrd.events import T_ONH, CommandId, Event

ON_HOOK_S = 5.0
"""How long the card may take to go on hook when the line itself orders it."""

RETRY_S = 30.0
"""Period at which a channel that is out of service is told to go on hook again."""


class Hook:
    """Orders on hook until the card answers; `late` is called each time that it does not."""

    def __init__(self, channel: Channel, clock: Clock, late: Callable[[], None]) -> None:
        self._channel = channel
        self._clock = clock
        self._late = late
        self._order: CommandId | None = None
        self._timer: Timer | None = None

    @property
    def awaited(self) -> bool:
        """Whether an order is under way that the card has not answered."""
        return self._order is not None

    def clear(self, ident: CommandId) -> None:
        """Order on hook under `ident`."""
        self.forget()
        self._order = ident
        self._timer = self._clock.call_later(ON_HOOK_S, self._late)
        self._channel.on_hook(ident)

    def retry(self, again: Callable[[], None]) -> None:
        """Call `again` after a pause."""
        self.forget()
        self._timer = self._clock.call_later(RETRY_S, again)

    def cleared_by(self, event: Event) -> bool:
        """Whether `event` is the answer that was awaited; it is awaited no more then."""
        if self._order is None or event.name != T_ONH or event.id != self._order:
            return False
        self.forget()
        return True

    def forget(self) -> None:
        """Await nothing."""
        self._order = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
