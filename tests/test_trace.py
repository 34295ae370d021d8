"""Traces: read back without loss, replayed against a flow, and each difference named."""

from __future__ import annotations

import io
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.commands import (
    CancelTimer,
    Command,
    Dial,
    Flush,
    Note,
    OffHook,
    OnHook,
    Play,
    Run,
    Say,
    StartTimer,
    Stop,
    Transfer,
)
from ivrd.errors import TraceError
from ivrd.events import Event, Json
from ivrd.flow.machine import FlowMachine
from ivrd.flow.spec import Flow
from ivrd.linelog import CallHead, LineLog
from ivrd.trace import CallTrace, parse_trace, read_trace, replay
from tests.call_families import FILES
from tests.conftest import Calls

# -- what is written is what is read -------------------------------------------------------------

words = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
floats = st.floats(allow_nan=False, allow_infinity=False)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | texts | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
data = st.dictionaries(words | texts, values, max_size=4)
ids = st.integers(1, 10**6)
langs = st.sampled_from([None, "zh-CN", "en-US"])
says = st.builds(Say, words, data, langs)
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(OffHook, ids),
    st.builds(OnHook, ids),
    st.builds(Transfer, ids),
    st.builds(Stop, ids),
    st.builds(CancelTimer, ids),
    st.builds(Flush),
    st.builds(Note, words),
    st.builds(Dial, ids, data),
    st.builds(Run, ids, words, data),
    st.builds(StartTimer, ids, st.floats(0, 7200), st.sampled_from(["T_TIME", "T_LONG"])),
    st.builds(Play, ids, st.lists(says, min_size=1, max_size=4).map(tuple)),
)
events = st.builds(
    Event,
    st.sampled_from(["T_RING", "T_DIGIT", "T_EOF", "U_OK", "U_NOT_YET"]),
    st.none() | ids,
    data,
)
seconds = st.integers(0, 10**6).map(lambda ms: ms / 1000)
heads = st.builds(
    CallHead, st.just("20261121-093000-L3-1"), st.integers(1, 99), words,
    st.just("9239efe3"), st.sampled_from(["zh-CN", "en-US"]), ids, data,
)  # fmt: skip
START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class Kept:
    """A log that keeps its text."""

    def __init__(self) -> None:
        self.text = ""

    def info(self, text: str) -> None:
        """Keep the text."""
        self.text += text


@given(
    heads,
    st.lists(
        st.tuples(seconds, events, st.lists(commands, max_size=4), st.none() | words), max_size=5
    ),
    st.tuples(words, st.dictionaries(words.map("x_".__add__), values, max_size=3)),
)
def test_what_is_written_is_what_is_read(
    head: CallHead,
    steps: list[tuple[float, Event, list[Command], str | None]],
    remark: tuple[str, dict[str, Json]],
) -> None:
    what, more = remark
    kept = Kept()
    log = LineLog(kept)
    log.begin(START, head, frozenset())
    for at_s, event, ordered, state in steps:
        now = START + timedelta(seconds=at_s)
        log.step(now, at_s, event, ordered, state, private_key=False)
    log.remark(START, 0.5, what, **more)
    log.end(START, 1.0, by="caller", notes=["told"])
    (trace,) = parse_trace(io.StringIO(kept.text, newline="\n"))
    assert trace.head == head
    read = [(s.at_s, s.event, [c for _, _, c in s.orders], s.state) for s in trace.steps]
    assert read == steps
    assert trace.ended is not None
    assert (trace.ended.what, trace.ended.data) == ("ended", {"by": "caller", "notes": ["told"]})
    assert [(r.what, r.data) for r in trace.remarks] == [(what, more)]


@given(st.text(max_size=60))
def test_any_text_is_a_trace_or_a_clear_error(text: str) -> None:
    told = ""
    try:
        list(parse_trace([text]))
    except TraceError as error:
        told = str(error)
    assert told.startswith("trace:1: not a line of a trace: ") or not told


# -- what does not parse -------------------------------------------------------------------------

