"""Campaigns on the command line: made, filled, started, paused, stopped, exported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import select, update

from ivrd.cli.own_store import operator
from ivrd.store import tables
from tests.cli.cli_terminal import IVRD, Invoke, Terminal
from tests.cli.dunning_set_up import (
    DEBTOR,
    DEBTOR_NUMBER,
    audited,
    campaign_file,
    in_store,
    list_file,
    told,
    with_dunning,
)

ME = operator()
POSTED = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
LATER = POSTED + timedelta(hours=1)
LISTED = f"[list]\nposted_at = {POSTED.isoformat()}\n"


@pytest.fixture
def config(own_sample: Path) -> Path:
    return with_dunning(own_sample)


def test_a_campaign_is_made_filled_and_started(invoke: Invoke, config: Path) -> None:
    made = invoke(config, "campaign", "new", str(campaign_file(config)))
    assert made.exit_code == 0, made.output
    assert "`ivrd campaign start arrears`" in made.stdout
    (listed,) = told(invoke, config, "campaign", "list")
    assert (listed["name"], listed["state"]) == ("arrears", "new")
    assert listed["debtors"]["waiting"] > 3
    started = invoke(config, "campaign", "start", "arrears")
    assert started.exit_code == 0, started.output
    assert f"{listed['debtors']['waiting']} left to call" in started.stdout
    shown = told(invoke, config, "campaign", "show", "arrears")
    assert shown["state"] == "running"
    assert shown["settings"]["name"] == "arrears"
    assert "running" in invoke(config, "campaign", "show", "arrears").stdout
    assert audited(config) == [f"campaign.new {ME}", f"campaign.start {ME}"]


def test_a_campaign_says_that_the_kill_switch_holds_it(invoke: Invoke, config: Path) -> None:
    invoke(config, "campaign", "new", str(campaign_file(config)))
    started = invoke(config, "campaign", "start", "arrears")
    assert "next: the daemon, `ivrd run`, and lines that call" in started.stdout
    assert "next call" not in invoke(config, "campaign", "show", "arrears").stdout.split("\n\n")[0]
    invoke(config, "kill-switch", "on")
    for command in (("list",), ("show", "arrears")):
        assert "`ivrd kill-switch off`" in invoke(config, "campaign", *command).stdout


def test_a_campaign_goes_from_state_to_state_and_never_out_of_stopped(
    invoke: Invoke, config: Path
) -> None:
    invoke(config, "campaign", "new", str(campaign_file(config)))
    assert invoke(config, "campaign", "pause", "arrears").exit_code == 1
    assert invoke(config, "campaign", "start", "arrears").exit_code == 0
    again = invoke(config, "campaign", "start", "arrears")
    assert again.exit_code == 1
    assert "is running already" in again.stderr
    assert invoke(config, "campaign", "pause", "arrears").exit_code == 0
    asked = invoke(config, "campaign", "stop", "arrears", stdin="n\n")
    assert asked.exit_code == 1
    assert told(invoke, config, "campaign", "show", "arrears")["state"] == "paused"
    assert invoke(config, "campaign", "stop", "arrears", "--yes").exit_code == 0
    over = invoke(config, "campaign", "start", "arrears")
    assert over.exit_code == 1
    assert "under another name" in over.stderr
    done = ["campaign.new", "campaign.start", "campaign.pause", "campaign.stop"]
    assert audited(config) == [f"{action} {ME}" for action in done]


def test_what_is_wrong_is_told_with_what_to_do(invoke: Invoke, config: Path) -> None:
    misspelt = campaign_file(config, "bad", "[chose]\n")
    wrong = invoke(config, "campaign", "new", str(misspelt))
    assert wrong.exit_code == 2
    assert f"{misspelt}:2" in wrong.stderr
    assert "did you mean 'choose'" in wrong.stderr
    invoke(config, "campaign", "new", str(campaign_file(config)))
    twice = invoke(config, "campaign", "new", str(campaign_file(config)))
    assert twice.exit_code == 1
    assert "another name" in twice.stderr
    unknown = invoke(config, "campaign", "start", "arears")
    assert unknown.exit_code == 1
    assert "did you mean 'arrears'?" in unknown.stderr
    assert audited(config) == [f"campaign.new {ME}"]


def test_a_choice_that_fits_nobody_makes_no_campaign(invoke: Invoke, config: Path) -> None:
    file = campaign_file(config, "rich", '[choose]\namount_at_least = "9999999"\n')
    result = invoke(config, "campaign", "new", str(file))
    assert result.exit_code == 1
    assert "nobody to call" in result.stderr
    assert told(invoke, config, "campaign", "list") == []


def test_without_dunning_in_the_settings_it_says_what_is_missing(
    invoke: Invoke, own_sample: Path
) -> None:
    text = own_sample.read_text(encoding="utf-8")
    own_sample.write_text(text.partition("\n[dunning]")[0], encoding="utf-8")
    result = invoke(own_sample, "campaign", "new", str(campaign_file(own_sample)))
    assert result.exit_code == 1
    assert "[dunning]" in result.stderr


# -- lists -----------------------------------------------------------------------------------------


@pytest.fixture
def listed(config: Path, invoke: Invoke) -> Path:
    """Make a campaign that takes its debtors from a list, without one yet."""
    made = invoke(config, "campaign", "new", str(campaign_file(config, "listed", LISTED)))
    assert made.exit_code == 0, made.output
    assert "`ivrd campaign import listed FILE`" in made.stdout
    return config


def test_a_list_is_imported_and_the_campaign_starts_only_then(invoke: Invoke, listed: Path) -> None:
    early = invoke(listed, "campaign", "start", "listed")
    assert early.exit_code == 1
    assert "`ivrd campaign import listed FILE`" in early.stderr
    file = list_file(listed, "1,88610001,12.50", "2,13805710009,3")
    done = told(invoke, listed, "campaign", "import", "listed", str(file))
    assert (done["filled"]["added"], done["refused"]) == (2, 0)
    assert invoke(listed, "campaign", "start", "listed").exit_code == 0
    numbers = in_store(
        listed, lambda tx: list(tx.execute(select(tables.targets.c.numbers)).scalars())
    )
    assert numbers == [["+861088610001"], ["+8613805710009"]]
    assert audited(listed)[1:] == [f"campaign.import {ME}", f"campaign.start {ME}"]


def test_a_list_with_bad_rows_is_refused_whole_by_row_and_column(
    invoke: Invoke, listed: Path
) -> None:
    file = list_file(listed, "1,88610001,12.50", '2,13805710009,"1,200.00"', "3,12,5")
    result = invoke(listed, "campaign", "import", "listed", str(file))
    assert result.exit_code == 2
    assert f"{file}:3: column C 欠费金额: has a comma" in result.stderr
    assert f"{file}:4: column B 电话:" in result.stderr
    assert "--skip-bad FILE" in result.stderr.splitlines()[-1]
    assert in_store(listed, lambda tx: tx.execute(select(tables.targets.c.id)).all()) == []
    assert audited(listed) == [f"campaign.new {ME}"]


def test_bad_rows_can_be_skipped_into_a_file(invoke: Invoke, listed: Path) -> None:
    file = list_file(listed, "1,88610001,12.50", "3,12,5")
    bad = listed.parent / "bad.csv"
    result = invoke(listed, "campaign", "import", "listed", str(file), "--skip-bad", str(bad))
    assert result.exit_code == 0, result.output
    assert "1 debtors, 1 rows refused, in" in result.stdout
    assert bad.read_text(encoding="utf-8").splitlines()[1].startswith("3,12,5,")


def test_a_second_list_wants_to_know_what_it_is(invoke: Invoke, listed: Path) -> None:
    first = list_file(listed, "1,88610001,12.50", "2,88610002,3")
    invoke(listed, "campaign", "import", "listed", str(first))
    second = str(list_file(listed, "2,88610002,4", "3,88610003,5", name="second.csv"))
    asked = invoke(listed, "campaign", "import", "listed", second)
    assert asked.exit_code == 2
    assert "--add or --whole" in asked.stderr
    when = invoke(listed, "campaign", "import", "listed", second, "--whole")
    assert "--posted-at" in when.stderr
    done = told(invoke, listed, "campaign", "import", "listed", second, "--whole",
                "--posted-at", LATER.isoformat())  # fmt: skip
    assert (done["filled"]["added"], done["filled"]["settled"]) == (1, 1)
    shown = told(invoke, listed, "campaign", "show", "listed")
    assert shown["debtors"] == {"settled": 1, "waiting": 2}
    assert datetime.fromisoformat(shown["posted_at"]) == LATER
    old = invoke(listed, "campaign", "import", "listed", second, "--add", "--posted-at", "3d")
    assert old.exit_code == 1
    assert "more than 24 hours ago" in old.stderr


def test_a_campaign_can_choose_again(invoke: Invoke, config: Path) -> None:
    invoke(config, "campaign", "new", str(campaign_file(config)))
    in_store(config, lambda tx: tx.execute(
        update(tables.targets).where(tables.targets.c.account == DEBTOR).values(account="gone")
    ))  # fmt: skip
    filled = told(invoke, config, "campaign", "choose", "arrears")["filled"]
    assert (filled["added"], filled["settled"]) == (1, 1)


def test_the_debtors_are_exported_row_for_row(invoke: Invoke, config: Path) -> None:
    invoke(config, "campaign", "new", str(campaign_file(config)))
    rows = told(invoke, config, "campaign", "export", "arrears", "--clear")["rows"]
    file = config.parent / "debtors.xlsx"
    result = invoke(config, "campaign", "export", "arrears", "--xlsx", str(file), "--lang", "zh")
    assert result.exit_code == 0, result.output
    (sheet,) = load_workbook(file).worksheets
    heading, *found = sheet.iter_rows(values_only=True)
    assert heading[:3] == ("户号", "号码", "其他号码")
    assert [(row[0], row[1], row[3]) for row in found] == [
        (row["account"], row["number"], row["amount_fen"] / 100) for row in rows
    ]
    assert (DEBTOR, DEBTOR_NUMBER) in {(row[0], row[1]) for row in found}
    masked = told(invoke, config, "campaign", "export", "arrears")["rows"]
    assert DEBTOR_NUMBER not in {row["number"] for row in masked}


@pytest.mark.parametrize("columns", [80, 120])
def test_tables_fit_the_terminal(columns: int, invoke: Invoke, config: Path) -> None:
    invoke(config, "campaign", "new", str(campaign_file(config)))
    command = [*IVRD, "--config", str(config), "campaign", "export", "arrears"]
    with Terminal(command, columns=columns) as terminal:
        assert terminal.ended() == 0
        lines = terminal.text.splitlines()
    assert max(len(line) for line in lines) <= columns
    assert "waiting" in lines[1]
    assert ("months" in lines[0]) == (columns == 120)


def test_an_import_shows_how_far_it_is(invoke: Invoke, config: Path) -> None:
    invoke(config, "campaign", "new", str(campaign_file(config, "listed", LISTED)))
    rows = [f"{at},{88000000 + at},5" for at in range(3000)]
    file = list_file(config, *rows)
    command = [*IVRD, "--config", str(config), "campaign", "import", "listed", str(file)]
    with Terminal(command, columns=100) as terminal:
        terminal.see("Reading the list")
        terminal.see("Writing debtors")
        terminal.see("3,000 debtors")
        assert terminal.ended() == 0


def test_a_list_needs_to_know_until_when_it_is_true(invoke: Invoke, config: Path) -> None:
    made = invoke(config, "campaign", "new", str(campaign_file(config, "listed", "[list]\n")))
    assert "`ivrd campaign import listed FILE --posted-at TIME`" in made.stdout
    file = str(list_file(config, "1,88610001,12.50"))
    refused = invoke(config, "campaign", "import", "listed", file)
    assert refused.exit_code == 2
    assert "neither the campaign's file nor --posted-at says" in refused.stderr
    assert in_store(config, lambda tx: tx.execute(select(tables.targets.c.id)).all()) == []
    told(invoke, config, "campaign", "import", "listed", file, "--posted-at", POSTED.isoformat())
    shown = told(invoke, config, "campaign", "show", "listed")
    assert datetime.fromisoformat(shown["posted_at"]) == POSTED
    assert invoke(config, "campaign", "start", "listed").exit_code == 0


def test_a_campaign_that_names_its_list_is_told_its_time_when_it_is_made(
    invoke: Invoke, config: Path
) -> None:
    list_file(config, "1,88610001,12.50")
    file = str(campaign_file(config, "listed", '[list]\nfile = "list.csv"\n'))
    refused = invoke(config, "campaign", "new", file)
    assert refused.exit_code == 2
    assert "--posted-at" in refused.stderr
    assert told(invoke, config, "campaign", "list") == []
    old = invoke(config, "campaign", "new", file, "--posted-at", "3d")
    assert "more than 24 hours ago" in old.stderr
    told(invoke, config, "campaign", "new", file, "--posted-at", POSTED.isoformat())
    shown = told(invoke, config, "campaign", "show", "listed")
    assert datetime.fromisoformat(shown["posted_at"]) == POSTED


# -- notices ---------------------------------------------------------------------------------------

NOTICE = 'kind = "notice"\n[list]\n[notice]\nprompt = "{}"\n'


def test_a_notice_goes_by_a_prompt_that_is_there(invoke: Invoke, config: Path) -> None:
    misspelt = campaign_file(config, "wrong", NOTICE.format("notice_suply"))
    refused = invoke(config, "campaign", "new", str(misspelt))
    assert refused.exit_code == 2
    assert f"{misspelt}:5: notice.prompt: no prompt 'notice_suply' in zh-CN" in refused.stderr
    assert "`ivrd prompts make`" in refused.stderr
    assert "did you mean 'notice_supply'?" in refused.stderr
    dry = invoke(config, "simulate", "--campaign", str(misspelt))
    assert (dry.exit_code, dry.stderr) == (2, refused.stderr)
    made = invoke(
        config, "campaign", "new", str(campaign_file(config, "off", NOTICE.format("notice_supply")))
    )
    assert made.exit_code == 0, made.output
    assert "`ivrd campaign import off FILE`" in made.stdout
    told(invoke, config, "campaign", "import", "off", str(list_file(config, "1,88610001,1")))
    assert invoke(config, "campaign", "start", "off").exit_code == 0


def test_a_prompt_that_has_gone_is_told_when_the_campaign_is_started(
    invoke: Invoke, config: Path
) -> None:
    invoke(config, "campaign", "new", str(campaign_file(config)))
    in_store(config, lambda tx: tx.execute(update(tables.campaigns).values(
        settings=_pays_by(tx.execute(select(tables.campaigns.c.settings)).scalar_one(), "gone")
    )))  # fmt: skip
    refused = invoke(config, "campaign", "start", "arrears")
    assert refused.exit_code == 2
    assert "message.how_to_pay: no prompt 'gone' in zh-CN" in refused.stderr
    assert told(invoke, config, "campaign", "show", "arrears")["state"] == "new"


def _pays_by(settings: dict[str, Any], prompt: str) -> dict[str, Any]:
    return {**settings, "message": {**settings["message"], "how_to_pay": prompt}}
