"""What a trade says differently: its own texts over those of the languages.

A trade is a folder with a folder for each language::

    trades/water/zh-CN/prompts.toml     [trade]: the words that every trade has; [prompts]: the rest
    trades/water/zh-CN/sentences.toml   sentences that are made otherwise; most trades have none
    trades/water/zh-CN/audio/<id>.wav

The languages' own lists hold the telephone's words. Everything that a trade does not say is
said as they say it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path

from ivrd.errors import Problem, nearest
from ivrd.speech.templates import TEMPLATES, Template, load_templates, prompts_in
from ivrd.speech.texts import TEXT_LIST, WORDS, TextList, load_texts

TRADES = "trades"
"""Folder of the ready trades, within that of the voice files."""

OWN = ("item_", "notice_", "how_to_pay_")
"""What ids of a trade's own prompts begin with: mappings and campaigns name them."""


@dataclass(frozen=True)
class Layer:
    """A text list, and the folder in which its voice files are."""

    folder: Path
    listed: TextList


def layers(root: Path, tag: str, trade: Path | None = None) -> list[Layer]:
    """Return the text list of a language in `root`, and that of the trade, which goes over it.

    What is wrong in them is in their `problems`.
    """
    base = Layer(root / tag, load_texts(root / tag))
    if trade is None:
        return [base]
    return [base, Layer(trade / tag, _trade_texts(trade, tag, base.listed))]


def trade_templates(
    folder: Path, declared: Mapping[str, Set[str]], prompts: Set[str]
) -> tuple[dict[str, Template], list[Problem]]:
    """Return the sentences that a trade makes otherwise, and all that is wrong with them."""
    if not (folder / TEMPLATES).exists():
        return {}, []
    return load_templates(folder, declared, prompts, whole=False)


def trades_with(root: Path, tag: str, prompt: str) -> list[str]:
    """Return the ready trades of the voice files in `root` that have a prompt of their own."""
    return [
        trade.name
        for trade in sorted((root / TRADES).glob("*/"))
        if prompt in load_texts(trade / tag, with_voice=False).texts
    ]


def _trade_texts(trade: Path, tag: str, base: TextList) -> TextList:
    folder = trade / tag
    problem = _no_folder(trade, tag)
    if problem is not None:
        return TextList(folder / TEXT_LIST, {}, base.voice, (problem,))
    listed = load_texts(folder, with_voice=False)
    problems = [*listed.problems]
    if listed.toml is not None and base.texts:
        problems += [*_words(listed, base), *_prompts(listed, base, folder)]
    return replace(listed, voice=base.voice, problems=tuple(problems))


def _no_folder(trade: Path, tag: str) -> Problem | None:
    """Tell a trade that is missing once, and a language that it lacks."""
    if not trade.is_dir():
        ready = sorted(path.name for path in trade.parent.glob("*/") if trade.parent.name == TRADES)
        expected = "a folder of your own, such as ./gas"
        return Problem(
            f"no trade {trade.name!r}",
            file=trade,
            expected=f"{', '.join(ready)}, or {expected}" if ready else expected,
            nearest=nearest(trade.name, ready),
            rule="trade-unknown",
        )
    if (trade / tag).is_dir():
        return None
    there = sorted(path.parent.name for path in trade.glob(f"*/{TEXT_LIST}"))
    return Problem(
        f"the trade does not speak {tag}",
        file=trade / tag,
        expected=f"{TEXT_LIST} in such a folder",
        nearest=nearest(tag, there),
        rule="prompts-folder",
    )


def _words(listed: TextList, base: TextList) -> Iterator[Problem]:
    """Hold [trade] against the words that every trade has: none is missing, none is new."""
    assert listed.toml is not None  # noqa: S101 - asked by the caller
    for id_ in sorted(listed.words - base.words):
        yield listed.toml.problem(
            [WORDS, id_],
            "no such word of a trade",
            expected=", ".join(sorted(base.words)),
            nearest=nearest(id_, base.words),
            rule="trade-word",
        )
    for id_ in sorted(base.words - listed.words):
        yield Problem(
            f"the trade has no word {id_!r}",
            file=listed.file,
            key=WORDS,
            expected=f'its own word where others say "{base.texts[id_].text}"',
            nearest=nearest(id_, listed.words - base.words),
            rule="trade-word",
        )


def _prompts(listed: TextList, base: TextList, folder: Path) -> Iterator[Problem]:
    """Find prompts that nothing would ever say: most are slips of the pen."""
    assert listed.toml is not None  # noqa: S101 - asked by the caller
    used = prompts_in(folder)
    near: str | None
    for id_ in sorted(listed.texts.keys() - listed.words):
        if id_ in base.words:
            what, near = f"is a word of the trade: it belongs in [{WORDS}]", None
        elif id_ in base.texts or id_ in used or id_.startswith(OWN):
            continue
        else:
            what, near = "nothing says it", nearest(id_, base.texts)
        starts = ", ".join(f"{start}…" for start in OWN)
        yield listed.toml.problem(
            ["prompts", id_],
            what,
            expected=f"a prompt of the language, {starts}, or one of a sentence in {TEMPLATES}",
            nearest=near,
            rule="prompt-unused",
        )
