"""The ARI client against a server that does what a real Asterisk does only on its worst days."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from drivers.asterisk import ari, rest
from drivers.asterisk.ari import AriClient, AriEvent
from drivers.asterisk.options import Options
from drivers.asterisk.plays import instant_s
from drivers.asterisk.rest import Reply
from ivrd.clock import LoopClock
from ivrd.errors import CardError
from tests.drivers.asterisk_stand_in import options


class Server:
    """An HTTP server with an event WebSocket; each test sets how it behaves."""

    def __init__(self) -> None:
        self.version: str | None = "22.10.1"
        self.timestamps = True
        self.info_status = 200
        self.socket_status = 101
        self.statuses: dict[str, int] = {}
        """HTTP status by path; 0: no reply at all."""
        self.sockets: list[web.WebSocketResponse] = []
        self.carried_out: list[str] = []
        self.allowed: list[str] = []
        """The event types that the application gets."""
        self.application_there = True
        self.asked_who = 0
        self.url = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/ari/asterisk/info", self._info)
        app.router.add_get("/ari/events", self._events)
        app.router.add_route("*", "/ari/{path:.*}", self._request)
        return app

    async def _info(self, request: web.Request) -> web.Response:
        self.asked_who += 1
        if not request.headers["Authorization"].startswith("Basic "):
            return web.Response(status=401)
        body = {"system": {"version": self.version}} if self.version else ["a printer"]
        return web.json_response(body, status=self.info_status)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self.socket_status != 101:
            return web.Response(status=self.socket_status)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                asked = json.loads(message.data)
                status, body = self._carry_out(
                    asked["method"], asked["uri"], asked.get("message_body", "")
                )
                if status:
                    reply = {
                        "type": "RESTResponse",
                        "request_id": asked["request_id"],
                        "status_code": status,
                        "message_body": body,
                    }
                    if self.timestamps:
                        reply["timestamp"] = "2026-11-02T09:00:00.123+0000"
                    await socket.send_json(reply)
        return socket

    async def _request(self, request: web.Request) -> web.Response:
        path = request.path_qs.removeprefix("/ari/")
        status, body = self._carry_out(request.method, path, await request.text())
        return web.Response(status=status, text=body)

    def _carry_out(self, method: str, path: str, body: str) -> tuple[int, str]:
        self.carried_out.append(f"{method} {path}")
        if path.endswith("/eventFilter"):
            self.allowed = [entry["type"] for entry in json.loads(body)["allowed"]]
        if path == "applications/ivrd":
            return (200, "{}") if self.application_there else (404, "")
        return self.statuses.get(path, 200), "[]"


class Told:
    """What the client told its application."""

    def __init__(self) -> None:
        self.news: list[str] = []
        self.fails = False

    def up(self, channels: list[AriEvent]) -> None:
        self.news.append(f"up {len(channels)}")

    def down(self, cause: str) -> None:
        self.news.append(f"down {cause}")

    def event(self, event: AriEvent) -> None:
        self.news.append(event["type"])
        if self.fails:
            raise RuntimeError("a fault of ours")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    runner = web.AppRunner(made.app(), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RETRY_S", "RETRY_MOST_S", "REPLACED_RETRY_S"):
        monkeypatch.setattr(ari, name, 0.02)


def settings(server: Server) -> Options:
    return options(url=server.url)


class Opened:
    """An open client and what it told."""

    def __init__(self, server: Server) -> None:
        self.told = Told()
        self.client = AriClient(settings(server), LoopClock(), self.told)

    async def __aenter__(self) -> Opened:
        await self.client.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - what is awaited is a server's doing
                await asyncio.sleep(0.005)


async def test_an_event_before_all_is_set_up_is_told_after_it(server: Server) -> None:
    async with Opened(server) as opened:
        assert opened.told.news == ["up 0"]
        assert server.carried_out == ["PUT applications/ivrd/eventFilter", "GET channels"]
        await server.sockets[0].send_json({"type": "StasisStart"})
        await opened.until(lambda: len(opened.told.news) == 2)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"info_status": 401}, "user and password"),
        ({"info_status": 404}, "res_ari"),
        ({"info_status": 503}, "fully booted"),
        ({"version": None}, "no Asterisk"),
        ({"socket_status": 500}, "HTTP 500"),
        ({"statuses": {"channels": 403}}, "read_only"),
    ],
)
async def test_what_stands_in_the_way_of_opening_is_told(
    server: Server, given: dict[str, Any], expected: str
) -> None:
    for name, value in given.items():
        setattr(server, name, value)
    with pytest.raises(CardError, match=expected):
        await AriClient(settings(server), LoopClock(), Told()).open()


async def test_nobody_at_the_url_is_told() -> None:
    client = AriClient(options(url="http://127.0.0.1:1"), LoopClock(), Told())
    with pytest.raises(CardError, match=r"http\.conf"):
        await client.open()


async def test_a_lost_connection_is_told_once_and_comes_back(server: Server) -> None:
    async with Opened(server) as opened:
        server.info_status = 503
        await server.sockets[0].close()
        await opened.until(lambda: len(opened.told.news) == 2)
        assert opened.told.news[1].startswith("down connection lost")
        await opened.until(lambda: server.asked_who > 4)  # some tries fail
        assert len(opened.told.news) == 2
        server.info_status = 200
        await opened.until(lambda: len(opened.told.news) == 3)
        assert opened.told.news[2] == "up 0"


async def test_a_request_under_way_when_the_connection_is_lost_gets_no_answer(
    server: Server,
) -> None:
    server.statuses["channels/c/answer"] = 0
    async with Opened(server) as opened:
        order: list[str] = opened.told.news
        opened.client.send(rest.answer("c"), lambda reply: order.append(f"reply {reply.status}"))
        await opened.until(lambda: "POST channels/c/answer" in server.carried_out)
        await server.sockets[0].close()
        await opened.until(lambda: len(order) > 2)
        assert order[1].startswith("down")
        assert order[2] == "reply 0"


async def test_a_request_while_the_connection_is_lost_gets_no_answer_later_not_at_once(
    server: Server,
) -> None:
    async with Opened(server) as opened:
        server.info_status = 503
        await server.sockets[0].close()
        await opened.until(lambda: len(opened.told.news) == 2)
        replies: list[Reply] = []
        opened.client.send(rest.answer("c"), replies.append)
        assert not replies
        await opened.until(lambda: replies == [Reply(0)])


async def test_an_asterisk_that_no_longer_answers_requests_counts_as_lost(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ari, "REPLY_LIMIT_S", 0.1)
    server.statuses["channels/c/answer"] = 0
    async with Opened(server) as opened:
        opened.client.send(rest.answer("c"))
        await opened.until(lambda: len(opened.told.news) == 3)
        assert "no answer" in opened.told.news[1]


async def test_an_application_that_was_taken_is_not_taken_back_until_it_is_free(
    server: Server,
) -> None:
    async with Opened(server) as opened:
        await server.sockets[0].send_json({"type": "ApplicationReplaced"})
        await opened.until(lambda: server.carried_out.count("GET applications/ivrd") > 2)
        assert opened.told.news[1:] == ["down another program took the application 'ivrd'"]
        assert len(server.sockets) == 1
        server.application_there = False
        await opened.until(lambda: len(opened.told.news) == 3)


@pytest.mark.parametrize("text", ["no json", "[]", "{}", '{"type": "RESTResponse"}', "null"])
async def test_a_message_that_makes_no_sense_does_not_make_the_card_deaf(
    server: Server, text: str
) -> None:
    async with Opened(server) as opened:
        await server.sockets[0].send_str(text)
        await server.sockets[0].send_json({"type": "StasisStart"})
        await opened.until(lambda: opened.told.news[-1] == "StasisStart")


async def test_a_fault_of_ours_in_one_event_does_not_make_the_card_deaf(server: Server) -> None:
    async with Opened(server) as opened:
        opened.told.fails = True
        for _ in range(2):
            await server.sockets[0].send_json({"type": "StasisStart"})
        await opened.until(lambda: opened.told.news.count("StasisStart") == 2)


async def test_an_older_asterisk_gets_the_requests_of_a_call_over_http_in_order(
    server: Server,
) -> None:
    server.version = "20.6.0"
    async with Opened(server) as opened:
        replies: list[int] = []
        for number in range(20):
            play = rest.play("c", f"p{number}", ["sound:x"])
            opened.client.send(play, lambda reply: replies.append(reply.status))
            opened.client.send(rest.stop("c", f"p{number}"))
        await opened.until(lambda: len(replies) == 20)
        await opened.client.ask(rest.answer("c"))
        wanted = [
            asked
            for number in range(20)
            for asked in ("POST channels/c/play", f"DELETE playbacks/p{number}")
        ]
        assert [asked for asked in server.carried_out if "play" in asked] == wanted


async def test_the_starts_of_files_are_asked_for_only_where_replies_bear_no_time(
    server: Server,
) -> None:
    async with Opened(server) as opened:
        assert "PlaybackStarted" not in server.allowed
        reply = await opened.client.ask(rest.answer("c"))
        assert reply.at_s == instant_s("2026-11-02T09:00:00.123+00:00")
    server.timestamps = False
    async with Opened(server):
        assert "PlaybackStarted" in server.allowed
    server.version = "20.6.0"
    async with Opened(server) as opened:
        assert "PlaybackStarted" in server.allowed
        assert (await opened.client.ask(rest.answer("c"))).at_s is None


async def test_close_leaves_nothing_and_tells_nothing(server: Server) -> None:
    opened = Opened(server)
    await opened.client.open()
    await opened.client.close()
    await opened.client.close()
    assert opened.told.news == ["up 0"]
    left = [repr(task) for task in asyncio.all_tasks()]
    assert not [task for task in left if "drivers/asterisk" in task]
