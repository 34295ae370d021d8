"""What `ivrd doctor` looks at for a service that runs for years: user, logs, clock, unit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from ivrd.config import Config

UNIT = "ivrd.service"
UNIT_FOLDERS = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"),
                Path("/lib/systemd/system"))  # fmt: skip
SYSTEMD = Path("/run/systemd/system")
"""There where systemd runs the machine: sd_booted(3)."""
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


def service_look(config: Config) -> tuple[bool | None, str]:
    """Say whether a unit is installed, what systemd finds wrong with it, and whether it runs."""
    unit = next((folder / UNIT for folder in UNIT_FOLDERS if (folder / UNIT).exists()), None)
    if unit is None:
        return None, "no unit installed: deploy/systemd/ivrd.service is one (docs/service.md)"
    told = _run("systemd-analyze", "verify", "--man=no", str(unit))
    if told is None:
        return None, f"{unit}: systemd-analyze is not there to verify it"
    code, text = told
    if code != 0:
        ours = "\n".join(line for line in text.splitlines() if UNIT in line)
        return False, ours or text.strip()
    named = re.search(r"^ExecStart=.*?--config[ =](\S+)", unit.read_text("utf-8"), re.MULTILINE)
    if named and Path(named[1]).resolve() != config.path.resolve():
        return None, f"{unit} runs on {named[1]}, not on {config.path}: look at that one too"
    return _as_it_runs(unit) if SYSTEMD.exists() else (True, str(unit))


def _as_it_runs(unit: Path) -> tuple[bool | None, str]:
    """Say how systemd has the unit."""
    properties = "--property=ActiveState,UnitFileState,NeedDaemonReload"
    _, text = _run("systemctl", "show", properties, UNIT) or (1, "")
    states = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    active = states.get("ActiveState", "not known to systemd")
    if active == "failed":
        return False, f"{unit} has failed: journalctl -u {UNIT} -p err says why"
    if states.get("NeedDaemonReload") == "yes":
        return None, f"{unit} was changed since systemd read it: systemctl daemon-reload"
    if states.get("UnitFileState") != "enabled":
        return None, f"{unit}, {active}; not started at boot: systemctl enable {UNIT}"
    return True, f"{unit}, {active}, started at boot"


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
