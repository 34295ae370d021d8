"""Makes scripted calls: the office of a simulation, with what can go wrong around it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from ivrd import assembly
from ivrd.assembly import enquiry_service
from ivrd.billing.engine import engine_from
from ivrd.commands import Play, Stop
from ivrd.config import Config
from ivrd.events import T_DIGIT, T_EOF, T_LC, T_LCTERM, T_MACHINE, T_RINGOFF, Data, Event
from ivrd.flow.actions import Answer
from ivrd.flow.machine import FlowMachine
from ivrd.flow.spec import CARD_ORDERS, Kind
from ivrd.line import Line
from ivrd.records import CallRecord, Counters, LineSettings, Role, Status
from ivrd.runner import InlineActions
from ivrd.simulation import Office
from ivrd.trace import CallTrace, read_trace, replay
from sim.caller import ScriptedCaller, Sentence
from sim.script import parse_script
from tests.call_debtor import dial, kept, let_transfer, write_attempt
from tests.call_files import Besides, CallFile, Meets, config_for

TODAY = date(2026, 11, 21)
START = datetime(2026, 11, 21, 9, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
CALL_WITHIN_S = 1200.0
"""No call lasts longer: the flow's own limit, and some."""

BACK_WITHIN_S = 120.0
"""A line is back on hook and in service this long after the card works again."""

HANG_UP_WITHIN_S = 4.0
"""A hang-up is found this soon on every card, and the line is idle again; by busy tone in 3 s."""

SOON_S = 0.01
"""Shorter than anything the card or a lookup takes."""

_LIMIT_S = 0.03
"""Time limit in real seconds of lookups on a database that never answers."""

_PATIENT_S = 5.0
"""The same on one that answers, however wrongly."""


@dataclass(frozen=True)
class Databases:
    """The sample billing database, and the same in bad states."""

    sample: Path
    no_bill_run: Path
    """The bill run of the last month is not done."""
    slow: Path
    """Every table is a view that takes for ever."""
    wrong: Path
    """Each account stands there twice, and amounts are words."""
    gone: Path
    """No account is in service any more."""
    settled: Path
    """Nobody owes anything any more."""
    locked: Path
    """Another connection holds it."""
    missing: Path
    """No such file."""


class ActionsMeeting:
    """The actions of an enquiry, some of whose lookups meet a database in a bad state.

    The lookup itself is real: it runs on the bad database, and what it says becomes the answer.
    """

    def __init__(
        self, office: Office, meets: dict[str, Meets], databases: Databases, delay_s: float
    ) -> None:
        self._reader = office.parts.reader
        self._meets = dict(meets)
        self._databases = databases
        self._delay_s = delay_s
        registry = dict(office.parts.registry)
        for name, meeting in meets.items():
            if meeting.what == "fault":
                registry[name] = replace(registry[name], do=_faulty)
            assert name in registry, f"no action {name!r}"
        self._inner = InlineActions(registry, office.clock, delay_s)
        self._count: dict[str, int] = {}

    def start(self, name: str, args: Data, answer: Callable[[Answer], None]) -> None:
        """Start an action, as `InlineActions` does."""
        meeting = self._meets.get(name)
        self._count[name] = self._count.get(name, 0) + 1
        if meeting is None or self._count[name] <= meeting.skip:
            self._inner.delay_s = self._delay_s
            self._inner.start(name, args, answer)
            return
        self._inner.delay_s = meeting.late_s or self._delay_s
        with self._on(meeting.what):
            self._inner.start(name, args, answer)

    @contextmanager
    def _on(self, what: str) -> Iterator[None]:
        file = {
            "slow": self._databases.slow, "down": self._databases.missing,
            "locked": self._databases.locked, "wrong": self._databases.wrong,
            "gone": self._databases.gone, "settled": self._databases.settled,
        }.get(what)  # fmt: skip
        if file is None:
            yield
            return
        database = self._reader.database
        # only what never answers is waited for in vain; the others may meet a busy machine
        limit_s = _LIMIT_S if what in {"slow", "locked"} else _PATIENT_S
        good = database.engine
        good.dispose()  # and with it the connections that the database keeps
        database.engine = _engine(file, limit_s)
        try:
            yield
        finally:
            database.engine.dispose()
            database.engine = good
            good.dispose()


def _engine(file: Path, limit_s: float) -> Engine:
    return engine_from(f"sqlite:///{file}", time_limit_s=limit_s, connections=1)


def _faulty(_: Data) -> Answer:
    raise RuntimeError("a fault of our own")


