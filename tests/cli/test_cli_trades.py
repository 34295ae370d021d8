"""The ready profiles from the command line, as `make run PROFILE=…` starts them."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from ivrd import resources
from ivrd.billing.ready_profiles import profile, profile_names
from ivrd.billing.sample import month_back
from ivrd.cli import main
from ivrd.cli.run import how_to_call
from ivrd.cli.service import billing_reader
from ivrd.config import load_config
from sim.demo import KNOWN as CALLED_ABOUT
from tests.cli.cli_terminal import IVRD, Invoke, Terminal, started
from tests.cli.dunning_set_up import told

TOP = Path(__file__).resolve().parents[2]
TODAY = date(2026, 11, 21)
HEARD = {
    "mobile": ("通信费", "套餐费九十九元", "一百九十元零五分"),
    "water": ("水费", "污水处理费二十八元五角", "一百二十八元三角四分"),
    "property": ("物业费", "停车费一百五十元", "三百八十九元零五分"),
    "list": ("账款", "费用合计一千二百八十元五角"),
}
"""What the caller of the words how to call hears, in each trade."""

TRADES = tuple(HEARD)
_SAID = re.compile(r"`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module", params=TRADES)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a sample set-up of each trade."""
    folder: Path = tmp_path_factory.mktemp("trade") / request.param
    words = ["sample-data", str(folder), "--profile", request.param, "--accounts", "40"]
    made = CliRunner().invoke(main, words)
    assert made.exit_code == 0, made.output
    assert "88610001" in made.stdout
    return folder


def test_a_profile_gets_settings_data_and_words_that_fit(invoke: Invoke, home: Path) -> None:
    config = load_config(home / "ivrd.toml")
    assert (config.billing.mapping, config.node.trade) == (home.name, home.name)
    result = invoke(home / "ivrd.toml", "billing", "check")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"ok: {home.name} fits the database; a bill of ")
    assert "advice" not in result.output
    assert HEARD[home.name][0] in result.stdout, "a bill as it is spoken"


def test_the_words_how_to_call_are_a_call_that_hears_the_bill(invoke: Invoke, home: Path) -> None:
    ivrd, *options, call, keys, said = shlex.split(how_to_call(load_config(home / "ivrd.toml")))
    assert options == ["-c", str(home / "ivrd.toml")]
    assert (ivrd, call, keys) == ("ivrd", "call", "--keys")
    result = invoke(home / "ivrd.toml", "call", "--fast", "--keys", said)
    assert result.exit_code == 0, result.output
    for words in (f"欢迎使用{HEARD[home.name][0]}查询服务", *HEARD[home.name]):
        assert words in result.stdout


def test_simulated_callers_ask_about_numbers_that_are_there(home: Path) -> None:
    with billing_reader(load_config(home / "ivrd.toml")) as reader:
        assert [number for number in CALLED_ABOUT if reader.find_by_phone(number) is None] == []


def test_the_campaign_beside_the_settings_finds_its_debtors(invoke: Invoke, home: Path) -> None:
    config = home / "ivrd.toml"
    made = invoke(config, "campaign", "new", str(home / "arrears.toml"))
    assert made.exit_code == 0, made.output
    name = tomllib.loads((home / "arrears.toml").read_text(encoding="utf-8"))["name"]
    debtors = told(invoke, config, "campaign", "export", name)["rows"]
    assert len(debtors) > 1
    assert "0005" in {one["number"][-4:] for one in debtors}


def test_ready_profiles_make_the_same_sample_for_the_same_seed(tmp_path: Path) -> None:
    def digest(name: str, seed: int) -> str:
        file = tmp_path / f"{name}-{seed}-{len(list(tmp_path.iterdir()))}.db"
        profile(name).write(file, TODAY, seed=seed, accounts=30, months=6)
        return sha256(file.read_bytes()).hexdigest()

    for name in TRADES:
        assert digest(name, 7) == digest(name, 7) != digest(name, 8)


@pytest.mark.parametrize("name", TRADES)
def test_amounts_of_a_sample_add_up_and_some_are_in_arrears(name: str, tmp_path: Path) -> None:
    file = tmp_path / "sample.db"
    profile(name).write(file, TODAY, seed=7, accounts=300, months=12)
    sums = {
        "mobile": (
            "SELECT sum(amount) FROM invoice", "SELECT sum(amount) FROM invoice_line",
            "SELECT sum(amount) FROM overdue",
        ),
        "water": (
            "SELECT round(sum(HJ), 2) FROM SFZD",
            "SELECT round(sum(JTSF1 + JTSF2 + JTSF3 + WSF + SZYF + WYJ), 2) FROM SFZD",
            "SELECT sum(HJ) FROM SFZD WHERE JFBZ = '0' AND JFQX < '20261121'",
        ),
        "property": (
            'SELECT round(sum("应收(元)") * 100) FROM "账单_202609"',
            'SELECT sum("金额(分)") FROM "明细_202609"',
            'SELECT sum("应收(元)") FROM "账单_202609" WHERE "缴费状态" = \'未缴\'',
        ),
        "list": (
            "SELECT count(*) FROM 应收名单", "SELECT 300",
            "SELECT sum(金额) FROM 应收名单 WHERE 已付 = '否'",
        ),
    }[name]  # fmt: skip
    with closing(sqlite3.connect(file)) as connection:
        total, items, owed = (connection.execute(sql).fetchone()[0] for sql in sums)
    assert total == items
    assert owed > 0


