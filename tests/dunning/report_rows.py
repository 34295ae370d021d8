"""Rows for a store, so that reports have something to tell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from ivrd.store import tables
from ivrd.store.engine import Store, open_store
from tests.store.postgres import Server

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
"""Ten in the morning in Shanghai, a Friday."""


def hours(count: float) -> datetime:
    """Return the instant `count` hours after `NOW`."""
    return NOW + timedelta(hours=count)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def one_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Give one store for all tests of a file: making the tables takes longer than the tests."""
    url = "sqlite://"
    if request.param == "postgresql":
        running: Server = request.getfixturevalue("postgres")
        url = running.new_url()
    store = open_store(url, now=lambda: NOW)
    yield store
    store.close()


@pytest.fixture
def tx(one_store: Store) -> Iterator[Connection]:
    """Give a connection to a store that has no rows yet; what is written is let go of."""
    with one_store.engine.connect() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(table.delete())
        yield connection
        connection.rollback()


def campaign(tx: Connection, name: str = "arrears", **values: Any) -> int:
    """Make a campaign; return its id."""
    row = {"kind": "dunning", "state": "running", "settings": {"choose": {}}, "made_at": hours(-72),
           "started_at": hours(-48), **values}  # fmt: skip
    key = tx.execute(insert(tables.campaigns).values(name=name, **row)).inserted_primary_key
    assert key is not None
    return int(key[0])


def target(tx: Connection, of: int, account: str, *numbers: str, **values: Any) -> int:
    """Put a debtor into a campaign; return the target's id."""
    row = {"person": account, "numbers": list(numbers), "amount_fen": 12_345, "months": 2,
           "due": date(2026, 9, 30), "state": "waiting", "next_at": hours(1), **values}  # fmt: skip
    made = tx.execute(insert(tables.targets).values(campaign=of, account=account, **row))
    assert made.inserted_primary_key is not None
    key = int(made.inserted_primary_key[0])
    for number in numbers:
        tx.execute(insert(tables.target_numbers).values(number=number, target=key))
    return key


def attempt(tx: Connection, of: int, to: int, account: str, number: str, **values: Any) -> str:
    """Write an attempt, closed unless `outcome` is None; return its id."""
    began_at = values.get("began_at", NOW)
    row = {"id": f"a{to}-{began_at:%d%H%M}", "person": account, "caller_id": "170", "node": "n1",
           "card": "soft", "line": 5, "began_at": began_at, "outcome": "no_answer",
           "notes": [], **values}  # fmt: skip
    tx.execute(
        insert(tables.attempts).values(
            campaign=of, target=to, account=account, number=number, **row
        )
    )
    return str(row["id"])


def promise(tx: Connection, of: int, account: str, **values: Any) -> None:
    """Write a promise to pay."""
    row = {"amount_fen": 12_345, "made_at": NOW, "pay_by": date(2026, 11, 25), "state": "open",
           **values}  # fmt: skip
    tx.execute(insert(tables.promises).values(account=account, campaign=of, **row))


def task(tx: Connection, of: int | None, account: str, **values: Any) -> None:
    """Write an entry of the worklist."""
    row = {"task": "visit", "made_at": NOW, "due": date(2026, 11, 23), **values}
    tx.execute(insert(tables.worklist).values(account=account, campaign=of, **row))
