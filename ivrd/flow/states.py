"""One state's table, read into a `State`: what it does, and the edges out of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ivrd.errors import nearest
from ivrd.events import KEYS
from ivrd.flow.forms import NUMBER, Source
from ivrd.flow.spec import CARD_ORDERS, Edge, Kind, Sentence, State

DEFAULTS: Mapping[str, Any] = {
    "tries": (int, str),
    "first_s": NUMBER,
    "between_s": NUMBER,
    "say_s": NUMBER,
    "wait_s": NUMBER,
    "wait": str,
    "end": str,
    "fix": str,
}
"""Settings of states that ``[defaults]`` may give for all of them."""

_KEYS: Mapping[str, Any] = {
    "say": list,
    "keys": dict,
    "collect": dict,
    "do": str,
    "with": list,
    "within_s": NUMBER,
    "if": str,
    "yes": (str, dict),
    "no": (str, dict),
    "use": str,
    "like": str,
    **DEFAULTS,
}

_MARKS: Mapping[str, Kind] = {
    "do": Kind.DO,
    "if": Kind.BRANCH,
    "keys": Kind.MENU,
    "collect": Kind.COLLECT,
}
_QUESTION = frozenset({"say", "say_s", "tries", "first_s", "end"})
_FITTING: Mapping[Kind, frozenset[str]] = {
    Kind.START: frozenset(),
    Kind.BRANCH: frozenset({"if", "yes", "no"}),
    Kind.DO: frozenset({"do", "with", "within_s", "wait", "wait_s"}),
    Kind.STATEMENT: frozenset({"say", "say_s", "tries"}),
    Kind.MENU: _QUESTION | {"keys"},
    Kind.COLLECT: _QUESTION | {"collect", "between_s", "fix"},
}
DAY_S = 86400
"""No wait and no call is longer than this, in seconds."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def read_state(source: Source, name: str, table: Mapping[str, Any], *, start: bool) -> State | None:
    """Read the table of the state `name`; None where it is wrong, with the problems noted."""
    before = len(source.problems)
    if not _NAME.fullmatch(name):
        expected = "letters, digits and _, a letter first"
        source.problem((name,), "is no name for a state", rule="state-name", expected=expected)
    edges: dict[str, Edge] = {}
    plain: dict[str, Any] = {}
    for key, value in table.items():
        if key.startswith(("T_", "U_")):
            add_edge(source, edges, (name, key), key, value)
        elif key in _KEYS:
            plain[key] = value
        else:
            expected = "a key of a state, or an event T_… or U_…"
            near = nearest(key, [*_KEYS])
            source.problem(
                (name, key), "unknown key", rule="unknown-key", expected=expected, nearest=near
            )
    if not source.form((name,), plain, _KEYS):
        return None
    kind = _kind(source, name, plain, start=start)
    if kind is None:
        return None
    for answer in ("yes", "no"):
        if answer in plain:
            add_edge(source, edges, (name, answer), answer, plain[answer])
    for key, value in plain.get("keys", {}).items():
        if key in KEYS and key != "#":
            add_edge(source, edges, (name, "keys", key), f"key {key}", value)
        else:
            expected = "0 to 9, * or A to D ('#' only ends an entry)"
            source.problem(
                (name, "keys", key), f"{key!r} is no menu key", rule="menu-key", expected=expected
            )
    state = _built(source, name, kind, plain, edges)
    return state if len(source.problems) == before else None


def add_edge(
    source: Source, edges: dict[str, Edge], key: tuple[str, ...], trigger: str, value: Any
) -> None:
    """Read an edge and put it to the others, where it is right."""
    edge = source.edge(key, trigger, value)
    if edge is not None:
        edges[trigger] = edge


def check_settings(source: Source, name: str, settings: Mapping[str, Any]) -> None:
    """Report settings out of range, in a state or in ``[defaults]``; their types are right."""
    for key in ("first_s", "between_s", "say_s", "within_s", "wait_s", "tries"):
        positive(source, (name, key), settings.get(key))
    for key in ("end", "fix"):
        value = settings.get(key, "#")
        if value not in KEYS or value.isdigit():
            expected = "one of * # A B C D"
            source.problem((name, key), f"is {value!r}", rule="entry-key", expected=expected)


