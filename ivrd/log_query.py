"""Line logs asked in place: which calls there were, found by time without reading the rest.

The lines of a log ascend in time, so that the part asked for is found by bisection. The wall clock
may be set back while it is written, and a call asked for began before: `SLACK` is read on either
side. Only what a call begins and ends with is parsed.
"""

from __future__ import annotations

import heapq
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

from ivrd.errors import TraceError
from ivrd.events import MASKED_KEY, T_RING
from ivrd.linelog import render_data, render_name
from ivrd.trace import CallTrace, Remark, parse_trace

SLACK = timedelta(hours=2)
"""How far outside the time asked for a call may begin, and the wall clock have been set."""
PIECE = 8_000_000
"""Bytes that are read at once."""
NEAR = 4096
"""Bytes at which a bisection ends."""
SHORTEST_WHOLE = 5
"""Digits from which on a logged number may be the end of the one asked for, without its codes."""

IN, OUT, LINE = "in", "out", "line"
KINDS = (IN, OUT, LINE)
"""Calls received, calls placed, and what a line had to say for itself outside of calls."""

_MARKED = re.compile(rb"(\S+) \d+\.\d{3} ([@<#!]) ")
_STAMP = re.compile(rb"(\d{4}-\S+) \d")
_HEAD, _END, _REMARK = b" 0.000 @ ", b" # ended", b" ! "
_PUNCTUATION = str.maketrans("", "", " -+()")
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls are asked for: those under way between two instants, and all the rest holds.

    `outcomes` are words that a call was ended by, left in or noted with; `call` is an id, or how
    it begins.
    """

    since: datetime | None = None
    until: datetime | None = None
    number: str | None = None
    outcomes: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    call: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A call as its log has it; of kind "line" a remark between calls, with its time and text."""

    at: datetime
    line: int
    kind: str
    call: str = ""
    number: str = ""
    """Who called, or was called, as far as the log shows it."""
    flow: str = ""
    lang: str = ""
    ended_by: str = ""
    """"" for a call whose end is not in the log."""
    left_in: str = ""
    lasted_s: float | None = None
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    trace: str = field(default="", repr=False)
    """All its lines."""

    @property
    def words(self) -> frozenset[str]:
        """What an outcome may be asked by; "unfinished" where the end is not in the log."""
        if self.kind == LINE:
            return frozenset(remark.split(" ", 1)[0] for remark in self.remarks)
        ends = (self.ended_by, self.left_in) if self.ended_by else ("unfinished",)
        return frozenset((*ends, *self.notes)) - {""}


def could_be(logged: str, asked: str) -> bool:
    """Return whether the number in a log may be the one asked for.

    A masked digit is any digit. Either may lack its country and area code: the last digits
    decide. Fewer than `SHORTEST_WHOLE` logged digits are an extension, and have to be the whole.
    """
    logged, asked = logged.translate(_PUNCTUATION), asked.translate(_PUNCTUATION)
    if not logged or not asked or (len(logged) < min(len(asked), SHORTEST_WHOLE)):
        return False
    return all(
        a == b or MASKED_KEY in {a, b}
        for a, b in zip(reversed(logged), reversed(asked), strict=False)
    )


