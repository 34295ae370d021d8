"""Families of calls: a scripted call driven to a state, and then something happens there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from tests.call_files import Besides, CallFile, Meets, every_call_file

FILES = {call.name: call for call in every_call_file()}

REACHED_BY = {
    "answering": "rich_bill_by_phone_number",
    "ask_language": "rich_bill_by_phone_number",
    "recall_reminder": "debtor_rings_back_and_looks_up_a_bill",
    "offer_reminder": "debtor_rings_back_and_looks_up_a_bill",
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
    "recall_reminder": "recall_reminder",
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


@dataclass(frozen=True)
class Service:
    """The scripted calls of a service, by what they come through.

    `lookups` are the actions that ask the billing database; all others only the store, or nothing.
    """

    files: Mapping[str, CallFile]
    reached_by: Mapping[str, str]
    asked_of: Mapping[str, str]
    lookups: frozenset[str]
    reached_in_trouble: Mapping[str, str] = field(default_factory=dict)
    """Where another call than usual is to meet the trouble of a state."""


ENQUIRY = Service(
    FILES, REACHED_BY, ASKED_OF,
    frozenset(ASKED_OF.values()) - {"check_month", "recall_reminder"},
    {"recognise_caller": WITH_A_NUMBER},
)  # fmt: skip


_PROMISE = "promise_is_confirmed_and_kept"
_PASSWORD = "service_password_is_asked_and_right"  # noqa: S105 - the name of a call
_DIGITS = "last_digits_are_asked_and_right"

DUNNING = Service(
    {call.name: call for call in every_call_file("dunning")},
    {
        "dialling": _PROMISE,
        "reminder.ask_holder": _PROMISE,
        "reminder.holder.ask_password": _PASSWORD,
        "reminder.holder.check_password": _PASSWORD,
        "reminder.holder.ask_last_digits": _DIGITS,
        "reminder.holder.check_last_digits": _DIGITS,
        "reminder.read_arrears": _PROMISE,
        "reminder.message": _PROMISE,
        "reminder.note_told": "debt_told_to_one_who_rang_back",
        "reminder.how_to_pay": _PROMISE,
        "reminder.choices": _PROMISE,
        "reminder.read_items": "items_behind_the_debt",
        "reminder.items": "items_behind_the_debt",
        "reminder.ask_date": _PROMISE,
        "reminder.check_promise": _PROMISE,
        "reminder.confirm_date": _PROMISE,
        "reminder.keep_promise": _PROMISE,
        "reminder.says_paid": "key_interrupts_the_message",
        "reminder.dispute": "holder_disputes_the_charges",
        "reminder.no_calls": "holder_wants_no_more_calls",
        "reminder.wrong_number": "wrong_number_before_anything_private",
        "reminder.connect": "call_is_handed_to_a_person",
        "reminder.transfer": "transfer_that_is_never_answered",
        "reminder.ask_call_back": "nobody_is_free_to_talk",
        "reminder.notice": "notice_without_a_day",
        "reminder.note_notice_told": "notice_told_to_one_who_rang_back",
        "reminder.notice_choices": "notice_without_a_day",
        "goodbye": _PROMISE,
    },
    {
        "reminder.holder.check_password": "check_proof",
        "reminder.holder.check_last_digits": "check_proof",
        "reminder.read_arrears": "read_arrears",
        "reminder.note_told": "note_told",
        "reminder.read_items": "read_items",
        "reminder.check_promise": "check_promise",
        "reminder.keep_promise": "keep_promise",
        "reminder.says_paid": "says_paid",
        "reminder.dispute": "dispute",
        "reminder.no_calls": "stop_calls",
        "reminder.wrong_number": "number_is_wrong",
        "reminder.ask_call_back": "ask_call_back",
        "reminder.note_notice_told": "note_told",
    },
    frozenset({"check_proof", "read_arrears", "read_items"}),
)


def cut_short(
    service: Service = ENQUIRY, happenings: Iterable[str] = HAPPENINGS
) -> Iterator[CallFile]:
    """Yield the calls in which something happens in each state that waits."""
    for state, base in service.reached_by.items():
        for what in happenings:
            call = _named(service, base, f"{what} in {state}")
            yield replace(call, besides=[*call.besides, Besides(what, state=state)])


def too_long(service: Service = ENQUIRY) -> Iterator[CallFile]:
    """Yield the calls whose time is up in each state."""
    for state, base in service.reached_by.items():
        call = _named(service, base, f"too long in {state}")
        yield replace(call, too_long_in=state, base=service.files[base])


def in_trouble(service: Service = ENQUIRY) -> Iterator[CallFile]:
    """Yield the calls in which each action meets each trouble that it can meet."""
    for state, action in service.asked_of.items():
        for what in TROUBLES:
            if what in {"slow", "down", "wrong"} and action not in service.lookups:
                continue  # it asks no billing database
            base = service.reached_in_trouble.get(state, service.reached_by[state])
            call = _named(service, base, f"billing {what} in {state}")
            late_s = 4.0 if what == "late" else 0.0
            yield replace(call, meets={**call.meets, action: Meets(what, late_s)})


def _named(service: Service, base: str, name: str) -> CallFile:
    call = service.files[base]
    return replace(call, path=call.path.with_name(f"{name}.call"), shows=name)


def state_of(call: CallFile) -> str:
    """Return the state that a call of a family is about."""
    return call.name.split(" in ")[1]
