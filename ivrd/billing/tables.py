"""The tables of a mapping file: how the standard entities are found in the operator's own database.

A mapping (话费数据库结构参照定义) is TOML and holds names and codes only: tables, columns,
units, formats. None of it is ever put into SQL as text; names are quoted by SQLAlchemy and
codes are bound. docs/mapping.md tells every key; `profiles/` shows them in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PrivateAttr,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from ivrd.billing.columns import (
    AccountColumn,
    AmountColumn,
    Codes,
    Column,
    DateColumn,
    FlagColumn,
    IdColumn,
    InstantColumn,
    JoinName,
    KeyColumn,
    MonthColumn,
    Name,
    NumberColumn,
    PaidColumn,
    Part,
    Term,
    TextColumn,
    TimeColumn,
    Where,
    term_of,
)
from ivrd.billing.month_tables import PLACES, is_monthly, places_in
from ivrd.billing.values import Unit
from ivrd.errors import Problem, nearest
from ivrd.toml_file import TomlFile

ItemCode: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""Our word for an item; the voice prompts have its spoken name."""

Key: TypeAlias = tuple[str, ...]


def _places(name: str) -> str:
    wrong = [place for place in places_in(name) if place not in PLACES]
    if wrong:
        raise PydanticCustomError(
            "name",
            f"{{{wrong[0]}}} is no part of a month",
            {
                "expected": " or ".join(f"{{{place}}}" for place in PLACES),
                "nearest": nearest(wrong[0], PLACES),
            },
        )
    return name


TableName: TypeAlias = Annotated[Name, AfterValidator(_places)]
"""A table; in bills and details a name such as ``bill_{yyyymm}`` stands for one each month."""


class Join(Part):
    """A table beside another: `on` says which columns of it are equal to which of the other.

    `optional`: rows without a partner count, too. More than one partner is a fault of the data.
    """

    table: TableName
    on: Annotated[dict[Name, Term], Field(min_length=1)]
    where: Where = Field(default_factory=dict)
    optional: bool = False


class Table(Part):
    """A table, which of its rows count, and the tables joined to it in turn."""

    table: TableName
    where: Where = Field(default_factory=dict)
    join: dict[JoinName, Join] = Field(default_factory=dict)

    def columns(self) -> Iterator[tuple[Key, Column]]:
        """Return every value that is read of a row, with its place below this."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, PaidColumn) and value.money:
                yield (name, value.money[0]), value.money[1]
            elif isinstance(value, Column):
                yield (name,), value
            elif isinstance(value, list):
                for index, one in enumerate(value):
                    if isinstance(one, Column):
                        yield (name, str(index)), one
            elif name == "items":
                for item, amount in value.items():
                    if isinstance(amount, Column):
                        yield (name, item), amount

    def terms(self) -> Iterator[tuple[Key, Term]]:
        """Return everything that names a column of this table or of one joined to it."""
        for place, column in self.columns():
            for below, term in column.terms():
                yield (*place, *below), term
        for name in self.where:
            yield ("where", name), term_of(name)
        for alias, join in self.join.items():
            for name, term in join.on.items():
                yield ("join", alias, "on", name), term
                yield ("join", alias, "on", name), term_of(name, alias)
            for name in join.where:
                yield ("join", alias, "where", name), term_of(name, alias)

    @property
    def monthly(self) -> bool:
        """Whether there is a table of it each month."""
        return is_monthly(self.table) or any(is_monthly(j.table) for j in self.join.values())

    @property
    def to_pay(self) -> AmountColumn | None:
        """What is to be paid for a row, None where that is not for the database to tell."""
        return None


class AccountTable(Table):
    """Where accounts stand, what they are looked up by and what their holder is known by.

    `other_phones` are more numbers on which the holder may be reached, `customer` whom the
    account belongs to: several accounts may have one. `zone` is the holder's time zone, `consent`
    whether they agreed to be called by a machine.
    """

    id: IdColumn
    phone: KeyColumn | None = None
    other_phones: list[TextColumn] = Field(default_factory=list)
    customer: TextColumn | None = None
    agreement: KeyColumn | None = None
    password: TextColumn | None = None
    identity: TextColumn | None = None
    language: TextColumn | None = None
    group: TextColumn | None = None
    product: TextColumn | None = None
    zone: TextColumn | None = None
    consent: FlagColumn | None = None


class RunTable(Table):
    """Ready by a table of bill runs: a month is ready when it has a row there that counts."""

    by: Literal["run"]
    month: MonthColumn


class AnyBill(Part):
    """Ready without such a table: a month is ready when anybody has a bill of it."""

    by: Literal["any-bill"]


class MonthTable(Table):
    """Rows of an account and month; without `month` the table's name says which it is."""

    account: AccountColumn
    month: MonthColumn | None = None


class BillTable(MonthTable):
    """What wide and narrow bills have in common."""

    ready: Annotated[RunTable | AnyBill, Discriminator("by")]


