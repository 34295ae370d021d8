"""How a dial ended: causes of Asterisk and SIP become events of ours, here and nowhere else.

The status of ARI's `Dial` event is of no use: it says NOANSWER for a number that is not in use.
What counts is the cause (ITU-T Q.850), the SIP code where the cause is too coarse, and whether
ringing was seen.
"""

from __future__ import annotations

from typing import TypeAlias

from ivrd.events import T_BUSY, T_FAULT, T_NOANS, T_REFUSED, Json, Refusal

Outcome: TypeAlias = tuple[str, dict[str, Json]]
"""Name and data of the event that answers a dial."""

RINGS_OUT = 19
"""Q.850: alerted, no answer; what a dial gets that we gave up after ringing."""

NO_RESPONSE = 18
"""Q.850: no user responding; what a dial gets that we gave up before any ringing."""

_OUR_SIP_FAULTS = frozenset({401, 402, 407, 482, 483, 500, 502, 503, 504})
"""SIP codes that speak of our trunk, though Asterisk gives some the cause of the called person:
401 and 407 (not let in) become 21, 483 (too many hops) becomes 19, 502 (bad gateway) 27."""

_MOVED = frozenset({300, 301, 302})
"""SIP codes that name another number; Asterisk gives 301 the cause 16, that of a good end."""

_BUSY = frozenset({17})
_NO_ANSWER = frozenset({NO_RESPONSE, RINGS_OUT})
_UNSAID = frozenset({0, 16, 31})
"""Causes that say nothing; 0 comes from versions that lose the 19 of a time-out."""

_REFUSED = {
    1: Refusal.UNALLOCATED,
    5: Refusal.INCOMPLETE,  # misdialled trunk prefix
    20: Refusal.OUT_OF_SERVICE,  # subscriber absent: switched off
    21: Refusal.REJECTED,
    22: Refusal.CHANGED,
    23: Refusal.CHANGED,  # redirection to a new destination
    27: Refusal.OUT_OF_SERVICE,
    28: Refusal.INCOMPLETE,
    55: Refusal.REJECTED,  # incoming calls barred
}


def outcome(cause: int, tech_cause: int | None, *, rang: bool, moved: bool = False) -> Outcome:
    """Return the event for a dial that ended by itself without an answer.

    `cause` is that of ITU-T Q.850, `tech_cause` the SIP code (RFC 3261 §21) where there is one.
    `moved`: the far end named another number, which the two do not always tell.
    """
    raw: dict[str, Json] = {"cause": cause}
    if tech_cause is not None:
        raw["tech_cause"] = tech_cause
    if tech_cause in _OUR_SIP_FAULTS:
        return T_FAULT, raw
    if tech_cause in _MOVED or moved:
        return T_REFUSED, {"reason": Refusal.CHANGED.value, **raw}
    if cause in _BUSY:
        return T_BUSY, raw
    if cause in _REFUSED:
        return T_REFUSED, {"reason": _REFUSED[cause].value, **raw}
    if cause in _NO_ANSWER or (cause in _UNSAID and rang):
        return T_NOANS, {"rang": rang, **raw}
    return T_FAULT, raw


def given_up(*, rang: bool) -> Outcome:
    """Return the event for a dial that our own timer ended."""
    return T_NOANS, {"rang": rang, "cause": RINGS_OUT if rang else NO_RESPONSE}


def of_transfer(ended: Outcome) -> Outcome:
    """Return the event for a transfer whose dial ended so: T_REFUSED, with what it would be."""
    name, data = ended
    if name == T_REFUSED:
        return ended
    return T_REFUSED, {"reason": Refusal.REJECTED.value, "outcome": name, **data}
