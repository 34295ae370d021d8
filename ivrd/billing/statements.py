"""Statements, built once from the mapping: names quoted, values bound, rows limited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    column,
    literal,
    select,
    table,
)

from ivrd.billing.columns import (
    AccountColumn,
    Column,
    IdColumn,
    KeyColumn,
    LeftToPay,
    MonthColumn,
    PaidColumn,
    Term,
)
from ivrd.billing.database import NoTable, Run
from ivrd.billing.expressions import Expressions, met
from ivrd.billing.keys import AccountKey, LookupKey
from ivrd.billing.month_tables import is_monthly, of_month
from ivrd.billing.months import MonthWriter, in_month, in_months
from ivrd.billing.tables import ArrearsTable, BillingMapping, MonthTable, Table
from ivrd.errors import BillingError

T = TypeVar("T")


class Source:
    """One table of the mapping and those joined to it, to select from.

    `month` says which table it is where there is one each month.
    """

    def __init__(
        self,
        mapping: BillingMapping,
        part: Table,
        alias: str | None = None,
        month: str | None = None,
    ) -> None:
        self._mapping, self._part = mapping, part
        names: dict[str | None, list[str]] = {None: [], **{name: [] for name in part.join}}
        for _, term in part.terms():
            if term.column is not None:
                names[term.from_].append(term.column)
        alias = alias or ("base" if part.join else None)
        self._tables: dict[str | None, FromClause] = {}
        for name, listed in names.items():
            whole = part.join[name].table if name else part.table
            made: FromClause = table(
                of_month(whole, month) if month else whole,
                *(column(one) for one in dict.fromkeys(listed)),
                schema=mapping.db_schema,
            )
            if alias:
                made = made.alias(f"{alias}_{name}" if name else alias)
            self._tables[name] = made
        self._expressions = Expressions(self._held, mapping.unit)

    def _held(self, said: Term) -> ColumnElement[Any]:
        """Return a column, qualified with its table (SQLite takes a lone unknown name for text),
        or a bound constant.
        """  # noqa: D205 - one sentence
        if said.column is not None:
            return self._tables[said.from_].c[said.column]
        return literal(said.value)

    def value(self, said: Term) -> ColumnElement[Any]:
        """Return a column, a bound constant, or an expression made of them."""
        if isinstance(said, PaidColumn):
            return self._expressions.flag(said, self._part.to_pay)
        return self._expressions.value(said)

    def where(self) -> list[ColumnElement[bool]]:
        """Return the conditions under which the table's rows count."""
        base, part = self._tables[None].c, self._part
        counts = [met(base[name], when) for name, when in part.where.items()]
        if isinstance(part, ArrearsTable) and isinstance(part.amount, LeftToPay):
            # an item may be below nothing: the bill is what its items make
            counts.append(self.value(part.amount) != 0)
        elif isinstance(part, ArrearsTable) and part.paid:
            counts.append(self._expressions.unpaid(part.paid, part.amount))
        return counts

    def joined(
        self, left: FromClause | None = None, on: ColumnElement[bool] | None = None
    ) -> FromClause:
        """Return what to select from: the table, joined to `left` if given, and its own joins."""
        whole = self._tables[None] if left is None else left.join(self._tables[None], on)
        for name, join in self._part.join.items():
            other = self._tables[name]
            same = [other.c[own] == self.value(term) for own, term in join.on.items()]
            counts = [met(other.c[own], when) for own, when in join.where.items()]
            whole = whole.join(other, and_(*same, *counts), isouter=join.optional)
        return whole

    def key(self, account: AccountColumn | KeyColumn) -> list[ColumnElement[Any]]:
        """Return what an account's id is compared with: a column, or each of several."""
        if isinstance(account, AccountColumn | IdColumn):
            return [self.value(part) for part in account.parts]
        return [self.value(account)]

    def is_account(self, account: AccountColumn) -> ColumnElement[bool]:
        """Compare columns with the value ``account``."""
        return AccountKey(self._mapping).equal(self.key(account), "account")

    def is_id(self) -> ColumnElement[bool]:
        """Compare the key of accounts with the value ``account``."""
        return AccountKey(self._mapping).equal(self.key(self._mapping.account.id), "account")

    def is_number(self, number: KeyColumn) -> list[ColumnElement[bool]]:
        """Compare columns with the values that `LookupKey` writes."""
        terms = number.first or number.concat or ()
        return LookupKey(number).equal(self.value(number), [self._held(term) for term in terms])

    def is_month(self, part: MonthColumn | None) -> list[ColumnElement[bool]]:
        """Compare columns, if there are any, with the values that `MonthWriter` writes."""
        return in_month(part, self._held) if part else []

    def is_in(self, part: MonthColumn, months: Sequence[str]) -> ColumnElement[bool]:
        """Return the condition that a row is of one of `months`, the newest first."""
        return in_months(part, self._held, months)

    def is_unpaid(self, paid: PaidColumn) -> ColumnElement[bool]:
        """Return the condition that a row is not paid."""
        return self._expressions.unpaid(paid, self._part.to_pay)

    def select(
        self, columns: Iterable[Column], *conditions: ColumnElement[bool], limit: int | None
    ) -> Select[Any]:
        """Return a select of `columns` in order, where all conditions and the mapping's hold."""
        query = select(*(self.value(said).label(f"c{n}") for n, said in enumerate(columns)))
        query = query.select_from(self.joined()).where(*conditions, *self.where())
        return query if limit is None else query.limit(limit)


