"""What would be sent to Oracle and SQL Server: compiled for them, not tried against a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Dialect, Select, create_engine
from sqlalchemy.dialects import mssql, oracle

from ivrd.billing.accounts import Accounts
from ivrd.billing.arrears import ArrearsRows, owed_of
from ivrd.billing.bills import NarrowBills, bills_of
from ivrd.billing.database import Statement
from ivrd.billing.debtors import Debtors
from ivrd.billing.details import Details
from ivrd.billing.engine import engine_from
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import profile_for
from ivrd.errors import ConfigError
from tests.billing.conftest import LAST, TODAY
from tests.billing.dumped import DUMPS, KIND


def of_oracle() -> Dialect:
    dialect: Dialect = oracle.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    return dialect


def sql_server() -> Dialect:
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]  # as above
    dialect._supports_offset_fetch = True  # noqa: SLF001 - learnt from a server; 2012 and newer
    return dialect


def sent(query: Select[object], dialect: Dialect) -> str:
    return " ".join(Statement(query, dialect).sql.split())


@pytest.fixture(scope="module")
def mapping() -> BillingMapping:
    return load_mapping(profile_for("monthly"))


def test_an_account_is_looked_up_by_a_bound_number(mapping: BillingMapping) -> None:
    query = Accounts(mapping)._by["phone"][0]  # noqa: SLF001 - what is sent to the database
    columns = (
        'SELECT base."用户编号" AS c0, base."业务号码" AS c1, base_customer."agreementNo" AS c2, '
        'base_customer.lang AS c3, base_customer."group" AS c4, base."产品" AS c5, '
        ':param_1 AS c6, base_customer."select" AS c7, base_customer."contactNo" AS c8 '
    )
    assert sent(query, of_oracle()) == (
        columns + 'FROM "用户" base JOIN "Customer" base_customer '
        'ON base_customer."custId" = base."客户编号" '
        'WHERE base."业务号码" = :key AND base."状态" IN (:param_2, :param_3) '
        "FETCH FIRST 2 ROWS ONLY"
    )
    assert sent(query, sql_server()) == (
        "SELECT TOP 2 base.[用户编号] AS c0, base.[业务号码] AS c1, "
        "base_customer.[agreementNo] AS c2, base_customer.lang AS c3, "
        "base_customer.[group] AS c4, base.[产品] AS c5, :param_2 AS c6, "
        "base_customer.[select] AS c7, base_customer.[contactNo] AS c8 "
        "FROM [用户] AS base JOIN [Customer] AS base_customer "
        "ON base_customer.[custId] = base.[客户编号] "
        "WHERE base.[业务号码] = :key AND base.[状态] IN (:param_3, :param_4)"
    )


def test_the_items_of_a_months_table_are_joined_to_their_names(mapping: BillingMapping) -> None:
    assert mapping.bill.layout == "narrow"
    query = NarrowBills(mapping, mapping.bill)._query.of(LAST)  # noqa: SLF001 - as above
    assert sent(query, of_oracle()) == (
        'SELECT base_subject."名称" AS c0, '
        'coalesce(base."金额", :coalesce_1) - coalesce(base."减免", :coalesce_2) AS c1 '
        'FROM item_202610 base JOIN "科目表" base_subject ON base_subject."科目" = base."科目" '
        'WHERE base."用户编号" = :account FETCH FIRST 1001 ROWS ONLY'
    )
    assert sent(query, sql_server()) == (
        "SELECT TOP 1001 base_subject.[名称] AS c0, "
        "coalesce(base.[金额], :coalesce_1) - coalesce(base.[减免], :coalesce_2) AS c1 "
        "FROM item_202610 AS base JOIN [科目表] AS base_subject "
        "ON base_subject.[科目] = base.[科目] WHERE base.[用户编号] = :account"
    )


def test_one_call_is_read_by_its_position(mapping: BillingMapping) -> None:
    assert mapping.details
    query = Details(mapping, mapping.details)._row.of(LAST)  # noqa: SLF001 - as above
    assert sent(query, of_oracle()).endswith(
        'ORDER BY cdr_202610."开始时间", cdr_202610."序号" '
        "OFFSET :skip ROWS FETCH FIRST 1 ROWS ONLY"
    )
    assert sent(query, sql_server()).endswith(
        "ORDER BY cdr_202610.[开始时间], cdr_202610.[序号] "
        "OFFSET :skip ROWS FETCH FIRST :param_1 ROWS ONLY"
    )


def test_unpaid_bills_are_joined_to_their_accounts(mapping: BillingMapping) -> None:
    owed = owed_of(mapping)
    assert owed
    query = ArrearsRows(mapping, owed, lambda: TODAY)._query.of(LAST)  # noqa: SLF001 - as above
    assert sent(query, of_oracle()) == (
        'SELECT who."用户编号" AS c0, owed."应收金额" AS c1, owed."缴费期限" AS c2, '
        'who."产品" AS c3, who_customer."group" AS c4 FROM bill_202610 owed '
        'JOIN "用户" who ON owed."用户编号" = who."用户编号" '
        'JOIN "Customer" who_customer ON who_customer."custId" = who."客户编号" '
        'WHERE owed."已付" IN (:param_1) AND who."状态" IN (:param_2, :param_3) '
        'AND who."用户编号" = :account FETCH FIRST 1001 ROWS ONLY'
    )
    scan = Debtors(mapping, owed, lambda: TODAY)._following.of(LAST)  # noqa: SLF001 - as above
    assert sent(scan, sql_server()).startswith("SELECT TOP 5000 who.[用户编号] AS c0")
    assert sent(scan, sql_server()).endswith("who.[用户编号] > :after ORDER BY who.[用户编号]")


def of_dump(name: str) -> BillingMapping:
    return load_mapping(DUMPS / f"{name}.toml")


def test_an_account_of_two_columns_is_compared_column_by_column() -> None:
    by_id = Accounts(of_dump("bss97"))._by["id"][0]  # noqa: SLF001 - as above
    assert sent(by_id, of_oracle()).startswith(
        'SELECT CAST(base."AREA_CODE" AS VARCHAR2(255 CHAR)) || :param_1 || '
        'CAST(base."SERV_NO" AS VARCHAR2(255 CHAR)) AS c0, '
    )
    assert 'WHERE base."AREA_CODE" = :account_0 AND base."SERV_NO" = :account_1 ' in sent(
        by_id, of_oracle()
    )
    owed = owed_of(of_dump("bss97"))
    assert owed
    scan = Debtors(of_dump("bss97"), owed, lambda: TODAY)._following.of(LAST)  # noqa: SLF001 - as above
    assert sent(scan, sql_server()).endswith(
        "AND (who.[AREA_CODE] > :after_0 OR who.[AREA_CODE] = :after_0 "
        "AND who.[SERV_NO] > :after_1) ORDER BY who.[AREA_CODE], who.[SERV_NO]"
    )


def test_a_number_of_two_columns_is_looked_up_by_pieces_that_an_index_serves() -> None:
    text = sent(Accounts(of_dump("bss97"))._by["phone"][0], of_oracle())  # noqa: SLF001 - as above
    assert 'base."AREA_CODE" IN (:head_0, :head_1, ' in text
    assert 'base."SERV_NO" IN (:tail_0, :tail_1, ' in text
    assert 'CAST(base."SERV_NO" AS VARCHAR2(255 CHAR))) = :key ' in text


def test_a_sign_and_a_month_of_two_columns() -> None:
    query = bills_of(of_dump("bss97"))._query.of(LAST)  # type: ignore[union-attr]  # noqa: SLF001 - as above
    assert sent(query, of_oracle()) == (
        'SELECT "BILL_ITEM"."ITEM_ID" AS c0, CASE WHEN ("BILL_ITEM"."DC_FLAG" IN (:param_1)) '
        'THEN -CAST("BILL_ITEM"."CHARGE_FEN" AS NUMERIC(24, 4)) ELSE "BILL_ITEM"."CHARGE_FEN" '
        'END AS c1 FROM "BILL_ITEM" WHERE "BILL_ITEM"."AREA_CODE" = :account_0 '
        'AND "BILL_ITEM"."SERV_NO" = :account_1 AND "BILL_ITEM"."ACCT_YEAR" = :month_year '
        'AND "BILL_ITEM"."ACCT_MON" = :month AND "BILL_ITEM"."STATE" IN (:param_2) '
        "FETCH FIRST 1001 ROWS ONLY"
    )


def test_what_is_left_of_items_is_told_by_the_database() -> None:
    mapping = of_dump("wuye")
    owed = owed_of(mapping)
    assert owed
    query = ArrearsRows(mapping, owed, lambda: TODAY)._query.of(LAST)  # noqa: SLF001 - as above
    assert sent(query, sql_server()) == (
        "SELECT TOP 1001 who.[RoomNo] AS c0, "
        "CAST(coalesce(owed.[Amount], :coalesce_1) AS NUMERIC(24, 4)) * :param_2 - "
        "CAST(coalesce(owed.[Paid], :coalesce_2) AS NUMERIC(24, 4)) * :param_3 AS c1, "
        "owed.[DueDate] AS c2, "
        "(owed.[FeeYear] * :param_4 + owed.[Quarter] * :param_5) - :param_6 AS c3, "
        "who.[Kind] AS c4 FROM [WuYe].[Charge] AS owed "
        "JOIN [WuYe].[ChargeItem] AS owed_item ON owed_item.[ItemId] = owed.[ItemId] "
        "JOIN [WuYe].[Room] AS who ON owed.[RoomNo] = who.[RoomNo] "
        "JOIN [WuYe].[Owner] AS who_owner ON who_owner.[OwnerId] = who.[OwnerId] "
        "WHERE owed.[Cancelled] IN (:param_7) AND "
        "CAST(coalesce(owed.[Amount], :coalesce_3) AS NUMERIC(24, 4)) * :param_8 - "
        "CAST(coalesce(owed.[Paid], :coalesce_4) AS NUMERIC(24, 4)) * :param_9 != :param_10 "
        "AND who.[Empty] IN (:param_11) AND who.[RoomNo] = :account"
    )


def test_a_date_of_payment_is_there_or_not_whatever_its_type() -> None:
    mapping = of_dump("shuiwu")
    owed = owed_of(mapping)
    assert owed
    query = ArrearsRows(mapping, owed, lambda: TODAY)._query.of(LAST)  # noqa: SLF001 - as above
    paid = 'nullif(rtrim(CAST(owed."缴费 日期" AS VARCHAR2(255 CHAR))), :nullif_1)'
    text = sent(query, of_oracle())
    assert f"AND ({paid} IS NULL OR {paid} IN (:param_3, :param_4, :param_5, :param_6))" in text
    assert 'owed."账单 年" * :param_1 + owed."账单 月" AS c3' in text, "no name of theirs is bound"


MAPPINGS = [
    *(profile_for(layout) for layout in ("wide", "narrow", "monthly")),
    *(DUMPS / f"{name}.toml" for name in KIND),
]


@pytest.mark.parametrize("file", MAPPINGS, ids=[file.stem for file in MAPPINGS])
@pytest.mark.parametrize("dialect", [of_oracle(), sql_server()], ids=["oracle", "mssql"])
def test_nothing_of_the_data_stands_in_a_statement(file: Path, dialect: Dialect) -> None:
    mapping = load_mapping(file)
    engine = create_engine("sqlite://")
    accounts = BillingReader(mapping, engine)._accounts  # noqa: SLF001 - as above
    for query in [accounts._proof, accounts._some, *(q for q, _ in accounts._by.values())]:  # noqa: SLF001 - as above
        text = sent(query, dialect)
        assert "'" not in text
        assert "POSTCOMPILE" not in text
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "package"),
    [("oracle+oracledb://reader@host/?service_name=x", "oracledb"),
     ("mssql+pyodbc://reader@host/billing?driver=x", "pyodbc")],
)  # fmt: skip
def test_a_driver_that_is_not_installed_is_told(url: str, package: str) -> None:
    with pytest.raises(ConfigError, match=f"pip install '{package}'"):
        engine_from(url)
