"""The check's second phase: each state handles all that can come there, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ivrd.card import Ability
from ivrd.errors import nearest
from ivrd.events import (
    T_EOF,
    T_LC,
    T_LCTERM,
    T_LONG,
    T_MACHINE,
    T_MAXDT,
    T_RINGOFF,
    T_TERMDT,
    T_TIME,
    U_KEY,
    U_STOP,
    U_TRIES,
)
from ivrd.flow.abilities import BEGINS, LIMITS, can, must
from ivrd.flow.findings import Findings
from ivrd.flow.routes import arrivals, closing
from ivrd.flow.spec import Edge, Flow, Kind, State

_RULES = {
    T_TIME: "time-out",
    T_LCTERM: "hang-up",
    T_LC: "hang-up",
    T_LONG: "limit",
    U_STOP: "limit",
    T_RINGOFF: "ring-off",
    T_EOF: "play-end",
    T_TERMDT: "entry-end",
    T_MAXDT: "entry-end",
    U_KEY: "wrong-key",
    T_MACHINE: "machine",
}
_EVERYWHERE = frozenset({T_LCTERM, T_LC, T_LONG, U_STOP, T_MACHINE})
"""Events that [any] handles best: where it does not, that is one mistake, not one a state."""


def check_states(flow: Flow, abilities: Collection[Ability], found: Findings) -> None:
    """Report missing edges, edges for what cannot come, and what leads nowhere of use."""
    outbound = any(state.do == "dial" for state in flow.states.values())
    closed = closing(flow)
    missing: dict[str, list[State]] = {}
    for state in flow.states.values():
        _start_begins(state, found)
        _menu_offers(state, found)
        wanted = must(state, flow.actions, abilities, outbound=outbound)
        excused = LIMITS if state.name in closed else frozenset()
        for event in sorted(wanted - excused - state.edges.keys()):
            missing.setdefault(event, []).append(state)
        _only_what_comes(state, can(state, flow.actions, outbound=outbound), found)
    for event, states in missing.items():
        _tell_missing(event, states, flow, found)
    _retries_fit(flow, found)
    _says_are_heard(flow, found)
    _private_stays_private(flow, found)


def _start_begins(state: State, found: Findings) -> None:
    if state.kind is Kind.START and not state.edges.keys() & BEGINS:
        expected = "T_RING or U_TIME"
        found.add("start-event", state.place, "no call can begin here", expected=expected)


def _menu_offers(state: State, found: Findings) -> None:
    if state.kind is Kind.MENU and not any(t.startswith("key ") for t in state.edges):
        found.add("no-keys", state.place, "a menu without a key", "keys")


def _tell_missing(event: str, states: list[State], flow: Flow, found: Findings) -> None:
    if event in _EVERYWHERE and len(states) > 1:
        names = ", ".join(state.name for state in states[:3])
        more = f" and {len(states) - 3} more" if len(states) > 3 else ""
        what = f"{event} is not handled in {names}{more}"
        found.add(_RULES[event], flow.place, what, "any", expected="an edge in [any] or in each")
        return
    for state in states:
        action = flow.actions.get(state.do or "")
        rule = "answer" if action and event in action.events else _RULES.get(event, "answer")
        by = f", which {state.do!r} can answer" if rule == "answer" else ""
        found.add(rule, state.place, f"does not handle {event}{by}")


def _only_what_comes(state: State, come: Collection[str], found: Findings) -> None:
    if state.kind is Kind.START and not state.edges.keys() & BEGINS:
        return  # has been told
    for trigger, edge in state.edges.items():
        if trigger in come or edge.shared or trigger.startswith("key "):
            continue
        near = nearest(trigger, come)
        expected = f"one of {', '.join(sorted(come))}"
        what = f"{trigger} can never come in {flow_word(state)}"
        found.add("never", edge.place, what, expected=expected, nearest=near)


def flow_word(state: State) -> str:
    """Return what a state is, in words for a message."""
    if state.do:
        return f"a state that orders {state.do!r}"
    return {
        Kind.START: "the start",
        Kind.BRANCH: "a branch",
        Kind.STATEMENT: "a statement",
        Kind.MENU: "a menu",
        Kind.COLLECT: "an entry",
    }[state.kind]


def _retries_fit(flow: Flow, found: Findings) -> None:
    tried: set[str] = set()
    for _, edge in flow.edges:
        if not edge.retry:
            continue
        tried.add(edge.to)
        target = flow.states[edge.to]
        if not target.speaks:
            what = f"retry of {flow_word(target)}"
            expected = "a question or a statement; else use to"
            found.add("retry", edge.place, what, expected=expected)
        elif U_TRIES not in target.edges:
            what = "is retried, but has no U_TRIES: it would be tried for ever"
            found.add("retry", target.place, what)
    for state in flow.states.values():
        if U_TRIES in state.edges and state.name not in tried and state.speaks:
            place = state.edges[U_TRIES].place
            found.add("tries", place, "no retry leads here, so U_TRIES never comes")


def _says_are_heard(flow: Flow, found: Findings) -> None:
    for _, edge in flow.edges:
        deaf = _deaf(flow, edge) if edge.say else None
        if deaf is not None:
            what = f"is never heard: {deaf.name!r} is {flow_word(deaf)}"
            found.add("say-lost", edge.place, what, "say", expected="an edge to what speaks")


def _deaf(flow: Flow, edge: Edge) -> State | None:
    """Return a state behind an edge, through branches, that speaks nothing brought to it."""
    seen: set[tuple[str, bool]] = set()
    ahead: list[tuple[str, bool]] = [*arrivals(flow, edge)]
    while ahead:
        name, tried = ahead.pop()
        if (name, tried) in seen:
            continue
        seen.add((name, tried))
        state = flow.states[name]
        further: Iterable[Edge] = ()
        if tried:
            further = [state.edges[U_TRIES]]
        elif state.kind is Kind.BRANCH:
            further = state.edges.values()
        elif not state.speaks:
            return state
        for one in further:
            ahead += arrivals(flow, one)
    return None


def _private_stays_private(flow: Flow, found: Findings) -> None:
    """Report plain entries into a name that is masked: their keys would stand in the log."""
    for state in flow.states.values():
        if state.collect and not state.collect.private and state.collect.into in flow.private:
            what = f"{state.collect.into!r} is private elsewhere, and keyed in the open here"
            found.add("private", state.place, what, "collect", expected="private = true")
