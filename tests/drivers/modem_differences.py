"""Where a scripted call goes otherwise on an analogue line, and why no modem can help it.

All other calls of `tests/traces` go as their files say, to the word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sim.party import Ending
from sim.steps import Ended, Script
from tests.call_files import CallFile


@dataclass(frozen=True)
class Differs:
    """What takes the place of lines of a call's file."""

    why: str
    expects: Mapping[str, list[str]] = field(default_factory=dict)
    """`expect` lines; an empty list: that line falls away."""
    ended: Ending | None = None
    """Who ends the call, for the last step."""
    ends_before: str = ""
    """The first step that is not reached: the call has ended before it."""
    hears: frozenset[str] = frozenset()
    """Sentences that are heard though the file says `never`."""
    spoilt: bool = False
    """Whether samples are lost on the way to the modem: the trouble that the call is about."""


_NO_REFUSAL = "a modem refuses a call by taking it and hanging up: the caller hears no busy tone"
_RESET = "a modem that falls silent in a play is found within seconds, and reset: the call is lost"

DIFFERENCES: Mapping[str, Differs] = {
    "enquiry_is_closed_and_busy": Differs(_NO_REFUSAL, ended=Ending.IVRD),
    "line_that_is_off_and_busy": Differs(_NO_REFUSAL, ended=Ending.IVRD),
    "line_that_is_off_never_answers": Differs(_NO_REFUSAL, ended=Ending.IVRD),
    "gives_up_as_it_is_answered": Differs(_NO_REFUSAL, ended=Ending.IVRD),
    "operator_stops_it_as_it_is_answered": Differs(_NO_REFUSAL, ended=Ending.IVRD),
    "ring_comes_after_the_caller_has_gone": Differs(
        "an analogue line that rang can be taken when the caller has gone: dial tone tells it",
        {"ended_by": ["caller"], "left_in": ["ask_language"], "remark": []},
    ),
    "forty_one_keys_ahead": Differs(
        "41 keys take 6.5 s on a telephone line: 15 of them come during the lookup, none too many",
        {"remark": [], "counter": []},
    ),
    "card_falls_silent_for_a_while": Differs(
        _RESET,
        {"ended_by": ["card"], "left_in": ["ask_month"], "notes": ["none"], "remark": [
            "play_without_end", "no_answer_to_on_hook", "out_of_service", "stray",
            "in_service_again"]},
        ended=Ending.IVRD, ends_before="nothing_keyed", spoilt=True,
    ),
    "card_falls_silent_in_the_call": Differs(
        _RESET,
        {"ended_by": ["card"], "left_in": ["ask_lookup"],
         "status": ["out of service: no loop signal: memory1: the modem does not begin a play"],
         "remark": ["no_answer_to_on_hook", "out_of_service", "in_service_again"]},
        spoilt=True,
    ),
    "called_person_rejects_the_call": Differs(
        "who rejects a call is busy to an analogue line",
        {"notes": ["busy"]},
    ),
    "machine_answers": Differs(
        "no modem tells a machine that speaks from a person: it is asked who is there, three times",
        {"left_in": ["goodbye"], "notes": ["answered", "not_confirmed"], "kept": []},
        hears=frozenset({"reminder_goodbye"}),
    ),
}  # fmt: skip


def as_on_a_modem(call: CallFile) -> CallFile:
    """Return a call as an analogue line has it."""
    differs = DIFFERENCES.get(call.name)
    if differs is None:
        return call
    expected = {
        name: words for name, words in {**call.expected, **differs.expects}.items() if words
    }
    return replace(call, expected=expected, script=_script(call.script, differs))


def _script(script: Script, differs: Differs) -> Script:
    steps = script.steps
    if differs.ends_before:
        names = [getattr(step, "sentence", "") for step in steps]
        steps = steps[: names.index(differs.ends_before) + 1]
    if differs.ended:
        steps = (*steps[:-1], Ended(differs.ended))
    return replace(script, steps=steps, never=script.never - differs.hears)
