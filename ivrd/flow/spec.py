"""A flow as data: what a file of fsm_specs/ says, with the place of every part of it.

`Flow` is flat: `like` has been copied, `use` has been expanded, `[any]` has been spread over
the states. What is wrong in the file's form is found by `ivrd.flow.load`, what is wrong in
its meaning by `ivrd.flow.check`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from ivrd.events import T_EOF, U_BARGE, Json
from ivrd.flow.actions import Registry

CARD_ORDERS = frozenset({"off_hook", "on_hook", "dial", "transfer"})
"""What `do` can ask of the card itself; all else is an action of the application."""

SWALLOW_S = 2.0
"""A terminator this soon after a full-length entry or a menu key belongs to that (seconds)."""


SURPLUS_S = 1.0
"""Digits closer together than this that go on after a refused full-length entry belong to that:
a telephone number keyed where a month was asked for is one mistake, not two (seconds)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written."""

    file: Path
    line: int | None
    key: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence that a flow orders: `if` a path is true, once for `each` row, in `lang`."""

    name: str
    condition: str | None = None
    each: str | None = None
    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """One way out of a state. `retry` counts a try of the target, else its count begins anew."""

    trigger: str
    to: str
    place: Place
    retry: bool = False
    say: tuple[Sentence, ...] = ()
    notes: tuple[str, ...] = ()
    set: Mapping[str, Json] = field(default_factory=dict)
    condition: str | None = None
    shared: bool = False
    """Spread from [any], not written in the state."""


class Kind(Enum):
    """What a state does, which decides how it is entered and what can happen in it."""

    START = "start"
    BRANCH = "branch"
    DO = "do"
    STATEMENT = "statement"
    MENU = "menu"
    COLLECT = "collect"


@dataclass(frozen=True, slots=True)
class Collect:
    """An entry: up to `digits` keys `into` a name; `private` ones are masked in the log."""

    digits: int
    into: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """One state: what it does on entry, and the edges out of it by trigger.

    A trigger is an event's name, ``key 1`` for a menu key, or ``yes`` and ``no`` of a branch.
    """

    name: str
    kind: Kind
    place: Place
    edges: Mapping[str, Edge]
    say: tuple[Sentence, ...] = ()
    collect: Collect | None = None
    do: str | None = None
    takes: tuple[str, ...] = ()
    condition: str | None = None
    within_s: float = 0.0
    wait: Sentence | None = None
    wait_s: float = 0.0
    tries: int | str = 3
    first_s: float = 8.0
    between_s: float = 4.0
    say_s: float = 120.0
    end: str = "#"
    fix: str = "*"

    @property
    def asks(self) -> bool:
        """Whether the state waits for keys."""
        return self.kind is Kind.MENU or self.kind is Kind.COLLECT

    @property
    def speaks(self) -> bool:
        """Whether the state has sentences of its own, to which an edge's can be put in front."""
        return self.kind is Kind.STATEMENT or self.asks

    @property
    def on_key(self) -> Edge | None:
        """The edge that a key during this statement takes."""
        return self.edges.get(U_BARGE) or self.edges.get(T_EOF)

    @property
    def longest_wait_s(self) -> float:
        """Longest time in seconds that may pass in this state with nothing happening."""
        if self.kind is Kind.DO:
            return self.within_s
        if self.kind is Kind.STATEMENT:
            return self.say_s
        return max(self.say_s, self.first_s, self.between_s)


@dataclass(frozen=True)
class Flow:
    """One whole flow. `sources` are all files it was made of."""

    name: str
    start: str
    call_s: float
    knows: tuple[str, ...]
    states: Mapping[str, State]
    place: Place
    sources: tuple[Path, ...]
    needs: Mapping[str, tuple[str, ...]]
    """Each sentence with the data paths it needs, from sentences.toml."""
    actions: Registry
    """What the flow may ask of the application."""

    @property
    def edges(self) -> Iterator[tuple[State, Edge]]:
        """All transitions, in the file's order."""
        for state in self.states.values():
            for edge in state.edges.values():
                yield state, edge

    @property
    def private(self) -> frozenset[str]:
        """Data paths that a log masks: private entries, and what actions declare."""
        collects = [state.collect for state in self.states.values() if state.collect]
        named = [self.actions.get(state.do or "") for state in self.states.values()]
        return frozenset(collect.into for collect in collects if collect.private).union(
            *(action.private for action in named if action)
        )

    @property
    def hash(self) -> str:
        """Eight hex digits that change when the meaning of the flow does."""
        plain = json.dumps(_plain(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(plain.encode()).hexdigest()[:8]


def _plain(value: Any) -> Json:
    """Return `value` as JSON without places: what the hash is taken of."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is None:
        return value  # type: ignore[no-any-return]  # a JSON leaf, by construction of the loader
    aside = {"place", "sources", "actions"}
    return {name: _plain(getattr(value, name)) for name in fields if name not in aside}
