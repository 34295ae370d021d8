"""Line logs read back: parsed without loss, and replayed against a flow."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ivrd.call import Call
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
from ivrd.errors import TraceError
from ivrd.events import Event, Json
from ivrd.flow.machine import FlowMachine
from ivrd.linelog import CallHead, Mask, render_command

_LINE = re.compile(r"(\S+) (\d+\.\d{3}) ([@<>=!#]) (.*)\Z", re.DOTALL)
_WORD = re.compile(r"[^\W\d][\w.:+-]*")
_json = json.JSONDecoder()


@dataclass(slots=True)
class Step:
    """One event with what was ordered for it; `line` is where it stands in the file."""

    line: int
    now: datetime
    at_s: float
    event: Event
    orders: list[tuple[int, str, Command]] = field(default_factory=list)
    """Line number, text and command of each."""
    state: str | None = None


@dataclass(slots=True)
class Remark:
    """A remark of the line (``!``) or how the call ended (``#``)."""

    line: int
    now: datetime
    at_s: float
    what: str
    data: dict[str, Json]


@dataclass(slots=True)
class CallTrace:
    """One call of a line log."""

    file: Path | None
    line: int
    now: datetime
    head: CallHead
    steps: list[Step] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    ended: Remark | None = None


# -- parsing -----------------------------------------------------------------------------------


def read_trace(path: Path) -> Iterator[CallTrace]:
    """Yield the calls of a line log; a call whose beginning was rotated away is passed over.

    Raises `TraceError` naming file and line of what does not parse.
    """
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            yield from parse_trace(file, path)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TraceError(f"{path}: not UTF-8 text") from None


def parse_trace(lines: Iterable[str], file: Path | None = None) -> Iterator[CallTrace]:
    """Yield the calls in `lines`."""
    call: CallTrace | None = None
    for number, line in enumerate(lines, start=1):
        text = line.removesuffix("\n")
        if not text:
            continue
        try:
            mark, started = _take(text, number, file, call)
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            raise TraceError(
                f"{file or 'trace'}:{number}: not a line of a trace: {error}"
            ) from None
        if mark == "@":
            if call is not None:
                yield call
            call = started
    if call is not None:
        yield call


def _take(
    text: str, number: int, file: Path | None, call: CallTrace | None
) -> tuple[str, CallTrace | None]:
    """Read one line into the call it belongs to; return its mark, and the call it starts."""
    found = _LINE.match(text)
    if found is None:
        raise ValueError("expected time, seconds, one of @ < > = ! # and text")
    now, at_s, mark, rest = datetime.fromisoformat(found[1]), float(found[2]), found[3], found[4]
    words = _Words(rest)
    if mark == "@":
        return mark, CallTrace(file, number, now, words.head())
    if call is None:
        return mark, None
    if mark in ">=" and not call.steps:
        raise ValueError("expected an event before it")
    if mark == "<":
        call.steps.append(Step(number, now, at_s, words.event()))
    elif mark == ">":
        call.steps[-1].orders.append((number, rest, words.command()))
    elif mark == "=":
        call.steps[-1].state = words.bare(r"[\w.]+")
    else:
        remark = Remark(number, now, at_s, words.name(), words.data())
        if mark == "#":
            call.ended = remark
        else:
            call.remarks.append(remark)
    if words.left:
        raise ValueError(f"unexpected {words.left[:20]!r}")
    return mark, None


class _Words:
    """Reads a line word by word."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def left(self) -> str:
        return self.text[self.at :].strip()

    def _skip(self) -> None:
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1

    def bare(self, pattern: str) -> str:
        self._skip()
        found = re.compile(pattern).match(self.text, self.at)
        if found is None:
            raise ValueError(f"expected a word at {self.text[self.at : self.at + 20]!r}")
        self.at = found.end()
        return found[0]

    def number(self) -> int:
        return int(self.bare(r"\d+"))

    def seconds(self) -> float:
        return float(self.bare(r"\S+"))

    def name(self) -> str:
        value = self.value()
        if not isinstance(value, str):
            raise ValueError(f"expected a name, not {value!r}")  # noqa: TRY004 - caught as ValueError
        return value

    def value(self) -> Json:
        self._skip()
        found = _WORD.match(self.text, self.at)
        if found is not None and found[0] not in {"true", "false", "null"}:
            self.at = found.end()
            return found[0]
        value, self.at = _json.raw_decode(self.text, self.at)
        return value  # type: ignore[no-any-return]  # JSON

    def data(self) -> dict[str, Json]:
        data: dict[str, Json] = {}
        while self.left and not self.left.startswith("|"):
            name = self.name()
            if self.text[self.at : self.at + 1] != "=":
                raise ValueError(f"expected '=' after {name!r}")
            self.at += 1
            data[name] = self.value()
        return data

    def head(self) -> CallHead:
        call, line = self.bare(r"\S+"), self.number()
        flow, _, digest = self.bare(r"\S+@\w+").rpartition("@")
        return CallHead(call, line, flow, digest, self.bare(r"\S+"), self.number(), self.data())

    def event(self) -> Event:
        name = self.bare(r"[TU]_[A-Z_]+")
        ident = self.number() if self.left[:1].isdigit() else None
        return Event(name, ident, self.data())

    def command(self) -> Command:
        return _COMMANDS[self.bare(r"[a-z_]+")](self)

    def sentences(self) -> tuple[Say, ...]:
        said = [self._say()]
        while self.left:
            self.bare(r"\|")
            said.append(self._say())
        return tuple(said)

    def _say(self) -> Say:
        name = self.name()
        lang = None
        if self.text[self.at : self.at + 1] == "@":
            self.at += 1
            lang = self.bare(r"[\w-]+")
        return Say(name, self.data(), lang)


_COMMANDS: dict[str, Callable[[_Words], Command]] = {
    "off_hook": lambda w: OffHook(w.number()),
    "on_hook": lambda w: OnHook(w.number()),
    "transfer": lambda w: Transfer(w.number()),
    "dial": lambda w: Dial(w.number(), w.data()),
    "play": lambda w: Play(w.number(), w.sentences()),
    "stop": lambda w: Stop(w.number()),
    "timer": lambda w: StartTimer(w.number(), w.seconds(), w.bare(r"[A-Z_]+")),
    "cancel": lambda w: CancelTimer(w.number()),
    "run": lambda w: Run(w.number(), w.name(), w.data()),
    "flush": lambda _: Flush(),
    "note": lambda w: Note(w.name()),
}


# -- replaying ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a flow does otherwise than the log says."""

    file: Path | None
    line: int
    logged: str
    now: str

    def __str__(self) -> str:
        return f"{self.file or 'trace'}:{self.line}: logged {self.logged!r}, now {self.now!r}"


def replay(
    trace: CallTrace,
    machine: FlowMachine,
    on_move: Callable[[str, str, str], None] | None = None,
) -> Difference | None:
    """Feed what came in a recorded call to a flow; return the first difference, if any.

    Private data that the log masks stays masked on both sides.
    """
    head = trace.head
    if head.flow != machine.flow.name:
        return Difference(trace.file, trace.line, f"flow {head.flow}", f"flow {machine.flow.name}")
    call = Call(machine, head.facts, head.lang, first_id=head.first_id)
    call.on_move = on_move
    mask = Mask(machine.private)
    for step in trace.steps:
        before = call.state
        commands = call.handle(step.event, step.at_s)
        now = [render_command(command, mask) for command in commands]
        logged = [(line, render_command(command, mask)) for line, _, command in step.orders]
        for position in range(max(len(now), len(logged))):
            line, was = logged[position] if position < len(logged) else (step.line, "nothing more")
            becomes = now[position] if position < len(now) else "nothing more"
            if was != becomes:
                return Difference(trace.file, line, was, becomes)
        state = call.state if call.state != before else None
        if state != step.state:
            return Difference(trace.file, step.line, f"state {step.state}", f"state {state}")
    return None
