"""Each key once: while nothing plays, Asterisk tells some of them twice.

A key that begins less than 45 ms after the end of the one before it, as jitter in the network
makes keys do, is told at its end, put aside, and told again when its turn comes: Asterisk (22.10,
main/channel.c) publishes the event whenever it reads a key's end, also from its own queue. The
dialplan counts such a key once; who listens to ARI has to see to that.
"""

from __future__ import annotations

AGAIN_S = 0.06
"""How soon a key is told again. The same key cannot have been pressed again by then: it lasts 40 ms
at least, and as long a pause comes before it (ITU-T Q.24)."""


class Keys:
    """The keys of one call, as Asterisk tells them; times are those of its events."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, int], float] = {}

    def is_new(self, key: str, lasted_ms: int, at_s: float) -> bool:
        """Return whether a key that ended at `at_s` is told for the first time.

        None is told a third time: of two that came in one piece, each told twice, two count.
        """
        told_s = self._told.pop((key, lasted_ms), None)
        if told_s is not None and at_s - told_s <= AGAIN_S:
            return False
        self._told[key, lasted_ms] = at_s
        return True
