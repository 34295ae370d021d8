"""The log of a line, which is also its trace: written live, read by people, replayed by tests.

One file a line. A call begins with a line marked ``@`` (its id, flow and hash, language, first
command id and facts); then, step by step, ``<`` is what came (from the card, a timer, an
action), ``>`` what the call ordered for it, ``=`` the state it came to; ``!`` is a remark of the
line's own and ``#`` how the call ended. Times are the wall clock's and, behind it, seconds since
the call began::

    2026-11-21T10:00:00.000+08:00 0.000 @ 20261121-1000-L3-1 3 enquiry@9239efe3 zh-CN 17 …
    2026-11-21T10:00:00.000+08:00 0.000 < T_RING caller="xxxx0001" called="170"
    2026-11-21T10:00:00.000+08:00 0.000 > off_hook 2
    2026-11-21T10:00:00.000+08:00 0.000 = answering
    2026-11-21T10:00:07.250+08:00 7.250 < T_DIGIT key="2"
    2026-11-21T10:00:09.020+08:00 9.020 > play 14 bill_item name=monthly_rent amount=2500 | …

Names are words, values JSON (a string that looks like a name stands bare). Private data is
masked character by character, so that what is masked on the way in comes out masked alike and
the log still replays.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from logging.handlers import RotatingFileHandler
from math import isfinite
from pathlib import Path
from typing import Any

import structlog

from ivrd.commands import (
    CancelTimer,
    Command,
    Dial,
    Flush,
    Note,
    OffHook,
    OnHook,
    Play,
    Run,
    Say,
    StartTimer,
    Stop,
    Transfer,
)
from ivrd.events import MASKED_KEY, T_DIGIT, CommandId, Data, Event, Json

_BARE = re.compile(r"[^\W\d][\w.:+-]*\Z").match
_INSTANT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?[+-]\d\d:\d\d")
_WORDS_OF_JSON = frozenset({"true", "false", "null", "NaN", "Infinity"})
_PARTLY = frozenset({"caller"})
"""Masked but for the last four, by which staff tell callers apart."""

_log = structlog.get_logger("ivrd.linelog")
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


# -- masking -----------------------------------------------------------------------------------


def masked(value: Json, *, keep: int = 0) -> Json:
    """Return `value` with each letter and digit of its texts made ``x``, the last `keep` aside.

    Masking again changes nothing, and what is empty or 0 stays so.
    """
    if isinstance(value, str):
        shown = value[-keep:] if keep and len(value) > keep + 2 else ""
        hidden = value[: len(value) - len(shown)]
        return "".join(MASKED_KEY if char.isalnum() else char for char in hidden) + shown
    if isinstance(value, dict):
        return {name: masked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return masked(str(value)) if value and value is not True else value


class Mask:
    """Masks data by the paths that are private."""

    def __init__(self, private: frozenset[str]) -> None:
        self._whole = frozenset(path for path in private if "." not in path)
        self._paths = frozenset(path for path in private if "." in path)
        self._nested = frozenset(path.split(".", 1)[0] for path in self._paths)
        self._touched = self._whole | self._nested | self._paths

    def __call__(self, data: Data) -> Data:
        """Return `data`, keyed by names or by whole paths, with what is private masked."""
        if self._touched.isdisjoint(data):
            return data
        return {name: self._value(name, value) for name, value in data.items()}

    def _value(self, path: str, value: Json) -> Json:
        if path in self._whole or path in self._paths:
            return masked(value, keep=4 if path in _PARTLY else 0)
        if path.split(".", 1)[0] in self._nested and isinstance(value, dict):
            return {name: self._value(f"{path}.{name}", item) for name, item in value.items()}
        return value


# -- rendering ---------------------------------------------------------------------------------


def render_value(value: Json) -> str:
    """Return a value as a trace shows it."""
    kind = type(value)
    if kind is str:
        return _render_text(value)  # type: ignore[arg-type]  # the type was just looked at
    if kind is int:
        return str(value)
    if kind is float and isfinite(value):  # type: ignore[arg-type]  # as above
        return repr(value)
    return _dumps(value)


@lru_cache(maxsize=4096)
def _render_text(text: str) -> str:
    return text if _BARE(text) and text not in _WORDS_OF_JSON else _dumps(text)


render_name = _render_text
"""Return a name, bare where it looks like one."""


def render_data(data: Data) -> str:
    """Return data as `` name=value`` for each, with a blank in front of each."""
    text = ""
    for name, value in data.items():
        text += f" {_render_text(name)}={render_value(value)}"
    return text


def render_event(event: Event, mask: Mask, *, private_key: bool = False) -> str:
    """Return an event as a trace shows it, without mark and time."""
    data = mask(event.data)
    if private_key and event.name == T_DIGIT:
        key = data.get("key")
        data = {**data, "key": MASKED_KEY if isinstance(key, str) and key.isdigit() else key}
    number = "" if event.id is None else f" {event.id}"
    return f"{event.name}{number}{render_data(data)}" if data else event.name + number


def _render_say(say: Say, mask: Mask) -> str:
    name = render_name(say.sentence)
    if say.lang is not None:
        name += f"@{say.lang}"
    return name + render_data(mask(say.data)) if say.data else name


_RENDER: dict[type, Callable[[Any, Mask], str]] = {
    OffHook: lambda c, _: f"off_hook {c.id}",
    OnHook: lambda c, _: f"on_hook {c.id}",
    Transfer: lambda c, _: f"transfer {c.id}",
    Dial: lambda c, mask: f"dial {c.id}{render_data(mask(c.args))}",
    Play: lambda c, mask: f"play {c.id} " + " | ".join([_render_say(s, mask) for s in c.sentences]),
    Stop: lambda c, _: f"stop {c.id}",
    StartTimer: lambda c, _: f"timer {c.id} {c.after_s!r} {c.event}",
    CancelTimer: lambda c, _: f"cancel {c.id}",
    Run: lambda c, mask: f"run {c.id} {render_name(c.action)}{render_data(mask(c.args))}",
    Flush: lambda _c, _m: "flush",
    Note: lambda c, _: f"note {render_value(c.word)}",
}


def render_command(command: Command, mask: Mask) -> str:
    """Return a command as a trace shows it, without mark and time."""
    return _RENDER[type(command)](command, mask)


def render_step(
    prefix: str,
    event: Event,
    commands: Sequence[Command],
    state: str | None,
    mask: Mask,
    *,
    private_key: bool = False,
) -> str:
    """Return one whole step: the event, its commands, and the state where it changed."""
    text = f"{prefix} < {render_event(event, mask, private_key=private_key)}\n"
    for command in commands:
        text += f"{prefix} > {_RENDER[type(command)](command, mask)}\n"
    return text if state is None else f"{text}{prefix} = {state}\n"


# -- writing -----------------------------------------------------------------------------------


class TraceFile:
    """A rotated text file; written to as a structlog logger.

    `max_bytes` is the size at which it is rotated, `max_age_s` the age of its first line; 0 for
    neither. `keep` is how many old ones stay. Without
    `flush`, text is handed to the system in blocks: for simulations. With `soon`, the
    `call_soon` of an event loop, all that is written in one turn of it goes in one piece, after
    what the turn itself has to do. `now` gives the wall clock's seconds (POSIX).
    """

    def __init__(
        self, path: Path, max_bytes: int, keep: int, *, max_age_s: float = 0.0, flush: bool = True,
        soon: Callable[[Callable[[], None]], object] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        # a card's own words may hold what is no text: as JSON's escapes, so that it is read back
        self._handler = RotatingFileHandler(
            path, "a", max_bytes, keep, encoding="utf-8", errors="backslashreplace"
        )
        self._flush = flush
        self._soon = soon
        self._waiting = 0
        """Texts that are handed over at the end of this turn."""
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._now = now
        self._size = path.stat().st_size
        self._began_s = _first_s(path) if self._size else 0.0
        self._failing = False
        self.lost = 0
        """Texts that could not be written, the disk being full or worse."""

    def info(self, text: str) -> None:
        """Write whole lines, rotating before them where they would not fit.

        A caller is never left on the line for the sake of a log: what cannot be written is
        counted, and told once in the daemon's own log until it can be written again.
        """
        self._try(partial(self._write, text), 1)

    def _try(self, write: Callable[[], None], texts: int) -> None:
        try:
            write()
        except OSError as error:
            self.lost += texts
            first, self._failing = not self._failing, True  # before it is told: that may go here
            if first:
                file = self._handler.baseFilename
                _log.error("line_log_not_written", file=file, why=error.strerror)
        else:
            if not self._waiting:
                self._failing = False

    def _write(self, text: str) -> None:
        if self._size and self._is_due(len(text)):
            self._handler.doRollover()
            self._size = 0
        if not self._size:
            self._began_s = self._now()
        self._size += len(text.encode(errors="backslashreplace"))
        if self._handler.stream is None:  # a rollover that failed has closed it
            self._handler.stream = self._handler._open()  # noqa: SLF001 - as its own emit does
        stream = self._handler.stream
        stream.write(text)
        if not self._flush:
            return
        if self._soon is None:
            stream.flush()
            return
        self._waiting += 1
        if self._waiting == 1:
            self._soon(self._hand_over)

    def _is_due(self, more: int) -> bool:
        if self._max_bytes and self._size + more > self._max_bytes:
            return True
        return bool(self._max_age_s) and self._now() - self._began_s >= self._max_age_s

    def reopen(self) -> None:
        """Go on in the file of that name: logrotate has taken the old one away."""
        self._try(self._reopened, 0)

    def _reopened(self) -> None:
        stream, self._handler.stream = self._handler.stream, None
        try:
            if stream is not None:
                stream.close()
        finally:
            self._handler.stream = self._handler._open()  # noqa: SLF001 - as its own emit does
            path = Path(self._handler.baseFilename)
            self._size = path.stat().st_size
            self._began_s = _first_s(path) if self._size else 0.0

    def _hand_over(self) -> None:
        waiting, self._waiting = self._waiting, 0
        if self._handler.stream is not None:  # else closed meanwhile, and written with that
            self._try(self._handler.stream.flush, waiting)

    def close(self) -> None:
        """Write what is left and close; safe to repeat."""
        try:
            self._handler.close()
        except OSError as error:
            _log.error("line_log_not_written", file=self._handler.baseFilename, why=error.strerror)
            with suppress(OSError):  # where this is the daemon's own log, that has opened it anew
                self._handler.close()


def _first_s(path: Path) -> float:
    """Return the instant of a log's first line; when it was written to last, if that has none."""
    with path.open("rb") as log:
        found = _INSTANT.search(log.readline(1000))
    try:
        return (
            datetime.fromisoformat(found[0].decode()).timestamp() if found else path.stat().st_mtime
        )
    except ValueError:
        return path.stat().st_mtime


