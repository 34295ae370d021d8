"""Accounts: looked up by phone, agreement number or id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Select

from ivrd.billing.columns import Column, KeyColumn
from ivrd.billing.database import Run
from ivrd.billing.entities import Account, Proof
from ivrd.billing.keys import AccountKey, LookupKey
from ivrd.billing.readers import flag_reader, text_reader
from ivrd.billing.statements import Fields, Source
from ivrd.billing.tables import BillingMapping
from ivrd.billing.values import text_of
from ivrd.errors import BillingError

SOME = 2000
"""Most accounts that simulated callers are told of."""


class Accounts:
    """The account table of a mapping."""

    def __init__(self, mapping: BillingMapping) -> None:
        part = mapping.account
        source = Source(mapping, part)

        def by(where: KeyColumn, fields: Fields) -> Select[Any]:
            return source.select(fields.columns, *source.is_number(where), limit=2)

        def by_id(fields: Fields) -> Select[Any]:
            return source.select(fields.columns, source.is_id(), limit=2)

        def reader(fields: Fields, key: str, named: Column | None) -> Callable[[Any], str | None]:
            if named is None:
                return _nothing
            return fields.add(f"account.{key}", named, text_reader(named))

        account = Fields()
        self._id = account.add("account.id", part.id, text_of)
        self._phone = reader(account, "phone", part.phone)
        self._agreement = reader(account, "agreement", part.agreement)
        self._language = reader(account, "language", part.language)
        self._group = reader(account, "group", part.group)
        self._product = reader(account, "product", part.product)
        self._zone = reader(account, "zone", part.zone)
        self._consent: Callable[[Any], bool | None] = lambda _: None
        if part.consent:
            self._consent = account.add("account.consent", part.consent, flag_reader(part.consent))
        self._others = [
            account.add(f"account.other_phones.{n}", other, text_reader(other))
            for n, other in enumerate(part.other_phones)
        ]
        self._key = AccountKey(mapping)
        self._by: dict[str, tuple[Select[Any], Callable[[str], dict[str, object] | None]]] = {
            name: (by(key, account), LookupKey(key).values)
            for name, key in (("phone", part.phone), ("agreement", part.agreement))
            if key
        } | {"id": (by_id(account), self._key.values)}
        self._some = source.select(account.columns, limit=SOME)
        proof = Fields()
        self._password = reader(proof, "password", part.password)
        self._identity = reader(proof, "identity", part.identity)
        self._proof_agreement = reader(proof, "agreement", part.agreement)
        proof.columns = proof.columns or [part.id]
        self._proof = by_id(proof)

    def find(self, run: Run, by: str, value: str) -> Account | None:
        """Return the account whose `by` ("phone", "agreement" or "id") is `value`."""
        if by not in self._by:
            return None
        query, values_of = self._by[by]
        values = values_of(value)
        row = _one(run(query, values)) if values is not None else None
        if row is None:
            return None
        return self._account(row)

    def some(self, run: Run) -> list[Account]:
        """Return up to `SOME` accounts, in no order: for simulated callers."""
        return [self._account(row) for row in run(self._some, {})]

    def _account(self, row: Any) -> Account:
        account_id = self._id(row)
        if account_id is None:
            raise BillingError("account.id: an account without an id")
        others = (other(row) for other in self._others)
        return Account(
            account_id,
            self._phone(row),
            self._agreement(row),
            self._language(row),
            group=self._group(row),
            product=self._product(row),
            zone=self._zone(row),
            consent=self._consent(row),
            other_phones=tuple(dict.fromkeys(number for number in others if number)),
        )

    def proof(self, run: Run, account_id: str) -> Proof | None:
        """Return what the holder of an account can be known by; None without such an account."""
        row = _one(run(self._proof, self._key.values(account_id)))
        if row is None:
            return None
        return Proof(self._password(row), self._identity(row), self._proof_agreement(row))


def _nothing(_: Any) -> str | None:
    return None


def _one(rows: Any) -> Any:
    """Return the only row, or None; two accounts with one number is a fault of the data."""
    if len(rows) > 1:
        raise BillingError("account: more than one account has this number; narrow account.where")
    return rows[0] if rows else None
