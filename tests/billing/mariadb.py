"""A MariaDB server of the tests' own: private folder, free loopback port, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql

_START_S = 30.0


class MariaServer:
    """A running server; its administrator has the name `ivrd` and no password."""

    def __init__(self, programs: tuple[Path, Path], folder: Path, buffer_mb: int = 64) -> None:
        self._install, self._daemon = programs
        self._buffer_mb = buffer_mb
        self._folder = folder
        # mariadbd refuses to run as root
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody", "nogroup")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Make the data folder, and the administrator."""
        subprocess.run(  # noqa: S603 - a program of MariaDB's
            [
                self._install, "--no-defaults", f"--datadir={self._folder / 'data'}",
                "--auth-root-authentication-method=normal", "--skip-test-db",
            ],
            check=True, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            **self._as,
        )  # fmt: skip

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen(  # noqa: S603 - as above
            [
                self._daemon, "--no-defaults", f"--datadir={self._folder / 'data'}",
                f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-name-resolve",
                f"--socket={self._folder / 'socket'}", f"--log-error={self._folder / 'log'}",
                f"--pid-file={self._folder / 'pid'}", "--character-set-server=utf8mb4",
                "--innodb-flush-log-at-trx-commit=2",
                f"--innodb-buffer-pool-size={self._buffer_mb}M",
            ],
            cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._as,
        )  # fmt: skip
        until = time.monotonic() + _START_S
        while True:
            try:
                return self.execute("SELECT 1")
            except pymysql.OperationalError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.05)  # a server says no other way that it is up

    def stop(self) -> None:
        """Stop at once, as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def shut_down(self) -> None:
        """Stop in order: what was written is whole in its files."""
        if self._process:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Execute statements of the server's administrator."""
        with (
            pymysql.connect(
                host="127.0.0.1", port=self.port, user="root", database=database, autocommit=True
            ) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)

    def url(self, database: str) -> str:
        """Return the administrator's URL of a database."""
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/{database}"


def programs_at_hand() -> tuple[Path, Path] | None:
    """Return MariaDB's programs to make a data folder and to serve it, None where it has none."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    found = [shutil.which(name, path=path) for name in ("mariadb-install-db", "mariadbd")]
    return (Path(found[0]), Path(found[1])) if found[0] and found[1] else None


@contextmanager
def maria_server(programs: tuple[Path, Path]) -> Iterator[MariaServer]:
    """Yield a running server."""
    folder = Path(tempfile.mkdtemp(prefix="ivrd-mariadb-"))
    made = MariaServer(programs, folder)
    try:
        made.make()
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
