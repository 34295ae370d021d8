"""Flows that pass the check, driven by whatever happens: never stuck, never without their data.

This holds the checker and the call against each other: what one proves, the other has to keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrd.commands import Dial, OffHook, OnHook, Play, Run, Transfer
from ivrd.events import KEYS, T_LONG, T_TIME, Event, Json
from ivrd.flow.actions import Shape
from ivrd.flow.check import check_flow
from ivrd.flow.check_names import EVENTS
from ivrd.flow.coverage import Coverage
from ivrd.flow.load import load_flow
from ivrd.flow.machine import FlowMachine
from ivrd.flow.spec import Flow
from ivrd.resources import FLOWS
from tests.call_driven import Driven
from tests.flow.flow_world import ACTIONS, LANGUAGES, problems_of
from tests.flow.shipped import shipped_actions

GOOD = Path(__file__).parent / "good"
KEYED = [*sorted(KEYS), "x", "0", "1", "2", "3", "*", "12345678", "1234#", "1234#", "202610"]
ANSWERS: Mapping[type, tuple[str, ...]] = {
    OffHook: ("T_OFFH",),
    OnHook: ("T_ONH",),
    Dial: ("T_LCON", "T_LCON", "T_BUSY", "T_NOANS", "T_REFUSED", "T_FAULT"),
    Transfer: ("T_MOVED", "T_REFUSED"),
}

ACT = st.one_of(
    st.tuples(st.just("answer"), st.integers(0, 9), st.integers(0, 2**12)),
    st.tuples(st.just("play ends"), st.just(0), st.just(0)),
    st.tuples(st.just("time"), st.just(0), st.just(0)),
    st.tuples(st.just("key"), st.integers(0, len(KEYED) - 1), st.integers(0, 3)),
    st.tuples(st.just("event"), st.integers(0, len(EVENTS) - 1), st.integers(0, 40)),
)
Act = tuple[str, int, int]
SHIPPED = ("enquiry", "dunning")
RUN = ["inbound", "outbound", "barge", *SHIPPED]


@cache
def machine_of(name: str) -> FlowMachine:
    if name not in SHIPPED:
        return FlowMachine(load_flow(GOOD / f"{name}.toml", ACTIONS))
    return FlowMachine(load_flow(FLOWS / f"{name}.toml", shipped_actions()))


def made(shape: Shape, bits: int) -> dict[str, Json]:
    """Make data of a shape; `bits` say which of the names that may be missing are there."""
    data: dict[str, Json] = {}
    for number, (marked, what) in enumerate(shape.items()):
        if marked.endswith("?") and not bits >> number & 1:
            continue
        name = marked.rstrip("?")
        if isinstance(what, Mapping):
            data[name] = made(what, bits >> 3)
        elif isinstance(what, list):
            data[name] = [made(row, bits) for row in what * (bits % 3)]
        else:
            data[name] = bits
    return data


def act(driven: Driven, what: Act) -> None:
    kind, one, two = what
    if kind == "answer" and isinstance(driven.order, Run):
        action = driven.call.machine.flow.actions[driven.order.action]
        event = sorted(action.events)[one % len(action.events)]
        driven.answer(event, **made(action.answers.get(event, {}), two))
    elif kind == "answer" and driven.order is not None:
        events = ANSWERS[type(driven.order)]
        driven.answer(events[one % len(events)])
    elif kind == "play ends" and driven.plays:
        driven.play_ends()
    elif kind == "time" and driven.timers:
        driven.wait(driven.next_timer())
    elif kind == "key":
        driven.key(KEYED[one], gap_s=float(two % 4))
    elif kind == "event":
        # any event at all, with an id of long ago, of today, of never, or with none
        driven.feed(Event(sorted(EVENTS)[one], two or None))


def hold(driven: Driven) -> None:
    """Check what has to be true of every call at every moment."""
    call = driven.call
    state = call.machine.states[call.state]
    assert driven.ids == sorted(set(driven.ids)), "ids go up"
    if call.over or call.state == call.machine.flow.start:
        return
    assert {T_TIME, T_LONG} & driven.timers.keys(), "something will happen"
    assert T_TIME in driven.timers, f"{state.name} waits without a time-out"
    assert driven.timers[T_TIME][1] - driven.at_s <= state.longest_wait_s
    assert len(driven.plays) <= 1


def whole(driven: Driven) -> None:
    """Check that all that was said and asked for had its data."""
    for command in driven.commands:
        if isinstance(command, Play):
            assert command.sentences
            for say in command.sentences:
                assert None not in say.data.values(), say
        elif isinstance(command, Run):
            action = driven.call.machine.flow.actions[command.action]
            assert all(command.args[name] is not None for name in action.takes), command


def ends(driven: Driven) -> None:
    """Let time alone pass: the call comes to its end, on hook."""
    began_s = driven.at_s
    for _ in range(2000):
        if driven.call.over:
            break
        driven.wait(driven.next_timer())
        hold(driven)
    assert driven.call.over
    assert isinstance(driven.order, OnHook)
    assert driven.at_s - began_s < driven.call.machine.flow.call_s + 200


@pytest.mark.parametrize("name", RUN)
@settings(max_examples=150, deadline=None)
@given(acts=st.lists(ACT, max_size=120), facts=st.integers(0, 255))
def test_call_is_never_stuck(name: str, acts: list[Act], facts: int) -> None:
    machine = machine_of(name)
    truth: dict[str, Json] = {f: bool(facts >> n & 1) for n, f in enumerate(machine.flow.knows)}
    driven = Driven(machine, {**truth, "most": 1 + facts % 3})
    begins = next(iter(machine.states[machine.flow.start].edges))
    driven.send(begins)
    hold(driven)
    for one in acts:
        act(driven, one)
        hold(driven)
    ends(driven)
    whole(driven)


@pytest.mark.parametrize("name", ["inbound", "outbound", "barge"])
def test_good_flow_passes(name: str) -> None:
    assert problems_of(GOOD / f"{name}.toml") == []


def test_random_calls_come_almost_everywhere_and_get_stuck_nowhere() -> None:
    # a driver that never leaves the first question would prove nothing, so this one answers well
    for name in RUN:
        coverage = Coverage(machine_of(name).flow)
        random = Random(7)
        for _ in range(10_000 if name in SHIPPED else 2000):
            wander(machine_of(name), coverage, random)
        # the whole reminder lies behind one key of the enquiry
        least = 0.7 if name == "enquiry" else 0.8
        assert coverage.fired / coverage.total > least, coverage.report()


def mutilated(flow: Flow, random: Random) -> Flow:
    """Return a flow with one edge led elsewhere, taken away, counted otherwise or stripped."""
    state = flow.states[random.choice([name for name in flow.states if flow.states[name].edges])]
    trigger = random.choice([*state.edges])
    edge = state.edges[trigger]
    edges = {**state.edges}
    match random.randrange(5):
        case 0:
            del edges[trigger]
        case 1 | 2:
            edges[trigger] = replace(edge, to=random.choice([*flow.states]))
        case 3:
            edges[trigger] = replace(edge, retry=not edge.retry)
        case _:
            edges[trigger] = replace(edge, condition=None, say=())
    return replace(flow, states={**flow.states, state.name: replace(state, edges=edges)})


@pytest.mark.parametrize("name", RUN)
def test_flow_changed_at_random_runs_if_the_check_lets_it_pass(name: str) -> None:
    random = Random(11)
    flow = machine_of(name).flow
    passed = refused = 0
    for _ in range(60):
        other = mutilated(flow, random)
        if check_flow(other, facts=flow.knows, languages=LANGUAGES):
            refused += 1
            continue
        passed += 1
        machine, coverage = FlowMachine(other), Coverage(other)
        for _ in range(12):
            wander(machine, coverage, random)
    assert passed > 5
    assert refused > 20


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("time-out", "waits without a time-out"),
        ("missing-data", "None"),
        ("missing-data.optional", "None"),
        ("hang-up", None),
        ("dead-end", None),
    ],
)
def test_flow_that_the_check_refuses_does_break(rule: str, broken: str | None) -> None:
    # the other side of the proof: what is asserted above can fail
    flow = load_flow(GOOD.parent / "bad" / f"{rule}.toml", ACTIONS)
    machine = FlowMachine(flow)
    random = Random(3)
    if broken is None:
        stuck = Driven(machine, {"caller": "1", "open": True})
        stuck.ring()
        stuck.answer("T_OFFH")
        stuck.key("12345678")
        stuck.answer("U_OK", **made(ACTIONS["find"].answers["U_OK"], 1))
        stuck.send("T_LCTERM")
        assert stuck.state == "bill"
        return

    def many() -> None:
        for _ in range(300):
            wander(machine, Coverage(flow), random)

    with pytest.raises(AssertionError, match=broken):
        many()


def likely(driven: Driven, random: Random) -> int:
    """Return what an action mostly answers, or a key that is mostly on the menu."""
    number = random.randrange(len(KEYED))
    if random.random() < 0.3:
        return number
    if isinstance(driven.order, Run) and driven.call.busy:
        return sorted(driven.call.machine.flow.actions[driven.order.action].events).index("U_OK")
    keys = [t[4:] for t in driven.call.machine.states[driven.state].edges if t.startswith("key ")]
    return KEYED.index(random.choice(keys)) if keys else number


def wander(machine: FlowMachine, coverage: Coverage, random: Random) -> None:
    facts = {fact: random.random() < 0.4 for fact in machine.flow.knows}
    driven = Driven(machine, {**facts, "most": 2})
    driven.call.on_move = coverage.moved
    driven.send(next(iter(machine.states[machine.flow.start].edges)))
    for _ in range(80):
        if driven.call.over:
            break
        hold(driven)
        state = machine.states[driven.state]
        kind = "answer" if driven.call.busy else "key" if state.asks else "play ends"
        chance = random.random()
        if chance < 0.05:
            driven.send(random.choice(["T_LCTERM", "T_LC", "T_RINGOFF", "T_MACHINE", "U_STOP"]))
        elif chance < 0.06 and T_LONG in driven.timers:
            driven.wait(T_LONG)
        else:
            kind = "time" if chance > 0.85 else kind
            act(driven, (kind, likely(driven, random), random.getrandbits(10)))
    ends(driven)
    whole(driven)
