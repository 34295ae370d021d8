"""Bills of three months, several at a time: each is there once, so that their sum is right."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ivrd.billing.entities import Bill, NotReady
from ivrd.billing.mapping import load_mapping
from ivrd.billing.pool import LookupPool
from ivrd.billing.reader import BillingReader
from ivrd.errors import BillingSlow

MAPPING = """
name = "quarters"
zone = "Asia/Shanghai"
unit = "yuan"
[account]
table = "room"
id = "id"
agreement = "id"
[bill]
layout = "wide"
table = "fee"
account = "room"
month = { year = "y", quarter = "q" }
[bill.ready]
by = "any-bill"
[bill.items]
management_fee = "fee"
"""


@pytest.fixture
def reader(tmp_path: Path, engine_on: Callable[..., Engine]) -> BillingReader:
    (tmp_path / "m.toml").write_text(MAPPING, encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "q.db")) as made:
        made.executescript(
            "CREATE TABLE room (id TEXT);"
            "CREATE TABLE fee (room TEXT, y INTEGER, q INTEGER, fee NUMERIC);"
            "INSERT INTO room VALUES ('1'), ('2');"
            "INSERT INTO fee VALUES ('1', 2026, 1, 100), ('1', 2026, 2, 200), ('1', 2026, 3, 300),"
            " ('2', 2026, 2, 1);"
        )
    return BillingReader(load_mapping(tmp_path / "m.toml"), engine_on(tmp_path / "q.db"))


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        ("2026-01", "2026-09", {"2026-09": 30000, "2026-06": 20000, "2026-03": 10000}),
        ("2026-02", "2026-05", {"2026-05": 20000, "2026-03": 10000}),
        ("2026-05", "2026-05", {"2026-05": 20000}),
        ("2026-08", "2026-12", {"2026-12": None, "2026-09": 30000}),
    ],
)
def test_a_bill_of_a_quarter_is_there_once(
    reader: BillingReader, first: str, last: str, told: dict[str, int | None]
) -> None:
    found = reader.bills("1", first, last)
    assert {b.month: b.total_fen if isinstance(b, Bill) else None for b in found} == told
    assert len(found) == len(told)


def test_a_month_asked_for_alone_is_its_quarters(reader: BillingReader) -> None:
    bill = reader.bill("1", "2026-04")
    assert isinstance(bill, Bill)
    assert (bill.month, bill.total_fen) == ("2026-04", 20000)
    assert reader.bill("1", "2026-10") == NotReady("2026-10")
    assert reader.bills("2", "2026-01", "2026-03") == []


async def test_who_waits_no_more_keeps_no_thread_until_the_oldest_month(
    reader: BillingReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    began, late = threading.Event(), threading.Event()
    real = reader._bill  # noqa: SLF001 - how far it comes is what is asked

    def slow(run: Any, account: str, month: str) -> Any:
        read.append(month)
        began.set()
        late.wait(10)
        return real(run, account, month)

    monkeypatch.setattr(reader, "_bill", slow)
    loop, times_out = asyncio.get_running_loop(), list[Callable[[], None]]()

    def call_later(_: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        times_out.append(callback)
        return loop.call_later(60, lambda: None)

    pool = LookupPool(threads=1, loop=loop, call_later=call_later)
    try:
        answers: asyncio.Queue[object] = asyncio.Queue()
        async with asyncio.timeout(10):
            pool.submit(lambda: reader.bills("1", "2023-01", "2026-09"), answers.put_nowait)
            await asyncio.to_thread(began.wait)
            times_out[0]()
            assert isinstance(await answers.get(), BillingSlow)
            late.set()
            pool.submit(lambda: "next", answers.put_nowait)
            assert await answers.get() == "next"
    finally:
        late.set()
        pool.close()
    assert read == ["2026-09"]
    assert reader.database.outages.state == "up"
