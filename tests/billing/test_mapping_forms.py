"""What the mappings of the dumps may say, said wrongly: told with place and remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.billing.check import check_billing
from ivrd.billing.columns import MonthColumn
from ivrd.billing.entities import Bill
from ivrd.billing.keys import LONGEST, AccountKey, LookupKey
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.months import MonthWriter
from ivrd.billing.reader import BillingReader
from ivrd.errors import MappingError, Problem
from tests.billing.dumped import DUMPS, KIND, dumped
from tests.billing.places import BillingServer, reader_engine


def changed(tmp_path: Path, name: str, *changes: tuple[str, str]) -> BillingMapping:
    """Load the mapping of a dump after changes to its text."""
    text = (DUMPS / f"{name}.toml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return load_mapping(file)


HEAD = """table = "BILL_HEAD"
where = { STATE = { not = [2] } }
account = { columns = ["AREA_CODE", "SERV_NO"] }
"""

ONE_ROOT_ERROR: dict[str, tuple[str, str, str, Callable[[Problem], bool]]] = {
    "a code of paid without its codes": (
        "jfxt_county", "paid = { amount = { column", "paid = { column = \"YJJE\" } # {",
        lambda p: p.key == "bill.paid" and "yes and no" in p.what,
    ),
    "paid in two ways": (
        "jfxt_county", 'paid = { amount = { column = "YJJE", unit = "yuan" } }',
        'paid = { amount = "YJJE", date = "JZRQ" }',
        lambda p: p.key == "bill.paid" and "one of column or amount or left or date" in p.what,
    ),
    "what was paid without a total": (
        "jfxt_county", 'total = { column = "YSJE", unit = "yuan" }\n', "",
        lambda p: (p.key, p.rule) == ("bill.paid", "unpaid-bills") and "bill.total" in p.what,
    ),
    "a year without a month": (
        "shuiwu", 'month = { year = "账单 年", month = "账单 月" }', 'month = { year = "账单 年" }',
        lambda p: p.key == "bill.month" and "either month or quarter" in p.what,
    ),
    "a month without a year": (
        "shuiwu", 'month = { year = "账单 年", month = "账单 月" }',
        'month = { column = "账单 年", month = "账单 月" }',
        lambda p: p.key == "bill.month" and "need year" in p.what,
    ),
    "a quarter in a text": (
        "wuye", 'quarter = "Quarter" }', 'quarter = "Quarter", type = "text" }',
        lambda p: p.key == "bill.month" and "are numbers" in p.what,
    ),
    "days that are in no order": (
        "catv", 'from = "head", format = "YYYYMMDD"', 'from = "head", format = "DDMMYYYY"',
        lambda p: p.key == "bill.month" and "year comes first" in p.what,
    ),
    "blanks of several columns": (
        "bss97", 'phone = { concat = ["AREA_CODE", "SERV_NO"] }',
        'phone = { concat = ["AREA_CODE", "SERV_NO"], pad = 12 }',
        lambda p: p.key == "account.phone" and "pad needs one column" in p.what,
    ),
    "an account in fewer columns than its id": (
        "bss97", HEAD, HEAD.replace('{ columns = ["AREA_CODE", "SERV_NO"] }', '"SERV_NO"'),
        lambda p: (p.key, p.rule) == ("bill.head.account", "account-columns")
        and "1 of the 2 columns" in p.what,
    ),
    "several columns of a condition's kind for a number": (
        "bss97", 'phone = { concat', "phone = { columns",
        lambda p: p.key == "account.phone.columns" and p.rule == "unknown-key",
    ),
    "paid in two places": (
        "bss97", 'code = "ITEM_ID"\n', 'code = "ITEM_ID"\npaid = { date = "STATE" }\n',
        lambda p: (p.key, p.rule, p.expected) == ("bill.paid", "two-places", "bill.head.paid"),
    ),
    "unpaid items of which none is said to be paid": (
        "wuye", 'paid = { amount = "Paid" }\n', "",
        lambda p: (p.key, p.rule) == ("arrears.by", "unpaid-bills") and "bill.paid" in p.what,
    ),
    "a misspelt key of paid": (
        "catv", 'paid = { date =', "paid = { dat =",
        lambda p: (p.key, p.nearest) == ("bill.head.paid.dat", "date"),
    ),
    "a misspelt key of a month": (
        "shuiwu", 'month = { year = "账单 年", month', 'month = { year = "账单 年", mnth',
        lambda p: (p.key, p.nearest) == ("bill.month.mnth", "month"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ONE_ROOT_ERROR)
def test_one_error_is_one_problem_with_place_and_remedy(what: str, tmp_path: Path) -> None:
    name, old, new, as_told = ONE_ROOT_ERROR[what]
    with pytest.raises(MappingError) as caught:
        changed(tmp_path, name, (old, new))
    (problem,) = caught.value.problems
    assert as_told(problem), repr(problem)
    assert problem.line


def test_conditions_that_leave_no_unpaid_bills_are_refused(tmp_path: Path) -> None:
    flag = ('paid = { amount = "Paid" }', 'paid = { column = "Cancelled", yes = true, no = false }')
    changed(tmp_path, "wuye", flag)
    with pytest.raises(MappingError, match="leaves no unpaid bills"):
        changed(tmp_path, "wuye", flag, ("where = { Cancelled = false }\naccount",
                                         "where = { Cancelled = true }\naccount"))  # fmt: skip


@pytest.fixture
def checked(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., list[Problem]]]:
    """Hold a changed mapping of a dump against its database; return what is wrong and advised."""
    engines = []

    def check(name: str, *changes: tuple[str, str]) -> list[Problem]:
        server: BillingServer | None = None
        if KIND[name] != "sqlite":
            server = request.getfixturevalue(KIND[name])
        engines.append(reader_engine(dumped(name, server, tmp_path)))
        found = check_billing(changed(tmp_path, name, *changes), engines[-1])
        return [*found.problems, *found.warnings]

    yield check
    for engine in engines:
        engine.dispose()


def test_a_column_filled_with_blanks_is_told_with_its_length(
    checked: Callable[..., list[Problem]],
) -> None:
    told = checked("catv", ('phone = { column = "TEL", pad = 15 }', 'phone = "TEL"'))
    assert [(p.key, p.expected) for p in told if p.rule == "padded"] == [
        ("account.phone", "pad = 15")
    ]


def test_true_and_false_are_wanted_where_the_column_holds_them(
    checked: Callable[..., list[Problem]],
) -> None:
    told = checked("wuye", ("Cancelled = false", 'Cancelled = "N"'), ("Empty = false", "Empty = 0"))
    assert [(p.key, p.expected) for p in told] == [
        ("account.where.Empty", "true or false"), ("bill.where.Cancelled", "true or false"),
    ]  # fmt: skip


def test_a_number_of_numeric_columns_says_so(checked: Callable[..., list[Problem]]) -> None:
    numbers = ('concat = ["Bldg", "Unit", "Door"]', 'concat = ["OwnerId", "Door"]')
    told = checked("wuye", numbers)
    assert [(p.key, p.expected) for p in told if p.rule == "type"] == [
        ("account.agreement.concat.0", 'text; say type = "integer"')
    ]


def test_what_no_index_serves_is_advised_with_what_would(
    checked: Callable[..., list[Problem]],
) -> None:
    changes = ('concat = ["Bldg", "Unit", "Door"]', 'concat = ["Kind", "Door"]')
    told = {p.key: p.expected for p in checked("wuye", changes) if p.rule == "no-index"}
    assert "begins with one of them" in str(told["account.agreement"])
    assert "an index on each of them" in str(told["account.phone"]), "Phone2 has none"
    assert "bill.account" not in told
    told = {p.key: p.expected for p in checked("bss97") if p.rule == "no-index"}
    assert set(told) == {"bill.month"}


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.text(max_size=40))
def test_an_id_of_two_columns_is_told_apart_and_never_taken_for_another(
    area: str, number: str
) -> None:
    key = AccountKey(load_mapping(DUMPS / "bss97.toml"))
    bound = list(key.values(f"{area}~{number}").values())
    assert bound == ([area, number] if "~" not in area + number else [None, None])
    assert list(key.values(area + number).values()) == [None, None] or "~" in area + number


def test_a_number_is_looked_up_by_its_pieces(tmp_path: Path) -> None:
    part = changed(tmp_path, "bss97").account.phone
    assert part
    values = LookupKey(part).values("01012")
    assert values
    heads = [values[f"head_{n}"] for n in range(LONGEST)]
    tails = [values[f"tail_{n}"] for n in range(LONGEST)]
    assert heads[:6] == ["0", "01", "010", "0101", "01012", None]
    assert tails[:6] == ["01012", "1012", "012", "12", "2", None]
    assert values["key"] == "01012"
    assert LookupKey(part).values("1" * (LONGEST + 1)) is None


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ({"year": "y", "month": "m"}, {"month_year": 2026, "month": 9}),
        ({"year": "y", "month": "m", "type": "text"}, {"month_year": "2026", "month": "09"}),
        ({"year": "y", "quarter": "q"}, {"month_year": 2026, "month": 3}),
        ({"column": "m", "format": "YYYYMMDD"}, {"month": "20260901", "month_after": "20261001"}),
        ({"column": "m", "format": "YYYYMMDDhhmmss", "type": "integer"},
         {"month": 20260901000000, "month_after": 20261001000000}),
        ({"column": "m", "format": "YYYY-MM-DD hh:mm:ss"},
         {"month": "2026-09-01", "month_after": "2026-10-01"}),
    ],
)  # fmt: skip
def test_a_month_is_written_as_its_columns_hold_it(
    column: dict[str, str], written: dict[str, object]
) -> None:
    assert MonthWriter(MonthColumn.model_validate(column))("2026-09") == written


def test_arrears_of_a_table_are_what_is_left_of_its_rows(
    tmp_path: Path,
) -> None:
    mapping = changed(
        tmp_path, "catv",
        ('by = "unpaid-bills"', """table = "BILLHD"
