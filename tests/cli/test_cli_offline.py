"""Commands without a daemon: flows, prompts, billing, replay, fast calls, simulation, doctor."""

from __future__ import annotations

import json
import shutil
import sqlite3
import wave
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ivrd import resources
from ivrd.billing.sample import month_back
from ivrd.config import load_config
from tests.cli.cli_terminal import Invoke


@pytest.fixture(scope="module")
def month(sample: Path) -> str:
    """Return the month that has the newest bills, as a caller keys it."""
    today = datetime.now(load_config(sample).zone).date()
    return month_back(today, 1).replace("-", "")


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


# -- flow ----------------------------------------------------------------------------------------


def test_flow_check_proves_the_flow(invoke: Invoke, sample: Path) -> None:
    result = invoke(sample, "flow", "check")
    assert result.exit_code == 0
    assert result.stdout.startswith("ok: ")


def test_flow_check_tells_every_problem_with_its_line(invoke: Invoke, own_sample: Path) -> None:
    flow = own_sample.parent / "fsm_specs" / "enquiry.toml"
    _edit(flow, 'no = "greeting"', 'no = "greetin"')
    result = invoke(own_sample, "flow", "check")
    assert result.exit_code == 1
    assert f"{flow}:" in result.stdout
    assert "'greeting'" in result.stdout
    told = json.loads(invoke(own_sample, "flow", "check", "--json").stdout)
    assert told["ok"] is False
    assert told["problems"][0]["rule"] == "unknown-state"


def test_flow_check_takes_another_file(invoke: Invoke, sample: Path, own_sample: Path) -> None:
    flow = own_sample.parent / "fsm_specs" / "enquiry.toml"
    _edit(flow, "T_OFFH =", "T_OFH =")
    assert invoke(sample, "flow", "check", str(flow)).exit_code == 1
    assert invoke(sample, "flow", "check").exit_code == 0
    assert invoke(sample, "flow", "check", str(sample.parent / "none.toml")).exit_code == 2


def test_flow_draw_prints_mermaid(invoke: Invoke, sample: Path) -> None:
    result = invoke(sample, "flow", "draw")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("stateDiagram-v2\n")
    assert "ask_month" in result.stdout
    told = json.loads(invoke(sample, "flow", "draw", "--json").stdout)
    assert told["drawing"] == result.stdout


