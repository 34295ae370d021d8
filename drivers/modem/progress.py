"""How a dial ended: what a modem says becomes an event of ours, here and nowhere else."""

from __future__ import annotations

from typing import TypeAlias

from drivers.modem.protocol import Code, Word
from ivrd.events import T_BUSY, T_FAULT, T_NOANS, T_REFUSED, Json, Refusal

Outcome: TypeAlias = tuple[str, dict[str, Json]]
"""Name and data of the event that answers a dial."""

CONGESTION = 34
"""Cause of ITU-T Q.850: no circuit available. Its tone is fast busy (ITU-T E.180)."""

MACHINE_CODES = frozenset({Code.ANSWER_TONE, Code.DATA_ANSWER, Code.FAX, Code.DATA_CALLING})
"""What tells that a fax or a modem answered. A machine that speaks is not told from a person."""

HANG_UP_CODES = frozenset({Code.LOOP_BROKEN, Code.BUSY, Code.FAST_BUSY, Code.DIAL_TONE})
"""What shows in a call that the far end has hung up: the loop, or what an exchange sends then."""


def of_code(code: Code) -> Outcome | None:
    """Return how a dial ended by a tone; None where the tone ends none.

    Special information tones stand before an announcement (ITU-T E.180); no modem understands
    which. A vacant number is by far the most frequent.
    """
    cause = {"cause": code.value}
    match code:
        case Code.BUSY:
            return T_BUSY, {**cause}
        case Code.FAST_BUSY:  # the network's fault, not the called person's
            return T_FAULT, {"cause": CONGESTION, "tech_cause": code.value}
        case Code.SIT:
            return T_REFUSED, {"reason": Refusal.UNALLOCATED.value, **cause}
        case _:
            return None


def of_word(word: Word | None, *, rang: bool) -> Outcome:
    """Return how a dial ended by a result code that is no answer of the far end."""
    match word:
        case Word.BUSY:
            return T_BUSY, {"cause": word.value}
        case Word.NO_ANSWER | Word.NO_CARRIER:
            return T_NOANS, {"rang": rang, "cause": word.value}
        case Word.NO_DIALTONE:
            return T_FAULT, {"cause": "no dial tone: is the line plugged in?"}
        case None:
            return T_FAULT, {"cause": "the modem said nothing more of the dial"}
        case _:
            return T_FAULT, {"cause": f"the modem answered {word.value}"}


def given_up(*, rang: bool) -> Outcome:
    """Return how a dial ended that our own timer ended."""
    return T_NOANS, {"rang": rang, "cause": "no answer in time"}
