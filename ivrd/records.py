"""What is known of a line and of its calls: settings, status, counts, and how a call went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a line is used for."""

    ENQUIRY = "enquiry"
    DUNNING = "dunning"
    BOTH = "both"
    OFF = "off"


class Status(StrEnum):
    """What a line is doing, as an operator would say it."""

    IDLE = "idle"
    RINGING = "ringing"
    IN_CALL = "in call"
    CLEARING = "clearing"
    OUT_OF_SERVICE = "out of service"


@dataclass
class LineSettings:
    """How one line is used; `number` is the line's, counted over all cards."""

    number: int
    card: str = "card"
    role: Role = Role.ENQUIRY
    rings: int = 1
    when_stopped: str = "sentence"


@dataclass(frozen=True, slots=True)
class CallRecord:
    """How one call went; `caller` is masked, `left_in` the state it was in before hanging up."""

    call: str
    line: int
    began: datetime
    lasted_s: float
    direction: str
    caller: str
    lang: str
    ended_by: str
    left_in: str
    notes: tuple[str, ...]
    sentences: int


@dataclass
class Counters:
    """What a line has counted since it started."""

    calls: int = 0
    refused: int = 0
    stale: int = 0
    keys_dropped: int = 0
    watchdog: int = 0
    card_faults: int = 0
    errors: int = 0
