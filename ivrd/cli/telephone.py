"""What a telephone in the terminal shows, and when it is the caller's turn."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import click

from ivrd.cli.output import print_json
from ivrd.events import KEYS

HANG_UP = "h"
"""The word of a script, and the key of a keyboard, that hangs up."""


def key_words(text: str) -> list[str]:
    """Return the words of a script of keys. Raises `click.UsageError` for what is no key."""
    words = text.split()
    for number, word in enumerate(words, start=1):
        if word.removeprefix("!") == HANG_UP:
            if number < len(words):
                raise click.UsageError(f"--keys: nothing can follow {word!r}, it hangs up")
            continue
        wrong = set(word.removeprefix("!")) - KEYS
        if wrong or word == "!":
            told = "".join(sorted(wrong)) or word
            raise click.UsageError(f"--keys: {told!r} is no key; expected 0-9 * # A-D")
    return words


class Display:
    """Prints a call as it goes on: for people, or a JSON object for each event."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._in_keys = False

    def event(self, message: Mapping[str, Any]) -> None:
        """Print what the telephone told."""
        if self._as_json:
            print_json(message)
            sys.stdout.flush()
            return
        at_s, event = message.get("at_s", 0.0), message["event"]
        match event:
            case "heard":
                self._line(at_s, message["text"] or f"({message['sentence']})")
            case "ringing" | "answered" | "busy":
                self._line(at_s, event, fg="yellow")
            case "ended":
                self._line(at_s, f"ended by {message['by']}", fg="yellow")
            case "refused":
                self._line(at_s, f"refused: {message['error']}", fg="red")

    def keyed(self, key: str) -> None:
        """Print a key; those in a row stand together."""
        if self._as_json:
            print_json({"event": "keyed", "key": key})
        else:
            if not self._in_keys:
                click.echo(" " * 10 + click.style("▸ ", fg="cyan"), nl=False)
            self._in_keys = True
            click.echo(click.style(key, fg="cyan", bold=True), nl=False)
        sys.stdout.flush()

    def remark(self, event: str, text: str, **more: Any) -> None:
        """Print what is to be said about the call, on stderr; with ``--json`` as an event."""
        if self._as_json:
            print_json({"event": event, **(more or {"text": text})})
        else:
            self._end_keys()
            click.echo(text, err=True)

    def _line(self, at_s: float, text: str, fg: str | None = None) -> None:
        self._end_keys()
        click.echo(f"{click.style(f'{at_s:8.1f}', dim=True)}  {click.style(text, fg=fg)}")
        sys.stdout.flush()

    def _end_keys(self) -> None:
        if self._in_keys:
            click.echo()
        self._in_keys = False


class Talk:
    """One call as the caller knows it."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._speaking = False
        self._spoken = False
        self._ended_by = ""
        self._changed = asyncio.Event()
        self._answered = asyncio.Event()
        self.over = False
        self.left: list[str] = []
        """Words of a script that have not been keyed."""

    def take(self, message: Mapping[str, Any]) -> None:
        """Take what the telephone told."""
        event = message["event"]
        if event == "heard":
            self._speaking = self._spoken = True
        elif event == "quiet":
            self._speaking = False
        elif event == "answered":
            self._answered.set()
        elif event in {"ended", "busy", "refused"}:
            self.over = True
            self._answered.set()
            self._ended_by = message.get("by", "")
        if event != "quiet":
            self._display.event(message)
        self._changed.set()

    def keyed(self, key: str) -> None:
        """Take note of a key: what was spoken before it does not count any more.

        A full-length entry is answered before its "#" is keyed: that one changes nothing.
        """
        if key != "#":
            self._spoken = False
        self._display.keyed(key)

    def hint(self, text: str) -> None:
        """Tell the person at the keyboard something."""
        self._display.remark("hint", text)

    async def answered(self) -> bool:
        """Wait for the answer: nothing hears a key before it. False where there was none."""
        await self._answered.wait()
        return not self.over

    async def settled(self, silent_s: float, patience_s: float) -> bool:
        """Wait until ivrd has spoken since the last key and then been silent for `silent_s`.

        False where the call ends before, or nothing was to be heard for `patience_s`.
        """
        while not self.over:
            its_turn = self._spoken and not self._speaking
            self._changed.clear()
            try:
                async with asyncio.timeout(silent_s if its_turn else patience_s):
                    await self._changed.wait()
            except TimeoutError:
                return its_turn
        return False

    def went_well(self) -> bool:
        """Return whether the call was held and all was keyed; say why where it was not."""
        if not self.over:
            self._display.remark("failed", "the call was cut off: the daemon has gone")
        elif self._ended_by and self.left:
            told = f"the call ended before {' '.join(self.left)} could be keyed"
            self._display.remark("failed", told)
        return bool(self._ended_by) and not self.left
