"""The play of a voice modem: what the host sends is unshielded, kept, and played in its time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from drivers.modem.protocol import CAN, DLE, ETX, SUB
from ivrd.clock import Clock, Timer
from ivrd.commands import SAMPLE_RATE

TICK_S = 0.02
"""How often samples are taken out of the buffer; no time in the emulator is finer."""

_END = b""
"""In the buffer: the stream ends here."""

_LITERAL = bytes((DLE,))
"""The sample that is sent as two DLE."""


class PlayBuffer:
    """One +VTX, from CONNECT to its end.

    `heard` gets the samples as the line carries them, `underrun` is called when they run out
    before the end of the stream, `ended` once at the end; `hold` stops and starts the host.
    With `tripled`, the end of a stream counts only where two DLE come before it.
    """

    def __init__(
        self,
        clock: Clock,
        size: int,
        *,
        heard: Callable[[bytes], None],
        underrun: Callable[[], None],
        ended: Callable[[], None],
        hold: Callable[[bool], None],
        tripled: bool = False,
    ) -> None:
        self.played = 0
        """Samples that the line has carried."""
        self.underruns = 0
        self._clock = clock
        self._size = size
        self._heard = heard
        self._underrun = underrun
        self._ended = ended
        self._hold = hold
        self._tripled = tripled
        self._queue: deque[bytes] = deque()
        self._filled = 0
        self._after_dle = False
        self._literals = 0  # DLE DLE directly before this byte
        self._holding = False
        self._paused = False
        self._ending = False
        self._dry = True
        self._over = False
        self._zero_s = self._next_s = 0.0
        self._taken = 0  # samples since `_zero_s`
        self._timer: Timer | None = None

    @property
    def filled(self) -> int:
        """Samples that wait to be played."""
        return self._filled

    def take(self, data: bytes) -> bytes:
        """Take bytes of the host; return what follows the end of the stream: commands.

        Codes still count then: a stream that has come whole can be cut while it is played.
        """
        commands = b""
        at, end = 0, len(data)
        while at < end and not self._over:
            if self._after_dle:
                self._after_dle = False
                self._code(data[at])
                at += 1
                continue
            found = data.find(DLE, at)
            stop = end if found < 0 else found
            if stop > at:
                self._literals = 0
                if self._ending:
                    commands += data[at:stop]
                else:
                    self._put(data[at:stop])
            at = stop + 1
            self._after_dle = found >= 0
        self._begin()
        return commands + data[at:]

    def close(self) -> None:
        """End at once: the line or the modem has gone."""
        self._over = True
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._holding:
            self._holding = False
            self._hold(False)

    def _code(self, byte: int) -> None:
        """Take the byte after DLE (V.253 §8.3)."""
        literals, self._literals = self._literals, 0
        if byte == CAN:
            self._queue.clear()
            self._filled = 0
            if self._ending:
                self._queue.append(_END)
        elif byte == ord("p"):
            self._paused = True
        elif byte == ord("r") and self._paused:
            self._paused = False
            self._zero_s, self._taken = self._clock.monotonic(), 0
        elif self._ending:
            pass
        elif byte == DLE:
            self._literals = literals + 1
            self._put(_LITERAL)
        elif byte == SUB:
            self._put(bytes((DLE, DLE)))
        elif byte == ETX and (literals or not self._tripled):
            if self._tripled and self._queue and self._queue[-1] == _LITERAL:
                self._queue.pop()  # it was no sample, but the first half of the end
                self._filled -= 1
            self._ending = True
            self._queue.append(_END)
        # DLE FS joins two streams: there is nothing between them

    def _put(self, samples: bytes) -> None:
        self._queue.append(samples)
        self._filled += len(samples)
        if not self._holding and self._filled >= self._size:
            self._holding = True
            self._hold(True)

    def _begin(self) -> None:
        """Start the clock of the samples, where it stood still for want of them."""
        if self._queue and self._dry and not self._over:
            self._dry = False
            self._zero_s, self._taken = self._clock.monotonic(), 0
        if self._timer is None and not self._over and not self._dry:
            self._set()

    def _tick(self) -> None:
        self._timer = None
        if self._paused:
            self._set()
            return
        samples, ended = self._out(self._due())
        self._taken += len(samples)
        self.played += len(samples)
        if self._holding and self._filled <= self._size // 2:
            self._holding = False
            self._hold(False)
        if samples:
            self._heard(samples)
        if self._over:
            return
        if ended:
            self.close()
            self._ended()
        elif self._queue:
            self._set()
        elif self._taken and not samples and not self._dry:
            self._dry = True
            self.underruns += 1
            self._underrun()
        elif not self._dry:
            self._set()

    def _due(self) -> int:
        """Return how many samples the line takes now.

        Where this tick is late, by a busy machine, a modem's own clock would not have been: the
        host is not blamed for the samples that are missing only so.
        """
        now_s = self._clock.monotonic()
        due = round((now_s - self._zero_s) * SAMPLE_RATE) - self._taken
        late, short = round((now_s - self._next_s) * SAMPLE_RATE), due - self._filled
        if late > 0 and short > 0 and not self._ending:
            stood_still = min(late, short)
            self._zero_s += stood_still / SAMPLE_RATE
            due -= stood_still
        return due

    def _set(self) -> None:
        self._next_s = self._clock.monotonic() + TICK_S
        self._timer = self._clock.call_later(TICK_S, self._tick)

    def _out(self, due: int) -> tuple[bytes, bool]:
        parts: list[bytes] = []
        while self._queue and due > 0:
            first = self._queue.popleft()
            if first == _END:
                return b"".join(parts), True
            if len(first) > due:
                self._queue.appendleft(first[due:])
                first = first[:due]
            parts.append(first)
            due -= len(first)
            self._filled -= len(first)
        if self._queue and self._queue[0] == _END:
            self._queue.popleft()
            return b"".join(parts), True
        return b"".join(parts), False
