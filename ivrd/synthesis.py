"""Prompts by speech synthesis: placeholders that work, until a person has recorded better ones.

espeak-ng speaks each text of the list; the audio is resampled to 8 kHz, trimmed, brought to
one level and given its pauses. The same lists give the same files. Never on the path of a
call; needs the extra ``ivrd[voice]`` and the program ``espeak-ng``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import warnings
import wave
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import soundfile
import soxr
from pypinyin import Style, lazy_pinyin

from ivrd.commands import SAMPLE_RATE
from ivrd.errors import Problem, PromptError, nearest
from ivrd.prompts import AUDIO, LEVEL_DBFS, speech_level
from ivrd.speech.texts import Text, TextList, Voice
from ivrd.speech.trades import Layer, layers
from ivrd.synthesised import PEAK_DBFS, RECORD, digest_of, read_record, source_of

with warnings.catch_warnings():  # pydub looks for ffmpeg, which WAV does not need
    warnings.simplefilter("ignore")
    from pydub import AudioSegment
    from pydub.silence import detect_leading_silence

_EDGE_DBFS = -55.0  # a "th" is 30 dB below the vowel behind it
_FADE_MS = 4
_LEAD_MS, _TAIL_MS = 5, 15
_SENTENCE_TAIL_MS = 200
_CLAUSE_TAIL_MS = 100
_SENTENCE_ENDS, _CLAUSE_ENDS = tuple(".?!。？！"), tuple(",;:，；：")

Progress: TypeAlias = Callable[[str, str, str], None]
"""Called with language, prompt id and "made", "kept" or "recorded"."""


@dataclass
class Report:
    """What `make_prompts` did, by language and prompt: ``"zh-CN/welcome"``.

    Prompts of a trade have its name before: ``"water/zh-CN/trade_bill"``.
    """

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    """Recordings by a person, left alone."""


def make_prompts(
    root: Path,
    languages: Iterable[str],
    *,
    trade: Path | None = None,
    only_missing: bool = False,
    force: bool = False,
    progress: Progress = lambda _lang, _prompt, _what: None,
) -> Report:
    """Synthesise what the text lists of `languages` name and is missing or has changed.

    `only_missing` leaves every file that exists; `force` makes all anew, recordings by people
    included. Raises `PromptError` where a list is wrong or espeak-ng cannot speak it.
    """
    todo = [
        (tag if layer.folder.parent != trade else f"{trade.name}/{tag}", layer)
        for tag in languages
        for layer in layers(root, tag, trade)
    ]
    problems: list[Problem] = []
    for _, layer in todo:
        problems += [problem for problem in layer.listed.problems if problem not in problems]
    if shutil.which("espeak-ng") is None:
        problems.append(Problem("espeak-ng is not installed", rule="synthesis"))
    else:
        problems += _voice_problems(
            layer.listed for _, layer in todo if layer.folder.parent != trade
        )
    if problems:
        raise PromptError(problems)
    report = Report()
    for name, layer in todo:
        _Maker(layer, name, report, progress).make(only_missing=only_missing, force=force)
    return report


def _voice_problems(lists: Iterable[TextList]) -> Iterator[Problem]:
    """Tell unknown voices: espeak-ng would speak with another one and say nothing."""
    run = subprocess.run(
        ["espeak-ng", "--voices"],  # noqa: S607 - found on PATH, as the person installed it
        text=True,
        capture_output=True,
        check=True,
    )
    known = {line.split()[1] for line in run.stdout.splitlines()[1:]}
    for listed in lists:
        if listed.voice and listed.toml and listed.voice.espeak.split("+")[0] not in known:
            yield listed.toml.problem(
                ["voice", "espeak"],
                f"espeak-ng has no voice {listed.voice.espeak!r}",
                nearest=nearest(listed.voice.espeak, known),
                rule="synthesis",
            )


class _Maker:
    """Makes the prompts of one text list."""

    def __init__(self, layer: Layer, tag: str, report: Report, progress: Progress) -> None:
        listed = layer.listed
        assert listed.voice is not None  # noqa: S101 - a list without problems has one
        self._audio = layer.folder / AUDIO
        self._record_file = layer.folder / RECORD
        self._record = read_record(self._record_file)
        self._tag, self._listed, self._voice = tag, listed, listed.voice
        self._report, self._progress = report, progress

    def make(self, *, only_missing: bool, force: bool) -> None:
        self._audio.mkdir(parents=True, exist_ok=True)
        record: dict[str, dict[str, str]] = {}
        try:
            for id_, text in self._listed.texts.items():
                what = self._what(id_, text, only_missing=only_missing, force=force)
                if what == "made":
                    self._make(id_, text)
                getattr(self._report, what).append(f"{self._tag}/{id_}")
                self._progress(self._tag, id_, what)
                if id_ in self._record:
                    record[id_] = self._record[id_]
        finally:
            record = self._record | record
            self._write_record({id_: record[id_] for id_ in record if id_ in self._listed.texts})

    def _what(self, id_: str, text: Text, *, only_missing: bool, force: bool) -> str:
        path = self._audio / f"{id_}.wav"
        if force or not path.exists():
            return "made"
        ours = self._record.get(id_)
        if ours is None or ours["audio"] != digest_of(path.read_bytes()):
            return "recorded"
        same = ours["source"] == source_of(text, self._voice)
        return "kept" if only_missing or same else "made"

    def _make(self, id_: str, text: Text) -> None:
        path = self._audio / f"{id_}.wav"
        if text.silence_ms:
            audio = AudioSegment.silent(text.silence_ms, SAMPLE_RATE)
        else:
            try:
                audio = _spoken(text, self._voice)
            except _Unspeakable as exc:
                line = self._listed.line_of(id_)
                raise PromptError(
                    [Problem(str(exc), self._listed.file, line, id_, rule="synthesis")]
                ) from None
        _write_wav(path, audio)
        self._record[id_] = {
            "audio": digest_of(path.read_bytes()),
            "source": source_of(text, self._voice),
        }

    def _write_record(self, record: Mapping[str, Mapping[str, str]]) -> None:
        """Keep the record where it has changed: the language's folder may be read-only."""
        if record == read_record(self._record_file):
            return
        lines = json.dumps(record, indent=1, sort_keys=True)
        self._record_file.write_text(lines + "\n", encoding="utf-8")


