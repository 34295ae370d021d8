"""The comparison of recordings finds what a listener would, and nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from ivrd.commands import SAMPLE_RATE, Prompt
from tests.real.audio import faults, follow, pcm_of
from tests.real.rtp import Packet, Pcm, encode, time_line

AUDIO = Path(__file__).parents[2] / "voice_prompts" / "zh-CN" / "audio"


def prompt(name: str) -> Prompt:
    path = AUDIO / f"{name}.wav"
    return Prompt(name, name, path, (path.stat().st_size - 44) // 2)


SENTENCE = [
    prompt(name) for name in ("welcome", "pause", "enter_month", "d_3", "d_3", "d_8", "goodbye")
]


def spoken(sentence: list[Prompt]) -> Pcm:
    return np.concatenate([pcm_of(part) for part in sentence])


def through(law: int, pcm: Pcm) -> list[Packet]:
    """Return the packets in which `pcm` crosses the network."""
    coded = encode(law, pcm)
    return [
        Packet(n * 0.02, n, n * 160, law, 1, coded[n * 160 : n * 160 + 160])
        for n in range(len(coded) // 160)
    ]


@pytest.mark.parametrize("law", [0, 8])
def test_what_was_spoken_is_found_to_the_sample(law: int) -> None:
    packets = through(law, spoken(SENTENCE))
    found = follow(time_line(packets), [SENTENCE])
    assert [f.prompt for f in found] == [p.id for p in SENTENCE if p.id != "pause"]
    assert not faults(found, packets)
    assert max(abs(f.gap_s) for f in found) <= 1 / SAMPLE_RATE


def test_a_prompt_that_is_missing_is_told() -> None:
    for left_out in (0, 2, 3, 5, 6):
        said = [part for n, part in enumerate(SENTENCE) if n != left_out]
        packets = through(0, spoken(said))
        assert faults(follow(time_line(packets), [SENTENCE]), packets), SENTENCE[left_out].id


def test_another_order_is_told() -> None:
    rng = random.Random(5)
    for _ in range(5):
        said = SENTENCE.copy()
        while [p.id for p in said] == [p.id for p in SENTENCE]:
            rng.shuffle(said)
        packets = through(8, spoken(said))
        assert faults(follow(time_line(packets), [SENTENCE]), packets)


def test_a_hole_of_20_ms_in_a_prompt_is_told() -> None:
    pcm = spoken(SENTENCE)
    loud = int(np.argmax(np.abs(pcm)))
    pcm = np.concatenate((pcm[:loud], np.zeros(160, np.int16), pcm[loud:]))
    packets = through(0, pcm)
    assert faults(follow(time_line(packets), [SENTENCE]), packets)


def test_a_gap_between_prompts_is_told_from_61_ms() -> None:
    first, rest = SENTENCE[:3], SENTENCE[3:]
    for gap_ms, wrong in ((55, False), (65, True)):
        silence = np.zeros(gap_ms * 8, np.int16)
        packets = through(0, np.concatenate((spoken(first), silence, spoken(rest))))
        assert bool(faults(follow(time_line(packets), [SENTENCE]), packets)) is wrong


def test_a_late_packet_and_a_lost_one_are_told() -> None:
    packets = through(0, spoken(SENTENCE))
    found = follow(time_line(packets), [SENTENCE])
    late = [
        Packet(p.at_s + (0.05 if p.sequence >= 50 else 0), *(getattr(p, name) for name in (
            "sequence", "timestamp", "kind", "source", "payload")))
        for p in packets
    ]  # fmt: skip
    assert faults(found, late) == ["a packet 70 ms after the one before it"]
    assert "packets lost or out of order before 51" in faults(found, packets[:50] + packets[51:])
