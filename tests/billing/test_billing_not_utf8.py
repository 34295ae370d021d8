"""A text that is not UTF-8: an error for its caller alone, that tells nothing of what it says."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import profile_for, write_sample
from ivrd.errors import BillingDown, BillingError, BillingSlow
from tests.billing.conftest import TODAY

SECRET = "13588"  # noqa: S105 - of the account whose text is wrong


@pytest.fixture
def wide() -> BillingMapping:
    return load_mapping(profile_for("wide"))


@pytest.fixture
def spoilt(tmp_path: Path, wide: BillingMapping) -> Path:
    """Return a sample in which the password of one account is in GBK, as old exports have it."""
    file = tmp_path / "gbk.db"
    write_sample(file, TODAY, accounts=13, months=2)
    password = wide.account.password
    assert password
    with closing(sqlite3.connect(file)) as opened:
        opened.execute(
            f"UPDATE {wide.account.table} SET {password.column} = CAST(? AS TEXT)"  # noqa: S608 - our own names
            f" WHERE {wide.account.id.column} = 100001",
            (f"密码{SECRET}".encode("gbk"),),
        )
        opened.commit()
    return file


def test_it_is_no_outage_and_its_text_is_told_nowhere(
    spoilt: Path, wide: BillingMapping, engine_on: Callable[..., Engine]
) -> None:
    reader = BillingReader(wide, engine_on(spoilt))
    for _ in range(6):  # more than open the breaker
        with pytest.raises(BillingError, match="not UTF-8") as caught:
            reader.proof("100001")
        assert not isinstance(caught.value, BillingDown | BillingSlow)
        assert SECRET not in str(caught.value)
    assert reader.database.outages.state == "up"
    assert reader.database.outages.outage_view() is None
    assert reader.proof("100002")
