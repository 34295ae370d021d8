"""Injected faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.events import FROM_CARD, T_DIGIT, T_EOF, T_OFFH, T_ONH, T_RING, Event
from sim.faults import Dead, Double, Endless, Fault, Faults, Late, Lose, Swap
from sim.party import Ending, Leg, Party
from tests.sim.echo_line import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def call(rig: Rig, *faults: Fault, seed: int = 0) -> Leg:
    leg = rig.card.call("1", "170", Party(), faults=faults, seed=seed)
    assert leg is not None
    rig.clock.run_for(0.5)
    return leg


def test_a_lost_event_never_comes_and_the_next_ones_do(rig: Rig) -> None:
    leg = call(rig, Lose(T_DIGIT, times=1, skip=1))
    for key in "123":
        leg.key(key)
    keys = [e.data["key"] for e in rig.lines[0].events if e.name == T_DIGIT]
    assert keys == ["1", "3"]


def test_a_late_event_comes_late_and_what_follows_does_not_wait(rig: Rig) -> None:
    leg = call(rig, Late(T_DIGIT, times=1, by_s=2.0))
    leg.key("1")
    leg.key("2")
    rig.clock.run_for(1.9)
    assert [e.data["key"] for e in rig.lines[0].events if e.name == T_DIGIT] == ["2"]
    rig.clock.run_for(0.2)
    assert [e.data["key"] for e in rig.lines[0].events if e.name == T_DIGIT] == ["2", "1"]


def test_a_doubled_event_comes_twice(rig: Rig) -> None:
    call(rig, Double(T_OFFH))
    offhs = [event for event in rig.lines[0].events if event.name == T_OFFH]
    assert len(offhs) == 2
    assert offhs[0] == offhs[1]


def test_a_swapped_event_comes_after_the_one_that_follows(rig: Rig) -> None:
    leg = call(rig, Swap(T_DIGIT, times=1))
    leg.key("1")
    leg.key("2")
    assert [e.data["key"] for e in rig.lines[0].events if e.name == T_DIGIT] == ["2", "1"]


def test_a_swapped_event_that_nothing_follows_comes_a_second_late(rig: Rig) -> None:
    rig.card.channels[0].connect(rig.lines[0].events.append)
    leg = rig.card.call("1", "170", Party(), faults=[Swap(T_RING)])
    assert leg is not None
    assert rig.lines[0].events == []
    rig.clock.run_for(1.0)
    assert rig.lines[0].names == [T_RING]


def test_an_endless_play_ends_only_when_it_is_stopped(rig: Rig) -> None:
    leg = call(rig, Endless(times=1))
    rig.clock.run_for(60)
    assert T_EOF not in rig.lines[0].names
    leg.key("1")
    eof = rig.lines[0].events[-1]
    assert (eof.name, eof.data["heard_s"]) == (T_EOF, 3.0)


def test_a_dead_channel_answers_nothing_and_its_caller_hears_silence(rig: Rig) -> None:
    leg = call(rig, Dead(after_s=1.02))
    seen = len(rig.lines[0].events)
    rig.clock.run_for(5)
    leg.key("1")
    rig.card.channels[0].on_hook(99)
    rig.clock.run_for(5)
    assert len(rig.lines[0].events) == seen
    assert sum(heard.samples for heard in leg.heard()) == 8000
    leg.hang_up()
    assert leg.ended_by is Ending.FAR_END


def test_callers_are_not_put_on_a_dead_channel(rig: Rig) -> None:
    rig.card.channels[0].die()
    assert call(rig).channel == 2
    rig.card.channels[0].come_back()
    assert call(rig).channel == 1


def test_a_channel_that_comes_back_works_again(rig: Rig) -> None:
    leg = call(rig, Dead(after_s=1.0, for_s=2.0))
    rig.clock.run_for(1.0)
    assert rig.card.channels[0].dead
    rig.clock.run_for(2.0)
    leg.key("7")
    assert rig.lines[0].names[-1] == T_DIGIT
    rig.card.channels[0].on_hook(99)
    rig.clock.run_for(1)
    assert rig.lines[0].on_hook
    assert call(rig).channel == 1


def test_a_phone_that_rings_at_a_dead_channel_rings_on_when_it_comes_back(rig: Rig) -> None:
    rig.card.channels[0].inject(Dead(after_s=1.0, for_s=2.0))
    rig.lines[0].channel.connect(rig.lines[0].events.append)
    leg = rig.card.call("1", "170", Party())
    assert leg is not None
    rig.clock.run_for(2.9)
    assert rig.lines[0].names == [T_RING]
    rig.clock.run_for(0.2)
    assert rig.lines[0].names == [T_RING, T_RING]


def test_faults_of_a_call_end_with_the_next_call(rig: Rig) -> None:
    leg = call(rig, Lose(T_DIGIT))
    leg.key("1")
    leg.hang_up()
    rig.clock.run_for(1)
    call(rig).key("2")
    assert [e.data["key"] for e in rig.lines[0].events if e.name == T_DIGIT] == ["2"]


def test_faults_of_a_channel_stay_until_they_are_cleared(rig: Rig) -> None:
    rig.card.channels[0].inject(Lose(T_DIGIT))
    for key in "12":
        leg = call(rig)
        leg.key(key)
        leg.hang_up()
        rig.clock.run_for(1)
    assert T_DIGIT not in rig.lines[0].names
    rig.card.channels[0].clear_faults()
    call(rig).key("3")
    assert T_DIGIT in rig.lines[0].names


def test_rules_act_one_after_the_other(rig: Rig) -> None:
    leg = call(rig, Double(T_DIGIT), Late(T_DIGIT, by_s=1.0), Lose(T_DIGIT, times=1, skip=1))
    leg.key("1")
    leg.key("2")
    rig.clock.run_for(1.0)
    assert [e.data["key"] for e in rig.lines[0].events if e.name == T_DIGIT] == ["1", "1"]


rules = st.builds(
    lambda kind, event, chance: kind(event, chance=chance),
    st.sampled_from((Lose, Late, Double, Swap)),
    st.sampled_from((None, *sorted(FROM_CARD))),
    st.floats(0, 1),
)


@given(st.lists(rules, max_size=4), st.lists(st.sampled_from(sorted(FROM_CARD))), st.integers())
def test_same_seed_same_faults_and_every_event_keeps_what_it_was(
    given_rules: list[Fault], names: list[str], seed: int
) -> None:
    def run() -> list[Event]:
        rig_clock = Rig(Path()).clock
        faults = Faults(rig_clock, given_rules, seed)
        got: list[Event] = []
        for number, name in enumerate(names):
            faults.pass_on(Event(name, number), got.append)
        rig_clock.run_until_idle(10)
        return got

    got = run()
    assert got == run()
    assert {(e.name, e.id) for e in got} <= {(name, n) for n, name in enumerate(names)}
    if not any(isinstance(rule, Lose) for rule in given_rules):
        assert {e.id for e in got} == set(range(len(names)))


def test_a_rule_for_what_no_card_sends_names_the_nearest_event() -> None:
    with pytest.raises(ValueError, match="'T_EFO'; did you mean 'T_EOF'"):
        Lose("T_EFO")


@pytest.mark.parametrize("wrong", [{"chance": 1.5}, {"times": 0}, {"skip": -1}])
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Lose(T_ONH, **wrong)  # type: ignore[arg-type] # the very error
