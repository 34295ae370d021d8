"""Databases that nobody here made, each on its own server: one mapping, and the bill is spoken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from ivrd.billing.check import Check, check_billing
from ivrd.billing.entities import Account, Bill, CallDetail, NotReady
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.cli.billing import bill_text
from ivrd.prompts import Voices
from tests.billing.dumped import DUMPS, KIND, Expected, dumped, expected_of, voices_with
from tests.billing.places import BillingServer, reader_engine


@pytest.fixture(scope="module", params=KIND)
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def engine(
    name: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Engine]:
    server: BillingServer | None = None
    if KIND[name] != "sqlite":
        server = request.getfixturevalue(KIND[name])
    made = reader_engine(dumped(name, server, tmp_path_factory.mktemp("dump")))
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def expected(name: str) -> Expected:
    return expected_of(name)


@pytest.fixture(scope="module")
def mapping(name: str) -> BillingMapping:
    return load_mapping(DUMPS / f"{name}.toml")


@pytest.fixture(scope="module")
def reader(mapping: BillingMapping, engine: Engine, expected: Expected) -> BillingReader:
    return BillingReader(mapping, engine, today=lambda: expected.today)


@pytest.fixture(scope="module")
def voices(expected: Expected, tmp_path_factory: pytest.TempPathFactory) -> Voices:
    return voices_with(expected.items, tmp_path_factory.mktemp("voices"))


def heard(bill: Bill | NotReady | None, voices: Voices) -> str:
    if bill is None:
        return "no bill"
    return "not ready" if isinstance(bill, NotReady) else bill_text(bill, voices, "zh-CN")


def written(call: CallDetail) -> str:
    return (
        f"{call.position} {call.area_code} {call.other_number} {call.started.isoformat()}"
        f" {call.seconds}s {call.charge_fen}"
    )


def found(reader: BillingReader, phone: str | None, agreement: str | None) -> Account | None:
    return reader.find_by_phone(phone) if phone else reader.find_by_agreement(agreement or "")


def test_the_check_finds_nothing_wrong_and_reads_a_bill(
    mapping: BillingMapping, engine: Engine
) -> None:
    told: Check = check_billing(mapping, engine)
    assert [str(problem) for problem in told.problems] == []
    assert told.sample
    assert told.account
    assert not [warning for warning in told.warnings if warning.rule == "total"]


def test_each_caller_is_known_and_hears_their_bills(
    reader: BillingReader, expected: Expected, voices: Voices
) -> None:
    for caller in expected.callers:
        account = found(reader, caller.phone, caller.agreement)
        assert (account.id if account else "") == caller.account
        if account is None:
            continue
        assert reader.account(account.id) == account
        assert caller.language in {None, account.language}
        for month, words in caller.hears.items():
            assert heard(reader.bill(account.id, month), voices) == words, (account.id, month)


def test_each_caller_owes_what_was_worked_out(reader: BillingReader, expected: Expected) -> None:
    owed = {
        caller.account: sum(one.amount_fen for one in reader.arrears(caller.account))
        for caller in expected.callers if caller.account
    }  # fmt: skip
    assert owed == {
        caller.account: caller.owes_fen for caller in expected.callers if caller.account
    }


def test_the_debtors_are_those_that_were_worked_out(
    reader: BillingReader, expected: Expected
) -> None:
    assert debtors_told(reader) == expected.debtors


def debtors_told(reader: BillingReader) -> list[list[object]]:
    return [
        [
            one.owed.account_id, one.owed.amount_fen, one.owed.months, str(one.owed.due),
            list(one.phones), {True: "yes", False: "no", None: ""}[one.consent],
        ]
        for one in reader.debtors()
    ]  # fmt: skip


def test_calls_are_told_one_by_one(reader: BillingReader, expected: Expected) -> None:
    for caller in expected.callers:
        for month, lines in caller.calls.items():
            told = [reader.details(caller.account, month, n + 1) for n in range(len(lines))]
            assert [written(call) for call, _ in told if call] == lines
            assert {count for _, count in told} == {len(lines)}
