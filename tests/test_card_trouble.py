"""Every fault of a card in a real call: back on hook and in service, with a log that says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from ivrd.events import T_DIGIT, T_EOF, T_LC, T_LCTERM, T_OFFH, T_ONH, T_RING, T_RINGOFF, Event
from ivrd.line import Line
from ivrd.records import Status
from ivrd.simulation import Office
from sim.caller import ScriptedCaller
from sim.faults import Dead, Double, Endless, Fault, Late, Lose, Swap
from sim.script import parse_script
from tests.call_families import FILES
from tests.call_files import CallFile
from tests.call_office import Databases, open_office
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


# -- a card that goes away and comes back ----------------------------------------------------------


@pytest.fixture
def office(databases: Databases, tmp_path: Path) -> Iterator[Office]:
    office = open_office(FILES[WHOLE_CALL], databases, tmp_path)
    yield office
    office.close()


def stands(line: Line) -> tuple[Status, str]:
    return line.status, line.reason


AWAY = (Status.OUT_OF_SERVICE, "no loop signal: card gone")


@pytest.mark.parametrize("away_s", [0.2, 1.0, 3.0, 7.0, 60.0, 3600.0])
def test_line_without_callers_is_back_as_soon_as_its_card(office: Office, away_s: float) -> None:
    line = office.lines[0]
    office.card.go_away()
    assert stands(line) == AWAY
    office.clock.run_for(away_s)
    assert stands(line) == AWAY
    office.card.come_back()
    office.clock.run_for(1.0)
    assert stands(line) == (Status.IDLE, "")


@pytest.mark.parametrize("away_s", [0.2, 3.0, 5.5, 7.0, 60.0])
def test_line_in_a_call_says_at_once_that_its_card_is_gone_and_is_back_with_it(
    office: Office, away_s: float
) -> None:
    line = office.lines[0]
    ScriptedCaller(parse_script("hear choose_mandarin\nwait 900\nhang up")).call(office.card)
    office.clock.run_for(1.0)
    assert stands(line) == (Status.IN_CALL, "")
    office.card.go_away()
    assert stands(line) == AWAY
    office.clock.run_for(away_s)
    assert stands(line) == AWAY
    office.card.come_back()
    office.clock.run_for(1.0)
    assert stands(line) == (Status.IDLE, "")
    assert [record.ended_by for record in office.records] == ["card"]
    assert line.talk is None


def test_line_whose_card_forgets_orders_is_tried_again_with_growing_pauses(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card never answers: every pause of 5 s is its own time, the others are ours."""
    line, channel = office.lines[0], office.card.channels[0]
    ordered: list[float] = []
    on_hook = channel.on_hook

    def note(ident: int) -> None:
        ordered.append(office.clock.monotonic())
        on_hook(ident)

    monkeypatch.setattr(channel, "on_hook", note)
    channel.inject(Dead())
    office.clock.run_for(0.1)
    line.feed(Event(T_LC, None, {}))
    office.clock.run_for(150.0)
    pauses = [round(later - earlier) for earlier, later in pairwise(ordered)]
    assert pauses[:5] == [7, 10, 15, 35, 35]
    channel.clear_faults()
    office.clock.run_for(35.0)
    assert stands(line) == (Status.IDLE, "")
