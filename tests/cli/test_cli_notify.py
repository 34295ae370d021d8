"""The service manager is told of start, life, reload and end, over a real socket."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivrd.control.notify import ServiceManager
from tests.cli.cli_terminal import IVRD


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Listen as a service manager does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        yield listening


def test_nobody_is_told_where_nobody_listens() -> None:
    told = ServiceManager({})
    told.ready("8 lines")
    asyncio.run(told.keep_alive())  # ends at once
    told.close()


def test_the_manager_hears_of_every_turn(manager: socket.socket) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": manager.getsockname()})
    told.ready("8 lines")
    told.reloading()
    told.stopping()
    told.close()
    told.close()
    assert manager.recv(999) == b"READY=1\nSTATUS=8 lines"
    assert manager.recv(999).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    assert manager.recv(999).startswith(b"STOPPING=1\n")


def test_an_abstract_socket_is_one_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0ivrd-{os.getpid()}")
        listening.settimeout(5)
        told = ServiceManager({"NOTIFY_SOCKET": f"@ivrd-{os.getpid()}"})
        told.ready("x")
        told.close()
        assert listening.recv(99).startswith(b"READY=1")


@pytest.mark.parametrize(
    ("environ", "pause_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_watchdog_is_told_twice_as_often_as_it_asks(
    environ: dict[str, str], pause_s: float
) -> None:
    assert ServiceManager(environ).pause_s == pause_s


def test_a_manager_that_went_away_harms_nothing(tmp_path: Path) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    told.ready("8 lines")
    told.close()


def test_a_daemon_tells_its_manager_and_reopens_its_logs_on_sighup(
    manager: socket.socket, own_sample: Path, tmp_path: Path
) -> None:
    with own_sample.open("a", encoding="utf-8") as config:
        config.write('\n[log]\ndaemon = "daemon.log"\nformat = "json"\nrotation = "outside"\n')
    log = own_sample.with_name("daemon.log")
    environ = {**os.environ, "NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "200000"}
    environ.pop("WATCHDOG_PID", None)
    with (tmp_path / "err").open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*IVRD, "--config", str(own_sample), "run"], env=environ,
            stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
    try:
        heard = _until(manager, b"READY=1")
        assert b"STATUS=8 lines" in heard
        _until(manager, b"WATCHDOG=1")
        log.rename(log.with_name("daemon.log.1"))
        process.send_signal(signal.SIGHUP)
        _until(manager, b"RELOADING=1")
        _until(manager, b"READY=1")
        assert '"event": "reloaded"' in log.read_text(encoding="utf-8")
        process.send_signal(signal.SIGTERM)
        _until(manager, b"STOPPING=1")
        assert process.wait(20) == 0, (tmp_path / "err").read_text()
    finally:
        process.kill()
        process.wait()
    assert '"event": "started"' in log.with_name("daemon.log.1").read_text(encoding="utf-8")
    assert '"event": "stopped"' in log.read_text(encoding="utf-8")


def _until(manager: socket.socket, word: bytes) -> bytes:
    while True:
        heard = manager.recv(999)
        if heard.startswith(word):
            return heard
