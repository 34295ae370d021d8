"""A key during a statement, where it does not land on the question that was seen behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrd.events import T_OFFH, T_TIME
from ivrd.flow.load import load_flow
from ivrd.flow.machine import FlowMachine
from tests.call_driven import Driven
from tests.flow.flow_world import ACTIONS


@pytest.fixture
def call() -> Driven:
    flow = load_flow(Path(__file__).parent / "good" / "barge.toml", ACTIONS)
    driven = Driven(FlowMachine(flow), {"open": False})
    driven.ring()
    driven.answer(T_OFFH)
    assert driven.state == "first"
    return driven


def test_statement_reached_by_what_the_edge_set_is_spoken_and_the_key_dropped(call: Driven) -> None:
    call.key("1")
    assert call.state == "second"
    assert len(call.plays) == 1
    assert T_TIME in call.timers
    assert call.call.stale == 1


def test_farewell_reached_by_used_up_tries_is_spoken(call: Driven) -> None:
    call.key("1")
    call.play_ends()
    assert call.state == "menu"
    call.key("1")
    assert call.state == "second"
    call.key("1")
    assert call.state == "sorry"
    assert call.said == ["sorry"]
    assert T_TIME in call.timers


def test_masked_key_cuts_a_statement_as_the_key_did_that_it_stands_for(call: Driven) -> None:
    call.key("x")
    assert call.state == "second"
    call.play_ends()
    call.key("9")
    assert call.state == "prove"
    call.key("1234")
    assert call.state == "third"
    assert call.call.hides("7", 1e6)
    call.key("x")
    assert call.state == "prove"
    assert T_TIME in call.timers
