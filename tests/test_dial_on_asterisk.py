"""`ivrd dial --test` on a real Asterisk: a softphone rings, hears the message, its keys come."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ivrd.config import load_config
from ivrd.control.server import ControlServer
from ivrd.daemon import Daemon
from ivrd.trace import read_trace, replay
from tests.asterisk_at_hand import TOP, sample_on
from tests.cli.cli_terminal import IVRD
from tests.real.private_asterisk import PrivateAsterisk, missing
from tests.real.softphone import Softphone
from tests.real.telephones import until


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateAsterisk]:
    lacks = missing()
    if lacks:
        pytest.skip(lacks)
    asterisk = PrivateAsterisk(tmp_path_factory.mktemp("asterisk") / "own")
    asyncio.run(asterisk.start())
    yield asterisk
    asterisk.stop()


@asynccontextmanager
async def node(asterisk: PrivateAsterisk) -> AsyncIterator[Daemon]:
    """Run a daemon with its control interface, to where its lines are there."""
    with tempfile.TemporaryDirectory(prefix="ivrd-") as folder:
        daemon = Daemon(load_config(sample_on(asterisk, Path(folder))))
        await daemon.start()
        server = ControlServer(daemon)
        await server.start()
        try:
            assert await until(lambda: len(daemon.lines) == 8, 60), daemon.cards["soft"].reason
            yield daemon
        finally:
            daemon.hurry = True
            await daemon.stop()
            await server.stop()


async def dialled(daemon: Daemon, number: str) -> asyncio.subprocess.Process:
    """Start the command as an operator does."""
    return await asyncio.create_subprocess_exec(
        *IVRD, "--config", str(daemon.config.path), "dial", "--test", number,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_softphone_rings_hears_the_message_keys_and_the_end_is_told(
    asterisk: PrivateAsterisk, tmp_path: Path
) -> None:
    softphone = Softphone(asterisk, tmp_path / "softphone")
    try:
        await softphone.registered()
        async with node(asterisk) as daemon:
            command = await dialled(daemon, "200")
            await softphone.says("established", 15)
            await asyncio.sleep(2)
            softphone.type("1")
            await asyncio.sleep(2)
            softphone.type("5")
            out, _ = await asyncio.wait_for(command.communicate(), 30)
            told = out.decode()
            assert command.returncode == 0, told
            words = ["dialling on line 8", "answered", "测试电话", "▸ 1", "cut short", "▸ 5",
                     "测试结束", "再见", "ended by ivrd (answered, again, key)"]  # fmt: skip
            places = [told.find(word) for word in words]
            assert places == sorted(places), told
            assert places[0] >= 0, told
            (trace,) = read_trace(daemon.config.line_log(8))
            assert daemon.parts.test_call is not None
            assert replay(trace, daemon.parts.test_call) is None
    finally:
        softphone.close()
    assert softphone.recording().size > 4 * 8000


async def test_telephone_that_is_not_there_is_told(asterisk: PrivateAsterisk) -> None:
    async with node(asterisk) as daemon:
        command = await dialled(daemon, "201")
        out, _ = await asyncio.wait_for(command.communicate(), 30)
    assert command.returncode == 1
    assert "ended by ivrd" in out.decode()
    assert "answered" not in out.decode()


@pytest.fixture
def short() -> Iterator[Path]:
    """Give a folder that is not there yet; the path of a socket in it is short (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="ivrd-") as folder:
        yield Path(folder) / "own"


@pytest.mark.usefixtures("asterisk")
def test_asterisk_and_ivrd_are_at_hand_for_a_softphone(short: Path) -> None:
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "tests.asterisk_at_hand", str(short)], cwd=TOP, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C stops" in line:
                break
        assert "user 200, password " in told, told
        status = subprocess.run(  # noqa: S603 - our own command
            [*IVRD, "--config", str(short / "ivrd.toml"), "doctor", "--json"],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        findings = [each["what"] for each in json.loads(status.stdout)]
        assert "application 'ivrd' is connected: ivrd takes calls" in findings
    finally:
        process.send_signal(signal.SIGTERM)
        _, wrong = process.communicate(timeout=30)
    assert process.returncode == 0, wrong
