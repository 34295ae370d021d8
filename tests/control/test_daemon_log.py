"""The daemon's own log: its forms, journald, rotation by size and age, and reopening."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import structlog

from ivrd.control.daemon_log import FromLogging, is_journal, log_through, to_file, to_stream
from ivrd.linelog import TraceFile

ZONE = ZoneInfo("Asia/Shanghai")
DAY_S = 86_400


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def tell() -> None:
    structlog.get_logger("ivrd").error("card_not_open", card="soft", why="线路\n断")


def test_stderr_and_file_both_have_every_event(tmp_path: Path) -> None:
    stream, file = io.StringIO(), TraceFile(tmp_path / "ivrd.log", 0, 1)
    log_through((to_stream(stream), to_file(file, "json")), ZONE)
    tell()
    file.close()
    (line,) = stream.getvalue().splitlines()
    assert "level=error event=card_not_open card=soft" in line
    told = json.loads((tmp_path / "ivrd.log").read_text(encoding="utf-8"))
    assert list(told)[:3] == ["timestamp", "level", "event"]
    assert (told["event"], told["why"]) == ("card_not_open", "线路\n断")
    assert told["timestamp"].endswith("+08:00")


def test_text_in_a_file_is_one_line_an_event(tmp_path: Path) -> None:
    file = TraceFile(tmp_path / "ivrd.log", 0, 1)
    log_through((to_file(file, "text"),), ZONE)
    tell()
    tell()
    file.close()
    lines = (tmp_path / "ivrd.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("timestamp=20")


def test_journald_gets_priorities_and_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "stderr").open("w+", encoding="utf-8") as stream:
        there = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{there.st_dev}:{there.st_ino}")
        assert is_journal(stream)
        log_through((to_stream(stream),), ZONE)
        tell()
        structlog.get_logger("ivrd").info("started")
        stream.seek(0)
        first, second = stream.read().splitlines()
    assert first.startswith("<3>event=card_not_open card=soft")
    assert second == "<6>event=started"


def test_a_stream_that_was_led_elsewhere_is_not_journalds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    with (tmp_path / "stderr").open("w", encoding="utf-8") as stream:
        assert not is_journal(stream)
    assert not is_journal(io.StringIO())


def test_what_libraries_tell_is_in_it_without_the_words_of_an_error() -> None:
    stream = io.StringIO()
    log_through((to_stream(stream),), ZONE)
    logger = logging.Logger("asyncio")  # noqa: LOG001 - one of this test's own
    logger.addHandler(FromLogging())
    try:
        raise ValueError("secret 13800000538")  # noqa: TRY301 - for its traceback
    except ValueError:
        logger.exception("Task exception was never retrieved\nfuture: <...>")
    (line,) = stream.getvalue().splitlines()
    assert 'event=library of=asyncio what="Task exception was never retrieved"' in line
    assert "kind=ValueError" in line
    assert "secret" not in line


def test_a_file_is_rotated_when_its_first_line_is_too_old(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    file = TraceFile(tmp_path / "a.log", 0, 5, max_age_s=DAY_S, now=lambda: now[0])
    for after_s in (0, DAY_S - 1, 2, DAY_S - 2, 1):
        now[0] += after_s
        file.info(f"{now[0]:.0f}\n")
    file.close()
    assert (tmp_path / "a.log.1").read_text(encoding="utf-8") == "1800000000\n1800086399\n"
    assert len((tmp_path / "a.log").read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.parametrize("line", [
    "2026-11-20T10:00:00.000+08:00 0.000 @ 1 1 a@0 zh-CN 1\n",
    "timestamp=2026-11-20T10:00:00.000+08:00 level=info event=started\n",
    '{"timestamp": "2026-11-20T10:00:00.000+08:00", "level": "info"}\n',
])  # fmt: skip
def test_the_age_of_a_file_that_is_there_is_that_of_its_first_line(
    line: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_text(line, encoding="utf-8")
    began_s = datetime(2026, 11, 20, 2, tzinfo=UTC).timestamp()
    for age_s, rotated in ((DAY_S - 1, False), (DAY_S, True)):
        file = TraceFile(path, 0, 5, max_age_s=DAY_S, now=partial(float, began_s + age_s))
        file.info("more\n")
        file.close()
        assert path.with_name("a.log.1").exists() is rotated


def test_logrotate_may_take_the_file_away(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    file = TraceFile(path, 0, 5)
    file.info("before\n")
    path.rename(tmp_path / "a.log.1")
    file.info("still the old one\n")
    file.reopen()
    file.info("the new one\n")
    file.close()
    assert (tmp_path / "a.log.1").read_text(encoding="utf-8") == "before\nstill the old one\n"
    assert path.read_text(encoding="utf-8") == "the new one\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_under_the_daemons_log_is_told_on_stderr_once() -> None:
    stream, file = io.StringIO(), TraceFile(Path("/dev/full"), 0, 1)
    log_through((to_stream(stream), to_file(file, "text")), ZONE)
    tell()
    tell()
    file.close()
    assert stream.getvalue().count("line_log_not_written") == 2, "for the first, and the close"
    assert stream.getvalue().count("card_not_open") == 2
