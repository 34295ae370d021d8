"""The dumps in stand-alone mode: what was imported speaks as the database itself does."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrd.billing.mapping import load_mapping
from ivrd.errors import MappingError
from tests.billing.dumped import DUMPS, KIND, dumped, expected_of, voices_with
from tests.billing.import_places import embedded_reader, import_url, order
from tests.billing.places import BillingServer
from tests.billing.test_dumps import debtors_told, found, heard, written

CANNOT = {"wuye"}
"""Bills of quarters, whose items alone know what is paid."""


def source_of(name: str, folder: Path, request: pytest.FixtureRequest) -> str:
    server: BillingServer | None = None
    if KIND[name] != "sqlite":
        server = request.getfixturevalue(KIND[name])
    return dumped(name, server, folder)


@pytest.mark.parametrize("name", sorted(KIND.keys() - CANNOT))
def test_what_was_imported_speaks_and_owes_the_same(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    mapping, expected = load_mapping(DUMPS / f"{name}.toml"), expected_of(name)
    what = order(tmp_path)
    report = import_url(source_of(name, tmp_path, request), mapping, what)
    assert report.refused == 0
    voices = voices_with(expected.items, tmp_path / "voices")
    with embedded_reader(what.file, mapping) as reader:
        for caller in expected.callers:
            account = found(reader, caller.phone, caller.agreement)
            assert (account.id if account else "") == caller.account
            for month, words in caller.hears.items():
                assert heard(reader.bill(caller.account, month), voices) == words, month
            owed = sum(one.amount_fen for one in reader.arrears(caller.account))
            assert owed == caller.owes_fen
            for month, lines in caller.calls.items():
                told = [reader.details(caller.account, month, n + 1) for n in range(len(lines))]
                assert [written(call) for call, _ in told if call] == lines
        assert debtors_told(reader) == expected.debtors


def test_what_has_no_place_in_a_file_of_ones_own_is_refused_with_a_remedy(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(MappingError) as refused:
        import_url(
            source_of("wuye", tmp_path, request), load_mapping(DUMPS / "wuye.toml"), order(tmp_path)
        )
    assert {problem.key for problem in refused.value.problems} == {"bill.paid", "bill.month"}
    assert all("a view will do" in str(problem.expected) for problem in refused.value.problems)
