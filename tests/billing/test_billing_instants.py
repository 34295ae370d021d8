"""Days and months in columns of instants: they begin at midnight of the mapping's zone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ivrd.billing.check import check_billing
from ivrd.billing.entities import Bill
from ivrd.billing.mapping import load_mapping
from ivrd.billing.reader import BillingReader
from tests.billing.import_places import embedded_reader, import_url, order
from tests.billing.places import BillingServer, change, reader_engine

MAPPING = """
name = "instants"
zone = "Asia/Shanghai"
unit = "yuan"
[account]
table = "accounts"
id = "id"
phone = "phone"
[bill]
layout = "wide"
table = "bills"
account = "id"
month = { column = "billed_at", type = "date" }
paid = { column = "paid", yes = [true], no = [false] }
due = "due_at"
[bill.ready]
by = "any-bill"
[bill.items]
monthly_rent = "rent"
[arrears]
by = "unpaid-bills"
past_due = false
"""


POSTGRESQL = (
    "CREATE TABLE accounts (id text PRIMARY KEY, phone text)",
    "CREATE TABLE bills (id text, billed_at timestamptz, rent numeric(10, 2), paid boolean)",
    "ALTER TABLE bills ADD COLUMN due_at timestamptz",
    "INSERT INTO accounts VALUES ('1', '88610001')",
    "INSERT INTO bills VALUES ('1', '2026-10-01 00:00+08', 12.50, false, '2026-11-20 00:00+08')",
)
MARIADB = (
    "CREATE TABLE accounts (id varchar(9) PRIMARY KEY, phone varchar(20))",
    "CREATE TABLE bills (id varchar(9), billed_at timestamp NULL, rent numeric(10, 2), paid bool)",
    "ALTER TABLE bills ADD COLUMN due_at timestamp NULL",
    "INSERT INTO accounts VALUES ('1', '88610001')",
    "SET time_zone = '+08:00'",
    "INSERT INTO bills VALUES ('1', '2026-10-01', 12.50, false, '2026-11-20')",
)


@pytest.mark.parametrize(
    ("server", "statements"), [("postgresql", POSTGRESQL), ("mariadb", MARIADB)]
)
def test_a_server_of_another_zone_tells_the_month_and_the_day_that_were_meant(
    server: str, statements: tuple[str, ...], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    running: BillingServer = request.getfixturevalue(server)
    owner = running.new()
    change(owner, *statements)
    url = running.reader_url(owner)
    (tmp_path / "m.toml").write_text(MAPPING, encoding="utf-8")
    mapping = load_mapping(tmp_path / "m.toml")
    there = {
        "postgresql": "options=-c%20timezone%3DAmerica/New_York",
        "mariadb": "init_command=SET%20time_zone%3D'-05:00'",
    }
    # as a server whose own zone is that of its hoster
    elsewhere = f"{url}{'&' if '?' in url else '?'}{there[server]}"
    engine = reader_engine(elsewhere)
    try:
        with engine.connect():
            pass  # one that was made before anybody knew of the mapping
        found = check_billing(mapping, engine)
        assert found.problems == []
        assert found.sample
        assert (found.sample.month, found.sample.due) == ("2026-10", date(2026, 11, 20))
        reader = BillingReader(mapping, engine)
        bill = reader.bill("1", "2026-10")
        assert isinstance(bill, Bill)
        assert bill.due == date(2026, 11, 20)
        assert not isinstance(reader.bill("1", "2026-09"), Bill)
        assert [owed.due for owed in reader.arrears("1")] == [date(2026, 11, 20)]
    finally:
        engine.dispose()
    what = order(tmp_path)
    report = import_url(elsewhere, mapping, what)
    assert report.about.months == ("2026-10",)
    with embedded_reader(what.file, mapping) as reader:
        told = reader.bill("1", "2026-10")
        assert isinstance(told, Bill)
        assert told.due == date(2026, 11, 20)
