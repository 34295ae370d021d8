"""One debtor on the way into a campaign, from the billing data or from a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A debtor as the campaign will keep it: numbers in E.164, the main one first.

    `person` is what frequency rules count a person by. `call_from` is the earliest moment for
    the first call. One that is not `chosen` owes, but is not for this campaign. `refused` says
    what is wrong with the first number that may not be dialled (a word of
    `ivrd.dunning.case.Reason`), `refused_detail` in words that hold no number; without any
    number left, the debtor is excluded for it.
    """

    account: str = field(repr=False)
    person: str = field(repr=False)
    numbers: tuple[str, ...] = field(repr=False)
    amount_fen: int = 0
    months: int = 1
    due: date | None = None
    product: str | None = None
    group: str | None = None
    lang: str | None = None
    zone: str | None = None
    call_from: datetime | None = None
    chosen: bool = True
    refused: str | None = None
    refused_detail: str | None = None
    consent: bool | None = None
    """Whether the holder agreed to calls by machine; None where nobody said."""
