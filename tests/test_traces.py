"""Scripted calls through the whole enquiry service, and what the log of each must show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from call_files import CallFile, every_call_file
from call_office import Databases, Made, make_call
from ivrd.commands import Play, Stop
from ivrd.events import T_DIGIT, T_EOF
from ivrd.flow.machine import FlowMachine
from ivrd.flow.spec import Kind
from ivrd.line import Status
from ivrd.trace import CallTrace, replay
from ivrd.billing.sample import KNOWN

CALLS = every_call_file()

LONGEST_SILENCE_S = 3.05
"""A caller who is waited for hears something again within the time limit of a lookup."""

PUBLIC = {"170"}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_scripted_call(
    call: CallFile, databases: Databases, tmp_path: Path, no_leftovers: None
) -> None:
    made = make_call(call, databases, tmp_path)
    assert made.caller.failure is None, f"{call.shows}\n{made.caller.report()}"
    check_expectations(call, made)
    check_log(call, made)
    assert made.status is Status.IDLE or made.reason
    assert made.back, "the line answers again"


def check_expectations(call: CallFile, made: Made) -> None:
    """See that the call went as its `expect` lines say."""
    expected = call.expected
    assert {"ended_by", "left_in", "notes"} <= set(expected), "every call says how it must go"
    record = made.record
    if expected["ended_by"] == ["none"]:
        assert record is None, "no call was to begin"
    else:
        assert record is not None
        assert record.ended_by == " ".join(expected["ended_by"])
        assert record.left_in == expected["left_in"][0]
        assert list(record.notes) == [word for word in expected["notes"] if word != "none"]
        assert record.lang == expected.get("lang", [record.lang])[0]
    status = " ".join(expected.get("status", ["idle"]))
    assert (f"{made.status}: {made.reason}" if made.reason else made.status) == status
    for remark in expected.get("remark", []):
        assert remark in made.remarks
    assert set(made.remarks) <= set(expected.get("remark", [])), "remarks that nobody expected"
    counters = dict(word.split() for word in expected.get("counter", []))
    for name, count in counters.items():
        assert getattr(made.counters, name) == int(count), name


def check_log(call: CallFile, made: Made) -> None:
    """See that the log replays, gives nothing away, and keeps no caller waiting in silence."""
    machine = made.office.parts.machine
    for trace in made.traces:
        assert trace.ended is not None, "the log says how the call ended"
        assert replay(trace, machine) is None
        assert longest_silence_s(trace, machine) <= LONGEST_SILENCE_S
    assert not told_secrets(call, made)


def told_secrets(call: CallFile, made: Made) -> list[str]:
    """Return the private words that stand in the log, as text or key by key."""
    keys = "".join(re.findall(r' < T_DIGIT key="?(.)', made.text))
    known = [
        word
        for one in KNOWN
        for word in (one.subscriber.phone, one.subscriber.agreement, str(one.subscriber.id))
    ]
    return [w for w in (*known, *call.secrets) if w in made.text or w in keys]


def longest_silence_s(trace: CallTrace, machine: FlowMachine) -> float:
    """Return the longest time in which nothing was spoken and nothing was asked."""
    longest = silent_from = 0.0
    playing: int | None = None
    state = machine.flow.start
    for step in trace.steps:
        ours = playing is None and _our_turn(machine, state)
        if ours:
            longest = max(longest, step.at_s - silent_from)
        if step.event.name == T_EOF and step.event.id == playing:
            playing, silent_from = None, step.at_s
        for _, _, command in step.orders:
            if isinstance(command, Play):
                playing = command.id
            elif isinstance(command, Stop) and command.id == playing:
                playing, silent_from = None, step.at_s
        if step.event.name == T_DIGIT and not ours:
            silent_from = step.at_s
        if step.state is not None:
            if not _our_turn(machine, state):
                silent_from = step.at_s
            state = step.state
    return round(longest, 3)


def _our_turn(machine: FlowMachine, state: str) -> bool:
    """Whether the caller, connected, waits for us in this state."""
    kind = machine.states[state].kind
    return kind in {Kind.DO, Kind.STATEMENT} and machine.states[state].do not in {
        "off_hook", "on_hook",
    }  # fmt: skip
