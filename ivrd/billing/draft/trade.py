"""Which trade a database belongs to, as what it charges for and the names of its tables say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ivrd.billing.draft.bills import Plan
from ivrd.billing.draft.context import Context
from ivrd.billing.draft.items import named_codes, texts_of
from ivrd.billing.draft.naming import RESTS, Names
from ivrd.billing.draft.roles import told_by

TELEPHONE = "telecom"
"""The trade whose words the languages themselves speak."""

LIST = "list"
"""The trade of who has no items, only what is owed."""

_LEAST = 0.35
_AHEAD = 0.1
_OF_TABLES = 0.5


def names_for(
    at: Context, plan: Plan, spoken: Collection[str], trades: Mapping[str, Collection[str]],
    trade: str | None,
) -> Names:  # fmt: skip
    """Find the trade, unless it is said, and return what its items are called.

    `spoken` are the codes of the languages' own list, `trades` those that each trade has beside.
    """
    lexicon, draft = at.roles.lexicon, at.draft
    if trade is not None:
        draft.trade, draft.trade_why, draft.trade_sure = trade, "as you said", True
    elif trades:
        _recognise(at, plan, spoken, trades)
    own = trades.get(draft.trade or "", ())
    known = lexicon.trades.get(draft.trade or TELEPHONE)
    common = {code for code in spoken if known is None or code in {*known.common, *RESTS}}
    if not trades:  # nobody asked for a trade
        common = set(spoken)
    draft.spoken = tuple(sorted({*own, *common}))
    names = Names(draft, lexicon, draft.spoken, own)
    draft.rest = names.rest
    return names


def _recognise(
    at: Context, plan: Plan, spoken: Collection[str], trades: Mapping[str, Collection[str]]
) -> None:
    draft, lexicon = at.draft, at.roles.lexicon
    items = _items(at, plan)
    words = [lexicon.words(text) for text in _tables(at, plan)]
    scores: dict[str, float] = {}
    shown: dict[str, list[str]] = {}
    for name, known in lexicon.trades.items():
        own = _telephone(at, spoken) if name == TELEPHONE else set(trades.get(name, ()))
        if not own:
            continue
        namer = Names(draft, lexicon, own, own)
        told = [texts[0] for texts in items if namer.has(texts)]
        of_tables = max((known.words.get(w, 0.0) for found in words for w in found), default=0.0)
        of_items = sum(
            1.0 if texts[0] in told
            else max((known.words.get(w, 0.0) for t in texts for w in lexicon.words(t)), default=0)
            for texts in items
        ) / max(len(items), 1)  # fmt: skip
        scores[name] = of_items + _OF_TABLES * of_tables
        shown[name] = told
    best, *others = sorted(scores, key=lambda name: -scores[name])
    ahead = scores[best] - max((scores[name] for name in others), default=0.0)
    if scores[best] < _LEAST or ahead < _AHEAD:
        if not plan.bill.items and plan.bill.layout != "narrow" and LIST in trades:
            draft.trade, draft.trade_why = LIST, "bills of one sum, no items"
        return
    draft.trade = None if best == TELEPHONE else best
    draft.trade_why = (
        "it charges for " + ", ".join(shown[best][:3]) if shown[best] else "names of tables say so"
    )
    draft.trade_sure = bool(shown[best])


def _telephone(at: Context, spoken: Collection[str]) -> set[str]:
    """Return what a telephone bill alone has of the languages' own list."""
    trades = at.roles.lexicon.trades
    any_ = set.intersection(*(set(trade.common) for trade in trades.values()))
    return {code for code in spoken if code in trades[TELEPHONE].common - any_}


def _items(at: Context, plan: Plan) -> list[Sequence[str]]:
    bill = plan.bill
    if bill.code is not None:
        listed, _ = named_codes(at, bill.table, bill.code)
        return [[name] for name in listed.values()]
    return [texts_of(col) for col in bill.items or ([bill.total] if bill.total else [])]


def _tables(at: Context, plan: Plan) -> list[str]:
    tabs = [plan.bill.table, plan.accounts.table, *([plan.head.table] if plan.head else [])]
    read = [tab for tab in at.survey.tables.values() if tab.columns]
    texts = [text for tab in read for text in (tab.name, tab.comment) if text]
    return [*texts, *(told_by(col) for tab in tabs for col in tab.columns.values() if col.comment)]
