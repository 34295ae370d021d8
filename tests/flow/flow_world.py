"""The application that the small flows under tests/flow ask: its actions, facts and languages."""

from __future__ import annotations

from pathlib import Path

from ivrd.card import Ability
from ivrd.errors import FlowError, Problem
from ivrd.events import U_OK, Data
from ivrd.flow.actions import Action, Answer, registry
from ivrd.flow.check import check_flow
from ivrd.flow.load import load_flow

FACTS = frozenset({"caller", "number", "open", "most"})
LANGUAGES = ("zh-CN", "en-US")


def spoken(sentence: str) -> tuple[str, ...]:
    """Return the languages in which a sentence is written."""
    return ("zh-CN",) if sentence == "only_mandarin" else LANGUAGES


def _ok(_: Data) -> Answer:
    return Answer(U_OK)


ACTIONS = registry(
    Action(
        "find",
        takes=("number",),
        may_take=("caller",),
        answers={
            U_OK: {
                "account": "text",
                "bill": {"total": "fen", "items": [{"name": "text", "amount": "fen"}],
                         "due?": "date"},
            },
            "U_NONE": {},
        },
        do=_ok,
    ),
    Action("count", takes=(), answers={U_OK: {"position": "integer"}}, do=_ok),
)  # fmt: skip


def problems_of(path: Path) -> list[Problem]:
    """Load and check a flow; return all that is wrong with it."""
    try:
        flow = load_flow(path, ACTIONS)
    except FlowError as error:
        return list(error.problems)
    return check_flow(
        flow, facts=FACTS, languages=LANGUAGES, spoken=spoken, abilities=frozenset(Ability)
    )
