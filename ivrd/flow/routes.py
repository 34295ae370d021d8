"""The ways through a flow, as `Call` goes them: in one step, and on until something waits."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple, TypeVar

from ivrd.events import T_EOF, U_TRIES
from ivrd.flow.spec import Edge, Flow, Kind, Sentence, State

Node = TypeVar("Node", bound=Hashable)


class Stop(NamedTuple):
    """A state as a call comes to it: entered, or with its tries used up and so passed by.

    `said` is whether an edge has brought a sentence that will be spoken for certain.
    """

    state: str
    tried: bool = False
    said: bool = False


def reachable(begin: Iterable[Node], after: Callable[[Node], Iterable[Node]]) -> set[Node]:
    """Return all that can be come to from `begin`, itself included."""
    seen: set[Node] = set()
    ahead = list(begin)
    while ahead:
        node = ahead.pop()
        if node not in seen:
            seen.add(node)
            ahead += after(node)
    return seen


def way(begin: Node, goal: Node, after: Callable[[Node], Iterable[Node]]) -> list[Node]:
    """Return one of the shortest ways from `begin` to `goal`, both included; [] if none."""
    came: dict[Node, Node | None] = {begin: None}
    ahead = [begin]
    for node in ahead:
        for further in after(node):
            if further not in came:
                came[further] = node
                ahead.append(further)
    path: list[Node] = []
    step: Node | None = goal if goal in came else None
    while step is not None:
        path.append(step)
        step = came[step]
    return path[::-1]


def targets(flow: Flow, name: str) -> list[str]:
    """Return the states that edges of a state lead to."""
    return [edge.to for edge in flow.states[name].edges.values()]


def sure_to_speak(sentences: Iterable[Sentence]) -> bool:
    """Whether one of the sentences is spoken whatever the data."""
    return any(sentence.condition is None and sentence.each is None for sentence in sentences)


def arrivals(flow: Flow, edge: Edge) -> Iterator[tuple[str, bool]]:
    """Yield how an edge arrives: in its target, and past it where the tries may be used up."""
    yield edge.to, False
    if edge.retry and U_TRIES in flow.states[edge.to].edges:
        yield edge.to, True


def passing(flow: Flow, stop: Stop) -> list[Edge]:
    """Return the edges a call may take from here at once, without waiting for anything."""
    state = flow.states[stop.state]
    if stop.tried:
        return [state.edges[U_TRIES]]
    if state.kind is Kind.BRANCH:
        return [edge for edge in state.edges.values() if edge.trigger in {"yes", "no"}]
    silent = state.kind is Kind.STATEMENT and not (stop.said or sure_to_speak(state.say))
    return [state.edges[T_EOF]] if silent else []


def onward(flow: Flow, stop: Stop, edges: Iterable[Edge]) -> Iterator[Stop]:
    """Yield where edges bring a call, with what has been said so far."""
    for edge in edges:
        for name, tried in arrivals(flow, edge):
            yield Stop(name, tried, stop.said or sure_to_speak(edge.say))


def closing(flow: Flow) -> set[str]:
    """Return the states that lead to the hang-up of themselves, whatever happens in them.

    They ask nothing and go round in no circle: the shape of a good-bye.
    """
    closed = {state.name for state in flow.states.values() if state.do == "on_hook"}
    grown = True
    while grown:
        more = {
            state.name
            for state in flow.states.values()
            if state.name not in closed and _closes(state, closed)
        }
        closed |= more
        grown = bool(more)
    return closed


def _closes(state: State, closed: set[str]) -> bool:
    if state.asks or state.kind is Kind.START or not state.edges:
        return False
    return all(edge.to in closed for edge in state.edges.values())


def circles(graph: Mapping[Node, Iterable[Node]]) -> list[Sequence[Node]]:
    """Return circles of a graph until none is left without one of their ways."""
    ways = {node: set(after) for node, after in graph.items()}
    found: list[Sequence[Node]] = []
    while True:
        try:
            TopologicalSorter(ways).prepare()
        except CycleError as error:
            circle: list[Node] = error.args[1]
            found.append(circle[::-1][:-1])  # the sorter's arrows point backward
            # take the circle apart at one of its ways, and look for the next
            ways[circle[1]].discard(circle[0])
        else:
            return found
