"""The check's first phase: every name in a flow is one that exists."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ivrd import events
from ivrd.errors import nearest
from ivrd.flow.findings import Findings
from ivrd.flow.routes import reachable
from ivrd.flow.shapes import Knowledge, reads, sentences
from ivrd.flow.spec import CARD_ORDERS, Flow, Place, Sentence, State

EVENTS = frozenset(
    value
    for name, value in vars(events).items()
    if name.startswith(("T_", "U_")) and isinstance(value, str)
)
"""All events that `ivrd.events` names."""


@dataclass(frozen=True)
class Tongues:
    """The languages that calls can be held in, and what is known of the sentences in them.

    `spoken` tells in which languages a sentence is written, where that is to be proved too;
    `fixed` are facts whose truth the configuration has settled.
    """

    languages: Collection[str]
    spoken: Callable[[str], Collection[str]] | None
    fixed: Mapping[str, bool]

    def open_states(self, flow: Flow) -> set[str]:
        """Return the states that calls can come to under the settled facts."""

        def after(name: str) -> list[str]:
            state = flow.states[name]
            truth = self.fixed.get(state.condition or "")
            shut = {True: "no", False: "yes"}.get(truth) if truth is not None else None
            return [edge.to for edge in state.edges.values() if edge.trigger != shut]

        return reachable([flow.start], after)


def check_names(flow: Flow, facts: Collection[str], tongues: Tongues, found: Findings) -> None:
    """Report unknown facts, actions, events, sentences and languages; then unknown data."""
    for fact in flow.knows:
        if fact not in facts:
            what = f"the service has no fact {fact!r}"
            found.add("unknown-fact", flow.place, what, "knows", nearest=nearest(fact, facts))
    _actions_exist(flow, found)
    _events_exist(flow, found)
    _sentences_exist(flow, tongues, found)
    _languages_exist(flow, tongues, found)
    if not found:
        _arguments_fit(flow, found)
    if not found:
        _data_exists(flow, found)


def _actions_exist(flow: Flow, found: Findings) -> None:
    for state in flow.states.values():
        if state.do and state.do not in CARD_ORDERS and state.do not in flow.actions:
            near = nearest(state.do, [*flow.actions, *CARD_ORDERS])
            found.add("unknown-action", state.place, f"no action {state.do!r}", "do", nearest=near)


def _events_exist(flow: Flow, found: Findings) -> None:
    known = EVENTS.union(*(action.events for action in flow.actions.values()))
    for _, edge in flow.edges:
        if edge.trigger.startswith(("T_", "U_")) and edge.trigger not in known:
            what, near = f"no event {edge.trigger!r}", nearest(edge.trigger, known)
            found.add("unknown-event", edge.place, what, nearest=near)


def _said(states: Iterable[State]) -> Iterator[tuple[Sentence, Place, str]]:
    """Yield every sentence that states and their edges order, with its place and the key there."""
    for state in states:
        for sentence, key in sentences(state):
            yield sentence, state.place, key
        for edge in state.edges.values():
            for sentence in edge.say:
                yield sentence, edge.place, "say"


def _sentences_exist(flow: Flow, tongues: Tongues, found: Findings) -> None:
    told: set[str] = set()
    for sentence, place, key in _said(flow.states.values()):
        name = sentence.name
        if name not in flow.needs:
            if key == "wait" and name in told:
                continue  # a wait sentence of [defaults] is one mistake, not one a state
            told.add(name)
            near = nearest(name, flow.needs)
            found.add("unknown-sentence", place, f"no sentence {name!r}", key, nearest=near)
            continue
        if tongues.spoken is None:
            continue
        languages = {*tongues.languages}
        wanted = {sentence.lang} & languages if sentence.lang else languages
        lacking = sorted(wanted - {*tongues.spoken(name)})
        if lacking and name not in told:
            told.add(name)
            what = f"sentence {name!r} is not written in {' and '.join(lacking)}"
            found.add("no-text", place, what, key)


def _languages_exist(flow: Flow, tongues: Tongues, found: Findings) -> None:
    languages = tongues.languages
    states = [flow.states[name] for name in sorted(tongues.open_states(flow))]
    wanted = [(s.lang, place, key) for s, place, key in _said(states) if s.lang]
    wanted += [
        (str(edge.set["lang"]), edge.place, "set")
        for state in states
        for edge in state.edges.values()
        if "lang" in edge.set
    ]
    for language, place, key in wanted:
        if language not in languages:
            what, expected = f"no language {language!r}", f"one of {', '.join(sorted(languages))}"
            near = nearest(language, languages)
            found.add("unknown-language", place, what, key, expected=expected, nearest=near)


def _arguments_fit(flow: Flow, found: Findings) -> None:
    """Compare each ``with`` to what the action takes."""
    for state in flow.states.values():
        action = flow.actions.get(state.do or "")
        if action is None:
            if state.do in CARD_ORDERS and state.do != "dial" and state.takes:
                what = f"{state.do!r} takes nothing"
                found.add("with", state.place, what, "with")
            continue
        taken = (*action.takes, *action.may_take)
        wrong = [name for name in state.takes if name not in taken]
        for name in wrong:
            what = f"{action.name!r} does not take {name!r}"
            expected = f"one of {', '.join(taken)}" if taken else "nothing"
            near = nearest(name, taken)
            found.add("with", state.place, what, "with", expected=expected, nearest=near)
        lacking = [name for name in action.takes if name not in state.takes]
        if lacking and not wrong:
            found.add("with", state.place, f"{action.name!r} needs {', '.join(lacking)}", "with")


def _data_exists(flow: Flow, found: Findings) -> None:
    """Report paths that nothing can ever give, and settings that nothing reads."""
    knowledge = Knowledge(flow)
    every = knowledge.every
    read = {path for path, *_ in reads(flow)}
    for path, state, edge, key in reads(flow):
        if path not in every:
            place = edge.place if edge else state.place
            _unknown(path, place, key, every, found)
    for sentence, place, key in _said(flow.states.values()):
        if sentence.each and sentence.each in every and sentence.each not in knowledge.lists:
            what, expected = f"{sentence.each!r} is not a list", "a list that an action gives"
            near = nearest(sentence.each, knowledge.lists)
            found.add("each", place, what, key, expected=expected, nearest=near)
        rows = knowledge.row_names if sentence.each else frozenset()
        for path in flow.needs[sentence.name]:
            read.add(path)
            if path not in every and path not in rows:
                _unknown(path, place, key, every | rows, found, f" ({sentence.name} needs it)")
    names = {path.split(".")[0] for path in read}
    for _, edge in flow.edges:
        for name in edge.set:
            if name != "lang" and name not in names:
                what = f"nothing reads {name!r}"
                found.add("set", edge.place, what, "set", nearest=nearest(name, names | {"lang"}))


def _unknown(
    path: str, place: Place, key: str, known: Collection[str], found: Findings, why: str = ""
) -> None:
    what = f"nothing gives {path!r}{why}"
    found.add("unknown-data", place, what, key, nearest=nearest(path, known))
