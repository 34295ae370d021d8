"""`ivrd call`: a phone in the terminal, for the software card."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ivrd.cli.fast_call import fast_call
from ivrd.cli.keyboard import CTRL_C, END, Keyboard
from ivrd.cli.output import EXIT_NO, json_option
from ivrd.cli.service import enquiry_flow
from ivrd.cli.settings import settings
from ivrd.cli.telephone import HANG_UP, Display, Talk, key_words
from ivrd.config import Config
from ivrd.control.client import ControlClient, Phone
from ivrd.errors import ConfigError, Problem, nearest
from ivrd.events import KEYS
from ivrd.flow.spec import Flow

KEY_GAP_S = 0.25
"""From key to key of a script: a person who knows the number."""
SETTLED_S = 0.3
"""Silence after which a script takes it that ivrd has finished speaking."""
SILENT_S = 4.0
"""Silence after the last key of a script, longer than any lookup, at which it hangs up."""
PATIENCE_S = 60.0
"""How long a script waits for ivrd to finish speaking."""

_HANGS_UP = frozenset({HANG_UP, "H", "q", CTRL_C, END})


@click.command()
@click.option("--keys", help='Keys for a script: "1 202610# 1 88610001#". A blank waits until'
              ' ivrd has finished speaking; "!5" keys at once, "h" hangs up.')  # fmt: skip
@click.option("--caller", default="", metavar="NUMBER", help="The number you call from.")
@click.option("--called", default="170", show_default=True, metavar="NUMBER",
              help="The number you call.")  # fmt: skip
@click.option("--lang", metavar="TAG", help="Choose this language, where the flow offers it.")
@click.option("--wav", type=click.Path(dir_okay=False, writable=True, path_type=Path),
              help="Write what was heard.")  # fmt: skip
@click.option("--fast", is_flag=True,
              help="In this process, on virtual time; needs --keys and no daemon.")  # fmt: skip
@json_option
@click.pass_context
def call(
    ctx: click.Context, keys: str | None, caller: str, called: str, lang: str | None,
    wav: Path | None, fast: bool, as_json: bool,
) -> None:  # fmt: skip
    """Call ivrd on the software card and print what is heard.

    On a terminal, key with 0-9, * and #; "h" or Ctrl-C hangs up. Otherwise the keys are those
    of --keys, or what stands on standard input.
    """
    config = settings(ctx.obj)
    _check_numbers(caller, called)
    if keys is None and (fast or not sys.stdin.isatty()):
        if fast:
            raise click.UsageError("--fast needs --keys")
        keys = sys.stdin.read()
    words = key_words(keys) if keys is not None else None
    first = _language_key(config, lang)
    display = Display(as_json=as_json)
    if fast:
        went_well = fast_call(config, [*first, *(words or [])], caller, called, wav, display)
    else:
        went_well = asyncio.run(_call(config, first, words, caller, called, wav, display))
    if not went_well:
        ctx.exit(EXIT_NO)


def _check_numbers(*numbers: str) -> None:
    for number in numbers:
        if number.removeprefix("+").strip("0123456789*#"):
            raise click.UsageError(f"no telephone number: {number!r}; expected digits, + * #")


def _language_key(config: Config, lang: str | None) -> list[str]:
    """Return the key that chooses a language, as the first of a script's words."""
    if lang is None:
        return []
    enabled = config.node.languages
    if lang not in enabled:
        raise ConfigError([Problem(f"no language {lang!r} is enabled", file=config.path,
                                   key="node.languages", expected=f"one of {', '.join(enabled)}",
                                   nearest=nearest(lang, enabled), rule="language")])  # fmt: skip
    if len(enabled) == 1:
        return []
    key = language_key(enquiry_flow(config), lang)
    if key is None:
        raise ConfigError([Problem(f"offers no key for {lang}", file=config.flow_file,
                                   rule="language")])  # fmt: skip
    return [key]


def language_key(flow: Flow, lang: str) -> str | None:
    """Return the menu key that sets a call's language."""
    for _, edge in flow.edges:
        if edge.trigger.startswith("key ") and edge.set.get("lang") == lang:
            return edge.trigger.removeprefix("key ")
    return None


async def _call(
    config: Config, first: Sequence[str], words: Sequence[str] | None,
    caller: str, called: str, wav: Path | None, display: Display,
) -> bool:  # fmt: skip
    """Hold one call with the daemon; return whether it went as it should."""
    async with ControlClient(config.socket) as client:
        query = {"caller": caller, "called": called} | ({"wav": "1"} if wav else {})
        phone = await client.phone(**query)
        talk = Talk(display)
        listening = asyncio.create_task(_listen(phone, talk, wav, display))
        keying = asyncio.create_task(_key(phone, talk, first, words))
        try:
            await asyncio.wait({listening, keying}, return_when=asyncio.FIRST_COMPLETED)
            if keying.done() and not talk.over:
                _check_keying(keying)
            await listening
        finally:
            listening.cancel()
            keying.cancel()
            await asyncio.gather(listening, keying, return_exceptions=True)
            await phone.close()
    return talk.went_well()


async def _listen(phone: Phone, talk: Talk, wav: Path | None, display: Display) -> None:
    """Take all that the telephone tells, to its end."""
    async for message in phone:
        if isinstance(message, bytes):
            _write(wav, message, display)
        else:
            talk.take(message)


def _check_keying(keying: asyncio.Task[None]) -> None:
    """Raise what went wrong with the keys, but for a call that ended in that moment."""
    with contextlib.suppress(ConnectionError):
        keying.result()


def _write(wav: Path | None, heard: bytes, display: Display) -> None:
    if wav is not None and heard:
        wav.write_bytes(heard)
        display.remark("written", f"what was heard: {wav}", file=str(wav))


async def _key(phone: Phone, talk: Talk, first: Sequence[str], words: Sequence[str] | None) -> None:
    """Key for the script, or what a person keys; hang up at the end of either."""
    if words is None:
        with Keyboard() as keyboard:
            talk.hint("keys: 0-9 * #, h hangs up")
            typing = asyncio.create_task(_by_hand(phone, talk, keyboard))
            try:
                await _by_script(phone, talk, first)
                await typing
            finally:
                typing.cancel()
    else:
        await _by_script(phone, talk, [*first, *words])
        if not (words and words[-1].endswith(HANG_UP)):
            await talk.settled(SILENT_S, PATIENCE_S)
    if not talk.over:
        await phone.hang_up()


async def _by_hand(phone: Phone, talk: Talk, keyboard: Keyboard) -> None:
    while (key := await keyboard.key()) not in _HANGS_UP:
        if key in KEYS:
            talk.keyed(key)
            await phone.key(key)


async def _by_script(phone: Phone, talk: Talk, words: Sequence[str]) -> None:
    talk.left = list(words)
    for word in words:
        at_once = word.startswith("!")
        if not await (talk.answered() if at_once else talk.settled(SETTLED_S, PATIENCE_S)):
            return
        if word.endswith(HANG_UP):
            talk.left = []
            return
        for number, key in enumerate(word.removeprefix("!")):
            if number:
                await asyncio.sleep(KEY_GAP_S)
            talk.keyed(key)
            await phone.key(key)
        del talk.left[0]
