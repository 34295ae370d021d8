"""A call that rings at a modem: told ring by ring, with the caller's number as soon as it is known.

The number comes between the first ring and the second (ETSI EN 300 659-1). So the first ring is
told when it has come, or with the second ring where none comes; each later one as long after
the modem's own as that one.
"""

from __future__ import annotations

from collections.abc import Callable

from ivrd.clock import Clock, Timer

RING_OFF_S = 6.5
"""After so long without a ring the caller has given up; no cadence has a longer pause than 6 s
from ring to ring (North America: 2 s on, 4 s off)."""

LATE_S = 4.0
"""So long after a ring a caller's number still comes with it."""

AGAIN_S = 0.8
"""Rings closer together are one ring, of a cadence with two bursts (United Kingdom)."""


class Incoming:
    """The ringing of one line; `told` gets the caller, `off` whether any ring was told."""

    def __init__(
        self,
        clock: Clock,
        rings: int,
        told: Callable[[str], None],
        off: Callable[[bool], None],
    ) -> None:
        self.told = False
        """Whether a ring of this call was told."""
        self._clock = clock
        self._least = rings
        self._tell_ring = told
        self._tell_off = off
        self._caller = ""
        self._known = False
        self._rings = 0
        self._rang_s = 0.0
        self._delay_s: float | None = None
        self._next: Timer | None = None
        self._off: Timer | None = None

    def begin(self) -> None:
        """Expect the rings of a new call."""
        self.stop()
        self.told = self._known = False
        self._caller, self._rings, self._delay_s = "", 0, None

    def ring(self) -> None:
        """Take one ring of the modem."""
        now_s = self._clock.monotonic()
        if self._rings and now_s - self._rang_s < AGAIN_S:
            return
        self._rings += 1
        self._rang_s = now_s
        if self._off:
            self._off.cancel()
        self._off = self._clock.call_later(RING_OFF_S, self._over)
        if self._delay_s is not None:
            self._next = self._clock.call_later(self._delay_s, self._tell)
        elif self._rings >= self._least and (self._known or self._rings > 1):
            self._tell_first()

    def caller_id(self, number: str) -> None:
        """Take the caller's number, "" where it is withheld."""
        self._caller, self._known = number, True
        if self._rings >= self._least and self._delay_s is None:
            self._tell_first()

    def stop(self) -> None:
        """Tell no more rings: the call was answered, or forgotten."""
        for timer in (self._next, self._off):
            if timer:
                timer.cancel()
        self._next = self._off = None

    def _tell_first(self) -> None:
        self._delay_s = min(self._clock.monotonic() - self._rang_s, LATE_S)
        self._tell()

    def _tell(self) -> None:
        self.told = True
        self._tell_ring(self._caller)

    def _over(self) -> None:
        self.stop()
        self._tell_off(self.told)
