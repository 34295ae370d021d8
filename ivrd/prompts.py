"""The voice-file library: sentences with data become audio files, and the files are checked.

A language's folder ``voice_prompts/<tag>/`` holds

- ``prompts.toml``: the text list, what a person reads aloud (`ivrd.speech.texts`);
- ``sentences.toml``: what each sentence is made of (`ivrd.speech.templates`);
- ``audio/<id>.wav``: one file a prompt, 8 kHz, mono, 16-bit linear PCM.

A trade's folder has some of the same, which goes over it (`ivrd.speech.trades`).
"""

from __future__ import annotations

import math
import sys
import wave
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from operator import mul
from pathlib import Path
from typing import TypeAlias

from ivrd.commands import SAMPLE_RATE, Prompt, Say, Utterance
from ivrd.errors import Problem, PromptError, SpeechError, nearest
from ivrd.speech import GRAMMARS
from ivrd.speech.grammar import Speaker, speaker
from ivrd.speech.templates import Field, Group, Template, load_declared, load_templates
from ivrd.speech.texts import TEXT_LIST, Text, TextList
from ivrd.speech.trades import layers, trade_templates

AUDIO = "audio"

LEVEL_DBFS = -20.0
"""RMS level of speech in every prompt, relative to a full-scale square wave; see `speech_level`."""

LEVEL_TOLERANCE_DB = 4.0
"""How far from `LEVEL_DBFS` a recording may be before callers would notice."""

SILENT_DBFS = -45.0
"""Frames below this level are no speech; a prompt that has none above it is silent."""

_FRAME = SAMPLE_RATE // 50
_FULL_SCALE = 32768
_CLIPPED_RUN = 3
_ITEM = "item_"

_Part: TypeAlias = Prompt | tuple[str, Speaker]
_Section: TypeAlias = tuple[tuple[str, ...], tuple[_Part, ...]]
"""Parts, and the data paths that must not be "" for them to be spoken."""


@dataclass(frozen=True, slots=True)
class _Language:
    prompts: Mapping[str, Prompt]
    fixed: Mapping[str, Utterance]
    """The sentences without data, ready to be played."""
    templates: Mapping[str, tuple[_Section, ...]]


class Voices:
    """The prompts and sentences of the enabled languages, loaded and complete.

    Loading reads the text files and the WAV headers. Raises `PromptError` with all that is
    missing or wrong, so that no call can come upon it; `check_prompts` looks into the audio too.
    `trade` is the folder of the trade's own words; without one, the telephone's are spoken.
    """

    def __init__(
        self,
        root: Path,
        languages: Sequence[str],
        sentences_file: Path,
        trade: Path | None = None,
    ) -> None:
        declared = load_declared(sentences_file)
        problems: list[Problem] = []
        self._languages: dict[str, _Language] = {}
        for tag in languages:
            folder = _Folder(root, tag, declared, trade)
            problems += [problem for problem in folder.problems if problem not in problems]
            if not problems:
                self._languages[tag] = _compiled(folder)
        if problems:
            raise PromptError(problems)
        self.sentences = frozenset(declared)
        pcm.cache_clear()

    @property
    def languages(self) -> tuple[str, ...]:
        """The enabled languages, in the order in which they were given."""
        return tuple(self._languages)

    def items(self, lang: str) -> frozenset[str]:
        """Return the codes of the bill items that have a name in `lang`."""
        prompts = self._languages[lang].prompts
        return frozenset(id_[len(_ITEM) :] for id_ in prompts if id_.startswith(_ITEM))

    def ids(self, lang: str) -> Set[str]:
        """Return the ids of all prompts of `lang`."""
        return self._languages[lang].prompts.keys()

    def prompts(self) -> list[Prompt]:
        """Return every prompt of every enabled language, for cards that prepare them."""
        return [prompt for lang in self._languages.values() for prompt in lang.prompts.values()]

    def prompt(self, lang: str, prompt_id: str) -> Prompt:
        """Return one prompt; raises KeyError."""
        return self._languages[lang].prompts[prompt_id]

    def utterance(self, say: Say, lang: str) -> Utterance:
        """Return `say` as it will be heard in `lang`, or in the language it asks for.

        Raises `SpeechError`, which names the sentence and what was expected, never the value.
        """
        tag = say.lang or lang
        language = self._languages.get(tag)
        if language is None:
            raise SpeechError(f"sentence {say.sentence!r}: language {tag!r} is not enabled")
        fixed = language.fixed.get(say.sentence)
        if fixed is not None:
            return fixed
        template = language.templates.get(say.sentence)
        if template is None:
            raise SpeechError(f"no sentence {say.sentence!r}")
        prompts: list[Prompt] = []
        table, data = language.prompts, say.data
        path = ""
        try:
            for needed, parts in template:
                if needed and any(data.get(path) == "" for path in needed):
                    continue
                for part in parts:
                    if isinstance(part, Prompt):
                        prompts.append(part)
                    else:
                        path, speak = part
                        prompts += [table[id_] for id_ in speak(data[path])]
        except SpeechError as exc:
            raise SpeechError(f"sentence {say.sentence!r} ({tag}): {path!r}: {exc}") from None
        except KeyError:
            lack = "names no prompt" if path in data else "is missing"
            raise SpeechError(f"sentence {say.sentence!r} ({tag}): {path!r}: {lack}") from None
        return Utterance(say.sentence, tag, tuple(prompts))


