"""The outbox against a plain model of it: nothing is lost but what is counted."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.control.broker import BackOff
from ivrd.control.outbox import Outbox

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("state"), st.integers(1, 4)),
        st.tuples(st.just("event"), st.just(0)),
        st.tuples(st.just("sent"), st.integers(1, 6)),
        st.tuples(st.just("failed"), st.integers(1, 6)),
    ),
    max_size=80,
)


@given(STEPS, st.integers(1, 6))
def test_last_state_of_each_topic_arrives_and_every_event_arrives_or_is_counted(
    steps: list[tuple[str, int]], most: int
) -> None:
    box = Outbox(most)
    newest: dict[str, int] = {}
    arrived: dict[str, int] = {}
    events: list[int] = []
    put = 0
    for serial, (what, value) in enumerate([*steps, ("sent", 1000)]):
        if what == "state":
            newest[f"line/{value}"] = serial
            box.put_state(f"line/{value}", {"n": serial})
        elif what == "event":
            put += 1
            box.put_event("event", {"n": put})
        else:
            items = box.take(value)
            assert len(items) <= value
            if what == "failed":
                # what happens while it was on its way
                box.put_state("line/1", {"n": serial})
                newest["line/1"] = serial
                box.put_back(items)
                continue
            arrived.update({item.topic: item.payload["n"] for item in items if item.state})
            events += [item.payload["n"] for item in items if not item.state]
        assert box.events <= most
        assert box.states <= 4
    assert arrived == newest
    assert events == sorted(set(events))
    assert len(events) + box.dropped == put


def test_neither_kind_holds_the_other_up() -> None:
    box = Outbox(100)
    for number in range(50):
        box.put_state(f"line/{number}", {})
        box.put_event("event", {})
    taken = box.take(10)
    assert [item.state for item in taken] == [True] * 5 + [False] * 5


def test_what_was_not_sent_goes_first_the_next_time() -> None:
    box = Outbox(10)
    for number in range(6):
        box.put_event("event", {"n": number})
    first = box.take(3)
    box.put_back(first[1:])
    assert [item.payload["n"] for item in box.take(10)] == [1, 2, 3, 4, 5]


def test_putting_something_in_is_told() -> None:
    told: list[int] = []
    box = Outbox(10, on_more=lambda: told.append(1))
    box.put_state("line/1", {})
    box.put_event("event", {})
    assert len(told) == 2


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_pauses_double_up_to_a_bound_and_begin_anew(chance: float) -> None:
    pauses = BackOff(1.0, 8.0, lambda: chance)
    share = 0.5 + chance / 2
    assert [pauses.pause_s() for _ in range(5)] == [share * s for s in (1, 2, 4, 8, 8)]
    pauses.worked()
    assert pauses.pause_s() == share


def test_pauses_of_a_fleet_differ() -> None:
    chance = random.Random(1).random
    assert len({BackOff(1.0, 8.0, chance).pause_s() for _ in range(50)}) == 50
