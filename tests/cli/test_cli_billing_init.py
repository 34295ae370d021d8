"""`ivrd billing init` and `ivrd billing check --mapping`: from a database to a spoken bill."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.billing.odd_schemas import ODD, write
from tests.cli.cli_terminal import Invoke


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Give a database that no profile fits."""
    file = tmp_path / "odd.db"
    write(ODD["initials"], f"sqlite:///{file}")
    return file


def test_two_commands_go_from_a_database_to_a_spoken_bill(
    invoke: Invoke, own_sample: Path, odd: Path, tmp_path: Path
) -> None:
    mapping, url = tmp_path / "mine.toml", f"sqlite:///{odd}"
    made = invoke(own_sample, "billing", "init", "--url", url, "-o", str(mapping))
    assert made.exit_code == 0, made.output
    next_ = f"next: ivrd -c {own_sample} billing check --mapping {mapping} --url {url}\n"
    assert next_ in made.stdout
    assert "tried: a bill of 2026-09 was read by it" in made.stdout
    checked = invoke(own_sample, "billing", "check", "--mapping", str(mapping), "--url", url)
    assert checked.exit_code == 0, checked.output
    assert "月租费二十五元" in checked.stdout
    written = f'  [billing]\n  mapping = "{mapping}"\n  url = "{url}"\n'
    assert f"next: in {own_sample}:\n{written}" in checked.stdout


def test_without_a_url_the_database_of_the_settings_is_looked_at(
    invoke: Invoke, own_sample: Path, tmp_path: Path
) -> None:
    mapping = tmp_path / "mine.toml"
    made = invoke(own_sample, "billing", "init", "--output", str(mapping))
    assert made.exit_code == 0, made.output
    assert "--url" not in made.stdout
    assert '"TB_SERV"' in mapping.read_text(encoding="utf-8")
    checked = invoke(own_sample, "billing", "check", "--mapping", str(mapping), "--json")
    assert json.loads(checked.stdout)["ok"] is True


def test_a_file_that_is_there_is_left_alone_without_force(
    invoke: Invoke, own_sample: Path, tmp_path: Path
) -> None:
    mapping = tmp_path / "mine.toml"
    mapping.write_text("mine", encoding="utf-8")
    refused = invoke(own_sample, "billing", "init", "-o", str(mapping))
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert mapping.read_text(encoding="utf-8") == "mine"
    assert invoke(own_sample, "billing", "init", "-o", str(mapping), "--force").exit_code == 0
    assert "[account]" in mapping.read_text(encoding="utf-8")


def test_json_tells_every_guess_with_its_reason(
    invoke: Invoke, own_sample: Path, odd: Path, tmp_path: Path
) -> None:
    made = invoke(own_sample, "billing", "init", "--url", f"sqlite:///{odd}", "--json",
                  "-o", str(tmp_path / "m.toml"))  # fmt: skip
    told = json.loads(made.stdout)
    assert (told["complete"], told["ok"], told["bill_read"]) == (True, True, "2026-09")
    found = {one["key"]: one for one in told["found"]}
    assert found["account.phone"]["value"] == "DHHM"
    assert found["bill.total"]["value"] == {"column": "YSJE", "unit": "yuan"}
    assert found["bill.total"]["how"] == "sure"
    assert "sum of its items" in found["bill.total"]["why"]


def test_nothing_of_account_holders_is_printed_or_written(
    invoke: Invoke, own_sample: Path, odd: Path, tmp_path: Path
) -> None:
    mapping = tmp_path / "m.toml"
    made = invoke(own_sample, "billing", "init", "--url", f"sqlite:///{odd}", "-o", str(mapping))
    text = made.output + mapping.read_text(encoding="utf-8")
    with closing(sqlite3.connect(odd)) as connection:
        rows = connection.execute("SELECT DHHM, LXDH, HTH, YHMC FROM YHZL").fetchall()
    assert not [value for row in rows for value in row if value and value in text]


def test_a_database_without_tables_is_an_error_and_nothing_is_written(
    invoke: Invoke, own_sample: Path, tmp_path: Path
) -> None:
    empty, mapping = tmp_path / "empty.db", tmp_path / "m.toml"
    with closing(sqlite3.connect(empty)) as connection:
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    made = invoke(own_sample, "billing", "init", "--url", f"sqlite:///{empty}", "-o", str(mapping))
    assert made.exit_code == 2
    assert "no table is to be seen" in made.stderr
    assert not mapping.exists()


def test_a_database_without_bills_gives_a_skeleton_and_the_answer_no(
    invoke: Invoke, own_sample: Path, tmp_path: Path
) -> None:
    other, mapping = tmp_path / "other.db", tmp_path / "m.toml"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE recipes (title TEXT, pages INTEGER)")
        connection.commit()
    made = invoke(own_sample, "billing", "init", "--url", f"sqlite:///{other}", "-o", str(mapping))
    assert made.exit_code == 1
    assert "It is not whole" in made.stdout
    text = mapping.read_text(encoding="utf-8")
    assert "#   recipes" in text
    checked = invoke(own_sample, "billing", "check", "--mapping", str(mapping))
    assert checked.exit_code == 2
    assert "m.toml: bill: missing" in checked.stderr


def test_a_password_does_not_stand_in_the_url(invoke: Invoke, own_sample: Path) -> None:
    url = "postgresql+psycopg://reader:secret@127.0.0.1/billing"
    made = invoke(own_sample, "billing", "init", "--url", url, "-o", "never.toml")
    assert made.exit_code == 2
    assert "a password stands in the URL" in made.stderr
    assert "secret" not in made.output
    assert not Path("never.toml").exists()


def test_a_database_that_is_not_there_is_told(
    invoke: Invoke, own_sample: Path, tmp_path: Path
) -> None:
    made = invoke(own_sample, "billing", "init", "--url", f"sqlite:///{tmp_path / 'no.db'}",
                  "-o", str(tmp_path / "m.toml"))  # fmt: skip
    assert made.exit_code == 2
    assert "billing database" in made.stderr
    assert not (tmp_path / "m.toml").exists()


def test_without_settings_a_url_is_enough(
    invoke: Invoke, odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not os.environ.get("IVRD_CONFIG")
    made = invoke(None, "billing", "init", "--url", f"sqlite:///{odd.name}")
    assert made.exit_code == 0, made.output
    assert (tmp_path / "my-billing.toml").exists()