class _Folder:
    """A language's folder as it was read, the trade's over it, with all that is wrong in them."""

    def __init__(
        self, root: Path, tag: str, declared: Mapping[str, Set[str]], trade: Path | None
    ) -> None:
        self.tag = tag
        self.prompts: dict[str, Prompt] = {}
        self.templates: dict[str, Template] = {}
        self.texts: dict[str, Text] = {}
        self.files: list[tuple[Path, Set[str]]] = []
        """Every folder of voice files, and the ids that may be in it."""
        if tag not in GRAMMARS:
            what = f"no grammar for language {tag!r}"
            expected = "one of " + ", ".join(GRAMMARS)
            near = nearest(tag, GRAMMARS)
            self.problems = [
                Problem(what, expected=expected, nearest=near, rule="language-unknown")
            ]
            return
        if not (root / tag).is_dir():
            self.problems = [_no_folder(root, tag)]
            return
        base, *over = layers(root, tag, trade)
        listed = base.listed
        self.problems = list(listed.problems)
        if listed.toml is None or not listed.texts:
            return
        self.texts |= listed.texts
        self.problems += _unspoken(listed, GRAMMARS[tag].ids)
        self.templates, wrong = load_templates(root / tag, declared, listed.texts.keys())
        self.problems += wrong
        for layer in over:
            self.problems += layer.listed.problems
            self.texts |= layer.listed.texts
            own, wrong = trade_templates(layer.folder, declared, self.texts.keys())
            self.templates |= own
            self.problems += wrong
        for layer in (base, *over):
            self._read_audio(layer.folder / AUDIO, layer.listed.texts)

    def _read_audio(self, audio: Path, texts: Mapping[str, Text]) -> None:
        self.files.append((audio, texts.keys()))
        if texts and not any(audio.glob("*.wav")):
            self.problems.append(_no_audio(audio, len(texts)))
            return
        for id_, text in texts.items():
            path = audio / f"{id_}.wav"
            header = _samples(path)
            if isinstance(header, int):
                self.prompts[id_] = Prompt(id_, text.text, path, header)
            else:
                self.problems.append(header)


def _no_folder(root: Path, tag: str) -> Problem:
    """Tell a folder that is missing once: the language's, or the one of all languages."""
    folder = root / tag if root.is_dir() else root
    there = sorted(path.name for path in root.glob("*") if (path / TEXT_LIST).exists())
    return Problem(
        "no such folder",
        file=folder,
        expected="the folder of the voice files, as places.prompts names it"
        if folder == root
        else f"{TEXT_LIST}, sentences.toml and {AUDIO}/ of {tag}",
        nearest=nearest(tag, there) if folder != root else None,
        rule="prompts-folder",
    )


def _no_audio(audio: Path, count: int) -> Problem:
    return Problem(
        f"none of the {count} voice files is there",
        file=audio,
        expected="recordings, or `ivrd prompts make`",
        rule="prompt-missing",
    )


def _unspoken(listed: TextList, ids: Set[str]) -> Iterator[Problem]:
    for id_ in sorted(ids - listed.texts.keys()):
        yield Problem(
            f"prompt {id_!r}, which the grammar speaks, is not in the text list",
            file=listed.file,
            rule="grammar-prompt",
        )


def _compiled(folder: _Folder) -> _Language:
    fixed: dict[str, Utterance] = {}
    templates: dict[str, tuple[_Section, ...]] = {}
    for name, template in folder.templates.items():
        sections = tuple(
            (part.paths, _parts(part.parts, folder))
            if isinstance(part, Group)
            else ((), _parts((part,), folder))
            for part in template
        )
        parts = [part for _, section in sections for part in section]
        prompts = tuple(part for part in parts if isinstance(part, Prompt))
        if len(prompts) == len(parts):
            fixed[name] = Utterance(name, folder.tag, prompts)
        else:
            templates[name] = sections
    return _Language(folder.prompts, fixed, templates)


def _parts(parts: Iterable[str | Field], folder: _Folder) -> tuple[_Part, ...]:
    grammar = GRAMMARS[folder.tag]
    return tuple(
        (part.path, speaker(grammar, part.kind))
        if isinstance(part, Field)
        else folder.prompts[part]
        for part in parts
    )


