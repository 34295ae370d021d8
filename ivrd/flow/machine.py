"""A flow made to move: the only place that knows the `transitions` library.

One flat synchronous `Machine` serves all calls of a flow; a call only needs a `state`. No model
is registered (one that is never removed leaks), and no callback runs: `Call` looks the edge up,
moves, and enters the new state itself.
"""

from __future__ import annotations

from typing import Protocol

from transitions import EventData, Machine, Transition

from ivrd.flow.spec import Edge, Flow


class HasState(Protocol):
    """What moves through a flow."""

    state: str


class _Move(Transition):
    """A transition without conditions and callbacks, of which flows have none: only the move."""

    def execute(self, event_data: EventData) -> bool:
        setattr(event_data.model, event_data.machine.model_attribute, self.dest)
        return True


class _FlowMachine(Machine):
    transition_cls = _Move


class FlowMachine:
    """A flow and the state machine that moves its calls; shared, and without state of its own."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.states = flow.states
        self.private = flow.private
        self.hash = flow.hash
        machine = _FlowMachine(
            model=None,
            states=list(flow.states),
            initial=flow.start,
            auto_transitions=False,
        )
        for state, edge in flow.edges:
            machine.add_transition(edge.trigger, state.name, edge.to)
        self._triggers = {name: event.trigger for name, event in machine.events.items()}

    def move(self, call: HasState, edge: Edge) -> None:
        """Move `call` along `edge`, an edge of the state it is in."""
        self._triggers[edge.trigger](call)
