"""What a flow may ask the application to do: actions, each with all its answers declared.

The declaration is what the checker proves a flow against; `do` is what runs. A service
(`ivrd.enquiry`, later `ivrd.dunning`) offers its actions as a registry, and a flow names
them; no name from a file is ever looked up anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from ivrd.events import U_FAIL, Data, Json

Shape: TypeAlias = "Mapping[str, Shape | list[Shape] | str]"
"""What an answer gives: names to a leaf's type in words ("fen", "date", "text"), to a nested
shape, or to a list with the shape of its rows. A name ending in "?" may be missing."""


class Answer(NamedTuple):
    """How an action ended: one of its declared events, and the data that event gives."""

    event: str
    data: Data = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a flow can ask for.

    `takes` are the names a flow must hand over with ``with``, `may_take` those it can;
    a name that has no value arrives as None. `answers` maps each event that can come back,
    besides `U_FAIL`, to what it gives. `private` are data paths that a log masks.
    `do` returns one of the answers; it runs in a worker thread when `blocking`, so it touches
    nothing of the call. What it raises is logged and becomes U_FAIL.
    """

    name: str
    takes: tuple[str, ...]
    answers: Mapping[str, Shape]
    do: Callable[[Data], Answer]
    may_take: tuple[str, ...] = ()
    private: frozenset[str] = frozenset()
    blocking: bool = True

    @property
    def gives(self) -> frozenset[str]:
        """Top-level names that any answer gives; all are cleared when the action is ordered."""
        return frozenset(name.rstrip("?") for shape in self.answers.values() for name in shape)

    @property
    def events(self) -> frozenset[str]:
        """All events that can come back."""
        return frozenset(self.answers) | {U_FAIL}


Registry: TypeAlias = Mapping[str, Action]


def registry(*actions: Action) -> dict[str, Action]:
    """Return `actions` by name."""
    return {action.name: action for action in actions}


__all__ = ["Action", "Answer", "Json", "Registry", "Shape", "registry"]
