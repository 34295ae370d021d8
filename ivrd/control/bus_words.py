"""What is said on the broker: topics, and the payloads that ivrd/control/schemas describe.

Every number of a person is masked here as on the operator's screen. `VERSION` stands in every
payload as ``v``; it changes when a field goes or changes its meaning, not when one is added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from ivrd import __version__
from ivrd.control.views import status_view
from ivrd.daemon import Daemon
from ivrd.dunning.closing import AttemptResult
from ivrd.dunning.reports import Standing
from ivrd.records import CallRecord, Role, Status

VERSION = 1

AT_ONCE_S = 0.001
"""A change that is younger is now."""

Payload: TypeAlias = dict[str, Any]

_DUNNING = {"on": "dunning_started", "off": "dunning_stopped", "paused": "dunning_paused",
            "starts": "dunning_set"}  # fmt: skip


class Topics:
    """The topics of one node."""

    def __init__(self, prefix: str, node: str) -> None:
        base = f"{prefix}/{node}"
        self.status = f"{base}/status"
        self.event = f"{base}/event"
        self.counters = f"{base}/counters"
        self.lines = f"{base}/line/"
        self.campaigns = f"{base}/campaign/"
        self.commands = f"{base}/command/"

    def line(self, number: int) -> str:
        """Return the topic of a line's state."""
        return f"{self.lines}{number}"

    def campaign(self, ident: int) -> str:
        """Return the topic of a campaign's progress."""
        return f"{self.campaigns}{ident}"


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at is not None else None


class LineStates:
    """Makes the state of each line, and remembers since when it has been so.

    A line counts its time in seconds of its clock; the instant is taken once, when it changes, so
    that a state that is sent again is the same to the letter.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._since: dict[int, tuple[object, str | None]] = {}

    def of(self, number: int) -> Payload:
        """Return the state of one line that is open."""
        daemon = self._daemon
        line = daemon.lines[number]
        talk = line.talk
        dunning = daemon.outbound.line_view(number) if daemon.outbound else None
        return {
            "v": VERSION,
            "line": number,
            "card": line.settings.card,
            "channel": line.channel.number,
            "role": line.settings.role.value,
            "enquiry": "stopped" if line.stopped else "started",
            "dunning": dunning["dunning"] if dunning else "off",
            "dunning_at": dunning["dunning_at"] if dunning else None,
            "state": line.status.value,
            "since": self._instant(number, line.since_s),
            "reason": line.reason,
            "call": talk.id if talk else "",
            "direction": talk.direction if talk else "",
            "number": talk.caller if talk else "",
            "lang": talk.call.lang if talk else "",
            "step": talk.call.state if talk else "",
        }

    def every(self) -> Iterator[Payload]:
        """Yield the state of every line that ivrd.toml has, whether or not its card is open."""
        daemon = self._daemon
        for number, card, channel, table in daemon.config.every_line():
            if number in daemon.lines:
                yield self.of(number)
                continue
            found = self._since.setdefault(number, (None, _iso(daemon.clock.now())))
            yield {
                "v": VERSION, "line": number, "card": card, "channel": channel,
                "role": (table.role if table else Role.ENQUIRY).value, "enquiry": "started",
                "dunning": "off", "dunning_at": None, "state": Status.OUT_OF_SERVICE.value,
                "since": found[1], "reason": daemon.cards[card].reason, "call": "",
                "direction": "", "number": "", "lang": "", "step": "",
            }  # fmt: skip

    def _instant(self, number: int, since_s: float) -> str | None:
        found = self._since.get(number)
        if found is None or found[0] != since_s:
            clock = self._daemon.clock
            # a change is told at once: it is now, unless it was before anybody listened
            at, ago_s = clock.now(), clock.monotonic() - since_s
            if ago_s > AT_ONCE_S:
                at = datetime.fromtimestamp(at.timestamp() - ago_s, at.tzinfo)
            found = self._since[number] = (since_s, _iso(at))
        return found[1]


def news(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Payload]:
    """Yield the events that make one state of a line into the next; ends of calls aside."""
    line = after["line"]
    away = Status.OUT_OF_SERVICE.value
    if after["state"] != before["state"] and away in {after["state"], before["state"]}:
        if after["state"] == away:
            yield {"event": "line_out_of_service", "line": line, "reason": after["reason"]}
        else:
            yield {"event": "line_back", "line": line}
    if after["dunning"] != before["dunning"] or after["dunning_at"] != before["dunning_at"]:
        yield {"event": _DUNNING[after["dunning"]], "line": line, "at_time": after["dunning_at"]}
    if after["enquiry"] != before["enquiry"]:
        yield {"event": f"enquiry_{after['enquiry']}", "line": line}
    if after["call"] and after["call"] != before["call"]:
        began = {name: after[name] for name in ("call", "line", "direction", "number")}
        yield {"event": "call_began", **began}


def ended(record: CallRecord) -> Payload:
    """Return the event of a call that has ended."""
    return {
        "event": "call_ended",
        "call": record.call,
        "line": record.line,
        "direction": record.direction,
        "number": record.caller,
        "lang": record.lang,
        "ended_by": record.ended_by,
        "left_in": record.left_in,
        "notes": list(record.notes),
        "lasted_s": record.lasted_s,
    }


def attempted(attempt: str, result: AttemptResult) -> Payload:
    """Return the event of an attempt to reach a debtor, and what came of it."""
    return {
        "event": "attempt_ended",
        "attempt": attempt,
        "call": result.call or "",
        "outcome": result.outcome.value,
        "cause": result.cause,
        "answered": result.answered,
        "confirmed": result.confirmed,
        "heard_percent": result.heard_percent,
    }


def status(daemon: Daemon, *, online: bool, why: str = "") -> Payload:
    """Return the state of the daemon itself; `why` it is offline."""
    mqtt = daemon.config.mqtt
    return {
        "v": VERSION,
        "node": daemon.config.node.name,
        "state": "online" if online else "offline",
        "why": why,
        "version": __version__,
        "started": daemon.started.isoformat(timespec="seconds"),
        "flow": f"{daemon.parts.machine.flow.name}@{daemon.parts.machine.hash}",
        "lines": [number for number, *_ in daemon.config.every_line()],
        "commands": bool(mqtt and mqtt.commands),
    }


def counters(daemon: Daemon, bus: Mapping[str, int]) -> Payload:
    """Return what the daemon has counted since its start; `bus` is what the bus has."""
    view = status_view(daemon)
    return {
        "v": VERSION,
        "at": _iso(daemon.clock.now()),
        "uptime_s": view["uptime_s"],
        "calls": view["calls"],
        "lines": view["lines"],
        "counters": view["counters"],
        "billing": view["billing"],
        "dunning": view["dunning"],
        "lookups_waiting": daemon.lookups_waiting,
        "bus": dict(bus),
    }


def campaign(ident: int, one: Standing) -> Payload:
    """Return how a campaign stands; nobody in it is named."""
    return {
        "v": VERSION,
        "id": ident,
        "name": one.name,
        "kind": one.kind,
        "state": one.state,
        "started": _iso(one.started_at),
        "ended": _iso(one.ended_at),
        "debtors": one.whole,
        "left": one.left,
        "by_state": dict(one.debtors),
        "outcomes": dict(one.outcomes),
        "owed_fen": one.owed_fen,
        "waits_for": one.waits_for,
        "next_at": _iso(one.next_at),
    }