def positive(source: Source, key: tuple[str, ...], value: Any) -> None:
    """Report a number that is not above 0, or beyond a day."""
    if isinstance(value, int | float) and not 0 < value <= DAY_S:
        expected = f"more than 0, at most {DAY_S}"
        source.problem(key, f"is {value}", rule="not-positive", expected=expected)


def _kind(source: Source, name: str, plain: Mapping[str, Any], *, start: bool) -> Kind | None:
    """Return what the state does, told by its keys; exactly one thing is allowed."""
    before = len(source.problems)
    found = [key for key in _MARKS if key in plain]
    if len(found) > 1:
        what = f"does {len(found)} things: {', '.join(found)}"
        source.problem((name,), what, rule="two-kinds", expected="one of them")
        return None
    kind = _MARKS[found[0]] if found else (Kind.STATEMENT if "say" in plain else Kind.START)
    if start and kind is not Kind.START:
        expected = "only edges: it waits for the call"
        what = f"the start has {found[0] if found else 'say'!r}"
        source.problem((name,), what, rule="start", expected=expected)
    elif kind is Kind.START and not start:
        expected = "one of say, do, if, keys, collect, use"
        source.problem((name,), "does nothing", rule="no-kind", expected=expected)
    else:
        _only_fitting(source, name, kind, plain)
    if kind is Kind.DO and "within_s" not in plain:
        expected = "how many seconds the answer may take"
        source.problem((name,), "has no 'within_s'", rule="no-time-out", expected=expected)
    if kind is Kind.BRANCH:
        source.form((name,), plain, _KEYS, required=("yes", "no"))
    return kind if len(source.problems) == before else None


def _only_fitting(source: Source, name: str, kind: Kind, plain: Mapping[str, Any]) -> None:
    """Report keys that a state of this kind would not look at."""
    fitting = _FITTING[kind]
    if plain.get("do") in CARD_ORDERS:
        fitting -= {"wait", "wait_s"}
    for key in [key for key in plain if key not in fitting]:
        what = f"has no meaning in a {kind.value} state"
        expected = f"one of {', '.join(sorted(fitting))}" if fitting else "only edges"
        source.problem((name, key), what, rule="misplaced-key", expected=expected)


def _built(
    source: Source, name: str, kind: Kind, plain: Mapping[str, Any], edges: Mapping[str, Edge]
) -> State | None:
    check_settings(source, name, plain)
    collect = source.collect((name, "collect"), plain["collect"]) if "collect" in plain else None
    say = source.sentences((name, "say"), plain.get("say", []))
    takes = plain.get("with", [])
    if not source.names((name, "with"), takes):
        return None
    settings: Mapping[str, Any] = {**source.defaults, **plain}
    if kind is Kind.COLLECT and settings.get("end", "#") == settings.get("fix", "*"):
        expected = "two different keys"
        source.problem((name,), "one key both ends and corrects", rule="entry-key",
                       expected=expected)  # fmt: skip
    waits = kind is Kind.DO and plain["do"] not in CARD_ORDERS and settings.get("wait")
    times = {key: float(settings[key]) for key in ("first_s", "between_s", "say_s", "wait_s")
             if key in settings}  # fmt: skip
    return State(
        name=source.prefix + name,
        kind=kind,
        place=source.place((name,)),
        edges=edges,
        say=say,
        collect=collect,
        do=plain.get("do"),
        takes=tuple(takes),
        condition=plain.get("if"),
        within_s=float(plain.get("within_s", 0)),
        wait=Sentence(settings["wait"]) if waits else None,
        tries=settings.get("tries", 3),
        end=settings.get("end", "#"),
        fix=settings.get("fix", "*"),
        **({"wait_s": 1.0} | times),
    )
