"""Load a flow file: its form is checked key by key, and it comes out flat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ivrd.errors import FlowError, Problem, nearest
from ivrd.events import KEYS, T_TIME, U_STOP
from ivrd.flow.actions import Registry
from ivrd.flow.spec import CARD_ORDERS, Collect, Edge, Flow, Kind, Place, Sentence, State
from ivrd.toml_file import TomlFile

_FLOW_KEYS = {"flow": str, "start": str, "call_s": (int, float), "knows": list, "defaults": dict}
_PART_KEYS = {"part": str, "start": str, "exits": list}
_STATE_KEYS: dict[str, Any] = {
    "say": list,
    "keys": dict,
    "collect": dict,
    "do": str,
    "with": list,
    "within_s": (int, float),
    "if": str,
    "yes": (str, dict),
    "no": (str, dict),
    "use": str,
    "like": str,
}
_DEFAULTS: dict[str, Any] = {
    "tries": (int, str),
    "first_s": (int, float),
    "between_s": (int, float),
    "say_s": (int, float),
    "wait_s": (int, float),
    "wait": str,
    "end": str,
    "fix": str,
}
_EDGE_KEYS = {"to": str, "retry": str, "say": list, "note": str, "set": dict, "if": str}
_SENTENCE_KEYS = {"say": str, "if": str, "each": str, "lang": str}
_COLLECT_KEYS = {"digits": int, "into": str, "private": bool}


def load_flow(path: Path, actions: Registry) -> Flow:
    """Load the flow file `path`; parts and sentences.toml are looked for beside it.

    `actions` are what the flow may ask for; their declared answers decide over which states
    an edge of [any] is spread. Raises `FlowError` with all problems of form: unknown or missing
    keys, wrong types, names of states, parts and copied states that do not exist.
    """
    problems: list[Problem] = []
    reader = _Reader(TomlFile(path, FlowError), problems)
    flow = reader.flow(actions)
    if problems or flow is None:
        raise FlowError(problems)
    return flow


def load_sentences(path: Path) -> dict[str, tuple[str, ...]]:
    """Load sentences.toml: each sentence with the data paths it needs."""
    file = TomlFile(path, FlowError)
    problems = [
        file.problem((name,), "not a list of names", expected='such as ["bill.total"]', rule="type")
        for name, needs in file.data.items()
        if not (isinstance(needs, list) and all(isinstance(need, str) for need in needs))
    ]
    if problems:
        raise FlowError(problems)
    return {name: tuple(needs) for name, needs in file.data.items()}


class _Reader:
    """Reads one file, a flow or a part of one."""

    def __init__(self, file: TomlFile, problems: list[Problem], prefix: str = "") -> None:
        self.file = file
        self.problems = problems
        self.prefix = prefix
        self.sources = [file.path]
        self.defaults: dict[str, Any] = {}
        self.raw = {
            name: table
            for name, table in file.data.items()
            if isinstance(table, dict) and name not in {"any", "defaults"}
        }

    # -- a whole file ------------------------------------------------------------------------

    def flow(self, actions: Registry) -> Flow | None:
        top = {k: v for k, v in self.file.data.items() if k not in self.raw and k != "any"}
        self._form((), top, _FLOW_KEYS, required=("flow", "start", "call_s"))
        defaults = top.get("defaults", {})
        if isinstance(defaults, dict):
            self._form(("defaults",), defaults, _DEFAULTS)
            self.defaults = defaults
        if self.problems:
            return None
        try:
            needs = load_sentences(self.file.path.with_name("sentences.toml"))
        except FlowError as error:
            self.problems += error.problems
            return None
        states = self._states()
        self._start_exists(states)
        if self.problems:
            return None
        states[self.file.data["start"]] = _as_start(states[self.file.data["start"]])
        flow = Flow(
            name=top["flow"],
            start=top["start"],
            call_s=float(top["call_s"]),
            knows=tuple(top.get("knows", ())),
            states=self._with_any(states, actions),
            place=self._place(()),
            sources=tuple(self.sources),
            needs=needs,
            actions=actions,
        )
        self._targets_exist(flow.states)
        return flow

    def _start_exists(self, states: Mapping[str, State]) -> None:
        start = self.file.data["start"]
        if self.prefix + start not in states:
            self._problem(
                ("start",),
                f"{start!r} is not a state",
                rule="unknown-state",
                nearest=nearest(start, self.raw),
            )

    def _targets_exist(self, states: Mapping[str, State]) -> None:
        told: set[Place] = set()
        for state in states.values():
            for edge in state.edges.values():
                if edge.to in states or edge.place in told:
                    continue
                told.add(edge.place)
                self.problems.append(
                    Problem(
                        f"{edge.to!r} is not a state",
                        edge.place.file,
                        edge.place.line,
                        edge.place.key,
                        nearest=nearest(edge.to, states),
                        rule="unknown-state",
                    )
                )

    def _with_any(self, states: dict[str, State], actions: Registry) -> dict[str, State]:
        """Spread [any] over every state that waits, but for the start and the one that hangs up.

        An edge is not spread to its own target, nor over an edge that a state states itself.
        An action's answer is spread only to the actions that declare it, and T_TIME only to what
        is ordered: a question's or a statement's time-out is its own.
        """
        table = self.file.data.get("any", {})
        if not isinstance(table, dict):
            self._problem(("any",), "not a table", rule="type")
            return states
        shared: dict[str, Edge] = {}
        for event, value in table.items():
            edge = self._edge(("any", event), event, value, shared=True)
            if edge is not None:
                shared[event] = edge
        return {name: _spread(state, shared, actions) for name, state in states.items()}

    # -- states ------------------------------------------------------------------------------

    def _states(self) -> dict[str, State]:
        states: dict[str, State] = {}
        for name in self.raw:
            table = self._copied(name, ())
            if table is None:
                continue
            if "use" in table:
                states.update(self._part(name, table))
            else:
                state = self._state(name, table)
                if state is not None:
                    states[state.name] = state
        return states

    def _copied(self, name: str, seen: tuple[str, ...]) -> dict[str, Any] | None:
        """Return the state's table with the state it is `like` underneath."""
        table = self.raw[name]
        like = table.get("like")
        if like is None:
            return dict(table)
        if like in seen or like == name:
            self._problem((name, "like"), f"{like!r} is a copy of itself", rule="like-circle")
            return None
        if like not in self.raw:
            self._problem(
                (name, "like"),
                f"{like!r} is not a state",
                rule="unknown-state",
                nearest=nearest(str(like), self.raw),
            )
            return None
        below = self._copied(like, (*seen, name))
        if below is None:
            return None
        return below | {key: value for key, value in table.items() if key != "like"}

    def _state(self, name: str, table: dict[str, Any]) -> State | None:
        before = len(self.problems)
        edges: dict[str, Edge] = {}
        plain: dict[str, Any] = {}
        for key, value in table.items():
            if key in _STATE_KEYS or key in _DEFAULTS:
                plain[key] = value
            elif key.startswith(("T_", "U_")):
                self._add(edges, self._edge((name, key), key, value))
            else:
                known = [*_STATE_KEYS, *_DEFAULTS]
                self._problem(
                    (name, key),
                    "unknown key",
                    rule="unknown-key",
                    expected="a key of a state, or an event T_… or U_…",
                    nearest=nearest(key, known),
                )
        self._form((name,), plain, _STATE_KEYS | _DEFAULTS)
        kind = self._kind(name, plain)
        if kind is None or len(self.problems) > before:
            return None
        for answer in ("yes", "no"):
            if answer in plain:
                self._add(edges, self._edge((name, answer), answer, plain[answer]))
        for key, value in plain.get("keys", {}).items():
            if key not in KEYS or key == "#":
                self._problem(
                    (name, "keys", key),
                    f"{key!r} is not a menu key",
                    rule="menu-key",
                    expected="0 to 9, * or A to D ('#' only ends an entry)",
                )
            else:
                self._add(edges, self._edge((name, "keys", key), f"key {key}", value))
        return self._built(name, kind, plain, edges)

    def _built(
        self, name: str, kind: Kind, plain: dict[str, Any], edges: dict[str, Edge]
    ) -> State | None:
        settings: dict[str, Any] = {**self.defaults, **plain}
        collect = self._collect(name, plain["collect"]) if "collect" in plain else None
        say = self._sentences((name, "say"), plain.get("say", []))
        takes = plain.get("with", [])
        if not all(isinstance(path, str) for path in takes):
            self._problem((name, "with"), "not a list of names", rule="type")
            return None
        waits = kind is Kind.DO and plain["do"] not in CARD_ORDERS and "wait" in settings
        numbers = {
            key: float(settings[key])
            for key in ("first_s", "between_s", "say_s")
            if key in settings
        }
        for key, value in [*numbers.items(), ("within_s", float(plain.get("within_s", 1)))]:
            if value <= 0:
                self._problem((name, key), "must be more than 0 seconds", rule="not-positive")
        return State(
            name=self.prefix + name,
            kind=kind,
            place=self._place((name,)),
            edges=edges,
            say=say,
            collect=collect,
            do=plain.get("do"),
            takes=tuple(takes),
            condition=plain.get("if"),
            within_s=float(plain.get("within_s", 0)),
            wait=Sentence(settings["wait"]) if waits and settings["wait"] else None,
            wait_s=float(settings.get("wait_s", 1)),
            tries=settings.get("tries", 3),
            end=settings.get("end", "#"),
            fix=settings.get("fix", "*"),
            **numbers,
        )

    def _kind(self, name: str, plain: dict[str, Any]) -> Kind | None:
        """Return what the state does, told by its keys; exactly one thing is allowed."""
        marks = {"do": Kind.DO, "if": Kind.BRANCH, "keys": Kind.MENU, "collect": Kind.COLLECT}
        found = [key for key in marks if key in plain]
        if len(found) > 1:
            self._problem(
                (name,),
                f"does two things: {' and '.join(found)}",
                rule="two-kinds",
                expected="one of do, if, keys, collect",
            )
            return None
        kind = marks[found[0]] if found else (Kind.STATEMENT if "say" in plain else Kind.START)
        start = self.prefix + name == self.file.data.get("start")
        if kind is Kind.START and not start:
            self._problem(
                (name,),
                "does nothing",
                rule="no-kind",
                expected="one of say, do, if, keys, collect, use",
            )
            return None
        if kind is Kind.DO and "within_s" not in plain:
            self._problem(
                (name,),
                "has no within_s",
                rule="no-time-out",
                expected="how many seconds the answer may take",
            )
        if kind is Kind.BRANCH:
            self._missing((name,), plain, ("yes", "no"))
        if "say" in plain and kind in {Kind.DO, Kind.BRANCH}:
            self._problem(
                (name, "say"),
                f"a state with {found[0]!r} does not speak",
                rule="two-kinds",
                expected="say on an edge, or a state of its own",
            )
        return kind

    # -- parts -------------------------------------------------------------------------------

    def _part(self, name: str, table: dict[str, Any]) -> dict[str, State]:
        """Return the states of the part that state `name` uses, its exits led to the edges here."""
        path = self.file.path.with_name(f"{table['use']}.toml")
        if not path.is_file():
            parts = [p.stem for p in sorted(path.parent.glob("*.toml"))]
            self._problem(
                (name, "use"),
                f"no part {table['use']!r} (no file {path.name})",
                rule="unknown-part",
                nearest=nearest(str(table["use"]), parts),
            )
            return {}
        exits: dict[str, Edge] = {}
        for key, value in table.items():
            if key.startswith(("T_", "U_")):
                self._add(exits, self._edge((name, key), key, value))
            elif key != "use":
                self._problem(
                    (name, key),
                    "unknown key beside use",
                    rule="unknown-key",
                    expected="only edges for the part's exits",
                )
        try:
            part = _Reader(TomlFile(path, FlowError), self.problems, prefix=f"{name}.")
        except FlowError as error:
            self.problems += error.problems
            return {}
        self.sources += part.sources
        part.defaults = self.defaults
        top = {k: v for k, v in part.file.data.items() if k not in part.raw}
        part._form((), top, _PART_KEYS, required=("part", "start", "exits"))
        if self.problems:
            return {}
        declared = top["exits"]
        for event in sorted({*declared} ^ {*exits}):
            missing = event in declared
            self._problem(
                (name, event),
                "has no edge" if missing else "is not an exit of the part",
                rule="part-exit",
                expected=f"the exits {', '.join(declared)}",
            )
        states = part._states()
        part._start_exists(states)
        if self.problems:
            return {}
        first = f"{name}.{top['start']}"
        inner = {state.name: _led(state, exits, part) for state in states.values()}
        # the state that uses the part is the part's first one, under the name others know
        return {
            (name if key == first else key): _renamed(state, first, name)
            for key, state in inner.items()
        }

    # -- the smaller forms -------------------------------------------------------------------

    def _edge(
        self, key: tuple[str, ...], trigger: str, value: Any, *, shared: bool = False
    ) -> Edge | None:
        place = self._place(key)
        if isinstance(value, str):
            return Edge(trigger, self.prefix + value, place, shared=shared)
        if not isinstance(value, dict):
            self._problem(
                key,
                "not an edge",
                rule="type",
                expected="a state's name or a table with to or retry",
            )
            return None
        before = len(self.problems)
        self._form(key, value, _EDGE_KEYS)
        if ("to" in value) == ("retry" in value):
            self._problem(key, "an edge has either to or retry", rule="to-or-retry")
        say = self._sentences((*key, "say"), value.get("say", []))
        if len(self.problems) > before:
            return None
        return Edge(
            trigger,
            self.prefix + (value.get("to") or value["retry"]),
            place,
            retry="retry" in value,
            say=say,
            notes=(value["note"],) if "note" in value else (),
            set=value.get("set", {}),
            condition=value.get("if"),
            shared=shared,
        )

    def _sentences(self, key: tuple[str, ...], values: Any) -> tuple[Sentence, ...]:
        found: list[Sentence] = []
        if not isinstance(values, list):
            return ()
        for value in values:
            if isinstance(value, str):
                found.append(Sentence(value))
            elif isinstance(value, dict):
                self._form(key, value, _SENTENCE_KEYS, required=("say",))
                found.append(
                    Sentence(
                        str(value.get("say")), value.get("if"), value.get("each"), value.get("lang")
                    )
                )
            else:
                self._problem(
                    key, "not a sentence", rule="type", expected="a name, or a table with say"
                )
        return tuple(found)

    def _collect(self, name: str, value: dict[str, Any]) -> Collect | None:
        key = (name, "collect")
        before = len(self.problems)
        self._form(key, value, _COLLECT_KEYS, required=("digits", "into"))
        if len(self.problems) > before:
            return None
        if not 1 <= value["digits"] <= 40:
            self._problem((*key, "digits"), "must be 1 to 40", rule="digits")
            return None
        return Collect(value["digits"], value["into"], value.get("private", False))

    def _form(
        self,
        key: tuple[str, ...],
        table: Mapping[str, Any],
        types: Mapping[str, Any],
        required: Sequence[str] = (),
    ) -> None:
        """Report unknown keys, wrong types and missing keys of one table."""
        for name, value in table.items():
            if name not in types:
                self._problem(
                    (*key, name),
                    "unknown key",
                    rule="unknown-key",
                    expected=f"one of {', '.join(types)}",
                    nearest=nearest(name, types),
                )
            elif not isinstance(value, types[name]) or (
                isinstance(value, bool) and types[name] is not bool
            ):
                self._problem(
                    (*key, name),
                    f"is {_type_word(value)}",
                    rule="type",
                    expected=_types_words(types[name]),
                )
        self._missing(key, table, required)

    def _missing(
        self, key: tuple[str, ...], table: Mapping[str, Any], required: Sequence[str]
    ) -> None:
        for name in required:
            if name not in table:
                self._problem(key, f"has no {name!r}", rule="missing-key")

    def _add(self, edges: dict[str, Edge], edge: Edge | None) -> None:
        if edge is not None:
            edges[edge.trigger] = edge

    def _place(self, key: tuple[str, ...]) -> Place:
        return Place(self.file.path, self.file.line_of(*key), ".".join(key))

    def _problem(self, key: tuple[str, ...], what: str, **more: Any) -> None:
        self.problems.append(self.file.problem(key, what, **more))