class _Unspeakable(Exception):  # noqa: N818 - stays within this file
    """espeak-ng made nothing of a text."""


def _spoken(text: Text, voice: Voice) -> Any:
    """Return the audio of a text, trimmed, at one level, with the pause its end asks for."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "spoken.wav"
        command = ["espeak-ng", "-v", voice.espeak, "-s", str(voice.words_per_minute)]
        command += ["-p", str(voice.pitch), "-w", str(file), "--stdin"]
        run = subprocess.run(  # noqa: S603 - a fixed program, the text on its standard input
            command, input=spoken_form(text, voice), text=True, capture_output=True, check=False
        )
        if run.returncode or not file.exists() or file.stat().st_size <= 44:
            raise _Unspeakable(f"espeak-ng cannot speak it: {run.stderr.strip() or 'no audio'}")
        samples, rate = soundfile.read(file, dtype="float32")
    narrow = soxr.resample(samples, rate, SAMPLE_RATE, quality="VHQ")
    return _finished(_segment(_levelled(narrow)), text)


def spoken_form(text: Text, voice: Voice) -> str:
    """Return what espeak-ng is given for a text: its pronunciation where the list has one."""
    if text.spoken is not None or not voice.pinyin:
        return text.spoken or text.text
    words = lazy_pinyin(text.text, style=Style.TONE3, tone_sandhi=True, neutral_tone_with_five=True)
    return " ".join(words).translate(str.maketrans("，。？！；：、", ",.?!;:,"))


def _levelled(samples: Any) -> Any:
    """Return float samples at `LEVEL_DBFS`, or less where the peaks would go over the limit."""
    for _ in range(3):  # the level is gated, so a gain may let further frames in
        level = speech_level((samples * 32768).astype(np.int64).tolist())
        if level is None:
            raise _Unspeakable("espeak-ng spoke only silence")
        peak = 20 * float(np.log10(np.max(np.abs(samples))))
        gain = min(LEVEL_DBFS - level, PEAK_DBFS - peak)
        samples = samples * 10 ** (gain / 20)
    return samples


def _segment(samples: Any) -> Any:
    frames = np.round(samples * 32767).astype("<i2").tobytes()
    return AudioSegment(frames, sample_width=2, frame_rate=SAMPLE_RATE, channels=1)


def _finished(audio: Any, text: Text) -> Any:
    """Cut the silence around the speech, fade against clicks, and add the pause of its end."""
    start = detect_leading_silence(audio, _EDGE_DBFS, chunk_size=2)
    end = len(audio) - detect_leading_silence(audio.reverse(), _EDGE_DBFS, chunk_size=2)
    speech = audio[max(0, start - _LEAD_MS) : end + _TAIL_MS]
    speech = speech.fade_in(_FADE_MS).fade_out(_TAIL_MS)
    tail = 0
    if text.text.endswith(_SENTENCE_ENDS) and len(text.text) > 4:
        tail = _SENTENCE_TAIL_MS
    elif text.text.endswith(_CLAUSE_ENDS):
        tail = _CLAUSE_TAIL_MS
    return speech + AudioSegment.silent(tail, SAMPLE_RATE) if tail else speech


def _write_wav(path: Path, audio: Any) -> None:
    part = path.with_suffix(".part")
    with wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(audio.raw_data)
    part.replace(path)