def test_flow_draw_writes_a_picture_that_is_xml(
    invoke: Invoke, sample: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "enquiry.svg"
    result = invoke(sample, "flow", "draw", "-o", str(picture))
    assert result.exit_code == 0, result.output
    assert ET.parse(picture).getroot().tag.endswith("svg")  # noqa: S314 - our own picture
    printed = invoke(sample, "flow", "draw", "--svg").stdout
    assert printed == picture.read_text(encoding="utf-8")


def test_a_picture_that_cannot_be_written_is_told(
    invoke: Invoke, sample: Path, tmp_path: Path
) -> None:
    result = invoke(sample, "flow", "draw", "-o", str(tmp_path / "none" / "enquiry.svg"))
    assert result.exit_code == 2
    assert "enquiry.svg: No such file" in result.stderr


# -- prompts and billing -------------------------------------------------------------------------


def test_prompts_check_is_content_with_what_is_shipped(invoke: Invoke, sample: Path) -> None:
    result = invoke(sample, "prompts", "check")
    assert result.exit_code == 0, result.output
    assert "zh-CN, en-US" in result.stdout


def test_prompts_check_finds_a_voice_file_that_is_missing(invoke: Invoke, own_sample: Path) -> None:
    folder = own_sample.parent / "voice_prompts"
    shutil.copytree(resources.PROMPTS / "en-US", folder / "en-US")
    (folder / "en-US" / "audio" / "goodbye.wav").unlink()
    _edit(own_sample, "[places]", '[places]\nprompts = "voice_prompts"')
    result = invoke(own_sample, "prompts", "check", "--lang", "en-US")
    assert result.exit_code == 1
    assert "goodbye.wav" in result.stdout
    told = json.loads(invoke(own_sample, "prompts", "check", "--lang", "en-US", "--json").stdout)
    assert [problem["rule"] for problem in told["problems"]] == ["prompt-missing"]


def test_prompts_check_finds_a_synthesised_file_that_says_an_older_text(
    invoke: Invoke, own_sample: Path
) -> None:
    folder = own_sample.parent / "voice_prompts"
    shutil.copytree(resources.PROMPTS / "en-US", folder / "en-US")
    _edit(own_sample, "[places]", '[places]\nprompts = "voice_prompts"')
    texts = folder / "en-US" / "prompts.toml"
    lines = texts.read_text("utf-8").splitlines()
    number = next(i for i, line in enumerate(lines) if line.startswith("goodbye ="))
    _edit(texts, f"\n{lines[number]}\n", '\ngoodbye = "So long."\n')
    args = ("prompts", "check", "--lang", "en-US", "--json")
    (problem,) = json.loads(invoke(own_sample, *args).stdout)["problems"]
    assert problem["rule"] == "prompt-outdated"
    assert problem["line"] == number + 1
    # a recording by a person is not judged
    shutil.copy(folder / "en-US/audio/welcome.wav", folder / "en-US/audio/goodbye.wav")
    assert invoke(own_sample, *args).exit_code == 0


def test_doctor_tells_missing_voice_files_once(invoke: Invoke, own_sample: Path) -> None:
    _edit(own_sample, "[places]", '[places]\nprompts = "nowhere"')
    result = invoke(own_sample, "doctor")
    assert result.exit_code == 1
    assert result.stdout.count("no such folder") == 1


def test_billing_check_finds_an_item_that_no_language_can_name(
    invoke: Invoke, own_sample: Path
) -> None:
    mapping = (resources.PROFILES / "telecom.toml").read_text(encoding="utf-8")
    mapping = mapping.replace("local_calls =", "local_cals =")
    (own_sample.parent / "my-billing.toml").write_text(mapping, encoding="utf-8")
    _edit(own_sample, 'mapping = "telecom"', 'mapping = "my-billing.toml"')
    told = json.loads(invoke(own_sample, "billing", "check", "--json").stdout)
    assert [(problem["rule"], problem["nearest"]) for problem in told["problems"]] == [
        ("item", "local_calls"), ("item", "local_calls"),
    ]  # fmt: skip


def test_an_unknown_language_gets_the_nearest(invoke: Invoke, sample: Path) -> None:
    result = invoke(sample, "prompts", "list", "--lang", "en-UK")
    assert result.exit_code == 2
    assert "'en-US'" in result.stderr


def test_prompts_list_says_what_a_person_reads(invoke: Invoke, sample: Path) -> None:
    result = invoke(sample, "prompts", "list", "--lang", "en-US", "--json")
    rows = json.loads(result.stdout)
    goodbye = next(row for row in rows if row["id"] == "goodbye")
    assert goodbye["lang"] == "en-US"
    assert goodbye["seconds"] > 0.3
    assert goodbye["text"]


def test_prompts_make_speaks_what_is_missing_and_keeps_the_rest(
    invoke: Invoke, own_sample: Path
) -> None:
    pytest.importorskip("pydub")
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    folder = own_sample.parent / "voice_prompts"
    shutil.copytree(resources.PROMPTS / "en-US", folder / "en-US")
    gone = folder / "en-US" / "audio" / "goodbye.wav"
    gone.unlink()
    _edit(own_sample, "[places]", '[places]\nprompts = "voice_prompts"')
    args = ("prompts", "make", "--lang", "en-US", "--only-missing", "--json")
    told = json.loads(invoke(own_sample, *args).stdout)
    assert told["made"] == ["en-US/goodbye"]
    assert gone.exists()


def test_billing_check_reads_a_bill(invoke: Invoke, sample: Path) -> None:
    result = invoke(sample, "billing", "check", "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["ok"] is True
    assert told["sample"]["items"]


def test_billing_check_names_the_column_that_is_missing(invoke: Invoke, own_sample: Path) -> None:
    with sqlite3.connect(own_sample.parent / "var" / "sample.db") as connection:
        connection.execute("ALTER TABLE TB_ZHANGDAN RENAME COLUMN RENT_FEE TO RENT_FEES")
    connection.close()
    result = invoke(own_sample, "billing", "check")
    assert result.exit_code == 1
    assert "RENT_FEE" in result.stdout
    assert "RENT_FEES" in result.stdout


# -- fast calls ----------------------------------------------------------------------------------


def test_a_fast_call_hears_the_bill_and_writes_it(
    invoke: Invoke, sample: Path, month: str, tmp_path: Path
) -> None:
    wav = tmp_path / "heard.wav"
    keys = f"2 {month}# 1 88610001#"
    result = invoke(sample, "call", "--fast", "--keys", keys, "--wav", str(wav))
    assert result.exit_code == 0, result.output
    assert "Your total is one hundred forty-six yuan and ninety-nine fen" in result.stdout
    with wave.open(str(wav), "rb") as heard:
        assert heard.getframerate() == 8000
        assert heard.getnframes() > 20 * 8000


def test_a_fast_call_in_json_tells_every_event(invoke: Invoke, sample: Path, month: str) -> None:
    keys = f"{month}# 2 100000000002#"
    result = invoke(sample, "call", "--fast", "--json", "--lang", "zh-CN", "--keys", keys)
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events][:2] == ["ringing", "answered"]
    assert events[-1]["event"] == "ended"
    heard = {event["sentence"] for event in events if event["event"] == "heard"}
    assert {"bill_item", "bill_total"} <= heard
    keyed = "".join(event["key"] for event in events if event["event"] == "keyed")
    assert keyed == "1" + keys.replace(" ", "")


def test_keys_that_could_not_be_keyed_make_the_answer_no(invoke: Invoke, sample: Path) -> None:
    result = invoke(sample, "call", "--fast", "--keys", "1 1# 1# 1# 1 1 1")
    assert result.exit_code == 1
    assert "ended" in result.stderr


def test_a_script_can_hang_up_in_the_middle(invoke: Invoke, sample: Path) -> None:
    result = invoke(sample, "call", "--fast", "--keys", "!2 !h")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].endswith("ended by caller")
    heard_out = invoke(sample, "call", "--fast", "--keys", "2 h")
    assert heard_out.exit_code == 0
    assert len(heard_out.stdout.splitlines()) > len(result.stdout.splitlines())


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--fast", "--keys", "1 h 2"), "'h'"),
        (("--fast",), "--keys"),
        (("--fast", "--keys", "1 2x"), "'x'"),
        (("--fast", "--keys", "1", "--caller", "one"), "'one'"),
        (("--fast", "--keys", "1", "--lang", "de-DE"), "de-DE"),
    ],
)
def test_wrong_use_of_a_call_says_what_is_wrong(
    args: tuple[str, ...], told: str, invoke: Invoke, sample: Path
) -> None:
    result = invoke(sample, "call", *args)
    assert result.exit_code == 2
    assert told in result.stderr


