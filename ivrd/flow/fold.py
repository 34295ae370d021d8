"""A flow with a part of it as one box: for the picture of a flow whose part has its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ivrd.errors import FlowError, Problem, nearest
from ivrd.flow.spec import Edge, Flow, Kind, State

ON = "…"
"""The label of a way out of a part: which of its ways it was stands in the part's own picture."""


def folded(flow: Flow, names: Iterable[str]) -> Flow:
    """Return `flow` with the parts that these states use as one state each; to be drawn, not run.

    Raises `FlowError` for a state that uses no part.
    """
    wanted = list(names)
    used = {name.split(".", maxsplit=1)[0] for name in flow.states if "." in name}
    wrong = [
        Problem(f"no part is used at {name!r}", flow.place.file, rule="unknown-state",
                expected=f"one of {', '.join(sorted(used))}", nearest=nearest(name, used))
        for name in wanted if name not in used
    ]  # fmt: skip
    if wrong:
        raise FlowError(wrong)
    for name in wanted:
        flow = _with_one(flow, name)
    return flow


def _with_one(flow: Flow, name: str) -> Flow:
    """Return `flow` with the part at `name` as one state."""
    inside = {one for one in flow.states if one == name or one.startswith(f"{name}.")}
    first = flow.states[name]
    edges: dict[str, Edge] = {}
    for state in (flow.states[one] for one in flow.states if one in inside):
        for trigger, edge in state.edges.items():
            if edge.shared:
                edges.setdefault(trigger, edge)
            elif edge.to not in inside:
                edges.setdefault(f"to {edge.to}", replace(edge, trigger=ON, say=(), notes=()))
    box = State(name, Kind.DO, first.place, edges, do=first.place.file.name)
    states = {key: box if key == name else state for key, state in flow.states.items()
              if key == name or key not in inside}  # fmt: skip
    return replace(flow, states=states)
