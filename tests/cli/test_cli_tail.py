"""`ivrd tail`: the last lines, one call, and following through a rotation."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from ivrd.cli.tail import followed
from ivrd.config import load_config
from ivrd.linelog import TraceFile
from tests.cli.cli_terminal import Invoke

FIRST = """\
2026-11-21T10:00:00.000+08:00 0.000 @ 20261121-100000-L3-1 3 enquiry@9239efe3 zh-CN 1 caller="x"
2026-11-21T10:00:00.000+08:00 0.000 < T_RING caller="x"
2026-11-21T10:00:00.010+08:00 0.010 # ended by=caller
"""
SECOND = FIRST.replace("L3-1", "L3-2").replace("10:00", "10:01").replace("100000", "100100")


@pytest.fixture
def log(own_sample: Path) -> Path:
    """Return the log of line 3, whose first call was rotated away."""
    file = load_config(own_sample).line_log(3)
    file.parent.mkdir(parents=True)
    file.with_name(file.name + ".1").write_text(FIRST, encoding="utf-8")
    file.write_text(SECOND, encoding="utf-8")
    return file


def test_a_pipe_gets_the_lines_as_they_were_written(
    invoke: Invoke, own_sample: Path, log: Path
) -> None:
    assert log.exists()
    assert invoke(own_sample, "tail", "3").stdout == FIRST + SECOND
    assert invoke(own_sample, "tail", "3", "-n", "4").stdout == "".join(
        (FIRST + SECOND).splitlines(keepends=True)[-4:]
    )


def test_one_call_is_found_by_the_beginning_of_its_id_even_when_rotated(
    invoke: Invoke, own_sample: Path, log: Path
) -> None:
    assert log.exists()
    assert invoke(own_sample, "tail", "3", "--call", "20261121-1000").stdout == FIRST
    missing = invoke(own_sample, "tail", "3", "--call", "20261122")
    assert missing.exit_code == 1
    assert "20261122" in missing.stderr


def test_json_has_time_mark_and_text(invoke: Invoke, own_sample: Path, log: Path) -> None:
    assert log.exists()
    lines = invoke(own_sample, "tail", "3", "-n", "2", "--json").stdout.splitlines()
    assert json.loads(lines[0]) == {
        "at": "2026-11-21T10:01:00.000+08:00", "at_s": 0.0, "mark": "<",
        "text": 'T_RING caller="x"',
    }  # fmt: skip


def test_a_line_that_is_not_configured_is_wrong_use(invoke: Invoke, own_sample: Path) -> None:
    result = invoke(own_sample, "tail", "99")
    assert result.exit_code == 2
    assert "1 to 8" in result.stderr


def test_a_line_without_a_log_says_so(invoke: Invoke, own_sample: Path) -> None:
    result = invoke(own_sample, "tail", "8")
    assert result.exit_code == 0
    assert "no log yet" in result.stderr


def test_following_loses_nothing_at_a_rotation(tmp_path: Path) -> None:
    written = [f"2026-11-21T10:00:00.000+08:00 0.000 ! line-{number:03}\n" for number in range(60)]
    file = TraceFile(tmp_path / "line-03.log", max_bytes=600, keep=20)
    rest = iter(written)
    for text in itertools.islice(rest, 5):
        file.info(text)

    def write_one(_seconds: float) -> None:
        """Write where a follower would pause: between two looks at the log."""
        file.info(next(rest))

    lines = followed(tmp_path / "line-03.log", last=3, pause=write_one)
    seen = [next(lines) for _ in range(len(written) - 2)]
    lines.close()
    file.close()
    assert seen == written[2:]
    assert len(list(tmp_path.iterdir())) > 3


def test_following_waits_for_the_rest_of_a_line(tmp_path: Path) -> None:
    file = tmp_path / "line-03.log"
    file.write_text("half", encoding="utf-8")

    def write_rest(_seconds: float) -> None:
        with file.open("a", encoding="utf-8") as log:
            log.write(" a line\n")

    lines = followed(file, last=10, pause=write_rest)
    assert next(lines) == "half a line\n"
    lines.close()