def _spread(state: State, shared: Mapping[str, Edge], actions: Registry) -> State:
    """Add the edges of [any] to a state they are meant for."""
    if state.kind in {Kind.START, Kind.BRANCH} or state.do == "on_hook":
        return state
    added = {
        event: edge
        for event, edge in shared.items()
        if event not in state.edges and edge.to != state.name and _for(state, event, actions)
    }
    return replace(state, edges={**state.edges, **added})


def _for(state: State, event: str, actions: Registry) -> bool:
    if event == T_TIME:
        return state.kind is Kind.DO
    if event.startswith("T_") or event == U_STOP:
        return True
    action = actions.get(state.do or "")
    return action is not None and event in action.events


def _as_start(state: State) -> State:
    return replace(state, kind=Kind.START)


def _led(state: State, exits: Mapping[str, Edge], part: _Reader) -> State:
    """Lead edges of a part's state that name an exit to where the using state says."""
    edges: dict[str, Edge] = {}
    for trigger, edge in state.edges.items():
        exit_ = exits.get(edge.to.removeprefix(part.prefix))
        if exit_ is None:
            edges[trigger] = edge
            continue
        edges[trigger] = Edge(
            trigger,
            exit_.to,
            edge.place,
            retry=exit_.retry,
            say=edge.say + exit_.say,
            notes=edge.notes + exit_.notes,
            set={**edge.set, **exit_.set},
            condition=edge.condition,
        )
    return replace(state, edges=edges)


def _renamed(state: State, old: str, new: str) -> State:
    edges = {
        trigger: replace(edge, to=new) if edge.to == old else edge
        for trigger, edge in state.edges.items()
    }
    return replace(state, edges=edges, name=new if state.name == old else state.name)


def _type_word(value: Any) -> str:
    return "text" if isinstance(value, str) else f"{type(value).__name__} {value!r}"


def _types_words(types: Any) -> str:
    words = {
        str: "text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        list: "a list",
        dict: "a table",
    }
    many = types if isinstance(types, tuple) else (types,)
    return " or ".join(words[one] for one in many)
