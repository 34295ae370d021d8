"""The daemon as Prometheus sees it: counts, gauges and histograms, without private data.

Every label comes from a fixed set: cards and lines of ivrd.toml, outcomes, reasons, the actions of
the flows. Most values are read when they are asked for and cost nothing in between.
"""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from ivrd import __version__
from ivrd.control.views import lines_view
from ivrd.daemon import Daemon
from ivrd.flow.actions import Action, Answer
from ivrd.records import CallRecord, Status

if TYPE_CHECKING:
    from ivrd.control.mqtt import Bus

EVENT_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
LOOKUP_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
CALL_BUCKETS_S = (5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600)

_OF_LINES = {
    "refused": ("ivrd_calls_refused", "Calls not answered: the line is off or stopped."),
    "watchdog": ("ivrd_watchdog_resets", "Calls given up because they waited too long."),
    "card_faults": ("ivrd_card_faults", "What a card failed to tell or to do."),
    "keys_dropped": ("ivrd_keys_dropped", "Keys for which there was no room."),
    "stale": ("ivrd_events_stale", "Events that came too late to mean anything."),
    "errors": ("ivrd_errors", "Faults on a line, each told in its log."),
}


class Metrics:
    """Counts for one daemon; to be made before it starts."""

    def __init__(self, daemon: Daemon) -> None:
        self.registry = CollectorRegistry()
        self._daemon = daemon
        self._calls = Counter(
            "ivrd_calls", "Calls that have ended.", ("direction", "ended_by"),
            registry=self.registry,
        )  # fmt: skip
        self._lasted = Histogram(
            "ivrd_call_seconds", "How long calls lasted.", ("direction",),
            buckets=CALL_BUCKETS_S, registry=self.registry,
        )  # fmt: skip
        self._events = Histogram(
            "ivrd_event_seconds", "From an event on a line to the last order upon it.",
            buckets=EVENT_BUCKETS_S, registry=self.registry,
        )  # fmt: skip
        self._lookups = Histogram(
            "ivrd_lookup_seconds", "How long lookups took, waiting included.",
            ("action", "answer"), buckets=LOOKUP_BUCKETS_S, registry=self.registry,
        )  # fmt: skip
        daemon.on_fed = self._events.observe

    def start(self, bus: Bus | None) -> None:
        """Listen to the daemon, which has started."""
        self._daemon.enders.add(self._ended)
        self._daemon.actions.on_done = self._looked_up
        self.registry.register(_Now(self._daemon, bus))
        ProcessCollector(registry=self.registry)

    def stop(self) -> None:
        """Listen no more."""
        self._daemon.enders.discard(self._ended)
        self._daemon.actions.on_done = None

    def _ended(self, record: CallRecord) -> None:
        self._calls.labels(record.direction, record.ended_by).inc()
        self._lasted.labels(record.direction).observe(record.lasted_s)

    def _looked_up(self, action: Action, answer: Answer, took_s: float) -> None:
        self._lookups.labels(action.name, answer.event).observe(took_s)


