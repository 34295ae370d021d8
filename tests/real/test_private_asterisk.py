"""The files of deploy/asterisk work as given: what loads, who reaches ivrd, what others get."""

from __future__ import annotations

import re
import stat
import time
from pathlib import Path

import aiohttp
import pytest

from ivrd.commands import Prompt
from tests.real.audio import faults, follow
from tests.real.conftest import PROMPTS
from tests.real.private_asterisk import DEPLOY, GATEWAY_HOST, PrivateAsterisk
from tests.real.rtp import time_line
from tests.real.softphone import Softphone
from tests.real.telephones import Exchange, until

AWAY = Prompt("try_later", "", PROMPTS / "try_later.wav", 0)


def test_all_modules_load_and_nothing_is_complained_of(asterisk: PrivateAsterisk) -> None:
    wanted = re.findall(r"(?m)^load = (\S+)", (DEPLOY / "modules.conf").read_text())
    running = re.findall(r"(?m)^(\S+\.so) .* Running ", asterisk.cli("module show"))
    assert sorted(running) == sorted(wanted)
    # what it says later is the answer to what tests do to it
    assert "ERROR" not in asterisk.messages.split("Asterisk Ready.")[0]


def test_no_password_stands_in_the_repository_and_the_files_are_closed(
    asterisk: PrivateAsterisk,
) -> None:
    texts = [f.read_text() for f in DEPLOY.iterdir() if f.suffix == ".conf"]
    assert not [text for text in texts if re.search(r"(?m)^\s*password\s*=", text)]
    for name in ("ari_password.conf", "ari_secret", "softphone_password.conf"):
        file = asterisk.folder / "etc" / name
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(asterisk.secret) == 32


async def test_a_number_that_is_not_ours_is_refused_as_unallocated(exchange: Exchange) -> None:
    phone = await exchange.call("13800138000", "171")
    await phone.until("over")
    assert phone.refused == 404


@pytest.mark.parametrize("codecs", ["0", "8"])
async def test_while_ivrd_is_away_a_caller_hears_so_unanswered_and_gets_503(
    exchange: Exchange, codecs: str
) -> None:
    phone = await exchange.call("13800138000", "170", codecs)
    await phone.until("over", 15)
    assert phone.words == ["trying", "progress", "refused-503", "over"]
    assert {packet.kind for packet in phone.packets} == {int(codecs)}
    found = follow(time_line(phone.packets), [[AWAY]])
    assert not faults(found, phone.packets)


async def test_while_ivrd_is_away_and_no_sentence_is_set_503_comes_at_once(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    for prompt in ("", "/no/such/file"):
        with asterisk.setting("IVRD_AWAY_PROMPT", prompt):
            phone = await exchange.call("13800138000", "170")
            await phone.until("over")
        assert phone.words == ["trying", "refused-503", "over"]


async def test_a_call_that_nobody_looks_after_is_ended_by_the_guard(
    asterisk: PrivateAsterisk, exchange: Exchange
) -> None:
    url = f"http://127.0.0.1:{asterisk.http_port}/ari/events?app=ivrd"
    with asterisk.setting("IVRD_LONGEST_S", "2"):
        async with (
            aiohttp.ClientSession(headers=asterisk.login()) as session,
            session.ws_connect(url),
        ):
            began_s = time.monotonic()
            phone = await exchange.call("13800138000", "170")
            await phone.until("over")
            assert time.monotonic() - began_s == pytest.approx(2, abs=0.4)


async def test_the_gateway_is_known_by_its_address_and_others_are_not(
    asterisk: PrivateAsterisk, tmp_path: Path
) -> None:
    gateway = Exchange(asterisk, tmp_path / "gateway", GATEWAY_HOST)
    stranger = Exchange(asterisk, tmp_path / "stranger", "127.0.0.4")
    try:
        phone = await gateway.call("13800138000", "170", "8")
        await phone.until("over", 15)
        assert phone.refused == 503
        phone = await stranger.call("13800138000", "170", "8", taken=False)
        assert await until(lambda: bool(phone.statuses), 2)
        assert phone.statuses[0] == 401
        assert not phone.packets
    finally:
        await gateway.close()
        await stranger.close()


async def test_a_softphone_registers_dials_170_and_hears(
    asterisk: PrivateAsterisk, tmp_path: Path
) -> None:
    softphone = Softphone(asterisk, tmp_path / "softphone")
    try:
        await softphone.registered()
        softphone.type("/dial 170")
        await softphone.says("503", 15)
    finally:
        softphone.close()
    found = follow(softphone.recording(), [[AWAY]])
    assert [f.prompt for f in found if f.score > 0.9] == ["try_later"], found
