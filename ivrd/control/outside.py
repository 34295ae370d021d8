"""What a daemon shows beyond this machine: the bus, metrics and the JSON interface, where asked."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ivrd.daemon import Daemon
from ivrd.errors import ConfigError

if TYPE_CHECKING:
    from ivrd.control.api.server import ApiServer
    from ivrd.control.listener import Listeners
    from ivrd.control.metrics_server import MetricsServer
    from ivrd.control.mqtt import Bus


class Outside:
    """To be made before the daemon starts: what is set up wrong ends it before a line answers.

    Raises `ConfigError`.
    """

    def __init__(self, daemon: Daemon) -> None:
        config = daemon.config
        self._bus: Bus | None = None
        self._listeners: Listeners | None = None
        self._metrics: MetricsServer | None = None
        self._api: ApiServer | None = None
        # who wants none of them does not load them
        if config.mqtt is not None:
            from ivrd.control.mqtt import Bus  # noqa: PLC0415 - as above

            self._bus = Bus(daemon)
        if config.metrics is not None or config.api is not None:
            from ivrd.control.listener import Listeners  # noqa: PLC0415 - as above

            self._listeners = Listeners()
            try:
                self._share(daemon, self._listeners)
            except ConfigError as error:
                at = [one if one.file else replace(one, file=config.path) for one in error.problems]
                raise ConfigError(at) from None

    def _share(self, daemon: Daemon, listeners: Listeners) -> None:
        """Make what is asked over HTTP, each part on the address that it names."""
        metrics, api = daemon.config.metrics, daemon.config.api
        if api is not None:
            from ivrd.control.api.live import Live  # noqa: PLC0415 - as above
            from ivrd.control.api.server import ApiServer  # noqa: PLC0415 - as above

            live = Live(daemon.config, api, time.monotonic)
            at = listeners.at("api.listen", api.listen, live.tls)
            self._api = ApiServer(daemon, api, live, at)
        if metrics is not None:
            from ivrd.control.metrics_server import MetricsServer  # noqa: PLC0415 - as above

            at = listeners.at("metrics.listen", metrics.listen)
            self._metrics = MetricsServer(daemon, at, self._bus)
        if self._metrics is not None and self._api is not None:
            from ivrd.control.api.metrics import ApiMetrics  # noqa: PLC0415 - as above

            self._api.on_done = ApiMetrics(self._metrics.registry).done

    async def start(self) -> None:
        """Start, once the daemon has. Raises `ControlError` where nobody can listen."""
        if self._metrics is not None:
            self._metrics.start()
        if self._api is not None:
            self._api.start()
        if self._listeners is not None:
            await self._listeners.start()
        if self._bus is not None:
            await self._bus.start()

    async def stop(self) -> None:
        """Stop, after the daemon; safe to repeat."""
        if self._bus is not None:
            await self._bus.stop()
        if self._listeners is not None:
            await self._listeners.stop()
        if self._metrics is not None:
            self._metrics.stop()
