"""Scripted calls through the whole enquiry service, and what the log of each must show."""

from __future__ import annotations

import re

import pytest

from ivrd.billing.sample import KNOWN
from ivrd.records import Status
from tests.call_files import CallFile, every_call_file
from tests.call_office import Made
from tests.conftest import Calls

FILES = every_call_file()

LONGEST_SILENCE_S = 3.05
"""A caller who is waited for hears something again within the time limit of a lookup."""


@pytest.mark.usefixtures("no_leftovers")
@pytest.mark.parametrize("call", FILES, ids=lambda call: call.name)
def test_scripted_call(call: CallFile, calls: Calls) -> None:
    made = calls.made(call)
    assert made.failure is None, f"{call.shows}\n{made.report}"
    check_expectations(call, made)
    assert made.kept == sorted(call.expected.get("kept", [])), "what stands in the store"
    check_ending(made)
    assert not told_secrets(call, made)
    assert made.silence_s <= LONGEST_SILENCE_S


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
    assert set(made.remarks) == set(expected.get("remark", [])), "the line's remarks"
    for name, count in (words.split() for words in expected.get("counter", [])):
        assert getattr(made.counters, name) == int(count), name


def check_ending(made: Made) -> None:
    """See that the line is on hook, and that its log says why and replays."""
    assert made.status is Status.IDLE or made.reason
    assert made.back, "the line answers again"
    assert made.differences == []
    assert made.unended == 0, "the log says how each call ended"


def told_secrets(call: CallFile, made: Made) -> list[str]:
    """Return the private words that stand in the log, as text or key by key."""
    keys = "".join(re.findall(r' < T_DIGIT key="?(.)', made.text))
    known = [
        word
        for one in KNOWN
        for word in (one.subscriber.phone, one.subscriber.agreement, str(one.subscriber.id))
    ]
    found = [w for w in (*known, *call.secrets) if w in made.text or w in keys]
    # a caller's last four digits may be shown, those of what was keyed may not
    private = re.findall(r'\b(?:number|account|proof|other)"?[=:]"?([^"\s|,}]+)', made.text)
    return found + [value for value in private if value.strip("x") not in {"", "null"}]


def test_at_least_sixty_calls_each_says_what_it_shows() -> None:
    assert len(FILES) >= 60
    for call in FILES:
        first = call.path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("; "), call.name
        assert len(call.shows) > 20, call.name
    assert len({call.shows for call in FILES}) == len(FILES)
