"""A PostgreSQL server of the tests' own: private folder, free loopback port, gone afterwards."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

_NAMES = itertools.count(1)


class Server:
    """A running server; each store gets a database of its own."""

    def __init__(self, programs: Path, folder: Path, *, synced: bool = False) -> None:
        self._synced = synced
        self._programs = programs
        self._folder = folder
        # postgres refuses to run as root
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody", "nogroup")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def make(self) -> None:
        """Make the cluster's folder."""
        self._run("initdb", "-A", "trust", "-U", "ivrd", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1"
        options += f" -c fsync={'on' if self._synced else 'off'}"
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop at once, as a crash would."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def new_url(self) -> str:
        """Return the URL of a new, empty database."""
        name = f"store_{next(_NAMES)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://ivrd@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str) -> None:
        """Execute a statement of the server's administrator."""
        where = f"host=127.0.0.1 port={self.port} user=ivrd dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 - a program of PostgreSQL's
            [self._programs / program, "-D", self._folder / "data", *arguments],
            check=True,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            **self._as,
        )


def programs_at_hand() -> Path | None:
    """Return the folder of PostgreSQL's programs, None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def server(programs: Path, *, synced: bool = False) -> Iterator[Server]:
    """Yield a running server; `synced`: what it commits is on the disk, as in earnest."""
    folder = Path(tempfile.mkdtemp(prefix="ivrd-postgresql-"))
    made = Server(programs, folder, synced=synced)
    try:
        made.make()
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
