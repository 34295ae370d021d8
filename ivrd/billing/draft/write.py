"""A draft as the file that a person reads and finishes: every guess says why it was made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from unicodedata import east_asian_width

from ivrd.billing.draft.findings import Draft, Finding, Key, Unnamed

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SECTIONS: Sequence[Key] = (
    (), ("account",), ("account", "join"), ("bill",), ("bill", "join"), ("bill", "ready"),
    ("bill", "head"), ("bill", "items"), ("details",), ("details", "join"), ("arrears",),
)  # fmt: skip
_COMMENT_AT = 44
_MOST_UNNAMED = 8

DECIDE = "DECIDE"
"""Stands in a comment where a person must say something."""


def toml_of(draft: Draft) -> str:
    """Return the text of a mapping file."""
    return "\n".join(_lines(draft)) + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    yield "# A mapping drafted by `ivrd billing init`: guesses, to be read (docs/mapping.md)."
    yield "# sure: names and data agree. guess: look at it. not found: the database may lack it."
    yield f"# {DECIDE} stands where only you can say. The last word has `ivrd billing check`."
    yield from _trade(draft)
    for note in draft.notes:
        yield f"# NOTE: {_one_line(note)}"
    if draft.has("bill.layout") is False or not draft.complete:
        yield from _lacking(draft)
    for section in _SECTIONS:
        yield from _section(draft, section)
    yield from _prompts(draft)


def _trade(draft: Draft) -> Iterator[str]:
    if draft.trade is not None:
        how = "sure" if draft.trade_sure else "guess"
        yield f"# Spoken with: trade = {_text(draft.trade)} in [node] of ivrd.toml"
        yield f"#   {how}: {_one_line(draft.trade_why)}"
    elif draft.trade_why:
        yield f"# Spoken with the telephone's words, without a trade: {_one_line(draft.trade_why)}"
    elif draft.complete:
        yield "# NOTE: no trade was recognised: bills are spoken with the telephone's words, until"
        yield "#   ivrd.toml names another in [node], or a folder of your own (docs/trades.md)."


def _lacking(draft: Draft) -> Iterator[str]:
    yield "#"
    yield "# This is not whole: what a mapping must have was not found. Fill it in by hand, as"
    yield "# the ready mappings do in ivrd/billing/profiles/. The database has these tables:"
    for name in draft.tables:
        yield f"#   {_one_line(name)}"
    if draft.seen > len(draft.tables):
        yield f"#   … {draft.seen} tables and views in all"


def _section(draft: Draft, section: Key) -> Iterator[str]:
    own = [found for found in draft.findings if _section_of(found.key)[0] == section]
    if not own:
        return
    if section and section[-1] == "join":
        for alias in dict.fromkeys(found.key[len(section)] for found in own):
            yield ""
            yield f"[{'.'.join((*section, alias))}]"
            for found in own:
                if found.key[len(section)] == alias:
                    yield from _entry(found, found.key[len(section) + 1 :])
        return
    yield ""
    if section and any(found.value is not None for found in own):
        yield f"[{'.'.join(section)}]"
    elif section:
        yield f"# [{'.'.join(section)}]"
    for found in own:
        yield from _entry(found, _section_of(found.key)[1])


def _section_of(key: Key) -> tuple[Key, Key]:
    """Return the longest section that a key stands in, and what is left of the key."""
    best = max((s for s in _SECTIONS if key[: len(s)] == s and len(s) < len(key)), key=len)
    return best, key[len(best) :]


def _entry(found: Finding, key: Key) -> Iterator[str]:
    name = ".".join(map(quoted, key))
    why = _one_line(found.why)
    if found.value is None:
        yield _padded(f"# {name} = …") + f"# not found: {why}"
    else:
        line = f"{name} = {value(found.value)}"
        yield _padded(line) + f"# {found.how}: {why}" if why else line
    if found.others:
        yield f"#   or: {_one_line(', '.join(found.others))}"
    if found.decide:
        yield f"#   {DECIDE}: {_one_line(found.decide)}"


def _padded(line: str) -> str:
    """Return a line with blanks behind it, so that comments stand under each other."""
    wide = sum(2 if east_asian_width(c) in "WF" else 1 for c in line)
    return line + " " * max(_COMMENT_AT - wide, 2)


def _prompts(draft: Draft) -> Iterator[str]:
    if not draft.unnamed:
        return
    yield ""
    if draft.rest is None:
        yield "# These items have no prompt: `ivrd run` does not start without. Give their columns"
        yield "# or codes to an item that has one, or give each a name:"
    else:
        yield f"# {draft.rest} is spoken for what has no prompt of its own. Give a column or code"
        yield "# to an item that has one, or give it a name, and take it out of the others:"
    yield "#   1. its lines, as people say it, below [prompts] in zh-CN/prompts.toml and"
    yield f"#      en-US/prompts.toml of {_one_line(draft.words) or 'the trade or the voice files'}"
    yield "#   2. ivrd prompts make --only-missing      (or record it, see docs/voice.md)"
    yield "#   3. here, in [bill.items]: its line"
    if draft.spoken:
        yield f"# Items that have a prompt: {', '.join(draft.spoken)}"
    for code, unnamed in list(draft.unnamed.items())[:_MOST_UNNAMED]:
        yield f"#   {_one_line(', '.join(unnamed.told))}:"
        yield f"#     1. item_{code} = {_text(unnamed.zh)}    item_{code} = {_text(unnamed.en)}"
        yield f"#     3. {quoted(code)} = {value(_held(draft, unnamed))}"
    if len(draft.unnamed) > _MOST_UNNAMED:
        yield f"#   … and so on for the other {len(draft.unnamed) - _MOST_UNNAMED}"


def _held(draft: Draft, unnamed: Unnamed) -> Any:
    """Return what stands in [bill.items] for an item of its own."""
    if len(unnamed.held) == 1:
        return unnamed.held[0]
    narrow = draft.data()["bill"].get("layout") == "narrow"
    return unnamed.held if narrow else {"add": unnamed.held}


def quoted(name: str) -> str:
    """Return a key as TOML has it."""
    return name if _BARE.fullmatch(name) else _text(name)


def value(held: Any) -> str:
    """Return a value as TOML has it, on one line."""
    if isinstance(held, bool):
        return "true" if held else "false"
    if isinstance(held, int):
        return str(held)
    if isinstance(held, str):
        return _text(held)
    if isinstance(held, Mapping):
        return "{ " + ", ".join(f"{quoted(k)} = {value(v)}" for k, v in held.items()) + " }"
    return "[" + ", ".join(map(value, held)) + "]"


def _text(text: str) -> str:
    made = json.dumps(text, ensure_ascii=False)
    return made.replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    """Return text for a comment: names of a database may hold anything."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
