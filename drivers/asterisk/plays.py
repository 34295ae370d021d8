"""One play: what Asterisk told of it, and how much of it was heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ivrd.clock import Timer
from ivrd.events import CommandId, Json

SKIPPED_BELOW = 0.5
"""A file that took less than this part of its length was not spoken: a missing one takes 1 ms."""

SKIP_SLACK_S = 0.02
"""One frame of RTP; files so short cannot be judged."""


def instant_s(timestamp: str) -> float:
    """Return the seconds of an event's own timestamp, ``2026-11-02T09:00:00.123+0000``."""
    return datetime.fromisoformat(timestamp).timestamp()


class Playing:
    """A play under way.

    Times are those in the events, not those of their arrival: an event may wait in our loop.
    """

    def __init__(self, ident: CommandId, playback: str, lengths_s: Sequence[float]) -> None:
        self.id = ident
        self.playback = playback
        self.stopped = False
        """Whether we ended it."""
        self.held: Timer | None = None
        """Set while it is not known whether it failed because the call has ended."""
        self._lengths_s = lengths_s
        self._starts_s: list[float] = []
        self._end_s: float | None = None
        self._done = False

    def file_started(self, at_s: float) -> None:
        """Take note that the next file of the list began; told for a missing one too."""
        self._starts_s.append(at_s)

    def finished(self, at_s: float, state: str) -> None:
        """Take note of the end; `state` is done or failed."""
        self._end_s = at_s
        self._done = state == "done"

    def answer(self, now_s: float) -> dict[str, Json]:
        """Return the data of its T_EOF; `now_s` is its end where none was told."""
        end_s = self._end_s if self._end_s is not None else now_s
        heard_s = max(0.0, end_s - self._starts_s[0]) if self._starts_s else 0.0
        return {"heard_s": round(heard_s, 3), "whole": self._whole(end_s)}

    def _whole(self, end_s: float) -> bool:
        if not self._done or self.stopped or len(self._starts_s) != len(self._lengths_s):
            return False
        ends_s = [*self._starts_s[1:], end_s]
        spans = zip(self._starts_s, ends_s, self._lengths_s, strict=True)
        return all(
            ends - starts >= length * SKIPPED_BELOW - SKIP_SLACK_S for starts, ends, length in spans
        )