_MONTHS_KEPT = 120


class MonthQuery:
    """A statement on rows of one month, which may have a table of its own."""

    def __init__(
        self,
        mapping: BillingMapping,
        part: Table,
        month: MonthColumn | None,
        build: Callable[[Source], Select[Any]],
        alias: str | None = None,
    ) -> None:
        self._mapping, self._part, self._build, self._alias = mapping, part, build, alias
        self._values = MonthWriter(month) if month else None
        self.monthly = part.monthly
        self._made: dict[str, Select[Any]] = {}
        if not self.monthly:
            self._made[""] = build(Source(mapping, part, alias))

    def of(self, month: str) -> Select[Any]:
        """Return the statement for a month."""
        name = month if self.monthly else ""
        query = self._made.get(name)
        if query is None:
            if len(self._made) >= _MONTHS_KEPT:
                self._made.clear()
            source = Source(self._mapping, self._part, self._alias, month)
            query = self._made[name] = self._build(source)
        return query

    def rows(self, run: Run, month: str, **values: object) -> Sequence[Any] | None:
        """Return the rows of a month, None where the month has no table yet, or no more."""
        of_month_ = self._values(month) if self._values else {}
        try:
            return run(self.of(month), {**values, **of_month_})
        except NoTable:
            if self.monthly and self._missing(run, month):
                return None
            raise

    def _missing(self, run: Run, month: str) -> bool:
        """Return whether it is the month's table that is not there, and not another."""
        part = self._part
        names = [part.table, *(join.table for join in part.join.values())]
        for name in filter(is_monthly, names):
            one = table(of_month(name, month), schema=self._mapping.db_schema)
            try:
                run(select(literal(1).label("c0")).select_from(one).limit(1), {})
            except NoTable:
                return True
        return False


def month_query(
    mapping: BillingMapping,
    part: MonthTable,
    columns: Sequence[Column],
    limit: int | None,
) -> MonthQuery:
    """Return the statement for the rows of the values ``account`` and month."""

    def build(source: Source) -> Select[Any]:
        same = (source.is_account(part.account), *source.is_month(part.month))
        return source.select(columns, *same, limit=limit)

    return MonthQuery(mapping, part, part.month, build)


class OwedSource:
    """What is owed, and who owes it: two tables of the mapping, joined by the account.

    `fields` are of the table of what is owed, `account_fields` of the account's.
    """

    def __init__(
        self, mapping: BillingMapping, owed: ArrearsTable, fields: Sequence[Column],
        account_fields: Sequence[Column],
    ) -> None:  # fmt: skip
        self._mapping, self._owed = mapping, owed
        self._fields, self._account_fields = fields, account_fields
        self._key = AccountKey(mapping)

    def of_account(self, limit: int) -> MonthQuery:
        """Return the select of the rows of the value ``account``."""
        if not self._account_fields:

            def alone(owed: Source) -> Select[Any]:
                columns = [self._owed.account, *self._fields]
                return owed.select(columns, owed.is_account(self._owed.account), limit=limit)

            return MonthQuery(self._mapping, self._owed, None, alone)
        equal = self._key.equal
        return self._query(lambda query, key: query.where(equal(key, "account")), limit)

    def first(self, rows: int) -> MonthQuery:
        """Return the select of the first rows by account: the account, then the fields in turn."""
        return self._query(lambda query, key: query.order_by(*key), rows)

    def following(self, rows: int) -> MonthQuery:
        """Return the select of the next rows, of accounts behind the value ``after``."""
        behind = self._key.behind
        return self._query(
            lambda query, key: query.where(behind(key, "after")).order_by(*key), rows
        )

    def _query(
        self,
        narrow: Callable[[Select[Any], Sequence[ColumnElement[Any]]], Select[Any]],
        limit: int,
    ) -> MonthQuery:
        accounts = self._mapping.account

        def build(left: Source) -> Select[Any]:
            right = Source(self._mapping, accounts, "who")
            # the account table's own key: two rows of one account are then never told apart
            key = right.key(accounts.id)
            same = zip(left.key(self._owed.account), key, strict=True)
            wanted = [
                right.value(accounts.id),
                *(left.value(said) for said in self._fields),
                *(right.value(said) for said in self._account_fields),
            ]
            query = (
                select(*(part.label(f"c{n}") for n, part in enumerate(wanted)))
                .select_from(right.joined(left.joined(), and_(*(a == b for a, b in same))))
                .where(*left.where(), *right.where())
            )
            return narrow(query, key).limit(limit)

        return MonthQuery(self._mapping, self._owed, None, build, "owed")


class Fields:
    """Reads the columns of a row, by the keys of the mapping; says which key does not fit."""

    def __init__(self) -> None:
        self.columns: list[Column] = []

    def add(self, key: str, said: Column, read: Callable[[Any], T]) -> Callable[[Any], T]:
        """Select what the mapping says and return the reader of its value from a row."""
        index = len(self.columns)
        self.columns.append(said)

        def value_of(row: Any) -> T:
            try:
                return read(row[index])
            except (ValueError, TypeError, OverflowError) as exc:
                raise BillingError(f"{key} ({said.named}): {_reason(exc)}") from None

        return value_of


def _reason(error: Exception) -> str:
    """Return our own words for a value that does not fit; foreign ones may hold the value."""
    own = str(error)
    return own if own.startswith("not ") else "not as the mapping says"
