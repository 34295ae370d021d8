"""The bytes that a host sends to a voice modem (ITU-T V.253)."""

from __future__ import annotations

import re

from drivers.modem.profile import Profile
from drivers.modem.protocol import CAN, DLE, FS

_COMMAND = re.compile(r"[\x20-\x7e]{1,250}")
_DIALLED = re.compile(r"[0-9A-D*#,W@!T]{1,60}")


class Encoder:
    """Makes bytes of commands and samples; `profile` has what differs from model to model."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    @staticmethod
    def command(line: str) -> bytes:
        """Return a command line, as ``AT+VLS=1``, with its CR (V.250 §5.2).

        Raises `ValueError` for one that holds other bytes than text: it would be two commands.
        """
        if not _COMMAND.fullmatch(line):
            raise ValueError(f"no command line: {line!r}; expected 1 to 250 ASCII characters")
        return line.encode("ascii") + b"\r"

    def dial(self, number: str) -> bytes:
        """Return the command that dials `number` with DTMF (V.253 §9.1.1).

        A + in front is left out: the digits are sent as they stand. Raises `ValueError` for
        what is no number: it could be a command of its own.
        """
        digits = number.removeprefix("+")
        if not _DIALLED.fullmatch(digits):
            raise ValueError(f"no number to dial: {number!r}; expected digits, * # A-D and pauses")
        return self.command(f"ATDT{self._profile.dial_prefix}{digits}")

    @staticmethod
    def samples(samples: bytes) -> bytes:
        """Shield samples: each DLE among them is sent twice (V.253 §8.3)."""
        return samples.replace(b"\x10", b"\x10\x10")

    @property
    def end_of_play(self) -> bytes:
        """``<DLE><ETX>``, as this model wants it: play what is left in the buffer, and end."""
        return self._profile.end_of_play

    @property
    def abort_play(self) -> bytes:
        """``<DLE><CAN>`` and the end: drop what is left in the buffer, and end at once.

        By V.253 §8.3 the first only clears the buffer; without the second the play stays on.
        """
        return bytes((DLE, CAN)) + self._profile.end_of_play

    @property
    def join(self) -> bytes:
        """``<DLE><FS>``: one stream ends and the next begins; no command between the two."""
        return bytes((DLE, FS))

    @property
    def end_of_recording(self) -> bytes:
        """``<DLE>!``: end the recording, with what is left in the buffer."""
        return bytes((DLE, ord("!")))

    @property
    def pause(self) -> bytes:
        """``<DLE>p``: hold the play where it is (V.253 §8.3.2)."""
        return bytes((DLE, ord("p")))

    @property
    def resume(self) -> bytes:
        """``<DLE>r``: go on with a play that was held (V.253 §8.3.2)."""
        return bytes((DLE, ord("r")))
