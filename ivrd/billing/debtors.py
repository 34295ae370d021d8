"""Everybody in arrears: one scan over what is owed joined with who owes it, page by page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeAlias

from ivrd.billing.arrears import MOST_ROWS, ArrearsFields, together
from ivrd.billing.bills import month_reader
from ivrd.billing.database import Run
from ivrd.billing.entities import Arrears, Debtor, OwedRow
from ivrd.billing.mapping import ArrearsTable, BillingMapping
from ivrd.billing.statements import Fields, JoinedSource, as_key
from ivrd.billing.values import text_of
from ivrd.errors import BillingError

PAGE = 5000
"""Rows read at once. More than one account can have, so that every page brings the scan on."""

Ask: TypeAlias = Callable[[Callable[[Run], Sequence[Any]]], Sequence[Any]]


class Debtors:
    """The arrears and the accounts of a mapping, joined.

    A page begins behind the last account of the one before: no page is slower than the first,
    and none needs the database to hold a cursor open. An account that is paid while the scan
    runs may be there or not; it is read again before it is dialled.
    """

    def __init__(self, mapping: BillingMapping, part: ArrearsTable, page: int = PAGE) -> None:
        accounts, fields = mapping.account, Fields()
        fields.columns.append(part.account.column)
        self._owed = ArrearsFields(mapping, part, fields)
        self._month = part.month and fields.add(
            "arrears.month", part.month.column, month_reader(part.month)
        )
        of_arrears = len(fields.columns)
        phones = [*([accounts.phone] if accounts.phone else []), *accounts.other_phones]
        self._phones = [fields.add("account.phone", part.column, text_of) for part in phones]
        customer, lang = accounts.customer, accounts.language
        self._customer = customer and fields.add("account.customer", customer.column, text_of)
        self._language = lang and fields.add("account.language", lang.column, text_of)
        columns = fields.columns
        source = JoinedSource(mapping, part, columns[1:of_arrears], columns[of_arrears:])
        self._first, self._following = source.first(page), source.following(page)
        self._kind, self._page = accounts.id.type, page

    def owed(self, ask: Ask) -> Iterator[OwedRow]:
        """Yield every row of the arrears table that counts, by account."""
        for account, rows in self._accounts(ask):
            for row in rows:
                yield OwedRow(
                    self._owed.of(row, account), self._month(row) if self._month else None
                )

    def debtors(
        self, ask: Ask, groups: Collection[str] = (), products: Collection[str] = ()
    ) -> Iterator[Debtor]:
        """Yield who owes something for these products in these groups; none given means all."""
        if not self._phones:
            raise BillingError("account: the mapping names no column with a telephone number")
        for account, rows in self._accounts(ask):
            debtor = self._debtor(account, rows, groups, products)
            if debtor:
                yield debtor

    def _debtor(
        self, account: str, rows: list[Any], groups: Collection[str], products: Collection[str]
    ) -> Debtor | None:
        owed: Arrears | None = None
        for row in rows:
            one = self._owed.of(row, account)
            if (groups and one.group not in groups) or (products and one.product not in products):
                continue
            owed = together(owed, one) if owed else one
        if owed is None or owed.amount_fen <= 0:
            return None
        phones = (phone(row) for row in rows for phone in self._phones)
        return Debtor(
            owed,
            tuple(dict.fromkeys(number for number in phones if number)),
            self._customer(rows[0]) if self._customer else None,
            self._language(rows[0]) if self._language else None,
        )

    def _accounts(self, ask: Ask) -> Iterator[tuple[str, list[Any]]]:
        """Yield each account with its rows."""
        after: object = None
        while True:
            query = self._first if after is None else self._following
            values = {} if after is None else {"after": after}
            page = ask(lambda run, query=query, values=values: run(query, values))  # type: ignore[misc]  # bound now, not when it is run
            last = len(page) < self._page
            rows = list(page) if last else _whole_accounts(page)
            for account, its in groupby(rows, key=_account):
                yield account, list(its)
            if last:
                return
            after = as_key(str(rows[-1][0]), self._kind)
            if after is None:
                raise BillingError(f"account.id: not of the type {self._kind}")


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
