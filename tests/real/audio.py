"""Whether a recording holds the prompts that it must: by cross-correlation, in order, no gap.

Each prompt is looked for where the one before it ended. The score is the normalised correlation:
1 for the same sound at any level; G.711 costs less than 0.001, and a hole of 20 ms shows.
"""

from __future__ import annotations

import itertools
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ivrd.commands import SAMPLE_RATE, Prompt
from tests.real.rtp import Packet, Pcm, gaps_s

_Sound: TypeAlias = npt.NDArray[np.float64]

GAP_S = 0.06
"""A listener notices more than this between two words of one sentence."""

SCORE = 0.97
"""Less than this is another sound, or one with a hole."""

_EARLY_S = 0.02
_WITHIN_S = 0.4
_SILENT = 40
"""Samples all below this (of 32,768) are a pause: nothing to correlate."""


@dataclass(frozen=True, slots=True)
class Found:
    """One prompt in a recording."""

    prompt: str
    at_s: float
    score: float
    gap_s: float
    """Silence between the end of the prompt before it and its start, beyond what was ordered."""


def pcm_of(prompt: Prompt) -> Pcm:
    """Return the samples of a prompt."""
    with wave.open(str(prompt.path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def follow(recording: Pcm, plays: Sequence[Sequence[Prompt]], pause_s: float = 6.0) -> list[Found]:
    """Return where each prompt of `plays` was found, up to `pause_s` between plays."""
    found: list[Found] = []
    # the first packet of a call may have been sent before there was a way for it
    early = round(_EARLY_S * SAMPLE_RATE)
    recording = np.concatenate((np.zeros(early, np.int16), recording))
    at = early
    for play in plays:
        within_s = pause_s
        for prompt in play:
            wanted = pcm_of(prompt)
            if int(np.abs(wanted).max(initial=0)) < _SILENT:
                at += len(wanted)
                continue
            begin = max(0, at - early)
            start, score = find(recording, wanted, begin, at + round(within_s * SAMPLE_RATE))
            gap = 0 if within_s == pause_s else start - at
            found.append(Found(prompt.id, (start - early) / SAMPLE_RATE, score, gap / SAMPLE_RATE))
            at, within_s = start + len(wanted), _WITHIN_S
    return found


def find(recording: Pcm, wanted: Pcm, begin: int, end: int) -> tuple[int, float]:
    """Return where between `begin` and `end` the sound starts that is most like `wanted`."""
    heard = recording[begin : end + len(wanted)].astype(np.float64)
    # the last packet of a play may be short of a few samples
    heard = np.pad(heard, (0, max(0, end + len(wanted) - begin - len(heard))))
    like = wanted.astype(np.float64)
    scores = _correlation(heard, like)
    # of equal ones the first: the next digit may be the same
    best = int(np.argmax(scores > scores.max() - 0.005))
    best = best + int(np.argmax(scores[best : best + 8]))
    return begin + best, float(scores[best])


def _correlation(heard: _Sound, like: _Sound) -> _Sound:
    size = 1 << (len(heard) + len(like)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(like, size)), size)
    product = product[: len(heard) - len(like) + 1]
    sums = np.concatenate(([0.0], np.cumsum(heard**2)))
    power = sums[len(like) :] - sums[: len(sums) - len(like)]
    scores: _Sound = product / np.sqrt(np.maximum(power, 1.0) * (like**2).sum())
    return scores


def faults(found: Sequence[Found], packets: Sequence[Packet]) -> list[str]:
    """Return what a listener would complain of; empty where nothing is wrong."""
    wrong = [
        f"{f.prompt} at {f.at_s:.2f} s: likeness {f.score:.3f}" for f in found if f.score < SCORE
    ]
    wrong += [
        f"{f.gap_s * 1000:.0f} ms of nothing before {f.prompt}" for f in found if f.gap_s > GAP_S
    ]
    late = [
        gap_s
        for gap_s, earlier, later in zip(gaps_s(packets), packets, packets[1:], strict=False)
        if later.timestamp - earlier.timestamp == len(earlier.payload) and gap_s > GAP_S
    ]
    wrong += [f"a packet {gap_s * 1000:.0f} ms after the one before it" for gap_s in late]
    lost = [
        later.sequence
        for earlier, later in itertools.pairwise(packets)
        if later.source == earlier.source and (later.sequence - earlier.sequence) & 0xFFFF != 1
    ]
    return wrong + [f"packets lost or out of order before {number}" for number in lost]
