"""A modem made ready, and tested: that it is there, of its profile's model, and can speak."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from drivers.modem.link import Answer, Link
from drivers.modem.options import PortOptions
from drivers.modem.profile import GENERIC, profile_for
from drivers.modem.protocol import CAN, DLE, ETX

FIRST_S = 0.7
"""How long a modem may take to answer the first AT: it may have been left in a play."""

STEP_S = 3.0
"""How long it may take over each command; a reset takes longest."""

LEAVE_STREAM = bytes((DLE, CAN, DLE, ETX, DLE, DLE, DLE, ETX)) + b"\r"
"""Ends whatever a program that died may have left, on every model."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a modem said of itself."""

    model: str
    firmware: str


Ready = Callable[[Found], None]
Unfit = Callable[[str], None]


class Setup:
    """The commands that make a modem ready, one after the other.

    Then `ready` is called, or `unfit` with what was asked, what was answered, and what to do.
    """

    def __init__(self, link: Link, options: PortOptions, ready: Ready, unfit: Unfit) -> None:
        self._link = link
        self._options = options
        self._ready = ready
        self._unfit = unfit
        self._model = self._firmware = ""
        profile, settings = options.profile, options.settings
        expect_codes = f"the commands of {profile.title}: is `profile` right?"
        self._steps: list[tuple[str, str]] = [
            ("AT+GMM", "its model"),
            ("AT+GMR", "its firmware"),
            *[(line, expect_codes) for line in profile.init],
            (profile.set_vsm, "8-bit linear voice at 8000 Hz: is it a voice modem?"),
            (f"AT+VRA={round(settings.ringback_gone_s * 10)}", expect_codes),
            ("AT+VRN=255", expect_codes),  # no ringback is no answer: our own time-out decides
            ("ATS0=0", expect_codes),  # ATZ may have brought back that it answers by itself
        ]
        if settings.gain is not None:
            self._steps.append((f"AT+VGT={settings.gain}", "a gain that it can do"))

    def start(self) -> None:
        """Begin; the link must have its port."""
        if self._link.port:
            self._link.port.write(LEAVE_STREAM)
        self._link.ask("AT", self._first, FIRST_S)

    def _first(self, answer: Answer) -> None:
        if answer.word is None:
            self._fail("AT", answer, "OK from a modem: is it one, plugged in, and of no other use?")
        elif not answer.ok:  # that was for what we cleared away
            self._link.ask("AT", self._first_again, FIRST_S)
        else:
            self._next()

    def _first_again(self, answer: Answer) -> None:
        if answer.ok:
            self._next()
        else:
            self._fail("AT", answer, "OK from a modem")

    def _next(self) -> None:
        if not self._steps:
            self._ready(Found(self._model, self._firmware))
            return
        command, expected = self._steps.pop(0)

        def once(answer: Answer) -> None:
            if answer.ok:
                self._told(command, expected, answer)
            else:  # a byte of it may have been spoilt on the wire
                self._link.ask(command, lambda again: self._told(command, expected, again), STEP_S)

        self._link.ask(command, once, STEP_S)

    def _told(self, command: str, expected: str, answer: Answer) -> None:
        profile = self._options.profile
        said = " ".join(answer.lines)
        if command == "AT+GMM":
            self._model = said
            fits = profile_for(said)
            choose = f"profile {fits!r} is for this one" if fits else "none is for this one"
            if profile.model and profile.model.lower() not in said.lower():
                self._fail(command, answer, f"{profile.model}, the model of profile "
                           f"{profile.name!r}; {choose}")  # fmt: skip
                return
            if profile.name == GENERIC and fits:
                self._fail(command, answer, f"a model without a profile of its own; {choose}")
                return
        elif command == "AT+GMR":
            self._firmware = said
            if is_older(said, profile.least_firmware):
                self._fail(command, answer, f"firmware {profile.least_firmware} or newer; update "
                           "it with the maker's program")  # fmt: skip
                return
        elif not answer.ok:
            self._fail(command, answer, f"OK: {expected}")
            return
        self._next()

    def _fail(self, command: str, answer: Answer, expected: str) -> None:
        self._unfit(f"{self._options.device}: {command} was answered by {answer}; "
                    f"expected {expected}")  # fmt: skip


def is_older(firmware: str, least: str) -> bool:
    """Return whether a firmware is older than the least; one without a number is not."""
    found, needed = (re.search(r"\d+(\.\d+)*", text) for text in (firmware, least))
    if not (found and needed):
        return False
    return [*map(int, found[0].split("."))] < [*map(int, needed[0].split("."))]
