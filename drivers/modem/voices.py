"""Voice files as a modem takes them: read once, 8 bits a sample."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Collection, Sequence
from pathlib import Path

from drivers.modem.samples import Coding, to_modem
from ivrd.commands import SAMPLE_RATE, Prompt
from ivrd.errors import Problem


class Voices:
    """The voice files of a card, kept in memory from `load` on: 8 kB for each second."""

    def __init__(self) -> None:
        self._coded: dict[tuple[Path, Coding], bytes] = {}

    async def load(self, prompts: Collection[Prompt], codings: Collection[Coding]) -> list[Problem]:
        """Read files anew; return what is wrong with those that cannot be played."""
        problems: list[Problem] = []
        coded: dict[tuple[Path, Coding], bytes] = {}
        for prompt in prompts:
            pcm = _read(prompt)
            if isinstance(pcm, Problem):
                problems.append(pcm)
            else:
                coded |= {(prompt.path, coding): to_modem(pcm, coding) for coding in codings}
            await asyncio.sleep(0)  # calls go on
        if not problems:
            self._coded = coded
        return problems

    def samples(self, prompts: Sequence[Prompt], coding: Coding) -> bytes | Problem:
        """Return prompts as one row of samples, or why there is none."""
        parts: list[bytes] = []
        for prompt in prompts:
            part = self._coded.get((prompt.path, coding))
            if part is None or len(part) != prompt.samples:
                pcm = _read(prompt)
                if isinstance(pcm, Problem):
                    return pcm
                part = self._coded[prompt.path, coding] = to_modem(pcm, coding)
            parts.append(part)
        return b"".join(parts)


def _read(prompt: Prompt) -> bytes | Problem:
    expected = f"{SAMPLE_RATE} Hz, mono, 16-bit linear PCM, {prompt.samples} samples"
    try:
        with wave.open(str(prompt.path), "rb") as file:
            form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            frames = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        return Problem(f"cannot be read: {error}", file=prompt.path, expected=expected)
    if form != (SAMPLE_RATE, 1, 2) or len(frames) != 2 * prompt.samples:
        what = "{} Hz, {} channel(s), {} bytes a sample".format(*form)
        what += f", {len(frames) // max(1, form[1] * form[2])} samples"
        return Problem(what, file=prompt.path, expected=expected)
    return frames
