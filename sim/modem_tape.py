"""What a far end of an emulated modem hears, kept as sound: every sample at its time."""

from __future__ import annotations

import wave
from pathlib import Path

from drivers.modem.samples import Coding, from_modem
from ivrd.commands import SAMPLE_RATE

GAP_S = 0.04
"""Samples that come closer than this to where the last ones ended follow them without a gap: the
emulator looks at its clock every 20 ms."""


class Tape:
    """One call's sound, from the answer at `zero_s` on; silence where nothing was played."""

    def __init__(self, coding: Coding, zero_s: float) -> None:
        self._coding = coding
        self._zero_s = zero_s
        self._pcm = bytearray()

    @property
    def samples(self) -> int:
        """How long it is."""
        return len(self._pcm) // 2

    def hear(self, samples: bytes, now_s: float) -> None:
        """Take samples, the last of which is heard now."""
        start = round((now_s - self._zero_s) * SAMPLE_RATE) - len(samples)
        gap = start - self.samples
        if gap > GAP_S * SAMPLE_RATE:
            self._pcm += bytes(2 * gap)
        self._pcm += from_modem(samples, self._coding)

    def write_wav(self, path: Path) -> None:
        """Write it: 8 kHz, mono, 16-bit. Raises `OSError` where `path` cannot be written."""
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(self._pcm)
