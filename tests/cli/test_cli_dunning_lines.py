"""Lines given to dunning on a daemon that runs, and what reaches it from other commands."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ivrd.cli.own_store import operator
from tests.cli.cli_terminal import PATIENCE_S, Invoke, started
from tests.cli.dunning_set_up import audited, told, with_dunning

ME = operator()


@pytest.fixture(scope="module")
def dunning(sample: Path) -> Iterator[Path]:
    """Run a daemon that may call debtors; give its ivrd.toml."""
    # the path of a socket is short (unix(7)), that of pytest's folders may not be
    with tempfile.TemporaryDirectory(prefix="ivrd-") as folder:
        shutil.copytree(sample.parent, folder, dirs_exist_ok=True)
        config = with_dunning(Path(folder) / "ivrd.toml")
        process = started("run", config=config)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "Ctrl-C stops" in line:
                    break
            else:
                assert process.stderr is not None
                pytest.fail(f"the daemon did not start: {process.stderr.read()}")
            yield config
        finally:
            os.kill(process.pid, signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors


def lines(invoke: Invoke, config: Path) -> dict[int, dict[str, Any]]:
    return {view["line"]: view for view in told(invoke, config, "dunning", "status")["lines"]}


def test_lines_are_started_paused_and_stopped(invoke: Invoke, dunning: Path) -> None:
    started_ = invoke(dunning, "dunning", "start", "--lines", "5-8")
    assert started_.exit_code == 0, started_.output
    assert "dunning started on lines 5, 6, 7, 8" in started_.stdout
    views = lines(invoke, dunning)
    assert [views[number]["dunning"] for number in range(1, 9)] == ["off"] * 4 + ["on"] * 4
    assert "paused on line 6" in invoke(dunning, "dunning", "pause", "--lines", "6").stdout
    assert lines(invoke, dunning)[6]["dunning"] == "paused"
    stopped = invoke(dunning, "dunning", "stop", "--lines", "5-8", "--now", "--json")
    assert json.loads(stopped.stdout) == {"lines": [5, 6, 7, 8]}
    assert {view["dunning"] for view in lines(invoke, dunning).values()} == {"off"}
    shown = invoke(dunning, "dunning", "status")
    assert "waits for" in shown.stdout


def test_a_start_time_is_kept_until_it_comes(invoke: Invoke, dunning: Path) -> None:
    at = (datetime.now().astimezone() + timedelta(days=1)).replace(microsecond=0)
    result = invoke(dunning, "dunning", "start", "--lines", "7", "--at", at.isoformat())
    assert result.exit_code == 0, result.output
    assert "will start on line 7 from" in result.stdout
    view = lines(invoke, dunning)[7]
    assert view["dunning"] == "starts"
    assert datetime.fromisoformat(view["dunning_at"]) == at
    past = invoke(dunning, "dunning", "start", "--lines", "7", "--at", "2020-01-01T09:00")
    assert past.exit_code == 2
    assert invoke(dunning, "dunning", "stop", "--lines", "7").exit_code == 0


def test_who_ordered_it_is_on_record(invoke: Invoke, dunning: Path) -> None:
    invoke(dunning, "dunning", "start", "--lines", "5")
    invoke(dunning, "dunning", "stop", "--lines", "5")
    # the daemon writes it behind its answer
    until_s = time.monotonic() + PATIENCE_S
    while audited(dunning)[-1] != f"dunning stop {ME}":
        assert time.monotonic() < until_s, audited(dunning)
    assert f"dunning start {ME}" in audited(dunning)


def test_a_line_that_is_not_there_is_refused(invoke: Invoke, dunning: Path) -> None:
    result = invoke(dunning, "dunning", "start", "--lines", "99")
    assert result.exit_code == 1
    assert "no line 99" in result.stderr


def test_the_kill_switch_reaches_a_daemon_that_runs(invoke: Invoke, dunning: Path) -> None:
    assert invoke(dunning, "kill-switch", "on").exit_code == 0
    invoke(dunning, "dunning", "start", "--lines", "5")
    until_s = time.monotonic() + PATIENCE_S
    waits = ""
    while "kill switch" not in waits:
        assert time.monotonic() < until_s, waits
        waits = told(invoke, dunning, "dunning", "status")["dunning"]["waits_for"]
    invoke(dunning, "dunning", "stop", "--lines", "5")
    assert invoke(dunning, "kill-switch", "off", "--yes").exit_code == 0


def test_without_a_daemon_the_exit_code_is_3(invoke: Invoke, own_sample: Path) -> None:
    config = with_dunning(own_sample)
    for args in (("status",), ("start", "--lines", "5"), ("stop", "--lines", "5", "--now")):
        result = invoke(config, "dunning", *args)
        assert result.exit_code == 3
        assert "ivrd run" in result.stderr
