"""`ivrd flow` and `ivrd replay` on the flow of reminders, whose calls share the line's log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.call_families import DUNNING
from tests.call_office import Databases, make_call
from tests.cli.cli_terminal import Invoke

CALL = DUNNING.files["promise_is_confirmed_and_kept"]


@pytest.fixture
def log(databases: Databases, tmp_path: Path) -> str:
    """Return the log of a line with a reminder and, behind it, a caller's call."""
    make_call(CALL, databases, tmp_path)
    return str(tmp_path / "line-01.log")


def test_dunning_flow_is_proved_by_its_file(invoke: Invoke, sample: Path) -> None:
    flow = sample.parent / "fsm_specs" / "dunning.toml"
    told = json.loads(invoke(sample, "flow", "check", str(flow), "--json").stdout)
    assert (told["ok"], told["name"]) == (True, "dunning")


def test_fact_that_no_reminder_has_is_told(invoke: Invoke, own_sample: Path) -> None:
    flow = own_sample.parent / "fsm_specs" / "dunning.toml"
    text = flow.read_text(encoding="utf-8")
    flow.write_text(text.replace('knows = ["attempt"', 'knows = ["atempt"'), encoding="utf-8")
    result = invoke(own_sample, "flow", "check", str(flow))
    assert result.exit_code == 1
    assert "no fact 'atempt'; did you mean 'attempt'?" in result.output


def test_part_is_drawn_as_one_box(invoke: Invoke, sample: Path) -> None:
    drawn = invoke(sample, "flow", "draw", "--fold", "reminder").stdout
    assert 'state "reminder" as' in drawn
    assert "reminder.choices" not in drawn
    refused = invoke(sample, "flow", "draw", "--fold", "remainder")
    assert refused.exit_code != 0
    assert "did you mean 'reminder'?" in refused.output


def test_both_kinds_of_calls_in_a_log_are_replayed(invoke: Invoke, sample: Path, log: str) -> None:
    result = invoke(sample, "replay", log)
    assert (result.exit_code, result.stdout.split()[0]) == (0, "same"), result.output
    assert "2 calls" in result.stdout


def test_each_kind_of_call_covers_its_own_flow(invoke: Invoke, sample: Path, log: str) -> None:
    enquiry = json.loads(invoke(sample, "flow", "coverage", "--json", log).stdout)
    assert (enquiry["calls"], enquiry["differences"]) == (1, [])
    flow = str(sample.parent / "fsm_specs" / "dunning.toml")
    told = json.loads(invoke(sample, "flow", "coverage", "--flow", flow, "--json", log).stdout)
    assert (told["calls"], told["differences"]) == (1, [])
    assert told["fired"] > 12
