"""`ivrd modem emulate` in one process, `ivrd run` on its ports in another: the bill is heard."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from ivrd.cli.app import main
from ivrd.commands import Prompt
from ivrd.config import load_config
from tests.real.audio import faults, follow
from tests.real.enquiry_office import heard_on_software

IVRD = (sys.executable, "-c", "from ivrd.cli import main; main(prog_name='ivrd')")

SCRIPT = """
caller 88610011
called 170
listen
interrupt 1{month}#3 gap 0.15
hear bill_of_month within 30
hear bill_total 三十元零五分
hang up
"""


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run ivrd with these words, and end it."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*IVRD, *words], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def modem_config(folder: Path, devices: list[str], profile: str) -> Path:
    """Make a sample set-up whose lines are on modems, as docs/modems.md has it."""
    made = CliRunner().invoke(main, ["sample-data", str(folder), "--accounts", "40"])
    assert made.exit_code == 0, made.output
    file = folder / "ivrd.toml"
    text = file.read_text("utf-8")
    options = f'{{ ports = {json.dumps(devices)}, profile = "{profile}", called = "170" }}'
    for pattern, new in (
        ('driver = "demo".*', 'driver = "modem"'),
        ("channels = 8", f"channels = {len(devices)}"),
        ("options = .*", f"options = {options}"),
        ('numbers = "1-8"', 'numbers = "1"'),
        ('channels = "1-8"', 'channels = "1"'),
    ):
        text, times = re.subn(pattern, new, text)
        assert times == 1, pattern
    file.write_text(text, "utf-8")
    return file


def bill_on_software(config: Path, month: str, now: datetime) -> list[Prompt]:
    """Return the bill, as the same caller hears it on the software card."""
    plays = heard_on_software(load_config(config), now, ["1", f"{month}#", "1", "88610011#", "0"])
    return plays[-3]


def test_a_scripted_caller_of_an_emulated_modem_hears_the_bill_of_a_running_ivrd(
    tmp_path: Path,
) -> None:
    links, wav = tmp_path / "modems", tmp_path / "heard.wav"
    config = modem_config(tmp_path / "node", [str(links / "modem1")], "usr5637")
    now = datetime.now(load_config(config).zone)
    month = f"{now.replace(day=1) - timedelta(days=1):%Y%m}"
    script = tmp_path / "caller.call"
    script.write_text(SCRIPT.format(month=month), "utf-8")
    words = ["modem", "emulate", "--ports", "1", "--profile", "usr5637", "--json",
             "--link", str(links), "--script", str(script), "--wav", str(wav)]  # fmt: skip
    with running(*words) as emulator:
        assert emulator.stdout
        assert json.loads(emulator.stdout.readline())["devices"] == [str(links / "modem1")]
        with running("--config", str(config), "run"):
            told = [json.loads(line) for line in emulator.stdout]
        assert (emulator.wait(60), told[-1]["failure"]) == (0, None)
    assert told[-1] == {"event": "script", "passed": True, "failure": None}
    with wave.open(str(wav), "rb") as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
    expected = bill_on_software(config, month, now)
    assert "三十元零五分" in "".join(prompt.text for prompt in expected)
    found = follow(heard, [expected], pause_s=10.0)
    assert len(found) > 10
    assert not faults(found, [])


def test_sound_without_a_script_is_refused() -> None:
    result = CliRunner().invoke(main, ["modem", "emulate", "--wav", "x.wav"])
    assert result.exit_code == 2
    assert "--script" in result.output


def test_a_script_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    script = tmp_path / "wrong.call"
    script.write_text("hear welcome\nkex 1\nhang up", "utf-8")
    result = CliRunner().invoke(main, ["modem", "emulate", "--script", str(script)])
    assert result.exit_code != 0
    assert "wrong.call" in result.output
    assert "line 2" in result.output or ":2" in result.output
    assert "did you mean 'key'" in result.output or "key" in result.output
