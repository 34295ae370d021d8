"""One play: what Asterisk told of it, and how much of it was heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ivrd.clock import Timer
from ivrd.commands import SAMPLE_RATE
from ivrd.events import CommandId, Json

PACKET = 160
"""Samples in one packet of speech: 20 ms."""

DROPPED = 22
"""Samples that Asterisk drops of the end of each WAV: it counts the 44 bytes of the header in."""

SEAM_S = 0.0006
"""What passes between two files of a list: 0.3 to 0.9 ms."""

SHORT_S = 1.0
"""A list with a shorter file is judged by its packets: Asterisk may come to a halt for
so long that a file can be missing, and the play takes the time of all of them."""


def instant_s(timestamp: str) -> float:
    """Return the seconds of an event's own timestamp, ``2026-11-02T09:00:00.123+0000``."""
    return datetime.fromisoformat(timestamp).timestamp()


class Playing:
    """A play under way.

    Times are those in the events and replies, not those of their arrival: they may wait in our
    loop. A list that lacks a file is shorter by that file, and fewer packets are sent for it.
    """

    def __init__(self, ident: CommandId, playback: str, samples: Sequence[int]) -> None:
        self.id = ident
        self.playback = playback
        self.stopped = False
        """Whether we ended it."""
        self.done = False
        """Whether it ended by itself."""
        self.held: Timer | None = None
        """Set while it has ended and something about that is still awaited."""
        self.sent_before: int | None = None
        """How many packets the call had been sent before it, and after it."""
        self.sent_after: int | None = None
        self._samples = samples
        self._began_s: float | None = None
        self._end_s: float | None = None

    @property
    def counted(self) -> bool:
        """Whether it is judged by its packets."""
        return len(self._samples) > 1 and min(self._samples) < SHORT_S * SAMPLE_RATE

    @property
    def timed(self) -> bool:
        """Whether it is known when it began."""
        return self._began_s is not None

    def began(self, at_s: float | None) -> None:
        """Take note of when it began; the first word stands.

        The reply to its order tells it to a millisecond; else the event that its first file begins.
        """
        if self._began_s is None:
            self._began_s = at_s

    def finished(self, at_s: float, state: str) -> None:
        """Take note of the end; `state` is done or failed."""
        self._end_s = at_s
        self.done = state == "done"

    def answer(self, now_s: float) -> dict[str, Json]:
        """Return the data of its T_EOF; `now_s` is its end where none was told."""
        if self._began_s is None:
            return {"heard_s": 0.0, "whole": False}
        end_s = self._end_s if self._end_s is not None else now_s
        took_s = max(0.0, end_s - self._began_s)
        whole = self.done and not self.stopped and self._all_spoken(took_s)
        return {"heard_s": round(took_s, 3), "whole": whole}

    def _all_spoken(self, took_s: float) -> bool:
        played = [max(0, samples - DROPPED) for samples in self._samples]
        if self.sent_before is not None and self.sent_after is not None:
            due = sum(-(-samples // PACKET) for samples in played)
            return self.sent_after - self.sent_before >= due - 1
        due_s = sum(played) / SAMPLE_RATE + len(played) * SEAM_S
        shortest_s = min(self._samples) / SAMPLE_RATE
        return took_s >= due_s - max(shortest_s / 2, PACKET / SAMPLE_RATE)
