"""Line logs asked in place: by time, number, outcome and kind, over rotations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrd.linelog import TraceFile, render_value
from ivrd.log_query import LoggedCall, LogQuery, Wanted, could_be

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2026, 11, 16, 9, 0, tzinfo=ZONE)


def stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def call(  # noqa: PLR0913 - what a call may differ in
    at: datetime, number: int, *, line: int = 7, caller: str = "xxxx0001", out: bool = False,
    lasted_s: float = 60.0, notes: Sequence[str] = ("told",), ends: bool = True, filler: int = 0,
) -> str:  # fmt: skip
    """Return the trace of a call as a line writes it."""
    name = f"{at:%Y%m%d-%H%M%S}-L{line}-{number}"
    flow = "dunning" if out else "enquiry"
    shown = render_value(caller)
    text = f"{stamp(at)} 0.000 @ {name} {line} {flow}@9239efe3 zh-CN 1 caller={shown}\n"
    text += f"{stamp(at)} 0.000 < " + ("U_TIME\n" if out else f"T_RING caller={shown}\n")
    text += f"{stamp(at)} 0.000 > off_hook 2\n{stamp(at)} 0.000 = answering\n"
    for step in range(filler):
        text += f'{stamp(at)} 0.000 > note "a @ b # ended ! {step}"\n'
    if ends:
        end = stamp(at + timedelta(seconds=lasted_s))
        told = render_value(list(notes))
        text += f"{end} {lasted_s:.3f} # ended by=caller left_in=menu lasted_s={lasted_s}"
        text += f" sentences=3 notes={told}\n"
    return text


def asked(file: Path, **wanted: object) -> list[LoggedCall]:
    query = LogQuery({7: file}, Wanted(**wanted))  # type: ignore[arg-type]  # each test's own
    found = list(query.calls())
    assert query.damaged == []
    return found


def rotated(folder: Path, texts: Sequence[str], max_bytes: int) -> Path:
    """Write texts through the rotating file that lines write to."""
    file = TraceFile(folder / "line-07.log", max_bytes, 1000)
    for text in texts:
        for line in text.splitlines(keepends=True):
            file.info(line)
    file.close()
    return folder / "line-07.log"


def test_a_call_is_found_by_a_moment_in_its_middle(tmp_path: Path) -> None:
    calls = [call(MONDAY + timedelta(minutes=10 * n), n, lasted_s=300) for n in range(12)]
    file = rotated(tmp_path, calls, 0)
    moment = MONDAY + timedelta(minutes=33)
    (found,) = asked(file, since=moment, until=moment + timedelta(minutes=1))
    assert (found.call, found.kind, found.number) == ("20261116-093000-L7-3", "in", "xxxx0001")
    assert (found.ended_by, found.left_in, found.lasted_s) == ("caller", "menu", 300.0)
    assert found.notes == ("told",)
    assert found.trace == calls[3]
    between = MONDAY + timedelta(minutes=36)
    assert asked(file, since=between, until=between + timedelta(minutes=1)) == []


def test_a_call_over_the_border_of_two_files_is_whole(tmp_path: Path) -> None:
    calls = [call(MONDAY + timedelta(minutes=n), n, filler=3) for n in range(20)]
    file = rotated(tmp_path, calls, 500)
    assert len(list(tmp_path.iterdir())) > 10
    assert [found.trace for found in asked(file)] == calls


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.integers(60, 20_000), min_size=1, max_size=60),
    filler=st.integers(0, 40),
    begin=st.integers(-10_000, 400_000),
    length=st.integers(1, 40_000),
    max_bytes=st.sampled_from([0, 3000, 20_000]),
)
def test_bisection_finds_what_reading_everything_finds(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int], filler: int, begin: int,
    length: int, max_bytes: int,
) -> None:  # fmt: skip
    at, calls = MONDAY, []
    for number, gap in enumerate(gaps):
        calls.append(call(at, number, lasted_s=50, filler=filler))
        at += timedelta(seconds=gap)
    file = rotated(tmp_path_factory.mktemp("log"), calls, max_bytes)
    since, until = (MONDAY + timedelta(seconds=s) for s in (begin, begin + length))
    slow = [
        found for found in asked(file)
        if found.at < until and found.at + timedelta(seconds=50) >= since
    ]  # fmt: skip
    assert asked(file, since=since, until=until) == slow


def test_a_clock_set_back_an_hour_hides_nothing(tmp_path: Path) -> None:
    """The clocks of the machine go back while the log is written: nothing ascends there."""
    before = [call(MONDAY + timedelta(minutes=n), n, filler=20) for n in range(300)]
    again = [call(MONDAY + timedelta(minutes=240 + n), 300 + n, filler=20) for n in range(300)]
    file = rotated(tmp_path, before + again, 0)
    since = MONDAY + timedelta(minutes=245)
    found = asked(file, since=since, until=since + timedelta(seconds=30))
    assert [one.call for one in found] == [
        "20261116-130400-L7-244", "20261116-130500-L7-245",
        "20261116-130400-L7-304", "20261116-130500-L7-305",
    ]  # fmt: skip


def test_only_a_part_of_a_large_log_is_read(tmp_path: Path) -> None:
    calls = [call(MONDAY + timedelta(minutes=5 * n), n, filler=100) for n in range(2000)]
    file = tmp_path / "line-07.log"
    file.write_text("".join(calls), encoding="utf-8")
    since = MONDAY + timedelta(days=3)
    query = LogQuery({7: file}, Wanted(since=since, until=since + timedelta(minutes=1)))
    with file.open("rb") as log:
        read = sum(map(len, query._pieces(log)))  # noqa: SLF001 - what is read for it
    assert 0 < read < file.stat().st_size / 20
    assert len(list(query.calls())) == 1


def test_kinds_numbers_and_outcomes_choose(tmp_path: Path) -> None:
    file = rotated(tmp_path, [
        call(MONDAY, 1, caller="xxxx0001"),
        call(MONDAY + timedelta(hours=1), 2, caller="+xxxxxxxxx0538", out=True,
             notes=["no_answer"]),
        f"{stamp(MONDAY + timedelta(hours=2))} 0.000 ! out_of_service why=\"no loop\"\n",
        call(MONDAY + timedelta(hours=3), 3, ends=False),
    ], 0)  # fmt: skip
    assert [one.kind for one in asked(file)] == ["in", "out", "line", "in"]
    assert [one.kind for one in asked(file, kinds=frozenset({"out"}))] == ["out"]
    (remark,) = asked(file, kinds=frozenset({"line"}))
    assert remark.remarks == ('out_of_service why="no loop"',)
    assert [one.call[-1] for one in asked(file, number="+8613800000538")] == ["2"]
    assert [one.call[-1] for one in asked(file, outcomes=frozenset({"no_answer"}))] == ["2"]
    assert [one.call[-1] for one in asked(file, outcomes=frozenset({"unfinished"}))] == ["3"]
    assert [one.call[-1] for one in asked(file, call="20261116-09")] == ["1"]


@pytest.mark.parametrize(
    ("logged", "asked_for", "may"),
    [
        ("xxxx0001", "0001", True),
        ("xxxx0001", "88880001", True),
        ("xxxx0001", "+86 571 8888 0001", True),
        ("xxxx0001", "88880002", False),
        ("+xxxxxxxxx0538", "013800000538", True),
        ("88610001", "8861", False),
        ("88610001", "010-8861-0001", True),
        ("6001", "6001", True),
        ("6001", "13800006001", False),
        ("", "6001", False),
    ],
)
def test_a_number_is_matched_as_far_as_the_log_shows_it(
    logged: str, asked_for: str, may: bool
) -> None:
    assert could_be(logged, asked_for) is may


def test_what_is_damaged_is_told_and_hides_nothing_else(tmp_path: Path) -> None:
    good = [call(MONDAY + timedelta(minutes=n), n) for n in range(3)]
    bad = good[1].replace("sentences=3", "sentences")
    file = tmp_path / "line-07.log"
    file.write_text(good[0] + bad + "\0\0\0\n" + good[2] + "2026-11-1", encoding="utf-8")
    query = LogQuery({7: file}, Wanted())
    assert [one.call[-1] for one in query.calls()] == ["0", "2"]
    (told,) = query.damaged
    assert told.startswith("line-07.log: 2026-11-16T09:01:00.000+08:00 0.000 @")


def test_lines_come_in_the_order_of_time(tmp_path: Path) -> None:
    files = {}
    for line in (3, 7):
        files[line] = tmp_path / f"line-{line:02}.log"
        files[line].write_text(
            "".join(call(MONDAY + timedelta(minutes=n), n, line=line) for n in range(line, 40, 10)),
            encoding="utf-8",
        )
    found = list(LogQuery(files, Wanted()).calls())
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert {one.line for one in found} == {3, 7}


def test_a_log_that_is_rotated_while_it_is_opened_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [call(MONDAY + timedelta(minutes=n), n) for n in range(3)]
    file = tmp_path / "line-07.log"
    file.with_name("line-07.log.1").write_text(calls[0], encoding="utf-8")
    file.write_text(calls[1], encoding="utf-8")
    opened = Path.open

    def then_rotated(self: Path, *args: object) -> object:
        stream = opened(self, *args)  # type: ignore[call-overload]  # handed on as they are
        if self == file and args == ("rb",) and not file.with_name("line-07.log.2").exists():
            file.with_name("line-07.log.1").rename(file.with_name("line-07.log.2"))
            file.rename(file.with_name("line-07.log.1"))
            with opened(file, "w", encoding="utf-8") as after:
                after.write(calls[2])
        return stream

    monkeypatch.setattr(Path, "open", then_rotated)
    assert [one.call[-1] for one in asked(file)] == ["0", "1"]
