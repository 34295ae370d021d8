"""A channel of the card on virtual time; requests are kept, replies and events are the test's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from drivers.asterisk.ari import Done
from drivers.asterisk.channel import AsteriskChannel
from drivers.asterisk.exchange import Exchange
from drivers.asterisk.options import Options, read_options
from drivers.asterisk.plays import instant_s
from drivers.asterisk.rest import Reply, Request
from ivrd.commands import Prompt, Utterance
from ivrd.events import Event
from sim.clock import VirtualClock

EPOCH_S = 1.8e9
"""Second 0 of the events made here."""

RECORDED = Path(__file__).parent / "asterisk_events"


def options(**more: object) -> Options:
    """Return options; the password is of no use here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IVRD_TEST_ARI", "secret")
        given = {"password_env": "IVRD_TEST_ARI", "endpoint": "PJSIP/{digits}@trunk", **more}
        return read_options(1, given)


class StandIn:
    """A channel, all that it sent to its line, and all that it asked of Asterisk."""

    def __init__(self, **more: object) -> None:
        self.clock = VirtualClock(datetime(2026, 11, 2, 9, 0, tzinfo=UTC))
        self.exchange = Exchange(self, options(**more), self.clock, "T")
        self.channel = AsteriskChannel(1, self.exchange)
        self.sent: list[Event] = []
        self.asked: list[tuple[Request, Done | None]] = []
        self._begun: set[str] = set()
        self.replies_bear_time = False
        """Whether the reply to a play tells when it began, instead of an event for every file."""
        self.channel.connect(self.sent.append)

    def send(self, request: Request, done: Done | None = None) -> None:
        self.asked.append((request, done))

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.sent]

    def reply(
        self, status: int = 204, index: int = -1, body: str = "", at_s: float | None = None
    ) -> None:
        """Reply to a request; the last one unless said otherwise.

        `at_s` is when Asterisk did it, in the seconds of `event`; None as over HTTP.
        """
        done = self.asked[index][1]
        if done:
            done(Reply(status, body, None if at_s is None else EPOCH_S + at_s))

    def tell(self, event: dict[str, Any]) -> None:
        """Give an event to whom its call belongs, as the card does."""
        if event["type"] == "PlaybackStarted" and self.replies_bear_time:
            self._begins(event["playback"]["id"], instant_s(event["timestamp"]) - EPOCH_S)
            return
        playback = event.get("playback")
        call = playback["target_uri"][8:] if playback else event["channel"]["id"]
        self.exchange.now_s = instant_s(event["timestamp"])
        party = self.exchange.party(call)
        if party:
            party.on_event(event["type"], event)

    def _begins(self, playback: str, at_s: float) -> None:
        for index, (request, _) in enumerate(self.asked):
            ordered = request.body is not None and request.body.get("playbackId") == playback
            if ordered and playback not in self._begun:
                self._begun.add(playback)
                self.reply(201, index, at_s=at_s)

    def pass_s(self, seconds: float) -> None:
        self.clock.run_until(self.clock.monotonic() + seconds)


def recorded(name: str) -> Iterator[dict[str, Any]]:
    """Yield the events of a real call, as Asterisk 22.10 sent them."""
    for line in (RECORDED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def event(kind: str, call: str = "1.1", at_s: float = 0.0, **more: Any) -> dict[str, Any]:
    """Make an event of a call."""
    timestamp = datetime.fromtimestamp(EPOCH_S + at_s, UTC).isoformat(timespec="milliseconds")
    made: dict[str, Any] = {"type": kind, "timestamp": timestamp}
    made["channel"] = {"id": call, "name": f"PJSIP/{call}", "state": more.pop("state", "Up")}
    return made | more


def playback(kind: str, ident: str, state: str, at_s: float, call: str = "1.1") -> dict[str, Any]:
    """Make an event of a playback."""
    made = event(kind, call, at_s)
    del made["channel"]
    made["playback"] = {"id": ident, "state": state, "target_uri": f"channel:{call}"}
    return made


def speech(*lengths_s: float) -> list[Utterance]:
    """Make sentences of one voice file each."""
    return [
        Utterance(
            f"s{n}", "zh-CN", (Prompt(f"s{n}", "", Path(f"/voice/s{n}.wav"), round(s * 8000)),)
        )
        for n, s in enumerate(lengths_s)
    ]
