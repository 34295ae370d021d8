"""Debtors into a campaign: new ones join, nobody is in it twice, who owes no more is settled."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import Connection, bindparam, insert, select, update

from ivrd.dunning.target_rows import TargetRow
from ivrd.store import tables
from ivrd.store.engine import Store
from ivrd.store.states import TargetState

PAGE = 1000
"""Rows of one statement; with `refill`, of one transaction: so long a dialler waits at most."""

SETTLED = "settled"
NOT_CHOSEN = "not_chosen"
"""Why a target is excluded that owes something, but is not for its campaign any more."""

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told how many rows are done, and of how many where that is known."""

_t = tables.targets
_IDLE = (TargetState.WAITING.value, TargetState.PROMISED.value)

_known = (
    select(_t.c.id, _t.c.account, _t.c.state, _t.c.why, _t.c.tries)
    .where(
        _t.c.campaign == bindparam("of"), _t.c.account.in_(bindparam("accounts", expanding=True))
    )
    .with_for_update()
)
_all = (
    select(_t.c.id, _t.c.state)
    .where(_t.c.campaign == bindparam("of"), _t.c.id > bindparam("after"))
    .where(_t.c.paid_at.is_(None))
    .order_by(_t.c.id)
    .limit(10 * PAGE)
    .with_for_update()
)
_add = insert(_t).returning(_t.c.id, _t.c.account)
_refresh = update(_t).where(_t.c.id == bindparam("of"))
_settle = _refresh.values(state=TargetState.SETTLED.value, why=SETTLED)


@dataclass(frozen=True, slots=True)
class Filled:
    """What a fill did: rows read, of them not chosen; targets added, of them excluded at once.

    Then the targets that were there: refreshed, taken up again because they owe again, settled
    because they owe no more, and dropped because the campaign's choice leaves them out now.
    """

    read: int = 0
    not_chosen: int = 0
    added: int = 0
    excluded: int = 0
    refreshed: int = 0
    again: int = 0
    settled: int = 0
    dropped: int = 0

    @property
    def empty(self) -> bool:
        """Whether there was nobody to call: an alarm, and nothing was taken for settled."""
        return self.read == self.not_chosen

    def __add__(self, other: Filled) -> Filled:
        return Filled(*(getattr(self, f) + getattr(other, f) for f in self.__slots__))


def fill_campaign(
    tx: Connection, campaign: int, rows: Iterable[TargetRow], now: datetime, *,
    whole: bool = True, progress: Progress | None = None,
) -> Filled:  # fmt: skip
    """Put debtors into a campaign, all in the caller's transaction.

    With `whole`, `rows` are everybody: targets that are not among them owe no more, and those
    that wait become settled. Rows that are none at all settle nobody: that is a fault of the
    data, not good news. Targets that are being called, or are through, stay as they are, but
    one that was settled and owes again is taken up again.
    """
    return _fill(lambda job: job(tx), campaign, rows, now, whole=whole, progress=progress)


def refill(
    store: Store, campaign: int, rows: Iterable[TargetRow], now: datetime, *,
    whole: bool = True, progress: Progress | None = None,
) -> Filled:  # fmt: skip
    """As `fill_campaign`, a transaction for each page: a campaign that runs goes on meanwhile.

    Where it breaks off, what was done stays; doing it again comes to the same.
    """
    return _fill(store.transact, campaign, rows, now, whole=whole, progress=progress)


def _fill(
    transact: Callable[[Callable[[Connection], Any]], Any], campaign: int,
    rows: Iterable[TargetRow], now: datetime, *, whole: bool, progress: Progress | None,
) -> Filled:  # fmt: skip
    done, seen = Filled(), set[int]()
    for page in _pages(rows):
        part, ids = transact(partial(_page, campaign, page, now))
        done += part
        seen |= ids
        if progress:
            progress(done.read, None)
    if whole and not done.read:
        return done
    if whole:
        after = 0
        while True:
            part, after = transact(partial(_absent, campaign, seen, after, now))
            done += part
            if not after:
                break
    transact(partial(_was_chosen, campaign, now))
    return done


def _was_chosen(campaign: int, now: datetime, tx: Connection) -> None:
    of_campaign = update(tables.campaigns).where(tables.campaigns.c.id == campaign)
    tx.execute(of_campaign.values(chosen_at=now))


def _pages(rows: Iterable[TargetRow]) -> Iterator[list[TargetRow]]:
    source = iter(rows)
    while page := list(itertools.islice(source, PAGE)):
        yield page


def _page(
    campaign: int, page: Sequence[TargetRow], now: datetime, tx: Connection
) -> tuple[Filled, set[int]]:
    """Put one page in. Returns what was done and the targets that the page speaks of."""
    accounts = list({row.account for row in page})
    known = {row.account: row for row in tx.execute(_known, {"of": campaign, "accounts": accounts})}
    new: dict[str, TargetRow] = {}
    ids = {row.id for row in known.values()}
    done = Filled(read=len(page), not_chosen=sum(not row.chosen for row in page))
    changes: list[dict[str, Any]] = []
    decisions: list[dict[str, Any]] = []
    for row in page:
        old = known.get(row.account)
        if old is None:
            if row.chosen:
                new.setdefault(row.account, row)
            continue
        part, change = _change(old, row, now)
        done += part
        changes.append({"of": old.id, **change})
        if part.again or part.dropped:
            decisions.append(_decision(old.id, change["state"], change["why"], now))
    _update(tx, changes)
    added, more = _insert(tx, campaign, new, now)
    if decisions:
        tx.execute(insert(tables.decisions), decisions)
    return done + added, ids | more


