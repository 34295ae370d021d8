"""What waits to be sent to the broker: the newest of each state, and a bounded row of events.

Plain data, no I/O: whatever the broker does, putting something in takes the same short time.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """One message: a state replaces the one before it on its topic, an event stands for itself."""

    topic: str
    payload: Mapping[str, Any]
    state: bool = True
    retain: bool = True


class Outbox:
    """States of any number of topics, and at most `most_events` events.

    `on_more` is told whenever something was put in. `dropped` counts the events for which there
    was no room: the oldest go first.
    """

    def __init__(self, most_events: int, on_more: Callable[[], None] = lambda: None) -> None:
        self._states: OrderedDict[str, Item] = OrderedDict()
        self._events: deque[Item] = deque()
        self._most = most_events
        self._on_more = on_more
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._states) + len(self._events)

    @property
    def states(self) -> int:
        """Topics whose newest state waits."""
        return len(self._states)

    @property
    def events(self) -> int:
        """Events that wait."""
        return len(self._events)

    def put_state(self, topic: str, payload: Mapping[str, Any], *, retain: bool = True) -> None:
        """Send this state; one that still waits on its topic is replaced, in its place."""
        self._states[topic] = Item(topic, payload, retain=retain)
        self._on_more()

    def put_event(self, topic: str, payload: Mapping[str, Any]) -> None:
        """Send this event after those before it."""
        self._events.append(Item(topic, payload, state=False, retain=False))
        self._trim()
        self._on_more()

    def take(self, most: int) -> list[Item]:
        """Take out what is to be sent next, `most` at most: neither kind holds the other up."""
        states = min(len(self._states), max(most - len(self._events), (most + 1) // 2))
        taken = [self._states.popitem(last=False)[1] for _ in range(states)]
        events = min(len(self._events), most - states)
        return taken + [self._events.popleft() for _ in range(events)]

    def put_back(self, items: Iterable[Item]) -> None:
        """Put what was not sent back at the head, in its order.

        A state for which a newer one waits by now is left out; events without room are dropped.
        """
        for item in reversed(list(items)):
            if not item.state:
                self._events.appendleft(item)
            elif item.topic not in self._states:
                self._states[item.topic] = item
                self._states.move_to_end(item.topic, last=False)
        self._trim()

    def _trim(self) -> None:
        while len(self._events) > self._most:
            self._events.popleft()
            self.dropped += 1
