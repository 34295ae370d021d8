"""A small HTTP listener for those who watch: /metrics, /healthz, /readyz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from ivrd.control.health import Health, as_json
from ivrd.control.metrics import Metrics
from ivrd.daemon import Daemon
from ivrd.errors import ControlError

if TYPE_CHECKING:
    from ivrd.control.mqtt import Bus


class MetricsServer:
    """Answers on the address of ``[metrics] listen``; to be made before the daemon starts.

    Nobody is asked who they are: nothing private is told, and nothing can be ordered.
    """

    def __init__(self, daemon: Daemon, bus: Bus | None = None) -> None:
        table = daemon.config.metrics
        if table is None:
            raise ValueError("ivrd.toml has no [metrics]")
        self._table = table
        self._daemon = daemon
        self._bus = bus
        self._metrics = Metrics(daemon)
        self._health: Health | None = None
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._tell_metrics),
                web.get("/healthz", self._tell_alive),
                web.get("/readyz", self._tell_ready),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        """Listen. Raises `ControlError` where nobody can."""
        self._metrics.start(self._bus)
        self._health = Health(self._daemon)
        host, port = self._table.address
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            why = f"cannot listen on {self._table.listen}: {error.strerror or error}"
            raise ControlError(f"{why}; choose another with metrics.listen") from None

    async def stop(self) -> None:
        """Stop listening; safe to repeat."""
        await self._runner.cleanup()
        if self._health is not None:
            self._metrics.stop()
            self._health.close()
            self._health = None

    @property
    def port(self) -> int:
        """The port on which it listens."""
        port: int = self._runner.addresses[0][1]
        return port

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
