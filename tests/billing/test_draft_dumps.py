"""`billing init` on dumps of other vendors: its draft, as it stands, reads what people worked out.

What no data can tell is decided by hand below, as an operator would, and by nothing else.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrd.billing.check import check_billing
from ivrd.billing.draft.drafting import draft_mapping
from ivrd.billing.draft.write import toml_of
from ivrd.billing.entities import Bill, NotReady
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.reader import BillingReader
from tests.billing.dumped import DUMPS, KIND, dumped, expected_of
from tests.billing.places import BillingServer, reader_engine

DECIDED = {
    # 0 in service, 1 suspended, 2 closed: nothing in the database says so
    "jfxt_county": {"[bill]": "where.YHZT = [0, 1]\n\n[bill]"},
    "bss97": {"[account.join.customer]": "where.STATE = [0, 1]\n\n[account.join.customer]"},
    # rooms that stand empty: two rooms of one owner, and one number for both
    "wuye": {"[account.join.user]": "where.Empty = false\n\n[account.join.user]"},
}
"""What a person decides: text of the draft, and what is written instead."""


@pytest.mark.parametrize("name", KIND)
def test_a_draft_of_a_dump_reads_what_was_worked_out_by_hand(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server: BillingServer | None = None
    if KIND[name] != "sqlite":
        server = request.getfixturevalue(KIND[name])
    engine = reader_engine(dumped(name, server, tmp_path))
    try:
        text = toml_of(draft_mapping(engine))
        for old, new in DECIDED.get(name, {}).items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        file = tmp_path / "drafted.toml"
        file.write_text(text, encoding="utf-8")
        mapping = load_mapping(file)
        checked = check_billing(mapping, engine)
        assert [str(problem) for problem in checked.problems] == []
        assert checked.sample is not None
        today = expected_of(name).today
        _compare(
            name,
            BillingReader(mapping, engine, today=lambda: today),
            BillingReader(_by_hand(name), engine, today=lambda: today),
        )
    finally:
        engine.dispose()


def _by_hand(name: str) -> BillingMapping:
    return load_mapping(DUMPS / f"{name}.toml")


def _compare(name: str, mine: BillingReader, theirs: BillingReader) -> None:
    """Compare what each caller of a dump hears, by the draft and by the mapping made by hand."""
    heard = 0
    for caller in expected_of(name).callers:
        if caller.phone:
            account = mine.find_by_phone(caller.phone)
        else:
            account = mine.find_by_agreement(caller.agreement or "")
        assert (account.id if account else "") == caller.account, caller
        if account is None:
            continue
        for month in caller.hears:
            own, other = mine.bill(account.id, month), theirs.bill(account.id, month)
            assert _told(own) == _told(other), (caller.account, month)
            heard += isinstance(own, Bill)
        owed = sum(one.amount_fen for one in mine.arrears(account.id))
        assert owed == caller.owes_fen, caller.account
    assert heard > 2


def _told(bill: Bill | NotReady | None) -> object:
    """Return what is the same whatever the items are called."""
    if not isinstance(bill, Bill):
        return bill
    assert sum(item.amount_fen for item in bill.items) == bill.total_fen
    return bill.total_fen, bill.paid, bill.due