def test_every_ready_profile_has_a_sample_that_its_mapping_reads() -> None:
    assert set(profile_names()) == {path.stem for path in resources.PROFILES.glob("*.toml")}
    for name in profile_names():
        assert profile(name).known[0].subscriber.phone == "88610001"


def test_an_unknown_profile_is_told_with_the_nearest(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke(None, "sample-data", str(tmp_path / "x"), "--profile", "watr")
    assert result.exit_code == 2
    assert "did you mean 'water'?" in result.stderr
    assert not (tmp_path / "x").exists()


# -- make run ------------------------------------------------------------------------------------


@pytest.fixture
def checkout() -> Iterator[Path]:
    """Give a folder with the Makefile, set up already: its ivrd is this one."""
    # the path of a socket is short (unix(7)), that of pytest's folders may not be
    with tempfile.TemporaryDirectory(prefix="ivrd-") as name:
        folder = Path(name)
        shutil.copy(TOP / "Makefile", folder)
        (folder / "pyproject.toml").touch()
        bin_ = folder / ".venv" / "bin"
        bin_.mkdir(parents=True)
        (bin_ / "ivrd").write_text(f'#!/bin/sh\nexec {shlex.join(IVRD)} "$@"\n', encoding="utf-8")
        (bin_ / "ivrd").chmod(0o755)
        (folder / ".venv" / ".ready").touch()
        yield folder


def _make(folder: Path, *words: str) -> list[str]:
    return ["make", "--no-print-directory", "-C", str(folder), "run", *words]


@pytest.mark.parametrize("name", TRADES)
def test_make_run_uses_a_folder_of_the_profiles_own(name: str, checkout: Path) -> None:
    dry = subprocess.run(  # noqa: S603 - make, on our own Makefile
        [*_make(checkout, f"PROFILE={name}"), "--dry-run"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert dry.stdout.splitlines() == [
        f".venv/bin/ivrd sample-data --keep --profile '{name}' 'var/{name}'",
        f".venv/bin/ivrd --config 'var/{name}/ivrd.toml' run --watch",
    ]


def test_make_run_starts_a_profile_that_answers_a_call(checkout: Path) -> None:
    name = "water"
    with Terminal(_make(checkout, f"PROFILE={name}"), columns=120) as daemon:
        at = daemon.see(f"ivrd -c var/{name}/ivrd.toml call --keys", daemon.see("q stops"))
        config = checkout / "var" / name / "ivrd.toml"
        calling = started("call", "--keys", "!1", "--caller", "88619977", config=config)
        at = daemon.see("welcome", daemon.see("xxxx9977", at))
        calling.send_signal(signal.SIGINT)
        daemon.read_while(lambda: calling.poll() is None)
        heard, _ = calling.communicate()
        assert f"欢迎使用{HEARD[name][0]}查询服务" in heard
        daemon.type("q")
        daemon.see("stopping", at)
        assert daemon.ended() == 0


def test_make_run_with_an_unknown_profile_tells_the_nearest_and_starts_nothing(
    checkout: Path,
) -> None:
    with Terminal(_make(checkout, "PROFILE=propety"), columns=160) as told_:
        told_.see("did you mean 'property'?")
        assert told_.ended() == 2
    assert not (checkout / "var").exists()


# -- a trade of one's own, as docs/trades.md writes it --------------------------------------------


def test_the_example_of_the_document_is_a_trade_that_speaks(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    document = (TOP / "docs" / "trades.md").read_text(encoding="utf-8")
    months = [month_back(datetime.now(ZoneInfo("Asia/Shanghai")).date(), back) for back in (1, 0)]
    then = {"2026-10": months[0], "2026-11": months[1], "202610": months[0].replace("-", "")}
    for old, new in then.items():
        document = document.replace(old, new)
    files = dict(_SAID.findall(document))
    assert list(files) == [
        "gas.sql", "gas.toml", "gas/zh-CN/prompts.toml", "gas/en-US/prompts.toml", "ivrd.toml",
    ]  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "gas.db")) as connection:
        connection.executescript(files["gas.sql"])
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    heard = ""
    for command in commands.splitlines():
        ivrd, *words = shlex.split(command)
        assert ivrd == "ivrd"
        result = invoke(None, *words)
        assert result.exit_code == 0, result.output
        heard = result.stdout
    promised = document.partition("The caller hears ")[2].partition(". With")[0]
    sentences = re.findall(r"[\u4e00-\u9fff]+", promised)
    assert len(sentences) == 7
    assert [sentence for sentence in sentences if sentence not in heard] == []
    assert "made gas/zh-CN/trade_bill" not in invoke(None, "prompts", "make").stdout
