"""Scripted reminder calls through the whole flow, and what each leaves in log and store."""

from __future__ import annotations

import pytest

from ivrd.assembly import load_dunning
from ivrd.flow.spec import Flow, Kind
from tests.call_families import DUNNING, TROUBLES, cut_short, in_trouble, state_of, too_long
from tests.call_files import CallFile
from tests.call_office import Databases, Made, open_office
from tests.conftest import Calls
from tests.test_traces import check_ending, check_expectations, told_secrets

FILES = [*DUNNING.files.values()]

HAPPENINGS = {"hangs_up": "far end", "stops": "operator", "loses_loop": "card",
              "is_machine": "ivrd"}  # fmt: skip
"""What can happen in every state, and who then has ended the call."""

LONGEST_SILENCE_S = 3.05

SAYS_IT_IS_DONE = {
    "promise_noted": {"promise", "class will_pay"},
    "thanks_paid": {"task check_payment", "note says: paid already"},
    "dispute_noted": {"task dispute", "note disputes the charges"},
    "no_more_calls": {"do_not_call asked"},
    "wrong_number_noted": {"do_not_call wrong_number"},
    "call_back_noted": {"task call_back"},
}
"""Sentences that say that something was done, and what must stand in the store by then."""

PRIVATE = ("you_owe", "months_owed", "debt_due", "bill_item", "debt_total", "you_promise",
           "already_settled")  # fmt: skip
"""Sentences that only who has confirmed being the holder may hear."""


@pytest.fixture(scope="module")
def flow(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """Return the dunning flow, proved."""
    office = open_office(FILES[0], databases, tmp_path_factory.mktemp("flow"))
    office.close()
    parts = office.parts
    return load_dunning(parts.config, parts.registry, parts.voices)


@pytest.mark.usefixtures("no_leftovers")
@pytest.mark.parametrize("call", FILES, ids=lambda call: call.name)
def test_scripted_reminder(call: CallFile, calls: Calls) -> None:
    made = calls.made(call)
    if call.dials in {"person", "machine"}:
        assert made.failure is None, f"{call.shows}\n{made.report}"
    check_expectations(call, made)
    assert made.kept == sorted(call.expected.get("kept", [])), "what stands in the store"
    check_ending(made)
    assert not told_secrets(call, made)
    assert made.silence_s <= LONGEST_SILENCE_S
    check_said_when_done(made)
    check_private(made)


def check_said_when_done(made: Made) -> None:
    """See that what was said to be done stood in the store when it was said."""
    for sentence, wanted in SAYS_IT_IS_DONE.items():
        there = made.kept_by.get(sentence)
        if there is not None:
            for what in wanted:
                assert any(row.startswith(what) for row in there), f"{sentence}: {what}"


def check_private(made: Made) -> None:
    """See that nothing private was heard before the note that the holder has confirmed."""
    assert made.record is not None
    if "confirmed" not in made.record.notes:
        assert not set(PRIVATE) & set(made.heard)


def test_each_call_says_what_it_shows() -> None:
    assert len({call.shows for call in FILES}) == len(FILES) >= 50
    assert all(len(call.shows) > 20 for call in FILES)


def test_every_state_that_waits_is_reached_by_a_call(flow: Flow) -> None:
    waiting = {
        state.name for state in flow.states.values() if state.kind not in {Kind.START, Kind.BRANCH}
    }
    assert set(DUNNING.reached_by) | {"hang_up"} == waiting
    asking = {state.name: state.do for state in flow.states.values() if state.do in flow.actions}
    assert asking == DUNNING.asked_of


@pytest.mark.parametrize("call", list(cut_short(DUNNING, HAPPENINGS)), ids=lambda call: call.name)
def test_reminder_ends_on_hook_when_it_is_cut_short(call: CallFile, calls: Calls) -> None:
    made = calls.made(call)
    what, state = call.name.split(" in ")
    check_ending(made)
    assert not told_secrets(call, made)
    check_said_when_done(made)
    check_private(made)
    assert made.record is not None
    assert (made.record.ended_by, made.record.left_in) == (HAPPENINGS[what], state)
    if what == "stops":
        assert ("must_stop_call" in made.heard) == (state not in {"dialling", "goodbye"})
    if what == "is_machine":
        assert made.record.notes[-1] == "machine"


@pytest.mark.parametrize("call", list(too_long(DUNNING)), ids=lambda call: call.name)
def test_reminder_too_long_ends_with_a_sentence(call: CallFile, calls: Calls) -> None:
    made = calls.made(call)
    state = state_of(call)
    check_ending(made)
    assert made.record is not None
    assert (made.record.ended_by, made.record.left_in) == ("too long", state)
    assert ("call_too_long" in made.heard) == (state not in {"dialling", "goodbye"})


@pytest.mark.parametrize("call", list(in_trouble(DUNNING)), ids=lambda call: call.name)
def test_action_in_trouble_says_so_and_promises_nothing(call: CallFile, calls: Calls) -> None:
    made = calls.made(call)
    what, state = call.name.removeprefix("billing ").split(" in ")
    check_ending(made)
    assert not told_secrets(call, made)
    check_said_when_done(made)
    check_private(made)
    assert made.record is not None
    action = DUNNING.asked_of[state]
    if action == "note_told":
        assert "told_in_full" in made.record.notes, "the call goes on"
        return
    note = TROUBLES[what] if action in DUNNING.lookups else "failed"
    assert note in made.record.notes
    said = {"read_items": "no_items", "read_arrears": "reminder_not_now",
            "check_proof": "reminder_not_now"}.get(action, "not_noted")  # fmt: skip
    assert said in made.heard
    assert not set(SAYS_IT_IS_DONE) & set(made.heard)


def test_calls_fire_every_transition_of_the_flow(calls: Calls, flow: Flow) -> None:
    fired: set[tuple[str, str]] = set()
    families = (cut_short(DUNNING, HAPPENINGS), too_long(DUNNING), in_trouble(DUNNING))
    for call in (*FILES, *(call for family in families for call in family)):
        fired |= calls.made(call).fired
    every = {(state.name, edge.trigger) for state, edge in flow.edges}
    assert sorted(every - fired) == [], "transitions that no call has fired"
