"""How debtors behave, as the attempts on record have it: the rates of a dry run by history.

What comes out is shaped as the file of `--rates` (deploy/campaigns/debtors.toml), so that it can
be checked, kept and changed as one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from statistics import NormalDist, fmean
from typing import Any

from sqlalchemy import Connection, select

from ivrd.store.states import Outcome
from ivrd.store.tables import attempts

LEAST = 300
"""Closed attempts from which rates are taken; fewer say too little."""

LEAST_IN_HOUR = 40
"""Dials within one hour of the day from which that hour has a factor of its own."""

_FOR_GOOD = frozenset({Outcome.UNALLOCATED})
_DIALS = {
    Outcome.NO_ANSWER: "no_answer",
    Outcome.UNKNOWN: "no_answer",
    Outcome.BUSY: "busy",
    Outcome.OUT_OF_SERVICE: "switched_off",
    Outcome.REJECTED: "rejects",
    Outcome.NETWORK: "network",
    Outcome.LINE_FAULT: "line_fault",
}
"""The key of [dials] for each outcome of a dial that nobody answered."""

_ANSWERED = (
    ("promise", "promises"), ("says_paid", "says_paid"), ("dispute", "disputes"),
    ("do_not_call", "asks_to_stop"), ("call_back", "asks_for_person"),
    ("transferred", "asks_for_person"), ("repeat", "listens_again"), ("items", "listens_again"),
    ("not_holder", "denies"), ("not_confirmed", "silent"), ("machine", "machine"),
)  # fmt: skip
"""The key of [answered] by the flow's note, the first that is there."""


@dataclass(frozen=True, slots=True)
class Dial:
    """One closed attempt, as far as rates go: `nth` counts from 0 on one debtor's number."""

    outcome: Outcome
    notes: frozenset[str]
    answered: bool
    hour: int
    nth: int


def rates_of_history(tx: Connection, since: datetime, zone: tzinfo) -> dict[str, Any] | None:
    """Return the rates of all attempts closed from `since` on; None where they are too few."""
    dials = _dials(tx, since, zone)
    return rates_of(dials) if len(dials) >= LEAST else None


def rates_of(dials: Sequence[Dial]) -> dict[str, Any]:
    """Return the rates of some dials."""
    first = [dial for dial in dials if dial.nth == 0]
    good = [dial for dial in dials if dial.outcome not in _FOR_GOOD]
    talks = [dial for dial in good if dial.answered and "wrong_number" not in dial.notes]
    spread = _spread(good)
    return {
        "spread": spread,
        "numbers": {
            "unallocated": _share(first, lambda dial: dial.outcome in _FOR_GOOD),
            "changed": 0.0,
            "out_of_service": 0.0,
            "wrong_number": _share(first, lambda dial: "wrong_number" in dial.notes),
            "machine": 0.0,
        },
        "dials": _dial_shares(good, spread),
        "answered": _talk_shares(talks),
        "hours": _hours(good),
    }


def _dials(tx: Connection, since: datetime, zone: tzinfo) -> list[Dial]:
    row = attempts.c
    query = (
        select(row.target, row.number, row.began_at, row.outcome, row.notes, row.answered)
        .where(row.outcome.is_not(None), row.began_at >= since)
        .order_by(row.began_at, row.id)
    )
    seen: Counter[tuple[int, str]] = Counter()
    dials: list[Dial] = []
    for target, number, began_at, word, notes, answered in tx.execute(query):
        outcome = Outcome(word)
        if outcome is Outcome.CANCELLED:
            continue
        nth, hour = seen[target, number], began_at.astimezone(zone).hour
        seen[target, number] += 1
        dials.append(Dial(outcome, frozenset(notes or ()), answered, hour, nth))
    return dials


def _share(dials: Sequence[Dial], holds: Any) -> float:
    return round(sum(map(holds, dials)) / len(dials), 4) if dials else 0.0


def _dial_shares(dials: Sequence[Dial], spread: float) -> dict[str, float]:
    """Return the shares of [dials], of first dials: later ones meet who is harder to reach."""
    first = [dial for dial in dials if dial.nth == 0] or list(dials)
    failed = [dial for dial in first if not dial.answered]
    counts = Counter(_DIALS.get(dial.outcome, "no_answer") for dial in failed)
    keys = dict.fromkeys(_DIALS.values())
    if not 0 < len(failed) < len(first):
        return {key: _of(counts[key], len(first)) for key in keys}
    fails = 1 - _typical(1 - len(failed) / len(first), spread)
    return {key: _of(counts[key] * fails, len(failed)) for key in keys}


def _typical(mean: float, spread: float) -> float:
    """Return the share that a typical person answers, where people's mean is `mean`."""
    z = [NormalDist().inv_cdf((place + 0.5) / 99) for place in range(99)]
    low, high = -12.0, 12.0
    for _ in range(50):
        middle = (low + high) / 2
        if fmean(1 / (1 + math.exp(-middle - spread * one)) for one in z) < mean:
            low = middle
        else:
            high = middle
    return 1 / (1 + math.exp(-low))


def _talk_shares(dials: Sequence[Dial]) -> dict[str, float]:
    keys = list(dict.fromkeys(key for _, key in _ANSWERED))
    counts = Counter(_talk(dial) for dial in dials)
    names = [*keys, "hangs_up_at_greeting", "hangs_up_in_message"]
    return {key: _of(counts[key], len(dials)) for key in names}


def _talk(dial: Dial) -> str:
    for note, key in _ANSWERED:
        if note in dial.notes:
            return key
    if dial.outcome is Outcome.MACHINE:
        return "machine"
    if dial.outcome is Outcome.TOLD_IN_PART:
        return "hangs_up_in_message"
    return "hangs_up_at_greeting" if dial.outcome is Outcome.NOT_CONFIRMED else "listens"


def _of(count: float, whole: int) -> float:
    # rounded down, so that shares never come to more than one
    return math.floor(10_000 * count / whole) / 10_000 if whole else 0.0


def _hours(dials: Sequence[Dial]) -> dict[str, float]:
    """Return by how much the odds of an answer differ at each hour of which enough is known."""
    whole = _odds(dials)
    found: dict[str, float] = {}
    for hour in range(24):
        mine = [dial for dial in dials if dial.hour == hour]
        if len(mine) >= LEAST_IN_HOUR and whole > 0:
            factor = round(min(max(_odds(mine) / whole, 0.05), 20.0), 2)
            found[f"{hour:02}:00-{hour + 1:02}:00"] = factor
    return found


def _odds(dials: Sequence[Dial]) -> float:
    """Return the odds of an answer, half a dial added to either side so that none is 0."""
    answered = sum(dial.answered for dial in dials)
    return (answered + 0.5) / (len(dials) - answered + 0.5)


def _spread(dials: Sequence[Dial]) -> float:
    """Return how much people differ: from how much rarer a second dial is answered than a first.

    Only who did not answer is dialled again. Where m is the share of first dials answered and p
    that of second ones, people's own shares have the variance (1 - m)(m - p); on the scale of
    log odds it is that over m²(1 - m)², to the first order.
    """
    by_nth: Mapping[int, list[bool]] = {
        nth: [dial.answered for dial in dials if dial.nth == nth] for nth in (0, 1)
    }
    if min(map(len, by_nth.values())) < LEAST_IN_HOUR:
        return 0.8
    m, p = (sum(answers) / len(answers) for answers in by_nth.values())
    if not 0 < m < 1:
        return 0.0
    variance = max((1 - m) * (m - p), 0.0)
    return round(min(math.sqrt(variance) / (m * (1 - m)), 5.0), 2)