class _Now(Collector):
    """What the daemon says of itself at this moment."""

    def __init__(self, daemon: Daemon, bus: Bus | None) -> None:
        self._daemon = daemon
        self._bus = bus

    def collect(self) -> Iterator[Metric]:
        """Yield everything that is read when it is asked for."""
        daemon = self._daemon
        about = GaugeMetricFamily(
            "ivrd_info", "Version and flow of this daemon.", labels=("version", "node", "flow")
        )
        flow = daemon.parts.machine
        about.add_metric((__version__, daemon.config.node.name, f"{flow.flow.name}@{flow.hash}"), 1)
        yield about
        yield GaugeMetricFamily(
            "ivrd_start_time_seconds", "When the daemon started, since 1970.",
            value=daemon.started.timestamp(),
        )  # fmt: skip
        yield from self._of_lines()
        yield from self._of_cards()
        yield from self._of_dunning()
        if self._bus is not None:
            yield from self._of_bus(self._bus)

    def _of_lines(self) -> Iterator[Metric]:
        views = lines_view(self._daemon)
        states = Count(view["status"] for view in views)
        lines = GaugeMetricFamily("ivrd_lines", "Lines by state.", labels=("state",))
        for status in Status:
            lines.add_metric((status.value,), states[status.value])
        yield lines
        now = Count(view["direction"] for view in views if view["call"])
        calls = GaugeMetricFamily("ivrd_calls_now", "Calls under way.", labels=("direction",))
        for direction in ("in", "out"):
            calls.add_metric((direction,), now[direction])
        yield calls
        for name, (metric, told) in _OF_LINES.items():
            by_line = CounterMetricFamily(metric, told, labels=("line",))
            for view in views:
                by_line.add_metric((str(view["line"]),), view["counters"].get(name, 0))
            yield by_line

    def _of_cards(self) -> Iterator[Metric]:
        cards = GaugeMetricFamily("ivrd_card_open", "Whether a card is open.", labels=("card",))
        for name, state in self._daemon.cards.items():
            cards.add_metric((name,), int(state.open))
        yield cards
        billing = GaugeMetricFamily(
            "ivrd_billing_up", "Whether the last lookup reached the billing data in time.",
            value=int(self._daemon.billing.state == "up"),
        )  # fmt: skip
        yield billing
        imports = self._daemon.imports
        if imports is not None and imports.age_s is not None:
            yield GaugeMetricFamily(
                "ivrd_billing_data_age_seconds", "How old the imported billing data is.",
                value=imports.age_s,
            )  # fmt: skip
        yield GaugeMetricFamily(
            "ivrd_lookups_waiting", "Lookups that no thread has begun.",
            value=self._daemon.lookups_waiting,
        )  # fmt: skip

    def _of_dunning(self) -> Iterator[Metric]:
        outbound, gate = self._daemon.outbound, self._daemon.parts.gate
        if outbound is None or gate is None:
            return
        counts = outbound.dialler.counts
        attempts = CounterMetricFamily(
            "ivrd_attempts", "Attempts to reach debtors, by outcome.", labels=("outcome",)
        )
        for outcome, count in tuple(counts.outcomes.items()):
            attempts.add_metric((outcome,), count)
        yield attempts
        refusals = CounterMetricFamily(
            "ivrd_gate_refusals", "Calls that the gate held, by reason.", labels=("reason",)
        )
        for reason, count in tuple(gate.refusals.items()):
            refusals.add_metric((reason,), count)
        yield refusals
        yield CounterMetricFamily("ivrd_dials", "Calls placed to debtors.", value=counts.dialled)
        yield CounterMetricFamily(
            "ivrd_dials_lost_to_callers", "Calls not placed because a caller rang first.",
            value=counts.lost_to_callers,
        )  # fmt: skip
        yield GaugeMetricFamily(
            "ivrd_outcomes_unsaved", "Outcomes that are not written yet.", value=counts.unsaved
        )

    def _of_bus(self, bus: Bus) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "ivrd_mqtt_connected", "Whether the broker is there.", value=int(bus.connected)
        )
        waiting = GaugeMetricFamily(
            "ivrd_mqtt_waiting", "What waits to be sent to the broker.", labels=("kind",)
        )
        waiting.add_metric(("state",), bus.outbox.states)
        waiting.add_metric(("event",), bus.outbox.events)
        yield waiting
        yield CounterMetricFamily("ivrd_mqtt_sent", "Messages sent.", value=bus.sent)
        yield CounterMetricFamily(
            "ivrd_mqtt_events_dropped", "Events for which there was no room.",
            value=bus.outbox.dropped,
        )  # fmt: skip
        yield CounterMetricFamily(
            "ivrd_mqtt_connections", "Times the broker was reached.", value=bus.connections
        )
