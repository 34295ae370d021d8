"""Transactions on PostgreSQL: serializable, in turn where that can be had, run again where not."""

from __future__ import annotations

import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ivrd.errors import StoreDown, StoreError
from ivrd.store.failures import OUT_OF_ORDER, database_errors, sqlstate_of, translated

T = TypeVar("T")

TURN_S = 0.25
"""Seconds to wait for one's turn before going on without it."""

_TURN = 0x69767264
"""The name of the advisory lock that a writer holds: "ivrd" in ASCII."""

_TAKE = (
    f"SELECT set_config('lock_timeout', '{round(TURN_S * 1000)}', false),"
    f" pg_advisory_lock({_TURN}), set_config('lock_timeout', %s, false)"
)
_TIME = text("SELECT clock_timestamp()")
_HOLD = text("SELECT pg_try_advisory_lock(:ours, :name)")
_WATCHED = text(
    "SELECT set_config('tcp_keepalives_idle', '10', false),"
    " set_config('tcp_keepalives_interval', '5', false),"
    " set_config('tcp_keepalives_count', '2', false)"
)
_GIVE = f"SELECT pg_advisory_unlock({_TURN})"


def run(engine: Engine, job: Callable[[Connection], T], retry: int, lock_s: float) -> T:
    """Run `job` in a transaction until it is in order with what others do.

    `retry` is how often it is run again at most, `lock_s` how long it may wait for a lock.
    Raises `StoreBusy`, `StoreDown` or `StoreError`.
    """
    tried = 0
    while True:
        try:
            with engine.connect() as connection, _turn(connection, lock_s):
                return _once(connection, job)
        except _RunAgain as sign:
            failed = sign.failed
        except (SQLAlchemyError, OSError) as exc:
            failed = translated(exc)
            lost = isinstance(exc, DBAPIError) and exc.connection_invalidated
            if sqlstate_of(exc) not in OUT_OF_ORDER and not lost:
                raise failed from None
        tried += 1
        if tried > retry:
            raise failed
        # others' transactions take milliseconds; the spread keeps two from meeting again
        time.sleep(random.uniform(0, 0.001) * tried)  # noqa: S311 - no secret


class ServerClock:
    """The database server's time, asked for every 30 s and carried on in between.

    It is asked for at once where this machine's two clocks have come apart: it was suspended, in
    which monotonic time may stand still, or its wall clock was set.
    """

    _FRESH_S = 30.0
    _APART_S = 1.0

    def __init__(
        self,
        engine: Engine,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._wall = wall
        self._guard = threading.Lock()
        self._asked_s = float("-inf")
        self._wall_s = 0.0
        self._at = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Return the server's time, in UTC. Raises `StoreDown` where it cannot be asked."""
        with self._guard:
            passed_s = self._monotonic() - self._asked_s
            apart_s = abs(self._wall() - self._wall_s - passed_s)
            if passed_s > self._FRESH_S or apart_s > self._APART_S:
                self._ask()
            return self._at + timedelta(seconds=self._monotonic() - self._asked_s)

    def _ask(self) -> None:
        with database_errors(), self._engine.connect() as connection:
            before_s, wall_s = self._monotonic(), self._wall()
            at = connection.execute(_TIME).scalar_one()
            took_s = self._monotonic() - before_s
        self._asked_s, self._wall_s = before_s + took_s / 2, wall_s + took_s / 2
        self._at = at.astimezone(UTC)


class Names:
    """Names that this process alone bears, each as long as its session with the server lasts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: dict[str, Connection] = {}

    def hold(self, name: str) -> bool:
        """Return whether `name` is this process's; False where another bears it.

        Raises `StoreDown` where the server cannot be asked.
        """
        key = {"ours": _TURN, "name": zlib.crc32(name.encode()) - 2**31}
        with database_errors():
            held = self._held.pop(name, None)
            if held is not None and _lives(held):
                self._held[name] = held
                return True
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()  # it is no loan of the pool's
            try:
                # so that the server soon notes a node whose machine is gone
                connection.execute(_WATCHED)
                mine = bool(connection.execute(_HOLD, key).scalar_one())
            except BaseException:
                connection.close()
                raise
            if mine:
                self._held[name] = connection
            else:
                connection.close()
            return mine

    def close(self) -> None:
        """Let go of all names."""
        while self._held:
            with suppress(SQLAlchemyError):
                self._held.popitem()[1].close()


def _lives(connection: Connection) -> bool:
    try:
        connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        with suppress(SQLAlchemyError):
            connection.close()
        return False
    return True


class _RunAgain(Exception):  # noqa: N818 - a sign between two functions
    """Nothing was changed, and the next run may do."""

    def __init__(self, failed: StoreError) -> None:
        self.failed = failed


def _once(connection: Connection, job: Callable[[Connection], T]) -> T:
    transaction = connection.begin()
    result = job(connection)
    raw: Any = connection.connection.dbapi_connection
    if raw.info.transaction_status.name == "INERROR":
        # the job swallowed an error; a commit would be answered by a silent roll-back
        raise _RunAgain(StoreError("a job went on after a statement of it had failed"))
    try:
        transaction.commit()
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise StoreDown("the store was lost while it committed") from None
        raise
    return result


@contextmanager
def _turn(connection: Connection, lock_s: float) -> Iterator[None]:
    """Hold the writers' turn, which is a session's lock, around a transaction.

    Serializable transactions that meet throw each other out: with eight writers that claim at
    once most of the work is done in vain. In turn, each is done once. A transaction sees what
    stood at its first statement, so the turn is taken before. Who does not get it, because an
    import takes its minutes, goes on without: the order is PostgreSQL's to keep, not the turn's.
    """
    raw: Any = connection.connection.dbapi_connection
    error: type[Exception] = connection.dialect.loaded_dbapi.Error
    held = False
    try:
        raw.autocommit = True
        try:
            raw.execute(_TAKE, [str(round(lock_s * 1000))])
            held = True
        except error as exc:
            if getattr(exc, "sqlstate", None) != "55P03":
                connection.invalidate()
                raise _RunAgain(translated(exc)) from None
        raw.autocommit = False
        yield
    finally:
        if held and not connection.invalidated:
            try:
                connection.rollback()
                raw.autocommit = True
                raw.execute(_GIVE)
                raw.autocommit = False
            except (SQLAlchemyError, error):
                # the lock goes with its session
                connection.invalidate()
