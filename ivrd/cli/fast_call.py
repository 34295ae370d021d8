"""A call within this process, on virtual time: over before a telephone would have rung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ivrd.cli.telephone import HANG_UP, Display
from ivrd.commands import Utterance
from ivrd.config import Config
from ivrd.simulation import Office
from sim.caller import ScriptedCaller
from sim.party import Ending, Leg
from sim.script import keys_script
from sim.steps import HangUp, Listen, Script

LONGEST_S = 3600.0


def fast_call(
    config: Config, words: Sequence[str], caller: str, called: str, wav: Path | None,
    display: Display,
) -> bool:  # fmt: skip
    """Hold one call with the enquiry service; return whether all was keyed."""
    office = Office(config, datetime.now(config.zone), lines=1)
    try:
        party = _Party(_script(words, caller, called), display)
        leg = party.call(office.card)
        office.clock.run_while(lambda: not party.finished, LONGEST_S)
        office.clock.run_until_idle(LONGEST_S)
        if wav is not None and leg is not None:
            leg.write_wav(wav)
            display.remark("written", f"what was heard: {wav}", file=str(wav))
    finally:
        office.close()
    if party.failure is not None:
        display.remark("failed", party.failure)
    return party.passed


def _script(words: Sequence[str], caller: str, called: str) -> Script:
    """Return the script for words of keys, the last of which may hang up."""
    if not (words and words[-1].endswith(HANG_UP)):
        return keys_script(" ".join(words), caller, called)
    script = keys_script(" ".join(words[:-1]), caller, called)
    before = () if words[-1].startswith("!") else (Listen(),)
    return replace(script, steps=(*script.steps[:-1], *before, HangUp()))


class _Party(ScriptedCaller):
    """Follows a script and shows what a telephone would."""

    def __init__(self, script: Script, display: Display) -> None:
        super().__init__(script)
        self._display = display
        self._shown = 0

    def joined(self, leg: Leg) -> None:
        self.leg = leg
        self._tell("ringing")
        super().joined(leg)

    def answered(self) -> None:
        self._tell("answered")
        super().answered()

    def hears(self, utterance: Utterance) -> None:
        self._tell("heard", sentence=utterance.sentence, text=utterance.text, lang=utterance.lang)
        super().hears(utterance)

    def ended(self, by: Ending) -> None:
        if by is Ending.BUSY:
            self._tell("busy")
        else:
            self._tell("ended", by="ivrd" if by is Ending.IVRD else "caller")
        super().ended(by)

    def _tell(self, event: str, **more: Any) -> None:
        for _, key in self.keyed[self._shown :]:
            self._display.keyed(key)
        self._shown = len(self.keyed)
        at_s = round(self.leg.clock.monotonic() - self.leg.started_s, 3)
        self._display.event({"event": event, "at_s": at_s, **more})
