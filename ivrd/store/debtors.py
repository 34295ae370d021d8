"""How each debtor stands to paying, and what is to happen next (product D7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from ivrd.store.states import DebtorClass
from ivrd.store.tables import debtors


@dataclass(frozen=True, slots=True)
class Debtor:
    """A debtor's class since when and by whom, and the next action on them."""

    account: str
    debtor_class: DebtorClass
    since: datetime
    set_by: str
    owner: str | None
    next_action: str | None
    next_at: datetime | None


_OF = select(debtors).where(debtors.c.account == bindparam("of"))
_SET = update(debtors).where(debtors.c.account == bindparam("of"))
_NEW = insert(debtors)
_IN_CLASS = (
    select(debtors)
    .where(debtors.c["class"] == bindparam("which"))
    .order_by(debtors.c.since, debtors.c.account)
)


def debtor(tx: Connection, account: str) -> Debtor | None:
    """Return how a debtor stands, None where nobody ever said."""
    row = tx.execute(_OF, {"of": account}).mappings().first()
    return _debtor(row) if row else None


def debtors_in(tx: Connection, debtor_class: DebtorClass) -> list[Debtor]:
    """Return the debtors of a class, the longest there first."""
    return [_debtor(row) for row in tx.execute(_IN_CLASS, {"which": debtor_class}).mappings()]


def set_class(
    tx: Connection,
    account: str,
    debtor_class: DebtorClass,
    by: str,
    now: datetime,
    *,
    next_action: str | None = None,
    next_at: datetime | None = None,
    owner: str | None = None,
) -> None:
    """Put a debtor in a class, with what is to happen next; without `owner` it stays whose it was.

    The class counts from now, unless it is the one that the debtor had.
    """
    values = {
        "class": debtor_class,
        "set_by": by,
        "next_action": next_action,
        "next_at": next_at,
    }
    before = debtor(tx, account)
    if before is None:
        tx.execute(_NEW, {"account": account, "since": now, "owner": owner, **values})
        return
    values["since"] = before.since if before.debtor_class is debtor_class else now
    values["owner"] = owner or before.owner
    tx.execute(_SET, {"of": account, **values})


def _debtor(row: RowMapping) -> Debtor:
    values = dict(row)
    return Debtor(debtor_class=DebtorClass(values.pop("class")), **values)
