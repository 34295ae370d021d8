"""Copies of the voice files for a telephone exchange that plays them from a folder of its own."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ivrd.errors import Problem, PromptError
from ivrd.prompts import AUDIO
from ivrd.speech.trades import TRADES, layers


@dataclass
class Copied:
    """What became of each voice file, by its name there."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)


def copy_prompts(
    root: Path, languages: Sequence[str], target: Path, trade: Path | None = None
) -> Copied:
    """Copy the voice files of `languages`, and a trade's, from `root` to `target`: the same tree.

    Everybody may read the copies. Each is whole at every moment, for it may be played just now;
    nothing is taken away. Raises `PromptError`, before anything is copied, for what cannot be.
    """
    files = _files(root, languages, target, trade)
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


def _files(
    root: Path, languages: Sequence[str], target: Path, trade: Path | None
) -> dict[str, Path]:
    """Return every voice file by its name in the tree."""
    here = root.resolve()
    if target.resolve() == here or here in target.resolve().parents:
        raise PromptError([Problem("is where the voice files come from", file=target,
                                   expected="another folder", rule="deploy")])  # fmt: skip
    trade = trade.resolve() if trade is not None else None
    if trade is not None and here not in trade.parents:
        # the exchange is told of one folder, and finds everything below it
        raise PromptError([Problem("is not in the folder of the voice files", file=trade,
                                   expected=f"{root / TRADES / trade.name}, as node.trade = "
                                   f'"{trade.name}"', rule="deploy")])  # fmt: skip
    problems: list[Problem] = []
    files: dict[str, Path] = {}
    for layer in (layer for lang in languages for layer in layers(here, lang, trade)):
        problems += [problem for problem in layer.listed.problems if problem not in problems]
        folder = layer.folder.relative_to(here) / AUDIO
        for id_ in layer.listed.texts:
            name = (folder / f"{id_}.wav").as_posix()
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
