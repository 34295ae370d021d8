"""Requests of ARI as values, and their two forms: a frame on the event WebSocket, and HTTP.

Asterisk takes requests over the event WebSocket from 20.14.0, 21.9.0 and 22.4.0 on. It works
through them in the order in which they came, which spares waiting for each answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

EVENTS = (
    "ApplicationReplaced",
    "ChannelDestroyed",
    "ChannelDtmfReceived",
    "ChannelHangupRequest",
    "ChannelStateChange",
    "Dial",
    "PlaybackFinished",
    "PlaybackStarted",
    "RESTResponse",
    "StasisEnd",
    "StasisStart",
)
"""The events that the driver needs. The filter goes over answers too: with no RESTResponse in
it, Asterisk (22.10) carries requests out and never answers."""

_OVER_WEBSOCKET = {20: 14, 21: 9, 22: 4}
PLACED = "out"
"""With what a call that we placed comes into the application."""

NOWHERE = "ivrd-forwards-nothing"
"""A dialplan context that is not there: where Asterisk shall look when the far end answers a dial
with another number (SIP 301, 302). Else it would call that one, for which nobody gave a permit."""

_NUMBER = re.compile(r"\+?\d{3,}")
_WORDS = 120
"""How much is kept of what Asterisk says of a failure."""

_VERSION = re.compile(r"(?:certified[-/])?(\d+)\.(\d+)")


def takes_requests_over_websocket(version: str) -> bool:
    """Return whether an Asterisk of this version does; False where the version says nothing."""
    found = _VERSION.match(version)
    if not found or version.startswith("certified"):
        return False
    major, minor = int(found[1]), int(found[2])
    return major > 22 or minor >= _OVER_WEBSOCKET.get(major, minor + 1)


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `path` is what comes after ``/ari/``, its query included.

    `lane` is the channel or playback whose requests must be carried out in order.
    """

    method: str
    path: str
    lane: str = ""
    body: Mapping[str, Any] | None = None

    def frame(self, ident: str) -> str:
        """Return the text message for the event WebSocket."""
        message = {
            "type": "RESTRequest", "request_id": ident, "method": self.method, "uri": self.path,
        }  # fmt: skip
        if self.body is not None:
            message["content_type"] = "application/json"
            message["message_body"] = json.dumps(self.body)
        return json.dumps(message)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `status` is 0 where nothing did.

    `at_s` is when Asterisk carried the request out, by its own clock; None over HTTP.
    """

    status: int
    body: str = ""
    at_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the request was carried out."""
        return 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the channel or playback is not there (any more)."""
        return self.status == 404

    @property
    def why(self) -> str:
        """What went wrong, short: Asterisk's own words, with no number of a person in them."""
        if not self.status:
            return "no answer"
        try:
            told = json.loads(self.body)
            words = str(told.get("message") or told.get("error") or "")
        except (ValueError, AttributeError):
            words = ""
        words = _NUMBER.sub("…", " ".join(words.split()))[:_WORDS]
        return f"HTTP {self.status}: {words}" if words else f"HTTP {self.status}"


def answer(call: str) -> Request:
    """Answer a call."""
    return _post(call, "answer")


def ring(call: str) -> Request:
    """Let the far end of a call hear ringing."""
    return _post(call, "ring")


def end_ring(call: str) -> Request:
    """Let it no longer hear ringing."""
    return Request("DELETE", f"channels/{_in_path(call)}/ring", call)


def hang_up(call: str, reason: str = "normal") -> Request:
    """End a call; while it rings, `busy` gives the caller SIP 486."""
    return Request("DELETE", f"channels/{_in_path(call)}?reason={reason}", call)


def play(call: str, playback: str, media: Sequence[str], offset_ms: int = 0) -> Request:
    """Play a list of media, `offset_ms` into the first, on a playback of this id."""
    body: dict[str, Any] = {"media": list(media), "playbackId": playback}
    if offset_ms:
        body["offsetms"] = offset_ms
    return Request("POST", f"channels/{_in_path(call)}/play", call, body)


