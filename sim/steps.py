"""What a caller does in a call, step by step; `sim.script` is how people write it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from sim.faults import Fault
from sim.party import Ending

HEAR_WITHIN_S = 60.0
ENDED_WITHIN_S = 120.0
SPEAKS_WITHIN_S = 180.0
"""No bill takes longer to speak; a caller who waits to key gives up then."""
KEY_GAP_S = 0.25
"""From key to key: a person who knows the number (ITU-T E.161 keypads, quick users)."""
KEY_AFTER_S = 0.3
"""Silence after which a caller takes it that ivrd has finished speaking."""
FINISH_SILENT_S = 4.0
"""Longer than any lookup may keep a caller waiting."""

ENDINGS = {"ivrd": Ending.IVRD, "caller": Ending.FAR_END, "busy": Ending.BUSY}
"""The words for who ended a call."""


@dataclass(frozen=True, slots=True)
class Hear:
    """Wait until a sentence begins whose text contains `text`."""

    sentence: str
    text: str = ""
    within_s: float = HEAR_WITHIN_S
    line: int = field(default=0, compare=False)

    def __str__(self) -> str:
        text = f' "{self.text}"' if self.text else ""
        return f"hear {self.sentence}{text} within {self.within_s:.12g}"


@dataclass(frozen=True, slots=True)
class Key:
    """Wait until ivrd has been silent for `after_s` seconds, then key."""

    keys: str
    gap_s: float = KEY_GAP_S
    after_s: float = KEY_AFTER_S
    line: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"key {self.keys} gap {self.gap_s:.12g} after {self.after_s:.12g}"


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Key `after_s` seconds from here, whatever is being said."""

    keys: str
    gap_s: float = KEY_GAP_S
    after_s: float = 0.0
    line: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"interrupt {self.keys} gap {self.gap_s:.12g} after {self.after_s:.12g}"


@dataclass(frozen=True, slots=True)
class Wait:
    """Stay silent."""

    seconds: float
    line: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"wait {self.seconds:.12g}"


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait until ivrd has spoken since the last key, and has been silent for `silent_s`."""

    silent_s: float = KEY_AFTER_S
    within_s: float = SPEAKS_WITHIN_S
    line: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"listen silent {self.silent_s:.12g} within {self.within_s:.12g}"


@dataclass(frozen=True, slots=True)
class Finish:
    """Wait until ivrd hangs up, or has been silent for `silent_s`; then hang up."""

    silent_s: float = FINISH_SILENT_S
    within_s: float = SPEAKS_WITHIN_S
    line: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"finish silent {self.silent_s:.12g} within {self.within_s:.12g}"


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hang up, or give up while it still rings."""

    after_s: float = 0.0
    line: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"hang up after {self.after_s:.12g}"


@dataclass(frozen=True, slots=True)
class Ended:
    """Wait until the call has ended, and see that it was ended by this side."""

    by: Ending
    within_s: float = ENDED_WITHIN_S
    line: int = field(default=0, compare=False)

    def __str__(self) -> str:
        word = next(word for word, ending in ENDINGS.items() if ending is self.by)
        return f"ended {word} within {self.within_s:.12g}"


Step: TypeAlias = Hear | Key | Interrupt | Wait | Listen | Finish | HangUp | Ended


@dataclass(frozen=True, slots=True)
class Script:
    """What one caller does in one call."""

    steps: tuple[Step, ...]
    caller: str = ""
    called: str = ""
    never: frozenset[str] = frozenset()
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    file: Path | None = None
