"""Every cause that Asterisk was seen to give for a dial, and what ivrd makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.asterisk.causes import given_up, of_transfer, outcome
from ivrd.events import T_BUSY, T_FAULT, T_NOANS, T_REFUSED, Refusal

SEEN = [
    # SIP, cause, event, reason
    (486, 17, T_BUSY, None),
    (600, 17, T_BUSY, None),
    (480, 19, T_NOANS, None),
    (408, 18, T_NOANS, None),
    (404, 1, T_REFUSED, Refusal.UNALLOCATED),
    (604, 1, T_REFUSED, Refusal.UNALLOCATED),
    (484, 28, T_REFUSED, Refusal.INCOMPLETE),
    (603, 21, T_REFUSED, Refusal.REJECTED),
    (403, 21, T_REFUSED, Refusal.REJECTED),
    (410, 22, T_REFUSED, Refusal.CHANGED),
    (None, 27, T_REFUSED, Refusal.OUT_OF_SERVICE),
    (None, 20, T_REFUSED, Refusal.OUT_OF_SERVICE),
    (488, 58, T_FAULT, None),
    (500, 38, T_FAULT, None),
    (503, 34, T_FAULT, None),
    # what Asterisk says of the called person, though it is our trunk's fault
    (401, 21, T_FAULT, None),
    (407, 21, T_FAULT, None),
    (483, 19, T_FAULT, None),
    (502, 27, T_FAULT, None),
    # causes that say nothing: nobody was disturbed unless it rang
    (None, 0, T_FAULT, None),
    (None, 16, T_FAULT, None),
    (None, 999, T_FAULT, None),
]


@pytest.mark.parametrize(("sip", "cause", "name", "reason"), SEEN)
def test_a_cause_becomes_one_event(
    sip: int | None, cause: int, name: str, reason: Refusal | None
) -> None:
    event, data = outcome(cause, sip, rang=False)
    assert (event, data["cause"], data.get("tech_cause")) == (name, cause, sip)
    assert data.get("reason") == reason


@pytest.mark.parametrize("cause", [0, 16, 31])
def test_a_cause_that_says_nothing_after_ringing_means_no_answer(cause: int) -> None:
    assert outcome(cause, None, rang=True) == (T_NOANS, {"rang": True, "cause": cause})


def test_no_answer_tells_whether_it_rang() -> None:
    assert outcome(19, 480, rang=True)[1]["rang"] is True
    assert outcome(19, 480, rang=False)[1]["rang"] is False
    assert given_up(rang=True) == (T_NOANS, {"rang": True, "cause": 19})
    assert given_up(rang=False) == (T_NOANS, {"rang": False, "cause": 18})


@given(st.integers(0, 200), st.none() | st.integers(100, 699), st.booleans())
def test_every_cause_has_an_outcome_that_keeps_the_raw_one(
    cause: int, sip: int | None, rang: bool
) -> None:
    name, data = outcome(cause, sip, rang=rang)
    assert name in {T_BUSY, T_NOANS, T_REFUSED, T_FAULT}
    assert data["cause"] == cause
    assert (name == T_REFUSED) == ("reason" in data)
    assert (name == T_NOANS) == ("rang" in data)


@given(st.integers(0, 200), st.booleans())
def test_a_transfer_that_fails_is_refused_and_says_how(cause: int, rang: bool) -> None:
    dial = outcome(cause, None, rang=rang)
    name, data = of_transfer(dial)
    assert name == T_REFUSED
    assert data["reason"] in set(Refusal)
    assert data.get("outcome", T_REFUSED) == dial[0]
