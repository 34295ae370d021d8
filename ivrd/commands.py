"""What a call orders: commands, the sentences it speaks, and sentences made audible.

Every command that awaits something carries an id, and what came of it is an event with the
same id. A call speaks in sentences with data (`Say`); the line expands them into the voice
files of the call's language (`Utterance`), so a log reads well and replays without recordings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from ivrd.events import CommandId, Data, Json


@dataclass(frozen=True, slots=True)
class Say:
    """One sentence by name with its data, keyed by the paths the sentence declares."""

    sentence: str
    data: Data = field(default_factory=dict)
    lang: str | None = None
    """A language of its own, where it differs from the call's."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One audio file and its text: 8 kHz, mono, 16-bit linear PCM in WAV."""

    id: str
    text: str
    path: Path
    samples: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples / SAMPLE_RATE


SAMPLE_RATE = 8000
"""Samples a second of every prompt: the telephone network's rate (ITU-T G.711)."""


@dataclass(frozen=True)
class Utterance:
    """One sentence as it will be heard: its name, language and audio files in order."""

    sentence: str
    lang: str
    prompts: tuple[Prompt, ...]

    @cached_property
    def text(self) -> str:
        """What a person would write down who heard it."""
        texts = [prompt.text for prompt in self.prompts if prompt.text]
        return ("" if self.lang.startswith("zh") else " ").join(texts)

    @cached_property
    def duration_s(self) -> float:
        """Length in seconds."""
        return sum(prompt.samples for prompt in self.prompts) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class OffHook:
    """Answer the ringing call. Answered by T_OFFH."""

    id: CommandId


@dataclass(frozen=True, slots=True)
class OnHook:
    """Hang up, whatever the state. Answered by T_ONH."""

    id: CommandId


@dataclass(frozen=True, slots=True)
class Dial:
    """Dial the target of this call. Answered by T_LCON or by why not."""

    id: CommandId
    args: Data


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the call to a person. Answered by T_MOVED or by why not."""

    id: CommandId


@dataclass(frozen=True, slots=True)
class Play:
    """Speak sentences, one after the other. Answered by T_EOF."""

    id: CommandId
    sentences: tuple[Say, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the play with this id; its T_EOF comes early."""

    id: CommandId


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Send `event` (T_TIME or T_LONG) with this id after `after_s` seconds."""

    id: CommandId
    after_s: float
    event: str


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget the timer with this id."""

    id: CommandId


@dataclass(frozen=True, slots=True)
class Run:
    """Carry out an action of the application; answered by one of the events it declares."""

    id: CommandId
    action: str
    args: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Flush:
    """Forget the keys that were typed ahead."""


@dataclass(frozen=True, slots=True)
class Note:
    """Record something about the call, by a word of the flow."""

    word: str


Command: TypeAlias = (
    OffHook | OnHook | Dial | Transfer | Play | Stop | StartTimer | CancelTimer | Run | Flush | Note
)
