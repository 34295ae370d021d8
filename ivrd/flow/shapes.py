"""Which data paths a flow can have: from its facts, entries and settings, and from answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ivrd.flow.actions import Action, Shape
from ivrd.flow.spec import Edge, Flow, Sentence, State

Paths = frozenset[str]


@dataclass
class Given:
    """What one answer gives, flattened: all paths, those that are sure, and the rows of lists."""

    every: set[str] = field(default_factory=set)
    sure: set[str] = field(default_factory=set)
    below: dict[str, set[str]] = field(default_factory=dict)
    """Each path with the paths that are sure where it is: itself, and what is under it."""
    rows: dict[str, Paths] = field(default_factory=dict)
    """Each list with the names that all its rows have."""
    row_names: set[str] = field(default_factory=set)


def given(shape: Shape) -> Given:
    """Flatten what an answer gives."""
    found = Given()
    found.sure = _flatten(shape, "", found)
    return found


def _flatten(shape: Shape, prefix: str, found: Given) -> set[str]:
    """Add all paths of `shape` to `found`; return those that are sure where the shape is."""
    sure: set[str] = set()
    for marked, what in shape.items():
        path = prefix + marked.rstrip("?")
        found.every.add(path)
        below = {path}
        if isinstance(what, Mapping):
            below |= _flatten(what, f"{path}.", found)
        elif isinstance(what, list):
            row: Shape = what[0] if what else {}
            found.rows[path] = frozenset(name for name in row if not name.endswith("?"))
            found.row_names |= {name.rstrip("?") for name in row}
        found.below[path] = below
        if not marked.endswith("?"):
            sure |= below
    return sure


class Knowledge:
    """What can be known about the data of a flow's calls."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        names = {state.do for state in flow.states.values() if state.do in flow.actions}
        self._actions = [flow.actions[name] for name in sorted(filter(None, names))]
        self._given: dict[tuple[str, str], Given] = {
            (action.name, event): given(shape)
            for action in self._actions
            for event, shape in action.answers.items()
        }

    @cached_property
    def plain(self) -> Paths:
        """Names that no action gives: facts, entries, and what edges set."""
        collects = [state.collect for state in self.flow.states.values() if state.collect]
        return frozenset(self.flow.knows).union(
            (collect.into for collect in collects),
            (name for _, edge in self.flow.edges for name in edge.set if name != "lang"),
        )

    @cached_property
    def every(self) -> Paths:
        """All paths that may ever have a value."""
        return self.plain.union(*(one.every for one in self._given.values()))

    @cached_property
    def lists(self) -> Mapping[str, Paths]:
        """Each path of a list, with the names that all of its rows have."""
        found: dict[str, Paths] = {}
        for one in self._given.values():
            for path, names in one.rows.items():
                found[path] = found[path] & names if path in found else names
        return found

    @cached_property
    def row_names(self) -> Paths:
        """All names that rows of lists have."""
        return frozenset[str]().union(*(one.row_names for one in self._given.values()))

    def sure(self, action: Action, event: str) -> Paths:
        """Return the paths that an answer is sure to give."""
        one = self._given.get((action.name, event))
        return frozenset(one.sure) if one else frozenset()

    def when_true(self, path: str | None) -> Paths:
        """Return the paths that are known to have a value where this one is true."""
        known: set[str] = set()
        parts = path.split(".") if path else []
        for length in range(1, len(parts) + 1):
            upper = ".".join(parts[:length])
            known.add(upper)
            ways = [one.below[upper] for one in self._given.values() if upper in one.below]
            if ways and upper not in self.plain:
                known |= set.intersection(*ways)
        return frozenset(known)


def sentences(state: State) -> Iterator[tuple[Sentence, str]]:
    """Yield a state's own sentences, each with the key that holds it."""
    for sentence in state.say:
        yield sentence, "say"
    if state.wait is not None:
        yield state.wait, "wait"


def reads(flow: Flow) -> Iterator[tuple[str, State, Edge | None, str]]:
    """Yield each path that a flow reads: path, state, edge (None: the state itself) and key.

    What the sentences themselves need is not among them, their conditions and lists are.
    """
    for state in flow.states.values():
        for path in state.takes:
            yield path, state, None, "with"
        if state.condition:
            yield state.condition, state, None, "if"
        if isinstance(state.tries, str):
            yield state.tries, state, None, "tries"
        for sentence, key in sentences(state):
            for path in filter(None, (sentence.condition, sentence.each)):
                yield path, state, None, key
        for edge in state.edges.values():
            if edge.condition:
                yield edge.condition, state, edge, "if"
            for sentence in edge.say:
                for path in filter(None, (sentence.condition, sentence.each)):
                    yield path, state, edge, "say"
