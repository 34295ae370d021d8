"""Stores on real SQLite files and on a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ivrd.store.engine import Store, open_store
from tests.store.postgres import Server, programs_at_hand, server

NOW = datetime(2026, 11, 5, 9, 30, 0, 250_000, tzinfo=UTC)
KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    programs = programs_at_hand()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with server(programs) as running:
        yield running


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Make the URL of a new database of a kind."""
    made: list[str] = []

    def make(kind: str) -> str:
        if kind == "postgresql":
            running: Server = request.getfixturevalue("postgres")
            made.append(running.new_url())
        else:
            made.append(f"sqlite:///{tmp_path / f'store-{len(made)}.db'}")
        return made[-1]

    return make


@pytest.fixture
def url(kind: str, new_url: Callable[[str], str]) -> str:
    return new_url(kind)


@pytest.fixture
def open_at() -> Iterator[Callable[[str], Store]]:
    """Open stores that are closed behind the test; their time stands still at `NOW`."""
    opened: list[Store] = []

    def open_one(url: str) -> Store:
        opened.append(open_store(url, now=lambda: NOW))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(url: str, open_at: Callable[[str], Store]) -> Store:
    return open_at(url)


@pytest.fixture
def memory(open_at: Callable[[str], Store]) -> Store:
    return open_at("sqlite://")


@pytest.fixture(params=["memory", *KINDS])
def any_store(
    request: pytest.FixtureRequest,
    new_url: Callable[[str], str],
    open_at: Callable[[str], Store],
) -> Store:
    return open_at("sqlite://" if request.param == "memory" else new_url(request.param))
