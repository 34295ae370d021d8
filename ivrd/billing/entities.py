"""The standard entities: what every billing database is read into.

Money is integer fen, a bill month is the text ``"YYYY-MM"``, instants are aware.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Account:
    """One account (户): `id` is the billing database's own key, as text.

    `zone` is the holder's time zone, `consent` whether they agreed to be called by a machine;
    None where the billing data does not say. `other_phones` are more numbers of the holder's.
    """

    id: str = field(repr=False)
    phone: str | None = field(default=None, repr=False)
    agreement: str | None = field(default=None, repr=False)
    language: str | None = None
    group: str | None = None
    product: str | None = None
    zone: str | None = None
    consent: bool | None = None
    other_phones: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """What the holder of an account can be known by; each is None where there is none on record.

    `password` is the service password as the subscriber keys it, `identity` the number of the
    holder's identity document, `agreement` that of the agreement. Never printed.
    """

    password: str | None = field(default=None, repr=False)
    identity: str | None = field(default=None, repr=False)
    agreement: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BillItem:
    """One charge of a bill; a negative amount is a refund."""

    code: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Bill:
    """The bill of one account for one month, with every item of the mapping in its order.

    `paid` and `due` are None where the billing data does not say.
    """

    month: str
    items: tuple[BillItem, ...]
    total_fen: int
    paid: bool | None = None
    due: date | None = None


@dataclass(frozen=True, slots=True)
class NotReady:
    """The bill run of `month` is not done: nobody has a bill of that month yet."""

    month: str


@dataclass(frozen=True, slots=True)
class CallDetail:
    """One call of the details (详细话单); `position` counts from 1, oldest first.

    `area_code` and `other_number` are those of the far end, `surcharge_fen` comes on top of
    `charge_fen`.
    """

    position: int
    area_code: str
    other_number: str = field(repr=False)
    started: datetime
    seconds: int
    charge_fen: int
    surcharge_fen: int = 0


@dataclass(frozen=True, slots=True)
class Arrears:
    """What an account owes for one product, in one customer group.

    `months` is the number of bills that are unpaid, `due` the earliest of their due dates.
    """

    account_id: str = field(repr=False)
    amount_fen: int
    months: int
    due: date | None = None
    product: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Debtor:
    """An account in arrears and how to reach its holder, for a campaign.

    `owed` sums its rows; `phones` are as the database writes them, the main one first, and none
    where it has none on record; `customer` is whom the account belongs to, where that is known;
    `zone` and `consent` are the account's.
    """

    owed: Arrears
    phones: tuple[str, ...] = field(default=(), repr=False)
    customer: str | None = field(default=None, repr=False)
    language: str | None = None
    zone: str | None = None
    consent: bool | None = None


@dataclass(frozen=True, slots=True)
class OwedRow:
    """One row of the arrears table; `month` is the bill's, where a row is a bill's."""

    owed: Arrears
    month: str | None = None
