"""One Asterisk for all of tests/real; without it these tests are skipped, and say what to run."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ivrd.commands import Prompt, Utterance
from tests.real.private_asterisk import PrivateAsterisk, missing
from tests.real.telephones import Exchange

PROMPTS = Path(__file__).parents[2] / "voice_prompts" / "zh-CN" / "audio"


def prompt(name: str) -> Prompt:
    """Return a voice file of Mandarin."""
    path = PROMPTS / f"{name}.wav"
    with wave.open(str(path), "rb") as file:
        return Prompt(name, name, path, file.getnframes())


def sentence(*names: str) -> Utterance:
    """Return a sentence of voice files."""
    return Utterance("-".join(names), "zh-CN", tuple(prompt(name) for name in names))


@pytest.fixture(scope="session")
def the_asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateAsterisk]:
    """Return the Asterisk, running."""
    lacks = missing()
    if lacks:
        pytest.skip(lacks)
    folder = tmp_path_factory.mktemp("asterisk")
    asterisk = PrivateAsterisk(folder, away_prompt=str(PROMPTS / "try_later"))
    asyncio.run(asterisk.start())
    yield asterisk
    asterisk.stop()


@pytest.fixture
async def asterisk(the_asterisk: PrivateAsterisk) -> AsyncIterator[PrivateAsterisk]:
    """Return the Asterisk, running and with no channel up, before and after the test."""
    if the_asterisk.process is None:
        await the_asterisk.start()
    assert the_asterisk.channels() == 0
    yield the_asterisk
    if the_asterisk.process is None:
        return
    for _ in range(100):
        if the_asterisk.channels() == 0:
            return
        await asyncio.sleep(0.05)
    left = the_asterisk.cli("core show channels concise")
    the_asterisk.kill()
    pytest.fail(f"channels left behind:\n{left}")


@pytest.fixture
async def exchange(asterisk: PrivateAsterisk, tmp_path: Path) -> AsyncIterator[Exchange]:
    """Return the telephones at the far end of the trunk."""
    exchange = Exchange(asterisk, tmp_path / "telephones")
    yield exchange
    await exchange.close()
