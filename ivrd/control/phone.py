"""A telephone on the control interface: calls the software card, tells what is heard."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from ivrd.card import VoiceCard
from ivrd.commands import Utterance
from ivrd.daemon import Daemon
from ivrd.errors import ControlError, PromptError


class Telephone(Protocol):
    """The far end's telephone in one call, as the software card gives it."""

    answered_s: float | None

    def key(self, key: str) -> None:
        """Press a key."""

    def hang_up(self) -> None:
        """Hang up."""

    def write_wav(self, path: Path) -> None:
        """Write what was heard."""


async def phone(request: web.Request, daemon: Daemon) -> web.WebSocketResponse:
    """Place one call and carry it over a WebSocket until it has ended.

    ``caller``, ``called``, ``card`` and ``wav`` are taken from the query. Sends ringing, busy,
    answered, heard (a sentence as it begins), quiet and ended; then the WAV if it was asked for.
    Takes ``{"key": "1"}`` and ``{"hang_up": true}``.
    """
    query = request.query
    card = _callable_card(daemon, query.get("card", ""))
    socket = web.WebSocketResponse(heartbeat=30)
    await socket.prepare(request)
    party = _Party(daemon)
    try:
        card.call(query.get("caller", ""), query.get("called", "170"), party)
    except ValueError as error:
        await socket.send_json({"event": "refused", "error": str(error)})
        await socket.close()
        return socket
    sender = asyncio.create_task(_send_all(socket, party.messages))
    try:
        await _take_keys(socket, party, sender)
        if party.telephone is not None:
            party.telephone.hang_up()
        await sender
        if query.get("wav") and party.telephone is not None and not socket.closed:
            await socket.send_bytes(await asyncio.to_thread(_wav, party.telephone))
    finally:
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionResetError):
            await sender
        await socket.close()
    return socket


def _callable_card(daemon: Daemon, name: str) -> Any:
    """Return an open card that can be called from here; the contract does not ask for it."""
    for state in daemon.cards.values():
        if name in {"", state.table.name} and _can_be_called(state.card) and state.open:
            return state.card
    which = f"card {name!r}" if name else "an open software card"
    raise ControlError(f"there is no {which} to call; `ivrd status` lists the cards")


def _can_be_called(card: VoiceCard) -> bool:
    return callable(getattr(card, "call", None))


async def _take_keys(
    socket: web.WebSocketResponse, party: _Party, sender: asyncio.Task[None]
) -> None:
    """Hand keys on until either side is done."""
    while not sender.done():
        receive = asyncio.ensure_future(socket.receive())
        await asyncio.wait({receive, sender}, return_when=asyncio.FIRST_COMPLETED)
        if not receive.done():
            receive.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await receive
            return
        message = receive.result()
        if message.type is not WSMsgType.TEXT:
            return
        order = _order(message.data)
        if order.get("hang_up"):
            return
        if party.telephone is not None and "key" in order:
            with contextlib.suppress(ValueError):
                party.telephone.key(str(order["key"]))


def _order(text: str) -> dict[str, Any]:
    try:
        order = json.loads(text)
    except ValueError:
        return {}
    return order if isinstance(order, dict) else {}


async def _send_all(
    socket: web.WebSocketResponse, messages: asyncio.Queue[dict[str, Any] | None]
) -> None:
    while (message := await messages.get()) is not None:
        if not socket.closed:
            await socket.send_str(json.dumps(message, ensure_ascii=False))


def _wav(telephone: Telephone) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "heard.wav"
        try:
            telephone.write_wav(path)
        except PromptError:
            return b""
        return path.read_bytes()


class _Party:
    """Who holds the telephone: tells everything to the socket."""

    follows_sentences = True

    def __init__(self, daemon: Daemon) -> None:
        self._clock = daemon.clock
        self._began_s = daemon.clock.monotonic()
        self.telephone: Telephone | None = None
        self.messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def _tell(self, event: str, **more: Any) -> None:
        at_s = round(self._clock.monotonic() - self._began_s, 3)
        self.messages.put_nowait({"event": event, "at_s": at_s, **more})

    def joined(self, leg: Telephone) -> None:
        self.telephone = leg
        self._tell("ringing")

    def answered(self) -> None:
        self._tell("answered")

    def playing(self, utterances: Sequence[Utterance]) -> None:
        """Every sentence is told by itself, as it begins."""

    def hears(self, utterance: Utterance) -> None:
        self._tell("heard", sentence=utterance.sentence, text=utterance.text, lang=utterance.lang)

    def silence(self) -> None:
        self._tell("quiet")

    def ended(self, by: str) -> None:
        who = {"ivrd": "ivrd", "far_end": "caller"}.get(str(by))
        if who is None:
            self._tell("busy")
        else:
            self._tell("ended", by=who)
        self.messages.put_nowait(None)
