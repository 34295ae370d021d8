"""The files of deploy/: accepted by the tools they are for, and fit for what ivrd has."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from ivrd.cli.doctor_service import UNIT, service_look
from ivrd.cli.output import EXIT_CONFIG
from ivrd.config import load_config
from ivrd.daemon import GRACE_S, SAVE_S
from ivrd.log_query import LogQuery, Wanted
from tests.test_log_query import MONDAY, call

TOP = Path(__file__).parents[1]
DEPLOY = TOP / "deploy"


def unit_of(folder: Path) -> Path:
    """Return the unit with a command that is there, which systemd looks for."""
    command = folder / "ivrd"
    command.write_text("#!/bin/sh\n", encoding="ascii")
    command.chmod(0o755)
    text = (DEPLOY / "systemd" / UNIT).read_text(encoding="utf-8")
    unit = folder / UNIT
    unit.write_text(text.replace("/opt/ivrd/bin/ivrd", str(command)), encoding="utf-8")
    return unit


def value(name: str) -> str:
    """Return what the unit sets."""
    text = (DEPLOY / "systemd" / UNIT).read_text(encoding="utf-8")
    (found,) = re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
    return str(found)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_accepts_the_unit_and_says_nothing_of_it(tmp_path: Path) -> None:
    command = ["systemd-analyze", "verify", "--man=no", str(unit_of(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - of the system
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_doctor_tells_what_systemd_finds_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivrd.cli.doctor_service.UNIT_FOLDERS", (tmp_path,))
    monkeypatch.setattr("ivrd.cli.doctor_service.SYSTEMD", tmp_path / "none")
    config = load_config(TOP / "ivrd.toml")
    assert service_look(config)[0] is None
    unit = unit_of(tmp_path)
    ok, told = service_look(config)
    assert ok is None
    assert "runs on /etc/ivrd/ivrd.toml, not on " in told
    text = unit.read_text(encoding="utf-8")
    unit.write_text(text.replace("/etc/ivrd/ivrd.toml", str(config.path)), encoding="utf-8")
    assert service_look(config) == (True, str(unit))
    unit.write_text(unit.read_text(encoding="utf-8").replace("[Service]", "[Servise]"))
    ok, told = service_look(config)
    assert ok is False
    assert UNIT in told


def test_the_unit_waits_for_calls_to_end_and_knows_wrong_settings() -> None:
    assert float(value("TimeoutStopSec")) > GRACE_S + SAVE_S
    assert int(value("RestartPreventExitStatus")) == EXIT_CONFIG
    assert value("Type") == "notify"
    assert value("KillMode") == "mixed", "the bus's own process ends after the daemon"
    assert value("User") == "ivrd"


def test_the_example_settings_are_right_and_lie_where_the_unit_may_write() -> None:
    config = load_config(DEPLOY / "systemd" / "ivrd.toml")
    assert config.data == Path("/var/lib") / value("StateDirectory")
    assert config.socket.parent == Path("/run") / value("RuntimeDirectory")
    named = config.file_of(config.log.daemon)
    assert named is not None
    assert named.parent == config.logs
    rotated = (DEPLOY / "logrotate" / "ivrd").read_text(encoding="utf-8")
    assert f"{config.logs}/*.log {{" in rotated


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="no logrotate here")
def test_logrotate_leaves_logs_that_a_query_still_reads(tmp_path: Path) -> None:
    log = tmp_path / "line-07.log"
    text = (DEPLOY / "logrotate" / "ivrd").read_text(encoding="utf-8")
    text = text.replace("/var/lib/ivrd/log", str(tmp_path)).replace("    su ivrd ivrd\n", "")
    file = tmp_path / "ivrd"
    file.write_text(re.sub(r"/bin/systemctl.*", "true", text), encoding="utf-8")
    file.chmod(0o644)
    tmp_path.chmod(0o755)
    calls = [call(MONDAY + timedelta(minutes=n), n) for n in range(3)]
    command = ["logrotate", "--force", "--state", str(tmp_path / "state"), str(file)]
    for one in calls:
        log.write_text(one, encoding="utf-8")
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - of the system
        assert (done.returncode, done.stderr) == (0, "")
        assert not log.exists(), "it is for the daemon to make a new one"
    found = LogQuery({7: log}, Wanted()).calls()
    assert [one.trace for one in found] == calls


def test_the_container_is_built_of_all_packages() -> None:
    text = (DEPLOY / "container" / "Containerfile").read_text(encoding="utf-8")
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)
        for name in line.split()
    }  # fmt: skip
    assert all((TOP / name).exists() for name in copied)
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied
    assert set(re.findall(r"\[([\w,]+)\]'", text)[0].split(",")) <= set(
        project["project"]["optional-dependencies"]
    )
