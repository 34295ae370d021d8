"""Load a flow file: its form is checked key by key, and it comes out flat.

Each problem of form has one of these rules: ``no-file toml unknown-key missing-key type
state-name no-kind two-kinds start misplaced-key no-time-out not-positive entry-key digits
menu-key to-or-retry if unknown-state like-circle unknown-part part-circle part-exit any``.
What a flow means is proved by `ivrd.flow.check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ivrd.errors import FlowError, Problem, nearest
from ivrd.events import T_TIME
from ivrd.flow.abilities import OWN, can
from ivrd.flow.actions import Registry
from ivrd.flow.forms import NUMBER, Source
from ivrd.flow.parts import read_states, start_exists, state_tables
from ivrd.flow.spec import CARD_ORDERS, Edge, Flow, Kind, Place, State
from ivrd.flow.states import DEFAULTS, check_settings, positive
from ivrd.toml_file import TomlFile

_FLOW_KEYS: Mapping[str, Any] = {
    "flow": str,
    "start": str,
    "call_s": NUMBER,
    "knows": list,
    "defaults": dict,
    "any": dict,
}


def load_flow(path: Path, actions: Registry) -> Flow:
    """Load the flow file `path`; parts and sentences.toml are looked for beside it.

    `actions` are what the flow may ask for; their declared answers decide over which states
    an edge of [any] is spread. Raises `FlowError` with all problems of form: unknown or missing
    keys, wrong types, names of states, parts and copied states that do not exist.
    """
    source = Source(TomlFile(path, FlowError), [], files=[path])
    flow = _flow(source, actions)
    if flow is None or source.problems:
        # a part that is used twice tells its problems twice
        raise FlowError(list(dict.fromkeys(source.problems)))
    return flow


def load_sentences(path: Path) -> dict[str, tuple[str, ...]]:
    """Load sentences.toml: each sentence with the data paths it needs. Raises `FlowError`."""
    file = TomlFile(path, FlowError)
    problems = [
        file.problem((name,), "not a list of names", expected='such as ["bill.total"]', rule="type")
        for name, needs in file.data.items()
        if not (isinstance(needs, list) and all(isinstance(need, str) for need in needs))
    ]
    if problems:
        raise FlowError(problems)
    return {name: tuple(needs) for name, needs in file.data.items()}


def _flow(source: Source, actions: Registry) -> Flow | None:
    """Read a whole flow; None, or problems in `source`, where something is wrong."""
    data = source.file.data
    tables = state_tables(source.file)
    top = {key: value for key, value in data.items() if key not in tables}
    if not source.form((), top, _FLOW_KEYS, required=("flow", "start", "call_s")):
        return None
    positive(source, ("call_s",), top["call_s"])
    source.names(("knows",), top.get("knows", []))
    source.defaults = top.get("defaults", {})
    if source.form(("defaults",), source.defaults, DEFAULTS):
        check_settings(source, "defaults", source.defaults)
    if source.problems:
        return None
    try:
        needs = load_sentences(source.file.path.with_name("sentences.toml"))
    except FlowError as error:
        source.problems += error.problems
        return None
    if not start_exists(source, top["start"]):
        return None
    states = read_states(source, top["start"])
    if source.problems:
        return None
    flow = Flow(
        name=top["flow"],
        start=top["start"],
        call_s=float(top["call_s"]),
        knows=tuple(top.get("knows", ())),
        states=_with_any(source, states, actions),
        place=source.place(()),
        sources=tuple(source.files),
        needs=needs,
        actions=actions,
    )
    _targets_exist(source, flow.states)
    return flow


def _targets_exist(source: Source, states: Mapping[str, State]) -> None:
    told: set[Place] = set()
    for state in states.values():
        for edge in state.edges.values():
            if edge.to in states or edge.place in told:
                continue
            told.add(edge.place)
            inside = edge.place.file != source.file.path
            prefix = f"{edge.to.rpartition('.')[0]}." if inside and "." in edge.to else ""
            names = [name.removeprefix(prefix) for name in states if name.startswith(prefix)]
            wanted = edge.to.removeprefix(prefix)
            source.problems.append(
                Problem(
                    f"{wanted!r} is not a state",
                    edge.place.file,
                    edge.place.line,
                    edge.place.key,
                    nearest=nearest(wanted, names),
                    rule="unknown-state",
                )
            )


def _with_any(source: Source, states: dict[str, State], actions: Registry) -> dict[str, State]:
    """Spread [any] over every state that waits, but for the start and the one that hangs up.

    An edge is spread to where its event can come, not to its own target, nor over an edge that
    a state states itself. T_TIME goes only to what is ordered: a question's or a statement's
    time-out is its own.
    """
    shared: dict[str, Edge] = {}
    for event, value in source.file.data.get("any", {}).items():
        edge = source.edge(("any", event), event, value, shared=True)
        if edge is not None:
            shared[event] = edge
    outbound = any(state.do == "dial" for state in states.values())
    come = {name: _shareable(state, actions, outbound) for name, state in states.items()}
    spread = {name: _spread(state, shared, come[name]) for name, state in states.items()}
    used = {edge.trigger for s in spread.values() for edge in s.edges.values() if edge.shared}
    asked = {state.do for state in states.values() if state.do} - CARD_ORDERS
    if asked <= actions.keys():  # else an action's name is wrong, which the check tells better
        known = frozenset[str]().union(*come.values())
        for event in shared.keys() - used:
            source.problem(
                ("any", event), "reaches no state", rule="any", nearest=nearest(event, known)
            )
    return spread


def _shareable(state: State, actions: Registry, outbound: bool) -> frozenset[str]:
    """Return the events of [any] that are meant for this state."""
    if state.kind in {Kind.START, Kind.BRANCH} or state.do == "on_hook":
        return frozenset()
    aside = OWN if state.kind is Kind.DO else OWN | {T_TIME}
    return can(state, actions, outbound=outbound) - aside


def _spread(state: State, shared: Mapping[str, Edge], events: frozenset[str]) -> State:
    added = {
        event: edge
        for event, edge in shared.items()
        if event in events and event not in state.edges and edge.to != state.name
    }
    return replace(state, edges={**state.edges, **added})
