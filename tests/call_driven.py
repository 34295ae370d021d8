"""Drives a `Call` by hand: keeps what it has ordered, so that a test can answer it or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ivrd.call import Call
from ivrd.commands import (
    CancelTimer,
    Command,
    Dial,
    OffHook,
    OnHook,
    Play,
    Run,
    StartTimer,
    Stop,
    Transfer,
)
from ivrd.events import T_DIGIT, T_EOF, T_LONG, T_RING, T_TIME, Event, Json
from ivrd.flow.machine import FlowMachine

Order = OffHook | OnHook | Dial | Transfer | Run


class Driven:
    """A call, and what is under way in it: the last order, play and timers, by their ids."""

    def __init__(
        self, machine: FlowMachine, facts: Mapping[str, Json], lang: str = "zh-CN"
    ) -> None:
        self.call = Call(machine, facts, lang)
        self.at_s = 0.0
        self.order: Order | None = None
        self.plays: dict[int, Play] = {}
        self.timers: dict[str, tuple[int, float]] = {}
        self.ids: list[int] = []
        self.commands: list[Command] = []

    @property
    def state(self) -> str:
        return self.call.state

    def feed(self, event: Event) -> list[Command]:
        """Hand an event to the call and take note of what it orders."""
        if event.name == T_EOF and event.id is not None:
            self.plays.pop(event.id, None)
        if self.timers.get(event.name, (None, 0.0))[0] == event.id:
            self.timers.pop(event.name, None)
        commands = self.call.handle(event, self.at_s)
        for command in commands:
            self._note(command)
        self.commands += commands
        return commands

    def _note(self, command: Command) -> None:
        if not isinstance(command, Stop | CancelTimer) and hasattr(command, "id"):
            self.ids.append(command.id)
        match command:
            case Play():
                self.plays[command.id] = command
            case Stop():
                self.plays.pop(command.id)
            case StartTimer():
                self.timers[command.event] = (command.id, self.at_s + command.after_s)
            case CancelTimer():
                if self.timers.get(T_TIME, (0, 0.0))[0] == command.id:
                    del self.timers[T_TIME]
            case OffHook() | OnHook() | Dial() | Transfer() | Run():
                self.order = command
            case _:
                pass

    def send(self, name: str, **data: Json) -> list[Command]:
        """Send an event that answers nothing."""
        return self.feed(Event(name, None, data))

    def ring(self) -> list[Command]:
        return self.send(T_RING, caller="", called="170")

    def key(self, keys: str, gap_s: float = 0.1) -> list[Command]:
        """Key one key after the other; what the last one ordered comes back."""
        commands: list[Command] = []
        for key in keys:
            self.at_s += gap_s
            commands = self.feed(Event(T_DIGIT, None, {"key": key}))
        return commands

    def answer(self, event: str, **data: Json) -> list[Command]:
        """Answer the last order."""
        assert self.order is not None
        return self.feed(Event(event, self.order.id, data))

    def play_ends(self, heard_s: float = 1.0) -> list[Command]:
        """Let the play that was ordered last come to its end."""
        ident = max(self.plays)
        del self.plays[ident]
        return self.feed(Event(T_EOF, ident, {"heard_s": heard_s}))

    def wait(self, event: str = T_TIME) -> list[Command]:
        """Let time pass until the timer of this event goes off."""
        ident, due_s = self.timers.pop(event)
        self.at_s = max(self.at_s, due_s)
        return self.feed(Event(event, ident))

    def next_timer(self) -> str:
        """Return the event of the timer that goes off first."""
        return min(self.timers, key=lambda event: (self.timers[event][1], event == T_LONG))

    @property
    def said(self) -> list[str]:
        """Names of the sentences of the last play ordered."""
        plays = [command for command in self.commands if isinstance(command, Play)]
        return [say.sentence for say in plays[-1].sentences] if plays else []


def of(kind: type[Any], commands: list[Command]) -> list[Any]:
    """Return the commands of one kind."""
    return [command for command in commands if isinstance(command, kind)]
