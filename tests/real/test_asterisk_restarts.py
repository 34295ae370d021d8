"""Asterisk dies and comes back under calls: no line stays lost, and no call stays up."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import aiohttp

from ivrd.daemon import Daemon
from ivrd.events import T_LC, T_LCTERM, T_RING
from ivrd.records import Status
from tests.real.asterisk_bench import open_desk
from tests.real.conftest import sentence
from tests.real.enquiry_office import all_idle, enquiry_config, open_office
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.telephones import Exchange, Telephone, until

LINES = 8

TOLD_WITHIN_S = 1.0
"""How long a line may take to say that its card is gone."""

CALL_OVER_S = 8.0
"""How long its call may wait for a card that is gone to go on hook; the flow gives it 5 s."""

BACK_WITHIN_S = 2.0
"""How long lines may take to be back once Asterisk is."""


def in_service(daemon: Daemon) -> int:
    return sum(line.status is not Status.OUT_OF_SERVICE for line in daemon.lines.values())


def statuses(daemon: Daemon) -> list[str]:
    return [f"{line.status}: {line.reason}" for line in daemon.lines.values()]


async def answered_calls(exchange: Exchange, calls: int) -> list[Telephone]:
    """Let telephones call, and wait until ivrd speaks to each."""
    phones = [await exchange.call(f"8861000{n}", "170") for n in range(calls)]
    spoken_to = await until(lambda: all(phone.heard_s > 0.2 for phone in phones), 10)
    assert spoken_to, [(phone.words, phone.heard_s) for phone in phones]
    return phones


async def test_asterisk_killed_three_times_under_calls_loses_no_line(
    asterisk: PrivateAsterisk, exchange: Exchange, tmp_path: Path
) -> None:
    chance = random.Random(3)
    async with open_office(enquiry_config(tmp_path, asterisk, LINES)) as daemon:
        for _ in range(3):
            before = daemon.tally.calls
            await answered_calls(exchange, LINES)
            asterisk.kill()
            assert await until(lambda: in_service(daemon) == 0, TOLD_WITHIN_S), statuses(daemon)
            assert all("connection lost" in line.reason for line in daemon.lines.values())
            await asyncio.sleep(chance.uniform(0, 8))
            await asterisk.start()
            # with no caller, the lines come back by themselves
            assert await until(lambda: all_idle(daemon), BACK_WITHIN_S), statuses(daemon)
            assert all(line.talk is None for line in daemon.lines.values())
            assert daemon.tally.calls == before + LINES
        phones = await answered_calls(exchange, LINES)
        for phone in phones:
            await phone.hang_up()
        assert await until(lambda: all_idle(daemon), 10)
        # the voice files are being checked yet
        assert await until(lambda: asterisk.channels() == 0, 30)
        assert sum(line.counters.errors for line in daemon.lines.values()) == 0


async def test_asterisk_stopped_in_good_order_ends_the_calls_and_comes_back(
    asterisk: PrivateAsterisk, exchange: Exchange, tmp_path: Path
) -> None:
    async with open_office(enquiry_config(tmp_path, asterisk, 2)) as daemon:
        await answered_calls(exchange, 2)
        asterisk.stop()
        assert await until(lambda: in_service(daemon) == 0, TOLD_WITHIN_S), statuses(daemon)
        assert await until(
            lambda: not any(line.talk for line in daemon.lines.values()), CALL_OVER_S
        )
        await asterisk.start()
        assert await until(lambda: all_idle(daemon), BACK_WITHIN_S), statuses(daemon)
        await answered_calls(exchange, 2)


async def test_asterisk_that_answers_nothing_for_2_s_costs_no_call(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    async with open_desk(asterisk, exchange) as desk:
        phone = await exchange.call("13800138000", "170")
        wire = await desk.answer(phone)
        asterisk.pause()
        play = desk.play(wire, sentence("goodbye"))
        await asyncio.sleep(2)
        asterisk.resume()
        eof = await desk.end(wire, play)
        assert eof.data["whole"] is True
        await desk.on_hook(wire)
        assert not wire.named(T_LC, T_LCTERM)


async def test_calls_left_over_from_an_earlier_run_are_hung_up_at_the_next_start(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    """As when ivrd was killed: nobody hung up; the next one finds the calls and ends them."""
    url = f"http://127.0.0.1:{asterisk.http_port}/ari"
    async with aiohttp.ClientSession(headers=asterisk.login()) as session:
        async with session.ws_connect(f"{url}/events?app=ivrd") as events:
            phone = await exchange.call("13800138000", "170")
            started = await events.receive_json(timeout=5)
            while started["type"] != "StasisStart":
                started = await events.receive_json(timeout=5)
            call = started["channel"]["id"]
            async with session.post(f"{url}/channels/{call}/answer") as answer:
                assert answer.status == 204
            await phone.until("answered")
        await asyncio.sleep(0.3)
        assert asterisk.channels() == 1
    async with open_desk(asterisk, exchange) as desk:
        assert await until(lambda: phone.over, 5), "the call of the dead one is still up"
        assert all(not wire.events for wire in desk.wires)
        again = await exchange.call("13800138000", "170")
        wire = await desk.answer(again)
        assert wire is desk.wires[0]


async def test_a_second_ivrd_of_the_same_name_takes_the_lines_and_the_first_says_so(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    async with open_desk(asterisk, exchange) as first:
        url = f"http://127.0.0.1:{asterisk.http_port}/ari/events?app=ivrd"
        async with (
            aiohttp.ClientSession(headers=asterisk.login()) as session,
            session.ws_connect(url) as second,
        ):
            assert await until(lambda: all(wire.named(T_LC) for wire in first.wires), 5)
            await exchange.call("13800138000", "170")
            started = await second.receive_json(timeout=5)
            assert started["type"] == "StasisStart"
            assert not any(wire.named(T_RING) for wire in first.wires)


async def test_the_daemon_away_and_back_answers_again(
    asterisk: PrivateAsterisk, exchange: Exchange, tmp_path: Path
) -> None:
    config = enquiry_config(tmp_path, asterisk, 1)
    async with open_office(config) as daemon:
        phones = await answered_calls(exchange, 1)
        await phones[0].hang_up()
        assert await until(lambda: all_idle(daemon), 5)
    async with open_office(config):
        await answered_calls(exchange, 1)
