"""The control interface: HTTP on a local socket that only the daemon's own user can open."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from ivrd.control.aside import Aside
from ivrd.control.dial import dial
from ivrd.control.orders import Giver, reload, start_enquiry, stop_enquiry
from ivrd.control.phone import phone
from ivrd.control.views import line_view, lines_view, status_view
from ivrd.daemon import Daemon
from ivrd.errors import ControlError, IvrdError, ProblemsError
from ivrd.line import Line

WATCH_S = 0.1
"""Shortest time between two messages of a watch."""

LOOK_S = 0.5
"""How often a watch looks which sentence is being heard: nothing tells of the next one."""

STATUS_S = 5.0
"""How often a watch brings the daemon's status."""

DAEMON = web.AppKey("daemon", Daemon)
ASIDE = web.AppKey("aside", Aside)
"""Where rows of the audit trail are written."""

_PEER = struct.Struct("3i")
"""Process, user and group at the other end of a socket: SO_PEERCRED of unix(7)."""

_dumps = json.JSONEncoder(ensure_ascii=False).encode


class ControlServer:
    """Serves one daemon on its control socket."""

    def __init__(self, daemon: Daemon) -> None:
        self._path = daemon.config.socket
        app = web.Application(middlewares=[_told])
        app[DAEMON] = daemon
        app.add_routes(
            [
                web.get("/status", _status),
                web.get("/lines", _lines),
                web.get("/watch", _watch),
                web.post("/reload", _reload),
                web.post("/lines/start", _start_lines),
                web.post("/lines/stop", _stop_lines),
                web.get("/phone", _phone),
                web.post("/dial", _dial),
                web.post("/dunning/lines", _dunning_lines),
                web.post("/dunning/wake", _dunning_wake),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        self._listening = False
        self._aside: Aside | None = None

    def check_free(self) -> None:
        """Take away a socket that is left over.

        Raises `ControlError` where another daemon listens on it, or where it is none.
        """
        if self._path.exists():
            if not self._path.is_socket():
                what = f"{self._path} is no socket and is left alone"
                raise ControlError(f"{what}; choose another with places.socket")
            if _answers(str(self._path)):
                raise ControlError(f"another ivrd listens on {self._path}; `ivrd status` shows it")
            self._path.unlink()

    async def start(self) -> None:
        """Listen. Raises `ControlError` where another daemon listens already, or nobody can."""
        self.check_free()
        self._aside = self._runner.app[ASIDE] = Aside(threads=1)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            listener.bind(str(self._path))
        except OSError as error:
            listener.close()
            why = f"cannot listen on {self._path}: {error.strerror or error}"
            raise ControlError(f"{why}; choose another with places.socket") from None
        self._path.chmod(0o600)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        self._listening = True

    async def stop(self) -> None:
        """Stop listening; safe to repeat."""
        await self._runner.cleanup()
        if self._aside is not None:
            self._aside.close()
        if self._listening:
            self._listening = False
            self._path.unlink(missing_ok=True)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        with contextlib.suppress(OSError):
            probe.connect(path)
            return True
    return False


@web.middleware
async def _told(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Make ivrd's own errors into answers that the client can show."""
    try:
        return await handler(request)
    except ProblemsError as error:
        problems = [str(problem) for problem in error.problems]
        return _json({"error": f"{len(problems)} problems", "problems": problems}, status=409)
    except IvrdError as error:
        return _json({"error": str(error), "problems": []}, status=409)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status, dumps=_dumps)


async def _status(request: web.Request) -> web.Response:
    return _json(status_view(request.app[DAEMON]))


async def _lines(request: web.Request) -> web.Response:
    return _json(lines_view(request.app[DAEMON]))


async def _reload(request: web.Request) -> web.Response:
    return _json(await reload(_giver(request)))


def _giver(request: web.Request) -> Giver:
    """Return whose order this is: the system says which user is at the other end."""
    by = "control"
    end = request.transport.get_extra_info("socket") if request.transport else None
    if end is not None:
        _, user, _ = _PEER.unpack(end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        try:
            by = pwd.getpwuid(user).pw_name
        except KeyError:
            by = f"uid {user}"
    return Giver(request.app[DAEMON], request.app[ASIDE], by)


async def _start_lines(request: web.Request) -> web.Response:
    return await _set_lines(request, stopped=False)


async def _stop_lines(request: web.Request) -> web.Response:
    return await _set_lines(request, stopped=True)


async def _set_lines(request: web.Request, *, stopped: bool) -> web.Response:
    try:
        body = await request.json()
    except ValueError:
        body = None
    numbers, now = (body.get("lines"), body.get("now", False)) if isinstance(body, dict) else (0, 0)
    if not (isinstance(numbers, list) and all(type(n) is int for n in numbers)
            and isinstance(now, bool)):  # fmt: skip
        raise ControlError('expected {"lines": [1, 2], "now": false}')
    giver = _giver(request)
    if stopped:
        return _json(await stop_enquiry(giver, numbers, now=now))
    return _json(await start_enquiry(giver, numbers))


async def _dunning_lines(request: web.Request) -> web.Response:
    """Start, stop or pause dunning on lines; ``at`` is an ISO instant with its zone, or null."""
    expected = 'expected {"lines": [5], "do": "start", "at": null, "now": false, "by": "name"}'
    try:
        body = await request.json()
        numbers, do, by = body["lines"], body["do"], body.get("by", "")
        at = datetime.fromisoformat(body["at"]) if body.get("at") else None
        now = body.get("now", False)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ControlError(expected) from None
    if not (isinstance(numbers, list) and all(type(n) is int for n in numbers)
            and isinstance(do, str) and isinstance(by, str) and isinstance(now, bool)
            and (at is None or at.utcoffset() is not None)):  # fmt: skip
        raise ControlError(expected)
    changed = request.app[DAEMON].set_dunning(numbers, do, by or "control", at=at, now=now)
    return _json({"lines": changed})


async def _dunning_wake(request: web.Request) -> web.Response:
    """Let the dialler look anew: something has changed in the store."""
    outbound = request.app[DAEMON].outbound
    if outbound is not None:
        outbound.dialler.wake()
    return _json({"woken": outbound is not None})


async def _watch(request: web.Request) -> web.StreamResponse:
    """Send everything, then what changes, a JSON object a line."""
    daemon = request.app[DAEMON]
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    changed: dict[int, Line] = {}
    shown: dict[int, str] = {}
    woken = asyncio.Event()

    def on_change(line: Line) -> None:
        changed[line.number] = line
        woken.set()

    daemon.listeners.add(on_change)
    try:
        await _send(response, {"status": status_view(daemon), "lines": lines_view(daemon)})
        status_at = daemon.clock.monotonic() + STATUS_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await woken.wait()
            woken.clear()
            for line in daemon.lines.values():
                if line.talk is not None and shown.get(line.number) != line.sentence:
                    changed[line.number] = line
            now_s = daemon.clock.monotonic()
            message: dict[str, Any] = {}
            if changed:
                views = [line_view(daemon, line, now_s) for line in changed.values()]
                changed.clear()
                shown.update((view["line"], view["sentence"]) for view in views)
                message["lines"] = views
            if now_s >= status_at:
                message["status"] = status_view(daemon)
                status_at = now_s + STATUS_S
            if message:
                await _send(response, message)
            await asyncio.sleep(WATCH_S)
    except (ConnectionResetError, asyncio.CancelledError):
        pass
    finally:
        daemon.listeners.discard(on_change)
    return response


async def _send(response: web.StreamResponse, message: dict[str, Any]) -> None:
    await response.write(_dumps(message).encode() + b"\n")


async def _phone(request: web.Request) -> web.StreamResponse:
    return await phone(request, request.app[DAEMON])


async def _dial(request: web.Request) -> web.StreamResponse:
    return await dial(request, request.app[DAEMON])
