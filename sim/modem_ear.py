"""What the far end of an emulated modem understands: voice files found again in the samples.

The modem has nothing but samples, coded as its host sent them. They are compared with the voice
files, coded the same way, from the beginning of each file on: a match is exact, to the sample.
What matches nothing is passed over until a file begins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.modem.samples import Coding, to_modem
from ivrd.commands import Prompt, Utterance
from sim.party import read_pcm

BLOCK = 240
"""Samples by which the beginning of a voice file is looked up (30 ms)."""


class Vocabulary:
    """The voice files that a far end knows, and the sentences that begin with them.

    `begins` names, for a prompt, the sentence that begins with it; other prompts belong to the
    sentence before them. Without it each prompt is a sentence of its own id. Raises `PromptError`
    for a file that cannot be read.
    """

    def __init__(
        self,
        prompts: Iterable[Prompt],
        coding: Coding,
        *,
        begins: Mapping[Prompt, str] | None = None,
    ) -> None:
        self.coding = coding
        self.begins = begins
        self._by_block: dict[bytes, list[tuple[bytes, Prompt]]] = defaultdict(list)
        self._coded: dict[Prompt, bytes] = {}
        for prompt in prompts:
            samples = self.coded(prompt)
            self._by_block[samples[:BLOCK]].append((samples, prompt))

    def coded(self, prompt: Prompt) -> bytes:
        """Return the samples of a prompt as they come through the modem."""
        samples = self._coded.get(prompt)
        if samples is None:
            samples = self._coded[prompt] = to_modem(read_pcm(prompt), self.coding)
        return samples

    def beginning_with(self, block: bytes) -> Sequence[tuple[bytes, Prompt]]:
        """Return the prompts that begin with this block."""
        return self._by_block.get(block, ())


@dataclass(slots=True)
class Recognised:
    """A prompt that was heard: from which sample of the stream on, and how much of it."""

    start: int
    prompt: Prompt
    samples: int

    @property
    def whole(self) -> bool:
        """Whether it was heard to its end."""
        return self.samples == self.prompt.samples


@dataclass(slots=True)
class Ear:
    """Finds the prompts in one stream of samples."""

    vocabulary: Vocabulary
    found: list[Recognised] = field(default_factory=list)
    unknown: int = 0
    """Samples that belong to no prompt."""
    _rest: bytearray = field(default_factory=bytearray)
    _at: int = 0  # of the first sample in `_rest`

    def hear(self, samples: bytes) -> None:
        """Take samples, and find what is whole."""
        self._rest += samples
        self._look(final=False)

    def end(self) -> None:
        """Find the prompt that was cut short by the end of the stream."""
        self._look(final=True)

    def utterances(self) -> tuple[Utterance, ...]:
        """Return what was heard as sentences; the language is that of the voice files' folder."""
        begins = self.vocabulary.begins or {}
        sentences: list[tuple[str, list[Prompt]]] = []
        for heard in self.found:
            prompt = heard.prompt
            if prompt in begins or not begins or not sentences:
                sentences.append((begins.get(prompt, prompt.id), []))
            sentences[-1][1].append(prompt)
        return tuple(
            Utterance(name, _language(prompts[0]), tuple(prompts)) for name, prompts in sentences
        )

    def _look(self, *, final: bool) -> None:
        while self._rest:
            if len(self._rest) < BLOCK and not final:
                return
            matches = self._matches()
            if not final and any(self._goes_on(match) for match in matches):
                return
            # within a stream no file is cut: only its end can cut one
            fitting = [match for match in matches if match.whole or self._goes_on(match)]
            best = max(fitting or matches, key=lambda m: (m.samples, m.whole), default=None)
            if best is None:
                self._skip()
            else:
                self._note(best)

    def _matches(self) -> list[Recognised]:
        """Return the prompts that can begin here, and how far each fits."""
        rest = bytes(self._rest)
        return [
            Recognised(self._at, prompt, _common(rest, samples))
            for samples, prompt in self.vocabulary.beginning_with(rest[:BLOCK])
        ]

    def _goes_on(self, match: Recognised) -> bool:
        """Whether all that came belongs to this prompt, and more of it may come."""
        return match.samples == len(self._rest) and not match.whole

    def _note(self, match: Recognised) -> None:
        self.found.append(match)
        self._drop(match.samples)

    def _skip(self) -> None:
        """Go on to where a prompt may begin."""
        for start in range(1, len(self._rest)):
            if self.vocabulary.beginning_with(bytes(self._rest[start : start + BLOCK])):
                break
        else:
            start = max(1, len(self._rest) - BLOCK + 1)
        self.unknown += start
        self._drop(start)

    def _drop(self, count: int) -> None:
        del self._rest[:count]
        self._at += count


def _common(one: bytes, other: bytes) -> int:
    """Return how many bytes the two have in common from the beginning on."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _language(prompt: Prompt) -> str:
    """Return the tag of the folder that a voice file lies in: <tag>/audio/<id>.wav."""
    return prompt.path.parent.parent.name


class Announced:
    """One stream of which it is known beforehand what it should say, as a test does."""

    def __init__(self, utterances: Sequence[Utterance], vocabulary: Vocabulary) -> None:
        self.utterances = tuple(utterances)
        self.heard = 0
        """Samples that came."""
        self.wrong = 0
        """Samples that came and are others than they should be."""
        self._starts: list[int] = []
        parts: list[bytes] = []
        length = 0
        for utterance in utterances:
            self._starts.append(length)
            for prompt in utterance.prompts:
                parts.append(vocabulary.coded(prompt))
                length += len(parts[-1])
        self._expected = b"".join(parts)

    def fits(self, samples: bytes) -> bool:
        """Return whether a stream that begins so can be this one."""
        return self._expected.startswith(samples)

    def hear(self, samples: bytes) -> list[Utterance]:
        """Take samples; return the sentences of which the first sample is among them."""
        start, end = self.heard, self.heard + len(samples)
        expected = self._expected[start:end]
        if expected != samples:
            same = sum(a == b for a, b in zip(expected, samples, strict=False))
            self.wrong += len(samples) - same
        self.heard = end
        pairs = zip(self._starts, self.utterances, strict=True)
        return [utterance for at, utterance in pairs if start <= at < end]
