"""A draft speaks at once: it knows the trade, and what has no prompt of its own is not silent."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tomllib
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ivrd import resources
from ivrd.billing.ready_profiles import profile, profile_names
from ivrd.cli import main

TODAY = date(2026, 11, 21)

RECOGNISED = {
    "telecom": None, "telecom-narrow": None, "telecom-monthly": None,
    "mobile": None,  # its items are codes that nothing explains
    "water": "water", "property": "property", "list": "list",
}  # fmt: skip


def run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["billing", *words])
    assert result.exit_code == code, result.output
    return result


def shop(file: Path, *columns: str, rows: tuple[tuple[Any, ...], ...]) -> str:
    """Make a database of one table of accounts and one of bills; return its URL."""
    with closing(sqlite3.connect(file)) as made:
        made.execute("CREATE TABLE users (user_id INTEGER PRIMARY KEY, phone TEXT UNIQUE)")
        made.execute(f"CREATE TABLE bill (user_id INTEGER, month TEXT, {', '.join(columns)})")
        made.execute("CREATE UNIQUE INDEX ix_bill ON bill (user_id, month)")
        for n, amounts in enumerate(rows, 1):
            made.execute("INSERT INTO users VALUES (?, ?)", (n, f"8861000{n}"))
            values = ", ".join("?" * (len(amounts) + 2))
            made.execute(f"INSERT INTO bill VALUES ({values})", (n, "2026-09", *amounts))  # noqa: S608 - of this test
        made.commit()
    return f"sqlite:///{file}"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_profile_has_its_trade_below() -> None:
    assert set(profile_names()) == set(RECOGNISED)


@pytest.mark.parametrize("name", RECOGNISED)
def test_a_draft_of_a_sample_speaks_with_the_words_of_its_trade(name: str, tmp_path: Path) -> None:
    profile(name).write(tmp_path / "s.db", TODAY, seed=7, accounts=30, months=6)
    drafted = json.loads(run("init", "--url", "sqlite:///s.db", "--json").stdout)
    trade = RECOGNISED[name]
    assert drafted["trade"] == trade
    words = ["--trade", trade] if trade else []
    checked = run("check", "--mapping", "my-billing.toml", "--url", "sqlite:///s.db", "--json",
                  *words)  # fmt: skip
    told = json.loads(checked.stdout)
    assert told["ok"]
    assert set(told["spoken"]) == {"zh-CN", "en-US"}
    sample = told["sample"]
    assert sum(item["amount_fen"] for item in sample["items"]) == sample["total_fen"]


def test_columns_without_a_prompt_are_other_charges_once_for_each_unit(tmp_path: Path) -> None:
    url = shop(
        tmp_path / "odd.db", "monthly_rent INTEGER", "telegram_fee INTEGER", "pigeon_fee INTEGER",
        "umbrella_fee NUMERIC(10,2)", "total_amount NUMERIC(10,2)",
        rows=(
            (2500, 120, 33, 1.25, 27.78), (2500, 0, 71, 0.50, 26.21), (2500, 310, 0, 2.75, 30.85),
            (1800, 45, 12, 0.05, 18.62), (2500, 0, 0, 4.15, 29.15), (1800, 77, 18, 0, 18.95),
        ),
    )  # fmt: skip
    run("init", "--url", url, "-o", "odd.toml")
    items = tomllib.loads(Path("odd.toml").read_text("utf-8"))["bill"]["items"]
    of = {code: json.dumps(said) for code, said in items.items()}
    assert set(of) == {"monthly_rent", "other_charges", "other_charges_2"}
    assert "telegram_fee" in of["other_charges"]
    assert "pigeon_fee" in of["other_charges"]
    assert "umbrella_fee" in of["other_charges_2"]
    text = Path("odd.toml").read_text("utf-8")
    assert "# sure: no prompt of their own: telegram_fee, pigeon_fee" in text
    assert '#     1. item_telegram_fee = ""    item_telegram_fee = "Telegram fee,"' in text
    assert '#     3. telegram_fee = "telegram_fee"' in text
    spoken = run("check", "--mapping", "odd.toml", "--url", url).stdout
    assert "其他费用一元五角三分 其他费用一元二角五分 费用合计二十七元七角八分" in spoken


def test_a_bill_of_one_sum_without_a_trade_is_a_list(tmp_path: Path) -> None:
    rows = ((27.78,), (26.21,), (30.85,))
    url = shop(tmp_path / "sum.db", "total_amount NUMERIC(10,2)", rows=rows)
    told = json.loads(run("init", "--url", url, "--json").stdout)
    assert told["trade"] == "list"


def test_an_item_that_cannot_be_named_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    profile("water").write(tmp_path / "s.db", TODAY, seed=7, accounts=30, months=3)
    run("init", "--url", "sqlite:///s.db")
    where = ("check", "--mapping", "my-billing.toml", "--url", "sqlite:///s.db")
    told = run(*where, code=1).stdout
    said = "item 'sewage' has no prompt in zh-CN and en-US; expected a prompt item_sewage or"
    assert f'{said} node.trade = "water"' in told
    assert "such as other_charges" in told
    assert "`ivrd prompts make --only-missing`" in told
    assert "next:" not in told
    rules = {one["rule"] for one in json.loads(run(*where, "--json", code=1).stdout)["problems"]}
    assert rules == {"item"}
    next_ = run(*where, "--trade", "water").stdout.partition("next: write ivrd.toml:\n")[2]
    assert tomllib.loads(next_.partition("then")[0])["node"]["trade"] == "water"


def test_a_trade_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    profile("water").write(tmp_path / "s.db", TODAY, seed=7, accounts=30, months=3)
    place = ("--url", "sqlite:///s.db", "--trade", "watr")
    refused = run("init", *place, code=2)
    assert "--trade: no trade 'watr'" in refused.stderr
    assert "did you mean 'water'?" in refused.stderr
    run("init", "--url", "sqlite:///s.db")
    refused = run("check", "--mapping", "my-billing.toml", *place, code=1)
    assert refused.stdout.startswith("--trade: no trade 'watr'")


def test_a_name_that_was_written_but_not_spoken_yet_is_told(tmp_path: Path) -> None:
    words = tmp_path / "words"
    shutil.copytree(resources.PROMPTS / "trades" / "water", words)
    for lang in ("zh-CN", "en-US"):
        file = words / lang / "prompts.toml"
        file.write_text(file.read_text("utf-8") + '\nitem_pigeons = "鸽子费"\n', encoding="utf-8")
    profile("water").write(tmp_path / "s.db", TODAY, seed=7, accounts=30, months=3)
    place = ("--url", "sqlite:///s.db", "--trade", "./words")
    assert "./words: as you said" in run("init", *place).stdout
    told = run("check", "--mapping", "my-billing.toml", *place, code=1).stdout
    assert "nothing can be spoken: 2 things are wrong with the voice files" in told
    assert "`ivrd prompts check`" in told
