"""One debtor on the phone: what a called person does with the call that reaches them.

A debtor goes by the names of the sentences (fsm_specs/sentences.toml), so the same people answer
in every language and whatever the flow asks first; the keys are those of fsm_specs/dunning.toml.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from ivrd.clock import Timer
from ivrd.commands import Utterance
from ivrd.events import T_FAULT
from sim.party import Ending, Party
from sim.phone import (
    BUSY,
    CHANGED,
    NO_ANSWER,
    OUT_OF_SERVICE,
    SWITCHED_OFF,
    UNALLOCATED,
    Fails,
    Outcome,
    Rings,
    refuses,
)


class Does(StrEnum):
    """What comes of one dial: the network's word, or what the debtor does who answers."""

    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNALLOCATED = "unallocated"
    CHANGED = "changed"
    SWITCHED_OFF = "switched_off"
    OUT_OF_SERVICE = "out_of_service"
    REJECTS = "rejects"
    NETWORK = "network"
    """The network is congested."""
    LINE_FAULT = "line_fault"
    """Our own trunk is down."""
    MACHINE = "machine"
    HANGS_UP_AT_GREETING = "hangs_up_at_greeting"
    SILENT = "silent"
    """Answers, and keys nothing."""
    DENIES = "denies"
    """Says not to be the holder."""
    WRONG_NUMBER = "wrong_number"
    """Says so, before anything private."""
    HANGS_UP_IN_MESSAGE = "hangs_up_in_message"
    LISTENS = "listens"
    """Confirms, hears everything, and hangs up."""
    LISTENS_AGAIN = "listens_again"
    """Hears it once more, and the items of the bill."""
    PROMISES = "promises"
    SAYS_PAID = "says_paid"
    DISPUTES = "disputes"
    ASKS_TO_STOP = "asks_to_stop"
    """Wants no more calls."""
    ASKS_FOR_PERSON = "asks_for_person"


UNANSWERED: Mapping[Does, Outcome] = {
    Does.BUSY: BUSY,
    Does.NO_ANSWER: NO_ANSWER,
    Does.UNALLOCATED: UNALLOCATED,
    Does.CHANGED: CHANGED,
    Does.SWITCHED_OFF: SWITCHED_OFF,
    Does.OUT_OF_SERVICE: OUT_OF_SERVICE,
    Does.REJECTS: refuses(),
    Does.NETWORK: Fails(T_FAULT, {"cause": 42}, after_s=2.0),
    Does.LINE_FAULT: Fails(T_FAULT, {"cause": "no dial tone"}),
}
"""What the network says of a dial that nobody answers (causes of ITU-T Q.850)."""

HOLDER_KEYS = {Does.DENIES: "2", Does.WRONG_NUMBER: "5"}
"""The key upon ``are_you_holder``; all others press 1."""

CHOICES = {
    Does.PROMISES: "3",
    Does.SAYS_PAID: "4",
    Does.DISPUTES: "6",
    Does.ASKS_TO_STOP: "9",
    Does.ASKS_FOR_PERSON: "0",
}
"""The key upon the choices after the message."""

AGAIN = "12"
"""The keys of one who hears it all again: repeat, items."""

PROOFS = frozenset({"enter_last_digits", "enter_password"})

MACHINE_S = 3.0
"""Seconds after the answer in which a card tells a machine from a person."""

MESSAGE = frozenset({"you_owe", "notice"})
"""Sentences with which the message begins."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How one debtor does it. Times in seconds, `hears` from 0 to 1."""

    rings: int = 2
    think_s: float = 1.0
    """From the end of a question to the first key."""
    gap_s: float = 0.3
    """From key to key."""
    hears: float = 0.5
    """How much of the greeting or the message is heard by one who hangs up in it."""
    pay_in_days: int = 3
    """The day that is promised, counted from today."""
    proof: str = ""
    """The digits that prove the holder, where the flow asks for them."""


class Debtor(Party):
    """A called person who does one of those things that `Does` names; one timer at a time."""

    def __init__(self, does: Does, manner: Manner = Manner()) -> None:
        self.does = does
        self.manner = manner
        self.heard: list[str] = []
        """The sentences that began, whether or not they were heard out."""
        self.ended_by: Ending | None = None
        self._again = AGAIN
        self._timer: Timer | None = None

    def playing(self, utterances: Sequence[Utterance]) -> None:
        """Take in what is said, and answer it when it has been heard out."""
        names = [utterance.sentence for utterance in utterances]
        self.heard += names
        self._forget()
        if names:
            self._react(names, sum(utterance.duration_s for utterance in utterances))

    def ended(self, by: Ending) -> None:
        """Let go of everything."""
        self.ended_by = by
        self._forget()

    def _react(self, names: Sequence[str], length_s: float) -> None:
        does, manner = self.does, self.manner
        if does in {Does.SILENT, Does.MACHINE}:
            return
        if does is Does.HANGS_UP_AT_GREETING:
            self._after(manner.hears * length_s, self.leg.hang_up)
        elif "are_you_holder" in names:
            self._key(HOLDER_KEYS.get(does, "1"), length_s)
        elif PROOFS.intersection(names):
            self._prove(length_s)
        elif MESSAGE.intersection(names) and does is Does.HANGS_UP_IN_MESSAGE:
            self._after(manner.hears * length_s, self.leg.hang_up)
        elif any(name.startswith("choice") for name in names):
            self._choose(length_s)
        elif "enter_date" in names:
            today = self.leg.clock.now()
            self._key(f"{today + timedelta(days=manner.pay_in_days):%m%d}", length_s)
        elif "you_promise" in names:
            self._key("1", length_s)

    def _prove(self, length_s: float) -> None:
        """Key the digits; one who does not know them, or is not the holder, does not."""
        wrong = self.does in HOLDER_KEYS
        if self.manner.proof:
            self._key(("0000" if wrong else self.manner.proof) + "#", length_s)

    def _choose(self, length_s: float) -> None:
        if self.does is Does.LISTENS_AGAIN and self._again:
            key, self._again = self._again[0], self._again[1:]
            self._key(key, length_s)
        elif self.does in CHOICES:
            self._key(CHOICES[self.does], length_s)
        else:
            self._after(self.manner.think_s, self.leg.hang_up)

    def _key(self, keys: str, after_s: float) -> None:
        self._after(after_s + self.manner.think_s, lambda: self._next_key(keys))

    def _next_key(self, keys: str) -> None:
        # the rest first: the key may end the call, or bring the next question
        if keys[1:]:
            self._after(self.manner.gap_s, lambda: self._next_key(keys[1:]))
        self.leg.key(keys[0])

    def _after(self, delay_s: float, then: Callable[[], None]) -> None:
        self._forget()
        self._timer = self.leg.clock.call_later(delay_s, then)

    def _forget(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def outcome(does: Does, manner: Manner = Manner()) -> Outcome:
    """Return what a dial meets where the debtor `does` this."""
    if does in UNANSWERED:
        return UNANSWERED[does]
    machine_s = MACHINE_S if does is Does.MACHINE else None
    return Rings(lambda: Debtor(does, manner), rings=manner.rings, machine_after_s=machine_s)
