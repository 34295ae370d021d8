"""What a telephone in the terminal makes of what it is told."""

from __future__ import annotations

import asyncio

import pytest

from ivrd.cli.telephone import Display, Talk


def _heard(sentence: str) -> dict[str, object]:
    return {"event": "heard", "at_s": 1.0, "sentence": sentence, "text": sentence, "lang": "en-US"}


@pytest.fixture
def talk() -> Talk:
    return Talk(Display(as_json=False))


async def test_it_is_the_callers_turn_after_speech_and_silence(talk: Talk) -> None:
    talk.take(_heard("welcome"))
    turn = asyncio.create_task(talk.settled(0.0, 30))
    await asyncio.sleep(0)
    assert not turn.done()
    talk.take({"event": "quiet", "at_s": 2.0})
    assert await turn


async def test_silence_after_a_key_alone_is_not_the_callers_turn(talk: Talk) -> None:
    talk.take(_heard("welcome"))
    talk.keyed("1")
    talk.take({"event": "quiet", "at_s": 2.0})
    assert not await talk.settled(0.0, 0.0)


async def test_a_hash_after_a_full_entry_does_not_wait_for_more_speech(talk: Talk) -> None:
    talk.keyed("0")
    talk.take(_heard("choose_lookup"))
    talk.keyed("#")
    talk.take({"event": "quiet", "at_s": 2.0})
    assert await talk.settled(0.0, 0.0)


async def test_the_end_of_the_call_ends_every_wait(talk: Talk) -> None:
    waits = [asyncio.create_task(talk.settled(9, 30)), asyncio.create_task(talk.answered())]
    await asyncio.sleep(0)
    talk.take({"event": "ended", "at_s": 2.0, "by": "ivrd"})
    assert await asyncio.gather(*waits) == [False, False]
    assert talk.went_well()


def test_busy_is_no_call(talk: Talk, capsys: pytest.CaptureFixture[str]) -> None:
    talk.left = ["1"]
    talk.take({"event": "busy", "at_s": 0.0})
    assert not talk.went_well()
    told = capsys.readouterr()
    assert "busy" in told.out
    assert told.err == ""


def test_keys_left_over_are_told(talk: Talk, capsys: pytest.CaptureFixture[str]) -> None:
    talk.left = ["202610#", "1"]
    talk.take({"event": "ended", "at_s": 0.0, "by": "ivrd"})
    assert not talk.went_well()
    assert "202610# 1" in capsys.readouterr().err


def test_a_daemon_that_goes_is_told(talk: Talk, capsys: pytest.CaptureFixture[str]) -> None:
    talk.take({"event": "answered", "at_s": 0.0})
    assert not talk.went_well()
    assert "daemon has gone" in capsys.readouterr().err


def test_keys_in_a_row_stand_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(as_json=False)
    for key in "2026":
        display.keyed(key)
    display.event(_heard("ask"))
    assert capsys.readouterr().out.splitlines() == ["          ▸ 2026", "     1.0  ask"]