def _change(old: Any, row: TargetRow, now: datetime) -> tuple[Filled, dict[str, Any]]:
    """Return what becomes of a target that is in the campaign already."""
    change: dict[str, Any] = {
        "amount_fen": row.amount_fen, "months": row.months, "due": row.due,
        "product": row.product, "customer_group": row.group, "consent": row.consent,
        "state": old.state, "why": old.why,
    }  # fmt: skip
    gone = old.state == TargetState.SETTLED or old.why == NOT_CHOSEN
    if not row.chosen:
        if old.state in _IDLE:
            out = {"state": TargetState.EXCLUDED.value, "why": NOT_CHOSEN, "ended_at": now}
            return Filled(dropped=1), change | out
        return Filled(), change
    if gone and row.numbers:
        back = {"state": TargetState.WAITING.value, "why": None, "next_at": row.call_from or now,
                "ended_at": None, "paid_at": None}  # fmt: skip
        return Filled(again=1), change | back
    return Filled(refreshed=1), change


def _update(tx: Connection, changes: list[dict[str, Any]]) -> None:
    """Carry the changes out, those of one kind together."""
    kinds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for change in changes:
        kinds.setdefault(tuple(change), []).append(change)
    for names, alike in kinds.items():
        values = {name: bindparam(f"to_{name}", type_=_t.c[name].type) for name in names[1:]}
        bound = [{"of": c["of"]} | {f"to_{n}": c[n] for n in names[1:]} for c in alike]
        tx.execute(_refresh.values(values), bound)


def _insert(
    tx: Connection, campaign: int, new: dict[str, TargetRow], now: datetime
) -> tuple[Filled, set[int]]:
    """Add new targets with their numbers; one without a number that may be dialled is excluded."""
    if not new:
        return Filled(), set()
    values = [_values(campaign, row, now) for row in new.values()]
    ids = {account: target for target, account in tx.execute(_add, values)}
    numbers = [
        {"number": number, "target": ids[row.account]}
        for row in new.values()
        for number in row.numbers
    ]
    if numbers:
        tx.execute(insert(tables.target_numbers), numbers)
    refused = [
        _decision(ids[row.account], TargetState.EXCLUDED if not row.numbers else "held",
                  row.refused, now, row.refused_detail)
        for row in new.values() if row.refused
    ]  # fmt: skip
    if refused:
        tx.execute(insert(tables.decisions), refused)
    excluded = sum(not row.numbers for row in new.values())
    return Filled(added=len(new), excluded=excluded), set(ids.values())


def _values(campaign: int, row: TargetRow, now: datetime) -> dict[str, Any]:
    out = not row.numbers
    return {
        "campaign": campaign, "account": row.account, "person": row.person,
        "numbers": list(row.numbers), "amount_fen": row.amount_fen, "months": row.months,
        "due": row.due, "product": row.product, "customer_group": row.group,
        "lang": row.lang, "zone": row.zone or "", "consent": row.consent,
        "next_at": row.call_from or now,
        "state": (TargetState.EXCLUDED if out else TargetState.WAITING).value,
        "why": (row.refused or "number_invalid") if out else None,
        "ended_at": now if out else None,
    }  # fmt: skip


def _decision(
    target: int, what: str, reason: str | None, now: datetime, detail: str | None = None
) -> dict[str, Any]:
    """Return a row for `why`: what happened to a target, and the reason."""
    words = {TargetState.WAITING.value: ("again", "owes_again")}
    word, because = words.get(what, ("held" if what == "held" else "ended", reason or what))
    return {"target": target, "at": now, "what": word, "reason": because, "detail": detail}


def _absent(
    campaign: int, seen: set[int], after: int, now: datetime, tx: Connection
) -> tuple[Filled, int]:
    """Settle what owes no more among the targets behind `after`; returns where to go on, or 0."""
    rows = tx.execute(_all, {"of": campaign, "after": after}).all()
    gone = [row for row in rows if row.id not in seen]
    idle = [row for row in gone if row.state in _IDLE]
    if idle:
        settled = _settle.values(paid_at=now, ended_at=now)
        tx.execute(settled, [{"of": row.id} for row in idle])
        tx.execute(
            insert(tables.decisions),
            [_decision(row.id, TargetState.SETTLED, SETTLED, now) for row in idle],
        )
    others = [row for row in gone if row.state not in _IDLE]
    if others:
        # through, or being called: that it was paid is kept for the report of what it brought
        tx.execute(_refresh.values(paid_at=now), [{"of": row.id} for row in others])
    return Filled(settled=len(idle)), rows[-1].id if len(rows) == 10 * PAGE else 0
