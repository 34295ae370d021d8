"""Coverage counts transitions, and names those that no call has taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrd.events import T_LCTERM, T_OFFH, T_ONH
from ivrd.flow.coverage import Coverage
from ivrd.flow.load import load_flow
from ivrd.flow.machine import FlowMachine
from ivrd.flow.spec import Flow
from tests.call_driven import Driven
from tests.flow.flow_world import ACTIONS

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def flow() -> Flow:
    return load_flow(HERE / "good" / "outbound.toml", ACTIONS)


def busy_call(flow: Flow, coverage: Coverage) -> None:
    driven = Driven(FlowMachine(flow), dict.fromkeys(flow.knows, False))
    driven.call.on_move = coverage.moved
    driven.send("U_TIME")
    driven.answer("T_BUSY")
    driven.answer(T_ONH)


def test_transitions_and_states_of_a_call_are_counted(flow: Flow) -> None:
    coverage = Coverage(flow)
    busy_call(flow, coverage)
    busy_call(flow, coverage)
    assert coverage.fired == 3
    assert coverage.states == {"dialling", "hang_up", "idle"}
    taken = {(t.state.name, t.edge.trigger): t.times for t in coverage.transitions if t.times}
    assert taken == {("idle", "U_TIME"): 2, ("dialling", "T_BUSY"): 2, ("hang_up", "T_ONH"): 2}
    assert len(coverage.missing) == coverage.total - 3


def test_edge_of_any_is_a_transition_in_each_state(flow: Flow) -> None:
    coverage = Coverage(flow)
    driven = Driven(FlowMachine(flow), dict.fromkeys(flow.knows, False))
    driven.call.on_move = coverage.moved
    driven.send("U_TIME")
    driven.send(T_LCTERM)
    hang_ups = [taken for taken in coverage.transitions if taken.edge.trigger == T_LCTERM]
    assert {taken.state.name: taken.times for taken in hang_ups} == {
        "dialling": 1, "holder": 0, "find": 0, "message": 0, "transfer": 0, "bye": 0,
    }  # fmt: skip


def test_report_names_place_and_states_of_what_was_not_taken(flow: Flow) -> None:
    coverage = Coverage(flow)
    busy_call(flow, coverage)
    lines = coverage.report().splitlines()
    assert (
        lines[0] == f"outbound {flow.hash}: 3 of {coverage.total} transitions (5 %), 3 of 8 states"
    )
    good = HERE / "good" / "outbound.toml"
    text = good.read_text(encoding="utf-8").splitlines()
    line = 1 + text.index('T_LCON = "holder"')
    assert f"  {good}:{line}: dialling: T_LCON → holder" in lines
    line = 1 + text.index('T_LCTERM = "hang_up"')
    names = "dialling, holder, find, message, transfer, bye"
    assert f"  {good}:{line}: {names}: T_LCTERM → hang_up" in lines


def test_json_holds_the_same(flow: Flow) -> None:
    coverage = Coverage(flow)
    busy_call(flow, coverage)
    report = coverage.as_json()
    assert (report["fired"], report["transitions"]) == (3, coverage.total)
    missing = report["missing"]
    assert isinstance(missing, list)
    assert len(missing) == coverage.total - 3


def test_coverages_of_many_calls_add_up(flow: Flow) -> None:
    one, other = Coverage(flow), Coverage(flow)
    busy_call(flow, one)
    busy_call(flow, other)
    one.add(other)
    assert {t.times for t in one.transitions} == {0, 2}


def test_coverage_of_another_flow_does_not_add_up(flow: Flow) -> None:
    other = load_flow(HERE / "good" / "inbound.toml", ACTIONS)
    with pytest.raises(ValueError, match=flow.hash):
        Coverage(flow).add(Coverage(other))


def test_move_that_the_flow_does_not_have_is_foreign(flow: Flow) -> None:
    coverage = Coverage(flow)
    coverage.moved("idle", "T_RING", "answering")
    coverage.moved("idle", "U_TIME", "elsewhere")
    assert (coverage.fired, coverage.foreign) == (0, 2)
    assert coverage.report().splitlines()[-1] == "2 moves of another flow were not counted"


def test_nothing_is_missing_when_all_was_taken(flow: Flow) -> None:
    coverage = Coverage(flow)
    for state, edge in flow.edges:
        coverage.moved(state.name, edge.trigger, edge.to)
    assert coverage.missing == []
    assert f"{coverage.total} of {coverage.total} transitions (100 %), 8 of 8" in coverage.report()
    assert T_OFFH not in {taken.edge.trigger for taken in coverage.transitions}
