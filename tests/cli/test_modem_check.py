"""`ivrd modem check`: what a person who has just bought a modem is told."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from drivers.modem.profile import load_profile
from ivrd.cli import modem
from ivrd.cli.app import main
from ivrd.clock import LoopClock
from sim.modem_bank import ModemBank, PtyPort


@contextmanager
def plugged_in(profile: str, link: Path) -> Iterator[None]:
    """Keep an emulated modem plugged in, on a loop of its own in another thread."""
    ready, loops = threading.Event(), list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()

    async def run() -> None:
        clock, over = LoopClock(), asyncio.Event()
        port = PtyPort(ModemBank(clock, load_profile(profile), 1).modems[0], clock, link)
        port.plug_in()
        loops.append((asyncio.get_running_loop(), over))
        ready.set()
        await over.wait()
        port.unplug()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        loop, over = loops[0]
        loop.call_soon_threadsafe(over.set)
        thread.join()


def checked(*words: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it printed."""
    result = CliRunner().invoke(main, ["modem", "check", *words])
    return result.exit_code, result.output


def test_a_modem_is_found_with_its_profile_and_firmware(tmp_path: Path) -> None:
    link = tmp_path / "usb-modem"
    with plugged_in("usr5637", link):
        code, told = checked(str(link))
    assert code == 0
    assert f"{link}: USR5637, firmware 1.2.23" in told
    assert "(profile usr5637)" in told


def test_what_udev_has_named_is_looked_at_and_what_is_no_modem_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modem, "BY_ID", tmp_path)
    (tmp_path / "usb-scanner").symlink_to(os.devnull)
    with plugged_in("generic-v253", tmp_path / "usb-modem"):
        code, told = checked()
    assert code == 0
    assert "usb-modem: V.253 voice modem" in told
    assert "wrong" in told.split("usb-scanner")[0].splitlines()[-1]


def test_without_any_device_it_is_said_where_one_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modem, "BY_ID", tmp_path)
    code, told = checked()
    assert code == 2
    assert f"{tmp_path}: no serial device is there" in told


def test_a_device_that_is_not_there_is_told_with_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.modem.port.BY_ID", tmp_path)
    (tmp_path / "usb-modem").touch()
    code, told = checked(str(tmp_path / "usb-modme"))
    assert code == 1
    assert f"expected one of {tmp_path / 'usb-modem'}" in told
