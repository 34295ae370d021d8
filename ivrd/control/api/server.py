"""The read-only JSON interface (product B5): from a request to its answer, log line and count."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import BaseModel

from ivrd.api_settings import ApiTable
from ivrd.control.api.clients import Client
from ivrd.control.api.door import Door
from ivrd.control.api.handles import Handles
from ivrd.control.api.language import language
from ivrd.control.api.live import Live
from ivrd.control.api.lookups import ApiLookups, TooBusy
from ivrd.control.api.openapi import PREFIX, stored
from ivrd.control.api.operations import OPERATIONS, Ask, Asked, Operation
from ivrd.control.api.problems import ApiProblem
from ivrd.control.api.rate import Limiter, Rate
from ivrd.control.api.request import body_in, month_in, query_in, token_in
from ivrd.control.listener import Listener
from ivrd.daemon import Daemon
from ivrd.errors import BillingDown, BillingError, BillingSlow, StoreError, arose_at
from ivrd.linelog import masked

T = TypeVar("T")

_log = structlog.get_logger("ivrd.api")

FLOOD_PAUSE_S = 1.0
"""How long an answer waits that says "too often": the loop that answers carries the calls, too."""

_FLOOD = frozenset({"too-many-tokens", "too-often"})
_FLOOD_LINES = Rate(1, 60.0)

_OF_AIOHTTP = {404: "no-path", 405: "no-method"}


@dataclass(slots=True)
class _Seen:
    """What is known of a request so far, for log and metrics."""

    id: str
    client: str = ""
    operation: str = ""
    account: str = ""


_SEEN = web.RequestKey("seen", _Seen)
_CLIENT = web.RequestKey("client", Client)


class ApiServer:
    """Answers on a listener, perhaps beside others; to be made before the daemon starts.

    `now` gives the instant that says which months are over; it is the daemon's clock unless given.
    """

    def __init__(
        self,
        daemon: Daemon,
        table: ApiTable,
        live: Live,
        listener: Listener,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] | None = None,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._pause = pause
        self._daemon = daemon
        self._live = live
        self._given_now = now
        self._door = Door(table.wrong_tokens_a_minute, monotonic)
        self._floods = Limiter(monotonic)
        self._handles = Handles(monotonic)
        self._lookups: ApiLookups
        self.on_done: Callable[[str, str, int, float], None] | None = None
        """Told of each request: client, operation, status, seconds."""
        app = web.Application(middlewares=[self._edge(), self._admission()])
        for operation in OPERATIONS:
            app.router.add_route(operation.method, operation.path, self._handler(operation))
        listener.app.add_subapp(PREFIX, app)
        self._document = stored()
        listener.app.router.add_get("/openapi.json", self._tell_document)

    def start(self) -> None:
        """Be ready for lookups: the daemon has started, the listener is about to."""
        daemon = self._daemon
        # half of the threads at most, and one is always left for calls
        at_once = max(1, daemon.config.billing.threads // 2)
        self._lookups = ApiLookups(daemon.lookups, daemon.clock, at_once)

    async def _tell_document(self, _: web.Request) -> web.Response:
        return web.Response(body=self._document, content_type="application/json")

    # -- around every request -----------------------------------------------------------------

    def _now(self) -> datetime:
        return self._given_now() if self._given_now else self._daemon.clock.now()

    def _edge(self) -> Middleware:
        @web.middleware
        async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
            began_s = time.monotonic()
            seen = request[_SEEN] = _Seen(secrets.token_hex(8))
            lang = self._lang(request)
            code = ""
            try:
                response = await handler(request)
            except Exception as error:  # whatever it is, it is answered as a problem
                problem = _problem(error)
                code = problem.code
                response = problem.response(seen.id, lang)
            if code in _FLOOD:
                await self._pause(FLOOD_PAUSE_S)
            response.headers["Cache-Control"] = "no-store"
            response.headers["Content-Language"] = lang
            response.headers["Vary"] = "Accept-Language, Authorization"
            response.headers["X-Content-Type-Options"] = "nosniff"
            took_s = time.monotonic() - began_s
            self._tell(seen, response.status, code, request.remote or "", took_s)
            return response

        return edge

    def _tell(self, seen: _Seen, status: int, code: str, remote: str, took_s: float) -> None:
        """Write who asked for what; of a flood one line a minute, the rest is counted only."""
        if code not in _FLOOD or not self._floods.take(seen.client or remote, _FLOOD_LINES):
            _log.info("api_asked", request=seen.id, client=seen.client, operation=seen.operation,
                      account=masked(seen.account, keep=3), status=status, code=code,
                      remote=remote, ms=round(took_s * 1000, 1))  # fmt: skip
        if self.on_done is not None:
            self.on_done(seen.client, seen.operation, status, took_s)

    def _lang(self, request: web.Request) -> str:
        languages = self._daemon.config.node.languages
        return language(request.headers.get("Accept-Language", ""), languages)

    def _admission(self) -> Middleware:
        @web.middleware
        async def admission(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._live.look()
            remote = request.remote or ""
            try:
                token = token_in(request)
            except ApiProblem as problem:
                raise self._door.refused(problem.code, remote) from None
            clients = self._live.clients
            name = request[_SEEN].client = self._door.who(token, clients, remote)
            client = request[_CLIENT] = clients[name]
            self._door.enter(name, client, self._now())
            if self._daemon.stopping:
                raise ApiProblem("stopping")
            return await handler(request)

        return admission

    # -- one request --------------------------------------------------------------------------

    def _handler(self, operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            request[_SEEN].operation = operation.name
            answer = await self._answer(request, operation)
            text = answer.model_dump_json(by_alias=True)
            return web.Response(text=text, content_type="application/json")

        return handle

    async def _answer(self, request: web.Request, operation: Operation) -> BaseModel:
        seen, client = request[_SEEN], request[_CLIENT]
        name = seen.client
        if operation.may is not None and operation.may not in client.may:
            raise ApiProblem("not-allowed", f"this client may ask {', '.join(client.may)}")
        asked = Asked(
            parts=self._daemon.parts,
            name=name,
            client=client,
            lang=self._lang(request),
            now=self._now(),
            ask=self._asker(name),
            give=lambda account: self._give(seen, client, account),
            query=query_in(request, operation.query),
            body=await body_in(request, operation.body) if operation.body else None,
            account=self._account(request, client),
            month=month_in(request),
        )
        if not operation.body:
            return await operation.do(asked)
        self._door.may_prove(name)
        try:
            return await operation.do(asked)
        except ApiProblem as problem:
            if problem.code == "not-proven":
                self._door.not_proven(name)
            raise

    def _account(self, request: web.Request, client: Client) -> str:
        handle = request.match_info.get("account")
        if handle is None:
            return ""
        account = self._handles.account(client.token_sha256, handle)
        if account is None:
            raise ApiProblem("handle-unknown")
        request[_SEEN].account = account
        if not client.sees(account):
            raise ApiProblem("handle-unknown")
        return account

    def _give(self, seen: _Seen, client: Client, account: str) -> str:
        seen.account = account
        return self._handles.give(client.token_sha256, account)

    def _asker(self, name: str) -> Ask:
        limit_s = self._daemon.config.billing.limit_s

        async def ask(lookup: Callable[[], T]) -> T:
            try:
                # from the first moment on, however long it waits for its turn
                async with asyncio.timeout(limit_s):
                    return await self._lookups.ask(name, lookup)
            except TimeoutError:
                raise BillingSlow("no thread was free in time") from None

        return ask


def _problem(error: Exception) -> ApiProblem:
    """Return what is said of an error; those that nobody expected are logged."""
    if isinstance(error, ApiProblem):
        return error
    if isinstance(error, web.HTTPException) and error.status in _OF_AIOHTTP:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return ApiProblem(_OF_AIOHTTP[error.status], headers=headers)
    if isinstance(error, BillingSlow):
        return ApiProblem("billing-slow")
    if isinstance(error, BillingDown):
        return ApiProblem("billing-down")
    if isinstance(error, TooBusy):
        return ApiProblem("busy")
    if isinstance(error, StoreError):
        return ApiProblem("store-down")
    _log.error("api_failed", kind=type(error).__name__, at=arose_at(error))
    return ApiProblem("billing-data" if isinstance(error, BillingError) else "fault")