class LogQuery:
    """Asks the logs of some lines; what is damaged is passed over and kept for the reader."""

    def __init__(self, files: Mapping[int, Path], wanted: Wanted) -> None:
        self.damaged: list[str] = []
        """What could not be read, and where."""
        self.words: Counter[str] = Counter()
        """Words of the calls that the outcome alone kept out."""
        self._files = files
        self._wanted = wanted

    def calls(self) -> Iterator[LoggedCall]:
        """Yield what is asked for, in the order of time."""
        lines = [self._of_line(number, file) for number, file in sorted(self._files.items())]
        return heapq.merge(*lines, key=attrgetter("at"))

    def _of_line(self, line: int, file: Path) -> Iterator[LoggedCall]:
        with ExitStack() as stack:
            opened = _opened(file, stack)
            for block in _blocks(piece for log in opened for piece in self._pieces(log)):
                for found in self._of_block(line, file, block):
                    if self._fits(found):
                        yield found

    def _pieces(self, log: BinaryIO) -> Iterator[bytes]:
        """Yield the part of a log that may matter, cut between lines."""
        since, until = _utc(self._wanted.since), _utc(self._wanted.until)
        size = os.fstat(log.fileno()).st_size
        at = _around(log, size, since - SLACK)[0] if since else 0
        end = _around(log, size, until + SLACK)[1] if until else size
        log.seek(at)
        while at < end:
            piece = log.read(min(PIECE, end - at)) + log.readline()
            at += len(piece)
            yield piece[: piece.rfind(b"\n") + 1]  # the rest is just being written
            if not piece:
                return

    def _of_block(self, line: int, file: Path, block: bytes) -> Iterator[LoggedCall]:
        """Yield the call that a block begins with, and the remarks that stand behind it."""
        after = 0
        try:
            if _mark(block, 0) == b"@":
                end = _marked(block, _END, b"#")
                after = block.find(b"\n", end) + 1 if end >= 0 else len(block)
                if self._in_time(_stamp(block) or _LATEST, _last(block[:after])):
                    yield _call(line, block[:after], end)
            yield from self._between(line, block[after:])
        except (TraceError, ValueError) as error:
            first = block[: block.find(b"\n")][:60].decode(errors="replace")
            self.damaged.append(f"{file.name}: {first}: {error}")

    def _between(self, line: int, block: bytes) -> Iterator[LoggedCall]:
        for text in _remark_lines(block):
            remark = _remark(text)
            if self._in_time(remark.now, remark.now):
                yield LoggedCall(remark.now, line, LINE, remarks=(_told(remark),), trace=text)

    def _in_time(self, began: datetime, ended: datetime | None) -> bool:
        since, until = self._wanted.since, self._wanted.until
        if until is not None and began >= until:
            return False
        return since is None or ended is None or ended >= since

    def _fits(self, found: LoggedCall) -> bool:
        wanted = self._wanted
        if wanted.kinds and found.kind not in wanted.kinds:
            return False
        if wanted.call is not None and not (found.call and found.call.startswith(wanted.call)):
            return False
        if wanted.number is not None and not could_be(found.number, wanted.number):
            return False
        if wanted.outcomes and wanted.outcomes.isdisjoint(found.words):
            self.words.update(found.words)
            return False
        return True


def _utc(instant: datetime | None) -> datetime | None:
    """Return an instant in UTC: hours counted from a local time are wrong in spring and autumn."""
    return instant.astimezone(UTC) if instant is not None else None


# -- files -------------------------------------------------------------------------------------


def log_files(file: Path) -> list[Path]:
    """Return the log with what was rotated away, oldest first."""
    rotated = [path for path in file.parent.glob(f"{file.name}.*") if path.suffix[1:].isdigit()]
    rotated.sort(key=lambda path: -int(path.suffix[1:]))
    return [*rotated, file] if file.exists() else rotated


def _opened(file: Path, stack: ExitStack) -> list[BinaryIO]:
    """Return the log and the rotated ones, oldest first.

    They are opened newest first: what is rotated meanwhile is met again, and nothing is missed.
    """
    opened: dict[int, BinaryIO] = {}
    newest = log_files(file)[::-1]
    beyond = file.with_name(f"{file.name}.{len(newest)}")
    for path in [file, *(path for path in newest if path != file), beyond]:
        try:
            log = stack.enter_context(path.open("rb"))
        except FileNotFoundError:
            continue
        opened.setdefault(os.fstat(log.fileno()).st_ino, log)
    return list(opened.values())[::-1]


def _around(log: BinaryIO, size: int, instant: datetime) -> tuple[int, int]:
    """Return places, not far apart, between which the lines from an instant on begin."""
    low, high = 0, size
    while high - low > NEAR:
        middle = (low + high) // 2
        start, stamp = _line_from(log, middle)
        if stamp is None or stamp >= instant:
            high = middle
        else:
            low = max(start, low + 1)
    return _line_start(log, low), _line_start(log, high)


def _line_start(log: BinaryIO, at: int) -> int:
    log.seek(max(at - 1, 0))
    if at:
        log.readline()
    return log.tell()


