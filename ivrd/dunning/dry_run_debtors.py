"""The debtors of a dry run: those whom the campaign would call, with what the store knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from ivrd.dunning.case import OpenPromise
from ivrd.dunning.dry_run import Owing
from ivrd.dunning.frequency import Past
from ivrd.dunning.target_rows import TargetRow
from ivrd.store import tables
from ivrd.store.states import PromiseState


class Known:
    """What the store knows beside the campaign: who is not to be called, has promised, was called.

    Nothing without a store, or with one in which nothing has happened yet.
    """

    def __init__(self) -> None:
        self.listed: set[str] = set()
        self.wrong: set[tuple[str, str]] = set()
        """Numbers that are somebody else's, each with the account it does not belong to."""
        self.promises: dict[str, OpenPromise] = {}
        self.calls: dict[str, list[Past]] = defaultdict(list)
        """Calls of the ledger by person."""

    @classmethod
    def read(cls, tx: Connection, since: datetime) -> Known:
        """Read it from a store, the ledger from `since` on."""
        known = cls()
        listed, promises, ledger = tables.do_not_call, tables.promises, tables.ledger
        for row in tx.execute(select(listed).where(listed.c.removed_at.is_(None))):
            if row.why == "wrong_number" and row.account is not None:
                known.wrong.add((row.number, row.account))
            else:
                known.listed.add(row.number)
        for row in tx.execute(select(promises).where(promises.c.state == PromiseState.OPEN.value)):
            reminded = row.reminded_at is not None
            known.promises[row.account] = OpenPromise(row.pay_by, row.made_at, reminded)
        for row in tx.execute(select(ledger).where(ledger.c.at > since)):
            known.calls[row.person].append(
                Past(row.at, row.day, row.person, row.number, row.debt, row.effective)
            )
        return known


def owing(rows: Sequence[TargetRow], known: Known) -> list[Owing]:
    """Return the debtors who can be called at all, in the order in which they would join."""
    debtors: list[Owing] = []
    seen: set[str] = set()
    for row in rows:
        if not row.chosen or not row.numbers or row.account in seen:
            continue
        seen.add(row.account)
        listed = known.listed.intersection(row.numbers)
        listed |= {number for number in row.numbers if (number, row.account) in known.wrong}
        debtors.append(
            Owing(
                len(debtors) + 1, row.account, row.person, row.numbers, row.zone, row.amount_fen,
                frozenset(listed), known.promises.get(row.account),
                tuple(known.calls.get(row.person, ())), row.consent,
            )
        )  # fmt: skip
    return debtors


def undiallable(rows: Sequence[TargetRow]) -> dict[str, int]:
    """Return how many chosen debtors have no number that may be dialled, by reason."""
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.chosen and not row.numbers:
            counts[row.refused or "number_invalid"] += 1
    return dict(counts)
