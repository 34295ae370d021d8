"""`ivrd import` where every row is wrong in its own way: what is told stays short."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from ivrd.billing.sample_tables import write_sample
from ivrd.cli.import_ import MOST_KINDS, OTHERS
from tests.billing.import_places import as_csv
from tests.cli.cli_terminal import Invoke
from tests.cli.test_cli_import import SETTINGS, ZONE


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a node whose files have as many unknown codes of items as rows."""
    text = SETTINGS.replace('"telecom"', '"telecom-narrow"').replace(
        'url = "sqlite:///source.db"', 'files = "files"'
    )
    (tmp_path / "ivrd.toml").write_text(text, encoding="utf-8")
    source = tmp_path / "source.db"
    write_sample(source, datetime.now(ZONE).date(), accounts=40, months=3, layout="narrow")
    with closing(sqlite3.connect(source)) as owner, owner:
        owner.execute("UPDATE acct_item SET acct_item_type_id = 100000 + rowid")
    as_csv(source, tmp_path / "files")
    return tmp_path / "ivrd.toml"


def test_codes_that_are_all_unknown_are_told_together_beyond_some(
    home: Path, invoke: Invoke
) -> None:
    done = invoke(home, "import", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    faults = [one for one in told["faults"] if one["key"] == "bill.items"]
    assert len(faults) == MOST_KINDS + 1
    assert [one["rows"] for one in faults[:-1]] == [1] * MOST_KINDS
    assert faults[-1]["what"] == OTHERS
    assert sum(one["rows"] for one in faults) == told["refused"]["bills"] > 2 * MOST_KINDS