STAMP = "2026-11-21T09:30:00.000+08:00 0.000"
BEGIN = f'{STAMP} @ 20261121-093000-L1-1 1 enquiry@9239efe3 zh-CN 1 caller=""'


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("hello", "expected time, seconds, one of @ < > = ! # and text"),
        (f"{STAMP} ? T_RING", "expected time, seconds, one of @ < > = ! # and text"),
        ("yesterday 0.000 < T_RING", "Invalid isoformat string: 'yesterday'"),
        (f"{STAMP} < RING", "expected a word at 'RING'"),
        (f"{STAMP} < T_RING caller", "expected '=' after 'caller'"),
        (f"{STAMP} > off_hook two", "expected a word at 'two'"),
        (f"{STAMP} > whistle 3", "'whistle'"),
        (f"{STAMP} > off_hook 3 4", "unexpected '4'"),
        (f"{STAMP} = two words", "unexpected 'words'"),
    ],
    ids=lambda value: value[-30:],
)
def test_line_that_does_not_parse_is_named(line: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "line-01.log"
    path.write_text(f"{BEGIN}\n{STAMP} < T_RING\n{line}\n", encoding="utf-8")
    with pytest.raises(TraceError) as caught:
        list(read_trace(path))
    assert str(caught.value) == f"{path}:3: not a line of a trace: {what}"


def test_order_before_any_event_is_named() -> None:
    with pytest.raises(
        TraceError, match="trace:2: not a line of a trace: expected an event before it"
    ):
        list(parse_trace([f"{BEGIN}\n", f"{STAMP} > off_hook 3\n"]))


def test_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.log"
    with pytest.raises(TraceError, match=r"missing\.log: cannot be read: No such file"):
        list(read_trace(missing))
    binary = tmp_path / "binary.log"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError, match=r"binary\.log: not UTF-8 text"):
        list(read_trace(binary))


# -- replay --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine(enquiry_flow: Flow) -> FlowMachine:
    return FlowMachine(enquiry_flow)


@pytest.fixture(scope="module")
def log(calls: Calls) -> list[str]:
    """Return the log of a whole call, line by line."""
    return calls.made(FILES["rich_bill_by_phone_number"]).text.splitlines()


def first(lines: list[str]) -> CallTrace:
    return next(parse_trace(lines))


def test_whole_call_replays_the_same(log: list[str], machine: FlowMachine) -> None:
    assert replay(first(log), machine) is None


def test_each_changed_order_and_state_is_found(log: list[str], machine: FlowMachine) -> None:
    end = next(number for number, line in enumerate(log) if " # ended" in line)
    found = 0
    for number, line in enumerate(log[:end]):
        changed = None
        if " > play " in line:
            changed = line.replace(" > play ", " > play 9", 1)
        elif " > timer " in line:
            changed = line + "X"
        elif " = " in line and " > " not in line and " < " not in line and " @ " not in line:
            changed = line + "x"
        if changed is None:
            continue
        difference = replay(first([*log[:number], changed, *log[number + 1 :]]), machine)
        assert difference is not None, line
        at_step = max(n for n in range(number + 1) if " < " in log[n])
        assert at_step < difference.line <= number + 1
        found += 1
    assert found > 20


def test_missing_order_is_named_with_its_line(log: list[str], machine: FlowMachine) -> None:
    number = next(n for n, line in enumerate(log) if "> off_hook" in line)
    difference = replay(first(log[:number] + log[number + 1 :]), machine)
    assert difference is not None
    assert difference.line == number + 1, "the order that follows stands there"
    assert difference.now == "off_hook 2"
    assert str(difference).startswith(f"trace:{number + 1}: logged ")


def test_order_that_is_not_given_any_more_is_named(log: list[str], machine: FlowMachine) -> None:
    number = next(n for n, line in enumerate(log) if " = answering" in line)
    stamp = log[number].split(" = ")[0]
    difference = replay(first([*log[:number], f"{stamp} > note extra", *log[number:]]), machine)
    assert difference is not None
    assert (difference.logged, difference.now) == ("note extra", "nothing more")


def test_changed_amount_is_a_difference(log: list[str], machine: FlowMachine) -> None:
    number = next(n for n, line in enumerate(log) if "bill_total bill.total=14699" in line)
    line = log[number].replace("14699", "14698")
    difference = replay(first([*log[:number], line, *log[number + 1 :]]), machine)
    assert difference is not None
    assert difference.line == number + 1


def test_log_of_another_flow_is_not_replayed(log: list[str], machine: FlowMachine) -> None:
    difference = replay(first([log[0].replace("enquiry@", "dunning@"), *log[1:]]), machine)
    assert difference is not None
    assert (difference.logged, difference.now) == ("flow dunning", "flow enquiry")


def test_transitions_of_a_replay_are_told(log: list[str], machine: FlowMachine) -> None:
    moves: list[tuple[str, str, str]] = []
    replay(first(log), machine, lambda *move: moves.append(move))
    assert moves[0] == ("idle", "T_RING", "answering")
    assert moves[-1] == ("hang_up", "T_ONH", "idle")
    assert all(before[2] == after[0] for before, after in itertools.pairwise(moves))
