"""A small ARI client: one event WebSocket that is kept open, and requests in order.

Requests go over the WebSocket where Asterisk takes them there; else over HTTP, one after the
other for each lane. `AriClient.send` returns at once; what came back is given to a callback in
the event loop's thread.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import aiohttp
import structlog

from drivers.asterisk.options import Options
from drivers.asterisk.plays import instant_s
from drivers.asterisk.rest import (
    Reply,
    Request,
    filter_events,
    list_channels,
    takes_requests_over_websocket,
)
from ivrd.clock import Clock, Timer
from ivrd.errors import CardError

HEARTBEAT_S = 10.0
"""Period of the WebSocket's pings (RFC 6455 §5.5.2); half of it without a pong means lost."""

CLOSE_S = 2.0
"""How long the other side may take to say good-bye."""

REPLY_LIMIT_S = 10.0
"""How long Asterisk may take to answer a request before the connection counts as lost."""

RETRY_S = 0.25
"""First pause before a lost connection is tried again; doubled up to `RETRY_MOST_S`."""

RETRY_MOST_S = 1.0
"""So that lines are back within a moment of Asterisk."""

REPLACED_RETRY_S = 10.0
"""How often to look whether an application that another program took is free again."""

AriEvent: TypeAlias = Mapping[str, Any]
Done: TypeAlias = Callable[[Reply], None]

_log = structlog.get_logger("ivrd.asterisk")


class Application(Protocol):
    """Who the client works for."""

    def up(self, channels: list[AriEvent]) -> None:
        """Take note that the connection stands; `channels` are all that Asterisk has."""

    def down(self, cause: str) -> None:
        """Take note that it is lost; told once for each `up`."""

    def event(self, event: AriEvent) -> None:
        """Take one event; none comes before `up`."""


