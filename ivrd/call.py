"""One call: a pure function of its events.

`Call.handle` takes an event and the seconds since the call began, moves through the flow and
returns the commands that follow. It reads no clock, awaits nothing and touches nothing outside:
the same events give the same commands, which is what makes a line's log a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
from ivrd.events import (
    MASKED_KEY,
    T_DIGIT,
    T_EOF,
    T_LC,
    T_LCTERM,
    T_LONG,
    T_MACHINE,
    T_MAXDT,
    T_RING,
    T_RINGOFF,
    T_TERMDT,
    T_TIME,
    U_KEY,
    U_STOP,
    U_TIME,
    U_TRIES,
    CommandId,
    Data,
    Event,
    Json,
)
from ivrd.flow.machine import FlowMachine
from ivrd.flow.spec import SURPLUS_S, SWALLOW_S, Edge, Kind, Sentence, State

_HOOKS: Mapping[str, Callable[[CommandId], Command]] = {
    "off_hook": OffHook,
    "on_hook": OnHook,
    "transfer": Transfer,
}
_DIGITS = frozenset("0123456789")
_UNASKED = frozenset({T_RING, T_RINGOFF, T_LC, T_LCTERM, T_MACHINE, U_STOP, U_TIME})
"""The events that answer no order, and so come without an id."""


class Call:
    """One call through a flow, from the start state back to it.

    `knows` are the facts the call starts with, one value for each of the flow's ``knows``.
    Ids of commands count up from `first_id`, so that a late answer to an earlier call of the
    same line is never taken for one to this.
    """

    __slots__ = (
        "_answer_by_s",
        "_asked_at_s",
        "_dangling",
        "_entry",
        "_full",
        "_last_key_s",
        "_long",
        "_order",
        "_out",
        "_play",
        "_surplus",
        "_swallow",
        "_timer",
        "_tries",
        "_waited",
        "data",
        "lang",
        "machine",
        "next_id",
        "on_move",
        "over",
        "stale",
        "state",
    )

    def __init__(
        self, machine: FlowMachine, knows: Data, lang: str, *, first_id: CommandId = 1
    ) -> None:
        self.machine = machine
        self.state = machine.flow.start
        self.lang = lang
        self.data: dict[str, Json] = dict(knows)
        self.next_id = first_id
        self.over = False
        self.stale = 0
        """Events that changed nothing: answers to what is no longer awaited, keys of no use."""
        self.on_move: Callable[[str, str, str], None] | None = None
        """Told each transition (state, trigger, target): for coverage."""
        self._out: list[Command] = []
        self._order: CommandId | None = None
        self._play: CommandId | None = None
        self._timer: CommandId | None = None
        self._dangling: CommandId | None = None
        self._long: CommandId | None = None
        self._entry = ""
        self._tries: dict[str, int] = {}
        self._swallow = False
        self._full = False
        self._surplus = False
        self._last_key_s = 0.0
        self._answer_by_s: float | None = None
        self._asked_at_s = 0.0
        self._waited = False

    # -- what the line may ask -----------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether an order is under way, so that keys have to wait."""
        return self.machine.states[self.state].kind is Kind.DO

    def hides(self, key: str, keyed_s: float) -> bool:
        """Whether a log must not show this key.

        A digit of a private entry is private, and so is one that nothing here asks for: it may
        belong to any number, keyed at the wrong moment. A menu's own keys stay readable.
        """
        if key not in _DIGITS:
            return False
        if self._surplus and keyed_s - self._last_key_s <= SURPLUS_S:
            return True
        state: State | None = self.machine.states[self.state]
        if state is not None and state.kind is Kind.STATEMENT:
            state = self._asking_target(state)
        if state is not None and state.collect is not None:
            return state.collect.private
        return state is None or self._offered(state, key) is None

    @property
    def longest_wait_s(self) -> float:
        """Longest time in seconds that the flow lets pass in this state without an event."""
        return self.machine.states[self.state].longest_wait_s

    # -- events --------------------------------------------------------------------------------

    def handle(self, event: Event, at_s: float) -> list[Command]:
        """Take one event, `at_s` seconds after the call began, and return what it orders."""
        if self.over:
            self.stale += 1
            return []
        out: list[Command] = []
        self._out = out
        if event.name == T_DIGIT:
            keyed_s = event.data.get("keyed_s", at_s)
            self._key(str(event.data.get("key", "")), float(keyed_s), at_s)  # type: ignore[arg-type]  # the line's own number
        elif event.id is None:
            # an answer that names no order may be a late one to an earlier order
            if event.name in _UNASKED:
                self._happened(event.name, at_s)
            else:
                self.stale += 1
        elif event.id == self._timer and event.name == T_TIME:
            self._timer = None
            self._time_out(at_s)
        elif event.id == self._play and event.name == T_EOF:
            self._play = None
            self._play_ended(at_s)
        elif event.id == self._order:
            self._answered(event, at_s)
        elif event.id == self._long and event.name == T_LONG:
            self._happened(T_LONG, at_s)
        else:
            self.stale += 1
        if self._dangling is not None:
            out.append(CancelTimer(self._dangling))
            self._dangling = None
        return out

    def _happened(self, name: str, at_s: float) -> None:
        """Take the edge that this state has for an event, if it has one."""
        edge = self.machine.states[self.state].edges.get(name)
        if edge is None:
            self.stale += 1
        else:
            self._move(edge, at_s)

    def _answered(self, event: Event, at_s: float) -> None:
        state = self.machine.states[self.state]
        edge = state.edges.get(event.name)
        if edge is None:
            self.stale += 1
            return
        self._order = None
        action = self.machine.flow.actions.get(state.do or "")
        if action is not None:
            gives = action.gives
            self.data.update({k: v for k, v in event.data.items() if k in gives})
        self._move(edge, at_s)

    def _play_ended(self, at_s: float) -> None:
        state = self.machine.states[self.state]
        if state.kind is Kind.STATEMENT:
            self._move(state.edges[T_EOF], at_s)
        elif state.asks:
            self._start_timer(state.first_s)

    def _time_out(self, at_s: float) -> None:
        state = self.machine.states[self.state]
        if state.kind is Kind.DO:
            self._order_overdue(state, at_s)
        elif self._play is not None:
            self._stop_play()
            self._play_ended(at_s)
        elif self._entry:
            self._entered(state, T_TERMDT, at_s)
        else:
            self._happened(T_TIME, at_s)

    def _order_overdue(self, state: State, at_s: float) -> None:
        """Say that the caller shall wait, or, when that has been said, give up."""
        if state.wait is not None and not self._waited and self._answer_by_s is not None:
            self._waited = True
            self._speak(self._sentences((state.wait,)))
            self._start_timer(max(0.0, round(self._answer_by_s - at_s, 3)))
            return
        self._order = None
        self._happened(T_TIME, at_s)

    # -- keys ----------------------------------------------------------------------------------

    def _key(self, key: str, keyed_s: float, at_s: float) -> None:
        state = self.machine.states[self.state]
        if self._surplus:
            self._surplus = keyed_s - self._last_key_s <= SURPLUS_S
            if self._surplus:
                self._last_key_s = keyed_s
                self._surplus = key != state.end
                self.stale += 1
                return
        swallow, self._swallow = self._swallow, False
        if swallow and key == state.end and keyed_s - self._last_key_s <= SWALLOW_S:
            return
        self._last_key_s = keyed_s
        if state.kind is Kind.STATEMENT:
            self._barge(state, key, at_s)
        elif state.kind is Kind.MENU:
            self._menu_key(state, key, at_s)
        elif state.kind is Kind.COLLECT:
            self._entry_key(state, key, at_s)
        else:
            self.stale += 1

    def _menu_key(self, state: State, key: str, at_s: float) -> None:
        self._full = False
        edge = self._offered(state, key)
        if edge is None:
            self._happened(U_KEY, at_s)
            return
        self._swallow = True
        self._move(edge, at_s)

    def _offered(self, state: State, key: str) -> Edge | None:
        """Return the edge of a menu's key, where the menu has it and offers it now."""
        edge = state.edges.get(f"key {key}")
        if edge is None or (edge.condition and not self._true(edge.condition)):
            return None
        return edge

    def _entry_key(self, state: State, key: str, at_s: float) -> None:
        collect = state.collect
        assert collect is not None  # noqa: S101 - the kind says so
        if key == state.end:
            self._entered(state, T_TERMDT, at_s)
            return
        if key == state.fix:
            self._entry = ""
        elif key in _DIGITS or (key == MASKED_KEY and collect.private):
            self._entry += key
        else:
            self.stale += 1
            return
        self._stop_play()
        if len(self._entry) == collect.digits:
            self._swallow = True
            self._entered(state, T_MAXDT, at_s)
        else:
            self._start_timer(state.between_s if self._entry else state.first_s)

    def _entered(self, state: State, name: str, at_s: float) -> None:
        assert state.collect is not None  # noqa: S101 - the kind says so
        self._full = name == T_MAXDT
        self.data[state.collect.into] = self._entry
        self._move(state.edges[name], at_s)

    def _barge(self, state: State, key: str, at_s: float) -> None:
        """Cut a statement short where what comes next asks, and hand the key to that."""
        target = self._asking_target(state)
        if target is None or state.on_key is None or not _could_begin(target, key):
            self.stale += 1
            return
        self._move(state.on_key, at_s, barged=True)
        entered = self.machine.states[self.state]
        if entered.asks and _could_begin(entered, key):
            self._key(key, self._last_key_s, at_s)
            return
        # used-up tries, or what the edge has set, led elsewhere: the key means nothing there
        self.stale += 1
        if entered.asks:
            self._start_timer(entered.first_s)

    def _asking_target(self, state: State) -> State | None:
        """Return the question behind a statement, through branches, if there is one."""
        edge = state.on_key
        for _ in range(len(self.machine.states)):
            if edge is None:
                return None
            target = self.machine.states[edge.to]
            if target.kind is not Kind.BRANCH:
                return target if target.asks else None
            edge = target.edges["yes" if self._true(target.condition) else "no"]
        return None

    # -- moving --------------------------------------------------------------------------------

    def _move(self, edge: Edge, at_s: float, *, barged: bool = False) -> None:
        """Go along `edge`, and on, until a state waits for something."""
        self._leave()
        said: list[Say] = []
        following: Edge | None = edge
        while following is not None:
            if not barged:
                self._out.extend([Note(word) for word in following.notes])
                said += self._sentences(following.say)
            following = self._step(following, said, at_s, barged=barged)

    def _leave(self) -> None:
        if not self.busy:
            self._stop_play()
        self._order = None
        self._entry = ""
        if self._timer is not None:
            self._dangling, self._timer = self._timer, None

    def _step(self, edge: Edge, said: list[Say], at_s: float, *, barged: bool) -> Edge | None:
        """Move along one edge; return the next where the new state passes on at once."""
        if edge.set:
            self._set(edge.set)
        came_from = self.state
        self.machine.move(self, edge)
        if self.on_move is not None:
            self.on_move(came_from, edge.trigger, edge.to)
        if came_from == self.machine.flow.start:
            self._begin()
        state = self.machine.states[self.state]
        if edge.retry and self._tried_enough(state):
            return state.edges[U_TRIES]
        if not edge.retry:
            self._tries.pop(state.name, None)
        if state.kind is Kind.BRANCH:
            return state.edges["yes" if self._true(state.condition) else "no"]
        return self._enter(state, said, at_s, barged=barged)

    def _enter(self, state: State, said: list[Say], at_s: float, *, barged: bool) -> Edge | None:
        if state.kind is Kind.DO:
            self._give_order(state, at_s)
            return None
        self._answer_by_s = None
        self._stop_play()
        if state.kind is Kind.START:
            self.over = True
            self._dangling = None
            return None
        if state.collect is not None:
            self.data.pop(state.collect.into, None)
        if barged and state.asks:
            return None
        sentences = said + self._sentences(state.say)
        if sentences:
            self._speak(sentences)
            self._start_timer(state.say_s)
        elif state.asks:
            self._start_timer(state.first_s)
        else:
            return state.edges[T_EOF]
        return None

    def _begin(self) -> None:
        self._long = self._id()
        self._out.append(StartTimer(self._long, self.machine.flow.call_s, T_LONG))

    def _tried_enough(self, state: State) -> bool:
        """Count one more try of a question.

        Keys typed ahead were meant for another answer; so were those that go on without a pause
        after an entry that its full length has ended.
        """
        self._out.append(Flush())
        self._surplus = self._full
        tries = self._tries.get(state.name, 0) + 1
        self._tries[state.name] = tries
        limit = state.tries if isinstance(state.tries, int) else self._value(state.tries)
        return U_TRIES in state.edges and tries >= int(limit or 1)  # type: ignore[arg-type]  # a number, by the checker

    def _give_order(self, state: State, at_s: float) -> None:
        """Order an action; actions in a row share the time limit of the first."""
        self._order = self._id()
        hook = _HOOKS.get(state.do or "")
        if hook is not None:
            self._stop_play()
            self._answer_by_s = None
            self._out.append(hook(self._order))
            self._start_timer(state.within_s)
            return
        args = {path: self._value(path) for path in state.takes}
        if state.do == "dial":
            self._out.append(Dial(self._order, args))
            self._start_timer(state.within_s)
            return
        for name in self.machine.flow.actions[state.do or ""].gives:
            self.data.pop(name, None)
        self._out.append(Run(self._order, state.do or "", args))
        if self._answer_by_s is None:
            self._answer_by_s = at_s + state.within_s
            self._asked_at_s = at_s
            self._waited = False
        until_s = self._answer_by_s
        if state.wait is not None and not self._waited:
            until_s = min(until_s, self._asked_at_s + state.wait_s)
        self._start_timer(max(0.0, round(until_s - at_s, 3)))

    # -- the smaller steps ---------------------------------------------------------------------

    def _id(self) -> CommandId:
        new = self.next_id
        self.next_id += 1
        return new

    def _speak(self, sentences: list[Say]) -> None:
        self._play = self._id()
        self._out.append(Play(self._play, tuple(sentences)))

    def _stop_play(self) -> None:
        if self._play is not None:
            self._out.append(Stop(self._play))
            self._play = None

    def _start_timer(self, after_s: float) -> None:
        self._timer = self._id()
        self._dangling = None
        self._out.append(StartTimer(self._timer, after_s, T_TIME))

    def _set(self, values: Mapping[str, Json]) -> None:
        for name, value in values.items():
            if name == "lang":
                self.lang = str(value)
            else:
                self.data[name] = value

    def _sentences(self, sentences: tuple[Sentence, ...]) -> list[Say]:
        """Return the sentences whose conditions hold, with the data they need."""
        said: list[Say] = []
        for sentence in sentences:
            if sentence.condition and not self._true(sentence.condition):
                continue
            needs = self.machine.flow.needs[sentence.name]
            if sentence.each is None:
                data = {path: self._value(path) for path in needs}
                said.append(Say(sentence.name, data, sentence.lang))
                continue
            rows: Any = self._value(sentence.each) or ()
            for row in rows:
                data = {path: row[path] if path in row else self._value(path) for path in needs}
                said.append(Say(sentence.name, data, sentence.lang))
        return said

    def _value(self, path: str) -> Json:
        """Return the data at a path such as ``bill.total``; None where there is none."""
        value: Any = self.data
        for part in path.split("."):
            if not isinstance(value, dict):
                return None
            value = value.get(part)
        return value  # type: ignore[no-any-return]  # data in a call is JSON

    def _true(self, path: str | None) -> bool:
        return bool(self._value(path)) if path else True


def _could_begin(question: State, key: str) -> bool:
    """Whether `key` may cut a statement short: a digit, or a key on the menu behind it."""
    if key == MASKED_KEY:
        return question.collect is None or question.collect.private
    return key in _DIGITS or f"key {key}" in question.edges
