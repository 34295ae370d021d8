"""The command as a process, and a terminal for it: what it writes, and keys for it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from click.testing import Result

IVRD = (sys.executable, "-c", "from ivrd.cli import main; main(prog_name='ivrd')")
"""The command, as a process of its own."""

Invoke: TypeAlias = Callable[..., Result]
"""Runs a command in this process; see the fixture `invoke`."""

_SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|[()][0-9A-B]|.)")

PATIENCE_S = 30.0


def started(*args: str, config: Path | None = None) -> subprocess.Popen[str]:
    """Start the command with its output in pipes."""
    before = ["--config", str(config)] if config else []
    return subprocess.Popen(  # noqa: S603 - our own command
        [*IVRD, *before, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


class Terminal:
    """A process whose standard streams are a terminal of `columns` by `rows`."""

    def __init__(self, command: Sequence[str], *, columns: int = 80, rows: int = 24) -> None:
        self._fd, slave = pty.openpty()
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color"}
        for name in ("NO_COLOR", "COLUMNS", "LINES", "CI"):
            environment.pop(name, None)
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=slave, stdout=slave, stderr=slave, env=environment,
            start_new_session=True,
        )  # fmt: skip
        self.raw = ""
        self.text = ""
        """All that was written, without what moves the cursor or changes colours."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._slave)
        os.close(self._fd)

    def see(self, wanted: str, after: int = 0) -> int:
        """Wait until `wanted` is written behind `after`; return where it ends."""
        until_s = time.monotonic() + PATIENCE_S
        while wanted not in self.text[after:]:
            left_s = until_s - time.monotonic()
            assert left_s > 0, f"{wanted!r} not seen; written was:\n{self.text[-3000:]}"
            self._read(left_s)
        return self.text.index(wanted, after) + len(wanted)

    def read_while(self, runs: Callable[[], bool]) -> None:
        """Go on reading, as a terminal does, while something else `runs`."""
        until_s = time.monotonic() + PATIENCE_S
        while runs():
            assert time.monotonic() < until_s, f"still running; written was:\n{self.text[-3000:]}"
            self._read(0.05)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._fd, keys.encode())

    def ended(self) -> int:
        """Wait for the end; return the exit code."""
        self.read_while(lambda: self._process.poll() is None)
        self._read(0)
        return self._process.returncode

    def is_restored(self) -> bool:
        """Return whether the terminal's modes are what they were."""
        return termios.tcgetattr(self._slave) == self.before

    def _read(self, timeout_s: float) -> None:
        ready, _, _ = select.select([self._fd], [], [], timeout_s)
        if ready:
            self.raw += os.read(self._fd, 65536).decode(errors="replace")
            self.text = _SEQUENCE.sub("", self.raw)
