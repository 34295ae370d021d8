"""A row in every table of a store, with all that a column may hold."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select

from ivrd.store import audit, debtors, do_not_call, notes, promises, switches, worklist
from ivrd.store.states import DebtorClass, Task
from ivrd.store.tables import (
    attempts,
    campaigns,
    decisions,
    ledger,
    metadata,
    proofs,
    reservations,
    target_numbers,
    targets,
)
from tests.store.conftest import NOW

NUMBER = "+8613800138000"
DAY = date(2026, 11, 20)


def fill(tx: Connection) -> None:
    """Put the rows in."""
    values: dict[str, Any] = {
        "name": "arrears",
        "kind": "dunning",
        "state": "running",
        "settings": {"name": "欠费", "windows": ["09:30-12:00"]},
        "made_at": NOW,
    }
    campaign = tx.execute(insert(campaigns).returning(campaigns.c.id), values).scalar_one()
    person = {"account": "账 1", "person": "P1"}
    values = {
        **person,
        "campaign": campaign,
        "numbers": [NUMBER],
        "amount_fen": 2**40,
        "months": 3,
        "due": DAY,
        "state": "calling",
        "next_at": NOW,
    }
    target = tx.execute(insert(targets).returning(targets.c.id), values).scalar_one()
    tx.execute(insert(target_numbers).values(number=NUMBER, target=target))
    values = {
        **person,
        "id": "a1",
        "campaign": campaign,
        "target": target,
        "number": NUMBER,
        "caller_id": "10000",
        "node": "ivrd",
        "card": "main",
        "line": 5,
        "began_at": NOW,
        "lease_until": NOW + timedelta(minutes=5),
        "heard_s": 12.5,
        "notes": ["answered"],
    }
    tx.execute(insert(attempts), values)
    tx.execute(insert(reservations).values(key=f"number:{NUMBER}", attempt="a1"))
    values = {"attempt": "a1", "at": NOW, "day": DAY, "person": "P1", "number": NUMBER, "debt": "1"}
    tx.execute(insert(ledger), values)
    values = {"target": target, "at": NOW, "what": "dialled", "reason": "due"}
    tx.execute(insert(decisions), values)
    tx.execute(insert(proofs).values(key="digest", at=NOW))
    promises.keep_promise(tx, person["account"], campaign, "a1", 12345, NOW, DAY)
    do_not_call.add(tx, NOW, NUMBER, do_not_call.WhyListed.ASKED, "call")
    debtors.set_class(tx, person["account"], DebtorClass.AWAY, "wang", NOW)
    notes.add_note(tx, person["account"], NOW, "wang", "回电")
    worklist.open_task(tx, person["account"], Task.VISIT, NOW, DAY, campaign=campaign)
    switches.set_switch(tx, NOW, switches.KILL, True, "wang", "storm")
    audit.record(tx, NOW, "wang", "kill-switch.on", {"why": "storm"})


def rows_of(tx: Connection) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables."""
    return {
        table.name: [
            dict(row) for row in tx.execute(select(table).order_by(*table.primary_key)).mappings()
        ]
        for table in metadata.sorted_tables
    }
