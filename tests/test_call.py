"""The pure call, driven through the enquiry flow event by event."""

from __future__ import annotations

from typing import Any

import pytest

from ivrd.call import Call
from ivrd.commands import (
    Flush,
    Note,
    OffHook,
    OnHook,
    Play,
    Run,
    StartTimer,
    Stop,
)
from ivrd.events import (
    T_DIGIT,
    T_EOF,
    T_LCTERM,
    T_LONG,
    T_OFFH,
    T_ONH,
    T_RING,
    T_RINGOFF,
    T_TIME,
    U_ERR,
    U_FAIL,
    U_OK,
    U_STOP,
    Event,
)
from ivrd.flow.load import load_flow
from ivrd.flow.machine import FlowMachine
from ivrd.resources import FLOWS
from tests.call_driven import Driven, of
from tests.flow.shipped import shipped_actions

BILL: dict[str, Any] = {
    "month": "2026-10",
    "items": [{"name": "monthly_rent", "amount": 2000}, {"name": "refund", "amount": -150}],
    "total": 1850,
}


@pytest.fixture(scope="module")
def machine() -> FlowMachine:
    actions = shipped_actions()
    return FlowMachine(load_flow(FLOWS / "enquiry.toml", actions))


@pytest.fixture
def call(machine: FlowMachine) -> Driven:
    facts = dict.fromkeys(machine.flow.knows, False)
    return Driven(machine, {**facts, "caller": "01088610001"})


def to_month(call: Driven) -> Driven:
    call.ring()
    call.answer(T_OFFH)
    call.play_ends()
    assert call.state == "ask_month"
    return call


def to_lookup(call: Driven) -> Driven:
    to_month(call).key("202610")
    call.answer(U_OK, month="2026-10")
    call.answer("U_NONE")
    assert call.state == "ask_lookup"
    return call


def to_phone(call: Driven) -> Driven:
    to_lookup(call).key("1")
    assert call.state == "ask_phone"
    return call


def to_menu(call: Driven) -> Driven:
    to_phone(call).key("88610001#")
    call.answer(U_OK, account="A1")
    call.answer(U_OK, bill=BILL)
    call.play_ends()
    assert call.state == "menu"
    return call


# -- entries -------------------------------------------------------------------------------------


def test_full_length_ends_an_entry(call: Driven) -> None:
    commands = to_month(call).key("202610")
    assert of(Run, commands)[0].args == {"entry": "202610"}


def test_terminator_ends_a_shorter_entry(call: Driven) -> None:
    commands = to_phone(call).key("88610001#")
    assert of(Run, commands)[0].args == {"number": "88610001"}


def test_silence_ends_an_entry_of_at_least_one_digit(call: Driven) -> None:
    to_month(call).key("20")
    assert of(Run, call.wait())[0].args == {"entry": "20"}


def test_silence_with_no_digit_asks_again(call: Driven) -> None:
    to_month(call).play_ends()
    call.wait()
    assert call.said == ["nothing_keyed", "enter_month"]


def test_terminator_alone_is_an_empty_entry_for_the_check(call: Driven) -> None:
    assert of(Run, to_month(call).key("#"))[0].args == {"entry": ""}


def test_star_clears_an_entry_and_the_time_begins_anew(call: Driven) -> None:
    commands = to_month(call).key("2020*")
    assert [timer.after_s for timer in of(StartTimer, commands)] == [8.0]
    assert of(Run, call.key("202610"))[0].args == {"entry": "202610"}


def test_time_between_digits_is_shorter_than_before_the_first(call: Driven) -> None:
    commands = to_month(call).play_ends()
    assert [timer.after_s for timer in of(StartTimer, commands)] == [8.0]
    assert [timer.after_s for timer in of(StartTimer, call.key("2"))] == [4.0]


@pytest.mark.parametrize("key", "ABCD")
def test_keys_that_no_telephone_has_are_no_part_of_an_entry(call: Driven, key: str) -> None:
    to_month(call).key("20")
    stale = call.call.stale
    assert call.key(key) == []
    assert call.call.stale == stale + 1
    assert of(Run, call.key("2610"))[0].args == {"entry": "202610"}


