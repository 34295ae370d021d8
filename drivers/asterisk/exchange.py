"""What the channels of one card share: requests, ids, and who is told of which call."""

from __future__ import annotations

import itertools
from pathlib import Path, PurePath
from typing import Protocol

from drivers.asterisk.ari import AriEvent, Done
from drivers.asterisk.options import Options
from drivers.asterisk.rest import Request
from ivrd.clock import Clock
from ivrd.commands import Prompt


class Sender(Protocol):
    """Who carries requests to Asterisk: `drivers.asterisk.ari.AriClient`."""

    def send(self, request: Request, done: Done | None = None) -> None:
        """Send a request, in order with the others of its lane; return at once."""


class Party(Protocol):
    """Who is told of the events of a call."""

    def on_event(self, kind: str, event: AriEvent) -> None:
        """Take an event of a call that it has claimed."""


class Exchange:
    """Requests, ids and the register of calls.

    Ids are ours wherever ARI lets us choose, are registered before the request that makes them
    known to Asterisk, and are never used twice: an answer may come after its events.
    """

    def __init__(self, client: Sender, options: Options, clock: Clock, token: str) -> None:
        self.options = options
        self.clock = clock
        self.now_s = 0.0
        """The timestamp of the last event, in seconds."""
        self.prefix = f"ivrd.{options.app}."
        """How the ids of all calls begin that cards of this application ever placed."""
        self._client = client
        self._token = token
        self._serial = itertools.count(1)
        self._parties: dict[str, Party] = {}
        self._media: dict[Path, str] = {}

    def send(self, request: Request, done: Done | None = None) -> None:
        """Send a request, in order with the others of its lane."""
        self._client.send(request, done)

    def new_id(self) -> str:
        """Return an id for a call or playback."""
        return f"{self.prefix}{self._token}.{next(self._serial)}"

    def claim(self, call: str, party: Party) -> None:
        """Tell `party` of all events of a call from now on."""
        self._parties[call] = party

    def release(self, call: str) -> None:
        """Tell nobody any more; what still comes of the call is dropped."""
        self._parties.pop(call, None)

    def party(self, call: str) -> Party | None:
        """Return who has claimed a call."""
        return self._parties.get(call)

    def calls(self) -> set[str]:
        """Return the ids of all calls that are claimed."""
        return set(self._parties)

    def release_all(self) -> None:
        """Forget all calls: the connection is lost, and with it what becomes of them."""
        self._parties.clear()

    def media(self, prompt: Prompt) -> str:
        """Return how Asterisk is told to play a voice file: its path there, without .wav.

        Raises `ValueError` for a file that is not in the folder that Asterisk sees.
        """
        media = self._media.get(prompt.path)
        if media is None:
            path: PurePath = prompt.path.absolute()
            if self.options.prompts:
                here, there = self.options.prompts
                path = there / path.relative_to(here)
            media = self._media[prompt.path] = f"sound:{path.with_suffix('')}"
        return media
