"""The daemon's state as JSON: what the command line, the console and the bus show."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict
from typing import Any

from ivrd import __version__
from ivrd.daemon import Daemon
from ivrd.line import Line

NO_DUNNING = {"dunning": "off", "dunning_at": None}


def line_view(daemon: Daemon, line: Line, now_s: float) -> dict[str, Any]:
    """Return one line; numbers of callers are masked, times are seconds."""
    talk = line.talk
    outbound = daemon.outbound
    return {
        **(outbound.line_view(line.number) if outbound else NO_DUNNING),
        "line": line.number,
        "card": line.settings.card,
        "channel": line.channel.number,
        "role": line.settings.role.value,
        "stopped": line.stopped,
        "status": line.status.value,
        "reason": line.reason,
        "call": talk.id if talk else "",
        "caller": talk.caller if talk else "",
        "direction": talk.direction if talk else "",
        "lang": talk.call.lang if talk else "",
        "step": talk.call.state if talk else "",
        "in_step_s": round(now_s - line.since_s, 3),
        "in_call_s": round(now_s - talk.began_s, 3) if talk else None,
        "sentence": line.sentence,
        "calls": line.counters.calls,
        "counters": asdict(line.counters),
    }


def lines_view(daemon: Daemon) -> list[dict[str, Any]]:
    """Return all configured lines; those of a card that is not open are out of service."""
    now_s = daemon.clock.monotonic()
    views = {number: line_view(daemon, line, now_s) for number, line in daemon.lines.items()}
    for number, card, channel, table in daemon.config.every_line():
        if number not in views:
            views[number] = {
                "line": number, "card": card, "channel": channel,
                "role": table.role.value if table else "enquiry", "stopped": False,
                "status": "out of service", "reason": daemon.cards[card].reason, "call": "",
                "caller": "", "direction": "", "lang": "", "step": "", "in_step_s": None,
                "in_call_s": None, "sentence": "", "calls": 0, "counters": {}, **NO_DUNNING,
            }  # fmt: skip
    return [views[number] for number in sorted(views)]


def status_view(daemon: Daemon) -> dict[str, Any]:
    """Return the daemon as a whole."""
    lines = lines_view(daemon)
    counters: Counter[str] = Counter()
    for line in lines:
        counters.update(line["counters"])
    flow = daemon.parts.machine.flow
    return {
        "version": __version__,
        "node": daemon.config.node.name,
        "pid": os.getpid(),
        "started": daemon.started.isoformat(timespec="seconds"),
        "uptime_s": round(daemon.clock.monotonic() - daemon.started_s, 1),
        "config": str(daemon.config.path),
        "flow": {
            "name": flow.name,
            "hash": daemon.parts.machine.hash,
            "file": str(flow.place.file),
        },
        "disclosure": daemon.config.enquiry.disclosure,
        "languages": list(daemon.config.node.languages),
        "cards": [
            {
                "name": name,
                "driver": state.table.driver,
                "state": "open" if state.open else "not open",
                "reason": state.reason,
                "channels": state.table.channels,
            }
            for name, state in daemon.cards.items()
        ],
        "lines": dict(Counter(line["status"] for line in lines)),
        "calls": {
            "now": sum(1 for line in lines if line["call"]),
            "total": daemon.tally.calls,
            "ended_by": dict(daemon.tally.ended_by),
            "notes": dict(daemon.tally.notes),
        },
        "billing": daemon.billing.view(),
        "billing_outage": daemon.billing.outage_view(),
        "imported": daemon.imports.view() if daemon.imports else None,
        "dunning": daemon.outbound.view() if daemon.outbound else None,
        "counters": dict(counters),
    }
