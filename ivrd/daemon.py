"""The daemon: builds everything from ivrd.toml, starts it, supervises, reloads and stops it."""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from importlib.metadata import entry_points
from typing import Any

import structlog

from ivrd.assembly import Parts, assemble, enquiry_service
from ivrd.billing.outages import Outages
from ivrd.billing.pool import LookupPool
from ivrd.billing.watch import BillingWatch
from ivrd.card import Channel, VoiceCard
from ivrd.clock import Clock, LoopClock
from ivrd.commands import Say
from ivrd.config import CardTable, Config, LinesTable
from ivrd.dunning.clerk import ThreadClerk
from ivrd.errors import CardError, ConfigError, IvrdError, Problem, nearest
from ivrd.import_watch import ImportWatch
from ivrd.line import Line
from ivrd.linelog import LineLog, TraceFile
from ivrd.outbound import Clerks, Outbound, outbound_of
from ivrd.records import CallRecord, LineSettings
from ivrd.runner import PooledActions
from ivrd.service import Service
from ivrd.store.switches import KILL, is_on
from ivrd.trial import Tell, Trial, Trials

CARDS = "ivrd.cards"
"""Entry point group in which drivers are found by name."""

RETRY_S = 5.0
"""First pause before a card that would not open is tried again; doubled up to `RETRY_MOST_S`."""

RETRY_MOST_S = 60.0

SAVE_S = 10.0
"""How long outcomes may take to be written when the daemon stops; the rest is unknown then."""

GRACE_S = 15.0
"""How long calls may take to end with a sentence when the daemon stops."""

_log = structlog.get_logger("ivrd")


@dataclass
class CardState:
    """One card under supervision."""

    table: CardTable
    card: VoiceCard
    open: bool = False
    reason: str = "not opened yet"


@dataclass
class Tally:
    """What the daemon has counted since it started."""

    calls: int = 0
    ended_by: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)


