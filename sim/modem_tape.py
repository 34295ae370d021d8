"""What a far end of an emulated modem hears, kept as sound: every sample at its time."""

from __future__ import annotations

import wave
from pathlib import Path

from drivers.modem.samples import Coding, from_modem
from ivrd.commands import SAMPLE_RATE


class Tape:
    """One call's sound, from the answer at `zero_s` on; silence where nothing was played."""

    def __init__(self, coding: Coding, zero_s: float) -> None:
        self._coding = coding
        self._zero_s = zero_s
        self._pcm = bytearray()
        self._paused = True

    @property
    def samples(self) -> int:
        """How long it is."""
        return len(self._pcm) // 2

    def pause(self) -> None:
        """Know that what comes next does not follow without a gap."""
        self._paused = True

    def hear(self, samples: bytes, now_s: float) -> None:
        """Take samples, the last of which is heard now."""
        if self._paused:
            start = round((now_s - self._zero_s) * SAMPLE_RATE) - len(samples)
            self._pcm += bytes(2 * max(0, start - self.samples))
            self._paused = False
        self._pcm += from_modem(samples, self._coding)

    def write_wav(self, path: Path) -> None:
        """Write it: 8 kHz, mono, 16-bit. Raises `OSError` where `path` cannot be written."""
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(self._pcm)
