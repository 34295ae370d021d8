"""The far end of a call: who is on the phone, and the phone itself.

A `Party` is a person or a program; the card tells it what it would hear. A `Leg` is its
telephone in one call: keys, hanging up, and the memory of everything that was heard.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from enum import Enum, StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from ivrd.clock import Clock
from ivrd.commands import SAMPLE_RATE, Prompt, Utterance
from ivrd.errors import Problem, PromptError
from ivrd.events import KEYS, CommandId


class Ending(StrEnum):
    """How a leg ended."""

    IVRD = "ivrd"
    """ivrd, or its card, hung up or gave up dialling."""
    FAR_END = "far_end"
    """The far end hung up, or gave up while it still rang."""
    BUSY = "busy"
    """The call was never answered: refused, or no channel was free."""


class Party:
    """One who is called or calls; override what is of interest. One leg at a time.

    The card calls these methods, in the clock's thread. Each may key or hang up at once.
    """

    follows_sentences: bool = False
    """Whether `hears` is wanted for every sentence; it costs a timer for each."""

    leg: Leg

    def joined(self, leg: Leg) -> None:
        """Take the telephone of this call: the first that the party is told."""
        self.leg = leg

    def answered(self) -> None:
        """Be told of the answer: by ivrd where the party called, by the party where ivrd did."""

    def playing(self, utterances: Sequence[Utterance]) -> None:
        """Be told of a play that begins: all that will be spoken unless something stops it."""

    def hears(self, utterance: Utterance) -> None:
        """Hear the first sample of this sentence, now (with `follows_sentences`)."""

    def silence(self) -> None:
        """Be told that a play ended or was stopped, and that no other began at once."""

    def ended(self, by: Ending) -> None:
        """Be told that the call is over, last of all. The leg keeps what was heard."""


class LegState(Enum):
    """Where a leg is in its life."""

    RINGING = "ringing"
    TALKING = "talking"
    ENDED = "ended"


class Play:
    """One play on a leg, from `start_sample` of the call; `heard` is None while it goes on."""

    __slots__ = (
        "_zero_s", "endless", "heard", "id", "next", "samples", "start_s", "start_sample",
        "utterances",
    )  # fmt: skip

    def __init__(
        self,
        id: CommandId,  # noqa: A002 - the contract's word
        utterances: tuple[Utterance, ...],
        zero_s: float,
        start_s: float,
        start_sample: int,
    ) -> None:
        self.id = id
        self.utterances = utterances
        self.samples = sum([p.samples for u in utterances for p in u.prompts])
        self._zero_s = zero_s
        self.start_s = start_s
        self.start_sample = start_sample
        self.heard: int | None = None
        self.endless = False
        self.next = 0

    def heard_by(self, now_s: float) -> int:
        """Return the samples that were heard up to `now_s`, to the sample."""
        if self.heard is not None:
            return self.heard
        # Counted on the samples of the call: the next play begins where this one was cut.
        return max(0, min(_sample(now_s - self._zero_s) - self.start_sample, self.samples))


class Heard(NamedTuple):
    """A prompt that was heard: where in the call it began, and how many samples of it came."""

    start_sample: int
    prompt: Prompt
    samples: int


class Exchange(Protocol):
    """What a leg is plugged into."""

    def far_key(self, leg: Leg, key: str) -> None:
        """Take a key of the far end."""

    def far_hang_up(self, leg: Leg) -> None:
        """Take the far end's hanging up."""


