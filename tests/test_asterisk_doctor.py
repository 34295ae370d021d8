"""`ivrd doctor` before a real Asterisk: what is well, and what to change where it is not."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from drivers.asterisk import AsteriskCard
from drivers.asterisk.doctor import Look, examine
from ivrd.cli import main
from ivrd.clock import LoopClock
from ivrd.commands import Prompt
from ivrd.prompts import Voices
from ivrd.resources import FLOWS, PROMPTS
from tests.real.private_asterisk import PrivateAsterisk, missing
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


@pytest.fixture(scope="module")
def few() -> list[Prompt]:
    """Return some voice files: the daemon's own start has all of them checked."""
    return Voices(PROMPTS, ["zh-CN"], FLOWS / "sentences.toml").prompts()[:10]


def options(asterisk: PrivateAsterisk, **more: Any) -> dict[str, Any]:
    return {
        "url": f"http://127.0.0.1:{asterisk.http_port}",
        "password_file": str(asterisk.secret_file),
        "endpoint": "PJSIP/{digits}@trunk",
        **more,
    }


async def found(given: dict[str, Any], prompts: Collection[Prompt]) -> list[Look]:
    return list(await examine(LoopClock(), 8, given, prompts))


def of(looks: list[Look], ok: bool | None) -> str:
    return "\n".join(what for verdict, what in looks if verdict is ok)


async def test_deployed_files_are_found_good(asterisk: PrivateAsterisk, few: list[Prompt]) -> None:
    looks = await found(options(asterisk), few)
    assert [what for ok, what in looks if ok is not True] == []
    well = of(looks, True)
    for part in ("Asterisk 2", "all modules", "'ivrd' is free", "trunk is online",
                 "alaw, ulaw", "1800 s", "plays all 10 voice files"):  # fmt: skip
        assert part in well
    assert await until(lambda: asterisk.channels() == 0, 0.5), "something is left up"


async def test_daemon_that_runs_is_not_disturbed(
    asterisk: PrivateAsterisk, few: list[Prompt]
) -> None:
    card = AsteriskCard(LoopClock(), channels=1, **options(asterisk))
    await card.open()
    try:
        looks = await found(options(asterisk), few)
        assert "'ivrd' is connected" in of(looks, True)
        assert "ivrd" in asterisk.cli("ari show apps").split()
        await card.prepare(few)
    finally:
        await card.close()


async def test_wrong_password_is_told_and_not_repeated(
    asterisk: PrivateAsterisk, few: list[Prompt], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    secret.chmod(0o600)
    ((ok, what),) = await found(options(asterisk, password_file=str(secret)), few)
    assert ok is False
    assert "expected user and password as in its ari.conf" in what
    assert "hunter2" not in what


async def test_nobody_there_is_told_with_what_to_look_at(
    asterisk: PrivateAsterisk, few: list[Prompt]
) -> None:
    ((ok, what),) = await found(options(asterisk, url="http://127.0.0.1:9"), few)
    assert ok is False
    assert "http.conf" in what


async def test_wrong_option_is_told_with_the_nearest(
    asterisk: PrivateAsterisk, few: list[Prompt]
) -> None:
    ((ok, what),) = await found(options(asterisk, endpiont="x"), few)
    assert ok is False
    assert "did you mean 'endpoint'?" in what


async def test_module_that_is_not_loaded_is_named(
    asterisk: PrivateAsterisk, few: list[Prompt]
) -> None:
    asterisk.cli("module unload func_timeout.so")
    try:
        looks = await found(options(asterisk), few)
    finally:
        asterisk.cli("module load func_timeout.so")
    assert of(looks, False).startswith("module func_timeout is not loaded (TIMEOUT(absolute)")


async def test_trunk_that_is_not_there_is_told(
    asterisk: PrivateAsterisk, few: list[Prompt]
) -> None:
    looks = await found(options(asterisk, endpoint="PJSIP/{number}@trunc"), few)
    assert "no endpoint 'trunc'" in of(looks, False)


async def test_card_that_does_not_dial_is_advice(
    asterisk: PrivateAsterisk, few: list[Prompt]
) -> None:
    given = options(asterisk)
    del given["endpoint"]
    looks = await found(given, few)
    assert of(looks, False) == ""
    assert "does not dial" in of(looks, None)


async def test_dialplan_without_guard_or_for_another_card_is_told(
    asterisk: PrivateAsterisk, few: list[Prompt]
) -> None:
    with asterisk.setting("IVRD_LONGEST_S", "0"), asterisk.setting("IVRD_APP", "other"):
        looks = await found(options(asterisk), few)
    assert "IVRD_LONGEST_S is '0'" in of(looks, False)
    assert "hands calls to 'other'" in of(looks, None)


async def test_voice_files_that_asterisk_lacks_are_told_with_how_to_bring_them(
    asterisk: PrivateAsterisk, few: list[Prompt], tmp_path: Path
) -> None:
    there = tmp_path / "there"
    given = options(asterisk, prompts_here=str(PROMPTS), prompts_there=str(there))
    told = of(await found(given, few), False)
    assert "Asterisk cannot play it" in told
    assert "and 7 more" in told
    assert "ivrd prompts deploy" in told
    shutil.copytree(PROMPTS / "zh-CN", there / "zh-CN")
    assert of(await found(given, few), False) == ""


def test_command_shows_each_finding_of_a_card(asterisk: PrivateAsterisk, tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["sample-data", str(tmp_path)]).exit_code == 0
    file = tmp_path / "ivrd.toml"
    text = file.read_text("utf-8")
    given = ", ".join(f'{name} = "{value}"' for name, value in options(asterisk).items())
    text = text.replace('driver = "demo"', 'driver = "asterisk"')
    text = text.replace("options = { calls_an_hour = 120 }", f"options = {{ {given} }}")
    file.write_text(text, "utf-8")
    result = CliRunner().invoke(main, ["--config", str(file), "doctor", "--json"])
    findings = [each for each in json.loads(result.stdout) if each["check"] == "card soft"]
    assert result.exit_code == 0, result.output
    assert len(findings) == 8
    assert findings[-1]["what"].startswith("plays all")
