"""What happens on a line: the events that move a call.

An event is a name, the id of the command it answers (if it answers one) and data in JSON's
types. The names are the original system's where it had one; the tables below say what each
means and what data it carries. Which of them a card can send in which state of a call is
in `ivrd.flow.abilities`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Data: TypeAlias = Mapping[str, Json]

CommandId: TypeAlias = int

KEYS = frozenset("0123456789*#ABCD")
"""The sixteen keys of DTMF (ITU-T Q.23); A to D are on no telephone of a subscriber."""

MASKED_KEY = "x"
"""A digit of a private entry, as a masked log shows it; a call takes it as a digit."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `id` is the command it answers, None where it answers none."""

    name: str
    id: CommandId | None = None
    data: Data = field(default_factory=dict)


# From the card ----------------------------------------------------------------------------

T_RING = "T_RING"
"""One ring of an incoming call: `caller` (ANI) and `called` (DNIS) where the network says them,
"" where it does not or they are withheld. Sent for every ring, about 5 s apart, until the call is
answered."""

T_RINGOFF = "T_RINGOFF"
"""The ringing stopped before the answer."""

T_OFFH = "T_OFFH"
"""Off hook done. Answers `OffHook`."""

T_ONH = "T_ONH"
"""On hook done: the channel is free for the next call. Answers `OnHook`."""

T_DIGIT = "T_DIGIT"
"""One key: `key`, one of `KEYS`, when the card has recognised it, often at the key's end.
`keyed_s` is added by the line where the key had to wait for the call to listen."""

T_EOF = "T_EOF"
"""A play ended, by itself or cut short. `heard_s`: seconds of it that were played, measured.
`whole`: every prompt was played to its end; false without a stop, a second play, an on-hook or a
T_LCTERM means that a file could not be played. Answers `Play`. `lost` is added by the line when
the card never told the end."""

T_LC = "T_LC"
"""No loop signal: the line is not usable. `cause` keeps the card's own word. Sent once to every
channel when a card goes away."""

T_LCON = "T_LCON"
"""Loop signal: the far end answered. Answers `Dial`."""

T_LCTERM = "T_LCTERM"
"""The loop was broken: the far end hung up. `cause` keeps the card's own word."""

T_BUSY = "T_BUSY"
"""The number dialled is busy. Answers `Dial`; `cause` keeps the raw cause code."""

T_NOANS = "T_NOANS"
"""Nobody answered in time. Answers `Dial`; `rang` says whether ringing was seen."""

T_REFUSED = "T_REFUSED"
"""The network or the far end refused. Answers `Dial` or `Transfer`. `reason` is a `Refusal`,
`cause` the code of ITU-T Q.850 where there is one, `tech_cause` the protocol's own (SIP 404)."""

T_FAULT = "T_FAULT"
"""The dial failed by a fault of our own line, card or trunk. Answers `Dial`. `dialled` false: by
no fault at all, but given up before anything was sent, as where the channel had been taken."""

T_MACHINE = "T_MACHINE"
"""An answering machine, fax or modem answered, where the card can tell."""

T_MOVED = "T_MOVED"
"""The call was transferred and is no longer ours. Answers `Transfer`."""


class Refusal(StrEnum):
    """Why a dial was refused; in brackets the cause code of ITU-T Q.850."""

    UNALLOCATED = "unallocated"
    """The number is not in use (1)."""
    REJECTED = "rejected"
    """The called person or their phone rejected the call (21)."""
    CHANGED = "changed"
    """The number has changed (22)."""
    OUT_OF_SERVICE = "out_of_service"
    """The line is out of order or barred (27)."""
    INCOMPLETE = "incomplete"
    """The number is too short or malformed (28)."""


# From timers ------------------------------------------------------------------------------

T_TIME = "T_TIME"
"""A wait ran out. Answers `StartTimer`."""

T_LONG = "T_LONG"
"""The call lasted too long. Answers `StartTimer`."""

# Made by `Call` out of keys -----------------------------------------------------------------

T_TERMDT = "T_TERMDT"
"""An entry ended by its terminator, or by silence after at least one digit."""

T_MAXDT = "T_MAXDT"
"""An entry ended by its full length."""

U_KEY = "U_KEY"
"""A key that the menu does not offer."""

U_TRIES = "U_TRIES"
"""The tries of a question are used up."""

U_BARGE = "U_BARGE"
"""A key during a statement, where the flow says so; else the statement's T_EOF edge is taken."""

# From the application -----------------------------------------------------------------------

U_STOP = "U_STOP"
"""The operator ends the call, or the daemon does: `reason`."""

U_TIME = "U_TIME"
"""Time to dial."""

U_OK = "U_OK"
"""An action found what it was asked for. Answers `Run`, as do all further U_ names that an
action declares; what they give is in their data."""

U_ERR = "U_ERR"
"""What was asked for is not valid. Answers `Run`."""

U_FAIL = "U_FAIL"
"""An action failed by a fault of its own; every action may answer it. Answers `Run`."""

FROM_CARD = frozenset(
    {
        T_RING, T_RINGOFF, T_OFFH, T_ONH, T_DIGIT, T_EOF, T_LC, T_LCON, T_LCTERM,
        T_BUSY, T_NOANS, T_REFUSED, T_FAULT, T_MACHINE, T_MOVED,
    }
)  # fmt: skip
"""The events a driver may send."""

ANSWERS_COMMAND = frozenset(
    {T_OFFH, T_ONH, T_EOF, T_LCON, T_BUSY, T_NOANS, T_REFUSED, T_FAULT, T_MOVED, T_TIME, T_LONG}
)
"""The T_ events that must carry the id of a command; so must every U_ answer of an action."""
