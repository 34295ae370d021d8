"""The few expressions of a mapping, made of its columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Numeric,
    Unicode,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
)

from ivrd.billing.columns import (
    AccountColumn,
    AmountColumn,
    Column,
    Condition,
    IdColumn,
    KeyColumn,
    LeftToPay,
    MonthColumn,
    PaidColumn,
    Term,
    TextColumn,
    Where,
)
from ivrd.billing.keys import BETWEEN
from ivrd.billing.months import month_value
from ivrd.billing.values import LI, Unit

Held = Callable[[Term], ColumnElement[Any]]
"""Returns the column of a table for a term, or a bound constant."""

_TEXT = Unicode(255)
_EXACT = Numeric(24, 4)

_NO_DATE = ("0", "00000000", "0000-00-00", "0000-00-00 00:00:00")
"""What stands for no date where the column allows none."""


class Expressions:
    """Values of the rows of one table of the mapping."""

    def __init__(self, held: Held, unit: Unit) -> None:
        self._held, self._unit = held, unit

    def value(self, said: Term) -> ColumnElement[Any]:
        """Return what the mapping says, as an expression."""
        if isinstance(said, AmountColumn):
            return self._amount(said)
        if isinstance(said, MonthColumn):
            return month_value(said, self._held)
        if isinstance(said, IdColumn | AccountColumn) and said.columns:
            return self._joined([cast(self._held(t), _TEXT) for t in said.columns], BETWEEN)
        return self._plain(said)

    def _plain(self, said: Term) -> ColumnElement[Any]:
        if said.column is not None or said.value is not None:
            return self._held(said)
        if not isinstance(said, Column):
            raise TypeError("a term is a column or a value")
        if said.add:
            sum_: ColumnElement[Any] = func.coalesce(self._held(said.add[0]), 0)
            for term in said.add[1:]:
                sum_ += func.coalesce(self._held(term), 0)
            for term in said.subtract or ():
                sum_ -= func.coalesce(self._held(term), 0)
            return sum_
        if said.concat:
            return self._joined([cast(self._held(term), _TEXT) for term in said.concat])
        terms = [self._held(term) for term in said.first or ()]
        of_text = isinstance(said, TextColumn) or (
            isinstance(said, KeyColumn) and said.type == "text"
        )
        if of_text:
            terms = [_there(term) for term in terms]
        return func.coalesce(*terms) if len(terms) > 1 else terms[0]

    def _joined(self, parts: list[Any], between: str = "") -> ColumnElement[Any]:
        joined: ColumnElement[Any] = parts[0]
        for part in parts[1:]:
            if between:
                joined = joined.concat(literal(between))
            joined = joined.concat(part)
        return joined

    def _amount(self, said: AmountColumn) -> ColumnElement[Any]:
        if isinstance(said, LeftToPay):
            whole = self._in_li(said.total)
            return whole - self._in_li(said.paid) if said.paid else whole
        amount = self._plain(said)
        if not said.negative:
            return amount
        # MariaDB's unsigned columns know nothing below 0
        return case((self.holds(said.negative), -cast(amount, _EXACT)), else_=amount)

    def _in_li(self, said: AmountColumn) -> ColumnElement[Any]:
        if isinstance(said, LeftToPay):
            return self._amount(said)
        # of a type that holds the largest amounts in li, and less than nothing
        amount = cast(func.coalesce(self._amount(said), 0), _EXACT)
        return amount * literal(LI[said.unit or self._unit], BigInteger())

    def flag(self, said: PaidColumn, total: AmountColumn | None) -> ColumnElement[Any]:
        """Return whether a bill of `total` is paid: the code of the mapping, else 1 or 0."""
        if said.column is not None:
            return self._held(said)
        return case((self.unpaid(said, total), 0), else_=1)

    def unpaid(self, said: PaidColumn, total: AmountColumn | None) -> ColumnElement[bool]:
        """Return the condition that a bill of `total` is not paid."""
        if said.column is not None:
            return self._held(said).in_(bound(said.no or ()))
        if said.date is not None:
            there = _there(self._held(said.date))
            return or_(there.is_(None), there.in_(bound(_NO_DATE)))
        if said.left is not None:
            return self._in_li(said.left) * 2 > 1
        if said.amount is None or total is None:
            raise TypeError("what is paid by an amount needs a total")
        # binary fractions miss by far less than half a li
        return (self._in_li(total) - self._in_li(said.amount)) * 2 > 1

    def holds(self, where: Where) -> ColumnElement[bool]:
        """Return the condition that columns of the table hold what `where` says."""
        return and_(*(met(self._held(Term(column=name)), when) for name, when in where.items()))


def met(held: ColumnElement[Any], when: Condition) -> ColumnElement[bool]:
    """Return the condition that a column holds what `when` says."""
    if when.null is not None:
        return held.is_(None) if when.null else held.is_not(None)
    if when.empty is not None:
        there = _there(held)
        return there.is_(None) if when.empty else there.is_not(None)
    return held.in_(bound(when.one_of)) if when.one_of else held.not_in(bound(when.not_ or ()))


def bound(values: Any) -> list[BindParameter[Any]]:
    """Return the places of constants."""
    return [bindparam(None, value) for value in values]


def _there(held: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column as text, NULL where there are only blanks; Oracle has no empty texts."""
    return func.nullif(func.rtrim(cast(held, _TEXT)), "")