def stop(call: str, playback: str) -> Request:
    """End a playback."""
    return Request("DELETE", f"playbacks/{_in_path(playback)}", call)


def rtp_statistics(call: str) -> Request:
    """Ask how many packets of speech a call has been sent; see `packets_sent`."""
    return Request("GET", f"channels/{_in_path(call)}/rtp_statistics", call)


def packets_sent(reply: Reply) -> int | None:
    """Return what a reply to `rtp_statistics` tells; None where it tells nothing."""
    return int(json.loads(reply.body)["txcount"]) if reply.ok and reply.body else None


def create(call: str, app: str, endpoint: str, *, caller_id: str, longest_s: int) -> Request:
    """Make a call that is not dialled yet; it never lasts longer than `longest_s`.

    Asterisk follows a far end that names another number (SIP 301, 302) where it originates a
    call, and nobody gave a permit for that number. A call that is created and then dialled ends.
    """
    return Request("POST", "channels/create", call, {
        "endpoint": endpoint, "app": app, "appArgs": PLACED, "channelId": call,
        # what the far end sees is the connected line's number; `i`: it is not asked for again
        "variables": {"TIMEOUT(absolute)": str(longest_s), "CALLERID(num)": caller_id,
                      "CONNECTEDLINE(num,i)": caller_id},
    })  # fmt: skip


def dial(call: str, timeout_s: int) -> Request:
    """Dial a call that was created and has come into the application; before that it gets 409.

    `Dial` tells that it has begun, the state Up the answer.
    """
    return _post(call, f"dial?timeout={timeout_s}")


def originate(
    call: str, app: str, endpoint: str, *, caller_id: str, timeout_s: int, longest_s: int
) -> Request:
    """Call a person to whom a caller is handed; the call enters `app` when answered.

    Not by `create` and `dial`: after the dialplan's Bridge() such a call stays up by itself.
    """
    return Request("POST", "channels", call, {
        "endpoint": endpoint, "app": app, "appArgs": PLACED, "channelId": call,
        "callerId": caller_id, "timeout": timeout_s,
        "variables": {"TIMEOUT(absolute)": str(longest_s), "FORWARD_CONTEXT": NOWHERE},
    })  # fmt: skip


def set_variable(call: str, name: str, value: str) -> Request:
    """Set a channel's variable."""
    return _post(call, "variable", {"variable": name, "value": value})


def leave(call: str, context: str) -> Request:
    """Send a call on into the dialplan, to extension s of `context`."""
    return _post(call, "continue", {"context": context, "extension": "s", "priority": 1})


def forget(call: str, app: str) -> Request:
    """Send `app` no more events of a call that it placed; that alone keeps the application up."""
    source = quote(f"channel:{call}", safe="")
    return Request("DELETE", f"applications/{app}/subscription?eventSource={source}", call)


def silent_channel(call: str, app: str) -> Request:
    """Make a channel that nobody hears: RTP to the discard port of the host itself (RFC 863)."""
    return Request("POST", "channels/externalMedia", call, {
        "app": app, "channelId": call, "external_host": "127.0.0.1:9", "format": "ulaw",
    })  # fmt: skip


def filter_events(app: str, *, starts: bool = False) -> Request:
    """Send the application only the events that the driver needs.

    `starts` are told for every file of a list, thirty times for a bill: only where replies bear
    no time are they needed.
    """
    allowed = [{"type": kind} for kind in EVENTS if starts or kind != "PlaybackStarted"]
    return Request("PUT", f"applications/{_in_path(app)}/eventFilter", "", {"allowed": allowed})


def list_channels() -> Request:
    """List all channels of Asterisk."""
    return Request("GET", "channels")


def _post(call: str, what: str, body: Mapping[str, Any] | None = None) -> Request:
    return Request("POST", f"channels/{_in_path(call)}/{what}", call, body)


def _in_path(ident: str) -> str:
    return quote(ident, safe="")