# -- simulate and replay -------------------------------------------------------------------------

DAY = ("simulate", "--lines", "2", "--hours", "12", "--calls", "60")


@pytest.fixture(scope="module")
def logs(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the line logs of a simulated half day."""
    from click.testing import CliRunner  # noqa: PLC0415 - `invoke` lives shorter than a module

    from ivrd.cli import main  # noqa: PLC0415 - as above

    folder = tmp_path_factory.mktemp("logs")
    result = CliRunner().invoke(main, ["--config", str(sample), *DAY, "--logs", str(folder)])
    assert result.exit_code == 0, result.output
    return folder


def test_the_same_seed_gives_the_same_report(invoke: Invoke, sample: Path) -> None:
    first, second = (invoke(sample, *DAY, "--seed", "3") for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.stdout == second.stdout
    assert first.stdout != invoke(sample, *DAY, "--seed", "4").stdout
    assert "took" in first.stderr
    assert "took" not in first.stdout


def test_a_simulated_day_in_json_adds_up(invoke: Invoke, sample: Path) -> None:
    told = json.loads(invoke(sample, *DAY, "--json").stdout)
    assert told["calls"] > 0
    assert sum(told["outcomes"].values()) == told["calls"]
    assert sum(told["ended_by"].values()) == told["calls"]


def test_a_simulated_day_replays_as_same(invoke: Invoke, sample: Path, logs: Path) -> None:
    files = sorted(str(path) for path in logs.glob("line-*.log"))
    result = invoke(sample, "replay", *files)
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["same", "same"]


def test_replay_shows_the_first_difference_of_each_file(
    invoke: Invoke, own_sample: Path, logs: Path
) -> None:
    _edit(own_sample.parent / "fsm_specs" / "enquiry.toml", "first_s = 8", "first_s = 9")
    log = logs / "line-01.log"
    result = invoke(own_sample, "replay", str(log))
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{log}:")
    told = json.loads(invoke(own_sample, "replay", "--json", str(log)).stdout)[0]
    assert told["same"] is False
    line = log.read_text(encoding="utf-8").splitlines()[told["line"] - 1]
    assert told["logged"] in line
    assert "8.0" in told["logged"]
    assert "9.0" in told["now"]


def test_replay_takes_another_flow(
    invoke: Invoke, sample: Path, own_sample: Path, logs: Path
) -> None:
    flow = own_sample.parent / "fsm_specs" / "enquiry.toml"
    log = str(logs / "line-01.log")
    assert invoke(sample, "replay", log, "--flow", str(flow)).exit_code == 0
    _edit(flow, "first_s = 8", "first_s = 9")
    assert invoke(sample, "replay", log, "--flow", str(flow)).exit_code == 1


def test_what_is_no_log_is_told_and_the_others_are_replayed(
    invoke: Invoke, sample: Path, logs: Path
) -> None:
    result = invoke(sample, "replay", str(sample), str(logs / "line-02.log"))
    assert result.exit_code == 2
    assert f"{sample}:1:" in result.stderr
    assert result.stdout.startswith("same")


def test_coverage_counts_what_recorded_calls_have_taken(
    invoke: Invoke, sample: Path, logs: Path
) -> None:
    files = [str(path) for path in logs.glob("line-*.log")]
    told = json.loads(invoke(sample, "flow", "coverage", "--json", *files).stdout)
    assert 20 < told["fired"] < told["transitions"]
    assert told["fired"] + len(told["missing"]) == told["transitions"]
    assert told["differences"] == []
    text = invoke(sample, "flow", "coverage", *files).stdout
    assert f"{told['fired']} of {told['transitions']} transitions" in text
    one = told["missing"][0]
    assert f"{one['file']}:{one['line']}: " in text


def test_coverage_counts_up_to_a_difference_and_tells_it(
    invoke: Invoke, own_sample: Path, logs: Path
) -> None:
    _edit(own_sample.parent / "fsm_specs" / "enquiry.toml", "first_s = 8", "first_s = 9")
    result = invoke(own_sample, "flow", "coverage", str(logs / "line-01.log"))
    assert result.exit_code == 0
    assert "8.0" in result.stderr


# -- doctor --------------------------------------------------------------------------------------


def test_doctor_finds_a_good_set_up_good(invoke: Invoke, sample: Path) -> None:
    result = invoke(sample, "doctor", "--json")
    findings = {one["check"]: one for one in json.loads(result.stdout)}
    wrong = [one for one in findings.values() if one["ok"] is False]
    assert wrong == []
    assert result.exit_code == 0
    assert {"python", "settings", "flow", "prompts", "billing", "cards", "data folder", "disk",
            "open files", "socket", "voice tools", "logs", "user", "clock",
            "service", "broker", "metrics", "imports"} == set(findings)  # fmt: skip


def test_doctor_says_all_that_is_wrong(invoke: Invoke, own_sample: Path) -> None:
    folder = own_sample.parent
    (folder / "var" / "sample.db").unlink()
    (folder / "var" / "ivrd.sock").touch()
    _edit(folder / "fsm_specs" / "enquiry.toml", 'no = "greeting"', 'no = "greetin"')
    _edit(own_sample, 'driver = "software"', 'driver = "softwear"')
    result = invoke(own_sample, "doctor")
    assert result.exit_code == 1
    wrong = {line.split()[1] for line in result.stdout.splitlines() if line.startswith("wrong")}
    assert wrong == {"flow", "billing", "cards"}
    assert "is left over" in result.stdout


def test_doctor_without_settings_stops_there(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke(tmp_path / "ivrd.toml", "doctor")
    assert result.exit_code == 1
    assert "sample-data" in result.stdout
