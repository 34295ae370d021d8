"""Whether Asterisk can play every voice file: each is played to nobody, its last moment only.

ARI has no word for "is this file there and can you play it", and a missing file in a list is
skipped without a word. So each file is played alone on a channel that nobody hears. A file that
cannot be opened or decoded fails within a millisecond. How long the last moment takes tells a
file that is shorter or longer than here: an old copy.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from functools import partial

from drivers.asterisk import rest
from drivers.asterisk.ari import AriEvent
from drivers.asterisk.exchange import Exchange
from drivers.asterisk.plays import instant_s
from drivers.asterisk.rest import Reply
from ivrd.commands import Prompt
from ivrd.errors import CardError, Problem

AT_ONCE = 24
"""Files checked at a time; each takes about 80 ms."""

BESIDE_CALLS = 8
"""The same, while calls go on."""

LAST_S = 0.06
"""How much of each file is played."""

SHORT_BY_S = 0.015
"""How much sooner than due a file may end; one without the moment asked for ends after 21 ms."""

LONG_BY_S = 0.06
"""How much later than due a file may end: one frame of RTP, and a host with much to do."""

TRIES = 5
"""How often a file that fails is played before it is named: the host may be busy."""

FEW = 24
"""So many are played again one at a time, each with the host to itself."""

BEGIN_TRIES = 3
"""How often a channel for it is asked for."""

LIMIT_S = 15.0
"""How long the check of one file may take."""

_SILENCE = Reply(0).why


async def problems_of_files(
    exchange: Exchange, prompts: Collection[Prompt], at_once: int = AT_ONCE
) -> list[Problem]:
    """Return what is wrong with voice files as Asterisk sees them.

    All channels made for it have been hung up when this returns. Raises `CardError` where
    Asterisk cannot check them now.
    """
    problems: dict[Prompt, Problem] = {}
    todo: dict[str, Prompt] = {}
    for prompt in prompts:
        try:
            todo[exchange.media(prompt)] = prompt
        except ValueError:
            problems[prompt] = Problem("Asterisk does not see it", file=prompt.path,
                                       expected="a file under the folder of the option "
                                       "prompts_here", rule="elsewhere")  # fmt: skip
    tries = TRIES
    left = deque(todo.items())
    while left and tries:
        tries -= 1
        alone = tries < TRIES - 1 and len(left) <= FEW
        wrong = await _checked(exchange, left, 1 if alone else at_once)
        left = deque((media, todo[media]) for media in wrong)
        problems |= {todo[media]: problem for media, problem in wrong.items() if not tries}
    return [problems[prompt] for prompt in prompts if prompt in problems]


async def _checked(
    exchange: Exchange, files: deque[tuple[str, Prompt]], at_once: int
) -> dict[str, Problem]:
    """Play all files once, on several channels; return what is wrong by medium."""
    wrong: dict[str, Problem] = {}
    listeners = [_Listener(exchange) for _ in range(min(at_once, len(files)))]

    async def work(listener: _Listener) -> None:
        await listener.begin()
        while files:
            media, prompt = files.popleft()
            problem = await listener.problem(media, prompt)
            if problem:
                wrong[media] = problem

    tasks = [asyncio.create_task(work(listener)) for listener in listeners]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(listener.end() for listener in listeners))
    return wrong


class _Listener:
    """A channel of Asterisk that nobody hears, and what is played on it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._call = ""
        self._begun = False
        self._news: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
        self._playback = ""

    async def begin(self) -> None:
        """Make the channel; a busy Asterisk may fail at it once with an internal error."""
        kind = ""
        for _ in range(BEGIN_TRIES):
            call = self._call = self._exchange.new_id()
            self._exchange.claim(call, self)
            request = rest.silent_channel(call, self._exchange.options.app)
            self._exchange.send(request, partial(self._made, call))
            kind, _at_s = await self._next()
            if kind == "StasisStart":
                self._begun = True
                return
            if not kind.startswith("HTTP 5"):
                break
            await self.end()
        if kind == _SILENCE:
            raise CardError("Asterisk does not answer: voice files cannot be checked now")
        raise CardError(f"Asterisk cannot check voice files: {kind}; expected the modules "
                        "res_rtp_multicast and chan_rtp (modules.conf)")  # fmt: skip

    async def end(self) -> None:
        """Do away with it; return when Asterisk has been told, or cannot be."""
        if self._exchange.party(self._call) is not self:
            return
        self._exchange.release(self._call)
        told = asyncio.Event()
        self._exchange.send(rest.hang_up(self._call), lambda _: told.set())
        timer = self._exchange.clock.call_later(LIMIT_S, told.set)
        try:
            await told.wait()
        finally:
            timer.cancel()

    async def problem(self, media: str, prompt: Prompt) -> Problem | None:
        """Play the end of one file, and return what is wrong with it."""
        self._playback = self._exchange.new_id()
        skipped_ms = max(0, int((prompt.duration_s - LAST_S) * 1000))
        due_s = prompt.duration_s - skipped_ms / 1000
        request = rest.play(self._call, self._playback, [media], skipped_ms)
        self._exchange.send(request, self._taken)
        began_s = 0.0
        while True:
            kind, at_s = await self._next()
            if kind == "PlaybackStarted":
                began_s = at_s
            elif kind == "done":
                break
            elif kind == "failed":
                there = media.removeprefix("sound:")
                return Problem(f"Asterisk cannot play it (there: {there}.wav)", file=prompt.path,
                               expected="8 kHz mono 16-bit WAV that it may read",
                               rule="unplayable")  # fmt: skip
            else:
                raise CardError(f"Asterisk cannot check voice files: {kind}")
        took_s = at_s - began_s
        if due_s - SHORT_BY_S <= took_s <= due_s + LONG_BY_S:
            return None
        length = "shorter" if took_s < due_s else "longer"
        return Problem(f"Asterisk has a {length} one", file=prompt.path, rule="old-copy",
                       expected=f"the same file, {prompt.duration_s:.2f} s")  # fmt: skip

    def on_event(self, kind: str, event: AriEvent) -> None:
        """Take an event of the channel."""
        at_s = instant_s(event["timestamp"])
        if kind in {"StasisStart", "StasisEnd", "ChannelDestroyed"}:
            self._news.put_nowait((kind, at_s))
        elif "playback" in event and event["playback"]["id"] == self._playback:
            state = event["playback"]["state"]
            self._news.put_nowait((kind if kind == "PlaybackStarted" else state, at_s))

    def _taken(self, reply: Reply) -> None:
        if reply.at_s is not None:
            self._news.put_nowait(("PlaybackStarted", reply.at_s))
        self._told(reply)

    def _made(self, call: str, reply: Reply) -> None:
        if call == self._call and not self._begun:
            self._told(reply)

    def _told(self, reply: Reply) -> None:
        if not reply.ok:
            self._news.put_nowait((reply.why, 0.0))

    async def _next(self) -> tuple[str, float]:
        late = (_SILENCE, 0.0)
        timer = self._exchange.clock.call_later(LIMIT_S, lambda: self._news.put_nowait(late))
        try:
            return await self._news.get()
        finally:
            timer.cancel()
