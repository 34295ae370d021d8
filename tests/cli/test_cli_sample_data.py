"""`ivrd sample-data`: from an empty folder to the first call."""

from __future__ import annotations

import json
import os
import sqlite3
import tomllib
from pathlib import Path

import pytest

from ivrd import resources
from ivrd.config import load_config
from tests.cli.cli_terminal import Invoke

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_empty_folder_gets_settings_and_data_that_a_call_can_use(
    empty: Path, invoke: Invoke
) -> None:
    result = invoke(None, "sample-data", "--accounts", "30", "--months", "2")
    assert result.exit_code == 0, result.output
    assert "88610001" in result.stdout
    assert (empty / "var" / "sample.db").exists()
    assert load_config(empty / "ivrd.toml").flows == resources.FLOWS
    keys = result.stdout.rpartition('--keys "')[2].partition('"')[0]
    called = invoke(None, "call", "--fast", "--keys", f"1 {keys}")
    assert called.exit_code == 0, called.output
    assert "一百四十六元九角九分" in called.stdout


def test_the_sample_settings_are_those_of_the_repository_but_for_the_places() -> None:
    repository = tomllib.loads((TOP / "ivrd.toml").read_text(encoding="utf-8"))
    shipped = tomllib.loads((TOP / "ivrd/cli/sample.toml").read_text(encoding="utf-8"))
    del repository["places"]
    assert shipped == repository


def test_the_same_seed_makes_the_same_data(empty: Path, invoke: Invoke) -> None:
    for folder in ("a", "b"):
        assert invoke(None, "sample-data", folder, "--accounts", "30").exit_code == 0
    assert (empty / "a/var/sample.db").read_bytes() == (empty / "b/var/sample.db").read_bytes()
    assert invoke(None, "sample-data", "c", "--accounts", "30", "--seed", "8").exit_code == 0
    assert (empty / "a/var/sample.db").read_bytes() != (empty / "c/var/sample.db").read_bytes()


def test_what_is_there_is_left_alone(invoke: Invoke, own_sample: Path) -> None:
    database = own_sample.parent / "var" / "sample.db"
    before = (own_sample.read_bytes(), database.read_bytes())
    result = invoke(None, "sample-data", str(own_sample.parent))
    assert result.exit_code == 0
    assert "is there already" in result.stdout
    assert (own_sample.read_bytes(), database.read_bytes()) == before


def test_force_makes_a_sample_anew(invoke: Invoke, own_sample: Path) -> None:
    database = own_sample.parent / "var" / "sample.db"
    before = database.read_bytes()
    result = invoke(own_sample, "sample-data", "--force", "--accounts", "31")
    assert result.exit_code == 0, result.output
    assert database.read_bytes() != before
    assert not list(database.parent.glob("*.new"))


def test_force_does_not_replace_what_is_no_sample(invoke: Invoke, own_sample: Path) -> None:
    database = own_sample.parent / "var" / "sample.db"
    database.unlink()
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER)")
    connection.close()
    before = database.read_bytes()
    result = invoke(own_sample, "sample-data", "--force")
    assert result.exit_code == 2
    assert "no sample database" in result.stderr
    assert database.read_bytes() == before


def test_old_bills_are_told(invoke: Invoke, own_sample: Path) -> None:
    database = own_sample.parent / "var" / "sample.db"
    with sqlite3.connect(database) as connection:
        newest = connection.execute("SELECT max(BILLING_CYCLE) FROM TB_ZHANGDAN").fetchone()[0]
        for table in ("TB_ZHANGDAN", "TB_BILLING_RUN"):
            connection.execute(f"DELETE FROM {table} WHERE BILLING_CYCLE = ?", (newest,))  # noqa: S608 - our own names
    connection.close()
    result = invoke(own_sample, "sample-data")
    assert result.exit_code == 0
    assert "--force makes it anew" in result.stdout


def test_a_profile_comes_with_its_mapping(empty: Path, invoke: Invoke) -> None:
    words = ("sample-data", "--profile", "telecom-narrow", "--accounts", "30")
    assert invoke(None, *words).exit_code == 0
    assert load_config(empty / "ivrd.toml").billing.mapping == "telecom-narrow"
    assert invoke(None, "billing", "check").exit_code == 0


def test_a_profile_that_the_mapping_does_not_read_is_refused(
    invoke: Invoke, own_sample: Path
) -> None:
    result = invoke(own_sample, "sample-data", "--force", "--profile", "telecom-narrow")
    assert result.exit_code == 2
    assert "billing.mapping" in result.stderr
    assert "'telecom-narrow'" in result.stderr


def test_a_database_server_is_not_written_to(invoke: Invoke, own_sample: Path) -> None:
    text = own_sample.read_text(encoding="utf-8")
    text = text.replace("sqlite:///var/sample.db", "postgresql://billing.example/bills")
    own_sample.write_text(text, encoding="utf-8")
    result = invoke(own_sample, "sample-data")
    assert result.exit_code == 2
    assert "billing.url" in result.stderr


def test_a_folder_and_settings_at_once_are_wrong_use(invoke: Invoke, own_sample: Path) -> None:
    result = invoke(own_sample, "sample-data", str(own_sample.parent))
    assert result.exit_code == 2
    assert "not both" in result.stderr


def test_flows_are_copied_and_used(empty: Path, invoke: Invoke) -> None:
    result = invoke(None, "sample-data", "--flows", "--accounts", "30")
    assert result.exit_code == 0, result.output
    config = load_config(empty / "ivrd.toml")
    assert config.flows.resolve() == (empty / "fsm_specs").resolve()
    assert config.prompts.resolve() == (empty / "voice_prompts").resolve()
    checked = invoke(None, "flow", "check", "--json")
    assert json.loads(checked.stdout)["ok"] is True
    assert not list(empty.rglob("__pycache__"))


def test_json_names_every_sample_number(empty: Path, invoke: Invoke) -> None:
    told = json.loads(invoke(None, "sample-data", "--accounts", "30", "--json").stdout)
    assert {"88610001", "88610005"} <= {one["phone"] for one in told["subscribers"]}
    assert Path(told["database"]).samefile(empty / "var" / "sample.db")
    assert len(told["month"]) == len("2026-10")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, invoke: Invoke) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = invoke(None, "sample-data", str(tmp_path / "file" / "folder"))
    assert result.exit_code == 2
    assert os.strerror(20) in result.stderr
