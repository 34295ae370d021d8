"""Private data in a line's log: masked on the way in and out alike, and the log still replays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.config import Log
from ivrd.events import T_DIGIT, Event, Json
from ivrd.flow.spec import Flow
from ivrd.linelog import Mask, masked, render_event
from ivrd.trace import read_trace, replay
from sim.caller import ScriptedCaller
from tests.call_families import FILES
from tests.call_files import CallFile, config_for
from tests.call_office import Databases, open_office
from tests.conftest import Calls
from tests.test_traces import told_secrets

json_values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc.", max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_masking_again_changes_nothing(value: Json) -> None:
    assert masked(masked(value)) == masked(value)


@given(st.text(max_size=20), st.integers(0, 6))
def test_masked_text_keeps_its_length_and_nothing_else(text: str, keep: int) -> None:
    shown = masked(text, keep=keep)
    assert isinstance(shown, str)
    assert len(shown) == len(text)
    hidden = shown[: len(shown) - keep] if keep and len(text) > keep + 2 else shown
    assert not any(char.isalnum() and char != "x" for char in hidden)


@given(st.text("0123456789", min_size=1, max_size=12))
def test_masked_entry_is_an_entry_of_the_same_length(digits: str) -> None:
    assert masked(digits) == "x" * len(digits)


def test_caller_keeps_the_last_four_by_which_staff_tell_callers_apart() -> None:
    mask = Mask(frozenset({"caller"}))
    assert mask({"caller": "13805710009"}) == {"caller": "xxxxxxx0009"}
    assert mask({"caller": "12345"}) == {"caller": "xxxxx"}, "too short to show any"
    assert mask({"caller": ""}) == {"caller": ""}


def test_path_within_a_table_is_masked_alone() -> None:
    mask = Mask(frozenset({"detail.other"}))
    data: dict[str, Json] = {"detail": {"other": "62551234", "charge": 217}, "position": 1}
    assert mask(data) == {"detail": {"other": "xxxxxxxx", "charge": 217}, "position": 1}
    assert mask({"detail.other": "62551234"}) == {"detail.other": "xxxxxxxx"}


def test_private_key_is_masked_and_the_others_are_not() -> None:
    mask = Mask(frozenset())
    for key, shown in {"7": "x", "#": '"#"', "*": '"*"', "A": "A"}.items():
        event = Event(T_DIGIT, None, {"key": key})
        assert render_event(event, mask, private_key=True) == f"T_DIGIT key={shown}"
        assert key in render_event(event, mask)


def test_flow_names_what_is_private(enquiry_flow: Flow) -> None:
    assert enquiry_flow.private == {"entry", "number", "account", "caller", "proof", "detail.other"}


@pytest.mark.parametrize(
    "name",
    [
        "rich_bill_by_phone_number",
        "bill_by_agreement_number",
        "password_wrong_twice_then_right",
        "last_digits_wrong_then_right",
        "types_everything_ahead",
        "keys_ahead_during_a_slow_lookup",
        "details_from_the_first_to_the_last",
        "bill_of_the_callers_own_number",
        "unknown_phone_number_three_times",
        "interrupts_every_statement",
    ],
)
def test_secrets_would_be_found_if_they_were_logged(
    name: str, databases: Databases, tmp_path: Path, calls: Calls
) -> None:
    call = FILES[name]
    assert told_secrets(call, calls.made(call)) == []
    made_in_the_clear = _unmasked(call, databases, tmp_path)
    text = (tmp_path / "line-01.log").read_text(encoding="utf-8")
    assert made_in_the_clear
    keys = "".join(re.findall(r' < T_DIGIT key="?(.)', text))
    assert "88610001" in text or "100000000001" in keys or call.secrets[0] in keys


def _unmasked(call: CallFile, databases: Databases, logs: Path) -> bool:
    """Make a call with log.private = "clear"; return whether its log replays all the same."""
    config = config_for(call, databases.sample)
    clear = config.model_copy(update={"log": Log.model_validate({"private": "clear"})})
    office = open_office(call, databases, logs, clear)
    ScriptedCaller(call.script).call(office.card)
    office.clock.run_until_idle(1200.0)
    office.close()
    machine = office.parts.machine
    return all(replay(trace, machine) is None for trace in read_trace(logs / "line-01.log"))
