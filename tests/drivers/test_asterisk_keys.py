"""A key that Asterisk tells twice is one key; a key pressed twice is two."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.asterisk.keys import Keys
from tests.drivers.asterisk_stand_in import StandIn, event, playback, speech


def told(keys: list[tuple[str, int, float]]) -> str:
    heard = Keys()
    return "".join(key for key, lasted_ms, at_s in keys if heard.is_new(key, lasted_ms, at_s))


@given(
    st.text("0123456789*#", min_size=1, max_size=20),
    st.lists(st.none() | st.floats(0.001, 0.05), min_size=20, max_size=20),
)
def test_whichever_keys_are_told_twice_each_counts_once(
    pressed: str, again_s: list[float | None]
) -> None:
    events = []
    for number, (key, late_s) in enumerate(zip(pressed, again_s, strict=False)):
        events.append((key, 80, number * 0.12))
        if late_s is not None:
            events.append((key, 80, number * 0.12 + late_s))
    assert told(events) == pressed


def test_the_same_key_twice_in_one_piece_with_each_told_twice_counts_twice() -> None:
    assert told([("5", 80, at_s) for at_s in (0.0, 0.002, 0.045, 0.05)]) == "55"


def test_a_key_told_again_after_another_one_counts_once() -> None:
    assert told([("5", 50, 0.0), ("6", 50, 0.03), ("5", 50, 0.045), ("6", 50, 0.08)]) == "56"


@pytest.mark.parametrize(("while_playing", "heard"), [(False, 1), (True, 2)])
def test_while_something_plays_every_key_counts(while_playing: bool, heard: int) -> None:
    stand_in = StandIn()
    stand_in.channel.ring("1.1", "", "170")
    stand_in.channel.off_hook(1)
    stand_in.reply()
    stand_in.channel.play(2, speech(9.0))
    if not while_playing:
        stand_in.channel.stop(2)
        stand_in.tell(playback("PlaybackFinished", "ivrd.ivrd.T.1", "done", 1.0))
    for at_s in (2.0, 2.01):
        stand_in.tell(event("ChannelDtmfReceived", at_s=at_s, digit="5", duration_ms=100))
    assert stand_in.names.count("T_DIGIT") == heard


def test_keys_of_another_call_are_other_keys() -> None:
    stand_in = StandIn()
    for id_, call in itertools.islice(zip(itertools.count(1, 2), ("1.1", "1.2")), 2):
        stand_in.channel.ring(call, "", "170")
        stand_in.channel.off_hook(id_)
        stand_in.reply()
        stand_in.tell(event("ChannelDtmfReceived", call, at_s=id_ / 100, digit="5", duration_ms=80))
        stand_in.tell(event("StasisEnd", call))
        stand_in.channel.on_hook(id_ + 1)
    assert stand_in.names.count("T_DIGIT") == 2
