"""Lines on a software card in virtual time: calls without a daemon, and whole days of them.

The lines, the flow, the lookups and the logs are the daemon's own; only time and the callers are
not real. The same seed gives the same report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ivrd.assembly import Parts, assemble, enquiry_service
from ivrd.config import Config
from ivrd.line import CallRecord, Line, LineSettings, Service
from ivrd.linelog import LineLog, TraceFile
from ivrd.runner import InlineActions
from sim.card import SoftwareCard
from sim.clock import VirtualClock
from sim.crowd import Crowd
from sim.subscriber import Subscriber


class NoLog:
    """Takes a trace and forgets it."""

    def info(self, text: str) -> None:
        """Forget `text`."""


class Office:
    """One software card with its lines, on virtual time.

    With `logs` each line's trace is written there; else it is rendered and forgotten. `lookup_s`
    is how long every lookup takes, in virtual seconds.
    """

    def __init__(
        self,
        config: Config,
        start: datetime,
        *,
        lines: int,
        logs: Path | None = None,
        lookup_s: float = 0.02,
        settings: LineSettings | None = None,
    ) -> None:
        self.clock = VirtualClock(start)
        self.parts: Parts = assemble(config, self.clock.now)
        self.actions = InlineActions(self.parts.registry, self.clock, lookup_s)
        self.service: Service = enquiry_service(config, self.parts, self.actions)
        self.card = SoftwareCard(self.clock, channels=lines)
        self.records: list[CallRecord] = []
        self._files: list[TraceFile] = []
        settings = settings or LineSettings(1, when_stopped=config.enquiry.when_stopped)
        mask = config.log.private == "mask"
        self.lines: list[Line] = []
        for channel in self.card.open_now():
            writer: Any = NoLog()
            if logs is not None:
                writer = TraceFile(logs / f"line-{channel.number:02}.log", 0, 1, flush=False)
                self._files.append(writer)
            line = Line(
                replace(settings, number=channel.number), channel, self.clock, self.service,
                LineLog(writer, mask_private=mask),
            )  # fmt: skip
            line.on_end = self.records.append
            self.lines.append(line)

    def close(self) -> None:
        """Close the card, the logs and the database."""
        self.card.close_now()
        for file in self._files:
            file.close()
        self.parts.close()


@dataclass
class DayReport:
    """What a simulated day brought."""

    seed: int
    lines: int
    hours: float
    calls: int = 0
    turned_away: int = 0
    ended_by: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    busiest_hour: int = 0
    busiest_hour_calls: int = 0
    busiest_line: int = 0
    busiest_line_calls: int = 0
    talk_s: float = 0.0
    counters: dict[str, int] = field(default_factory=dict)

    def count(self, record: CallRecord) -> None:
        """Add one call."""
        self.calls += 1
        self.talk_s += record.lasted_s


OUTCOMES = (
    "told", "no_bill", "not_ready", "slow", "down", "failed", "locked_out", "not_confirmed",
    "closed", "stopped", "too_long", "not_found",
)  # fmt: skip
"""Notes of the enquiry flow that say what a call came to, the most telling first."""


def outcome(record: CallRecord) -> str:
    """Return in a word what a call came to."""
    for word in OUTCOMES:
        if word in record.notes:
            return word
    return "gave up" if record.ended_by == "caller" else "nothing keyed"


def subscribers(parts: Parts) -> list[Subscriber]:
    """Return what simulated callers know: some accounts of the billing database."""
    accounts = sorted(parts.reader.some_accounts(), key=lambda account: account.id)
    return [Subscriber(a.phone, a.agreement or "") for a in accounts if a.phone]


def months_before(now: datetime, count: int) -> list[str]:
    """Return the months before `now` as callers key them, newest first."""
    ordinals = [now.year * 12 + now.month - 1 - back for back in range(1, count + 1)]
    return [f"{ordinal // 12:04}{ordinal % 12 + 1:02}" for ordinal in ordinals]


def run_day(office: Office, *, hours: float, calls_a_day: int, seed: int) -> DayReport:
    """Let a crowd call for `hours` of virtual time; return what came of it."""
    report = DayReport(seed, len(office.lines), hours)
    by_hour: Counter[int] = Counter()
    by_line: Counter[int] = Counter()
    ended_by: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()

    def took(record: CallRecord) -> None:
        report.count(record)
        by_hour[record.began.hour] += 1
        by_line[record.line] += 1
        ended_by[record.ended_by] += 1
        outcomes[outcome(record)] += 1

    for line in office.lines:
        line.on_end = took
    months = months_before(office.clock.now(), office.parts.config.enquiry.months_back)
    crowd = Crowd(
        office.clock, office.card.call, subscribers(office.parts), months,
        seed=seed, calls_a_day=calls_a_day,
    )  # fmt: skip
    crowd.start()
    office.clock.run_for(hours * 3600)
    crowd.stop()
    office.clock.run_until_idle(3600)
    report.turned_away = office.card.turned_away
    report.ended_by = dict(sorted(ended_by.items()))
    report.outcomes = dict(outcomes.most_common())
    report.busiest_hour, report.busiest_hour_calls = _most(by_hour)
    report.busiest_line, report.busiest_line_calls = _most(by_line)
    report.talk_s = round(report.talk_s, 1)
    report.counters = _sum(office.lines)
    return report


def _most(counts: Counter[int]) -> tuple[int, int]:
    """Return the key with the highest count, the lowest of equals."""
    return min(counts.items(), key=lambda item: (-item[1], item[0])) if counts else (0, 0)


def _sum(lines: Iterable[Line]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for line in lines:
        for name, value in vars(line.counters).items():
            counts[name] += value
    return dict(counts)
