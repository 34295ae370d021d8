"""Policy profiles: dated rules of when and how often a debtor may be called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from ivrd.dunning.hours import Windows


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` attempts or contacts, per what, within a calendar day or rolling days."""

    counts: Literal["attempts", "contacts"]
    per: Literal["person", "number", "debt"]
    most: int
    within: Literal["day"] | int


@dataclass(frozen=True, slots=True)
class Policy:
    """One profile as its file has it; `hours` are those in which calls are permitted."""

    name: str
    title: str
    source: str
    in_force_from: date
    in_force_until: date | None
    hours: Windows | None
    limits: tuple[Limit, ...]
    consent: Literal["none", "mobile", "all"]