@dataclass
class Made:
    """A call that was made, and everything it left behind."""

    failure: str | None = None
    report: str = ""
    heard: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """What stands in the store after the call."""
    kept_by: dict[str, list[str]] = field(default_factory=dict)
    """What stood there when a sentence began."""
    record: CallRecord | None = None
    status: Status = Status.IDLE
    reason: str = ""
    counters: Counters = field(default_factory=Counters)
    back: bool = False
    """Whether the line is idle, on hook, and answers the next caller, once the card works."""
    text: str = ""
    events: int = 0
    differences: list[str] = field(default_factory=list)
    unended: int = 0
    fired: set[tuple[str, str]] = field(default_factory=set)
    silence_s: float = 0.0

    @property
    def remarks(self) -> list[str]:
        return re.findall(r"^\S+ \S+ ! (\w+)", self.text, re.MULTILINE)


def make_call(call: CallFile, databases: Databases, logs: Path, *, call_s: float = 0) -> Made:
    """Make one scripted call, wait until its line has settled, and read its log back.

    `call_s` stands for the flow's own limit on the length of a call.
    """
    office = open_office(call, databases, logs)
    machine = office.service.machine
    if call_s and not call.dials:
        machine = FlowMachine(replace(machine.flow, call_s=call_s))
        office.lines[0].service = replace(office.service, machine=machine)
    made = Made()
    heard = _besides(call, office)

    def when_hears(sentence: Sentence) -> None:
        if call.debtor:
            made.kept_by[sentence.sentence] = kept(office.store)
        heard(sentence)

    try:
        caller = ScriptedCaller(call.script, when_hears=when_hears)
        if call.debtor:
            write_attempt(call, office)
        if call.transfer:
            let_transfer(call.transfer, office)
        if call.dials:
            machine = dial(call, office, caller, call_s)
        else:
            caller.call(office.card)
        settle(made, caller, office, rings=not call.dials or call.dials in {"person", "machine"})
        made.kept = kept(office.store)
        office.lines[0].service = office.service
        made.back = comes_back(office) and answers(office)
    finally:
        office.close()
    read_log(made, logs / "line-01.log", machine, office)
    return made


def open_office(
    call: CallFile, databases: Databases, logs: Path, config: Config | None = None
) -> Office:
    """Return an office of one line, as the call's file says, or as `config` does."""
    sample = databases.no_bill_run if call.office.get("bill_run") == "open" else databases.sample
    config = config or config_for(call, sample)
    lookup_s = float(call.office.get("lookup_s", "0.02"))
    settings = LineSettings(
        1,
        role=Role(call.office.get("role", "enquiry")),
        rings=int(call.office.get("rings", "1")),
        when_stopped=config.enquiry.when_stopped,
    )
    with _loaded_once():
        office = Office(config, START, lines=1, logs=logs, lookup_s=lookup_s, settings=settings)
    actions = ActionsMeeting(office, call.meets, databases, lookup_s)
    office.service = enquiry_service(config, office.parts, actions)
    line = office.lines[0]
    line.service = office.service
    line.stopped = "closed" in call.office
    return office


_LOADED: dict[tuple[str, ...], Any] = {}
"""Voices and proved flows, by what they were loaded with."""


@contextmanager
def _loaded_once() -> Iterator[None]:
    """Load and prove voices and flows for the first of many hundred offices only."""

    def once(load: Callable[..., Any]) -> Callable[..., Any]:
        def loaded(config: Config, *more: Any) -> Any:
            places = (config.flow_file, config.prompts, config.mapping, config.dunning_flow_file)
            key = (load.__name__, *map(str, places), *config.node.languages)
            if key not in _LOADED:
                _LOADED[key] = load(config, *more)
            return _LOADED[key]

        return loaded

    names = ("load_voices", "load_enquiry", "load_reminder")
    loads: dict[str, Any] = {name: once(getattr(assembly, name)) for name in names}
    with patch.multiple(assembly, **loads):
        yield


def settle(made: Made, caller: ScriptedCaller, office: Office, *, rings: bool) -> None:
    """Run until the call is over and its line has settled; keep how it stands then.

    A call that `rings` nowhere has nobody whose script could come to its end.
    """
    line = office.lines[0]
    busy = {Status.RINGING, Status.IN_CALL, Status.CLEARING}
    for late_s in (10.0, 0.0):  # what the card tells late comes after the call
        office.clock.run_while(
            lambda: line.status in busy or (rings and not caller.finished), CALL_WITHIN_S
        )
        office.clock.run_for(late_s)
    made.failure, made.report = caller.failure, caller.report()
    made.heard = [sentence.sentence for sentence in caller.heard]
    made.record = office.records[0] if office.records else None
    made.status, made.reason = line.status, line.reason
    made.counters = replace(line.counters)


def comes_back(office: Office) -> bool:
    """Take all faults off the card, and return whether the line is soon idle and on hook."""
    line, channel = office.lines[0], office.card.channels[0]
    channel.clear_faults()
    office.clock.run_while(lambda: line.status is not Status.IDLE, BACK_WITHIN_S)
    return line.status is Status.IDLE and channel.free


