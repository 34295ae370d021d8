"""Why: the one answer, for debtors in every state and for numbers that nobody knows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, insert, update

from ivrd.billing.entities import Arrears
from ivrd.dunning.campaign import Campaign
from ivrd.dunning.case import GateRules, Reason
from ivrd.dunning.claim import Slot, case_of
from ivrd.dunning.explain import Asked, Billed, Explanation, explain, why_not_chosen
from ivrd.dunning.gate import Gate
from ivrd.dunning.holiday_calendar import calendar_of
from ivrd.dunning.numbers import NumberPlan
from ivrd.dunning.openings import CampaignHours
from ivrd.dunning.person import look_up, person
from ivrd.dunning.policy import ready_policies
from ivrd.dunning.reasons import REASONS, reason
from ivrd.dunning.retry import Why
from ivrd.dunning.running import Campaigns
from ivrd.store import tables
from ivrd.store.do_not_call import WhyListed, add
from ivrd.store.promises import keep_promise
from ivrd.store.states import Outcome
from ivrd.store.switches import KILL, set_switch
from tests.dunning.report_rows import NOW, attempt, campaign, hours, one_store, promise, target, tx
from tests.store.conftest import postgres

__all__ = ["one_store", "postgres", "tx"]

ZONE = ZoneInfo("Asia/Shanghai")
A, B, C = "+8657188610001", "+8657188610002", "+8657188610003"
PLAN = NumberPlan("86", "571")
OWES = {"1001": [Arrears("1001", 12_345, 2, date(2026, 9, 30), "PSTN", "HOME")]}


def rules(**more: Any) -> Campaign:
    """Return a campaign that calls on Fridays from 09:30 to 12:00 and from 15:00 to 20:00."""
    whole = {
        "name": "arrears", "flow": "dunning", "caller_id": "170", "languages": ["zh-CN"],
        "profiles": ["cn-consumer-credit", "us-reg-f"], "dials_per_s": 1, "choose": {}, **more,
    }  # fmt: skip
    return Campaign.model_validate(whole, context={"zone": ZONE})


@pytest.fixture
def gate() -> Gate:
    return Gate(GateRules(ready_policies()), PLAN, calendar_of("CN"))


def why(
    tx: Connection, gate: Gate, asked: str, *, now: datetime = NOW, billed: Billed | None = None
) -> Explanation:
    number = PLAN.e164(asked) if asked.startswith("+") else None
    found = person(tx, look_up(tx, asked, number))
    campaigns = Campaigns(ZONE, CampaignHours(gate.rules, gate.calendar))
    return explain(tx, found, Asked(gate, campaigns, billed or Billed(OWES)), now)


def arrears(tx: Connection, **values: Any) -> int:
    return campaign(tx, settings=rules().settings(), **values)


def dialled(tx: Connection, gate: Gate, of: int, now: datetime) -> str:
    """Have the gate let a call through, and close it: nobody answered."""
    campaigns = Campaigns(ZONE, CampaignHours(gate.rules, gate.calendar))
    row = tx.execute(tables.targets.select()).one()
    case = case_of(campaigns.by_id(tx, of), row, Slot("n1", "soft", 5), f"a{now:%H%M}", 1, now)
    permit = gate.permit(tx, case, now)
    assert not hasattr(permit, "reason"), permit
    tx.execute(tables.reservations.delete())
    tx.execute(update(tables.attempts).values(outcome="no_answer", ended_at=now))
    tx.execute(update(tables.targets).values(state="waiting", tries=tables.targets.c.tries + 1))
    return case.attempt


def test_every_reason_has_a_sentence_in_both_languages() -> None:
    codes = {*Reason, *Why, *Outcome}
    assert {code.value for code in codes} <= set(REASONS)
    assert all(reason(code.value, "zh") != reason(code.value) for code in codes)
    assert reason("some_new_word") == "some new word"


def test_one_who_waits_in_the_hours_may_be_called_now(tx: Connection, gate: Gate) -> None:
    target(tx, arrears(tx), "1001", A, next_at=hours(-1))
    told = why(tx, gate, A)
    assert told.verdict.may
    assert "free line" in told.verdict.sentence
    assert told.person.accounts == ("1001",)
    assert why(tx, gate, "1001").verdict == told.verdict


def test_outside_the_hours_it_says_when_they_begin_again(tx: Connection, gate: Gate) -> None:
    target(tx, arrears(tx), "1001", A, next_at=hours(-1))
    noon = datetime(2026, 11, 20, 13, 0, tzinfo=ZONE)
    told = why(tx, gate, A, now=noon)
    assert told.verdict.reason == Reason.OUTSIDE_WINDOW
    assert told.verdict.sentence.startswith("never dialled because outside the campaign's hours")
    assert told.verdict.until == datetime(2026, 11, 20, 15, 0, tzinfo=ZONE)
    assert told.stories[0].opens_at == told.verdict.until


MOBILE = "+8613800138000"


@pytest.mark.parametrize(
    ("of_account", "of_campaign", "detail"),
    [
        (False, True, "the account says no"), (False, False, "the account says no"),
        (None, False, "there is none"), (None, True, None), (True, False, None),
    ],
)  # fmt: skip
def test_consent_of_the_account_goes_before_that_of_the_campaign(
    of_account: bool | None, of_campaign: bool, detail: str | None, tx: Connection, gate: Gate
) -> None:
    of = campaign(tx, settings=rules(consent=of_campaign).settings())
    target(tx, of, "1001", MOBILE, next_at=hours(-1), consent=of_account)
    told = why(tx, gate, MOBILE)
    if detail is None:
        assert told.verdict.may
    else:
        assert told.verdict.reason == Reason.NO_CONSENT
        assert told.verdict.until is None, "no instant gives consent"
        assert detail in told.verdict.sentence


def test_holds_that_follow_each_other_lead_to_the_next_call(tx: Connection, gate: Gate) -> None:
    target(tx, arrears(tx), "1001", A, next_at=hours(-1))
    keep_promise(tx, "1001", None, None, 100, NOW, date(2026, 11, 26))
    told = why(tx, gate, A)
    assert told.verdict.reason == Reason.PROMISED
    # the day before the promised one, from when the hours begin
    assert told.verdict.until == datetime(2026, 11, 25, 9, 30, tzinfo=ZONE)


def test_counters_stand_against_every_limit(tx: Connection, gate: Gate) -> None:
    of = arrears(tx)
    target(tx, of, "1001", A, next_at=hours(-1))
    for minutes in (0, 1, 2):
        dialled(tx, gate, of, hours(minutes / 60))
    told = why(tx, gate, A, now=hours(0.5))
    (story,) = told.stories
    counters = {(one.rule, one.limit): one for one in story.counters}
    outer = counters["outer limit", "3 attempts per number in a calendar day"]
    assert (outer.used, outer.most) == (3, 3)
    assert outer.frees_at == datetime(2026, 11, 21, tzinfo=ZONE)
    weekly = next(one for one in story.counters if one.rule == "us-reg-f" and one.most == 7)
    assert (weekly.used, weekly.frees_at) == (3, None)
    assert told.verdict.reason == Reason.OUTER_FREQUENCY
    assert told.verdict.until == datetime(2026, 11, 21, 10, 30, tzinfo=ZONE)  # a Saturday


def test_all_that_happened_is_told_in_order(tx: Connection, gate: Gate) -> None:
    of = arrears(tx)
    one = target(tx, of, "1001", A, B, next_at=hours(-1), tries=1)
    attempt(tx, of, one, "1001", A, began_at=hours(-3), cause="T_NOANS 19")
    attempt(tx, of, one, "1001", B, began_at=hours(-1), outcome="told", heard_percent=100,
            notes=["confirmed", "promise"])  # fmt: skip
    rows = [
        {"target": one, "at": hours(-4), "what": "held", "reason": "person_busy",
         "next_at": hours(-3)},
        {"target": one, "at": hours(-3), "what": "dialled", "reason": "permit", "detail": None},
        {"target": one, "at": hours(-2.9), "what": "retry", "reason": "no_answer",
         "detail": "no_answer", "next_at": hours(-1)},
    ]  # fmt: skip
    rows.append({"target": one, "at": hours(-0.5), "what": "ended", "reason": "total",
                 "detail": "busy"})  # fmt: skip
    rows.append({"target": one, "at": hours(-0.4), "what": "held", "reason": "frequency",
                 "detail": "the outer limit allows no more today"})  # fmt: skip
    for row in rows:
        tx.execute(insert(tables.decisions), row)
    (story,) = why(tx, gate, A).stories
    assert [step.what for step in story.steps] == [
        "held", "called", "retry", "called", "ended", "held",
    ]  # fmt: skip
    assert story.steps[0].sentence == "held: a call to this person is under way"
    assert story.steps[0].next_at == hours(-3)
    assert story.steps[1].sentence == f"called {A} on line 5: no answer (T_NOANS 19)"
    assert story.steps[2].sentence == "to be called again: no answer"
    assert story.steps[3].sentence == (
        f"called {B} on line 5: told in full, 100 % of the message heard; confirmed, promise"
    )
    assert story.steps[4].sentence == (
        "not called any more: all calls that the campaign allows are used up (busy)"
    )
    assert story.steps[5].sentence == "held: the outer limit allows no more today"


@pytest.mark.parametrize(
    ("values", "sentence", "final"),
    [
        ({"state": "notified", "why": "told"}, "was notified: told in full", True),
        ({"state": "settled"}, "has paid", True),
        ({"state": "excluded", "why": "wrong_number"}, "is left out: a wrong number", True),
        ({"state": "exhausted", "why": "busy"}, "is given up: busy", True),
        ({"state": "calling"}, "is being called", False),
    ],
)  # fmt: skip
def test_who_is_through_hears_why(
    tx: Connection, gate: Gate, values: dict[str, Any], sentence: str, final: bool
) -> None:
    of = arrears(tx)
    one = target(tx, of, "1001", A, **values)
    attempt(tx, of, one, "1001", A)
    told = why(tx, gate, A).verdict
    assert (told.may, told.sentence, told.final) == (False, sentence, final)


@pytest.mark.parametrize(
    ("state", "sentence", "final"),
    [
        ("new", "is not started: `ivrd campaign start arrears` starts it", False),
        ("paused", "is paused: `ivrd campaign start arrears` goes on", False),
        ("stopped", "was stopped", True),
    ],
)  # fmt: skip
def test_a_campaign_that_does_not_run_says_so(
    tx: Connection, gate: Gate, state: str, sentence: str, final: bool
) -> None:
    target(tx, arrears(tx, state=state), "1001", A, next_at=hours(-1))
    told = why(tx, gate, A).verdict
    assert told.sentence == f"never dialled because the campaign {sentence}"
    assert told.final is final


def test_paid_since_and_data_that_does_not_answer_are_told_apart(
    tx: Connection, gate: Gate
) -> None:
    target(tx, arrears(tx), "1001", A, next_at=hours(-1))
    paid = why(tx, gate, A, billed=Billed({"1001": []})).verdict
    assert (paid.reason, paid.final) == (Reason.SETTLED, True)
    down = why(tx, gate, A, billed=Billed({}, "the billing data is down")).verdict
    assert (down.may, down.final) == (False, False)
    assert "the billing data is down" in down.sentence


def test_a_number_that_is_barred_leads_to_the_next_one(tx: Connection, gate: Gate) -> None:
    target(tx, arrears(tx), "1001", A, C, next_at=hours(-1))
    add(tx, NOW, A, WhyListed.ASKED, "wang")
    told = why(tx, gate, A)
    assert told.verdict.may
    assert told.verdict.sentence.startswith("number 1 of 2: the number is on the do-not-call list")
    assert told.stories[0].number == C
    assert [entry.number for entry in told.person.do_not_call] == [A]
    add(tx, NOW, C, WhyListed.ASKED, "wang")
    both = why(tx, gate, A).verdict
    assert (both.may, both.final, both.reason) == (False, True, Reason.DO_NOT_CALL)


def test_the_kill_switch_goes_before_all_that_may_be_called(tx: Connection, gate: Gate) -> None:
    target(tx, arrears(tx), "1001", A, next_at=hours(-1))
    set_switch(tx, NOW, KILL, True, "wang", "storm")
    told = why(tx, gate, A)
    assert (told.verdict.may, told.verdict.reason) == (False, Reason.KILL_SWITCH)
    assert "storm" in told.verdict.sentence
    assert told.kill_switch is not None


def test_of_several_campaigns_the_one_that_may_call_first_answers(
    tx: Connection, gate: Gate
) -> None:
    done = arrears(tx, name="done", state="done")
    target(tx, done, "1001", A, state="notified", why="told")
    target(tx, arrears(tx), "1001", A, next_at=hours(-1))
    told = why(tx, gate, A)
    assert told.verdict.may
    assert [story.campaign for story in told.stories] == ["done", "arrears"]
    assert told.stories[0].verdict.final


def test_promises_and_the_rest_of_the_person_are_there(tx: Connection, gate: Gate) -> None:
    of = arrears(tx)
    target(tx, of, "1001", A, state="promised", next_at=hours(72))
    promise(tx, of, "1001")
    told = why(tx, gate, A)
    assert [one.pay_by for one in told.person.promises] == [date(2026, 11, 25)]
    shown = told.plain(ZONE)
    assert shown["person"]["promises"][0]["pay_by"] == "2026-11-25"
    assert shown["stories"][0]["verdict"]["until"].endswith("+08:00")


# -- those of whom no campaign knows -------------------------------------------------------------


def test_a_number_of_nobody_was_never_dialled(tx: Connection, gate: Gate) -> None:
    told = why(tx, gate, C, billed=Billed({}))
    assert told.verdict.sentence == (
        "never dialled because no campaign's list has it, nor does the billing data"
    )
    assert told.stories == ()


def test_a_number_that_cannot_be_dialled_says_so(tx: Connection, gate: Gate) -> None:
    told = why(tx, gate, "+19005551234", billed=Billed({}))
    assert told.verdict.reason == Reason.NUMBER_BLOCKED
    assert told.verdict.final


def test_a_number_on_the_do_not_call_list_alone_says_so(tx: Connection, gate: Gate) -> None:
    add(tx, NOW, C, WhyListed.OPERATOR, "wang")
    told = why(tx, gate, C, billed=Billed({}))
    assert "do-not-call" in told.verdict.sentence


def test_an_account_that_owes_nothing_was_not_chosen(tx: Connection, gate: Gate) -> None:
    told = why(tx, gate, C, billed=Billed({"7": []}))
    assert told.verdict.sentence == "never dialled because the account owes nothing"


def test_an_account_in_arrears_hears_what_each_campaign_wants(tx: Connection, gate: Gate) -> None:
    large = rules(choose={"amount_at_least": "500.00"})
    campaign(tx, "large", settings=large.settings())
    campaign(tx, "over", settings=rules().settings(), state="done")
    told = why(tx, gate, C, billed=Billed(OWES)).verdict
    assert told.sentence == (
        "never dialled because no campaign has chosen the account: large is for amounts from"
        " 500.00 on; this is 123.45"
    )


@pytest.mark.parametrize(
    ("choose", "told"),
    [
        ({"products": ["ADSL"]}, "is for ADSL"),
        ({"groups": ["COMPANY"], "products": ["PSTN"]}, "is for PSTN, COMPANY"),
        ({"overdue_at_least_days": 60}, "is for 60 days overdue; this is 51"),
        ({"numbers": ["88620000-88629999"]}, "is for other ranges of numbers"),
        ({}, "will have it at its next choice"),
    ],
)  # fmt: skip
def test_each_condition_of_a_choice_is_named(choose: dict[str, Any], told: str) -> None:
    local = NOW.astimezone(ZONE)
    assert why_not_chosen(rules(choose=choose), OWES["1001"], local).startswith(told)
    assert local.astimezone(UTC) == NOW
