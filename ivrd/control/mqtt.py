"""The bus: every line's state, events and counters on an MQTT broker, and commands from it.

What happens in the daemon is put into an `Outbox`, which takes as long with a broker as without
one. What waits goes to a process that speaks MQTT (`ivrd.control.mqtt_courier`). Broker away:
states wait as they are, events up to a bound; when it is back, every state is sent anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from typing import Any

import structlog

from ivrd.control import bus_words
from ivrd.control.aside import Aside
from ivrd.control.broker import BackOff, Broker
from ivrd.control.bus_words import LineStates, Topics, ended, news
from ivrd.control.mqtt_commands import Commands
from ivrd.control.mqtt_courier import ANSWER_S, BrokerAway, Courier
from ivrd.control.outbox import Item, Outbox
from ivrd.control.progress import Progress
from ivrd.daemon import Daemon
from ivrd.dunning.closing import AttemptResult
from ivrd.errors import IvrdError, arose_at
from ivrd.line import Line
from ivrd.records import CallRecord

AT_ONCE = 20
"""Messages that may be on their way to the broker at a time: as many as brokers take by default."""

SWEEP_S = 1.0
"""How often is looked for changes that nobody tells: cards, timed starts, billing."""

FLUSH_S = 2.0
"""How long what waits may take to be sent when the daemon stops."""

STOP_S = 6.0
"""How long the end of the bus may take in all."""

AWAY_STOP_S = 0.5
"""The same where there is no broker to say goodbye to."""

_log = structlog.get_logger("ivrd.mqtt")


class Bus:
    """Tells a broker how the daemon is. Raises `ConfigError` for secrets that cannot be used."""

    def __init__(self, daemon: Daemon, *, back_off: BackOff | None = None) -> None:
        table = daemon.config.mqtt
        if table is None:
            raise ValueError("ivrd.toml has no [mqtt]")
        self._daemon = daemon
        self._table = table
        self._broker = Broker(daemon.config, table)
        self._back_off = back_off or BackOff()
        self.topics = Topics(table.prefix, daemon.config.node.name)
        self._more = asyncio.Event()
        self.outbox = Outbox(table.events, self._more.set)
        self._courier = Courier(self._has_come)
        self._flying: dict[int, Item] = {}
        self._sent_before = 0
        self._silent_since_s = 0.0
        self.connected = False
        self.sent = 0
        self.connections = 0
        self._event = 0
        self._told_dropped = 0
        self._told_away = ""
        self._stopping = asyncio.Event()
        self._states: LineStates
        self._lines: dict[int, dict[str, Any]] = {}
        self._campaigns: dict[int, dict[str, Any]] = {}
        self._campaigns_read = asyncio.Event()
        self._status: dict[str, Any] = {}
        self._billing = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._aside: Aside
        self._commands: Commands

    # -- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen to the daemon, which has started, and connect as soon as the broker is there."""
        daemon = self._daemon
        self._states = LineStates(daemon)
        self._aside = Aside()
        self._commands = Commands(daemon, self.topics, self._courier, self._aside, self.tell)
        self._billing = daemon.billing.state
        self._silent_since_s = _now_s()
        self._sweep()
        daemon.listeners.add(self._line_changed)
        daemon.enders.add(self._call_ended)
        jobs: list[tuple[str, Coroutine[Any, Any, None]]] = [
            ("mqtt", self._run()), ("mqtt sweep", self._sweeping()),
            ("mqtt counters", self._counting()),
        ]  # fmt: skip
        if daemon.outbound is not None:
            daemon.outbound.dialler.on_outcome = self._attempt_ended
            jobs.append(("mqtt campaigns", self._following()))
        else:
            self._campaigns_read.set()
        self._tasks = [asyncio.create_task(job, name=name) for name, job in jobs]

    async def stop(self) -> None:
        """Say what is left to say, and that the daemon is offline; safe to repeat."""
        if not self._tasks:
            return
        daemon = self._daemon
        daemon.listeners.discard(self._line_changed)
        daemon.enders.discard(self._call_ended)
        if daemon.outbound is not None:
            daemon.outbound.dialler.on_outcome = None
        self._sweep()
        main, *others = self._tasks
        self._tasks = []
        for task in others:
            task.cancel()
        self._stopping.set()
        self._more.set()
        await asyncio.wait({main}, timeout=STOP_S if self.connected else AWAY_STOP_S)
        main.cancel()
        await asyncio.gather(main, *others, return_exceptions=True)
        await self._courier.close()
        self._aside.close()
        _log.info("mqtt_stopped", sent=self.sent, dropped=self.outbox.dropped,
                  not_sent=len(self.outbox))  # fmt: skip

    # -- what the daemon tells: each in a short, bounded time ----------------------------------

    def tell(self, event: Mapping[str, Any]) -> None:
        """Put an event into the stream, with its number and its instant."""
        self._event += 1
        at = self._daemon.clock.now().isoformat(timespec="milliseconds")
        stamped = {"v": bus_words.VERSION, "id": self._event, "at": at, **event}
        self.outbox.put_event(self.topics.event, stamped)

    def _line_changed(self, line: Line) -> None:
        with _never_raising():
            self._take(self._states.of(line.number))

    def _take(self, state: dict[str, Any]) -> None:
        """Take a line's state: where it is new it is sent, with the events that it makes."""
        before = self._lines.get(state["line"])
        if state == before:
            return
        self._lines[state["line"]] = state
        self.outbox.put_state(self.topics.line(state["line"]), state)
        if before is not None:
            for event in news(before, state):
                self.tell(event)

    def _call_ended(self, record: CallRecord) -> None:
        with _never_raising():
            self.tell(ended(record))

    def _attempt_ended(self, attempt: str, result: AttemptResult) -> None:
        with _never_raising():
            self.tell(bus_words.attempted(attempt, result))

    # -- what nobody tells ---------------------------------------------------------------------

    def _sweep(self) -> None:
        with _never_raising():
            for state in self._states.every():
                self._take(state)
            billing = self._daemon.billing.state
            if billing != self._billing:
                self._billing = billing
                self.tell({"event": f"billing_{billing}"})
            status = bus_words.status(self._daemon, online=True)
            if status != self._status:
                self._status = status
                self.outbox.put_state(self.topics.status, status)

    async def _sweeping(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._sweep()
            self._look_after_helper()

    async def _counting(self) -> None:
        while True:
            await asyncio.sleep(self._table.counters_s)
            with _never_raising():
                self._count()

    def _count(self) -> None:
        payload = bus_words.counters(self._daemon, self.view())
        self.outbox.put_state(self.topics.counters, payload, retain=False)

    async def _following(self) -> None:
        """Look how campaigns stand, in a thread, and never for more than a small share of it."""
        progress = Progress(self._daemon.parts.store)
        while True:
            try:
                standings = await self._aside.run(progress.changed)
            except IvrdError as error:
                _log.warning("campaigns_not_read", why=str(error))
            else:
                with _never_raising():
                    for ident, standing in standings.items():
                        self._campaign(bus_words.campaign(ident, standing))
                self._campaigns_read.set()
            await asyncio.sleep(progress.pause_s)

    def _campaign(self, payload: dict[str, Any]) -> None:
        if self._campaigns.get(payload["id"]) != payload:
            self._campaigns[payload["id"]] = payload
            self.outbox.put_state(self.topics.campaign(payload["id"]), payload)

    def view(self) -> dict[str, int]:
        """Return what the bus has counted."""
        return {
            "sent": self.sent,
            "dropped": self.outbox.dropped,
            "waiting": len(self.outbox),
            "connections": self.connections,
        }

    # -- the broker ----------------------------------------------------------------------------

    async def _run(self) -> None:
        """Stay connected until the bus stops."""
        will = bus_words.status(self._daemon, online=False, why="connection lost")
        while not self._stopping.is_set():
            try:
                await self._courier.connect(self._broker.link(self.topics.status, will))
                await self._serve(self._courier)
            except BrokerAway as error:
                why = str(error)
            except Exception as error:  # whatever it is, it is tried again
                why = f"{type(error).__name__} at {arose_at(error)}"
            else:
                return
            finally:
                self.connected = False
            if self._stopping.is_set():
                return
            pause_s = self._back_off.pause_s()
            if self._told_away != why:
                self._told_away = why
                _log.warning("mqtt_away", broker=self._broker.name, why=why,
                             retry_s=round(pause_s, 1))  # fmt: skip
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()

    async def _serve(self, courier: Courier) -> None:
        """Bring the broker up to date, then send and receive; returns when the bus stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self._campaigns_read.wait()
        if self._campaigns_read.is_set():
            await self._commands.forget_strangers(self._retained())
        self._tell_status(courier, online=True)
        await self._commands.subscribe()
        self.connected = True
        self.connections += 1
        self._told_away = ""
        self._back_off.worked()
        _log.info("mqtt_connected", broker=self._broker.name, waiting=len(self.outbox))
        self._send_all_again()
        sender = asyncio.create_task(self._send(courier), name="mqtt sender")
        receiver = asyncio.create_task(self._commands.receive(), name="mqtt receiver")
        try:
            await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sender, receiver):
                task.cancel()
            results = await asyncio.gather(sender, receiver, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _retained(self) -> set[str]:
        lines = {self.topics.line(number) for number in self._lines}
        return lines | {self.topics.campaign(ident) for ident in self._campaigns}

    def _send_all_again(self) -> None:
        """Put every retained state out anew: a broker that was away may have forgotten them."""
        for number, state in self._lines.items():
            self.outbox.put_state(self.topics.line(number), state)
        for ident, progress in self._campaigns.items():
            self.outbox.put_state(self.topics.campaign(ident), progress)
        self._count()
        lost = self.outbox.dropped - self._told_dropped
        if lost:
            self._told_dropped = self.outbox.dropped
            _log.warning("mqtt_events_dropped", events=lost)
            self.tell({"event": "events_dropped", "events": lost})

    async def _send(self, courier: Courier) -> None:
        """Send what waits; when the bus stops, say so last of all and part."""
        lost = asyncio.create_task(courier.lost.wait(), name="mqtt lost")
        lost.add_done_callback(lambda _: self._more.set())
        until_s = math.inf
        try:
            while not self._stopping.is_set() or (self._waiting and _now_s() < until_s):
                if courier.lost.is_set():
                    raise BrokerAway(courier.why)
                if self._stopping.is_set() and until_s == math.inf:
                    until_s = _now_s() + FLUSH_S
                    asyncio.get_running_loop().call_at(until_s, self._more.set)
                self._more.clear()
                self._send_some(courier)
                if self._waiting or not self._stopping.is_set():
                    await self._more.wait()
            self._tell_status(courier, online=False, why="stopped")
            await courier.part()
        finally:
            lost.cancel()
            self.outbox.put_back(self._flying.values())
            self._flying.clear()

    def _send_some(self, courier: Courier) -> None:
        """Send as much as may be on its way at a time."""
        for item in self.outbox.take(AT_ONCE - len(self._flying)):
            try:
                number = courier.send(item.topic, item.payload, retain=item.retain)
            except (TypeError, ValueError) as error:  # else it would be tried for ever
                _log.error("mqtt_not_sent", topic=item.topic, kind=type(error).__name__)
            else:
                self._flying[number] = item

    @property
    def _waiting(self) -> int:
        """Messages that the broker does not have yet."""
        return len(self.outbox) + len(self._flying)

    def _look_after_helper(self) -> None:
        """End a helper that is silent: what is on its way arrives some time, or is told lost."""
        if self.sent != self._sent_before or not self._flying:
            self._sent_before, self._silent_since_s = self.sent, _now_s()
        elif _now_s() - self._silent_since_s > ANSWER_S:
            self._courier.hangs()

    def _has_come(self, numbers: Iterable[int]) -> None:
        """Forget what the broker has."""
        for number in numbers:
            if self._flying.pop(number, None) is not None:
                self.sent += 1
        if len(self.outbox) or self._stopping.is_set():
            self._more.set()

    def _tell_status(self, courier: Courier, *, online: bool, why: str = "") -> None:
        payload = bus_words.status(self._daemon, online=online, why=why)
        courier.send(self.topics.status, payload, retain=True)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


@contextlib.contextmanager
def _never_raising() -> Iterator[None]:
    """Keep a fault of the bus from the lines."""
    try:
        yield
    except Exception as error:  # whatever it is, a call goes on
        _log.error("mqtt_fault", kind=type(error).__name__, at=arose_at(error))
