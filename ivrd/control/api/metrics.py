"""The JSON interface in figures: who asked what, how it ended, how long it took."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from ivrd.control.metrics import LOOKUP_BUCKETS_S


class ApiMetrics:
    """Counts requests; a client is one of the clients' file, or "" where none was let in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "ivrd_api_requests", "Requests to the JSON interface.", ("client", "status"),
            registry=registry,
        )  # fmt: skip
        self._lasted = Histogram(
            "ivrd_api_request_seconds", "How long requests took, waiting included.",
            ("operation",), buckets=LOOKUP_BUCKETS_S, registry=registry,
        )  # fmt: skip

    def done(self, client: str, operation: str, status: int, took_s: float) -> None:
        """Count one request."""
        self._requests.labels(client, str(status)).inc()
        self._lasted.labels(operation).observe(took_s)
