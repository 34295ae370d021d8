"""Nothing stays up in Asterisk that nobody owns: after a check, after a close, after a death."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from drivers.asterisk import AsteriskCard
from ivrd.clock import LoopClock
from ivrd.commands import Prompt
from ivrd.errors import CardError
from tests.real.asterisk_bench import options
from tests.real.conftest import PROMPTS, prompt
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.telephones import Exchange, until

LONGEST_S = 10
"""The shortest guard that the option longest_call_s takes."""

DIES_IN_A_CALL = """
import asyncio, json, sys
from drivers.asterisk import AsteriskCard
from ivrd.clock import LoopClock
from tests.permits import a_permit

async def main():
    options, number = json.loads(sys.argv[1]), sys.argv[2]
    card = AsteriskCard(LoopClock(), channels=1, **options)
    (channel,) = await card.open()
    channel.connect(lambda event: print(event.name, flush=True))
    channel.dial(1, a_permit(number), 20.0)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def many() -> list[Prompt]:
    return [prompt(file.stem) for file in sorted(PROMPTS.glob("*.wav"))[:60]]


@pytest.fixture(params=["WebSocket", "HTTP"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests go as to an Asterisk of today, and as to one before 20.14."""
    if request.param == "HTTP":
        monkeypatch.setattr(
            "drivers.asterisk.ari.takes_requests_over_websocket", lambda version: not version
        )


async def opened(asterisk: PrivateAsterisk) -> AsteriskCard:
    card = AsteriskCard(LoopClock(), channels=1, **options(asterisk))
    await card.open()
    return card


async def left_up(asterisk: PrivateAsterisk) -> int:
    """Return how many channels are up after the moment that a hang-up takes."""
    await until(lambda: asterisk.channels() == 0, 0.5)
    return asterisk.channels()


@pytest.mark.usefixtures("_way")
async def test_a_card_closed_right_after_its_check_leaves_no_channel(
    asterisk: PrivateAsterisk, many: Sequence[Prompt]
) -> None:
    card = await opened(asterisk)
    await card.prepare(many)
    await card.close()
    assert await left_up(asterisk) == 0


@pytest.mark.usefixtures("_way")
async def test_a_check_that_is_given_up_leaves_no_channel(
    asterisk: PrivateAsterisk, many: Sequence[Prompt]
) -> None:
    card = await opened(asterisk)
    check = asyncio.create_task(card.prepare(many))
    assert await until(lambda: asterisk.channels() > 0, 5)
    check.cancel()
    await asyncio.gather(check, return_exceptions=True)
    await card.close()
    assert await left_up(asterisk) == 0


@pytest.mark.usefixtures("_way")
async def test_a_card_closed_in_its_check_leaves_no_channel(
    asterisk: PrivateAsterisk, many: Sequence[Prompt]
) -> None:
    card = await opened(asterisk)
    check = asyncio.create_task(card.prepare(many))
    assert await until(lambda: asterisk.channels() > 0, 5)
    await card.close()
    assert await left_up(asterisk) == 0
    with pytest.raises(CardError, match="closed"):
        await asyncio.wait_for(check, 1)


async def test_a_call_that_was_placed_ends_by_the_guard_when_ivrd_died_in_it(
    asterisk: PrivateAsterisk, exchange: Exchange, tmp_path: Path
) -> None:
    number = await exchange.number("1202")
    given = json.dumps({**options(asterisk), "longest_call_s": LONGEST_S})
    with (tmp_path / "events").open("wb") as out:
        began_s = time.monotonic()
        ivrd = await asyncio.create_subprocess_exec(
            sys.executable, "-c", DIES_IN_A_CALL, given, number, stdout=out,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
    said = tmp_path / "events"
    assert await until(lambda: "T_LCON" in said.read_text(), 10), said.read_text()
    dialled_s = time.monotonic()
    ivrd.send_signal(signal.SIGKILL)
    await ivrd.wait()
    phone = exchange.dialled()[-1]
    await asyncio.sleep(LONGEST_S / 2)
    assert not phone.over, "nobody ended it before"
    assert await until(lambda: phone.over, LONGEST_S)
    ended_s = time.monotonic()
    assert LONGEST_S - (dialled_s - began_s) - 0.5 < ended_s - dialled_s < LONGEST_S + 1
    assert await left_up(asterisk) == 0
