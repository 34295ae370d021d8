"""Peer: the call as a plain ARI script on aiohttp, a request over HTTP for every sentence.

python -m bench.asterisk.ari_script PORT PASSWORD-FILE DATABASE FOLDER-OF-VOICE-FILES
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from bench.asterisk.bill import GREETING, LOOKUP, MENU, NUMBER, Bills

APP = "script"

_SILENCE_S = 8.0


class _HangUpError(Exception):
    """The caller has gone."""


class _Call:
    def __init__(
        self, session: aiohttp.ClientSession, call: str, bills: Bills, voices: str
    ) -> None:
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._session, self._call = session, call
        self._bills, self._voices = bills, voices

    async def run(self) -> None:
        try:
            await self._post("answer")
            month = await self._ask(GREETING, 6)
            await self._ask(LOOKUP, 1)
            phone = await self._ask(NUMBER, 11)
            for sentence in [*self._bills.sentences(phone, month), list(MENU)]:
                await self._say(sentence)
            await self._ask((), 1)
            await self._session.delete(f"channels/{self._call}")
        except (_HangUpError, TimeoutError, aiohttp.ClientError):
            pass

    async def _say(self, names: Sequence[str]) -> None:
        playback = await self._play(names)
        while True:
            event = await self._next()
            if event["type"] == "PlaybackFinished" and event["playback"]["id"] == playback:
                return

    async def _ask(self, names: Sequence[str], digits: int) -> str:
        playback = await self._play(names) if names else ""
        keyed = ""
        while len(keyed) < digits:
            event = await self._next()
            if event["type"] != "ChannelDtmfReceived":
                continue
            if playback:
                await self._session.delete(f"playbacks/{playback}")
                playback = ""
            if event["digit"] == "#":
                break
            keyed += event["digit"]
        return keyed

    async def _play(self, names: Sequence[str]) -> str:
        media = ",".join(f"sound:{self._voices}/{name}" for name in names)
        answer = await self._post("play", {"media": media})
        return str(answer["id"])

    async def _post(self, what: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        url = f"channels/{self._call}/{what}"
        async with self._session.post(url, params=params) as response:
            if response.status >= 300:
                raise _HangUpError
            text = await response.text()
            answer: dict[str, Any] = json.loads(text) if text else {}
            return answer

    async def _next(self) -> dict[str, Any]:
        event = await asyncio.wait_for(self.events.get(), _SILENCE_S)
        if event["type"] == "StasisEnd":
            raise _HangUpError
        return event


async def serve(port: int, password: str, database: Path, voices: str) -> None:
    """Carry calls for ever."""
    bills = Bills(database)
    calls: dict[str, _Call] = {}
    tasks: set[asyncio.Task[None]] = set()
    base = f"http://127.0.0.1:{port}/ari/"
    token = base64.b64encode(f"ivrd:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {token}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(base, headers=headers, connector=connector) as session,
        session.ws_connect(f"events?app={APP}") as socket,
    ):
        async for message in socket:
            event = json.loads(message.data)
            about = event.get("channel", {}).get("id") or event.get("playback", {}).get(
                "target_uri", ""
            ).removeprefix("channel:")
            if event["type"] == "StasisStart":
                calls[about] = _Call(session, about, bills, voices)
                task = asyncio.create_task(calls[about].run())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            elif about in calls:
                calls[about].events.put_nowait(event)
                if event["type"] == "StasisEnd":
                    del calls[about]


if __name__ == "__main__":
    secret = Path(sys.argv[2]).read_text(encoding="utf-8").strip()
    asyncio.run(serve(int(sys.argv[1]), secret, Path(sys.argv[3]), sys.argv[4]))
