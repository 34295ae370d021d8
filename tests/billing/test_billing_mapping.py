"""Mapping files: the ready ones are right, wrong ones are told with place and remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.sample_tables import LAYOUTS_AND_PROFILES, PROFILES, Layout, profile_for
from ivrd.errors import MappingError, Problem


def problems_with(tmp_path: Path, layout: Layout, *changes: tuple[str, str]) -> list[Problem]:
    """Return what is wrong with a ready profile after `changes` to its text."""
    text = profile_for(layout).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / "mapping.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(MappingError) as caught:
        load_mapping(file)
    assert all(problem.file == file for problem in caught.value.problems)
    return list(caught.value.problems)


def test_every_ready_profile_loads() -> None:
    files = sorted(PROFILES.glob("*.toml"))
    assert [load_mapping(file).name for file in files] == [file.stem for file in files]
    assert set(files) > set(LAYOUTS_AND_PROFILES.values())


ONE_ROOT_ERROR: dict[str, tuple[Layout, str, str, Callable[[Problem], bool]]] = {
    "misspelt key": (
        "wide", 'unit = "yuan"', 'unti = "yuan"',
        lambda p: (p.key, p.line, p.nearest, p.rule) == ("unti", 5, "unit", "unknown-key"),
    ),
    "misspelt key in a table of columns": (
        "wide", 'format = "YYYYMMDD" }', 'fromat = "YYYYMMDD" }',
        lambda p: (p.key, p.line, p.nearest) == ("bill.due.fromat", 25, "format"),
    ),
    "key of the other layout": (
        "wide", 'total = "TOTAL_FEE"', 'code = "X"',
        lambda p: p.key == "bill.code" and str(p.expected).endswith("items, total, paid, due"),
    ),
    "missing key": (
        "wide", 'unit = "yuan" ', "",
        lambda p: (p.key, p.what, p.rule) == ("unit", "missing", "missing"),
    ),
    "missing key in a table": (
        "wide", 'id = { column = "SERV_ID", type = "integer" }', "",
        lambda p: (p.key, p.line, p.rule) == ("account.id", 7, "missing"),
    ),
    "unknown unit": (
        "wide", 'unit = "yuan"', 'unit = "yaun"',
        lambda p: (p.key, p.nearest) == ("unit", "yuan") and "li or jiao" in str(p.expected),
    ),
    "unknown layout": (
        "narrow", 'layout = "narrow"', 'layout = "narow"',
        lambda p: (p.key, p.expected, p.nearest) == ("bill.layout", "wide or narrow", "narrow"),
    ),
    "no layout": (
        "narrow", 'layout = "narrow"', "",
        lambda p: (p.key, p.what, p.expected) == ("bill.layout", "missing", "wide or narrow"),
    ),
    "unknown way of being ready": (
        "narrow", 'by = "any-bill"', 'by = "anybill"',
        lambda p: (p.key, p.line, p.nearest) == ("bill.ready.by", 28, "any-bill"),
    ),
    "number for a column": (
        "wide", 'seconds = "DURATION"', "seconds = 60",
        lambda p: (p.key, p.what) == ("details.seconds", "is 60"),
    ),
    "empty column name": (
        "wide", 'seconds = "DURATION"', 'seconds = ""',
        lambda p: p.key == "details.seconds" and p.expected == "at least one character",
    ),
    "unknown zone": (
        "wide", "Asia/Shanghai", "Asia/Shangai",
        lambda p: (p.key, p.nearest) == ("zone", "Asia/Shanghai"),
    ),
    "format that lacks a part": (
        "wide", 'due = { column = "PAY_LIMIT", format = "YYYYMMDD" }',
        'due = { column = "PAY_LIMIT", format = "YYYYMM" }',
        lambda p: p.key == "bill.due.format" and "lacks the day" in p.what,
    ),
    "format of something else": (
        "wide", 'format = "hhmmss"', 'format = "HHMMSS"',
        lambda p: p.key == "details.time.format" and "hh, mm, ss" in p.what,
    ),
    "item code that no prompt can have": (
        "wide", 'data = "DATA_FEE"', '"Data fee" = "DATA_FEE"',
        lambda p: p.key == "bill.items.Data fee" and "[a-z0-9_]" in str(p.expected),
    ),
    "no items": (
        "narrow", "monthly_rent = [1001, 1002]", "monthly_rent = []",
        lambda p: (p.key, p.expected) == ("bill.items.monthly_rent", "at least one entry"),
    ),
    "one code under two items": (
        "narrow", "information = 1401", "information = 1002",
        lambda p: (p.key, p.rule) == ("bill.items.information", "code-twice")
        and "monthly_rent" in p.what,
    ),
    "rest that is no item": (
        "narrow", 'code = "acct', 'rest = "datum"\ncode = "acct',
        lambda p: (p.key, p.nearest) == ("bill.rest", "data"),
    ),
    "details of no item": (
        "wide", 'of = ["long_distance"', 'of = ["long_distanse"',
        lambda p: (p.key, p.nearest, p.rule) == ("details.of", "long_distance", "item"),
    ),
    "time of a call in no way": (
        "narrow", 'started = "start_at" ', "",
        lambda p: (p.key, p.rule) == ("details", "started"),
    ),
    "time of a call by halves": (
        "wide", 'time = { column = "START_TIME", format = "hhmmss" }', "",
        lambda p: (p.key, p.rule) == ("details", "started"),
    ),
    "part of a month that is none": (
        "monthly", 'table = "bill_{yyyymm}"', 'table = "bill_{yymmm}"',
        lambda p: (p.key, p.nearest) == ("bill.head.table", "yymm")
        and "{yyyymm}" in str(p.expected),
    ),
    "table by month that names no month": (
        "monthly", 'table = "bill_{yyyymm}"', 'table = "bill_{yyyy}"',
        lambda p: (p.key, p.rule) == ("bill.head.table", "month-table"),
    ),
    "table by month where there can be none": (
        "monthly", 'table = "Customer"', 'table = "Customer_{yyyymm}"',
        lambda p: (p.key, p.rule) == ("account.join.customer.table", "month-table"),
    ),
    "bills of no month": (
        "monthly", 'table = "item_{yyyymm}"  ', 'table = "item"',
        lambda p: (p.key, p.rule) == ("bill.month", "missing")
        and "bill_{yyyymm}" in str(p.expected),
    ),
    "column of a table that is not joined": (
        "monthly", '"idNumber", from = "customer"', '"idNumber", from = "custmer"',
        lambda p: (p.key, p.rule, p.nearest) == ("account.identity", "join", "customer"),
    ),
    "misspelt key of a join": (
        "monthly", 'on = { custId = "客户编号" }', 'onn = { custId = "客户编号" }',
        lambda p: (p.key, p.nearest) == ("account.join.customer.onn", "on"),
    ),
    "a value said in two ways": (
        "monthly", '{ value = "Asia/Shanghai" }', '{ value = "x", column = "y" }',
        lambda p: p.key == "account.zone" and "needs one of column" in p.what,
    ),
    "SQL in the place of a column's table": (
        "monthly", '"contactNo", from = "customer"', '"contactNo", from = "(SELECT 1)"',
        lambda p: p.key == "account.other_phones[0].from" and "matches" in str(p.expected),
    ),
    "an expression where a plain column is needed": (
        "monthly", 'account = "用户编号"', 'account = { concat = ["用户编号"] }',
        lambda p: p.key == "bill.account" and "only by column" in p.what,
    ),
    "unpaid bills of bills that say nothing of it": (
        "monthly", 'paid = { column = "已付", yes = "是", no = "否" }', "",
        lambda p: (p.key, p.rule) == ("arrears.by", "unpaid-bills")
        and "bill.head.paid" in p.what,
    ),
    "overdue bills without due dates": (
        "monthly", 'due = { column = "缴费期限", format = "YYYY年MM月DD日" }', "",
        lambda p: (p.key, p.rule) == ("arrears.by", "unpaid-bills")
        and "past_due = false" in str(p.expected),
    ),
    "unknown way of arrears": (
        "monthly", 'by = "unpaid-bills"', 'by = "unpaid-bill"',
        lambda p: (p.key, p.nearest) == ("arrears.by", "unpaid-bills"),
    ),
    "condition in two ways": (
        "monthly", 'where = { "状态" = [1, 2] }', 'where = { "状态" = { not = [1], null = true } }',
        lambda p: p.key == "account.where.状态" and "one of not, null and empty" in p.what,
    ),
    "text for a constant amount": (
        "wide", 'total = "TOTAL_FEE"', 'total = { value = "much" }',
        lambda p: p.key == "bill.total" and "whole number" in p.what,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_ROOT_ERROR)
def test_one_error_is_one_problem_with_place_and_remedy(name: str, tmp_path: Path) -> None:
    layout, old, new, as_told = ONE_ROOT_ERROR[name]
    (problem,) = problems_with(tmp_path, layout, (old, new))
    assert as_told(problem), repr(problem)


def test_nothing_to_look_up_by_is_told(tmp_path: Path) -> None:
    changes = (('phone = "ACC_NBR"', ""), ('agreement = "XIEYI_NBR"', ""))
    (problem,) = problems_with(tmp_path, "wide", *changes)
    assert (problem.key, problem.expected) == ("account", "phone or agreement")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    changes = (
        ('unit = "yuan"', 'unit = "mao"'),
        ('table = "TB_OWE"', ""),
        ("[details]", "[detials]"),
    )
    found = problems_with(tmp_path, "wide", *changes)
    assert {problem.key for problem in found} == {"unit", "arrears.table", "detials"}


def test_a_file_that_is_no_toml_is_told_by_its_line(tmp_path: Path) -> None:
    (problem,) = problems_with(tmp_path, "wide", ('zone = "Asia/Shanghai"', "zone = Asia"))
    assert (problem.line, problem.rule) == (4, "toml")


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="no such file"):
        load_mapping(tmp_path / "none.toml")


def test_a_column_may_have_its_own_unit() -> None:
    data = {
        "name": "x", "zone": "UTC", "unit": "fen",
        "account": {"table": "a", "id": "i", "phone": "p"},
        "bill": {
            "layout": "wide", "table": "b", "account": "i", "month": "m",
            "ready": {"by": "any-bill"},
            "items": {"water": {"column": "w", "unit": "yuan"}, "sewage": "s"},
        },
    }  # fmt: skip
    bill = BillingMapping.model_validate(data).bill
    assert bill.layout == "wide"
    assert [item.unit for item in bill.items.values()] == ["yuan", None]
