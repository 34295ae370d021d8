"""The enquiry and dunning calls of the software card, over modem driver and emulated modems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from drivers.modem.profile import load_profile, profile_names
from tests.call_files import CallFile, every_call_file
from tests.call_office import Databases, Made, make_call
from tests.conftest import Calls
from tests.drivers.modem_differences import DIFFERENCES, as_on_a_modem
from tests.drivers.modem_office import ModemsOfOffice, offices_with_modems
from tests.dunning.test_dunning_flow import check_private, check_said_when_done
from tests.test_traces import LONGEST_SILENCE_S, check_ending, check_expectations, told_secrets

FILES = [*every_call_file(), *every_call_file("dunning")]

PROFILE = "usr5637"
"""All calls are made on the model that tells least: a hang-up by busy tone alone."""

ON_EVERY_PROFILE = (
    "rich_bill_in_english", "interrupts_every_statement", "hangs_up_during_the_bill",
    "promise_is_confirmed_and_kept",
)  # fmt: skip


def made_on_modems(
    call: CallFile, profile: str, databases: Databases, logs: Path
) -> tuple[Made, Sequence[ModemsOfOffice]]:
    """Make a call over emulated modems; return how it went, and the modems."""
    modems: list[ModemsOfOffice] = []
    with offices_with_modems(load_profile(profile), modems):
        return make_call(call, databases, logs), modems


def check_call(call: CallFile, made: Made, modems: Sequence[ModemsOfOffice]) -> None:
    """See that the call went as its file says, and that each sample came that was ordered."""
    rings = not call.dials or call.dials in {"person", "machine"}
    assert not (rings and made.failure), f"{call.shows}\n{made.report}"
    check_expectations(call, made)
    assert made.kept == sorted(call.expected.get("kept", [])), "what stands in the store"
    check_ending(made)
    assert not told_secrets(call, made)
    assert made.silence_s <= LONGEST_SILENCE_S
    if call.dials:
        check_said_when_done(made)
        check_private(made)
    if not (call.name in DIFFERENCES and DIFFERENCES[call.name].spoilt):
        assert [(card.wrong_samples, card.underruns) for card in modems] == [(0, 0)]


@pytest.mark.parametrize("call", FILES, ids=lambda call: call.name)
def test_scripted_call_on_a_modem(call: CallFile, databases: Databases, tmp_path: Path) -> None:
    call = as_on_a_modem(call)
    made, modems = made_on_modems(call, PROFILE, databases, tmp_path)
    check_call(call, made, modems)


@pytest.mark.parametrize("profile", [name for name in profile_names() if name != PROFILE])
@pytest.mark.parametrize("name", ON_EVERY_PROFILE)
def test_scripted_call_on_every_profile_as_on_the_software_card(
    name: str, profile: str, databases: Databases, calls: Calls, tmp_path: Path
) -> None:
    call = next(call for call in FILES if call.name == name)
    made, modems = made_on_modems(call, profile, databases, tmp_path)
    check_call(call, made, modems)
    software = calls.made(call)
    assert made.heard == software.heard
    # what comes for an order that is over: the end of each play that a key has cut, on any card
    assert made.counters.stale == software.counters.stale


def test_every_difference_is_of_a_call_that_there_is_and_says_why() -> None:
    assert set(DIFFERENCES) <= {call.name for call in FILES}
    assert all(len(differs.why) > 20 for differs in DIFFERENCES.values())
