"""16-bit linear samples, as voice files have them, to the 8-bit codings of modems and back."""

from __future__ import annotations

from enum import StrEnum

_FLIP = bytes(byte ^ 0x80 for byte in range(256))


class Coding(StrEnum):
    """How one sample of 8000 a second is coded on the port (+VSM, V.253 §9)."""

    UNSIGNED_8 = "unsigned8"
    """Linear, silence is 0x80: most modems."""
    SIGNED_8 = "signed8"
    """Linear, two's complement, silence is 0x00."""


SILENCE = {Coding.UNSIGNED_8: 0x80, Coding.SIGNED_8: 0x00}
"""The sample of silence of each coding."""


def to_modem(pcm: bytes, coding: Coding) -> bytes:
    """Code 16-bit little-endian samples; the lower eight bits fall away.

    Raises `ValueError` for half a sample.
    """
    if len(pcm) % 2:
        raise ValueError(f"{len(pcm)} bytes; expected two for each sample")
    upper = pcm[1::2]
    return upper.translate(_FLIP) if coding is Coding.UNSIGNED_8 else upper


def from_modem(samples: bytes, coding: Coding) -> bytes:
    """Return 16-bit little-endian samples; the lower eight bits are 0."""
    pcm = bytearray(2 * len(samples))
    pcm[1::2] = samples.translate(_FLIP) if coding is Coding.UNSIGNED_8 else samples
    return bytes(pcm)
