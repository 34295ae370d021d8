"""A flow as a picture: Mermaid text for documents that render it, SVG for all others.

Edges of [any] are drawn once, from "any state", not from each. The SVG is laid out here, in
`ivrd.flow.draw_layout`: grandalf, the one layered layout in pure Python, lets an edge leave a box
in its middle only and has had no work on its layout since 2020; the others bring a program
(graphviz) or compiled code along, for what is two hundred lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ivrd.flow.draw_boxes import COLOURS, WORDS, grouped, shared
from ivrd.flow.draw_svg import svg
from ivrd.flow.spec import Flow, Kind

__all__ = ["mermaid", "svg"]

_ANY = "any_state"


def mermaid(flow: Flow) -> str:
    """Return the flow as a Mermaid ``stateDiagram-v2``."""
    return "\n".join([
        "stateDiagram-v2",
        *(f"    {line}" for line in _lines(flow)),
        "",
    ])  # fmt: skip


def _lines(flow: Flow) -> Iterator[str]:
    yield f"[*] --> {_id(flow.start)}"
    for state in flow.states.values():
        yield f'state "{state.name}" as {_id(state.name)}'
    for state in flow.states.values():
        for target, labels in grouped(state).items():
            yield f"{_id(state.name)} --> {_id(target)} : {_label(labels)}"
    everywhere = shared(flow)
    if everywhere:
        yield f'state "any state" as {_ANY}'
    for target, labels in everywhere.items():
        yield f"{_ANY} --> {_id(target)} : {_label(labels)}"
    for kind in Kind:
        names = [_id(state.name) for state in flow.states.values() if state.kind is kind]
        if names:
            fill, line = COLOURS[kind]
            yield f"classDef {WORDS[kind]} fill:{fill},stroke:{line},color:#1f2933"
            yield f"class {','.join(names)} {WORDS[kind]}"


def _id(name: str) -> str:
    # "end" is a word of Mermaid's own, and a dot ends a name
    plain = name.replace(".", "__")
    return f"{plain}_" if plain in {"end", "state", "note", "class", _ANY} else plain


def _label(labels: Iterable[str]) -> str:
    return ", ".join(labels).replace("*", "star")
