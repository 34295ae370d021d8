"""Every fault of a card in a real call: back on hook and in service, with a log that says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ivrd.events import T_DIGIT, T_EOF, T_LCTERM, T_OFFH, T_ONH, T_RING, T_RINGOFF
from ivrd.records import Status
from sim.faults import Dead, Double, Endless, Fault, Late, Lose, Swap
from tests.call_families import FILES
from tests.call_files import CallFile
from tests.conftest import Calls
from tests.test_traces import check_ending, told_secrets

EVENTS = (T_RING, T_RINGOFF, T_OFFH, T_DIGIT, T_EOF, T_LCTERM, T_ONH, None)
"""What the card tells in an enquiry; None is all of it."""

WHOLE_CALL = "detail_before_this_one"
HUNG_UP = "hangs_up_during_the_bill"
GIVEN_UP = "gives_up_while_it_rings"


def every_fault() -> Iterator[tuple[str, Fault]]:
    """Yield each kind of fault at each event: once, at random, and always."""
    for event in EVENTS:
        name = event or "any event"
        yield f"{name} always lost", Lose(event)
        yield f"{name} lost once", Lose(event, times=1)
        yield f"{name} lost at random", Lose(event, chance=0.3)
        yield f"{name} half a second late", Late(event, by_s=0.5)
        yield f"{name} ten seconds late", Late(event, by_s=10.0)
        yield f"{name} doubled", Double(event)
        yield f"{name} out of order", Swap(event)
    yield "every play endless", Endless()
    yield "one play endless", Endless(times=1, skip=1)
    for after_s in (0.0, 0.01, 3.0, 20.0, 60.0):
        yield f"dead after {after_s:g} s", Dead(after_s)
        yield f"dead after {after_s:g} s for 8 s", Dead(after_s, 8.0)


def troubled_calls() -> Iterator[CallFile]:
    """Yield calls on a card with each fault: one to its end, one hung up, one given up."""
    for name, fault in every_fault():
        for base, rings in ((WHOLE_CALL, "1"), (HUNG_UP, "1"), (GIVEN_UP, "2")):
            if base != WHOLE_CALL and not name.startswith(
                ("T_LC", "T_RING", "T_ONH", "dead", "any")
            ):
                continue
            call = FILES[base]
            yield replace(
                call,
                path=call.path.with_name(f"{name}, {base}.call"),
                script=replace(call.script, faults=(fault,), seed=5),
                office={**call.office, "rings": rings},
            )


@pytest.mark.parametrize("call", list(troubled_calls()), ids=lambda call: call.name)
def test_line_comes_back_from_a_fault_of_the_card(call: CallFile, calls: Calls) -> None:
    made = calls.made(call)
    check_ending(made)
    assert not told_secrets(call, made)
    assert made.counters.watchdog == 0, "the flow's own timers do"
    assert made.counters.errors == made.remarks.count("cannot_speak")
    if made.status is Status.OUT_OF_SERVICE:
        assert made.reason == "does not go on hook"
        assert "out_of_service" in made.remarks
        assert "in_service_again" in made.remarks
