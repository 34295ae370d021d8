"""One scripted caller of an emulated modem, who calls when a host has made it ready."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ivrd.clock import Clock, Timer
from sim.caller import ScriptedCaller
from sim.modem import Modem
from sim.modem_bank import ModemBank
from sim.modem_line import Hook
from sim.modem_tape import Tape
from sim.script import Script

LOOK_S = 0.5
"""How often it is looked whether a modem is ready."""

SETTLED_S = 1.0
"""How long a modem must have been left alone, on hook and in voice mode, before somebody calls."""

ON_HOOK_S = 10.0
"""How long the host may take to hang up when the caller has."""


class ScriptedModemCaller(ScriptedCaller):
    """Follows a script in one call; `done` is set when it has come to its end, or failed.

    With `wav`, the sound that came through the call is written there.
    """

    def __init__(self, clock: Clock, bank: ModemBank, script: Script, wav: Path | None) -> None:
        super().__init__(script, when_finished=lambda _: self._over())
        self.done = asyncio.Event()
        self._clock = clock
        self._bank = bank
        self._wav = wav
        self._ready_s: float | None = None
        self._over_s = 0.0
        self._tape: Tape | None = None
        self._look: Timer | None = None

    def start(self) -> None:
        """Wait for a modem that is ready, and call."""
        now_s = self._clock.monotonic()
        ready = next((modem for modem in self._bank.modems if _is_ready(modem)), None)
        if ready is None:
            self._ready_s = None
        elif self._ready_s is None:
            self._ready_s = now_s
        elif now_s - self._ready_s >= SETTLED_S:
            ready.line.ring(self.script.caller, self.script.called, self)
            return
        self._look = self._clock.call_later(LOOK_S, self.start)

    def stop(self) -> None:
        """Call no more; safe to repeat."""
        if self._look:
            self._look.cancel()

    def answered(self) -> None:
        """Begin to keep the sound."""
        if self._wav and self.leg.channel:
            line = self._bank.modems[self.leg.channel - 1].line
            coding = self._bank.modems[self.leg.channel - 1].profile.coding
            self._tape = line.tape = Tape(coding, self._clock.monotonic())
        super().answered()

    def _over(self) -> None:
        if self._tape and self._wav:
            self._tape.write_wav(self._wav)
        self._over_s = self._clock.monotonic()
        self._look = self._clock.call_later(LOOK_S, self._leave)

    def _leave(self) -> None:
        """End when the host has hung up as well, or does not."""
        waited_s = self._clock.monotonic() - self._over_s
        if all(modem.line.hook is Hook.IDLE for modem in self._bank.modems) or waited_s > ON_HOOK_S:
            self.done.set()
        else:
            self._look = self._clock.call_later(LOOK_S, self._leave)


def _is_ready(modem: Modem) -> bool:
    """Whether a host has put a modem into voice mode, and it is on hook."""
    return modem.wire is not None and modem.line.free and modem.settings.voice
