"""A schema that no profile fits, on every kind of server: whatever the mapping can say at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import (
    Column,
    Date,
    Engine,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    create_engine,
    insert,
)  # fmt: skip

from ivrd.billing.check import Check, check_billing
from ivrd.billing.entities import Bill, BillItem, NotReady
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.reader import BillingReader
from tests.billing.places import BillingServer, change, reader_engine

MAPPING = """
name = "odd"
zone = "Asia/Shanghai"
unit = "minor"

[account]
table = "YongHu Ziliao"
where = { "order" = { not = ["X"] }, "closed on" = { null = true } }
id = { column = "Id", type = "integer" }
phone = { concat = ["area", "No."] }
other_phones = [{ column = "number", from = "mobile" }]
agreement = { first = ["new agreement", "agreement"] }
language = { column = "lang", codes = { E = "en-US", C = "zh-CN" } }
group = { value = "HOME" }

[account.join.mobile]
table = "contact"
on = { who = "Id" }
where = { kind = ["mobile"] }
optional = true

[bill]
layout = "wide"
table = "FEE"
account = "Id"
month = { column = "period", type = "date" }
paid = { column = "paid", yes = 1, no = 0 }
due = { column = "due", format = "YYMMDD" }

[bill.ready]
by = "any-bill"

[bill.items]
water = "water"
sewage = "select"

