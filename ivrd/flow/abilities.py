"""Which events can come in which kind of state, by what a card is able to do.

`must` is what a flow has to handle there for the card it will run on, `can` all that could
come on any card: a flow may well handle more than one card sends. Second rings while a call
is being answered, late answers and keys are sorted out by `ivrd.call` and reach no edge.
"""

from __future__ import annotations

from collections.abc import Collection

from ivrd.card import Ability
from ivrd.events import (
    T_BUSY,
    T_EOF,
    T_FAULT,
    T_LC,
    T_LCON,
    T_LCTERM,
    T_LONG,
    T_MACHINE,
    T_MAXDT,
    T_MOVED,
    T_NOANS,
    T_OFFH,
    T_ONH,
    T_REFUSED,
    T_RING,
    T_RINGOFF,
    T_TERMDT,
    T_TIME,
    U_BARGE,
    U_KEY,
    U_STOP,
    U_TIME,
    U_TRIES,
)
from ivrd.flow.actions import Registry
from ivrd.flow.spec import Kind, State

BEGINS = frozenset({T_RING, U_TIME})
"""The events that begin a call, inbound and outbound; the start handles at least one."""

ENDS = frozenset({T_LCTERM, T_LC})
"""The events after which there is no far end: handled in every state but the one that hangs up."""

LIMITS = frozenset({T_LONG, U_STOP})
"""The events that end a call from our side: handled wherever it would not end by itself."""

OWN = frozenset({T_EOF, T_TERMDT, T_MAXDT, U_KEY, U_TRIES, U_BARGE})
"""The events of one question or statement, that have no meaning for all states: not in [any]."""

_ORDERED = {
    "off_hook": frozenset({T_OFFH, T_RINGOFF}),
    "on_hook": frozenset({T_ONH}),
    "dial": frozenset({T_LCON, T_BUSY, T_NOANS, T_REFUSED, T_FAULT}),
    "transfer": frozenset({T_MOVED, T_REFUSED}),
}
_ASKED = {
    Kind.STATEMENT: frozenset({T_EOF}),
    Kind.MENU: frozenset({U_KEY, T_TIME}),
    Kind.COLLECT: frozenset({T_TERMDT, T_MAXDT, T_TIME}),
}


def must(
    state: State, actions: Registry, abilities: Collection[Ability], *, outbound: bool
) -> frozenset[str]:
    """Return the events that this state must handle on a card with these abilities.

    `outbound` says that the flow dials. Of `LIMITS` only those are excused that the flow has
    otherwise: see `ivrd.flow.check_graph`.
    """
    if state.kind is Kind.BRANCH:
        return frozenset({"yes", "no"})
    if state.kind is Kind.START:
        return frozenset()
    if state.do == "on_hook":
        return _ORDERED["on_hook"] | {T_TIME}
    events = _own(state, actions) | ENDS | LIMITS
    if outbound and Ability.DETECT_MACHINE in abilities and state.do != "off_hook":
        events |= {T_MACHINE}
    return events


def can(state: State, actions: Registry, *, outbound: bool) -> frozenset[str]:
    """Return all events that could come in this state on any card."""
    if state.kind is Kind.START:
        return BEGINS
    events = must(state, actions, frozenset(Ability), outbound=outbound)
    if state.speaks:
        events |= {U_TRIES}
    if state.kind is Kind.STATEMENT:
        events |= {U_BARGE}
    return events


def _own(state: State, actions: Registry) -> frozenset[str]:
    """Return what answers the state's own order, play or question."""
    if state.kind is not Kind.DO:
        return _ASKED[state.kind]
    name = state.do or ""
    if name in _ORDERED:
        return _ORDERED[name] | {T_TIME}
    action = actions.get(name)
    return (action.events if action else frozenset()) | {T_TIME}
