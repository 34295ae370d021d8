"""Connections that are kept between lookups: taking one costs SQLAlchemy what SQLite's lookup does.

An engine has one `KeptConnections`, whoever makes lookups with it.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection, event

DEADLINE = "ivrd.deadline"
"""Under this name a SQLite connection's `info` has the `Deadline` of its statements."""

_SINCE = "ivrd.since"
"""Under this name a connection's `info` has when it was first used, in monotonic seconds."""

_OPTION = "ivrd.kept"


class Held:
    """A connection taken from the pool, and what is known of it."""

    __slots__ = ("connection", "deadline", "round", "since_s")

    def __init__(self, connection: PoolProxiedConnection, of_round: int) -> None:
        self.connection = connection
        self.deadline: Any = connection.info.get(DEADLINE)
        self.since_s: float = connection.info.setdefault(_SINCE, time.monotonic())
        self.round = of_round


class KeptConnections:
    """Keeps up to `most` connections, each for `recycle_s`. May be used from any thread."""

    def __init__(self, most: int, recycle_s: float) -> None:
        self.free: deque[Held] = deque()
        self._most, self._recycle_s = most, recycle_s
        self._round = 0
        """How often the engine let go of its connections."""

    def take(self, engine: Engine, not_before_s: float) -> Held:
        """Return a connection that is not too old, and was made after `not_before_s`.

        Raises what SQLAlchemy and the driver do.
        """
        while True:
            try:
                held = self.free.pop()
            except IndexError:
                held = Held(engine.raw_connection(), self._round)
            if held.since_s >= max(not_before_s, time.monotonic() - self._recycle_s):
                return held
            held.connection.invalidate()

    def give_back(self, held: Held) -> None:
        """Take a connection back; one that is not valid any more is none."""
        if held.round == self._round and len(self.free) < self._most and held.connection.is_valid:
            self.free.append(held)
        else:
            held.connection.close()

    def let_go(self, _: Engine) -> None:
        """Close what is kept, with the engine's own."""
        self._round += 1
        while self.free:
            self.free.pop().connection.invalidate()


def keep_for(engine: Engine, most: int, recycle_s: float) -> None:
    """Let an engine have kept connections."""
    kept = KeptConnections(most, recycle_s)
    engine.update_execution_options(**{_OPTION: kept})
    event.listen(engine, "engine_disposed", kept.let_go)


def kept_of(engine: Engine) -> KeptConnections:
    """Return the connections that an engine keeps; none where nobody said so."""
    found = engine.get_execution_options().get(_OPTION)
    return found if isinstance(found, KeptConnections) else KeptConnections(0, float("inf"))