def _samples(path: Path) -> int | Problem:
    """Return the number of samples by the WAV header, or what is wrong with it."""
    try:
        with wave.open(str(path), "rb") as file:
            samples = file.getnframes()
            form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
        held = path.stat().st_size
    except FileNotFoundError:
        return Problem(
            "no such voice file",
            file=path,
            expected="a recording, or `ivrd prompts make`",
            rule="prompt-missing",
        )
    except (wave.Error, EOFError, OSError) as exc:
        what = f"not a WAV file of linear PCM ({str(exc) or 'it ends early'})"
        return Problem(what, file=path, expected=_FORMAT, rule="prompt-format")
    if form != (SAMPLE_RATE, 1, 2):
        rate, channels, width = form
        what = f"wrong format: {rate} Hz, {channels} channel(s), {8 * width} bit"
        return Problem(what, file=path, expected=_FORMAT, rule="prompt-format")
    if samples == 0 or held < 2 * samples:
        what = "no audio in it" if samples == 0 else "shorter than its header says"
        return Problem(what, file=path, expected=_FORMAT, rule="prompt-format")
    return samples


_FORMAT = f"{SAMPLE_RATE} Hz, mono, 16-bit linear PCM"


@cache
def pcm(prompt: Prompt) -> bytes:
    """Return a prompt's samples, 16-bit little-endian; exactly `prompt.samples` of them.

    A file that was replaced since it was loaded is cut, or filled up with silence, to the
    length that the calls in progress were promised. Raises `PromptError` where it is gone.
    Kept in memory until the next `Voices` is loaded.
    """
    return _frames(prompt)


def _frames(prompt: Prompt) -> bytes:
    try:
        with wave.open(str(prompt.path), "rb") as file:
            frames = file.readframes(prompt.samples)
    except (wave.Error, EOFError, OSError) as exc:
        what = f"cannot be read any more: {exc}"
        raise PromptError([Problem(what, file=prompt.path, rule="prompt-missing")]) from exc
    return frames.ljust(2 * prompt.samples, b"\0")


def speech_level(samples: Sequence[int]) -> float | None:
    """Return the RMS level of the speech in 16-bit samples, in dBFS; None where there is none.

    Only frames of 20 ms above `SILENT_DBFS` count, so that pauses do not make a prompt look
    quiet (the idea of the active speech level of ITU-T P.56, with a fixed threshold).
    """
    threshold = _FULL_SCALE**2 * 10 ** (SILENT_DBFS / 10)
    total = count = 0
    for start in range(0, len(samples), _FRAME):
        frame = samples[start : start + _FRAME]
        energy = sum(map(mul, frame, frame))
        if energy >= threshold * len(frame):
            total += energy
            count += len(frame)
    return 10 * math.log10(total / count / _FULL_SCALE**2) if count else None


def check_prompts(
    root: Path, languages: Iterable[str], sentences_file: Path, trade: Path | None = None
) -> list[Problem]:
    """Return all that is wrong with the prompts and sentences of `languages`, and of a trade's.

    Besides what `Voices` refuses: files that no text list names, and audio that is clipped,
    silent, too loud or too quiet.
    """
    try:
        declared = load_declared(sentences_file)
    except PromptError as exc:
        return list(exc.problems)
    problems: list[Problem] = []
    for tag in languages:
        folder = _Folder(root, tag, declared, trade)
        problems += [problem for problem in folder.problems if problem not in problems]
        problems += _unlisted(folder)
        for id_, prompt in folder.prompts.items():
            if not folder.texts[id_].silence_ms:
                problems += _audio_problems(prompt)
    return problems


def _unlisted(folder: _Folder) -> Iterator[Problem]:
    for audio, ids in folder.files:
        if not ids or not audio.is_dir():
            continue
        for path in sorted(audio.iterdir()):
            if path.suffix != ".wav" or path.stem not in ids:
                near = nearest(path.stem, ids)
                what = "not a prompt of the text list"
                yield Problem(what, file=path, nearest=near, rule="prompt-unlisted")


def _audio_problems(prompt: Prompt) -> Iterator[Problem]:
    samples = array("h", _frames(prompt))
    if sys.byteorder == "big":
        samples.byteswap()
    level = speech_level(samples)
    if level is None:
        yield Problem("silent", file=prompt.path, expected="speech", rule="prompt-silent")
        return
    if _clipped(samples):
        expected = f"speech at {LEVEL_DBFS:g} dBFS, without full-scale samples in a row"
        yield Problem("clipped", file=prompt.path, expected=expected, rule="prompt-clipped")
    if abs(level - LEVEL_DBFS) > LEVEL_TOLERANCE_DB:
        what = f"too {'loud' if level > LEVEL_DBFS else 'quiet'}: {level:.1f} dBFS"
        expected = f"{LEVEL_DBFS:g} dBFS, give or take {LEVEL_TOLERANCE_DB:g} dB"
        yield Problem(what, file=prompt.path, expected=expected, rule="prompt-level")


def _clipped(samples: Sequence[int]) -> bool:
    """Return whether full-scale samples stand in a row: one alone may be a true peak."""
    if min(samples) > -_FULL_SCALE + 1 and max(samples) < _FULL_SCALE - 1:
        return False
    run = 0
    for sample in samples:
        run = run + 1 if abs(sample) >= _FULL_SCALE - 1 else 0
        if run == _CLIPPED_RUN:
            return True
    return False
