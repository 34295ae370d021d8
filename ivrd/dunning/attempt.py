"""Follows one reminder call on its line, and says what came of it (product D4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile

from ivrd.commands import Command, Dial, Play
from ivrd.dunning.closing import AttemptResult
from ivrd.errors import SpeechError
from ivrd.events import (
    T_BUSY,
    T_EOF,
    T_FAULT,
    T_LC,
    T_LCON,
    T_MACHINE,
    T_NOANS,
    T_REFUSED,
    Data,
    Event,
    Refusal,
)
from ivrd.line import Line
from ivrd.records import CallRecord
from ivrd.store.states import Outcome

MESSAGE = frozenset({"you_owe", "notice"})
"""The sentences with which a message begins: in its play, from there on is the message."""

_UNREACHED = frozenset({T_BUSY, T_NOANS, T_REFUSED})
"""Ends of a dial; after the answer they are those of a transfer."""

_REFUSALS: Mapping[str, Outcome] = {
    Refusal.UNALLOCATED: Outcome.UNALLOCATED,
    Refusal.INCOMPLETE: Outcome.UNALLOCATED,
    Refusal.CHANGED: Outcome.UNALLOCATED,
    Refusal.OUT_OF_SERVICE: Outcome.OUT_OF_SERVICE,
    Refusal.REJECTED: Outcome.REJECTED,
}

_NETWORK = frozenset({3, 34, 38, 41, 42, 43, 44, 47})
"""Causes of ITU-T Q.850 of network or trunk: no route, no circuit, congestion, out of order."""

_LATE = (
    # what a call came to, once somebody answered: the most telling note first
    ("transferred", Outcome.TRANSFERRED),
    ("told_in_full", Outcome.TOLD),
    ("settled", Outcome.SETTLED),
)


class Follower:
    """Takes the events of one call; `done` is told once what came of it."""

    def __init__(self, line: Line, done: Callable[[AttemptResult], None]) -> None:
        self._line = line
        self._done = done
        self._failed: Event | None = None
        self._dialled = False
        self._answered = False
        self._machine = False
        self._plays: dict[int, tuple[float, float]] = {}
        """Of each play of the message, by its id: what comes before it, and its own length."""
        self._heard_s = 0.0
        self._length_s = 0.0

    def took(self, step: tuple[Event, Sequence[Command]]) -> None:
        """Take note of what the record will need."""
        event, commands = step
        name = event.name
        if name in {T_FAULT, T_LC} or (name in _UNREACHED and not self._answered):
            self._failed = self._failed or event
        elif name == T_LCON:
            self._answered = True
        elif name == T_MACHINE:
            self._machine = True
        elif name == T_EOF and event.id in self._plays:
            self._message_ended(event)
        for command in commands:
            if isinstance(command, Dial):
                self._dialled = True
            elif isinstance(command, Play) and any(
                say.sentence in MESSAGE for say in command.sentences
            ):
                self._plays[command.id] = self._lengths_of(command)

    def _lengths_of(self, play: Play) -> tuple[float, float]:
        """Return the lengths now: when the play's end is told, the line may speak another."""
        talk = self._line.talk
        if talk is None:
            return 0.0, 0.0
        try:
            spoken = [talk.service.voice.utterance(say, talk.call.lang) for say in play.sentences]
        except SpeechError:
            return 0.0, 0.0  # the line says so, and ends the call
        aside = takewhile(lambda utterance: utterance.sentence not in MESSAGE, spoken)
        before_s = sum(utterance.duration_s for utterance in aside)
        return before_s, sum(utterance.duration_s for utterance in spoken) - before_s

    def _message_ended(self, event: Event) -> None:
        """Keep how much of the message was heard, of the play of which most was."""
        heard = event.data.get("heard_s")
        if event.id is None or not isinstance(heard, (int, float)):
            return
        before_s, length_s = self._plays[event.id]
        heard_s = max(0.0, heard - before_s)
        if heard_s >= self._heard_s:
            self._heard_s, self._length_s = heard_s, length_s

    def ended(self, record: CallRecord) -> None:
        """Say what came of it."""
        self._done(self._outcome(record))

    def _outcome(self, record: CallRecord) -> AttemptResult:
        notes = frozenset(record.notes)
        percent = 0
        if self._length_s:
            percent = min(100, round(100 * self._heard_s / self._length_s))
        return AttemptResult(
            self._word(notes),
            cause=self._cause(record),
            call=record.call,
            answered=self._answered,
            confirmed="confirmed" in notes,
            heard_s=round(self._heard_s, 2),
            heard_percent=percent,
            lasted_s=record.lasted_s,
            notes=tuple(record.notes),
        )

    def _word(self, notes: frozenset[str]) -> Outcome:
        if self._machine and "confirmed" not in notes:  # a machine keys nothing
            return Outcome.MACHINE
        if not self._answered:
            return self._unanswered()
        for note, outcome in _LATE:
            if note in notes:
                return outcome
        if "confirmed" in notes or self._heard_s > 0:
            return Outcome.TOLD_IN_PART
        return Outcome.NOT_CONFIRMED

    def _cause(self, record: CallRecord) -> str | None:
        """Return the raw cause; of a dial that the card said nothing of, who gave it up."""
        if self._failed is None and self._dialled and not (self._answered or self._machine):
            return f"given up by {record.ended_by}"
        return _raw(self._failed)

    def _unanswered(self) -> Outcome:
        event = self._failed
        if event is None:
            # given up by the operator, by time or by a fault: once dialled, it may have rung
            return Outcome.NO_ANSWER if self._dialled else Outcome.CANCELLED
        if event.name == T_BUSY:
            return Outcome.BUSY
        if event.name == T_NOANS:
            return Outcome.NO_ANSWER if event.data.get("rang", True) else Outcome.OUT_OF_SERVICE
        if event.name == T_REFUSED:
            return _REFUSALS.get(str(event.data.get("reason")), Outcome.NETWORK)
        if event.data.get("dialled") is False:
            return Outcome.CANCELLED
        if event.name == T_LC:
            return Outcome.UNKNOWN  # a card that went away while it dialled: it may have rung
        return Outcome.NETWORK if event.data.get("cause") in _NETWORK else Outcome.LINE_FAULT


def _raw(event: Event | None) -> str | None:
    """Return the raw cause as the card told it; no number of a person stands in it."""
    if event is None:
        return None
    data: Data = event.data
    parts = [str(data[key]) for key in ("cause", "tech_cause") if data.get(key) is not None]
    return " ".join([event.name, *parts])
