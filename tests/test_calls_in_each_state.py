"""What can happen in every state, in every state: each call ends on hook, and the log says why."""

from __future__ import annotations

import pytest

from ivrd.flow.spec import Flow, Kind
from tests.call_families import (
    ASKED_OF,
    HAPPENINGS,
    REACHED_BY,
    TROUBLES,
    cut_short,
    in_trouble,
    state_of,
    too_long,
)
from tests.call_files import CallFile, every_call_file
from tests.conftest import Calls
from tests.test_traces import check_ending, told_secrets

UNSPOKEN = {"answering", "goodbye"}
"""States in which the operator's word and the time limit change nothing that is said."""


def of_the_reminder(state: str) -> bool:
    """Whether a state is one of the part whose calls are those of tests/dunning."""
    return state.split(".", maxsplit=1)[0] == "reminder"


def test_every_state_that_waits_is_reached_by_a_call(enquiry_flow: Flow) -> None:
    waiting = {
        state.name
        for state in enquiry_flow.states.values()
        if state.kind not in {Kind.START, Kind.BRANCH} and not of_the_reminder(state.name)
    }
    assert set(REACHED_BY) | {"hang_up"} == waiting
    lookups = {
        state.name: state.do
        for state in enquiry_flow.states.values()
        if state.do in enquiry_flow.actions and not of_the_reminder(state.name)
    }
    assert lookups == ASKED_OF


@pytest.mark.parametrize("call", list(cut_short()), ids=lambda call: call.name)
def test_call_ends_on_hook_when_it_is_cut_short(call: CallFile, calls: Calls) -> None:
    made = calls.made(call)
    what, state = call.name.split(" in ")
    check_ending(made)
    assert not told_secrets(call, made)
    assert made.record is not None
    assert (made.record.ended_by, made.record.left_in) == (HAPPENINGS[what], state)
    if what == "stops":
        assert ("stopped" in made.record.notes) == (state not in UNSPOKEN)
        assert ("must_stop" in made.heard) == (state not in UNSPOKEN)


@pytest.mark.parametrize("call", list(too_long()), ids=lambda call: call.name)
def test_call_too_long_ends_with_a_sentence(call: CallFile, calls: Calls) -> None:
    made = calls.made(call)
    state = state_of(call)
    check_ending(made)
    assert not told_secrets(call, made)
    assert made.record is not None
    assert (made.record.ended_by, made.record.left_in) == ("too long", state)
    assert ("call_too_long" in made.heard) == (state not in UNSPOKEN)


@pytest.mark.parametrize("call", list(in_trouble()), ids=lambda call: call.name)
def test_lookup_in_trouble_has_its_own_answer(call: CallFile, calls: Calls) -> None:
    made = calls.made(call)
    what, state = call.name.removeprefix("billing ").split(" in ")
    check_ending(made)
    assert not told_secrets(call, made)
    assert made.record is not None
    if state == "recall_reminder":
        assert "offer_reminder" not in made.heard
        assert "welcome" in made.heard, "a fault here only costs the offer"
        return
    if state == "recognise_caller":
        assert "choose_own_number" not in made.heard
        assert made.record.notes == ("told",), "a fault here only costs one key"
        return
    note = TROUBLES[what]
    assert made.record.notes[-1] == note
    sentence = {"slow": "billing_slow", "down": "billing_down", "failed": "try_later"}[note]
    assert made.heard[-2:] == [sentence, "goodbye"]


def test_calls_fire_every_transition_of_the_flow(calls: Calls, enquiry_flow: Flow) -> None:
    fired: set[tuple[str, str]] = set()
    for call in (*every_call_file(), *cut_short(), *too_long(), *in_trouble()):
        fired |= calls.made(call).fired
    every = {(state.name, edge.trigger) for state, edge in enquiry_flow.edges}
    assert sorted(way for way in every - fired if not of_the_reminder(way[0])) == []


def test_calls_leave_the_reminder_by_every_exit(calls: Calls, enquiry_flow: Flow) -> None:
    left = {
        enquiry_flow.states[state].edges[trigger].to
        for call in every_call_file()
        for state, trigger in calls.made(call).fired
        if of_the_reminder(state)
    }
    assert {to for to in left if not of_the_reminder(to)} == {"welcome", "goodbye", "hang_up"}
