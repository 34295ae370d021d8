"""Makes scripted calls: the office of a simulation, with what can go wrong around it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from call_files import Besides, CallFile, Meets, config_for
from ivrd.billing.engine import engine_from
from ivrd.config import Config
from ivrd.assembly import enquiry_service
from ivrd.events import T_LC, T_RINGOFF, Data, Event
from ivrd.flow.actions import Answer
from ivrd.line import CallRecord, Counters, Line, LineSettings, Role, Status
from ivrd.runner import InlineActions
from ivrd.simulation import Office
from ivrd.trace import CallTrace, read_trace
from sim.caller import ScriptedCaller, Sentence
from sim.channel import State
from sim.faults import Fault
from sim.script import parse_script

TODAY = date(2026, 11, 21)
START = datetime(2026, 11, 21, 10, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
CALL_WITHIN_S = 1200.0
"""No call lasts longer: the flow's own limit, and some."""

BACK_WITHIN_S = 120.0
"""A line is back on hook and in service this long after the card works again."""

_LIMIT_S = 0.03
"""Time limit in real seconds of lookups on a database that never answers."""


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
            if name not in registry:
                raise ValueError(f"no action {name!r}")
            if meeting.what == "fault":
                registry[name] = replace(registry[name], do=_faulty)
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
        }.get(what)  # fmt: skip
        if file is None:
            yield
            return
        database = self._reader.database
        good, database.engine = database.engine, _engine(file)
        try:
            yield
        finally:
            database.engine.dispose()
            database.engine = good


def _engine(file: Path) -> Engine:
    return engine_from(f"sqlite:///{file}", time_limit_s=_LIMIT_S, connections=1)


def _faulty(_: Data) -> Answer:
    raise RuntimeError("a fault of our own")


@dataclass
class Made:
    """A call that was made, and everything it left behind."""

    office: Office
    caller: ScriptedCaller
    log: Path
    record: CallRecord | None = None
    status: Status = Status.IDLE
    reason: str = ""
    counters: Counters = field(default_factory=Counters)
    back: bool = False
    """Whether the line is idle, on hook, and answers the next caller, once the card works."""
    text: str = ""
    traces: list[CallTrace] = field(default_factory=list)

    @property
    def line(self) -> Line:
        return self.office.lines[0]

    @property
    def remarks(self) -> list[str]:
        return [remark.what for trace in self.traces for remark in trace.remarks]


Watch = Callable[[Line], None]


def make_call(
    call: CallFile,
    databases: Databases,
    logs: Path,
    *,
    extra_faults: tuple[Fault, ...] = (),
    on_change: Callable[[Made], Watch] | None = None,
    config: Config | None = None,
) -> Made:
    """Make one scripted call, wait until its line has settled, and read its log back."""
    office = open_office(call, databases, logs, config)
    try:
        script = replace(call.script, faults=(*call.script.faults, *extra_faults))
        made = Made(office, ScriptedCaller(script, when_hears=lambda s: hears(s)), logs / "line-01.log")
        hears = _besides(call, made)
        if on_change is not None:
            made.line.on_change = on_change(made)
        made.caller.call(office.card)
        settle(made)
        made.back = comes_back(made.line, office) and answers(made.line, office)
        return made
    finally:
        office.close()
        if (logs / "line-01.log").exists():
            made.text = made.log.read_text(encoding="utf-8")
            made.traces = list(read_trace(made.log))


def open_office(
    call: CallFile, databases: Databases, logs: Path, config: Config | None = None
) -> Office:
    """Return an office of one line, as the call's file says."""
    sample = databases.no_bill_run if call.office.get("bill_run") == "open" else databases.sample
    config = config or config_for(call, sample)
    lookup_s = float(call.office.get("lookup_s", "0.02"))
    settings = LineSettings(
        1,
        role=Role(call.office.get("role", "enquiry")),
        rings=int(call.office.get("rings", "1")),
        when_stopped=config.enquiry.when_stopped,
    )
    office = Office(config, START, lines=1, logs=logs, lookup_s=lookup_s, settings=settings)
    actions = ActionsMeeting(office, call.meets, databases, lookup_s)
    office.service = enquiry_service(config, office.parts, actions)
    line = office.lines[0]
    line.service = office.service
    line.stopped = "closed" in call.office
    return office


def settle(made: Made) -> None:
    """Run until the call is over and its line has settled; keep how it stands then."""
    office, line = made.office, made.line
    busy = {Status.RINGING, Status.IN_CALL, Status.CLEARING}
    office.clock.run_while(
        lambda: line.status in busy or not made.caller.finished, CALL_WITHIN_S
    )
    office.clock.run_for(10.0)  # what is late comes now
    made.status, made.reason = line.status, line.reason
    made.counters = replace(line.counters)
    made.record = office.records[0] if office.records else None


def comes_back(made_line: Line, office: Office) -> bool:
    """Take all faults off the card, and return whether the line is soon idle and on hook."""
    for channel in office.card.channels:
        channel.clear_faults()
    office.clock.run_while(lambda: made_line.status is not Status.IDLE, BACK_WITHIN_S)
    on_hook = office.card.channels[made_line.number - 1].state is State.IDLE
    return made_line.status is Status.IDLE and on_hook


def answers(line: Line, office: Office) -> bool:
    """Return whether the line answers one more caller, who hangs up again."""
    script = parse_script("listen\nhang up", None)
    caller = ScriptedCaller(script)
    line.stopped, line.settings.role = False, Role.ENQUIRY
    caller.call(office.card)
    office.clock.run_while(lambda: not caller.finished, CALL_WITHIN_S)
    office.clock.run_for(1.0)
    return caller.passed and line.status is Status.IDLE


def _besides(call: CallFile, made: Made) -> Callable[[Sentence], None]:
    """Set what happens besides, at its time; return what is to be told each sentence."""
    waiting = [step for step in call.besides if step.sentence is not None]
    for step in call.besides:
        if step.sentence is None:
            made.office.clock.call_later(step.at_s, _doing(step, made))

    def heard(sentence: Sentence) -> None:
        for step in [step for step in waiting if step.sentence == sentence.sentence]:
            waiting.remove(step)
            made.office.clock.call_later(0.0, _doing(step, made))

    return heard


def _doing(step: Besides, made: Made) -> Callable[[], None]:
    line = made.line
    does: dict[str, Callable[[], None]] = {
        "stops": lambda: line.stop_call("operator"),
        "shuts": line.shut,
        "reloads": lambda: reload(made.office, line),
        "closes": lambda: setattr(line, "stopped", True),
        "rings_off": lambda: line.channel.emit(Event(T_RINGOFF)),
        "loses_loop": lambda: line.channel.emit(Event(T_LC, None, {"cause": "loop current lost"})),
    }
    return does[step.what]


def reload(office: Office, line: Line) -> None:
    """Give the line a service made of files read anew, as the daemon does."""
    parts = office.parts.reloaded()
    line.service = enquiry_service(parts.config, parts, office.service.actions)
