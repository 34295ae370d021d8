"""What rows are looked up by: an account's id, which may stand in several columns, or a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CHAR, BindParameter, ColumnElement, Integer, String, and_, bindparam, or_
from sqlalchemy.types import TypeEngine

from ivrd.billing.columns import KeyColumn
from ivrd.billing.tables import BillingMapping

BETWEEN = "~"
"""Stands between the values of an account's id that is in several columns."""

LONGEST = 32
"""Characters of a number that is looked up in several columns."""

_TYPES: Mapping[str, type[TypeEngine[Any]]] = {"text": String, "integer": Integer}


def key_value(name: str, kind: str, pad: int | None = None) -> BindParameter[Any]:
    """Return the place of a bound value for a column of type `kind`."""
    # required, a bind would stop what renders numbers of rows into the statement
    return bindparam(name, type_=CHAR(pad) if pad else _TYPES[kind](), required=False)


def as_key(value: str, kind: str) -> object | None:
    """Return `value` as the column's type takes it; None where no row can have it."""
    if kind == "text":
        return value
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


class AccountKey:
    """The id of accounts: how it is compared, and how it is written for that.

    Each column is compared by itself, so that an index on them serves.
    """

    def __init__(self, mapping: BillingMapping) -> None:
        part = mapping.account.id
        self._type, self._pad = part.type, part.pad
        self._count = len(part.parts)

    def values(self, account_id: str, name: str = "account") -> dict[str, object]:
        """Return what is bound for an id; nothing equals it where no account can have it."""
        said: Sequence[str | None] = [account_id] if self._count == 1 else account_id.split(BETWEEN)
        if len(said) != self._count:
            said = [None] * self._count
        made = [None if one is None else self._one(one) for one in said]
        return dict(zip(self._names(name), made, strict=True))

    def _one(self, said: str) -> object | None:
        return as_key(said.ljust(self._pad or 0), self._type)

    def _names(self, name: str) -> list[str]:
        return [name] if self._count == 1 else [f"{name}_{n}" for n in range(self._count)]

    def _bound(self, name: str) -> list[BindParameter[Any]]:
        return [key_value(one, self._type, self._pad) for one in self._names(name)]

    def equal(self, held: Sequence[ColumnElement[Any]], name: str) -> ColumnElement[bool]:
        """Return the condition that an account's columns hold the id bound as `name`."""
        pairs = zip(held, self._bound(name), strict=True)
        return and_(*(column == value for column, value in pairs))

    def behind(self, held: Sequence[ColumnElement[Any]], name: str) -> ColumnElement[bool]:
        """Return the condition that an account comes behind the id bound as `name`."""
        bound = self._bound(name)
        return or_(*(
            and_(*(held[n] == bound[n] for n in range(last)), held[last] > bound[last])
            for last in range(len(held))
        ))  # fmt: skip


class LookupKey:
    """One of the numbers an account is looked up by."""

    def __init__(self, part: KeyColumn) -> None:
        self._part = part

    def values(self, said: str) -> dict[str, object] | None:
        """Return what is bound for a number; None where no row can have it."""
        part = self._part
        key = as_key(said.ljust(part.pad or 0), "text" if part.concat else part.type)
        if key is None or (self._splits and len(said) > LONGEST):
            return None
        values: dict[str, object] = {"key": key}
        if self._splits:
            # pieces that the number is too short for are none: nothing equals them
            for n in range(LONGEST):
                values[f"head_{n}"] = said[: n + 1] if n < len(said) else None
                values[f"tail_{n}"] = said[n:] if n < len(said) else None
        return values

    @property
    def _splits(self) -> bool:
        return bool(self._part.concat) and self._part.type == "text"

    def equal(
        self, whole: ColumnElement[Any], parts: Sequence[ColumnElement[Any]]
    ) -> list[ColumnElement[bool]]:
        """Return the conditions that `whole`, which is made of `parts`, is the number.

        An index does not serve what is made of columns. It serves what must hold of them, too:
        that one of `first` is the number, that `concat` begins and ends with pieces of it.
        """
        part = self._part
        bound = key_value("key", "text" if part.concat else part.type, part.pad)
        if part.first and len(parts) > 1:
            return [or_(*(one == bound for one in parts)), whole == bound]
        if not self._splits:
            return [whole == bound]
        heads = [key_value(f"head_{n}", "text") for n in range(LONGEST)]
        tails = [key_value(f"tail_{n}", "text") for n in range(LONGEST)]
        return [parts[0].in_(heads), parts[-1].in_(tails), whole == bound]
