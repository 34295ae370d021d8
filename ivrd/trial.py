"""Test calls: the one place that lets a number of the test list be dialled.

The gate makes a permit for one number of ``[dial] test``, used up by the line that takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ivrd.card import DialPermit
from ivrd.commands import Command, Play
from ivrd.config import Dial
from ivrd.dunning.dialler import SHOWN, cannot_dial
from ivrd.dunning.gate import ListedNumbers
from ivrd.errors import IvrdError
from ivrd.events import (
    T_BUSY,
    T_DIGIT,
    T_EOF,
    T_FAULT,
    T_LC,
    T_LCON,
    T_LCTERM,
    T_MACHINE,
    T_NOANS,
    T_REFUSED,
    U_TIME,
    Event,
    Json,
)
from ivrd.flow.machine import FlowMachine
from ivrd.line import Line
from ivrd.records import CallRecord, Status
from ivrd.service import Service

Tell: TypeAlias = Callable[[dict[str, Json]], None]
"""Takes one thing that happened in a test call: `event`, `at_s`, and what belongs to it."""

_WORDS = {
    T_LCON: "answered",
    T_BUSY: "busy",
    T_NOANS: "no answer",
    T_REFUSED: "refused",
    T_FAULT: "fault",
    T_MACHINE: "machine",
    T_LCTERM: "far end hung up",
    T_LC: "card gone",
    T_EOF: "heard",
    T_DIGIT: "key",
}
"""What is told of a call, by the event that it is made of."""


class Trials:
    """Places test calls, and nothing else: `dial` is the list, None where there is none.

    `stopped` says whether the kill switch is on.
    """

    def __init__(self, dial: Dial | None, *, stopped: Callable[[], bool] = lambda: False) -> None:
        self._listed: ListedNumbers | None = None
        if dial is not None:
            self._listed = ListedNumbers(dial.caller_id, test=dial.test, stopped=stopped)

    def place(
        self,
        number: str,
        wanted: int | None,
        lines: Mapping[int, Line],
        service: Service,
        machine: FlowMachine | None,
        tell: Tell,
    ) -> Trial:
        """Dial a number of the test list on the line wanted, or on the last that is idle.

        Raises `IvrdError`: why the call is not placed.
        """
        if self._listed is None or machine is None:
            raise IvrdError("nothing may be dialled: ivrd.toml has no table [dial] with test and"
                            " caller_id")  # fmt: skip
        line = _line(lines, wanted)
        permit = self._listed.permit_test("".join(number.split()), line.clock.now())
        return Trial(line, replace(service, machine=machine), permit, tell)


class Trial:
    """One test call under way, which tells how it goes."""

    def __init__(self, line: Line, service: Service, permit: DialPermit, tell: Tell) -> None:
        self.line = line
        self.call = ""
        """The call's id, as in the line's log."""
        self._service = service
        self._tell = tell
        self._began_s = line.clock.monotonic()
        self._outcome: dict[str, Json] = {}
        self._say("dialling", line=line.number, card=line.settings.card, caller_id=permit.caller_id)
        line.place(service, permit, {}, Event(U_TIME), follower=self)
        if line.talk is not None:
            self.call = line.talk.id

    def stop(self, reason: str) -> None:
        """End the call with a sentence; nothing happens where it has ended."""
        if self.line.talk is not None and self.line.talk.follower is self:
            self.line.stop_call(reason)

    def took(self, step: tuple[Event, Sequence[Command]]) -> None:
        """Tell an event of the call, and what is spoken upon it."""
        event, commands = step
        if event.name in _WORDS:
            self._say(_WORDS[event.name], **event.data)
        if event.name in _WORDS.keys() - {T_LCON, T_EOF, T_DIGIT}:
            self._outcome = {"how": _WORDS[event.name], **event.data}
        for command in commands:
            if isinstance(command, Play):
                self._speaks(command)

    def ended(self, record: CallRecord) -> None:
        """Tell how the call went."""
        self._say(
            "ended", by=record.ended_by, left_in=record.left_in, notes=list(record.notes),
            lasted_s=record.lasted_s, call=record.call, answered="answered" in record.notes,
            **self._outcome,
        )  # fmt: skip

    def _speaks(self, play: Play) -> None:
        for say in play.sentences:
            text = self._service.voice.utterance(say, self._service.lang).text
            self._say("speaks", sentence=say.sentence, text=text)

    def _say(self, event: str, **more: Json) -> None:
        at_s = round(self.line.clock.monotonic() - self._began_s, 3)
        self._tell({"event": event, "at_s": at_s, **more})


def _line(lines: Mapping[int, Line], wanted: int | None) -> Line:
    """Return an idle line that can dial; callers come in from the first, so this takes the last."""
    if wanted is not None and wanted not in lines:
        there = ", ".join(str(number) for number in lines) or "none"
        raise IvrdError(f"no line {wanted} is open; there are {there}")
    reasons: list[str] = []
    for number in [wanted] if wanted is not None else sorted(lines, reverse=True):
        why = _unfit(lines[number])
        if not why:
            return lines[number]
        reasons.append(f"line {number} {why}")
    told = "; ".join(reasons[:SHOWN]) + ("; …" if len(reasons) > SHOWN else "")
    if wanted is not None:
        raise IvrdError(told)
    raise IvrdError(f"no line is free to dial: {told or 'no card is open'}")


def _unfit(line: Line) -> str:
    """Return why a line cannot place a call now; "" where it can."""
    why = cannot_dial(line)
    if not why and line.status is not Status.IDLE:
        return f"is {line.status}{f': {line.reason}' if line.reason else ''}"
    return why
