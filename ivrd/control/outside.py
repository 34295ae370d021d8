"""What a daemon shows beyond this machine: the bus and the metrics, where ivrd.toml has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrd.daemon import Daemon

if TYPE_CHECKING:
    from ivrd.control.metrics_server import MetricsServer
    from ivrd.control.mqtt import Bus


class Outside:
    """To be made before the daemon starts: what is set up wrong ends it before a line answers.

    Raises `ConfigError`.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._bus: Bus | None = None
        self._metrics: MetricsServer | None = None
        # who wants neither does not load them
        if daemon.config.mqtt is not None:
            from ivrd.control.mqtt import Bus  # noqa: PLC0415 - as above

            self._bus = Bus(daemon)
        if daemon.config.metrics is not None:
            from ivrd.control.metrics_server import MetricsServer  # noqa: PLC0415 - as above

            self._metrics = MetricsServer(daemon, self._bus)

    async def start(self) -> None:
        """Start, once the daemon has. Raises `ControlError` where nobody can listen."""
        if self._metrics is not None:
            await self._metrics.start()
        if self._bus is not None:
            await self._bus.start()

    async def stop(self) -> None:
        """Stop, after the daemon; safe to repeat."""
        if self._bus is not None:
            await self._bus.stop()
        if self._metrics is not None:
            await self._metrics.stop()
