"""A mapping against a live schema: everything that does not fit is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ivrd.billing.check import Check, check_billing
from ivrd.billing.entities import Bill, NotReady
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import Layout, profile_for
from ivrd.errors import BillingDown
from tests.billing.places import reader_engine


@pytest.fixture
def checked(
    samples: dict[Layout, Path], tmp_path: Path, engine_on: Callable[..., Engine]
) -> Callable[..., Check]:
    """Check a ready profile with a change to its text against the sample after some SQL."""

    def check(layout: Layout, old: str = "", new: str = "", sql: str = "") -> Check:
        text = profile_for(layout).read_text(encoding="utf-8")
        assert old in text
        file = tmp_path / "mapping.toml"
        file.write_text(text.replace(old, new) if old else text, encoding="utf-8")
        copy = tmp_path / "copy.db"
        copy.write_bytes(samples[layout].read_bytes())
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            connection.executescript(sql)
        return check_billing(load_mapping(file), engine_on(copy))

    return check


def test_the_ready_profiles_fit_their_sample_databases(mapping: BillingMapping, url: str) -> None:
    engine = reader_engine(url)
    check = check_billing(mapping, engine)
    engine.dispose()
    assert (check.problems, check.warnings) == ([], [])
    assert isinstance(check.sample, Bill)
    assert check.sample.total_fen == sum(item.amount_fen for item in check.sample.items)


def test_a_missing_table_is_named_with_the_nearest(checked: Callable[..., Check]) -> None:
    (problem,) = checked("wide", '"TB_OWE"', '"TB_OWN"').problems
    assert (problem.key, problem.line, problem.nearest) == ("arrears.table", 58, "TB_OWE")


@pytest.mark.parametrize(
    ("layout", "old", "new", "key", "nearest"),
    [
        ("wide", 'phone = "ACC_NBR"', 'phone = "ACC_NO"', "account.phone", "ACC_NBR"),
        ("wide", '"DATA_FEE"', '"DATE_FEE"', "bill.items.data", "DATA_FEE"),
        ("wide", '"PAY_FLAG"', '"PAID_FLAG"', "bill.paid", "PAY_FLAG"),
        ("wide", '"TICKET_ID"]', '"TICKET"]', "details.order", "TICKET_ID"),
        ("wide", 'STATE_CD = ["FIN"', 'STAT_CD = ["FIN"', "bill.ready.where.STAT_CD", "STATE_CD"),
        ("wide", '"DURATION"', '"duration_s"', "details.seconds", "DURATION"),
        ("narrow", '"limit_date"  ', '"limit_day" ', "bill.head.due", "limit_date"),
        ("narrow", 'group = "cust_group"', 'group = "cust_grop"', "arrears.group", "cust_group"),
    ],
)  # fmt: skip
def test_a_missing_column_is_named_with_the_nearest(
    layout: Layout, old: str, new: str, key: str, nearest: str, checked: Callable[..., Check]
) -> None:
    (problem,) = checked(layout, old, new).problems
    assert (problem.key, problem.nearest, problem.rule) == (key, nearest, "no-column")
    assert problem.line


def test_a_key_of_the_wrong_type_is_one_problem_with_its_remedy(
    checked: Callable[..., Check],
) -> None:
    (problem,) = checked(
        "wide", 'id = { column = "SERV_ID", type = "integer" }', 'id = "SERV_ID"'
    ).problems
    assert (problem.key, problem.expected) == ("account.id", 'text; say type = "integer"')


def test_a_column_that_cannot_hold_an_amount_is_named(checked: Callable[..., Check]) -> None:
    sql = "ALTER TABLE TB_ZHANGDAN ADD COLUMN SEEN DATE"
    (problem,) = checked("wide", '"DATA_FEE"', '"SEEN"', sql).problems
    assert (problem.key, problem.what, problem.expected) == (
        "bill.items.data", "TB_ZHANGDAN.SEEN is DATE", "a number",
    )  # fmt: skip


def test_item_codes_that_no_item_has_are_named(checked: Callable[..., Check]) -> None:
    (problem,) = checked("narrow", "monthly_rent = [1001, 1002]", "monthly_rent = 1001").problems
    assert (problem.key, problem.rule) == ("bill.items", "unknown-code")
    assert "1002" in problem.what


def test_a_bill_that_cannot_be_read_is_a_problem(checked: Callable[..., Check]) -> None:
    (problem,) = checked("wide", sql="UPDATE TB_ZHANGDAN SET PAY_LIMIT='soon'").problems
    assert problem.rule == "sample"
    assert "bill.due" in problem.what
    assert "soon" not in problem.what


def test_items_that_do_not_add_up_are_a_warning(checked: Callable[..., Check]) -> None:
    check = checked("wide", 'local_calls = "LOCAL_FEE"\n', "")
    assert check.problems == []
    assert [warning.rule for warning in check.warnings] == ["total"]


def test_a_lookup_without_an_index_is_a_warning(checked: Callable[..., Check]) -> None:
    check = checked("wide", sql="DROP INDEX IX_SERV_NBR")
    assert check.problems == []
    assert [(w.key, w.rule) for w in check.warnings] == [("account.phone", "no-index")]


def test_a_database_without_bills_is_a_warning(checked: Callable[..., Check]) -> None:
    check = checked("wide", sql="DELETE FROM TB_ZHANGDAN")
    assert (check.sample, [w.rule for w in check.warnings]) == (None, ["no-sample"])


def test_a_database_that_is_not_there_is_a_problem(
    mapping: BillingMapping, tmp_path: Path, engine_on: Callable[..., Engine]
) -> None:
    (problem,) = check_billing(mapping, engine_on(tmp_path / "none.db")).problems
    assert problem.rule == "down"
    assert "unable to open" in problem.what
    assert "none.db" in str(problem)


def test_a_month_without_its_table_is_not_ready_and_no_table_at_all_is_a_problem(
    samples: dict[Layout, Path], tmp_path: Path, engine_on: Callable[..., Engine]
) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(samples["monthly"].read_bytes())
    mapping = load_mapping(profile_for("monthly"))
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.executescript("DROP TABLE item_202610; DROP TABLE cdr_202610;")
        engine = engine_on(copy)
        reader = BillingReader(mapping, engine)
        assert reader.bill("100001", "2026-10") == NotReady("2026-10")
        assert isinstance(reader.bill("100001", "2026-09"), Bill)
        assert reader.details("100001", "2026-10", 1) == (None, 0)
        assert not reader.database.breaker.open
        checked = check_billing(mapping, engine)
        assert checked.problems == []
        assert checked.sample
        assert checked.sample.month == "2026-09"
        connection.executescript(
            "".join(f"DROP TABLE item_{m};" for m in (202511, 202512, *range(202601, 202610)))
        )
    (problem,) = check_billing(mapping, engine).problems
    assert (problem.key, problem.rule) == ("bill.table", "no-table")


def test_another_table_than_the_months_that_is_gone_is_down_not_unready(
    samples: dict[Layout, Path], tmp_path: Path, engine_on: Callable[..., Engine]
) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(samples["monthly"].read_bytes())
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute('DROP TABLE "科目表"')
    reader = BillingReader(load_mapping(profile_for("monthly")), engine_on(copy))
    with pytest.raises(BillingDown, match="no such table"):
        reader.bill("100001", "2026-10")
