"""What `ivrd doctor` looks at for a service that runs for years: user, logs, clock, unit."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ivrd.config import Config

UNIT = "ivrd.service"
UNIT_FOLDERS = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"),
                Path("/lib/systemd/system"))  # fmt: skip
LOGROTATE = Path("/etc/logrotate.d/ivrd")
PATIENCE_S = 20.0


def user_look(_config: Config) -> tuple[bool | None, str]:
    """Say whether ivrd runs with more rights than it needs."""
    if os.geteuid() == 0:
        return None, "this is root; ivrd needs no root: give it a user of its own"
    return True, f"user {os.geteuid()}, not root"


def log_look(config: Config) -> tuple[bool | None, str]:
    """Say whether the daemon's own log can be written, and who rotates the logs."""
    named = config.file_of(config.log.daemon)
    if named is not None:
        folder = named.parent
        while not folder.exists():
            folder = folder.parent
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
            if named.exists():
                with named.open("ab"):
                    pass
        except OSError as error:
            return False, f"log.daemon: cannot write {named}: {error.strerror}"
    if config.log.rotation == "outside" and not LOGROTATE.exists():
        return None, f'nothing rotates: rotation = "outside", and there is no {LOGROTATE}'
    if config.log.rotation == "own" and LOGROTATE.exists():
        return None, f'rotated twice: {LOGROTATE} is there; set log.rotation = "outside"'
    return True, f"{config.logs}, the daemon's own in {named or 'stderr alone'}"


def clock_look(_config: Config) -> tuple[bool | None, str]:
    """Say whether the machine's clock follows the time; hours of calling depend on it."""
    told = _run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if told is None or told[1].strip() not in {"yes", "no"}:
        return None, "timedatectl does not answer: see to it that the clock is synchronised (NTP)"
    if told[1].strip() == "no":
        return None, "the clock is not synchronised: hours of calling depend on it; set up NTP"
    return True, "synchronised"


def service_look(_config: Config) -> tuple[bool | None, str]:
    """Say whether a unit is installed, and what systemd finds wrong with it."""
    unit = next((folder / UNIT for folder in UNIT_FOLDERS if (folder / UNIT).exists()), None)
    if unit is None:
        return None, "no unit installed: deploy/systemd/ivrd.service is one (docs/service.md)"
    told = _run("systemd-analyze", "verify", "--man=no", str(unit))
    if told is None:
        return None, f"{unit}: systemd-analyze is not there to verify it"
    code, text = told
    ours = "\n".join(line for line in text.splitlines() if UNIT in line)
    return (True, str(unit)) if code == 0 else (False, ours or text.strip())


def _run(command: str, *args: str) -> tuple[int, str] | None:
    """Return exit code and words of a tool; None where it is not there or does not answer."""
    tool = shutil.which(command)
    if tool is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a tool of the system
            [tool, *args], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.returncode, done.stdout + done.stderr