class Daemon:
    """Cards, lines and services of one node.

    `start` raises `ProblemsError` for what people wrote wrong, before any line answers; a card
    or a database that is away only keeps its lines or lookups waiting.
    """

    def __init__(self, config: Config, clock: Callable[[tzinfo], Clock] = LoopClock) -> None:
        """Take the settings; `clock` is made for their zone once the loop runs."""
        self.config = config
        self._make_clock = clock
        self.lines: dict[int, Line] = {}
        self.cards: dict[str, CardState] = {}
        self.tally = Tally()
        self.started: datetime
        self.started_s = 0.0
        self.stopping = False
        self.hurry = False
        """Whether a stop shall not wait for calls to end with a sentence."""
        self.parts: Parts
        self.clock: Clock
        self.service: Service
        self.billing: Outages
        self.outbound: Outbound | None = None
        """Dunning, where ivrd.toml has it."""
        self.listeners: set[Callable[[Line], None]] = set()
        """Told when anything about a line has changed."""
        self.enders: set[Callable[[CallRecord], None]] = set()
        """Told how each call went."""
        self.on_fed: Callable[[float], None] | None = None
        """Told how many seconds each line took for an event; to be set before the start."""
        self.actions: PooledActions
        self._trials = Trials(config.dial, stopped=lambda: self._killed)
        self._killed = True
        self.imports: ImportWatch | None = None
        """Looks after imported billing data, in stand-alone mode."""
        self._pool: LookupPool
        self._watch: BillingWatch
        self._clerks: Clerks
        self._logs: dict[int, TraceFile] = {}
        self._openers: list[asyncio.Task[None]] = []
        self._preparing = asyncio.Lock()
        """Held while cards get new voice files: reloads come one after the other."""

    # -- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Build everything and open the cards."""
        self.clock = self._make_clock(self.config.zone)
        self.started, self.started_s = self.clock.now(), self.clock.monotonic()
        self.parts = await asyncio.to_thread(assemble, self.config, self.clock.now)
        for warning in self.parts.warnings:
            _log.warning("billing", what=str(warning))
        self.cards = {table.name: self._make_card(table) for table in self.config.card}
        self.config.logs.mkdir(parents=True, exist_ok=True)
        billing = self.config.billing
        self._pool = LookupPool(threads=billing.threads, limit_s=billing.limit_s)
        self.billing = self.parts.reader.database.outages
        self._watch = BillingWatch(self.parts.reader.database, self._pool)
        self._watch.start()
        actions = PooledActions(self.parts.registry, self._pool, self.clock, self.billing)
        self.actions = actions
        self.service = enquiry_service(self.config, self.parts, actions)
        self._clerks = Clerks(ThreadClerk("dunning"), ThreadClerk("dunning-aside"))
        self.outbound = outbound_of(
            self.config,
            lambda: self.parts,
            self.clock,
            self._clerks,
            lambda: self.lines,
            lambda: self.actions,
        )
        if self.outbound is not None:
            await asyncio.to_thread(self.outbound.recover)
            self.outbound.resume()
        if self.config.import_ is not None:
            self.imports = ImportWatch(
                self.config, self.config.import_, self.clock, self.take_new_data
            )
            self.imports.start()
        self._openers = [
            asyncio.create_task(self._keep_open(state), name=f"card {name}")
            for name, state in self.cards.items()
        ]
        _log.info("started", node=self.config.node.name, flow=self.parts.machine.hash,
                  cards=len(self.cards))  # fmt: skip

    async def opened(self, within_s: float) -> None:
        """Wait until every card is open, but no longer than `within_s` seconds."""
        await asyncio.wait(self._openers, timeout=within_s)

    async def stop(self) -> None:
        """End calls with a sentence, close cards, lookups and logs; safe to repeat."""
        self.stopping = True
        if self.outbound is not None:
            self.outbound.shut()
        for opener in self._openers:
            opener.cancel()
        await asyncio.gather(*self._openers, return_exceptions=True)
        self._openers = []
        for line in self.lines.values():
            line.stopped = True
            line.settings.when_stopped = "busy"
            line.stop_call("the daemon stops")
        until_s = self.clock.monotonic() + GRACE_S
        while any(line.talk for line in self.lines.values()) and not self.hurry:
            if self.clock.monotonic() > until_s:
                break
            await asyncio.sleep(0.05)
        for line in self.lines.values():
            line.shut()
        for state in self.cards.values():
            await self._close_card(state)
        await self._save()
        if self.imports is not None:
            await self.imports.stop()
        await self._watch.stop()
        self._pool.close()
        self.parts.close()
        for log in self._logs.values():
            log.close()
        _log.info("stopped", calls=self.tally.calls)

    async def _save(self) -> None:
        """Let what came of the last calls be written."""
        until_s = self.clock.monotonic() + SAVE_S
        while self.outbound is not None and self.outbound.dialler.busy:
            if self.clock.monotonic() > until_s:
                _log.error("outcomes_not_written", attempts=self.outbound.dialler.counts.unsaved)
                break
            await asyncio.sleep(0.02)
        for clerk in self._clerks:
            await clerk.close()

    def _make_card(self, table: CardTable) -> CardState:
        found = {point.name: point for point in entry_points(group=CARDS)}
        if table.driver not in found:
            raise ConfigError([Problem(f"no driver {table.driver!r}", file=self.config.path,
                                       key=f"card {table.name}", rule="unknown-driver",
                                       expected=f"one of {', '.join(sorted(found))}",
                                       nearest=nearest(table.driver, found))])  # fmt: skip
        driver: Any = found[table.driver].load()
        try:
            card: VoiceCard = driver(self.clock, channels=table.channels, **table.options)
            state = CardState(table, card)
            self._tell_when_full(state)
        except (CardError, TypeError) as error:
            problem = Problem(str(error), file=self.config.path, key=f"card {table.name}")
            raise ConfigError([problem]) from None
        return state

    def _tell_when_full(self, state: CardState) -> None:
        if state.table.when_full == "sentence":
            lang = self.config.node.languages[0]
            state.card.when_full = self.parts.voices.utterance(Say("all_busy"), lang)

    async def _keep_open(self, state: CardState) -> None:
        """Open a card, however long it takes; a card keeps itself open from then on."""
        pause_s = RETRY_S
        while not state.open:
            try:
                await self._open_card(state)
            except Exception as error:  # else nobody is told, and the card not tried again
                state.reason = _why(error)
                _log.error("card_not_open", card=state.table.name, why=state.reason,
                           retry_s=pause_s)  # fmt: skip
                await self._close_card(state)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_MOST_S)

    async def _open_card(self, state: CardState) -> None:
        channels = await state.card.open()
        async with self._preparing:
            await state.card.prepare(self.parts.voices.prompts())
            self._make_lines(state, {channel.number: channel for channel in channels})
            state.open, state.reason = True, ""
        _log.info("card_open", card=state.table.name, channels=len(channels))

    async def _close_card(self, state: CardState) -> None:
        state.open = False
        try:
            await state.card.close()
        except Exception as error:  # a driver that breaks keeps nothing else from its end
            _log.error("card_not_closed", card=state.table.name, why=_why(error))

    def _make_lines(self, state: CardState, channels: dict[int, Channel]) -> None:
        made: dict[int, Line] = {}
        for number, card, channel_number, table in self.config.every_line():
            if card != state.table.name:
                continue
            channel = channels.get(channel_number)
            if channel is None:
                _log.error("no_channel", line=number, card=card, channel=channel_number)
                continue
            made[number] = self._make_line(number, card, channel, table)
        self.lines = dict(sorted({**self.lines, **made}.items()))

    def _make_line(
        self, number: int, card: str, channel: Channel, table: LinesTable | None
    ) -> Line:
        if number not in self._logs:
            self._logs[number] = trace_file(self.config, number)
        log = LineLog(self._logs[number], mask_private=self.config.log.private == "mask")
        line = Line(
            line_settings(self.config, number, card, table), channel, self.clock, self.service, log
        )
        line.on_end = self._call_ended
        line.on_change = self._line_changed
        line.on_fed = self.on_fed
        return line

    def _line_changed(self, line: Line) -> None:
        if self.outbound is not None:
            self.outbound.dialler.line_changed(line)
        for listener in tuple(self.listeners):
            listener(line)

    def _call_ended(self, record: CallRecord) -> None:
        self.tally.calls += 1
        self.tally.ended_by[record.ended_by] += 1
        self.tally.notes.update(set(record.notes))
        for ender in tuple(self.enders):
            ender(record)

    def reopen_logs(self) -> None:
        """Go on in new line logs, where logrotate has taken the old ones away."""
        for log in self._logs.values():
            log.reopen()

    @property
    def lookups(self) -> LookupPool:
        """The threads that ask the billing data."""
        return self._pool

    @property
    def lookups_waiting(self) -> int:
        """Lookups that no thread has begun."""
        return self._pool.waiting

    # -- control -------------------------------------------------------------------------------

    async def reload(self) -> dict[str, Any]:
        """Read flows and voice files again; calls in progress end on what they began with.

        Raises `IvrdError`, with the old flow and voices still in place.
        """
        async with self._preparing:
            return await self._reload()

    async def _reload(self) -> dict[str, Any]:
        old = self.parts.machine
        try:
            parts = await asyncio.to_thread(self.parts.reloaded)
        except IvrdError:
            raise
        except Exception as error:
            raise IvrdError(f"the reload broke: {_why(error)}") from error
        for state in self.cards.values():
            if state.open:  # the others prepare when they open
                await state.card.prepare(parts.voices.prompts())
        self.parts = parts
        self.service = replace(self.service, machine=parts.machine, voice=parts.voices)
        for line in self.lines.values():
            line.service = self.service
        for state in self.cards.values():
            self._tell_when_full(state)
        flow = {"name": old.flow.name, "old": old.hash, "new": parts.machine.hash,
                "changed": old.hash != parts.machine.hash}  # fmt: skip
        _log.info("reloaded", **flow)
        return {"flow": flow}

    async def take_new_data(self) -> None:
        """Go over to billing data that was imported; calls in progress end on what they began with.

        Raises `IvrdError`, with the old data still in use.
        """
        async with self._preparing:
            parts = await asyncio.to_thread(self.parts.with_new_data, self.clock.now)
            old, self.parts = self.parts.reader, parts
            # the old file is let go with the last call, or the last scan, that reads it
            weakref.finalize(old, old.database.engine.dispose).atexit = False
            await self._watch.stop()
            self.billing = parts.reader.database.outages
            self._watch = BillingWatch(parts.reader.database, self._pool)
            self._watch.start()
            told = self.actions.on_done
            self.actions = PooledActions(parts.registry, self._pool, self.clock, self.billing)
            self.actions.on_done = told
            self.service = replace(self.service, actions=self.actions)
            for line in self.lines.values():
                line.service = self.service

    def set_enquiry(self, numbers: list[int], *, stopped: bool, now: bool = False) -> list[int]:
        """Stop or start enquiry on lines; `now` ends the calls there with a sentence.

        Returns the lines in order. Raises `IvrdError` for a line that is not there.
        """
        numbers = self._known(numbers)
        for number in numbers:
            line = self.lines[number]
            line.stopped = stopped
            if stopped and now:
                line.stop_call("stopped by the operator")
            self._line_changed(line)
        _log.info("enquiry_stopped" if stopped else "enquiry_started", lines=_spans(numbers))
        return numbers

    def set_dunning(
        self, numbers: list[int], do: str, by: str, *, at: datetime | None, now: bool
    ) -> list[int]:
        """Start, stop or pause dunning on lines, at once or at an instant.

        Returns the lines in order. Raises `IvrdError`: why not.
        """
        if self.outbound is None:
            raise IvrdError("nobody is dialled: ivrd.toml has no table [dunning]")
        numbers = self._known(numbers)
        self.outbound.order(numbers, do, by, at=at, now=now)
        for number in numbers:
            self._line_changed(self.lines[number])
        return numbers

    def _known(self, numbers: list[int]) -> list[int]:
        """Return line numbers in order, each once. Raises `IvrdError` for one that is not there."""
        numbers = sorted(set(numbers))
        unknown = [number for number in numbers if number not in self.lines]
        if unknown:
            raise IvrdError(f"no line {unknown[0]}; there are {_spans(list(self.lines))}")
        return numbers

    async def dial(self, number: str, line: int | None, tell: Tell) -> Trial:
        """Place a test call; `tell` is told how it goes. Raises `IvrdError`: why not.

        The kill switch holds test calls too; it is read aside, for a store may take its time.
        """
        store = self.parts.store
        if not self.stopping:
            self._killed = await asyncio.to_thread(store.read, lambda tx: is_on(tx, KILL))
        if self.stopping:
            raise IvrdError("the daemon stops")
        trial = self._trials.place(
            number, line, self.lines, self.service, self.parts.test_call, tell
        )
        _log.info("test_call", line=trial.line.number, call=trial.call)
        return trial


def _why(error: Exception) -> str:
    """Return why something failed; what is no word of ours says where it comes from."""
    return str(error) if isinstance(error, IvrdError) else f"{type(error).__name__}: {error}"


def line_settings(config: Config, number: int, card: str, table: LinesTable | None) -> LineSettings:
    """Return the settings of a line; without a table of its own, those of every line."""
    settings = LineSettings(number, card, when_stopped=config.enquiry.when_stopped)
    return replace(settings, role=table.role, rings=table.rings) if table else settings


def trace_file(config: Config, number: int) -> TraceFile:
    """Open the log file of a line; it is written at the end of each turn of the running loop."""
    log, soon = config.log, asyncio.get_running_loop().call_soon
    return TraceFile(
        config.line_log(number), log.max_bytes, log.keep, max_age_s=log.max_age_s, soon=soon
    )


def _spans(numbers: list[int]) -> str:
    """Return numbers as people write them: 1-4, 7."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{a}-{b}" if a < b else str(a) for a, b in spans) or "none"
