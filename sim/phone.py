"""What happens when a number is dialled: somebody answers, or the network says why not.

The cause codes are those of ITU-T Q.850.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from ivrd.events import T_BUSY, T_FAULT, T_NOANS, T_REFUSED, Data, Refusal
from sim.party import Party


@dataclass(frozen=True, slots=True)
class Rings:
    """The phone rings; `party` answers after `rings` rings, or nobody does where it is None.

    A machine, fax or modem is told from a person `machine_after_s` seconds after the answer.
    """

    party: Callable[[], Party] | None = None
    rings: int = 2
    machine_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Fails:
    """The dial ends with `event` and `data`, `after_s` seconds after the number was sent."""

    event: str
    data: Data = field(default_factory=dict)
    after_s: float = 0.0


Outcome: TypeAlias = Rings | Fails

BUSY = Fails(T_BUSY, {"cause": 17})
UNALLOCATED = Fails(T_REFUSED, {"reason": Refusal.UNALLOCATED, "cause": 1})
CHANGED = Fails(T_REFUSED, {"reason": Refusal.CHANGED, "cause": 22})
OUT_OF_SERVICE = Fails(T_REFUSED, {"reason": Refusal.OUT_OF_SERVICE, "cause": 27})
INCOMPLETE = Fails(T_REFUSED, {"reason": Refusal.INCOMPLETE, "cause": 28})
SWITCHED_OFF = Fails(T_NOANS, {"rang": False, "cause": 20}, after_s=4.0)
TRUNK_DOWN = Fails(T_FAULT, {"cause": 38})
NO_ANSWER = Rings()


def refuses(after_s: float = 5.0) -> Fails:
    """Return the outcome of a phone that rings until the called person rejects the call."""
    return Fails(T_REFUSED, {"reason": Refusal.REJECTED, "cause": 21}, after_s=after_s)


class Dialled(Protocol):
    """A dial as the far end knows it: a permit's, or digits that came over an analogue line."""

    @property
    def number(self) -> str:
        """The number dialled."""

    @property
    def caller_id(self) -> str:
        """The number shown, "" where there is none."""


Answering: TypeAlias = Outcome | Callable[[Dialled], Outcome]
"""What stands behind a number: always the same outcome, or one made for each dial."""
