"""A line in twenty lines: answers, greets, says back what was keyed, hangs up after 0#.

The card and its callers are tested against it, without a flow.
"""

from __future__ import annotations

import wave
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ivrd.card import Channel
from ivrd.commands import SAMPLE_RATE, Prompt, Utterance
from ivrd.events import T_DIGIT, T_EOF, T_LCTERM, T_OFFH, T_ONH, T_RING, T_RINGOFF, Event
from sim.card import SoftwareCard
from sim.clock import VirtualClock

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)

Speak = Callable[..., Utterance]


class EchoLine:
    """`welcome`, `enter_month`; then `echo` with the keys after each "#"; "0#" says goodbye."""

    def __init__(self, channel: Channel, speak: Speak) -> None:
        self.channel = channel
        self.events: list[Event] = []
        self._speak = speak
        self._id = 0
        self._entry = ""
        self._last_play = -1
        channel.connect(self.feed)

    def feed(self, event: Event) -> None:
        self.events.append(event)
        match event.name:
            case name if name == T_RING:
                self.channel.off_hook(self._next())
            case name if name == T_OFFH:
                self._entry, self._last_play = "", -1
                self._play(self._speak("welcome", 1.0), self._speak("enter_month", 2.0))
            case name if name == T_DIGIT:
                self._key(str(event.data["key"]))
            case name if name in {T_LCTERM, T_RINGOFF} or (
                name == T_EOF and event.id == self._last_play
            ):
                self.channel.on_hook(self._next())

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]

    @property
    def on_hook(self) -> bool:
        return self.names[-1] == T_ONH

    def _key(self, key: str) -> None:
        self.channel.stop(self._id)
        if key != "#":
            self._entry += key
        elif self._entry == "0":
            self._last_play = self._play(self._speak("goodbye", 0.5))
        else:
            self._play(self._speak("echo", 1.5, self._entry), self._speak("enter_month", 2.0))
            self._entry = ""

    def _play(self, *utterances: Utterance) -> int:
        self.channel.play(self._next(), utterances)
        return self._id

    def _next(self) -> int:
        self._id += 1
        return self._id


class Voice:
    """Makes sentences of one or more audio files, every sample of which is known."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0
        self._cache: dict[tuple[str, float, str], Utterance] = {}

    def __call__(self, sentence: str, length_s: float = 1.0, text: str = "") -> Utterance:
        key = (sentence, length_s, text)
        if key not in self._cache:
            prompt = self.prompt(round(length_s * SAMPLE_RATE), text or sentence)
            self._cache[key] = Utterance(sentence, "zh-CN", (prompt,))
        return self._cache[key]

    def prompt(self, samples: int, text: str = "") -> Prompt:
        self._made += 1
        path = self._folder / f"voice_{self._made}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(
                b"".join(
                    ((n * 7 + self._made * 101) % 32000 + 1).to_bytes(2, "little")
                    for n in range(samples)
                )
            )
        return Prompt(path.stem, text, path, samples)


class Rig:
    """A virtual clock, an open card and an echo line on each of its channels."""

    def __init__(self, folder: Path, channels: int = 2) -> None:
        self.clock = VirtualClock(START)
        self.voice = Voice(folder)
        self.card = SoftwareCard(self.clock, channels=channels)
        self.lines = [EchoLine(channel, self.voice) for channel in self.card.open_now()]
