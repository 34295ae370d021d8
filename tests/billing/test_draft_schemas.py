"""`billing init` on schemas it was never told of: draft, load, check, and a bill that is spoken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ivrd import resources
from ivrd.billing.check import check_billing
from ivrd.billing.draft.drafting import draft_mapping
from ivrd.billing.draft.findings import Draft
from ivrd.billing.draft.write import toml_of
from ivrd.billing.entities import Bill
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import Layout, profile_for
from ivrd.cli.billing import bill_text
from ivrd.prompts import Voices
from tests.billing.conftest import LAST
from tests.billing.odd_schemas import ODD, Odd, write
from tests.billing.places import KINDS, BillingServer, reader_engine

LANGUAGES = ("zh-CN", "en-US")


@pytest.fixture(scope="module")
def voices() -> Voices:
    return Voices(resources.PROMPTS, LANGUAGES, resources.FLOWS / "sentences.toml")


@pytest.fixture
def spoken(voices: Voices) -> frozenset[str]:
    return voices.items("zh-CN") & voices.items("en-US")


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = reader_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def loaded(draft: Draft, folder: Path) -> BillingMapping:
    """Write a draft and load it as a mapping."""
    file = folder / "drafted.toml"
    file.write_text(toml_of(draft), encoding="utf-8")
    return load_mapping(file)


def test_a_draft_of_the_sample_reads_what_the_profile_reads(
    url: str, layout: Layout, mapping: BillingMapping, spoken: frozenset[str], tmp_path: Path
) -> None:
    with opened(url) as engine:
        drafted = loaded(draft_mapping(engine, spoken=spoken), tmp_path)
        checked = check_billing(drafted, engine)
        assert checked.problems == []
        assert isinstance(checked.sample, Bill)
        mine, theirs = BillingReader(drafted, engine), BillingReader(mapping, engine)
        for account in ("100001", "100002", "100005", "100006"):
            own, profile = mine.bill(account, LAST), theirs.bill(account, LAST)
            assert isinstance(own, Bill)
            assert isinstance(profile, Bill)
            assert (own.total_fen, own.paid, own.due) == (
                profile.total_fen, profile.paid, profile.due,
            )  # fmt: skip
            # only the narrow layout has codes that nothing names
            if layout != "narrow":
                assert own.items == profile.items
            assert sum(i.amount_fen for i in own.items) == own.total_fen
            owed = [(a.amount_fen, a.months) for a in mine.arrears(account)]
            assert owed == [(a.amount_fen, a.months) for a in theirs.arrears(account)]
        found = mine.find_by_phone("88610001")
        assert found is not None
        assert found.id == "100001"


@pytest.mark.parametrize(
    ("name", "kind"),
    # SQLite has no comments: its case is below
    [(name, kind) for name in ODD for kind in KINDS
     if kind != "sqlite" or not ODD[name].needs_comments],
)  # fmt: skip
def test_an_odd_schema_gets_a_spoken_bill_by_its_draft_alone(
    name: str, kind: str, voices: Voices, spoken: frozenset[str], tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    odd = ODD[name]
    with opened(made(odd, kind, tmp_path, request)) as engine:
        mapping = loaded(draft_mapping(engine, spoken=spoken), tmp_path)
        checked = check_billing(mapping, engine)
        assert checked.problems == []
        assert [w.rule for w in checked.warnings if w.rule == "total"] == []
        reader = BillingReader(mapping, engine)
        account = reader.find_by_phone(odd.phone)
        assert account is not None
        bill = reader.bill(account.id, odd.month)
        assert isinstance(bill, Bill)
        assert {item.code: item.amount_fen for item in bill.items} == odd.items
        assert (bill.total_fen, bill.paid, bill.due) == (odd.total_fen, odd.paid, odd.due)
        assert sum(a.amount_fen for a in reader.arrears(account.id)) == odd.owes_fen
        for lang in LANGUAGES:
            assert bill_text(bill, voices, lang)


def made(odd: Odd, kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """Make the schema on a kind of server and return where ivrd reads it."""
    if kind == "sqlite":
        url = f"sqlite:///{folder / 'odd.db'}"
        write(odd, url)
        return url
    server: BillingServer = request.getfixturevalue(kind)
    owner_url = server.new()
    write(odd, owner_url)
    return server.reader_url(owner_url)


def test_names_and_data_that_say_nothing_give_a_skeleton_that_says_so(
    tmp_path: Path, engine_on: Callable[..., Engine]
) -> None:
    file = tmp_path / "odd.db"
    write(ODD["numbered"], f"sqlite:///{file}")
    draft = draft_mapping(engine_on(file))
    assert not draft.complete
    text = toml_of(draft)
    assert "This is not whole" in text
    assert "#   T0201" in text


def test_a_draft_holds_nothing_of_account_holders(
    samples: dict[Layout, Path], layout: Layout, engine_on: Callable[..., Engine]
) -> None:
    text = toml_of(draft_mapping(engine_on(samples[layout])))
    reader = BillingReader(load_mapping(profile_for(layout)), engine_on(samples[layout]))
    for account in reader.some_accounts():
        private = (account.id, account.phone, account.agreement, *account.other_phones)
        assert not [number for number in private if number and number in text]
