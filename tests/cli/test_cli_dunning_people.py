"""Debtors, the do-not-call list, the worklist and why, on the command line."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from ivrd.cli.own_store import operator
from ivrd.config import load_config
from ivrd.store.do_not_call import entries
from tests.cli.cli_terminal import IVRD, Invoke, Terminal
from tests.cli.dunning_set_up import (
    DEBTOR,
    DEBTOR_NUMBER,
    audited,
    campaign_file,
    in_store,
    told,
    with_dunning,
)

ME = operator()


@pytest.fixture
def config(own_sample: Path) -> Path:
    return with_dunning(own_sample)


@pytest.fixture
def running(config: Path, invoke: Invoke) -> Path:
    """Have a campaign run."""
    assert invoke(config, "campaign", "new", str(campaign_file(config))).exit_code == 0
    assert invoke(config, "campaign", "start", "arrears").exit_code == 0
    return config


# -- why -------------------------------------------------------------------------------------------


def test_why_answers_for_a_number_and_its_account_alike(invoke: Invoke, running: Path) -> None:
    by_number = told(invoke, running, "why", "88610005")
    by_account = told(invoke, running, "why", DEBTOR)
    assert by_number["person"] == by_account["person"]
    assert by_number["person"]["accounts"] == [DEBTOR]
    assert by_number["person"]["numbers"][0] == DEBTOR_NUMBER
    (story,) = by_number["stories"]
    assert story["campaign"] == "arrears"
    assert {counter["rule"] for counter in story["counters"]} >= {"outer limit"}
    shown = invoke(running, "why", "88610005").stdout
    for part in (DEBTOR, DEBTOR_NUMBER, "campaign arrears (running)", "3 attempts per number"):
        assert part in shown


def test_why_knows_the_list_the_switch_and_the_campaign(invoke: Invoke, running: Path) -> None:
    numbers = told(invoke, running, "why", DEBTOR)["person"]["numbers"]
    assert invoke(running, "dnc", "add", *numbers).exit_code == 0
    listed = told(invoke, running, "why", DEBTOR)["verdict"]
    assert (listed["reason"], listed["final"]) == ("do_not_call", True)
    assert "no further call" in invoke(running, "why", DEBTOR).stdout
    invoke(running, "dnc", "remove", *numbers)
    invoke(running, "kill-switch", "on", "--why", "storm")
    assert told(invoke, running, "why", DEBTOR)["verdict"]["reason"] == "kill_switch"
    invoke(running, "kill-switch", "off", "--yes")
    invoke(running, "campaign", "pause", "arrears")
    assert "`ivrd campaign start arrears`" in invoke(running, "why", DEBTOR).stdout


def test_why_answers_for_numbers_that_no_campaign_has(invoke: Invoke, config: Path) -> None:
    nobody = invoke(config, "why", "13900000000")
    assert nobody.exit_code == 0, nobody.output
    assert nobody.stdout.startswith("never dialled because no campaign's list has it")
    owes = invoke(config, "why", "88610005").stdout
    assert owes.startswith("never dialled because no campaign that goes on chooses")
    companies = campaign_file(config, "companies", '[choose]\ngroups = ["COMPANY"]\n')
    assert invoke(config, "campaign", "new", str(companies)).exit_code == 0
    assert "companies is for COMPANY" in invoke(config, "why", "88610005").stdout
    paid = invoke(config, "why", "88610002").stdout
    assert paid.startswith("never dialled because the account owes nothing")
    assert "no number" in invoke(config, "why", "somebody").stdout


@pytest.mark.parametrize("columns", [80, 120])
def test_the_answer_fits_the_terminal(columns: int, running: Path) -> None:
    with Terminal([*IVRD, "--config", str(running), "why", DEBTOR], columns=columns) as terminal:
        assert terminal.ended() == 0
        lines = terminal.text.splitlines()
    assert max(len(line) for line in lines) <= columns
    assert any(line.rstrip().endswith("free again") for line in lines)


# -- debtors and the worklist ----------------------------------------------------------------------


def test_a_debtor_is_classed_noted_and_given_to_somebody(invoke: Invoke, running: Path) -> None:
    tomorrow = datetime.now(load_config(running).zone).date() + timedelta(days=1)
    classed = invoke(running, "debtor", "class", DEBTOR, "away", "--note", "until spring",
                     "--next", "letter", "--owner", "wang")  # fmt: skip
    assert classed.exit_code == 0, classed.output
    assert invoke(running, "debtor", "note", DEBTOR, "rings at night only").exit_code == 0
    task = told(invoke, running, "debtor", "task", DEBTOR, "visit", "--due", "tomorrow",
                "--owner", "li")  # fmt: skip
    assert task["due"] == str(tomorrow)
    shown = told(invoke, running, "debtor", "show", "88610005")
    (debtor,) = shown["debtors"]
    assert (debtor["debtor_class"], debtor["owner"], debtor["next_action"]) == (
        "away", "wang", "letter",
    )  # fmt: skip
    assert [note["text"] for note in shown["notes"]] == ["rings at night only", "until spring"]
    human = invoke(running, "debtor", "show", DEBTOR).stdout
    for part in (DEBTOR_NUMBER, "away", "until spring", "visit", "wang"):
        assert part in human
    done = ["debtor.class", "debtor.note", "debtor.task"]
    assert audited(running)[2:] == [f"{action} {ME}" for action in done]


def test_a_mistyped_account_is_refused_and_leaves_no_trace(invoke: Invoke, running: Path) -> None:
    before = audited(running)
    for args in (
        ("note", "9", "text"), ("class", "9", "away", "--note", "x"),
        ("task", "9", "visit", "--due", "3d"), ("show", "9"),
    ):  # fmt: skip
        assert invoke(running, "debtor", *args).exit_code == 1
    assert audited(running) == before
    past = invoke(running, "debtor", "task", DEBTOR, "visit", "--due", "2020-01-01")
    assert past.exit_code == 2
    assert "past" in past.stderr


def test_the_worklist_is_listed_signed_off_and_exported(invoke: Invoke, running: Path) -> None:
    invoke(running, "debtor", "task", DEBTOR, "visit", "--due", "3d", "--owner", "li")
    invoke(running, "debtor", "task", DEBTOR, "letter", "--due", "today", "--note", "second one")
    rows = told(invoke, running, "worklist", "list")["rows"]
    assert [row["task"] for row in rows] == ["letter", "visit"]
    assert rows[0]["account"] == DEBTOR
    assert rows[0]["number"] == "+xxxxxxxx0005"
    assert rows[0]["amount_fen"] > 0
    assert [
        r["task"] for r in told(invoke, running, "worklist", "list", "--owner", "li")["rows"]
    ] == ["visit"]
    number = str(rows[0]["id"])
    signed = invoke(running, "worklist", "done", number, "--result", "sent")
    assert f"signed off by {ME}" in signed.stdout
    again = invoke(running, "worklist", "done", number)
    assert again.exit_code == 1
    file = running.parent / "work.xlsx"
    args = ("report", "worklist", "--all", "--xlsx", str(file), "--lang", "zh")
    assert invoke(running, *args).exit_code == 0
    heading, first, second = load_workbook(file)["催缴记录表"].iter_rows(values_only=True)
    named = dict(zip(heading, first, strict=True))
    assert (named["催缴事项"], named["处理结果"], named["签字"]) == ("寄送信函", "sent", ME)
    assert named["号码"] == DEBTOR_NUMBER
    assert isinstance(named["截止日期"], datetime)
    assert dict(zip(heading, second, strict=True))["签字"] is None
    assert audited(running)[-1] == f"worklist.done {ME}"


# -- do not call -----------------------------------------------------------------------------------


def listed(config: Path) -> list[str]:
    return [f"{one.number} {one.why}" for one in in_store(config, entries)]


def test_numbers_are_listed_and_taken_off(invoke: Invoke, config: Path) -> None:
    added = invoke(config, "dnc", "add", "88610001", "138 0571 0009", "--why", "asked")
    assert added.exit_code == 0, added.output
    assert listed(config) == ["+861088610001 asked", "+8613805710009 asked"]
    again = invoke(config, "dnc", "add", "88610001", "--why", "asked")
    assert "1 listed already" in again.stdout
    masked = told(invoke, config, "dnc", "list")["rows"]
    assert [row["number"] for row in masked] == ["+xxxxxxxx0001", "+xxxxxxxxx0009"]
    clear = told(invoke, config, "dnc", "list", "--clear")["rows"]
    assert [row["added_by"] for row in clear] == [ME, ME]
    both = invoke(config, "dnc", "remove", "88610001", "88617777")
    assert both.exit_code == 1
    assert "number 2 of 2" in both.stderr
    assert len(listed(config)) == 2
    assert invoke(config, "dnc", "remove", "88610001").exit_code == 0
    assert listed(config) == ["+8613805710009 asked"]
    assert len(told(invoke, config, "dnc", "list", "--all")["rows"]) == 2
    assert audited(config) == [f"dnc.add {ME}", f"dnc.add {ME}", f"dnc.remove {ME}"]


def test_what_is_no_number_is_told_by_its_place_never_repeated(
    invoke: Invoke, config: Path
) -> None:
    result = invoke(config, "dnc", "add", "88610001", "886100", "5551")
    assert result.exit_code == 2
    assert "number 2 of 3" in result.stderr
    assert "number 3 of 3" in result.stderr
    assert listed(config) == []
    wrong = invoke(config, "dnc", "add", "88610001", "--account", "1")
    assert wrong.exit_code == 2


def test_a_list_of_numbers_is_imported_whole_or_without_its_bad_rows(
    invoke: Invoke, config: Path
) -> None:
    book = Workbook()
    for row in (("姓名", "手机号"), ("王", 13805710009), ("李", "0571-88610002"), ("赵", "12")):
        book.worksheets[0].append(row)
    file = config.parent / "dnc.xlsx"
    book.save(file)
    whole = invoke(config, "dnc", "import", str(file))
    assert whole.exit_code == 2
    assert f"{file}:4: column B 手机号:" in whole.stderr
    assert "--skip-bad" in whole.stderr
    assert listed(config) == []
    bad = config.parent / "bad.xlsx"
    done = told(invoke, config, "dnc", "import", str(file), "--skip-bad", str(bad))
    assert done == {"rows": 2, "added": 2, "listed_before": 0, "refused": 1}
    assert listed(config) == ["+8613805710009 list", "+8657188610002 list"]
    rows = list(load_workbook(bad).worksheets[0].iter_rows(values_only=True))
    assert rows == [("姓名", "手机号"), ("赵", "12")]


def test_a_list_without_a_header_has_numbers_in_its_first_column(
    invoke: Invoke, config: Path
) -> None:
    file = config.parent / "dnc.csv"
    file.write_text("88610001,x\n\n88610002,y\n88610001,z\n", encoding="utf-8")
    assert told(invoke, config, "dnc", "import", str(file))["added"] == 2
    assert told(invoke, config, "dnc", "import", str(file))["listed_before"] == 2