def test_first_digit_stops_the_question(call: Driven) -> None:
    to_month(call)
    playing = max(call.plays)
    assert of(Stop, call.key("2")) == [Stop(playing)]
    assert of(Stop, call.key("0")) == []


def test_masked_digit_counts_in_a_private_entry(call: Driven) -> None:
    assert of(Run, to_month(call).key("xxxxxx"))[0].args == {"entry": "xxxxxx"}


def test_masked_digit_is_a_key_that_no_menu_has(call: Driven) -> None:
    to_lookup(call)
    call.key("x")
    assert call.said[0] == "wrong_key"


def test_digits_that_go_on_after_a_refused_full_entry_are_one_mistake(call: Driven) -> None:
    to_month(call).key("886100")
    call.answer(U_ERR)
    call.key("01", gap_s=0.9)
    call.key("#", gap_s=0.9)
    assert call.state == "ask_month"
    assert of(Run, call.key("202610"))[0].args == {"entry": "202610"}


def test_digits_after_a_pause_are_the_next_try(call: Driven) -> None:
    to_month(call).key("202613")
    call.answer(U_ERR)
    assert of(Run, call.key("202610", gap_s=1.1))[0].args == {"entry": "202610"}


def test_late_terminator_belongs_to_the_full_entry(call: Driven) -> None:
    to_month(call).key("202610")
    call.answer(U_ERR)
    assert call.state == "ask_month"
    call.key("#", gap_s=1.9)
    assert call.state == "ask_month"
    call.key("#")
    assert call.state == "check_month"


def test_terminator_later_than_that_is_an_entry(call: Driven) -> None:
    to_month(call).key("202610")
    call.answer(U_ERR)
    call.key("#", gap_s=2.1)
    assert call.state == "check_month"


def test_late_terminator_belongs_to_a_menu_key(call: Driven) -> None:
    to_lookup(call).key("1#")
    assert call.state == "ask_phone"


def test_key_typed_ahead_counts_from_when_it_was_keyed(call: Driven) -> None:
    to_month(call).key("202610")
    keyed_s = call.at_s + 0.5
    call.at_s += 30
    call.answer(U_ERR)
    call.feed(Event(T_DIGIT, None, {"key": "#", "keyed_s": keyed_s}))
    assert call.state == "ask_month"


# -- menus, barge-in, type-ahead -------------------------------------------------------------------


def test_wrong_key_counts_a_try(call: Driven) -> None:
    to_lookup(call)
    for _ in range(2):
        assert of(Flush, call.key("9"))
        assert call.said == ["wrong_key", "choose_lookup"]
    call.key("9")
    assert call.state == "apologise"


def test_key_whose_condition_is_false_is_a_wrong_key(call: Driven) -> None:
    to_lookup(call).key("3")
    assert call.said == ["wrong_key", "choose_lookup"]


def test_terminator_is_never_a_menu_key(call: Driven) -> None:
    to_lookup(call).key("#", gap_s=3)
    assert call.said == ["wrong_key", "choose_lookup"]


def test_another_way_into_a_question_begins_its_tries_anew(call: Driven) -> None:
    to_menu(call).key("99")
    call.key("1")
    call.play_ends()
    assert call.state == "menu"
    call.key("99")
    assert call.state == "menu"
    call.key("9")
    assert call.state == "goodbye"


def test_key_during_a_statement_goes_to_the_question_behind_it(call: Driven) -> None:
    call.ring()
    call.answer(T_OFFH)
    assert call.state == "welcome"
    commands = call.key("2")
    assert call.state == "ask_month"
    assert [type(command) for command in commands] == [Stop, StartTimer]
    assert of(Run, call.key("02610"))[0].args == {"entry": "202610"}


def test_barge_in_takes_no_note_of_what_was_not_heard(call: Driven) -> None:
    to_phone(call).key("88610001#")
    call.answer(U_OK, account="A1")
    call.answer(U_OK, bill=BILL)
    assert not of(Note, call.key("3"))
    assert call.state == "ask_month"


@pytest.mark.parametrize("key", ["#", "*", "A"])
def test_key_that_could_begin_nothing_does_not_cut_a_statement(call: Driven, key: str) -> None:
    call.ring()
    call.answer(T_OFFH)
    assert call.key(key) == []
    assert call.state == "welcome"


