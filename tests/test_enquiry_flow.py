"""The flow that ships passes its own check, quickly, and not by luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ivrd.assembly import FACTS
from ivrd.card import Ability
from ivrd.enquiry import U_DOWN, U_SLOW
from ivrd.errors import FlowError
from ivrd.events import T_TIME
from ivrd.flow.actions import Registry
from ivrd.flow.check import check_flow
from ivrd.flow.load import load_flow
from ivrd.resources import FLOWS
from tests.flow.shipped import shipped_actions

BOTH = ("zh-CN", "en-US")


@pytest.fixture(scope="module")
def actions() -> Registry:
    return shipped_actions()


Changed = Callable[[str, str], list[str]]


@pytest.fixture
def changed(actions: Registry, tmp_path: Path) -> Changed:
    """Return what is wrong with the shipped flow once a text in it is replaced."""

    def problems(old: str, new: str) -> list[str]:
        for path in FLOWS.glob("*.toml"):
            text = path.read_text(encoding="utf-8")
            if path.name == "enquiry.toml":
                assert text.count(old) >= 1
                text = text.replace(old, new, 1)
            (tmp_path / path.name).write_text(text, encoding="utf-8")
        try:
            flow = load_flow(tmp_path / "enquiry.toml", actions)
        except FlowError as error:
            found = list(error.problems)
        else:
            found = check_flow(flow, facts=FACTS, languages=BOTH)
        return [f"{p.rule} {p.key}: {p.what}" for p in found]

    return problems


@pytest.mark.parametrize("abilities", [frozenset[Ability](), frozenset(Ability)])
def test_shipped_flow_passes(actions: Registry, abilities: frozenset[Ability]) -> None:
    flow = load_flow(FLOWS / "enquiry.toml", actions)
    assert check_flow(flow, facts=FACTS, languages=BOTH, abilities=abilities) == []


def test_loading_and_checking_is_quick(actions: Registry) -> None:
    def once() -> float:
        began_s = time.process_time()
        flow = load_flow(FLOWS / "enquiry.toml", actions)
        check_flow(flow, facts=FACTS, languages=BOTH)
        return time.process_time() - began_s

    assert min(once() for _ in range(3)) < 0.3


def test_service_tells_the_facts_that_the_flow_knows(actions: Registry) -> None:
    assert set(load_flow(FLOWS / "enquiry.toml", actions).knows) == set(FACTS)


def test_one_language_is_enough_where_the_choice_is_shut_off(actions: Registry) -> None:
    flow = load_flow(FLOWS / "enquiry.toml", actions)
    fixed = {"several_languages": False}
    assert check_flow(flow, facts=FACTS, languages=["zh-CN"], fixed=fixed) == []
    wrong = check_flow(flow, facts=FACTS, languages=["zh-CN"])
    assert {problem.rule for problem in wrong} == {"unknown-language"}


def test_every_lookup_has_an_answer_for_slow_and_for_down(actions: Registry) -> None:
    flow = load_flow(FLOWS / "enquiry.toml", actions)
    asking = [s for s in flow.states.values() if s.do in actions and s.do != "check_month"]
    lookups = [s for s in asking if U_DOWN in actions[s.do or ""].answers]
    assert len(lookups) >= 10
    for state in lookups:
        assert {U_SLOW, U_DOWN} <= state.edges.keys(), state.name
    for state in asking:
        assert {"U_FAIL", T_TIME} <= state.edges.keys(), state.name
        assert state.within_s <= 3
        assert state.wait is not None
        assert state.wait_s == 1


MAY = "which may be missing on the way … →"


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        (
            '[{ say = "menu_repeat", if = "bill" }, { say = "menu_details"',
            '["bill_total", { say = "menu_details"',
            (
                f"missing-data menu.say: bill_total uses 'bill.total', {MAY} "
                "account_known yes → read_bill U_NONE → what_next no → menu"
            ),
        ),
        (
            '{ say = "detail_surcharge", if = "detail.surcharge" }',
            '"detail_surcharge"',
            (
                f"missing-data detail.say: detail_surcharge uses 'detail.surcharge', {MAY} "
                "what_next no → menu key 2 → next_detail U_OK → detail"
            ),
        ),
        (
            'U_ERR = { retry = "ask_month", say = ["month_not_valid"] }',
            'U_ERR = { retry = "ask_month", say = ["month_too_old"] }',
            (
                f"missing-data check_month.U_ERR.say: month_too_old uses 'month', {MAY} "
                "may_ring_back no → welcome T_EOF → ask_month T_TERMDT → check_month"
            ),
        ),
        ('T_EOF = "ask_month"', 'T_EOF = "welcome"', "unreachable ask_month: no way leads here"),
        (
            'U_NOT_YET = { retry = "ask_month"',
            'U_NOT_YT = { retry = "ask_month"',
            "unknown-event check_month.U_NOT_YT: no event 'U_NOT_YT'",
        ),
    ],
)
def test_mistake_in_the_shipped_flow_is_found(
    changed: Changed, old: str, new: str, wrong: str
) -> None:
    assert changed(old, new) == [wrong]