class AriClient:
    """The connection of one Stasis application."""

    def __init__(self, options: Options, clock: Clock, application: Application) -> None:
        self._options = options
        self._clock = clock
        self._application = application
        self._base = f"{options.url}/ari/"
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._up = False
        self._early: list[AriEvent] = []
        self._cause = ""
        self._replaced = False
        self._over_websocket = False
        self._serial = 0
        self._pending: dict[str, tuple[float, Done]] = {}
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._lanes: dict[str, deque[tuple[Request, Done]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader: asyncio.Task[None] | None = None
        self._sweep: Timer | None = None

    # -- life ----------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect and keep connected until `close`. Raises `CardError`: why, and what to do."""
        token = base64.b64encode(f"{self._options.user}:{self._options.password}".encode()).decode()
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Basic {token}"})
        try:
            await self._connect()
        except CardError:
            await self.close()
            raise
        self._start(self._keep())

    async def close(self) -> None:
        """Let go of the connection; safe to repeat."""
        self._up = False
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._sweep:
            self._sweep.cancel()
        if self._socket is not None:
            await self._socket.close()
        if self._session is not None:
            await self._session.close()
        self._socket = self._session = None
        self._pending.clear()
        self._lanes.clear()

    # -- requests ------------------------------------------------------------------------------

    def send(self, request: Request, done: Done | None = None) -> None:
        """Send a request; `done` gets the reply, of status 0 where the connection was lost."""
        done = done or _ignore
        if self._socket is None or self._socket.closed:
            self._clock.call_later(0, lambda: done(Reply(0)))
        elif self._over_websocket:
            self._serial += 1
            ident = str(self._serial)
            self._pending[ident] = (self._clock.monotonic(), done)
            self._outbox.put_nowait(request.frame(ident))
        else:
            self._queue_up(request, done)

    async def ask(self, request: Request) -> Reply:
        """Send a request and wait for its reply."""
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.send(request, lambda got: None if reply.done() else reply.set_result(got))
        return await reply

    def _queue_up(self, request: Request, done: Done) -> None:
        lane = self._lanes.setdefault(request.lane, deque())
        lane.append((request, done))
        if len(lane) == 1:
            self._start(self._work_off(request.lane, lane))

    async def _work_off(self, name: str, lane: deque[tuple[Request, Done]]) -> None:
        while lane:
            request, done = lane[0]
            reply = await self._over_http(request)
            lane.popleft()
            if not lane:
                self._lanes.pop(name, None)
            self._tell(done, reply)

    async def _over_http(self, request: Request) -> Reply:
        if self._session is None:
            return Reply(0)
        limit = aiohttp.ClientTimeout(total=REPLY_LIMIT_S)
        try:
            async with self._session.request(
                request.method, self._base + request.path, json=request.body, timeout=limit
            ) as response:
                return Reply(response.status, await response.text())
        except (aiohttp.ClientError, TimeoutError):
            return Reply(0)

    # -- the connection ------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Open the WebSocket and set it up, to where the application is told `up`."""
        if self._session is None:
            raise CardError("closed")
        self._over_websocket = takes_requests_over_websocket(await self._version())
        url = f"{self._base}events?app={self._options.app}"
        try:
            self._socket = await self._session.ws_connect(
                url, heartbeat=HEARTBEAT_S, timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S)
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CardError(f"{self._options.url}: no event WebSocket: {_short(error)}; expected "
                            "the module res_ari_events and the application's name free of use "
                            "by another user") from None  # fmt: skip
        self._cause, self._replaced, self._outbox = "", False, asyncio.Queue()
        reader = self._reader = self._start(self._read(self._socket))
        self._start(self._write(self._socket, self._outbox))
        filtered = await self.ask(filter_events(self._options.app))
        if filtered.ok and filtered.at_s is None:  # nothing else tells when a play began
            filtered = await self.ask(filter_events(self._options.app, starts=True))
        listed = await self.ask(list_channels())
        if not (filtered.ok and listed.ok):
            await self._socket.close()
            await asyncio.gather(reader, return_exceptions=True)
            raise CardError(f"{self._options.url}: Asterisk would not filter events or list "
                            f"channels: {filtered.why}, {listed.why}; expected a user that may "
                            "write (ari.conf: read_only = no)")  # fmt: skip
        self._up = True
        early, self._early = self._early, []
        self._sweep = self._clock.call_later(REPLY_LIMIT_S / 2, self._look_for_overdue)
        self._application.up(json.loads(listed.body))
        for event in early:
            self._give(event)

    async def _version(self) -> str:
        reply = await self._over_http(Request("GET", "asterisk/info?only=system"))
        if reply.ok:
            try:
                return str(json.loads(reply.body)["system"]["version"])
            except (ValueError, KeyError, TypeError):
                raise CardError(f"{self._options.url}: something answers that is no Asterisk; "
                                "expected its HTTP server there") from None  # fmt: skip
        hints = {
            0: "expected its HTTP server there (http.conf: enabled, bindaddr, bindport)",
            401: "expected user and password as in its ari.conf",
            404: "expected the modules res_ari and res_ari_asterisk (modules.conf, ari.conf)",
            503: "expected it fully booted",
        }
        hint = hints.get(reply.status, "expected ARI to answer")
        raise CardError(f"{self._options.url}: no Asterisk: {reply.why}; {hint}")

    async def _keep(self) -> None:
        """Wait for the connection to be lost, tell it, and get it back, for ever."""
        while True:
            if self._reader is not None:
                await asyncio.wait([self._reader])
            _log.warning("asterisk_lost", app=self._options.app, why=self._cause)
            pause_s = REPLACED_RETRY_S if self._replaced else RETRY_S
            told = ""
            while True:
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, max(RETRY_MOST_S, pause_s))
                if self._replaced and not await self._free():
                    continue
                try:
                    await self._connect()
                except CardError as error:
                    if str(error) != told:  # once, however long it takes
                        told = str(error)
                        _log.warning("asterisk_away", app=self._options.app, why=told)
                except Exception as error:  # else the card would be away for ever
                    _tell_error(error)
                else:
                    _log.info("asterisk_back", app=self._options.app)
                    break

    async def _free(self) -> bool:
        """Return whether the application's name is free; taking it back would begin a fight."""
        reply = await self._over_http(Request("GET", f"applications/{self._options.app}"))
        return reply.gone

    async def _pause(self, pause_s: float) -> None:
        over = asyncio.Event()
        timer = self._clock.call_later(pause_s, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()

    # -- what comes in -------------------------------------------------------------------------

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(message.data)
                if self._replaced:
                    break
        finally:
            self._fall(socket)
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await socket.close()

    async def _write(
        self, socket: aiohttp.ClientWebSocketResponse, outbox: asyncio.Queue[str]
    ) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            while not socket.closed:
                await socket.send_str(await outbox.get())

    def _take(self, text: str) -> None:
        """Take one message; whatever is wrong with it, the next one is read."""
        try:
            event = json.loads(text)
            kind = event["type"]
            if kind == "RESTResponse":
                found = self._pending.pop(event["request_id"], None)
                if found:
                    found[1](_reply(event))
            elif kind == "ApplicationReplaced":
                self._replaced = True
                self._cause = f"another program took the application {self._options.app!r}"
            elif self._up:
                self._application.event(event)
            else:
                self._early.append(event)
        except Exception as error:  # a deaf card would be worse than a lost message
            _tell_error(error)

    def _give(self, event: AriEvent) -> None:
        try:
            self._application.event(event)
        except Exception as error:  # as above
            _tell_error(error)

    def _tell(self, done: Done, reply: Reply) -> None:
        try:
            done(reply)
        except Exception as error:  # as above
            _tell_error(error)

    def _fall(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Tell that the connection is lost; then nothing waits any more."""
        if not self._cause:
            code = socket.close_code
            self._cause = f"connection lost ({code})" if code else "connection lost"
        was_up, self._up, self._early = self._up, False, []
        if self._sweep:
            self._sweep.cancel()
        if was_up:
            try:
                self._application.down(self._cause)
            except Exception as error:  # as above
                _tell_error(error)
        pending, self._pending = self._pending, {}
        for _, done in pending.values():
            self._tell(done, Reply(0))

    def _look_for_overdue(self) -> None:
        """Give a connection up on which a request waits too long: Asterisk hangs."""
        oldest = next(iter(self._pending.values()), None)
        if oldest and self._clock.monotonic() - oldest[0] > REPLY_LIMIT_S and self._reader:
            self._cause = f"no answer to a request for {REPLY_LIMIT_S:g} s"
            self._reader.cancel()
            return
        self._sweep = self._clock.call_later(REPLY_LIMIT_S / 2, self._look_for_overdue)

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _reply(event: AriEvent) -> Reply:
    at = event.get("timestamp")
    body = event.get("message_body") or ""
    return Reply(event["status_code"], body, instant_s(at) if at else None)


def _ignore(reply: Reply) -> None:
    """Take a reply of which nothing depends."""


def _tell_error(error: Exception) -> None:
    """Log an error of ours by its place alone: its text may hold private data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    at = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""
    _log.error("asterisk_event_failed", kind=type(error).__name__, at=at)


def _short(error: BaseException) -> str:
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"HTTP {error.status}"
    return type(error).__name__
