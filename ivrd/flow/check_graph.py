"""The check's third phase: every way through a flow leads to a hang-up, and none in a circle."""

from __future__ import annotations

from collections.abc import Iterable

from ivrd.events import T_LCON, T_OFFH
from ivrd.flow.abilities import ENDS, LIMITS
from ivrd.flow.check_states import flow_word
from ivrd.flow.findings import Findings
from ivrd.flow.routes import (
    Stop,
    circles,
    closing,
    onward,
    passing,
    reachable,
    targets,
    way,
)
from ivrd.flow.spec import Flow, Kind, State


def check_graph(flow: Flow, found: Findings) -> None:
    """Report states out of reach, dead ends, circles, and ends that are none."""
    reached = reachable([flow.start], lambda name: targets(flow, name))
    _all_reached(flow, reached, found)
    _no_dead_end(flow, reached, found)
    if found:
        return
    _limits_end_the_call(flow, found)
    _on_hook_last(flow, found)
    _connected_first(flow, found)
    _no_circles(flow, found)


def _all_reached(flow: Flow, reached: set[str], found: Findings) -> None:
    """Report what cannot be reached, but not what only hangs behind that."""
    rest = [name for name in flow.states if name not in reached]
    told: set[str] = set()
    for name in rest:
        behind = reachable([name], lambda one: targets(flow, one))
        before = {one for one in rest if name in reachable([one], lambda n: targets(flow, n))}
        if before <= behind and name not in told:
            found.add("unreachable", flow.states[name].place, "no way leads here")
            told |= behind


def _no_dead_end(flow: Flow, reached: set[str], found: Findings) -> None:
    """Report the states from which the start cannot be come back to: the last of them only."""
    told: set[str] = set()
    for name in flow.states:
        behind = reachable([name], lambda one: targets(flow, one))
        if flow.start in behind or name not in reached or name in told:
            continue
        if all(name in reachable([one], lambda n: targets(flow, n)) for one in behind):
            told |= behind
            others = sorted(behind - {name})
            what = f"a dead end together with {', '.join(others)}" if others else "a dead end"
            expected = f"a way back to {flow.start!r}"
            found.add("dead-end", flow.states[name].place, what, expected=expected)


def _limits_end_the_call(flow: Flow, found: Findings) -> None:
    """Hold against the farewell-like states where what ends a call leads."""
    closed = closing(flow)
    for _, edge in flow.edges:
        if edge.trigger in ENDS | LIMITS and edge.to not in closed:
            what = f"{edge.trigger} does not surely lead to the hang-up: {edge.to!r} may go on"
            expected = "a state with on_hook, or a farewell before it"
            found.add("no-end", edge.place, what, expected=expected)


def _on_hook_last(flow: Flow, found: Findings) -> None:
    for state, edge in flow.edges:
        if edge.to == flow.start and state.do != "on_hook":
            what = f"{edge.trigger} ends the call without on_hook"
            found.add("off-hook-at-end", edge.place, what)
        elif state.do == "on_hook" and edge.to != flow.start:
            expected = f"the start, {flow.start!r}"
            found.add("on-hook-last", edge.place, "goes on after on_hook", expected=expected)


def _connected_first(flow: Flow, found: Findings) -> None:
    """Nothing is spoken or asked before somebody is on the line."""

    def unconnected(name: str) -> Iterable[str]:
        edges = flow.states[name].edges.values()
        return [edge.to for edge in edges if edge.trigger not in {T_OFFH, T_LCON}]

    for name in sorted(reachable([flow.start], unconnected)):
        state = flow.states[name]
        path = way(flow.start, name, unconnected)
        if state.speaks and not any(flow.states[before].speaks for before in path[:-1]):
            what = f"{flow_word(state)} before the line is off hook, from {path[-2]!r}"
            found.add("not-connected", state.place, what)


def _no_circles(flow: Flow, found: Findings) -> None:
    """Report circles in which a call would turn without a wait, or without the caller hearing."""

    def at_once(stop: Stop) -> Iterable[Stop]:
        return onward(flow, stop, passing(flow, stop))

    def in_silence(stop: Stop) -> Iterable[Stop]:
        state = flow.states[stop.state]
        if state.kind is Kind.DO and state.do != "on_hook" and not stop.tried:
            return onward(flow, Stop(stop.state), state.edges.values())
        return at_once(stop)

    begins = [
        stop
        for _, edge in flow.edges
        for stop in onward(flow, Stop(flow.start), [edge])
        if flow.states[stop.state].kind is not Kind.START
    ]
    told: set[frozenset[str]] = set()
    stops = reachable(begins, in_silence)
    for rule, after, what in (
        ("no-wait", at_once, "a circle in which nothing waits"),
        ("silent", in_silence, "a circle in which nothing speaks or asks"),
    ):
        graph = {stop: [*after(stop)] for stop in sorted(stops)}
        for circle in circles(graph):
            names = _from_first(flow, [stop.state for stop in circle])
            if not any(frozenset(names) <= one or one <= frozenset(names) for one in told):
                told.add(frozenset(names))
                path = " → ".join([*names, names[0]])
                found.add(rule, flow.states[names[0]].place, f"{what}: {path}")


def _from_first(flow: Flow, circle: list[str]) -> list[str]:
    """Turn a circle so that it begins with the state that the file has first."""
    order: list[str] = [*dict.fromkeys(circle)]
    first: State = min((flow.states[name] for name in order), key=[*flow.states.values()].index)
    turn = order.index(first.name)
    return order[turn:] + order[:turn]
