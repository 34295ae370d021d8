"""What became of each call of the soak: its telephone and ivrd's line logs make one story."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.asterisk.soak_callers import Caller
from ivrd.trace import CallTrace, Remark, read_trace

AFTER_S = 8.0
"""How long after a kill a call may be told as ended by the card: its flow waits 5 s."""

CONNECTED_S = 3.0
"""How long after its start Asterisk may be without ivrd."""

SETUP_S = 1.0
"""How long before a kill a call may have begun that ivrd had not heard of."""

LINGERS_S = 15.0
"""How long beyond its talk a telephone may not notice that Asterisk died: it rings, hangs up."""

_BAD_REMARKS = frozenset({"error", "watchdog", "cannot_speak", "play_without_end", "key_dropped"})


@dataclass(frozen=True)
class Kill:
    """One death of Asterisk, and when it took requests again."""

    dead_s: float
    ready_s: float


@dataclass
class Told:
    """All stories, counted."""

    calls: Counter[str] = field(default_factory=Counter)
    records: int = 0
    remarks: Counter[str] = field(default_factory=Counter)
    back_s: float = 0.0


def stories(
    logs: Path, callers: Sequence[Caller], kills: Sequence[Kill], talk_s: float
) -> tuple[Told, list[str]]:
    """Return the story of every call, counted, and each that cannot be told."""
    told, lost = Told(), []
    records: dict[str, list[CallTrace]] = defaultdict(list)
    for file in sorted(logs.glob("line-*.log*")):
        for trace in read_trace(file):
            records[str(trace.head.facts.get("caller"))].append(trace)
            for remark in trace.remarks:
                told.remarks[remark.what] += 1
                if remark.what == "in_service_again":
                    told.back_s = max(told.back_s, _back_s(remark, kills))
                elif remark.what in _BAD_REMARKS:
                    lost.append(f"line log {file.name}:{remark.line}: {remark.what} {remark.data}")
    for caller in callers:
        own = sorted(records.pop(caller.number, []), key=lambda trace: trace.now)
        told.records += len(own)
        story = _story(caller, own, kills, talk_s)
        if story:
            told.calls[story] += 1
        else:
            lost.append(f"call {caller.number} is not explained: {_facts(caller, own)}")
    lost += [f"record of nobody: {number}" for number in records]
    return told, lost


def _back_s(remark: Remark, kills: Sequence[Kill]) -> float:
    """Return how long after Asterisk's last start a line was back."""
    at_s = remark.now.timestamp()
    return min((at_s - kill.ready_s for kill in kills if at_s > kill.dead_s), default=0.0)


def _story(
    caller: Caller, records: Sequence[CallTrace], kills: Sequence[Kill], talk_s: float
) -> str:
    """Return what became of a call, "" where its traces contradict each other."""
    began_s = caller.at_s("calls")
    if began_s is None or any(record.ended is None for record in records):
        return ""
    answered_s = caller.at_s("answered")
    if not records:
        return _without_record(caller, began_s, kills)
    *first, last = records
    if any(not _cut(record, kills) for record in first):
        return ""
    lingers_s = talk_s + LINGERS_S
    met = any(began_s <= kill.dead_s <= began_s + lingers_s for kill in kills)
    if _cut(last, kills):
        if met and caller.last in {"unanswered", "gone", "over", "answered", "silence", "calls"}:
            when = "in the call" if answered_s is not None else "before it was answered"
            return f"recorded, cut by a kill {when}"
        return ""
    by = last.ended.data.get("by") if last.ended else None
    if met and by == "caller" and caller.heard and caller.last in {"unanswered", "gone"}:
        return "heard and recorded, its good-bye met a dead Asterisk"
    ways = {("caller", "over"), ("ivrd", "cut")}
    if answered_s is None or not caller.heard or (by, caller.last) not in ways:
        return ""
    if not any("bill" in (step.state or "") for step in last.steps):
        why = "keyed too fast by a busy host" if caller.crowded else "keys taken wrongly"
        return f"heard and recorded, {why}: left in {_left_in(last)}"
    return "begun twice: cut, called again, heard and recorded" if first else "heard and recorded"


def _without_record(caller: Caller, began_s: float, kills: Sequence[Kill]) -> str:
    """Return why ivrd never heard of a call; its INVITE goes on being sent for a while."""
    for kill in kills:
        dead, ready_s = kill.dead_s, kill.ready_s + CONNECTED_S
        if caller.last.startswith("refused"):
            refused_s = caller.at_s("refused") or 0.0
            if dead <= refused_s <= ready_s:
                return f"no ivrd yet: {caller.last} from an Asterisk just started"
        elif dead - SETUP_S <= began_s <= kill.ready_s and caller.last in {"silence", "calls"}:
            return "no Asterisk: no answer at all"
    return ""


def _cut(record: CallTrace, kills: Sequence[Kill]) -> bool:
    """Whether a record says that the card went away, and Asterisk was killed then."""
    if record.ended is None or record.ended.data.get("by") != "card":
        return False
    ended_s = record.ended.now.timestamp()
    return any(kill.dead_s <= ended_s <= kill.dead_s + AFTER_S for kill in kills)


def _left_in(record: CallTrace) -> str:
    return str(record.ended.data.get("left_in")) if record.ended else "?"


def _facts(caller: Caller, records: Sequence[CallTrace]) -> str:
    words = " ".join(f"{word}@{at_s:.3f}" for at_s, word in caller.words)
    ends = [
        f"{record.head.call} {record.now.timestamp():.3f} "
        f"{record.ended.data if record.ended else 'no end'}"
        for record in records
    ]
    return f"{words or 'no word'}; heard {caller.packets} packets; records {ends}"
