"""The daemon's own log: on stderr, in journald's way under systemd, and in a file where asked for.

What libraries have to say through Python's `logging` goes the same way.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable, MutableMapping
from datetime import datetime, tzinfo
from typing import Any, Literal, TextIO, TypeAlias

import structlog

from ivrd.config import Config
from ivrd.linelog import TraceFile

Told: TypeAlias = MutableMapping[str, Any]
Sink: TypeAlias = Callable[[Told], None]
"""Takes what happened, as names and values."""

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}
"""Priorities of syslog (RFC 5424 §6.2.1), which journald reads in front of a line."""
_ORDER = ["timestamp", "level", "event"]

_logfmt = structlog.processors.LogfmtRenderer(key_order=_ORDER)
_bare = structlog.processors.LogfmtRenderer(key_order=["event"])
_json = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)


def to_stream(stream: TextIO) -> Sink:
    """Return a sink: as journald wants it where it reads, coloured on a terminal, else logfmt."""
    if is_journal(stream):
        return lambda told: _put(stream, _for_journal(told))
    if stream.isatty():
        console = structlog.dev.ConsoleRenderer()
        return lambda told: _put(stream, str(console(None, "", dict(told))))
    return lambda told: _put(stream, _text(told))


def to_file(file: TraceFile, form: Literal["text", "json"]) -> Sink:
    """Return a sink into a rotated file, one line an event."""
    render = _text if form == "text" else _as_json
    return lambda told: file.info(render(told) + "\n")


def is_journal(stream: TextIO) -> bool:
    """Return whether journald reads a stream (systemd.exec(5), JOURNAL_STREAM)."""
    named = os.environ.get("JOURNAL_STREAM", "")
    try:
        there = os.fstat(stream.fileno())
    except (OSError, ValueError):  # a stream that is no file
        return False
    return named == f"{there.st_dev}:{there.st_ino}"


def _put(stream: TextIO, line: str) -> None:
    stream.write(line + "\n")
    stream.flush()


def _text(told: Told) -> str:
    return str(_logfmt(None, "", dict(told)))


def _as_json(told: Told) -> str:
    return str(_json(None, "", {**{key: told[key] for key in _ORDER if key in told}, **told}))


def _for_journal(told: Told) -> str:
    """Return a line with its priority (sd-daemon(3)); journald has the time, and the level so."""
    rest = {key: value for key, value in told.items() if key not in {"timestamp", "level"}}
    return f"<{_PRIORITIES.get(str(told.get('level')), 6)}>{_bare(None, '', rest)}"


class _Sinks:
    """What structlog takes for a logger: hands each event to all sinks."""

    def __init__(self, sinks: tuple[Sink, ...]) -> None:
        self._sinks = sinks

    def msg(self, told: Told) -> None:
        for sink in self._sinks:
            sink(told)

    debug = info = warning = error = exception = critical = fatal = log = msg


def log_through(sinks: tuple[Sink, ...], zone: tzinfo) -> None:
    """Let the daemon's own log go to sinks; its times are those of `zone`, as in the line logs."""

    def stamped(_: Any, __: str, told: Told) -> Told:
        told["timestamp"] = datetime.now(zone).isoformat(timespec="milliseconds")
        return told

    structlog.configure(
        processors=[structlog.processors.add_log_level, stamped, lambda _, __, told: ((told,), {})],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _Sinks(sinks),
    )


class FromLogging(logging.Handler):
    """Takes what libraries tell through `logging`, asyncio's forgotten failures among it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on one record."""
        more = {}
        if record.exc_info and record.exc_info[1] is not None:
            # where it arose, and of which kind; what it says may name a person
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)
            at = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"
            more = {"kind": type(error).__name__, "at": at}
        told = record.getMessage().splitlines() or [""]
        structlog.get_logger("ivrd").log(record.levelno, "library", of=record.name,
                                         what=told[0], **more)  # fmt: skip


def open_daemon_log(config: Config) -> TraceFile | None:
    """Open the file that ivrd.toml names; None for none. Raises `OSError` where it cannot be."""
    named, log = config.file_of(config.log.daemon), config.log
    if named is None:
        return None
    return TraceFile(named, log.max_bytes, log.keep, max_age_s=log.max_age_s)
