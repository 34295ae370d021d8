"""Families of calls: a scripted call driven to a state, and then something happens there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.call_files import Besides, CallFile, Meets, every_call_file

FILES = {call.name: call for call in every_call_file()}

REACHED_BY = {
    "answering": "rich_bill_by_phone_number",
    "ask_language": "rich_bill_by_phone_number",
    "welcome": "rich_bill_by_phone_number",
    "ask_month": "rich_bill_by_phone_number",
    "check_month": "rich_bill_by_phone_number",
    "recognise_caller": "rich_bill_by_phone_number",
    "ask_lookup": "rich_bill_by_phone_number",
    "ask_phone": "rich_bill_by_phone_number",
    "find_by_phone": "rich_bill_by_phone_number",
    "read_bill": "rich_bill_by_phone_number",
    "bill": "rich_bill_by_phone_number",
    "menu": "rich_bill_by_phone_number",
    "goodbye": "rich_bill_by_phone_number",
    "ask_agreement": "bill_by_agreement_number",
    "find_by_agreement": "bill_by_agreement_number",
    "find_by_caller": "bill_of_the_callers_own_number",
    "find_own_line": "own_line_only_hears_the_total",
    "total": "own_line_only_hears_the_total",
    "total_menu": "own_line_only_hears_the_total",
    "confirm.ask_password": "password_is_asked_and_right",
    "confirm.check_password": "password_is_asked_and_right",
    "confirm.ask_last_digits": "last_digits_are_asked_and_right",
    "confirm.check_last_digits": "last_digits_are_asked_and_right",
    "next_detail": "detail_before_this_one",
    "previous_detail": "detail_before_this_one",
    "detail": "detail_before_this_one",
    "detail_menu": "detail_before_this_one",
    "apologise": "silence_at_the_month_three_times",
}
"""A scripted call that comes through each state that waits; `hang_up` itself is left aside."""

WITH_A_NUMBER = "billing_down_costs_only_the_key_for_ones_own_number"
"""A call with a caller's number to recognise, which goes on without it."""

ASKED_OF = {
    "check_month": "check_month",
    "recognise_caller": "recognise_caller",
    "find_by_phone": "find_by_phone",
    "find_by_agreement": "find_by_agreement",
    "find_by_caller": "find_by_caller",
    "find_own_line": "find_by_caller",
    "confirm.check_password": "check_proof",
    "confirm.check_last_digits": "check_proof",
    "read_bill": "read_bill",
    "next_detail": "next_detail",
    "previous_detail": "previous_detail",
}
"""The action behind each state that does a lookup."""

HAPPENINGS = {
    "hangs_up": "caller",
    "stops": "operator",
    "loses_loop": "card",
}
"""What can happen in every state, and who then has ended the call."""

TROUBLES = {
    "slow": "slow",
    "down": "down",
    "wrong": "failed",
    "fault": "failed",
    "late": "slow",
}
"""What a lookup can meet, and the note of it."""


def cut_short() -> Iterator[CallFile]:
    """Yield the calls in which something happens in each state that waits."""
    for state, base in REACHED_BY.items():
        for what in HAPPENINGS:
            call = _named(base, f"{what} in {state}")
            yield replace(call, besides=[*call.besides, Besides(what, state=state)])


def too_long() -> Iterator[CallFile]:
    """Yield the calls whose time is up in each state."""
    for state, base in REACHED_BY.items():
        yield replace(_named(base, f"too long in {state}"), too_long_in=state)


def in_trouble() -> Iterator[CallFile]:
    """Yield the calls in which each lookup meets each trouble."""
    for state, action in ASKED_OF.items():
        for what in TROUBLES:
            if what in {"slow", "down", "wrong"} and action == "check_month":
                continue  # it asks no database
            base = WITH_A_NUMBER if state == "recognise_caller" else REACHED_BY[state]
            call = _named(base, f"billing {what} in {state}")
            late_s = 4.0 if what == "late" else 0.0
            yield replace(call, meets={action: Meets(what, late_s)})


def _named(base: str, name: str) -> CallFile:
    call = FILES[base]
    return replace(call, path=call.path.with_name(f"{name}.call"), shows=name)


def state_of(call: CallFile) -> str:
    """Return the state that a call of a family is about."""
    return call.name.split(" in ")[1]
