"""What was imported is read as its source is: the suite of lookups, and both side by side."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivrd.billing.mapping import BillingMapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import Layout, write_sample
from tests.billing import test_billing_reader
from tests.billing.conftest import LAYOUTS, TODAY
from tests.billing.import_places import (
    as_csv,
    as_xlsx,
    embedded_reader,
    import_files,
    import_url,
    order,
)
from tests.billing.places import KINDS, BillingServer, copy_tables, reader_engine

ACCOUNTS = 40
MONTHS = ("2026-11", "2026-10", "2026-07", "2025-11")
CALLS = (1, 300)

# every test of lookups through the fixture `reader` is one of imported data too
globals().update({
    name: test for name, test in vars(test_billing_reader).items()
    if name.startswith("test_") and "reader" in inspect.signature(test).parameters
})  # fmt: skip


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[Layout, Path]:
    """Return samples of fewer accounts: every one of them is looked at."""
    folder = tmp_path_factory.mktemp("small_samples")
    files = {layout: folder / f"{layout}.db" for layout in LAYOUTS}
    for layout, file in files.items():
        write_sample(file, TODAY, accounts=ACCOUNTS, months=4, layout=layout)
    return files


@pytest.fixture(scope="session")
def copies() -> dict[tuple[str, Layout], str]:
    """Return the copies of these samples on servers."""
    return {}


@pytest.fixture
def kind() -> str:
    return "csv"


@pytest.fixture(scope="session")
def imported() -> dict[tuple[str, Layout], Path]:
    """Return what was imported, each kind of source and layout once."""
    return {}


@pytest.fixture
def file(
    kind: str,
    layout: Layout,
    mapping: BillingMapping,
    samples: dict[Layout, Path],
    imported: dict[tuple[str, Layout], Path],
    copies: dict[tuple[str, Layout], str],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Path:
    """Return ivrd's own file, imported from the sample on this kind of source."""
    if (kind, layout) not in imported:
        folder = tmp_path_factory.mktemp("imported")
        what = order(folder)
        if kind == "csv":
            files = as_csv(samples[layout], folder / "files", encoding="gb18030")
            import_files(files, mapping, what)
        elif kind == "xlsx":
            import_files(as_xlsx(samples[layout], folder / "book.xlsx"), mapping, what)
        else:
            url = f"sqlite:///{samples[layout]}"
            if kind != "sqlite":
                server: BillingServer = request.getfixturevalue(kind)
                if (kind, layout) not in copies:
                    owner = server.new()
                    copy_tables(samples[layout], owner)
                    copies[kind, layout] = server.reader_url(owner)
                url = copies[kind, layout]
            import_url(url, mapping, what)
        imported[kind, layout] = what.file
    return imported[kind, layout]


@pytest.fixture
def reader(file: Path, mapping: BillingMapping) -> Iterator[BillingReader]:
    with embedded_reader(file, mapping) as made:
        yield made


@pytest.mark.parametrize("kind", [*KINDS, "csv", "xlsx"])
def test_everything_is_read_as_from_the_source(
    reader: BillingReader, mapping: BillingMapping, samples: dict[Layout, Path], layout: Layout
) -> None:
    engine = reader_engine(f"sqlite:///{samples[layout]}")
    live = BillingReader(mapping, engine, today=lambda: TODAY)
    accounts = live.some_accounts()
    assert len(accounts) > 20
    for account in accounts:
        id_ = account.id
        assert reader.account(id_) == account
        assert reader.find_by_phone(account.phone or "") == live.find_by_phone(account.phone or "")
        assert reader.proof(id_) == live.proof(id_)
        assert reader.arrears(id_) == live.arrears(id_)
        for month in MONTHS:
            assert reader.bill(id_, month) == live.bill(id_, month)
            for call in CALLS:
                assert reader.details(id_, month, call) == live.details(id_, month, call)
    assert sorted(map(repr, reader.debtors())) == sorted(map(repr, live.debtors()))
    assert sorted(map(repr, reader.owed_rows())) == sorted(map(repr, live.owed_rows()))
    engine.dispose()
