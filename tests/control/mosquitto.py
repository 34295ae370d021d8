"""A mosquitto of the tests' own: free loopback port, private folder, killed and started at will."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import aiomqtt

SOON_S = 0.01


def missing() -> str:
    """Return why the broker cannot be run here; "" where it can."""
    return "" if program() else "mosquitto is not installed (apt-get install mosquitto)"


def program() -> str | None:
    """Return the broker's program; Debian puts it where only root looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Mosquitto:
    """One broker that remembers nothing from one start to the next."""

    def __init__(self, folder: Path, settings: str = "allow_anonymous true\n") -> None:
        found = program()
        assert found is not None
        self._program = found
        self.port = free_port()
        self._file = folder / "mosquitto.conf"
        # as root it would become another user, who cannot read the tests' folders
        text = f"listener {self.port} 127.0.0.1\nuser root\nset_tcp_nodelay true\n{settings}"
        self._file.write_text(text, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start, and wait until it listens."""
        self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - it returns at once
            [self._program, "-c", str(self._file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while not await self._listens():
                assert self._process.poll() is None, "mosquitto ended"
                await asyncio.sleep(SOON_S)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    def signal(self, signum: int) -> None:
        """Send it a signal, such as SIGSTOP."""
        assert self._process is not None
        self._process.send_signal(signum)

    def kill(self) -> None:
        """Kill it; all that it retained is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


async def retained(port: int, under: str = "ivrd/#") -> dict[str, dict[str, Any]]:
    """Return what the broker retains, by topic: at QoS 0 it sends all of it at once."""
    found: dict[str, dict[str, Any]] = {}
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(under, 0)
        await client.unsubscribe(under)
        for _ in range(len(client.messages)):
            message = await anext(client.messages)
            if message.retain:
                found[message.topic.value] = json.loads(message.payload)
    return found


class Watch:
    """Takes everything that comes on a topic, from a subscription of its own."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.seen: list[tuple[str, dict[str, Any]]] = []

    async def until(self, topic: str, **fields: Any) -> dict[str, Any]:
        """Return the first message on a topic's end that has these fields."""
        async with asyncio.timeout(15):
            async for message in self._client.messages:
                payload: dict[str, Any] = json.loads(message.payload)
                self.seen.append((message.topic.value, payload))
                if message.topic.value.endswith(topic) and fields.items() <= payload.items():
                    return payload
        raise AssertionError("the connection ended")
