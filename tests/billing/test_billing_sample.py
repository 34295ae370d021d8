"""The sample telecom operator: the same for the same seed, and with everything in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from ivrd.billing.sample import KNOWN, due_of, identity_number, month_back
from ivrd.billing.sample_tables import Layout, write_sample

TODAY = date(2026, 11, 5)


def digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def test_the_same_seed_and_date_make_the_same_bytes(layout: Layout, tmp_path: Path) -> None:
    for name, seed, today in (
        ("a", 7, TODAY),
        ("b", 7, TODAY),
        ("c", 8, TODAY),
        ("d", 7, date(2026, 12, 5)),
    ):
        write_sample(tmp_path / name, today, seed=seed, accounts=40, layout=layout)
    first, again, other_seed, other_date = (digest(tmp_path / name) for name in "abcd")
    assert first == again
    assert len({first, other_seed, other_date}) == 3


def test_the_known_accounts_are_the_same_whatever_the_seed(tmp_path: Path) -> None:
    found = []
    for seed in (1, 2):
        write_sample(tmp_path / str(seed), TODAY, seed=seed, accounts=30)
        with closing(sqlite3.connect(tmp_path / str(seed))) as connection:
            last = 100000 + len(KNOWN)
            known = f"WHERE SERV_ID <= {last} ORDER BY 1, 2, 3"
            tables = ("TB_SERV", "TB_ZHANGDAN", "TB_OWE")
            found.append(
                [connection.execute(f"SELECT * FROM {t} {known}").fetchall() for t in tables]  # noqa: S608 - our own names
            )
    assert found[0] == found[1]
    assert all(found[0])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """Open the sample as `ivrd sample-data` makes it."""
    file = tmp_path_factory.mktemp("whole") / "sample.db"
    write_sample(file, TODAY)
    with closing(sqlite3.connect(file)) as connection:
        yield connection


def one(connection: sqlite3.Connection, sql: str) -> object:
    return connection.execute(sql).fetchone()[0]


def test_it_has_a_thousand_accounts_and_twelve_months(whole: sqlite3.Connection) -> None:
    assert one(whole, "SELECT count(*) FROM TB_SERV") == 1000
    months = [
        row[0] for row in whole.execute("SELECT DISTINCT BILLING_CYCLE FROM TB_ZHANGDAN ORDER BY 1")
    ]
    assert (months[0], months[-1], len(months)) == (202511, 202610, 12)


@pytest.mark.parametrize(
    "what",
    [
        "ADJUST_FEE < 0", "ADJUST_FEE > 0", "TOTAL_FEE < 0", "TOTAL_FEE = 0", "DATA_FEE = 0",
        "INFO_FEE > 0", "WORK_FEE > 0", "TOLL_MANUAL_FEE > 0", "PAY_FLAG = 'Y'", "PAY_FLAG = 'N'",
        "PAY_FLAG IS NULL", "PAY_LIMIT IS NULL",
    ],
)  # fmt: skip
def test_it_has_bills_of_every_kind(what: str, whole: sqlite3.Connection) -> None:
    assert one(whole, f"SELECT count(*) FROM TB_ZHANGDAN WHERE {what}")  # noqa: S608 - our own text


def test_it_has_accounts_with_no_call_and_with_300_in_a_month(whole: sqlite3.Connection) -> None:
    counts = "SELECT count(*) AS n FROM TB_TOLL_TICKET GROUP BY SERV_ID, BILLING_CYCLE"
    assert one(whole, f"SELECT max(n) FROM ({counts})") == 300  # noqa: S608 - our own text
    callers = one(whole, "SELECT count(DISTINCT SERV_ID) FROM TB_TOLL_TICKET")
    assert isinstance(callers, int)
    assert 500 < callers < 900


def test_every_account_has_a_password_and_numbers_are_unique_among_the_living(
    whole: sqlite3.Connection,
) -> None:
    assert one(whole, "SELECT min(length(SERV_PWD)) || max(length(SERV_PWD)) FROM TB_SERV") == "66"
    assert (
        one(whole, "SELECT min(length(XIEYI_NBR)) || max(length(XIEYI_NBR)) FROM TB_SERV") == "1212"
    )
    twice = "SELECT ACC_NBR FROM TB_SERV WHERE STATE_CD <> 'F0X' GROUP BY 1 HAVING count(*) > 1"
    assert whole.execute(twice).fetchall() == []
    lengths = whole.execute("SELECT DISTINCT length(ACC_NBR) FROM TB_SERV ORDER BY 1").fetchall()
    assert lengths == [(8,), (11,)]


def test_arrears_are_the_unpaid_bills_past_due(whole: sqlite3.Connection) -> None:
    owed = one(whole, "SELECT round(sum(OWE_FEE) * 100) FROM TB_OWE")
    unpaid = "PAY_FLAG = 'N' AND PAY_LIMIT < '20261105' AND TOTAL_FEE > 0"
    assert owed == one(whole, f"SELECT round(sum(TOTAL_FEE) * 100) FROM TB_ZHANGDAN WHERE {unpaid}")  # noqa: S608 - our own text
    assert owed


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("precious", encoding="utf-8")
    with pytest.raises(FileExistsError):
        write_sample(tmp_path / "a", TODAY)
    assert (tmp_path / "a").read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize(
    "size", [{"accounts": 5}, {"accounts": 50_001}, {"months": 0}, {"months": 121}]
)
def test_a_size_that_cannot_be_is_refused(size: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a sample has"):
        write_sample(tmp_path / "a", TODAY, **size)  # type: ignore[arg-type]  # numbers alone
    assert not (tmp_path / "a").exists()


def test_months_and_due_dates_pass_the_year() -> None:
    assert [month_back(date(2026, 2, 1), n) for n in (0, 1, 2, 14)] == [
        "2026-02",
        "2026-01",
        "2025-12",
        "2024-12",
    ]
    assert due_of("2025-12") == date(2026, 1, 20)
    assert due_of("2026-11") == date(2026, 12, 20)


def test_identity_numbers_carry_the_check_digit_of_gb_11643() -> None:
    # the example of the standard's appendix: 11010519491231002X
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2, 1)
    for serial in range(50):
        number = identity_number(date(1970, 1, 1), serial)
        values = [10 if sign == "X" else int(sign) for sign in number]
        assert sum(v * w for v, w in zip(values, weights, strict=True)) % 11 == 1
