"""A mosquitto that is killed and started again, by a process that carries no call.

As a program of its own: ``python -m bench.broker PORT KILLS SECONDS`` kills and starts one so
often, evenly spread, and leaves it running until the input ends.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AWAY = 0.25
"""Which part of the time between two kills the broker is not there."""


def program() -> str | None:
    """Return the broker's program; Debian puts it where only root looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Broker:
    """A mosquitto on a loopback port; blocking."""

    def __init__(self, folder: Path, port: int) -> None:
        self._program = program() or "mosquitto"
        self._port = port
        self._file = folder / "mosquitto.conf"
        self._file.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nset_tcp_nodelay true\n",
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, if it does not run, and wait until it listens."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(  # noqa: S603 - the broker, on our own file
            [self._program, "-c", str(self._file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.01)
        raise RuntimeError("mosquitto does not listen")

    def kill(self) -> None:
        """Kill it, with all that it retained."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def main() -> None:
    """Kill and start, then wait for the end of the input."""
    port, kills, seconds = (int(word) for word in sys.argv[1:4])
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder), port)
        broker.start()
        sys.stdout.write("listens\n")
        sys.stdout.flush()
        try:
            for _ in range(kills):
                time.sleep(seconds / kills * (1 - AWAY))
                broker.kill()
                time.sleep(seconds / kills * AWAY)
                broker.start()
            sys.stdout.write("no more kills\n")
            sys.stdout.flush()
            sys.stdin.read()
        finally:
            broker.kill()


if __name__ == "__main__":
    main()
