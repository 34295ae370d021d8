"""The record of what was synthesised: which voice files, from which texts.

It needs none of the synthesiser's packages, so that every machine can tell a voice file that
says something else than its text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from ivrd.errors import Problem, PromptError
from ivrd.prompts import AUDIO, LEVEL_DBFS
from ivrd.speech.texts import Text, Voice
from ivrd.speech.trades import Layer, layers

RECORD = "synthesised.json"
"""What was synthesised from which text, and the hash of the audio: a file that differs from
it was recorded by a person."""

PEAK_DBFS = -1.0
"""No sample is louder; a prompt with high peaks stays below the common level for it."""

_VERSION = 1  # raise it when the audio made from the same text changes


def source_of(text: Text, voice: Voice) -> str:
    """Return a hash of all that the audio of a text is made from."""
    parts = [_VERSION, LEVEL_DBFS, PEAK_DBFS, asdict(text), asdict(voice)]
    return digest_of(json.dumps(parts, sort_keys=True).encode())


def digest_of(data: bytes) -> str:
    """Return a hash of audio."""
    return hashlib.sha256(data).hexdigest()[:16]


def read_record(file: Path) -> dict[str, dict[str, str]]:
    """Return what was synthesised before; without the file, every audio counts as recorded.

    Raises `PromptError` where the file is no such record.
    """
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return {id_: {"audio": e["audio"], "source": e["source"]} for id_, e in record.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PromptError(
            [Problem("not a record of synthesised prompts", file=file, rule="synthesis")]
        ) from None


def outdated(root: Path, languages: Iterable[str], trade: Path | None = None) -> list[Problem]:
    """Return every synthesised voice file whose text, or whose voice, has changed since.

    Of a recording by a person nobody can know; it is left to the ear.
    """
    problems: list[Problem] = []
    for layer in (layer for tag in languages for layer in layers(root, tag, trade)):
        problems += _outdated(layer)
    return problems


def _outdated(layer: Layer) -> Iterator[Problem]:
    listed = layer.listed
    if listed.voice is None:
        return
    try:
        record = read_record(layer.folder / RECORD)
    except PromptError as error:
        yield from error.problems
        return
    for id_, text in listed.texts.items():
        ours, file = record.get(id_), layer.folder / AUDIO / f"{id_}.wav"
        if ours is None or ours["source"] == source_of(text, listed.voice):
            continue
        if file.exists() and digest_of(file.read_bytes()) == ours["audio"]:
            yield Problem(
                f"the text of {id_!r} has changed since its voice file was synthesised",
                listed.file,
                listed.line_of(id_),
                rule="prompt-outdated",
                expected="`ivrd prompts make`, or a recording",
            )
