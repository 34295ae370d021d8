"""What a caller hears of a bill that is paid: that it is, and not by when to pay it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ivrd.simulation import Office
from sim.caller import ScriptedCaller
from sim.script import parse_script
from tests.call_families import FILES
from tests.call_office import Databases, open_office

SCRIPT = """
hear choose_mandarin
key 1
hear enter_month
key {month}
hear choose_lookup
key 1
hear enter_phone
key 88610001#
hear menu_end
hang up
"""


@pytest.fixture
def office(databases: Databases, tmp_path: Path) -> Iterator[Office]:
    office = open_office(FILES["rich_bill_by_phone_number"], databases, tmp_path)
    yield office
    office.close()


@pytest.mark.parametrize(
    ("month", "said"),
    [("202609", ["bill_paid"]), ("202610", ["bill_unpaid", "bill_due"])],
    ids=["paid", "not paid"],
)
def test_only_who_has_not_paid_is_told_by_when_to_pay(
    office: Office, month: str, said: list[str]
) -> None:
    caller = ScriptedCaller(parse_script(SCRIPT.format(month=month)))
    caller.call(office.card)
    assert office.clock.run_while(lambda: not caller.finished, 600.0)
    office.clock.run_for(1.0)
    assert caller.failure is None, caller.report()
    heard = [sentence.sentence for sentence in caller.heard]
    assert [name for name in heard if name in {"bill_paid", "bill_unpaid", "bill_due"}] == said