class WideBill(BillTable):
    """A row per bill, a column per item."""

    layout: Literal["wide"]
    items: Annotated[dict[ItemCode, AmountColumn], Field(min_length=1)]
    total: AmountColumn | None = None
    paid: PaidColumn | None = None
    due: DateColumn | None = None

    @property
    def to_pay(self) -> AmountColumn | None:
        """The total; without one, the sum of items that are plain columns of one unit."""
        items = list(self.items.values())
        plain = all(item.column and not item.negative for item in items)
        if self.total or not plain or len({item.unit for item in items}) > 1:
            return self.total
        terms = [term_of(item.column, item.from_) for item in items if item.column]
        return AmountColumn(add=terms, unit=items[0].unit)


class BillHead(MonthTable):
    """The row per bill beside narrow items: what belongs to the bill as a whole."""

    total: AmountColumn | None = None
    paid: PaidColumn | None = None
    due: DateColumn | None = None

    @property
    def to_pay(self) -> AmountColumn | None:
        """The total."""
        return self.total


class NarrowBill(BillTable):
    """A row per item: `items` gives the database's codes of each, `rest` takes all other codes.

    `paid` and `due` of each row make those of the bill where there is no `head`.
    """

    layout: Literal["narrow"]
    code: TextColumn
    amount: AmountColumn
    items: Annotated[dict[ItemCode, Codes], Field(min_length=1)]
    rest: ItemCode | None = None
    paid: PaidColumn | None = None
    due: DateColumn | None = None
    head: BillHead | None = None

    @property
    def to_pay(self) -> AmountColumn | None:
        """The item's amount."""
        return self.amount


class DetailTable(MonthTable):
    """Call details, in the order of the columns `order`, which must be a definite one.

    They explain the items `of`, and are offered where one of those is not 0.
    """

    order: Annotated[list[Name], Field(min_length=1)]
    of: Annotated[list[ItemCode], Field(min_length=1)]
    area_code: TextColumn
    other_number: TextColumn
    started: InstantColumn | None = None
    date: DateColumn | None = None
    time: TimeColumn | None = None
    seconds: NumberColumn
    charge: AmountColumn
    surcharge: AmountColumn | None = None

    def terms(self) -> Iterator[tuple[Key, Term]]:
        """Return those of any table, and the order's."""
        yield from super().terms()
        for name in self.order:
            yield ("order",), term_of(name)


class ArrearsTable(Table):
    """What accounts owe: a row per account with the count `months`, or a row per unpaid bill.

    The table may be a view. `month` is the bill's, where a row is a bill's. Where `paid` is said,
    rows that are paid do not count, and of the others what is left.
    """

    by: Literal["table"] = "table"
    account: AccountColumn
    amount: AmountColumn
    month: MonthColumn | None = None
    months: NumberColumn | None = None
    paid: PaidColumn | None = None
    due: DateColumn | None = None
    product: TextColumn | None = None
    group: TextColumn | None = None

    @property
    def to_pay(self) -> AmountColumn | None:
        """The amount, of which some may be paid."""
        return self.amount


class UnpaidBills(Part):
    """Arrears computed: the bills of [bill] that are not paid, with `past_due` those overdue only.

    Where bills are in tables by month, this month's and those of `months_back` before are read.
    """

    by: Literal["unpaid-bills"]
    past_due: bool = True
    months_back: Annotated[int, Field(ge=1, le=120)] = 24
    product: TextColumn | None = None
    group: TextColumn | None = None


def _by_table(value: Any) -> Any:
    return {"by": "table"} | value if isinstance(value, dict) else value


AnyArrears: TypeAlias = Annotated[
    ArrearsTable | UnpaidBills, Discriminator("by"), BeforeValidator(_by_table)
]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError(
            "name",
            "no time zone of this machine",
            {
                "expected": 'a name such as "Asia/Shanghai"',
                "nearest": nearest(name, available_timezones()),
            },
        ) from None
    return name


class BillingMapping(Part):
    """A whole mapping file, checked in itself; `ivrd.billing.check` holds it against a schema."""

    name: Name
    zone: Annotated[str, AfterValidator(_zone)]
    unit: Unit
    db_schema: Name | None = Field(default=None, alias="schema")
    account: AccountTable
    bill: Annotated[WideBill | NarrowBill, Discriminator("layout")]
    details: DetailTable | None = None
    arrears: AnyArrears | None = None

    _file: TomlFile | None = PrivateAttr(default=None)

    def read_from(self, toml: TomlFile) -> None:
        """Remember the file, whose lines problems name."""
        self._file = toml

    def problem(self, key: Sequence[str | int], what: str, **more: Any) -> Problem:
        """Return a `Problem` at `key` of the file this was read from."""
        if self._file is None:
            return Problem(what, key=".".join(map(str, key)), **more)
        return self._file.problem(key, what, **more)

    def tables(self) -> Iterator[tuple[Key, Table]]:
        """Return every table the mapping names, with its key path."""
        yield ("account",), self.account
        yield ("bill",), self.bill
        if isinstance(self.bill.ready, RunTable):
            yield ("bill", "ready"), self.bill.ready
        if isinstance(self.bill, NarrowBill) and self.bill.head:
            yield ("bill", "head"), self.bill.head
        if self.details:
            yield ("details",), self.details
        if isinstance(self.arrears, ArrearsTable):
            yield ("arrears",), self.arrears