class Leg:
    """The far end's telephone in one call.

    `channel` is the number of the card's channel, None for a caller who hears that all are
    taken. Seconds are the clock's monotonic ones.
    """

    __slots__ = (
        "_exchange", "answered_s", "called", "caller", "channel", "clock", "ended_by", "ended_s",
        "party", "plays", "started_s", "state", "told",
    )  # fmt: skip

    def __init__(
        self,
        exchange: Exchange,
        party: Party,
        clock: Clock,
        numbers: tuple[str, str],
        channel: int | None,
    ) -> None:
        self._exchange = exchange
        self.party = party
        self.clock = clock
        self.caller, self.called = numbers
        self.channel = channel
        self.state = LegState.RINGING
        self.started_s = clock.monotonic()
        self.answered_s: float | None = None
        self.ended_s: float | None = None
        self.ended_by: Ending | None = None
        self.plays: list[Play] = []
        self.told = False

    def key(self, key: str) -> None:
        """Press one key; nothing hears it before the answer or after the end.

        Raises `ValueError` for what is not on a telephone.
        """
        if key not in KEYS:
            raise ValueError(f"no key of a telephone: {key!r}; expected one of 0-9 * # A-D")
        if self.state is LegState.TALKING:
            self._exchange.far_key(self, key)

    def hang_up(self) -> None:
        """Hang up, or give up while it rings; safe to repeat."""
        if self.state is not LegState.ENDED:
            self._exchange.far_hang_up(self)

    # For the card -----------------------------------------------------------------------

    def answer(self) -> None:
        """Take note that the call was answered; the party is told by `tell_answered`."""
        self.state = LegState.TALKING
        self.answered_s = self.clock.monotonic()

    def tell_answered(self) -> None:
        """Tell the party of the answer, once, before anything it hears."""
        if not self.told and self.state is LegState.TALKING:
            self.told = True
            self.party.answered()

    def end(self, by: Ending) -> None:
        """Take note of the end; the caller of this tells the party when its events are out."""
        self.state = LegState.ENDED
        self.ended_s = self.clock.monotonic()
        self.ended_by = by

    def begin_play(self, id: CommandId, utterances: tuple[Utterance, ...]) -> Play:  # noqa: A002 - the contract's word
        """Note a play that begins now, and return it."""
        now_s = self.clock.monotonic()
        answered_s = now_s if self.answered_s is None else self.answered_s
        sample = _sample(now_s - answered_s)
        if self.plays:
            # Rounding must never lay two plays over each other.
            last = self.plays[-1]
            sample = max(sample, last.start_sample + last.heard_by(now_s))
        play = Play(id, utterances, answered_s, now_s, sample)
        self.plays.append(play)
        return play

    # What was heard ---------------------------------------------------------------------

    def heard(self) -> Iterator[Heard]:
        """Yield every prompt of which at least one sample was heard, in order."""
        now_s = self.clock.monotonic()
        for play in self.plays:
            at, left = play.start_sample, play.heard_by(now_s)
            for utterance in play.utterances:
                for prompt in utterance.prompts:
                    samples = min(prompt.samples, left)
                    if samples:
                        yield Heard(at, prompt, samples)
                    at += samples
                    left -= samples

    @property
    def samples(self) -> int:
        """Length of the call from the answer to its end, or till now, in samples."""
        if self.answered_s is None:
            return 0
        end_s = self.clock.monotonic() if self.ended_s is None else self.ended_s
        length = _sample(end_s - self.answered_s)
        if self.plays:
            last = self.plays[-1]
            length = max(length, last.start_sample + last.heard_by(end_s))
        return length

    def write_wav(self, path: Path) -> None:
        """Write what the far end heard from the answer on, to the sample, silences in place.

        8 kHz, mono, 16-bit. Raises `PromptError` for a prompt file that cannot be read or is
        not what its `Prompt` says, `OSError` where `path` cannot be written.
        """
        sound = bytearray(2 * self.samples)
        files: dict[Path, bytes] = {}
        for start, prompt, samples in self.heard():
            if prompt.path not in files:
                files[prompt.path] = read_pcm(prompt)
            sound[2 * start : 2 * (start + samples)] = files[prompt.path][: 2 * samples]
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(SAMPLE_RATE)
            out.writeframes(sound)


def _sample(seconds: float) -> int:
    """Return the sample nearest to `seconds`; halves go up, so that lengths add up."""
    return int(seconds * SAMPLE_RATE + 0.5)


def read_pcm(prompt: Prompt) -> bytes:
    """Return the samples of a prompt; raise `PromptError` where its file is not what it says."""
    try:
        with wave.open(str(prompt.path), "rb") as file:
            form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            frames = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as exc:
        raise PromptError([Problem(f"cannot be read: {exc}", file=prompt.path)]) from None
    if form != (SAMPLE_RATE, 1, 2):
        what = "{} Hz, {} channels, {} bytes a sample".format(*form)
        raise PromptError([Problem(what, file=prompt.path, expected="8000 Hz, 1 channel, 2 bytes")])
    if len(frames) != 2 * prompt.samples:
        what = f"{len(frames) // 2} samples"
        raise PromptError([Problem(what, file=prompt.path, expected=f"{prompt.samples} samples")])
    return frames