def answers(office: Office) -> bool:
    """Return whether the line answers one more caller, who hangs up again."""
    line = office.lines[0]
    caller = ScriptedCaller(parse_script("listen\nhang up"))
    line.stopped, line.settings.role = False, Role.ENQUIRY
    caller.call(office.card)
    office.clock.run_while(lambda: not caller.finished, CALL_WITHIN_S)
    office.clock.run_while(lambda: line.status is not Status.IDLE, HANG_UP_WITHIN_S)
    return caller.passed and line.status is Status.IDLE


# -- what happens besides ------------------------------------------------------------------------


def _besides(call: CallFile, office: Office) -> Callable[[Sentence], None]:
    """Set what happens besides, at its time; return what is to be told each sentence."""
    line, clock = office.lines[0], office.clock
    waiting = list(call.besides)

    def happens(step: Besides, after_s: float) -> None:
        if step in waiting:
            waiting.remove(step)
            clock.call_later(after_s, _doing(step, office))

    def heard(sentence: Sentence) -> None:
        for step in [step for step in waiting if step.sentence == sentence.sentence]:
            happens(step, 0.0)

    def changed(_: Line) -> None:
        state = line.talk.call.state if line.talk else ""
        for step in [step for step in waiting if step.state and step.state == state]:
            happens(step, SOON_S)

    line.on_change = changed
    for step in [step for step in waiting if not (step.sentence or step.state)]:
        happens(step, step.at_s)
    return heard


def _doing(step: Besides, office: Office) -> Callable[[], None]:
    line, channel = office.lines[0], office.card.channels[0]
    does: dict[str, Callable[[], None]] = {
        "stops": lambda: line.stop_call("operator"),
        "shuts": line.shut,
        "reloads": lambda: reload(office),
        "closes": lambda: setattr(line, "stopped", True),
        "rings_off": lambda: channel.emit(Event(T_RINGOFF)),
        "loses_loop": lambda: channel.emit(Event(T_LC, None, {"cause": "loop current lost"})),
        "hangs_up": lambda: channel.leg.hang_up() if channel.leg else channel.emit(Event(T_LCTERM)),
        "is_machine": lambda: channel.emit(Event(T_MACHINE)),
    }
    return does[step.what]


def reload(office: Office) -> None:
    """Give the lines a service made of files read anew, as the daemon does."""
    parts = office.parts.reloaded()
    for line in office.lines:
        line.service = enquiry_service(parts.config, parts, office.service.actions)


# -- what the log shows --------------------------------------------------------------------------


def came_to(made: Made, state: str) -> float:
    """Return when the first call of the log came to a state, in seconds."""
    found = re.search(rf"^\S+ (\S+) = {re.escape(state)}$", made.text, re.MULTILINE)
    assert found is not None, f"the call never came to {state}"
    return float(found[1])


def read_log(made: Made, log: Path, machine: FlowMachine, office: Office) -> None:
    """Read a line's log, replay all its calls, and keep what that shows."""
    made.text = log.read_text(encoding="utf-8")

    def fired(state: str, trigger: str, _: str) -> None:
        made.fired.add((state, trigger))

    for number, trace in enumerate(read_trace(log)):
        by = machine if trace.head.hash == machine.hash else office.parts.machine
        own = trace.head.flow == machine.flow.name
        difference = replay(trace, by, fired if own else None)
        if difference is not None:
            made.differences.append(str(difference))
        made.unended += trace.ended is None
        if number == 0:
            made.events = len(trace.steps)
            made.silence_s = longest_silence_s(trace, by)


def longest_silence_s(trace: CallTrace, machine: FlowMachine) -> float:
    """Return the longest time in which nothing was spoken and nothing was asked."""
    longest = silent_from = 0.0
    playing: int | None = None
    state = machine.flow.start
    for step in trace.steps:
        ours = playing is None and _our_turn(machine, state)
        if ours:
            longest = max(longest, step.at_s - silent_from)
        if step.event.name == T_EOF and step.event.id == playing:
            playing, silent_from = None, step.at_s
        for _, _, command in step.orders:
            if isinstance(command, Play):
                playing = command.id
            elif isinstance(command, Stop) and command.id == playing:
                playing, silent_from = None, step.at_s
        if step.event.name == T_DIGIT and not ours:
            silent_from = step.at_s
        if step.state is not None:
            if not _our_turn(machine, state):
                silent_from = step.at_s
            state = step.state
    return round(longest, 3)


def _our_turn(machine: FlowMachine, state: str) -> bool:
    """Whether the caller, connected, waits for us in this state."""
    spec = machine.states[state]
    return spec.kind in {Kind.DO, Kind.STATEMENT} and spec.do not in CARD_ORDERS
