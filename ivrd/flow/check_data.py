"""The check's last phase, definite assignment: nothing is used that may be missing.

For each state the data is worked out that a call is sure to have there, whatever way it came:
the facts, what entries and answers brought, what an edge set; less what an order clears, and
what a new entry clears. Where a path is tested, its "yes" knows it is there. What is given may
still be false; what is not given would be spoken as nothing, or an earlier caller's.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from ivrd.events import T_MAXDT, T_TERMDT, U_TRIES
from ivrd.flow.findings import Findings
from ivrd.flow.routes import arrivals, reachable, way
from ivrd.flow.shapes import Knowledge, Paths
from ivrd.flow.spec import Edge, Flow, Kind, Place, Sentence, State


class At(NamedTuple):
    """A state as a call comes to it: entered, or passed by with its tries used up."""

    state: str
    tried: bool


class Use(NamedTuple):
    """A path that something uses in a place where it may be missing."""

    path: str
    user: str
    place: Place
    key: str


def check_data(flow: Flow, found: Findings) -> None:
    """Report each use of data that may be missing, but not what follows from one told before."""
    proof = _Proof(flow)
    while True:
        missing = proof.first_missing()
        if missing is None:
            return
        at, use = missing
        trail = proof.trail(at, use.path)
        what = f"{use.user} uses {use.path!r}, which may be missing on the way {trail}"
        found.add("missing-data", use.place, what, use.key)
        proof.assume(at, use.path)


class _Proof:
    """The data that is sure at each stop of a flow, under the assumptions made so far."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.knowledge = Knowledge(flow)
        self._assumed: dict[At, set[str]] = {}
        self.sure = self._solve()

    def assume(self, at: At, path: str) -> None:
        """Take a path as given from here on: it has been told."""
        self._assumed.setdefault(at, set()).add(path)
        self.sure = self._solve()

    def first_missing(self) -> tuple[At, Use] | None:
        """Return the first use that is not sure, nearest to the start."""
        for at, paths in self.sure.items():
            for use, sure in self._uses(at, paths):
                if use.path not in sure:
                    return at, use
        return None

    # -- what is sure where ------------------------------------------------------------------

    def _solve(self) -> dict[At, Paths]:
        """Meet over all ways: what is sure at a stop is sure on each edge that leads there."""
        start = At(self.flow.start, tried=False)
        sure: dict[At, Paths] = {start: frozenset(self.flow.knows)}
        ahead = [start]
        while ahead:
            at = ahead.pop(0)
            for _, target, paths in self._after(at, sure[at]):
                if self.flow.states[target.state].kind is Kind.START:
                    continue  # the next call begins with nothing of this
                known = sure.get(target)
                met = paths if known is None else known & paths
                if met != known:
                    sure[target] = met
                    if target not in ahead:
                        ahead.append(target)
        return sure

    def _after(self, at: At, paths: Paths) -> Iterator[tuple[Edge, At, Paths]]:
        state = self.flow.states[at.state]
        inside = self._inside(at, paths)
        for edge in self._edges(at):
            brought = self._brought(state, edge, inside)
            for name, value in edge.set.items():
                if name != "lang":
                    brought = _without(brought, name) | {name}
                    brought |= self.knowledge.when_true(name) if value else frozenset()
            for name, tried in arrivals(self.flow, edge):
                yield edge, At(name, tried), brought

    def _edges(self, at: At) -> list[Edge]:
        edges = self.flow.states[at.state].edges
        if at.tried:
            return [edges[U_TRIES]]
        return [edge for edge in edges.values() if edge.trigger != U_TRIES]

    def _inside(self, at: At, paths: Paths) -> Paths:
        """Return what is sure once the state has been entered."""
        state = self.flow.states[at.state]
        if not at.tried:
            action = self.flow.actions.get(state.do or "")
            cleared = action.gives if action else frozenset()
            for name in cleared | ({state.collect.into} if state.collect else frozenset()):
                paths = _without(paths, name)
        return paths | frozenset(self._assumed.get(at, ()))

    def _brought(self, state: State, edge: Edge, inside: Paths) -> Paths:
        """Return what is sure when an edge is taken: its say is spoken with this."""
        if edge.trigger in {T_TERMDT, T_MAXDT} and state.collect is not None:
            return inside | {state.collect.into}
        if edge.trigger == "yes":
            return inside | self.knowledge.when_true(state.condition)
        if edge.condition is not None:
            return inside | self.knowledge.when_true(edge.condition)
        action = self.flow.actions.get(state.do or "")
        return inside | self.knowledge.sure(action, edge.trigger) if action else inside

    # -- what is used where ------------------------------------------------------------------

    def _uses(self, at: At, paths: Paths) -> Iterator[tuple[Use, Paths]]:
        state = self.flow.states[at.state]
        inside = self._inside(at, paths)
        known = paths | frozenset(self._assumed.get(at, ()))
        if at.tried and isinstance(state.tries, str):
            yield Use(state.tries, "the number of tries", state.place, "tries"), known
        if not at.tried:
            action = self.flow.actions.get(state.do or "")
            needed = [path for path in state.takes if action is None or path in action.takes]
            for path in needed:
                yield Use(path, repr(state.do), state.place, "with"), known
            wait = (state.wait,) if state.wait else ()
            for key, sentences in (("say", state.say), ("wait", wait)):
                for sentence in sentences:
                    yield from self._needs(sentence, inside, state.place, key)
        for edge in self._edges(at):
            brought = self._brought(state, edge, inside)
            for sentence in edge.say:
                yield from self._needs(sentence, brought, edge.place, "say")

    def _needs(
        self, sentence: Sentence, sure: Paths, place: Place, key: str
    ) -> Iterator[tuple[Use, Paths]]:
        sure |= self.knowledge.when_true(sentence.condition)
        if sentence.each:
            yield Use(sentence.each, f"each of {sentence.name}", place, key), sure
            sure |= self.knowledge.lists.get(sentence.each, frozenset())
        for path in self.flow.needs[sentence.name]:
            yield Use(path, sentence.name, place, key), sure

    # -- why it is missing -------------------------------------------------------------------

    def trail(self, goal: At, path: str) -> str:
        """Return a way on which `path` is missing all along, its last steps with their events."""
        clears = [at for at in self.sure if path in self.sure[at] and goal in self._reach(at, path)]
        begins = clears or [At(self.flow.start, tried=False)]
        ways = [way(at, goal, lambda one: self._without(one, path)) for at in begins]
        stops = min(ways, key=len)
        steps = [f"{at.state} {self._by(at, to, path)}" for at, to in pairwise(stops)]
        shown = ["…", *steps[-3:]] if len(steps) > 3 else steps
        return " → ".join([*shown, goal.state])

    def _without(self, at: At, path: str) -> list[At]:
        """Return where a call may go from here without `path`."""
        return [to for _, to, paths in self._after(at, self.sure[at])
                if path not in paths and to in self.sure]  # fmt: skip

    def _by(self, at: At, to: At, path: str) -> str:
        after = self._after(at, self.sure[at])
        return next(e.trigger for e, one, paths in after if one == to and path not in paths)

    def _reach(self, at: At, path: str) -> set[At]:
        return reachable(self._without(at, path), lambda one: self._without(one, path))


def _without(paths: Paths, name: str) -> Paths:
    """Return the paths without a name and all beneath it."""
    under = f"{name}."
    return frozenset(path for path in paths if path != name and not path.startswith(under))
