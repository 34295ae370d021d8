"""Copies of the voice files for a telephone exchange that plays them from a folder of its own."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ivrd.errors import Problem, PromptError
from ivrd.prompts import AUDIO
from ivrd.speech.texts import load_texts


@dataclass
class Copied:
    """What became of each voice file, by its name there."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)


def copy_prompts(root: Path, languages: Sequence[str], target: Path) -> Copied:
    """Copy the voice files of `languages` from `root` to `target`, into the same tree.

    Everybody may read the copies. Each is whole at every moment, for it may be played just now;
    nothing is taken away. Raises `PromptError`, before anything is copied, for what cannot be.
    """
    files = _files(root, languages, target)
    copied = Copied()
    for name, file in files.items():
        copy = target / name
        if not copy.exists():
            copied.new.append(name)
        elif filecmp.cmp(file, copy, shallow=False):
            copied.same.append(name)
            continue
        else:
            copied.changed.append(name)
        _make_folder(copy.parent)
        fresh = copy.with_name(f".{copy.name}.new")
        shutil.copyfile(file, fresh)
        fresh.chmod(0o644)
        fresh.replace(copy)
    return copied


def _files(root: Path, languages: Sequence[str], target: Path) -> dict[str, Path]:
    """Return every voice file by its name in the tree."""
    here = root.resolve()
    if target.resolve() == here or here in target.resolve().parents:
        raise PromptError([Problem("is where the voice files come from", file=target,
                                   expected="another folder", rule="deploy")])  # fmt: skip
    problems: list[Problem] = []
    files: dict[str, Path] = {}
    for lang in languages:
        listed = load_texts(root / lang)
        problems += listed.problems
        for id_ in listed.texts:
            name = f"{lang}/{AUDIO}/{id_}.wav"
            files[name] = root / name
            if not files[name].is_file():
                problems.append(Problem("no such voice file", file=files[name],
                                        expected="a recording, or `ivrd prompts make`",
                                        rule="prompt-missing"))  # fmt: skip
    if problems:
        raise PromptError(problems)
    return files


def _make_folder(folder: Path) -> None:
    """Make a folder that everybody may read, whatever the umask; one that is there stays."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)