def test_key_during_a_farewell_is_dropped(call: Driven) -> None:
    to_menu(call).key("0")
    assert call.state == "goodbye"
    assert call.key("1") == []
    assert call.state == "goodbye"


def test_call_is_busy_while_an_order_is_under_way(call: Driven) -> None:
    busy = {}
    call.ring()
    busy[call.state] = call.call.busy
    call.answer(T_OFFH)
    busy[call.state] = call.call.busy
    call.play_ends()
    busy[call.state] = call.call.busy
    call.key("202610")
    busy[call.state] = call.call.busy
    assert busy == {"answering": True, "welcome": False, "ask_month": False, "check_month": True}


def test_retry_forgets_what_was_typed_ahead(call: Driven) -> None:
    to_month(call).key("202610")
    assert of(Flush, call.answer(U_ERR))


def test_digits_of_private_entries_and_digits_asked_for_by_nobody_are_hidden(
    machine: FlowMachine,
) -> None:
    call = Driven(machine, dict.fromkeys(machine.flow.knows, False))
    hidden = {}

    def look() -> None:
        hidden[call.state] = "".join(k for k in "0123456789*#" if call.call.hides(k, 1e6))

    to_month(call)
    look()
    to_lookup(call)
    look()
    call.key("1")
    look()
    call.key("88610001#")
    look()
    digits = "0123456789"
    assert hidden == {
        "ask_month": digits,
        "ask_lookup": "03456789",
        "ask_phone": digits,
        "find_by_phone": digits,
    }


# -- waiting for answers ---------------------------------------------------------------------------


def test_waiting_sentence_after_a_second_and_an_answer_by_three(call: Driven) -> None:
    commands = to_month(call).key("202610")
    assert [timer.after_s for timer in of(StartTimer, commands)] == [1.0]
    commands = call.wait()
    assert call.said == ["one_moment"]
    assert [timer.after_s for timer in of(StartTimer, commands)] == [2.0]
    call.wait()
    assert call.said == ["billing_slow", "goodbye"]


def test_actions_in_a_row_share_one_time_limit(call: Driven) -> None:
    to_phone(call).key("88610001")
    call.wait()
    began_s = call.at_s
    call.wait()
    assert call.said == ["one_moment"]
    call.at_s += 0.5
    commands = call.answer(U_OK, account="A1")
    assert call.state == "read_bill"
    assert [timer.after_s for timer in of(StartTimer, commands)] == [1.5]
    assert not of(Stop, commands)  # the waiting sentence is heard to its end, and not again
    call.wait()
    assert call.at_s == began_s + 3
    assert call.said == ["billing_slow", "goodbye"]


def test_answer_stops_the_waiting_sentence_when_something_is_spoken(call: Driven) -> None:
    to_month(call).key("202610")
    call.wait()
    waiting = max(call.plays)
    assert Stop(waiting) in call.answer(U_ERR)


def test_end_of_the_waiting_sentence_moves_nothing(call: Driven) -> None:
    to_month(call).key("202610")
    call.wait()
    assert call.play_ends() == []
    assert call.state == "check_month"


def test_a_question_between_two_actions_begins_the_limit_anew(call: Driven) -> None:
    to_month(call).key("202610")
    call.at_s += 2.5
    call.answer(U_ERR)
    commands = call.key("202610")
    assert [timer.after_s for timer in of(StartTimer, commands)] == [1.0]


def test_play_that_never_ends_is_stopped_and_goes_on(call: Driven) -> None:
    call.ring()
    call.answer(T_OFFH)
    playing = max(call.plays)
    commands = call.wait()
    assert call.at_s == 120.0
    assert Stop(playing) in commands
    assert call.state == "ask_month"


def test_question_that_never_ends_still_gives_time_to_answer(call: Driven) -> None:
    to_month(call)
    commands = call.wait()
    assert call.state == "ask_month"
    assert [timer.after_s for timer in of(StartTimer, commands)] == [8.0]


# -- what may come at any time ---------------------------------------------------------------------


