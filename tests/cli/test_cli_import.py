"""`ivrd import` by hand: what it tells, what it refuses, its exit codes, its record."""

from __future__ import annotations

import csv
import json
import sqlite3
import stat
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ivrd.billing.sample_tables import write_sample
from ivrd.config import load_config
from ivrd.own_store import open_own_store
from ivrd.store import audit
from tests.cli.cli_terminal import Invoke

ZONE = ZoneInfo("Asia/Shanghai")

SETTINGS = """\
[node]
languages = ["zh-CN"]
[enquiry]
disclosure = "open"
[billing]
mode = "stand-alone"
[import]
mapping = "telecom"
url = "sqlite:///source.db"
[[card]]
name = "soft"
driver = "software"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give the ivrd.toml of a stand-alone node that has imported nothing yet."""
    (tmp_path / "ivrd.toml").write_text(SETTINGS, encoding="utf-8")
    write_sample(tmp_path / "source.db", datetime.now(ZONE).date(), accounts=40, months=3)
    return tmp_path / "ivrd.toml"


def change(home: Path, statement: str) -> None:
    with closing(sqlite3.connect(home.parent / "source.db")) as owner, owner:
        owner.execute(statement)


def test_import_says_what_came_and_records_it(home: Path, invoke: Invoke) -> None:
    done = invoke(home, "import")
    assert done.exit_code == 0, done.output
    assert "accounts" in done.stdout
    assert "is in use" in done.stdout
    told = json.loads(invoke(home, "import", "--json").stdout)
    assert told["swapped"]
    assert told["error"] is None
    assert told["rows"]["accounts"] == told["read"]["accounts"] > 30
    assert told["refused"] == {}
    assert stat.S_IMODE((home.parent / "var" / "billing.db").stat().st_mode) == 0o600
    store = open_own_store(load_config(home))
    actions = store.read(audit.latest)
    store.close()
    assert [one.action for one in actions] == ["billing.import"] * 2
    assert actions[0].data["rows"] == told["rows"]
    assert invoke(home, "billing", "check").stdout.startswith("ok: ")


def test_a_dry_run_changes_nothing(home: Path, invoke: Invoke) -> None:
    done = invoke(home, "import", "--dry-run")
    assert done.exit_code == 0
    assert "would be used; nothing was changed" in done.stdout
    assert not (home.parent / "var" / "billing.db").exists()
    assert not (home.parent / "var" / "store.db").exists()


def test_refused_rows_are_told_without_private_data_and_listed_in_a_file_of_the_owners(
    home: Path, invoke: Invoke
) -> None:
    change(home, "UPDATE TB_ZHANGDAN SET RENT_FEE = 'private words' WHERE rowid = 7")
    listed = home.parent / "refused.csv"
    done = invoke(home, "import", "--refused", str(listed))
    assert done.exit_code == 1 or "is in use" in done.stdout
    assert "bill.items.monthly_rent: not an amount; expected an amount in yuan" in done.stdout
    assert "private words" not in done.output
    assert stat.S_IMODE(listed.stat().st_mode) == 0o600
    with listed.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [(row["part"], row["source"], row["key"]) for row in rows] == [
        ("bills", "TB_ZHANGDAN", "bill.items.monthly_rent")
    ]
    assert rows[0]["account"]
    again = invoke(home, "import", "--refused", str(listed))
    assert again.exit_code == 1
    assert "is there already" in again.stderr


def test_too_many_refused_rows_leave_the_old_data_and_exit_with_1(
    home: Path, invoke: Invoke
) -> None:
    assert invoke(home, "import").exit_code == 0
    before = (home.parent / "var" / "billing.db").stat()
    change(home, "UPDATE TB_ZHANGDAN SET RENT_FEE = 'x' WHERE rowid % 3 = 0")
    done = invoke(home, "import")
    assert done.exit_code == 1
    assert "the data in use stays" in done.stderr
    told = invoke(home, "import", "--json")
    assert told.exit_code == 1
    said = json.loads(told.stdout)
    assert not said["swapped"]
    assert "more than 1.00%" in said["error"]
    assert said["faults"][0]["rows"] == said["refused"]["bills"] > 10
    assert (home.parent / "var" / "billing.db").stat() == before


def test_a_source_that_is_away_is_told_and_the_old_data_stays(home: Path, invoke: Invoke) -> None:
    (home.parent / "source.db").unlink()
    done = invoke(home, "import")
    assert done.exit_code == 2
    assert "source.db" in done.stderr
    assert not (home.parent / "var" / "billing.db").exists()


def test_network_mode_imports_nothing(sample: Path, invoke: Invoke) -> None:
    done = invoke(sample, "import")
    assert done.exit_code == 2
    assert "billing.mode: is not stand-alone" in done.stderr


def test_doctor_says_how_old_the_data_is(home: Path, invoke: Invoke) -> None:
    def look() -> dict[str, object]:
        found = json.loads(invoke(home, "doctor", "--json").stdout)
        return next(one for one in found if one["check"] == "imports")

    assert look()["ok"] is False
    assert "`ivrd import`" in str(look()["what"])
    assert invoke(home, "import").exit_code == 0
    assert look()["ok"] is True
    planned = datetime.now(ZONE) - timedelta(hours=3)
    text = home.read_text(encoding="utf-8")
    home.write_text(
        text.replace("[[card]]", f'at = ["{planned:%H:%M}"]\n[[card]]'), encoding="utf-8"
    )
    assert look()["ok"] is True
    file = home.parent / "var" / "billing.db"
    with closing(sqlite3.connect(file)) as owner, owner:
        owner.execute("UPDATE about SET told = replace(told, ?, '2020-01-01T')",
                      (f"{datetime.now(ZONE):%Y-%m-%dT}",))  # fmt: skip
    assert look()["ok"] is None
    assert "older than it should be" in str(look()["what"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('url = "sqlite:///source.db"\n', "", "7: import: names no source; expected url or files"),
        ("[[card]]", 'files = "x"\n[[card]]', "names both url and files"),
        ("[[card]]", 'at = ["2:30"]\n[[card]]', "write it as 02:30"),
        ("[[card]]", 'days = ["monday"]\n[[card]]', "did you mean 'mon'"),
        ("[[card]]", "refused = 2\n[[card]]", "import.refused: is 2"),
        ('mode = "stand-alone"', 'mode = "standalone"', "did you mean 'stand-alone'"),
        ('mode = "stand-alone"', 'mode = "stand-alone"\nurl = "sqlite:///x"',
         "billing.url: is not used in stand-alone mode; expected import.url"),
        ('mode = "stand-alone"\n', "", "import: is used in stand-alone mode only"),
    ],
)  # fmt: skip
def test_wrong_settings_are_told(home: Path, invoke: Invoke, old: str, new: str, said: str) -> None:
    text = home.read_text(encoding="utf-8")
    assert old in text
    home.write_text(text.replace(old, new, 1), encoding="utf-8")
    done = invoke(home, "import")
    assert done.exit_code == 2
    assert said in done.stderr