@dataclass(frozen=True, slots=True)
class CallHead:
    """What a trace says of a call before its first event: all that a replay starts from."""

    call: str
    line: int
    flow: str
    hash: str
    lang: str
    first_id: CommandId
    facts: Data


class LineLog:
    """Writes the trace of one line through structlog.

    `logger` is what takes the finished text: a `TraceFile`, or anything with ``info(text)``.
    """

    def __init__(self, logger: Any, *, mask_private: bool = True) -> None:
        self._mask_private = mask_private
        self._mask = Mask(frozenset())
        bare = structlog.wrap_logger(
            logger,
            processors=[_finished],
            wrapper_class=_TraceLogger,
            context_class=dict,
        )
        self._log = bare.bind()

    def begin(self, now: datetime, head: CallHead, private: frozenset[str]) -> None:
        """Write the first line of a call; `private` holds for all of the call."""
        self._mask = Mask(private if self._mask_private else frozenset())
        facts = render_data(self._mask(head.facts))
        self._log.write(
            f"{_stamp(now)} 0.000 @ {head.call} {head.line} {head.flow}@{head.hash}"
            f" {head.lang} {head.first_id}{facts}\n"
        )

    def step(
        self, now: datetime, at_s: float, event: Event, commands: Sequence[Command],
        state: str | None, *, private_key: bool,
    ) -> None:  # fmt: skip
        """Write one step of the call."""
        private_key = private_key and self._mask_private
        prefix = f"{_stamp(now)} {at_s:.3f}"
        self._log.write(
            render_step(prefix, event, commands, state, self._mask, private_key=private_key)
        )

    def shown(self, say: Say, text: str) -> str:
        """Return `text`, which is how `say` is spoken; where that is private, `say` as logged."""
        return text if self._mask(say.data) == say.data else _render_say(say, self._mask)

    def remark(self, now: datetime, at_s: float, what: str, **more: Json) -> None:
        """Write what the line has to say for itself."""
        self._log.write(f"{_stamp(now)} {at_s:.3f} ! {render_name(what)}{render_data(more)}\n")

    def end(self, now: datetime, at_s: float, **summary: Json) -> None:
        """Write how the call ended."""
        self._log.write(f"{_stamp(now)} {at_s:.3f} # ended{render_data(summary)}\n")


class _TraceLogger(structlog.BoundLoggerBase):
    """The only method that a trace needs; nothing of it is ever filtered out."""

    def write(self, text: str) -> None:
        self._proxy_to_logger("info", text)


def _finished(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
    """Hand on the text as it is: the trace has a format of its own."""
    return str(event["event"])


def _stamp(now: datetime) -> str:
    return _stamped(now, now.fold)


@lru_cache(maxsize=16)
def _stamped(now: datetime, _fold: int) -> str:
    """Return the text; instants of the hour that comes twice in autumn equal each other."""
    return now.isoformat(timespec="milliseconds")
