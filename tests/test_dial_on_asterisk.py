"""`ivrd dial --test` on a real Asterisk: a softphone rings, hears the message, its keys come."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from ivrd.cli import main
from ivrd.config import Config, load_config
from ivrd.control.server import ControlServer
from ivrd.daemon import Daemon
from ivrd.trace import read_trace, replay
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


def sample(folder: Path, asterisk: PrivateAsterisk) -> Config:
    """Make the sample set-up with an Asterisk card that dials endpoints by their number."""
    made = CliRunner().invoke(main, ["sample-data", str(folder), "--accounts", "40"])
    assert made.exit_code == 0, made.output
    file = folder / "ivrd.toml"
    text = file.read_text("utf-8")
    options = (
        f'url = "http://127.0.0.1:{asterisk.http_port}", '
        f'password_file = "{asterisk.secret_file}", endpoint = "PJSIP/{{digits}}"'
    )
    for pattern, new in (
        ('driver = "demo"', 'driver = "asterisk"'),
        ("options = .*", f"options = {{ {options} }}"),
        (r'test = \["6001".*', 'test = ["200", "201"]'),
    ):
        text, times = re.subn(pattern, new, text)
        assert times == 1, pattern
    file.write_text(text, "utf-8")
    return load_config(file)


@asynccontextmanager
async def node(asterisk: PrivateAsterisk) -> AsyncIterator[Daemon]:
    """Run a daemon with its control interface, to where its lines are there."""
    with tempfile.TemporaryDirectory(prefix="ivrd-") as folder:
        daemon = Daemon(sample(Path(folder), asterisk))
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
