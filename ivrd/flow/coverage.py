"""Which transitions of a flow have been taken, by calls that were made or replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ivrd.events import Json
from ivrd.flow.spec import Edge, Flow, Place, State


class Taken(NamedTuple):
    """One transition, and how often it was taken. An edge of [any] is one in each state."""

    state: State
    edge: Edge
    times: int


class Coverage:
    """Counts the transitions of one flow; give `moved` to `Call.on_move` of each call.

    `foreign` counts moves that this flow does not have: they come from a call of another one.
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.foreign = 0
        self._edges = {(state.name, edge.trigger): edge for state, edge in flow.edges}
        self._times: Counter[tuple[str, str]] = Counter()

    def moved(self, state: str, trigger: str, target: str) -> None:
        """Count one transition."""
        edge = self._edges.get((state, trigger))
        if edge is None or edge.to != target:
            self.foreign += 1
        else:
            self._times[state, trigger] += 1

    def add(self, other: Coverage) -> None:
        """Count what another coverage of the same flow has counted. Raises `ValueError`."""
        if other.flow.hash != self.flow.hash:
            raise ValueError(f"coverage of {other.flow.hash}, not of {self.flow.hash}")
        self._times += other._times
        self.foreign += other.foreign

    @property
    def transitions(self) -> Iterator[Taken]:
        """All transitions in the file's order."""
        for state, edge in self.flow.edges:
            yield Taken(state, edge, self._times[state.name, edge.trigger])

    @property
    def missing(self) -> list[Taken]:
        """The transitions that were never taken."""
        return [taken for taken in self.transitions if not taken.times]

    @property
    def total(self) -> int:
        """How many transitions the flow has."""
        return len(self._edges)

    @property
    def fired(self) -> int:
        """How many of them were taken."""
        return len(self._times)

    @property
    def states(self) -> frozenset[str]:
        """The states that were entered."""
        return frozenset(self._edges[key].to for key in self._times)

    def report(self) -> str:
        """Return what a person wants to know: how much, and what not, with file and line."""
        head = (
            f"{self.flow.name} {self.flow.hash}: "
            f"{self.fired} of {self.total} transitions ({_percent(self.fired, self.total)}), "
            f"{len(self.states)} of {len(self.flow.states)} states"
        )
        lines = [head, *_lines(self.missing)]
        if self.foreign:
            lines.append(f"{self.foreign} moves of another flow were not counted")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Json]:
        """Return the same for ``--json``."""
        never: list[Json] = [
            {
                "state": taken.state.name,
                "trigger": taken.edge.trigger,
                "target": taken.edge.to,
                "file": str(taken.edge.place.file),
                "line": taken.edge.place.line,
            }
            for taken in self.missing
        ]
        return {
            "flow": self.flow.name,
            "hash": self.flow.hash,
            "transitions": self.total,
            "fired": self.fired,
            "states": len(self.flow.states),
            "entered": len(self.states),
            "foreign": self.foreign,
            "missing": never,
        }


def _percent(part: int, whole: int) -> str:
    # rounded down: 100 % says that nothing is missing
    return f"{part * 100 // whole} %" if whole else "100 %"


def _lines(missing: Iterable[Taken]) -> Iterator[str]:
    """Yield a line for each place in the files; what was written once is told once."""
    places: dict[Place, list[Taken]] = {}
    for taken in missing:
        places.setdefault(taken.edge.place, []).append(taken)
    for place, all_taken in places.items():
        edge = all_taken[0].edge
        names = ", ".join(taken.state.name for taken in all_taken)
        yield f"  {place.file}:{place.line}: {names}: {edge.trigger} → {edge.to}"
