"""The sample telecom database in every layout on every kind of server, and readers on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ivrd.billing.engine import engine_from
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import Layout, profile_for, write_sample
from tests.billing.places import KINDS, SERVERS, BillingServer, copy_tables, reader_engine

TODAY = date(2026, 11, 5)
LAST = "2026-10"
LAYOUTS: tuple[Layout, ...] = ("wide", "narrow", "monthly")


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[Layout, Path]:
    folder = tmp_path_factory.mktemp("samples")
    files = {layout: folder / f"{layout}.db" for layout in LAYOUTS}
    for layout, file in files.items():
        write_sample(file, TODAY, accounts=80, layout=layout)
    return files


@pytest.fixture
def engine_on() -> Iterator[Callable[..., Engine]]:
    """Make engines that are closed behind the test."""
    made: list[Engine] = []

    def make(file: Path, **options: float) -> Engine:
        made.append(engine_from(f"sqlite:///{file}", **options))  # type: ignore[arg-type]  # only numbers
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


def _running(kind: str) -> Iterator[BillingServer]:
    make, missing = SERVERS[kind]
    with make() as running:
        if running is None:
            pytest.skip(missing)
        yield running


@pytest.fixture(scope="session")
def postgresql() -> Iterator[BillingServer]:
    yield from _running("postgresql")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[BillingServer]:
    yield from _running("mariadb")


@pytest.fixture(scope="session")
def copies() -> dict[tuple[str, Layout], str]:
    """Return the copies of samples on servers, each made once."""
    return {}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def url(
    kind: str,
    layout: Layout,
    samples: dict[Layout, Path],
    copies: dict[tuple[str, Layout], str],
    request: pytest.FixtureRequest,
) -> str:
    """Return where ivrd reads the sample on this kind of server."""
    if kind == "sqlite":
        return f"sqlite:///{samples[layout]}"
    server: BillingServer = request.getfixturevalue(kind)
    if (kind, layout) not in copies:
        owner_url = server.new()
        copy_tables(samples[layout], owner_url)
        copies[kind, layout] = server.reader_url(owner_url)
    return copies[kind, layout]


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> Layout:
    chosen: Layout = request.param
    return chosen


@pytest.fixture
def mapping(layout: Layout) -> BillingMapping:
    return load_mapping(profile_for(layout))


@pytest.fixture
def reader(mapping: BillingMapping, url: str) -> Iterator[BillingReader]:
    engine = reader_engine(url)
    yield BillingReader(mapping, engine, today=lambda: TODAY)
    engine.dispose()
