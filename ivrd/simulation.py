"""Lines on a software card in virtual time: calls without a daemon, and whole days of them.

The lines, the flow, the lookups and the logs are the daemon's own; only time and the callers are
not real. The same seed gives the same report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ivrd.assembly import Parts, assemble, enquiry_service
from ivrd.config import Config
from ivrd.line import Line
from ivrd.linelog import LineLog, TraceFile
from ivrd.records import CallRecord, LineSettings
from ivrd.runner import InlineActions
from ivrd.service import Service
from ivrd.store.engine import Store, open_store
from sim.card import SoftwareCard
from sim.clock import VirtualClock
from sim.crowd import HOURS, Crowd, months_before
from sim.subscriber import Habits, Subscriber


class NoLog:
    """Takes a trace and forgets it."""

    def info(self, text: str) -> None:
        """Forget `text`."""


class Office:
    """One software card with its lines, on virtual time.

    With `logs` each line's trace is written there; else it is rendered and forgotten. `lookup_s`
    is how long every lookup takes, in virtual seconds. Without a `store` there is one in memory.
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
        store: Store | None = None,
    ) -> None:
        self.clock = VirtualClock(start)
        self.store = store or open_store("sqlite://", now=self.clock.now)
        self.parts: Parts = assemble(config, self.clock.now, self.store)
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


def run_day(
    office: Office,
    *,
    hours: float,
    calls_a_day: int,
    seed: int,
    habits: Habits | None = None,
    by_hour: Sequence[int] = HOURS,
    each_hour: Callable[[], None] | None = None,
) -> DayReport:
    """Let a crowd call for `hours` of virtual time, spread over the day as `by_hour` says.

    With `habits` all callers are alike: to measure, not to be believed.
    """
    months = months_before(office.clock.now(), office.parts.config.enquiry.months_back)
    crowd = Crowd(
        office.clock, office.card.call, subscribers(office.parts), months,
        seed=seed, calls_a_day=calls_a_day, habits=habits, by_hour=by_hour,
    )  # fmt: skip
    report = DayReport(seed, len(office.lines), hours)
    tally = _Tally(report)
    for line in office.lines:
        line.on_end = tally.took
    crowd.start()
    whole, rest = divmod(hours, 1)
    for _ in range(int(whole)):
        office.clock.run_for(3600)
        if each_hour is not None:
            each_hour()
    office.clock.run_for(rest * 3600)
    crowd.stop()
    office.clock.run_until_idle(3600)
    tally.close()
    report.turned_away = office.card.turned_away
    report.counters = _sum(office.lines)
    return report


class _Tally:
    """Counts calls as they end; nothing of a call is kept."""

    def __init__(self, report: DayReport) -> None:
        self._report = report
        self._by_hour: Counter[int] = Counter()
        self._by_line: Counter[int] = Counter()
        self._ended_by: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()

    def took(self, record: CallRecord) -> None:
        """Count one call."""
        self._report.calls += 1
        self._report.talk_s += record.lasted_s
        self._by_hour[record.began.hour] += 1
        self._by_line[record.line] += 1
        self._ended_by[record.ended_by] += 1
        self._outcomes[outcome(record)] += 1

    def close(self) -> None:
        """Write the counts into the report."""
        report = self._report
        report.ended_by = dict(sorted(self._ended_by.items()))
        report.outcomes = dict(self._outcomes.most_common())
        report.busiest_hour, report.busiest_hour_calls = _most(self._by_hour)
        report.busiest_line, report.busiest_line_calls = _most(self._by_line)
        report.talk_s = round(report.talk_s, 1)


def _most(counts: Counter[int]) -> tuple[int, int]:
    """Return the key with the highest count, the lowest of equals."""
    return min(counts.items(), key=lambda item: (-item[1], item[0])) if counts else (0, 0)


def _sum(lines: Iterable[Line]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for line in lines:
        for name, value in vars(line.counters).items():
            counts[name] += value
    return dict(counts)
