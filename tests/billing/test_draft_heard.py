"""From a database that nobody described to a bill that is heard, with what the commands say alone.

`billing init` writes the mapping, a person decides the one thing that no data can tell, `billing
check` proves it and says what to write into ivrd.toml, and a call on the software card hears it.
"""

from __future__ import annotations

import array
import json
import shlex
import sys
import tomllib
import wave
from datetime import datetime, tzinfo
from pathlib import Path
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from ivrd.cli import main
from tests.billing.dumped import KIND, dumped
from tests.billing.places import PASSWORD, BillingServer
from tests.billing.test_draft_dumps import DECIDED

NOW = datetime(2026, 11, 5, 10, 0, tzinfo=ZoneInfo("Asia/Shanghai"))


class Heard(NamedTuple):
    """Who rings for which month, and what they hear, worked out by hand from the dump."""

    trade: str | None
    number: str
    month: str
    bill: str
    total_en: str


HEARD = {
    # 25.00 + 8.05 + 12.60 + 2.00
    "jfxt_county": Heard(
        None, "88610002", "202609",
        "您二零二六年九月话费如下。 月租费二十五元 市话通话费八元零五分 自动长话费十二元六角"
        " 信息费两元 费用合计四十七元六角五分 这份账单还没有交费。"
        " 交费截止日期为二零二六年十月二十日",
        "forty-seven yuan and sixty-five fen",
    ),
    # rent 21.60, local 0.88; the bill of 777.77 is void. The number is keyed with its area code
    "bss97": Heard(
        None, "01088610001", "202609",
        "您二零二六年九月话费如下。 月租费二十一元六角 市话通话费八角八分"
        " 费用合计二十二元四角八分 这份账单还没有交费。 交费截止日期为二零二六年十月二十日",
        "twenty-two yuan and forty-eight fen",
    ),
    # two cars of 300.00; water and energy shared, 41.27, are neither of the two that have a prompt
    "wuye": Heard(
        "property", "13600000001", "202608",
        "您二零二六年八月物业费如下。 物业管理费五百三十六元四角 停车费六百元"
        " 其他费用四十一元二角七分 费用合计一千一百七十七元六角七分 这份账单已经交清。",
        "one thousand one hundred seventy-seven yuan and sixty-seven fen",
    ),
    # 25 m3: 32.40 + 18.90, 23.75, 5.00, and 0.80 for being late
    "shuiwu": Heard(
        "water", "13700000002", "202609",
        "您二零二六年九月水费如下。 第一阶梯水费三十二元四角 第二阶梯水费十八元九角"
        " 污水处理费二十三元七角五分 水资源费五元 违约金八角 费用合计八十元八角五分"
        " 这份账单还没有交费。 交费截止日期为二零二六年十月二十五日",
        "eighty yuan and eighty-five fen",
    ),
    # television 25.00 has no prompt, broadband 128.00, rebate 15.30
    "catv": Heard(
        "mobile", "86100002", "202609",
        "您二零二六年九月通信费如下。 宽带费一百二十八元 优惠退还十五元三角 其他费用二十五元"
        " 费用合计一百三十七元七角 这份账单还没有交费。 交费截止日期为二零二六年十月十五日",
        "one hundred thirty-seven yuan and seventy fen",
    ),
}  # fmt: skip


class _Then(datetime):
    """The fifth of November 2026, whenever this runs."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(NOW.timestamp(), tz)


@pytest.mark.parametrize("name", KIND)
def test_a_bill_of_a_database_that_nobody_described_is_heard(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: BillingServer | None = None
    if KIND[name] != "sqlite":
        server = request.getfixturevalue(KIND[name])
    url = dumped(name, server, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BILLING", PASSWORD)
    monkeypatch.setattr("ivrd.cli.fast_call.datetime", _Then)
    heard = HEARD[name]

    password = ["--password-env", "BILLING"] if server else []
    drafted = _run("ivrd", "billing", "init", "--url", url, *password, "-o", "mine.toml")
    words = heard.trade or "the telephone's words, without a trade"
    assert f"  {words}: " in drafted
    _decide(Path("mine.toml"), DECIDED.get(name, {}))
    checked = _run(*shlex.split(_behind(drafted, "next: ")))
    assert checked.startswith(("ok: ", "advice: "))

    lines = checked.partition("next: write ivrd.toml:\n")[2].partition("then hear")[0]
    Path("ivrd.toml").write_text(lines.replace("\n  ", "\n").removeprefix("  "), encoding="utf-8")
    assert tomllib.loads(lines)["node"].get("trade") == heard.trade
    call = shlex.split(_behind(checked, "then hear a bill: "))
    assert call[:-1] == ["ivrd", "call", "--fast", "--keys"]

    told = _call(f"1 {heard.month}# 1 {heard.number}#")
    assert heard.bill in told
    assert heard.total_en in _call(f"2 {heard.month}# 1 {heard.number}#")


def _run(ivrd: str, *words: str) -> str:
    assert ivrd == "ivrd"
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return result.stdout


def _behind(output: str, start: str) -> str:
    return next(line for line in output.splitlines() if line.startswith(start)).removeprefix(start)


def _decide(file: Path, decided: dict[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for old, new in decided.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def _call(keys: str) -> str:
    """Call on the software card; return the text of what was heard, which is no silence."""
    told = _run("ivrd", "call", "--fast", "--keys", keys, "--wav", "heard.wav", "--json")
    events = [json.loads(line) for line in told.splitlines()]
    with wave.open("heard.wav", "rb") as file:
        samples = array.array("h", file.readframes(file.getnframes()))
    if sys.byteorder == "big":
        samples.byteswap()
    second = 8000
    loud = [max(samples[at : at + second]) > 1000 for at in range(0, len(samples), second)]
    assert sum(loud) > 20, "seconds of speech"
    return " ".join(event["text"] for event in events if event["event"] == "heard")
