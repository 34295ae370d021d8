"""Commands against a daemon that runs: another process, a real socket, real time."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivrd.config import load_config
from tests.cli.cli_terminal import Invoke, started


@pytest.fixture
def closed(invoke: Invoke, daemon: Path) -> Iterator[None]:
    """Stop enquiry on all lines for one test."""
    assert invoke(daemon, "enquiry", "stop", "--lines", "1-8").exit_code == 0
    yield
    assert invoke(daemon, "enquiry", "start", "--lines", "1-8").exit_code == 0


def test_status_names_flow_cards_lines_and_billing(invoke: Invoke, daemon: Path) -> None:
    result = invoke(daemon, "status")
    assert result.exit_code == 0, result.output
    for part in ("enquiry@", "software", "open", "zh-CN, en-US", "up"):
        assert part in result.stdout
    told = json.loads(invoke(daemon, "status", "--json").stdout)
    assert told["lines"] == {"idle": 8}


def test_lines_are_listed_one_a_row(invoke: Invoke, daemon: Path) -> None:
    rows = invoke(daemon, "lines").stdout.splitlines()
    assert [row.split()[0] for row in rows[1:]] == [str(number) for number in range(1, 9)]
    views = json.loads(invoke(daemon, "lines", "--json").stdout)
    assert [view["line"] for view in views] == list(range(1, 9))


def test_enquiry_stops_and_starts_on_the_lines_named(invoke: Invoke, daemon: Path) -> None:
    result = invoke(daemon, "enquiry", "stop", "--lines", "2,4-5", "--json")
    assert json.loads(result.stdout) == {"lines": [2, 4, 5]}
    views = json.loads(invoke(daemon, "lines", "--json").stdout)
    assert [view["line"] for view in views if view["stopped"]] == [2, 4, 5]
    assert "lines 2, 4, 5" in invoke(daemon, "enquiry", "start", "--lines", "2,4-5").stdout
    views = json.loads(invoke(daemon, "lines", "--json").stdout)
    assert not any(view["stopped"] for view in views)


def test_what_the_daemon_refuses_is_an_answer_of_no(invoke: Invoke, daemon: Path) -> None:
    result = invoke(daemon, "enquiry", "stop", "--lines", "99")
    assert result.exit_code == 1
    assert "99" in result.stderr
    wrong = invoke(daemon, "enquiry", "stop", "--lines", "4-")
    assert wrong.exit_code == 2
    assert "1-4,7" in wrong.stderr


@pytest.mark.usefixtures("closed")
def test_a_call_is_heard_logged_watched_and_replays(
    invoke: Invoke, daemon: Path, tmp_path: Path
) -> None:
    watching = started("watch", "--json", config=daemon)
    assert watching.stdout is not None
    first = json.loads(watching.stdout.readline())
    assert len(first["lines"]) == 8
    wav = tmp_path / "heard.wav"
    called = invoke(daemon, "call", "--keys", "", "--caller", "88610001", "--wav", str(wav))
    assert called.exit_code == 0, called.output
    assert "answered" in called.stdout
    assert "暂停" in called.stdout
    assert "ended by ivrd" in called.stdout
    assert wav.read_bytes()[:4] == b"RIFF"
    changes = [json.loads(line) for line in _until_idle(watching)]
    views = [view for change in changes for view in change.get("lines", ())]
    assert {"idle", "in call"} == {view["status"] for view in views}
    assert {view["caller"] for view in views if view["call"]} == {"xxxx0001"}
    _tails_and_replays(invoke, daemon, views[0]["line"])


def _until_idle(watching: subprocess.Popen[str]) -> Iterator[str]:
    """Yield what changes until the call is over, then end the watch with Ctrl-C."""
    assert watching.stdout is not None
    talked = False
    for line in watching.stdout:
        yield line
        talked = talked or '"status": "in call"' in line
        if talked and '"status": "idle"' in line.rpartition('"lines"')[2]:
            break
    watching.send_signal(signal.SIGINT)
    _, told = watching.communicate(timeout=10)
    assert watching.returncode == 130, told
    assert "Traceback" not in told


def _tails_and_replays(invoke: Invoke, daemon: Path, line: int) -> None:
    tailed = invoke(daemon, "tail", str(line)).stdout
    assert "# ended by=ivrd" in tailed or "# ended" in tailed
    call = re.search(r"@ (\S+)", tailed)
    assert call is not None
    assert invoke(daemon, "tail", str(line), "--call", call[1]).stdout in tailed
    log = load_config(daemon).line_log(line)
    replayed = invoke(daemon, "replay", str(log))
    assert replayed.exit_code == 0, replayed.output
    assert replayed.stdout.startswith("same")


def test_a_call_in_json_can_be_hung_up_after_its_keys(invoke: Invoke, daemon: Path) -> None:
    result = invoke(daemon, "call", "--keys", "!2 h", "--json")
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events[:2]] == ["ringing", "answered"]
    assert {"event": "keyed", "key": "2"} in events
    assert any(event.get("lang") == "en-US" for event in events)
    assert events[-1]["by"] == "caller"


def test_tail_follows_what_is_written(invoke: Invoke, daemon: Path) -> None:
    following = started("tail", "1", "-f", "-n", "0", config=daemon)
    calling = started("call", "--keys", "!1 !h", "--caller", "88610005", config=daemon)
    assert following.stdout is not None
    assert any("# ended" in line for line in following.stdout)
    following.send_signal(signal.SIGINT)
    _, told = following.communicate(timeout=10)
    assert following.returncode == 130
    assert told == ""
    calling.communicate(timeout=30)
    assert calling.returncode == 0
    assert invoke(daemon, "status").exit_code == 0


def test_watch_without_a_terminal_lists_the_lines(invoke: Invoke, daemon: Path) -> None:
    result = invoke(daemon, "watch", "--once")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 9


def test_a_changed_flow_is_taken_by_a_reload_and_a_wrong_one_refused(
    invoke: Invoke, daemon: Path
) -> None:
    flow = daemon.parent / "fsm_specs" / "enquiry.toml"
    before = flow.read_text(encoding="utf-8")
    try:
        flow.write_text(before.replace("first_s = 8", "first_s = 7"), encoding="utf-8")
        assert " is now " in invoke(daemon, "reload").stdout
        told = json.loads(invoke(daemon, "flow", "reload", "--json").stdout)
        assert told["flow"]["changed"] is False
        flow.write_text(before.replace('"greeting"', '"greetin"'), encoding="utf-8")
        refused = invoke(daemon, "reload")
        assert refused.exit_code == 1
        assert f"{flow}:" in refused.stderr
        assert "refused: calls go on with" in refused.stderr
        after = json.loads(invoke(daemon, "status", "--json").stdout)
        assert after["flow"]["hash"] == told["flow"]["new"]
    finally:
        flow.write_text(before, encoding="utf-8")
        assert invoke(daemon, "reload").exit_code == 0


def test_doctor_sees_the_daemon(invoke: Invoke, daemon: Path) -> None:
    findings = json.loads(invoke(daemon, "doctor", "--json").stdout)
    assert "a daemon answers" in next(f["what"] for f in findings if f["check"] == "socket")


def test_a_second_daemon_on_the_socket_is_refused(daemon: Path) -> None:
    second = started("run", config=daemon)
    _, told = second.communicate(timeout=30)
    assert second.returncode == 3
    assert "another ivrd" in told
    assert "event=started" not in told  # no card was opened, no line log touched
    assert "Traceback" not in told


def test_run_tells_every_problem_and_starts_nothing(own_sample: Path) -> None:
    text = own_sample.read_text(encoding="utf-8").replace('"telecom"', '"telekom"')
    own_sample.write_text(text, encoding="utf-8")
    refused = started("run", config=own_sample)
    said, told = refused.communicate(timeout=30)
    assert refused.returncode == 2
    assert said == ""
    assert "telekom" in told
    assert "Traceback" not in told