where = { CANCELED = "F" }
account = "CUSTNO"
amount = "AMT"
paid = { date = "PAIDDATE" }"""),
    )  # fmt: skip
    engine = reader_engine(dumped("catv", None, tmp_path))
    reader = BillingReader(mapping, engine)
    owed = {d.owed.account_id: (d.owed.amount_fen, d.owed.months) for d in reader.debtors()}
    engine.dispose()
    assert owed == {"A00002": (13770, 1), "A00003": (7030, 2), "A00004": (2500, 1)}


LEFT = """
name = "gas"
zone = "Asia/Shanghai"
unit = "yuan"

[account]
table = "yonghu"
id = "hh"
agreement = "hh"
phone = "hh"

[bill]
layout = "wide"
table = "ranqifei"
account = "hh"
month = { column = "zq", format = "YYYY-MM" }
total = "yshj"
paid = { left = { column = "wjje", unit = "fen" } }

[bill.ready]
by = "any-bill"

[bill.items]
gas = "yshj"

[arrears]
by = "unpaid-bills"
past_due = false
"""


def test_what_is_left_tells_whether_a_bill_is_paid_and_what_is_owed(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "gas.db")) as file:
        file.executescript(
            """CREATE TABLE yonghu (hh TEXT PRIMARY KEY);
            INSERT INTO yonghu VALUES ('R1'), ('R2'), ('R3');
            CREATE TABLE ranqifei (hh TEXT, zq TEXT, yshj NUMERIC, wjje INTEGER);
            INSERT INTO ranqifei VALUES ('R1', '2026-09', 62.5, 0), ('R2', '2026-08', 93, 9300),
              ('R2', '2026-09', 93, 4301), ('R3', '2026-09', 10, NULL);"""
        )
    (tmp_path / "gas.toml").write_text(LEFT, encoding="utf-8")
    engine = reader_engine(f"sqlite:///{tmp_path / 'gas.db'}")
    reader = BillingReader(load_mapping(tmp_path / "gas.toml"), engine)
    told = [reader.bill(account, "2026-09") for account in ("R1", "R2", "R3")]
    owed = [(one.owed.account_id, one.owed.amount_fen, one.owed.months) for one in reader.debtors()]
    engine.dispose()
    assert [bill.paid for bill in told if isinstance(bill, Bill)] == [True, False, True]
    assert owed == [("R2", 13601, 2)]
