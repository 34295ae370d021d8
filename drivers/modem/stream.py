"""One voice stream to a modem: sent a little ahead of what the line carries, and cut at any moment.

The modem's buffer is kept well filled and never full: full, it would stop the port, and a
``<DLE><CAN>`` would wait behind samples.
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.modem.encoder import Encoder
from drivers.modem.profile import Profile
from ivrd.clock import Clock, Timer
from ivrd.commands import SAMPLE_RATE

TICK_S = 0.04
"""How often samples are sent."""

END_S = 1.0
"""How long after its last sample a modem may take to say that a stream has ended."""

CUT_S = 0.1
"""How long it may take so after <DLE><CAN>; then the end is told without it."""

TRIES = 3
"""How often it is told to end before it counts as lost."""


class Stream:
    """Samples that are played once; `ended` gets how many were heard.

    `lost` is called where the modem does not end the stream, told as often as you like.
    """

    def __init__(
        self,
        clock: Clock,
        profile: Profile,
        samples: bytes,
        write: Callable[[bytes], None],
        ended: Callable[[Stream, int], None],
        lost: Callable[[], None],
    ) -> None:
        self.underruns = 0
        self.begun = False
        """Whether the modem has said CONNECT."""
        self.stopped = False
        self._clock = clock
        self._encoder = Encoder(profile)
        self._lead = profile.buffer_bytes * 3 // 4
        self._samples = samples
        self._write = write
        self._ended = ended
        self._lost = lost
        self._sent = 0
        self._zero_s = 0.0
        self._zero = 0  # samples that had been played at `_zero_s`
        self._heard: int | None = None  # once it was cut
        self._told = False
        self._tries = 0
        self._timer: Timer | None = None

    @property
    def whole(self) -> bool:
        """Whether all was heard, and nobody cut it."""
        return self._heard == len(self._samples) and not self.stopped

    def begin(self) -> None:
        """Send the first samples: the modem has said CONNECT."""
        self.begun = True
        self._zero_s = self._clock.monotonic()
        if self.stopped:
            self._abort()
        else:
            self._send()

    def cut(self) -> None:
        """Fall silent; safe to repeat. Its end is told when the modem says so, or soon after."""
        if self.stopped or self._told:
            return
        self.stopped = True
        self._heard = self._heard_now()
        if self.begun:
            self._abort()
        else:  # told by now, and cut as soon as it begins
            self._set(CUT_S, self._tell)

    def underrun(self) -> None:
        """Go on after the modem ran out of samples: all that were sent have been played."""
        if self.begun and not self.stopped and self._sent < len(self._samples):
            self.underruns += 1
            self._zero_s, self._zero = self._clock.monotonic(), self._sent
            self._send()

    def over(self) -> None:
        """Take the modem's word that the stream has ended."""
        self._set(None)
        if self._heard is None:
            whole = self._sent == len(self._samples)
            self._heard = len(self._samples) if whole else self._heard_now()
        self._tell()

    def forget(self) -> None:
        """Tell nothing any more."""
        self._told = True
        self._set(None)

    def _send(self) -> None:
        played_s = self._clock.monotonic() - self._zero_s
        due = self._zero + int(played_s * SAMPLE_RATE) + self._lead
        part = self._samples[self._sent : due]
        self._sent += len(part)
        if self._sent < len(self._samples):
            self._write(self._encoder.samples(part))
            self._set(TICK_S, self._send)
            return
        left_s = (self._sent - self._zero) / SAMPLE_RATE - played_s
        self._write(self._encoder.samples(part) + self._encoder.end_of_play)
        self._set(max(left_s, 0) + END_S, self._overdue)

    def _overdue(self) -> None:
        """Tell it again: the end was lost on its way, or the word that it has come."""
        self._tries += 1
        if self._tries > TRIES:
            self._lost()
            return
        if self._heard is None:
            self._heard = self._sent
        self._write(self._encoder.abort_play + (b"\rAT\r" if self._tries > 1 else b""))
        self._set(END_S, self._overdue)

    def _abort(self) -> None:
        self._write(self._encoder.abort_play)
        self._set(CUT_S, self._cut_late)

    def _cut_late(self) -> None:
        self._tell()
        self._set(END_S, self._overdue)

    def _heard_now(self) -> int:
        if not self.begun:
            return 0
        played_s = self._clock.monotonic() - self._zero_s
        return min(self._sent, self._zero + int(played_s * SAMPLE_RATE))

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._ended(self, self._heard or 0)

    def _set(self, delay_s: float | None, then: Callable[[], None] | None = None) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = (
            self._clock.call_later(delay_s, then) if delay_s is not None and then else None
        )