def _line_from(log: BinaryIO, at: int) -> tuple[int, datetime | None]:
    """Return place and time of the first line from `at` on that has one."""
    start = _line_start(log, at)
    for line in log:
        try:
            stamp = _stamp(line)
        except ValueError:
            stamp = None
        if stamp is not None:
            return start, stamp
        start += len(line)
    return start, None


# -- blocks ------------------------------------------------------------------------------------


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the calls, each with all up to the next, over the borders of pieces and files."""
    rest = b""
    for piece in pieces:
        starts = list(_starts(piece))
        if not starts:
            rest += piece
            continue
        if first := rest + piece[: starts[0]]:
            yield first
        for start, end in pairwise(starts):
            yield piece[start:end]
        rest = piece[starts[-1] :]
    if rest:
        yield rest


def _starts(piece: bytes) -> Iterator[int]:
    at = piece.find(_HEAD)
    while at >= 0:
        start = piece.rfind(b"\n", 0, at) + 1
        if _mark(piece, start) == b"@":
            yield start
        at = piece.find(_HEAD, at + 1)


def _mark(block: bytes, start: int) -> bytes:
    found = _MARKED.match(block, start)
    return found[2] if found else b""


def _marked(block: bytes, needle: bytes, mark: bytes, at: int = 0) -> int:
    """Return where the next line with a mark begins; -1 where there is none."""
    at = block.find(needle, at)
    while at >= 0:
        start = block.rfind(b"\n", 0, at) + 1
        if _mark(block, start) == mark:
            return start
        at = block.find(needle, at + 1)
    return -1


def _stamp(text: bytes) -> datetime | None:
    found = _STAMP.match(text)
    stamp = datetime.fromisoformat(found[1].decode()) if found else None
    return stamp if stamp is None or stamp.tzinfo else None


def _last(block: bytes) -> datetime | None:
    """Return the time of the last line."""
    return _stamp(block[block.rfind(b"\n", 0, -1) + 1 :])


def _line_at(block: bytes, start: int) -> str:
    return block[start : block.find(b"\n", start) + 1].decode(errors="replace")


def _remark_lines(block: bytes) -> Iterator[str]:
    at = _marked(block, _REMARK, b"!")
    while at >= 0:
        yield _line_at(block, at)
        at = _marked(block, _REMARK, b"!", block.find(b"\n", at))


_NOBODYS = "2000-01-01T00:00:00.000+00:00 0.000 @ none 1 none@0 zh-CN 1\n"
"""A call for a remark that has none: a trace parses remarks only within calls."""


def _remark(text: str) -> Remark:
    (trace,) = parse_trace([_NOBODYS, text])
    return trace.remarks[0]


def _told(remark: Remark) -> str:
    return render_name(remark.what) + render_data(remark.data)


def _call(line: int, block: bytes, end: int) -> LoggedCall:
    """Read the lines of a call that say what it was."""
    lines = [_line_at(block, 0)]
    event = block.find(b"\n") + 1
    if _mark(block, event) == b"<":
        lines.append(_line_at(block, event))
    lines += _remark_lines(block)
    if end >= 0:
        lines.append(_line_at(block, end))
    (trace,) = parse_trace(lines)
    return _logged(line, trace, block)


def _logged(line: int, trace: CallTrace, block: bytes) -> LoggedCall:
    head, ended = trace.head, trace.ended.data if trace.ended else {}
    kind = ""
    if trace.steps:
        kind = IN if trace.steps[0].event.name == T_RING else OUT
    notes, lasted_s = ended.get("notes"), ended.get("lasted_s")
    return LoggedCall(
        trace.now, line, kind, head.call, str(head.facts.get("caller") or ""), head.flow, head.lang,
        ended_by=str(ended.get("by") or ""), left_in=str(ended.get("left_in") or ""),
        lasted_s=float(lasted_s) if isinstance(lasted_s, int | float) else None,
        notes=tuple(str(note) for note in notes) if isinstance(notes, list) else (),
        remarks=tuple(_told(remark) for remark in trace.remarks),
        trace=block.decode(errors="replace"),
    )  # fmt: skip