@pytest.mark.parametrize("name", [T_EOF, T_TIME, T_OFFH, U_OK, U_FAIL, T_ONH])
def test_answer_to_what_is_no_longer_awaited_changes_nothing(call: Driven, name: str) -> None:
    to_month(call)
    before = (call.state, call.call.stale)
    old = [ident for ident in call.ids if ident not in call.plays]
    for ident in [*(i for i in old if i != call.timers[T_TIME][0]), 10_000]:
        assert call.feed(Event(name, ident)) == []
    assert call.state == before[0]
    assert call.call.stale > before[1]


@pytest.mark.parametrize("name", [T_EOF, T_TIME, T_OFFH, T_LONG, U_OK, U_ERR, U_FAIL])
def test_answer_without_an_id_changes_nothing(call: Driven, name: str) -> None:
    call.ring()
    assert call.send(name) == []
    call.answer(T_OFFH)
    assert call.send(name) == []
    call.play_ends()
    assert call.send(name) == []
    call.key("202610")
    assert call.send(name) == []
    assert (call.state, call.call.stale) == ("check_month", 4)


def test_second_ring_changes_nothing(call: Driven) -> None:
    assert [type(command) for command in call.ring()] == [StartTimer, OffHook, StartTimer]
    assert call.ring() == []


def test_caller_who_gives_up_while_it_rings(call: Driven) -> None:
    call.ring()
    assert of(OnHook, call.send(T_RINGOFF))


def test_call_that_lasts_too_long_is_told_so(call: Driven) -> None:
    to_month(call)
    commands = call.wait(T_LONG)
    assert call.at_s == 900.0
    assert call.said == ["call_too_long", "goodbye"]
    assert of(Note, commands) == [Note("too_long")]


def test_operator_ends_a_call_with_a_sentence(call: Driven) -> None:
    to_month(call).send(U_STOP, reason="operator")
    assert call.said == ["must_stop", "goodbye"]
    call.play_ends()
    call.answer(T_ONH)
    assert call.call.over


def test_nothing_moves_a_call_that_is_over(call: Driven) -> None:
    call.ring()
    call.send(T_LCTERM)
    call.answer(T_ONH)
    assert call.call.over
    assert call.ring() == []
    assert call.call.stale == 1


def test_line_that_does_not_say_it_is_on_hook_ends_the_call(call: Driven) -> None:
    call.ring()
    call.send(T_LCTERM)
    call.wait()
    assert call.call.over


def test_ids_go_on_from_the_call_before(machine: FlowMachine) -> None:
    facts = dict.fromkeys(machine.flow.knows, False)
    commands = Call(machine, facts, "zh-CN", first_id=500).handle(Event(T_RING), 0.0)
    assert [command.id for command in commands if hasattr(command, "id")] == [500, 501, 502]


def test_ordering_an_account_forgets_the_one_before(call: Driven) -> None:
    to_menu(call).key("4")
    call.key("1")
    call.key("88610002#")
    assert "account" not in call.call.data
    call.answer("U_NONE")
    assert call.said == ["number_not_known", "enter_phone"]


def test_bill_is_spoken_item_by_item_with_its_data(call: Driven) -> None:
    to_phone(call).key("88610001#")
    call.answer(U_OK, account="A1")
    commands = call.answer(U_OK, bill={**BILL, "paid": True})
    (play,) = of(Play, commands)
    assert [(say.sentence, dict(say.data)) for say in play.sentences] == [
        ("bill_of_month", {"bill.month": "2026-10"}),
        ("bill_item", {"name": "monthly_rent", "amount": 2000}),
        ("bill_item", {"name": "refund", "amount": -150}),
        ("bill_total", {"bill.total": 1850}),
        ("bill_paid", {}),
    ]


def test_hang_up_in_every_state_frees_the_line(machine: FlowMachine) -> None:
    waiting = [
        state
        for state in machine.states.values()
        if state.edges.keys() & {T_TIME, T_EOF, U_OK} and state.do != "on_hook"
    ]
    assert len(waiting) > 20
    for state in waiting:
        call = Driven(machine, dict.fromkeys(machine.flow.knows, False))
        call.call.state = state.name
        assert of(OnHook, call.send(T_LCTERM)), state.name
        call.answer(T_ONH)
        assert call.call.over
