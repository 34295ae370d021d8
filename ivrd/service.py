"""What a line runs: a service made of a flow, its facts, its actions and its voice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ivrd.card import DialPermit
from ivrd.commands import Say, Utterance
from ivrd.events import Data, Json
from ivrd.flow.actions import Answer
from ivrd.flow.machine import FlowMachine


class Voice(Protocol):
    """Makes sentences audible (`ivrd.prompts`)."""

    def utterance(self, say: Say, lang: str) -> Utterance:
        """Return `say` as audio files; raises `SpeechError`."""


class Actions(Protocol):
    """Carries out what a flow asks of the application (`ivrd.runner`)."""

    def start(self, name: str, args: Data, answer: Callable[[Answer], None]) -> None:
        """Start an action; `answer` is called once, later, where `Line.feed` may be called."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a call runs: a flow with its facts, actions and voice, and the language it begins in.

    `facts` gives the flow's ``knows`` for a caller's and a called number. A reload gives lines
    another service; a call in progress keeps the one it has.
    """

    machine: FlowMachine
    facts: Callable[[str, str], dict[str, Json]]
    actions: Actions
    voice: Voice
    lang: str
    transfer: Callable[[], DialPermit | None] | None = None
    """Gives the permit to hand a call to a person, where that is set up."""
