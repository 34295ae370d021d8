"""The sample telecom database in both layouts, and readers on it."""

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

TODAY = date(2026, 11, 5)
LAYOUTS: tuple[Layout, ...] = ("wide", "narrow")


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


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> Layout:
    chosen: Layout = request.param
    return chosen


@pytest.fixture
def mapping(layout: Layout) -> BillingMapping:
    return load_mapping(profile_for(layout))


@pytest.fixture
def reader(
    layout: Layout,
    mapping: BillingMapping,
    samples: dict[Layout, Path],
    engine_on: Callable[..., Engine],
) -> BillingReader:
    return BillingReader(mapping, engine_on(samples[layout]))
