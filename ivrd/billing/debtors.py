"""Everybody in arrears: one scan over what is owed joined with who owes it, page by page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any, TypeAlias

from ivrd.billing.arrears import MOST_ROWS, ArrearsFields, Owed, Today, together
from ivrd.billing.database import Run
from ivrd.billing.entities import Arrears, Debtor, OwedRow
from ivrd.billing.keys import AccountKey
from ivrd.billing.readers import flag_reader, text_reader
from ivrd.billing.statements import Fields, OwedSource
from ivrd.billing.tables import BillingMapping
from ivrd.billing.values import text_of
from ivrd.errors import BillingError

PAGE = 5000
"""Rows read at once. More than one account can have, so that every page brings the scan on."""

_Rows: TypeAlias = tuple[list[OwedRow], list[Any]]
"""What counts of one account's arrears, and the rows as they were read."""

Ask: TypeAlias = Callable[[Callable[[Run], Sequence[Any]]], Sequence[Any]]


class Debtors:
    """The arrears and the accounts of a mapping, joined.

    A page begins behind the last account of the one before: no page is slower than the first,
    and none needs the database to hold a cursor open. An account that is paid while the scan
    runs may be there or not; it is read again before it is dialled.
    """

    def __init__(self, mapping: BillingMapping, owed: Owed, today: Today, page: int = PAGE) -> None:
        accounts, fields, part = mapping.account, Fields(), owed.part
        fields.columns.append(part.account)
        self._owed, self._today = owed, today
        self._fields = ArrearsFields(mapping, owed, fields)
        last = len(fields.columns)
        self._fields.add_account(fields)
        phones = [*([accounts.phone] if accounts.phone else []), *accounts.other_phones]
        self._phones = [fields.add("account.phone", part, text_reader(part)) for part in phones]
        customer, lang, zone = accounts.customer, accounts.language, accounts.zone
        self._customer = customer and fields.add(
            "account.customer", customer, text_reader(customer)
        )
        self._language = lang and fields.add("account.language", lang, text_reader(lang))
        self._zone = zone and fields.add("account.zone", zone, text_reader(zone))
        agreed = accounts.consent
        self._consent = agreed and fields.add("account.consent", agreed, flag_reader(agreed))
        source = OwedSource(mapping, part, fields.columns[1:last], fields.columns[last:])
        self._first, self._following = source.first(page), source.following(page)
        self._key, self._page = AccountKey(mapping), page

    def owed(self, ask: Ask) -> Iterator[OwedRow]:
        """Yield every row of the arrears that counts, by account."""
        for _, (owed, _) in self._accounts(ask):
            yield from owed

    def debtors(
        self, ask: Ask, groups: Collection[str] = (), products: Collection[str] = ()
    ) -> Iterator[Debtor]:
        """Yield who owes something for these products in these groups; none given means all."""
        if not self._phones:
            raise BillingError("account: the mapping names no column with a telephone number")
        for _, rows in self._accounts(ask):
            debtor = self._debtor(rows, groups, products)
            if debtor:
                yield debtor

    def _debtor(
        self, rows: _Rows, groups: Collection[str], products: Collection[str]
    ) -> Debtor | None:
        owed: Arrears | None = None
        counted, raw = rows
        for one in (row.owed for row in counted):
            if (groups and one.group not in groups) or (products and one.product not in products):
                continue
            owed = together(owed, one) if owed else one
        if owed is None or owed.amount_fen <= 0:
            return None
        phones = (phone(row) for row in raw for phone in self._phones)
        first = raw[0]
        return Debtor(
            owed,
            tuple(dict.fromkeys(number for number in phones if number)),
            self._customer(first) if self._customer else None,
            self._language(first) if self._language else None,
            self._zone(first) if self._zone else None,
            self._consent(first) if self._consent else None,
        )

    def _accounts(self, ask: Ask) -> Iterator[tuple[str, _Rows]]:
        """Yield each account with its rows that count, and the months of their tables.

        Tables by month are gathered first: who owes something is in memory then.
        """
        today = self._today()
        months = self._owed.months(today)
        if not self._owed.part.monthly:
            yield from self._of_table(ask, months[0], today)
            return
        gathered: dict[str, _Rows] = {}
        for month in reversed(months):
            for account, (owed, rows) in self._of_table(ask, month, today):
                of_account = gathered.setdefault(account, ([], []))
                of_account[0].extend(owed)
                of_account[1].extend(rows[:1])
        for account in sorted(gathered):
            yield account, gathered[account]

    def _of_table(self, ask: Ask, month: str, today: date) -> Iterator[tuple[str, _Rows]]:
        """Yield each account of one table with its rows that count, a page at a time."""
        after: dict[str, object] = {}
        while True:
            query, values = self._following if after else self._first, after
            page = ask(
                lambda run, query=query, values=values: query.rows(run, month, **values) or ()  # type: ignore[misc]  # bound now, not when it is run
            )
            last = len(page) < self._page
            rows = list(page) if last else _whole_accounts(page)
            for account, its in groupby(rows, key=_account):
                read = list(its)
                owed = self._fields.counted(read, account, month or None, today)
                if owed:
                    yield account, (owed, read)
            if last:
                return
            after = self._key.values(str(rows[-1][0]), "after")
            if None in after.values():
                raise BillingError("account.id: not of the type that the mapping says")


def _account(row: Any) -> str:
    account = text_of(row[0])
    if account is None:
        raise BillingError("account.id: an account without an id")
    return account


def _whole_accounts(page: Sequence[Any]) -> list[Any]:
    """Return a page without its last account, of which more may come."""
    last = page[-1][0]
    rows = [row for row in page if row[0] != last]
    if not rows:
        raise BillingError(f"arrears: more than {MOST_ROWS} rows for one account")
    return rows
