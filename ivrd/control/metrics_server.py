"""What those who watch are told over HTTP: /metrics, /healthz, /readyz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from ivrd.control.health import Health, as_json
from ivrd.control.listener import Listener
from ivrd.control.metrics import Metrics
from ivrd.daemon import Daemon

if TYPE_CHECKING:
    from ivrd.control.mqtt import Bus


class MetricsServer:
    """Tells it on a listener, perhaps beside others; to be made before the daemon starts.

    Nobody is asked who they are: nothing private is told, and nothing can be ordered.
    """

    def __init__(self, daemon: Daemon, listener: Listener, bus: Bus | None = None) -> None:
        self._daemon = daemon
        self._bus = bus
        self._metrics = Metrics(daemon)
        self._health: Health | None = None
        listener.app.add_routes(
            [
                web.get("/metrics", self._tell_metrics),
                web.get("/healthz", self._tell_alive),
                web.get("/readyz", self._tell_ready),
            ]
        )

    @property
    def registry(self) -> CollectorRegistry:
        """What is told at /metrics."""
        return self._metrics.registry

    def start(self) -> None:
        """Count from now on: the daemon has started, the listener is about to."""
        self._metrics.start(self._bus)
        self._health = Health(self._daemon)

    def stop(self) -> None:
        """Count no more; safe to repeat."""
        if self._health is not None:
            self._metrics.stop()
            self._health.close()
            self._health = None

    async def _tell_metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(
            body=encode(self._metrics.registry), headers={"Content-Type": content_type}
        )

    async def _tell_alive(self, _: web.Request) -> web.Response:
        # that it is answered is the answer: this loop is the one that carries the calls
        uptime_s = round(self._daemon.clock.monotonic() - self._daemon.started_s, 1)
        return web.json_response({"alive": True, "uptime_s": uptime_s})

    async def _tell_ready(self, _: web.Request) -> web.Response:
        if self._health is None:
            return web.json_response({"ready": False, "checks": {}}, status=503)
        told = as_json(await self._health.checks())
        return web.json_response(told, status=200 if told["ready"] else 503)
