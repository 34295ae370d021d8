"""`ivrd dial --test`: what an operator sees of a test call."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ivrd.cli.dial import line_of
from tests.cli.cli_terminal import Invoke


def test_number_that_nobody_has_is_told_with_reason_and_cause(invoke: Invoke, daemon: Path) -> None:
    result = invoke(daemon, "dial", "--test", "6001", "--line", "8")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert "dialling on line 8 (soft), as 170" in lines[0]
    assert "refused: unallocated, cause 1" in lines[1]
    assert "ended by ivrd, refused: unallocated, cause 1 (refused)" in lines[2]
    replayed = invoke(daemon, "replay", str(daemon.parent / "var" / "log" / "line-08.log"))
    assert replayed.exit_code == 0, replayed.output
    log = str(daemon.parent / "var" / "log" / "line-08.log")
    counted = invoke(daemon, "flow", "coverage", log, "--json")
    assert json.loads(counted.stdout)["differences"] == []


def test_every_word_of_a_call_is_json_where_asked_for(invoke: Invoke, daemon: Path) -> None:
    result = invoke(daemon, "dial", "--test", "6001", "--json")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [message["event"] for message in told] == ["dialling", "refused", "ended"]


def test_number_outside_the_list_is_an_answer_of_no(invoke: Invoke, daemon: Path) -> None:
    result = invoke(daemon, "dial", "--test", "110")
    assert result.exit_code == 1
    assert "not on the test list" in result.stderr


def test_without_a_daemon_it_says_how_to_start_one(invoke: Invoke, sample: Path) -> None:
    result = invoke(sample, "dial", "--test", "6001")
    assert result.exit_code == 3
    assert "ivrd run" in result.stderr


def shown(told: dict[str, object]) -> str:
    return click.unstyle(line_of(told))


def test_what_happens_is_told_in_words() -> None:
    heard = {"event": "heard", "at_s": 9.0, "heard_s": 2.5, "whole": False}
    assert shown(heard).endswith("heard 2.5 s, cut short")
    assert shown({"event": "key", "at_s": 9.0, "key": "1"}).endswith("▸ 1")
    busy = {"event": "busy", "at_s": 9.0, "cause": 17, "tech_cause": "SIP 486"}
    assert shown(busy).endswith("busy: cause 17, SIP 486")