[arrears]
by = "unpaid-bills"
past_due = false
"""


def rows_in(tables: MetaData) -> dict[Table, list[dict[str, object]]]:
    """Return the rows of each table, which this declares."""
    user = Table(
        "YongHu Ziliao", tables, Column("Id", Integer, primary_key=True),
        Column("area", String(4)), Column("No.", String(20)), Column("agreement", String(9)),
        Column("new agreement", String(9)), Column("lang", String(1)), Column("order", String(1)),
        Column("closed on", Date),
    )  # fmt: skip
    contact = Table(
        "contact", tables, Column("who", Integer), Column("kind", String(9)),
        Column("number", String(20)),
    )  # fmt: skip
    fee = Table(
        "FEE", tables, Column("Id", Integer), Column("period", Date), Column("water", Integer),
        Column("select", Numeric(12, 2)), Column("paid", Integer), Column("due", String(6)),
    )  # fmt: skip
    people: list[tuple[int, str, str, str | None, str, date | None]] = [
        (1, "001", "1", None, "A", None), (2, "002", "2", "N2", "A", None),
        (3, "003", "3", None, "X", None), (4, "004", "4", None, "A", date(2026, 1, 1)),
    ]  # fmt: skip
    return {
        user: [
            {"Id": n, "area": "0571", "No.": f"8861{no}", "agreement": agreement,
             "new agreement": new, "lang": "E" if n == 1 else "Z", "order": state,
             "closed on": closed}
            for n, no, agreement, new, state, closed in people
        ],
        contact: [
            {"who": 1, "kind": "mobile", "number": "13805710001"},
            {"who": 1, "kind": "fax", "number": "88619999"},
        ],
        fee: [
            {"Id": n, "period": date(2026, month, 28), "water": 1000 + month, "select": 250,
             "paid": int(month < 9), "due": f"26{month + 1:02}15"}
            for n in (1, 2) for month in (8, 9, 10)
        ],
    }  # fmt: skip


@pytest.fixture
def owner_url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    server: BillingServer | None = None if kind == "sqlite" else request.getfixturevalue(kind)
    url = server.new() if server else f"sqlite:///{tmp_path / 'odd.db'}"
    owner = create_engine(url)
    tables = MetaData()
    rows = rows_in(tables)
    tables.create_all(owner)
    with owner.begin() as connection:
        for table, its in rows.items():
            connection.execute(insert(table), its)
    owner.dispose()
    return url


@pytest.fixture
def engine(kind: str, owner_url: str, request: pytest.FixtureRequest) -> Iterator[Engine]:
    server: BillingServer | None = None if kind == "sqlite" else request.getfixturevalue(kind)
    made = reader_engine(server.reader_url(owner_url) if server else owner_url)
    yield made
    made.dispose()


@pytest.fixture
def mapped(tmp_path: Path) -> Callable[..., BillingMapping]:
    """Load the mapping after changes to its text."""

    def load(*changes: tuple[str, str]) -> BillingMapping:
        text = MAPPING
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "odd.toml"
        file.write_text(text, encoding="utf-8")
        return load_mapping(file)

    return load


def test_accounts_by_expressions_conditions_and_optional_joins(
    engine: Engine, mapped: Callable[..., BillingMapping]
) -> None:
    reader = BillingReader(mapped(), engine)
    found = reader.find_by_phone("05718861001")
    assert found
    assert (found.id, found.language, found.group) == ("1", "en-US", "HOME")
    assert found.other_phones == ("13805710001",)
    second = reader.find_by_agreement("N2")
    assert second
    assert (second.id, second.language, second.other_phones) == ("2", "Z", ())
    assert reader.find_by_phone("05718861003") is None, "of a state that does not count"
    assert reader.find_by_phone("05718861004") is None, "closed"


def test_bills_by_the_month_of_a_date(
    engine: Engine, mapped: Callable[..., BillingMapping]
) -> None:
    reader = BillingReader(mapped(), engine)
    assert reader.bill("1", "2026-09") == Bill(
        "2026-09", (BillItem("water", 1009), BillItem("sewage", 250)), 1259, False,
        date(2026, 10, 15),
    )  # fmt: skip
    assert reader.bill("1", "2026-11") == NotReady("2026-11")


def test_arrears_are_summed_out_of_the_items_of_unpaid_bills(
    engine: Engine, mapped: Callable[..., BillingMapping]
) -> None:
    reader = BillingReader(mapped(), engine, today=lambda: date(2026, 10, 20))
    (owed,) = reader.arrears("1")
    assert (owed.amount_fen, owed.months, owed.group) == (1259 + 1260, 2, "HOME")
    (overdue,) = BillingReader(
        mapped(("past_due = false", "past_due = true")), engine, today=lambda: date(2026, 10, 20)
    ).arrears("1")
    assert (overdue.amount_fen, overdue.due) == (1259, date(2026, 10, 15))
    assert [d.owed.account_id for d in reader.debtors()] == ["1", "2"]
    assert {row.month for row in reader.owed_rows()} == {"2026-09", "2026-10"}


def check(mapping: BillingMapping, engine: Engine) -> Check:
    found = check_billing(mapping, engine)
    assert found.problems == []
    return found


def test_the_check_tells_what_lookups_will_cost(
    engine: Engine, mapped: Callable[..., BillingMapping]
) -> None:
    found = check(mapped(), engine)
    told = {(w.key, w.rule, w.line is not None) for w in found.warnings}
    assert told == {
        ("account.phone", "no-index", True), ("account.agreement", "no-index", True),
        ("account.join.mobile.on", "no-index", True),
        ("account.join.mobile.on", "join-many", True),
        ("bill.account", "no-index", True), ("bill.month", "no-index", True),
    }  # fmt: skip
    costs = {w.key: w.what for w in found.warnings if w.rule == "no-index"}
    assert costs["bill.account"] == "FEE.Id has no index: each lookup reads 6 rows"
    assert found.account
    assert found.sample


@pytest.mark.parametrize(
    ("old", "new", "key", "nearest"),
    [
        ('"area", "No."', '"area", "No"', "account.phone.concat.1", "No."),
        ('column = "number"', 'column = "numbr"', "account.other_phones.0", "number"),
        ('table = "contact"', 'table = "contacts"', "account.join.mobile.table", "contact"),
        ('who = "Id"', 'woh = "Id"', "account.join.mobile.on.woh", "who"),
        ('"closed on"', '"closed at"', "account.where.closed at", "closed on"),
    ],
)
def test_what_is_not_there_is_named_with_place_and_nearest(
    old: str, new: str, key: str, nearest: str, engine: Engine,
    mapped: Callable[..., BillingMapping],
) -> None:  # fmt: skip
    (problem,) = check_billing(mapped((old, new)), engine).problems
    assert (problem.key, problem.nearest) == (key, nearest)
    assert problem.line
    assert problem.file


def test_several_partners_of_a_join_are_a_fault_not_a_guess(
    owner_url: str, engine: Engine, mapped: Callable[..., BillingMapping]
) -> None:
    change(owner_url, "INSERT INTO contact (who, kind, number) VALUES (1, 'mobile', '2')")
    with pytest.raises(Exception, match="more than one account"):
        BillingReader(mapped(), engine).find_by_phone("05718861001")


def test_an_account_that_may_write_is_warned_of(
    kind: str, owner_url: str, mapped: Callable[..., BillingMapping]
) -> None:
    engine = reader_engine(owner_url)
    rules = [w.rule for w in check(mapped(), engine).warnings]
    engine.dispose()
    assert ("may-write" in rules) == (kind != "sqlite")


def test_values_of_another_type_are_told_where_the_database_insists(
    kind: str, engine: Engine, mapped: Callable[..., BillingMapping]
) -> None:
    problems = check_billing(mapped(('kind = ["mobile"]', "kind = [1]")), engine).problems
    told = [(p.key, p.expected) for p in problems]
    if kind == "postgresql":
        assert told == [("account.join.mobile.where.kind", "values in quotes")]
    else:
        assert told == []
