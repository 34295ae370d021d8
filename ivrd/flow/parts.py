"""States that are made of others: `like` copies one, `use` brings in a part from its own file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ivrd.errors import FlowError, nearest
from ivrd.flow.forms import Source
from ivrd.flow.spec import Edge, State
from ivrd.flow.states import add_edge, read_state
from ivrd.toml_file import TomlFile

_PART_KEYS: Mapping[str, Any] = {"part": str, "start": str, "exits": list}
_NO_STATES = frozenset({"any", "defaults"})

Tables = Mapping[str, Mapping[str, Any]]


def state_tables(file: TomlFile) -> Tables:
    """Return the tables of a file that are states, by name."""
    return {
        name: table
        for name, table in file.data.items()
        if isinstance(table, dict) and name not in _NO_STATES
    }


def read_states(source: Source, start: str | None) -> dict[str, State]:
    """Read all states of a file; `start` is the one that waits for a call, in a whole flow."""
    tables = state_tables(source.file)
    states: dict[str, State] = {}
    for name in tables:
        table = _copied(source, tables, name, ())
        if table is None:
            continue
        if "use" in table:
            states.update(_part(source, name, table))
        else:
            state = read_state(source, name, table, start=name == start)
            if state is not None:
                states[state.name] = state
    return states


def start_exists(source: Source, start: str) -> bool:
    """Tell whether the start is a state of the file; report it where it is not."""
    tables = state_tables(source.file)
    if start not in tables:
        what = f"{start!r} is not a state"
        source.problem(("start",), what, rule="unknown-state", nearest=nearest(start, tables))
    return start in tables


def _copied(
    source: Source, tables: Tables, name: str, seen: tuple[str, ...]
) -> dict[str, Any] | None:
    """Return the state's table with the table of the state that it is `like` underneath."""
    table = tables[name]
    like = table.get("like")
    if like is None:
        return dict(table)
    if not isinstance(like, str) or like not in tables:
        near = nearest(str(like), tables)
        source.problem(
            (name, "like"), f"{like!r} is not a state", rule="unknown-state", nearest=near
        )
        return None
    if like == name or like in seen:
        # one message for the whole circle, at the first of its states
        circle = (*seen, name)
        if name == min(circle) or like == name:
            source.problem((name, "like"), f"{like!r} is a copy of itself", rule="like-circle")
        return None
    below = _copied(source, tables, like, (*seen, name))
    if below is None:
        return None
    return below | {key: value for key, value in table.items() if key != "like"}


def _part(source: Source, name: str, table: Mapping[str, Any]) -> dict[str, State]:
    """Return the states of the part that state `name` uses, its exits led to the edges here."""
    exits: dict[str, Edge] = {}
    for key, value in table.items():
        if key.startswith(("T_", "U_")):
            add_edge(source, exits, (name, key), key, value)
        elif key != "use":
            expected = "only edges for the part's exits"
            source.problem((name, key), "unknown key beside use", rule="unknown-key",
                           expected=expected)  # fmt: skip
    part = _opened(source, name, table["use"])
    if part is None:
        return {}
    top = part.file.data
    for event in sorted({*top["exits"]} ^ {*exits}):
        what = "has no edge" if event in top["exits"] else "is not an exit of the part"
        expected = f"the exits {', '.join(top['exits'])}"
        source.problem((name, event), what, rule="part-exit", expected=expected)
    before = len(source.problems)
    if not start_exists(part, top["start"]):
        return {}
    states = read_states(part, None)
    if len(source.problems) > before:
        return {}
    first, known = part.prefix + top["start"], source.prefix + name
    inner = {state.name: _led(state, exits, part.prefix) for state in states.values()}
    # the state that uses the part is the part's first one, under the name others know
    return {
        (known if key == first else key): _renamed(state, first, known)
        for key, state in inner.items()
    }


def _opened(source: Source, name: str, wanted: Any) -> Source | None:
    """Return the part's file, its top level checked; None where there is none, or it is wrong."""
    path = source.file.path.with_name(f"{wanted}.toml")
    if path in (*source.above, source.file.path):
        source.problem((name, "use"), f"{wanted!r} uses itself", rule="part-circle")
        return None
    if not path.is_file():
        parts = [found.stem for found in sorted(path.parent.glob("*.toml"))]
        source.problem((name, "use"), f"no part {wanted!r} (no file {path.name})",
                       rule="unknown-part", nearest=nearest(str(wanted), parts))  # fmt: skip
        return None
    try:
        file = TomlFile(path, FlowError)
    except FlowError as error:
        source.problems += error.problems
        return None
    if path not in source.files:
        source.files.append(path)
    prefix = f"{source.prefix}{name}."
    above = (*source.above, source.file.path)
    part = Source(file, source.problems, prefix, source.defaults, above, source.files)
    tables = state_tables(file)
    top = {key: value for key, value in file.data.items() if key not in tables}
    right = part.form((), top, _PART_KEYS, required=("part", "start", "exits"))
    return part if right and part.names(("exits",), top["exits"]) else None


def _led(state: State, exits: Mapping[str, Edge], prefix: str) -> State:
    """Lead edges of a part's state that name an exit to where the using state says."""
    edges: dict[str, Edge] = {}
    for trigger, edge in state.edges.items():
        exit_ = exits.get(edge.to.removeprefix(prefix))
        if exit_ is None:
            edges[trigger] = edge
            continue
        edges[trigger] = Edge(
            trigger,
            exit_.to,
            edge.place,
            retry=exit_.retry,
            say=edge.say + exit_.say,
            notes=edge.notes + exit_.notes,
            set={**edge.set, **exit_.set},
            condition=edge.condition,
        )
    return replace(state, edges=edges)


def _renamed(state: State, old: str, new: str) -> State:
    edges = {
        trigger: replace(edge, to=new) if edge.to == old else edge
        for trigger, edge in state.edges.items()
    }
    return replace(state, edges=edges, name=new if state.name == old else state.name)
