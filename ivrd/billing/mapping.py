"""The mapping file: how the standard entities are found in the operator's own database.

A mapping (话费数据库结构参照定义) is TOML and holds names and codes only: tables, columns,
units, formats. None of it is ever put into SQL as text; names are quoted by SQLAlchemy and
codes are bound. `profiles/telecom.toml` shows every key in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ivrd import resources
from ivrd.billing.values import Pattern, Unit
from ivrd.errors import MappingError, Problem, nearest
from ivrd.toml_file import TomlFile
from ivrd.toml_model import problems_of


class Part(BaseModel):
    """Any table of the file: keys that are not known are refused, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f]+$")
]
"""A table or column, exactly as the database spells it."""

ItemCode: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""Our word for an item; the voice prompts have its spoken name."""

KeyType: TypeAlias = Literal["text", "integer"]


def _as_texts(value: Any) -> Any:
    """Take one code for a list of one, and whole numbers for their digits."""
    values = value if isinstance(value, list) else [value]
    return [str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in values]


Codes: TypeAlias = Annotated[list[str], BeforeValidator(_as_texts), Field(min_length=1)]
Where: TypeAlias = dict[Name, Annotated[list[str | int], Field(min_length=1)]]
"""Which rows count: a column and the values it may have."""


def _pattern_with(*needed: str) -> AfterValidator:
    def check(text: str) -> str:
        lacking = [part for part in needed if part not in Pattern(text).parts]
        if lacking:
            raise ValueError(f"{text!r} lacks the {' and the '.join(lacking)}")
        return text

    return AfterValidator(check)


class Column(Part):
    """A column; the name alone stands for ``{ column = "name" }``."""

    role: ClassVar[str] = "any"
    """What the column must be able to hold, for the check against the live schema."""

    column: Name

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value


class KeyColumn(Column):
    """A column that is compared: `type` is that of the database, for what is bound to it."""

    role = "key"
    type: KeyType = "text"


class AccountColumn(Column):
    """A column that points at an account; its type is that of the account's id."""

    role = "account"


class AmountColumn(Column):
    """Money, in the mapping's `unit` unless it has its own."""

    role = "amount"
    unit: Unit | None = None


class NumberColumn(Column):
    """A whole number."""

    role = "number"


class MonthColumn(Column):
    """A bill month: text or a number written as `format`, or a date, the first of the month."""

    role = "month"
    type: Literal["text", "integer", "date"] = "text"
    format: Annotated[str, _pattern_with("year", "month")] = "YYYYMM"


class DateColumn(Column):
    """A date; `format` says how it is written where the column holds text or a number."""

    role = "date"
    format: Annotated[str, _pattern_with("year", "month", "day")] = "YYYY-MM-DD"


class TimeColumn(Column):
    """A time of day; `format` as for dates."""

    role = "time"
    format: Annotated[str, _pattern_with("hour", "minute")] = "hh:mm:ss"


class InstantColumn(Column):
    """Date and time in one column; `format` as for dates."""

    role = "instant"
    format: Annotated[str, _pattern_with("year", "month", "day", "hour", "minute")] = (
        "YYYY-MM-DD hh:mm:ss"
    )


class PaidColumn(Column):
    """Whether a bill is paid: the codes for yes and for no; any other is "not known"."""

    yes: Codes
    no: Codes


class Table(Part):
    """A table, and which of its rows count."""

    table: Name
    where: Where = {}


class AccountTable(Table):
    """Where accounts stand, what they are looked up by and what their holder is known by.

    `other_phones` are more numbers on which the holder may be reached, `customer` whom the
    account belongs to: several accounts may have one.
    """

    id: KeyColumn
    phone: KeyColumn | None = None
    other_phones: list[Column] = []
    customer: Column | None = None
    agreement: KeyColumn | None = None
    password: Column | None = None
    identity: Column | None = None
    language: Column | None = None


class RunTable(Table):
    """Ready by a table of bill runs: a month is ready when it has a row there that counts."""

    by: Literal["run"]
    month: MonthColumn


class AnyBill(Part):
    """Ready without such a table: a month is ready when anybody has a bill of it."""

    by: Literal["any-bill"]


class BillTable(Table):
    """What wide and narrow bills have in common."""

    account: AccountColumn
    month: MonthColumn
    ready: Annotated[RunTable | AnyBill, Discriminator("by")]


class WideBill(BillTable):
    """A row per bill, a column per item."""

    layout: Literal["wide"]
    items: Annotated[dict[ItemCode, AmountColumn], Field(min_length=1)]
    total: AmountColumn | None = None
    paid: PaidColumn | None = None
    due: DateColumn | None = None


class BillHead(Table):
    """The row per bill beside narrow items: what belongs to the bill as a whole."""

    account: AccountColumn
    month: MonthColumn
    total: AmountColumn | None = None
    paid: PaidColumn | None = None
    due: DateColumn | None = None


class NarrowBill(BillTable):
    """A row per item: `items` gives the database's codes of each, `rest` takes all other codes."""

    layout: Literal["narrow"]
    code: Column
    amount: AmountColumn
    items: Annotated[dict[ItemCode, Codes], Field(min_length=1)]
    rest: ItemCode | None = None
    head: BillHead | None = None


class DetailTable(Table):
    """Call details, in the order of the columns `order`, which must be a definite one.

    They explain the items `of`, and are offered where one of those is not 0.
    """

    account: AccountColumn
    month: MonthColumn
    order: Annotated[list[Name], Field(min_length=1)]
    of: Annotated[list[ItemCode], Field(min_length=1)]
    area_code: Column
    other_number: Column
    started: InstantColumn | None = None
    date: DateColumn | None = None
    time: TimeColumn | None = None
    seconds: NumberColumn
    charge: AmountColumn
    surcharge: AmountColumn | None = None


class ArrearsTable(Table):
    """What accounts owe: a row per account with the count `months`, or a row per unpaid bill.

    `month` is the bill's, where a row is a bill's.
    """

    account: AccountColumn
    amount: AmountColumn
    month: MonthColumn | None = None
    months: NumberColumn | None = None
    due: DateColumn | None = None
    product: Column | None = None
    group: Column | None = None


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

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    name: Name
    zone: Annotated[str, AfterValidator(_zone)]
    unit: Unit
    db_schema: Name | None = Field(default=None, alias="schema")
    account: AccountTable
    bill: Annotated[WideBill | NarrowBill, Discriminator("layout")]
    details: DetailTable | None = None
    arrears: ArrearsTable | None = None

    _file: TomlFile | None = PrivateAttr(default=None)

    def problem(self, key: Sequence[str | int], what: str, **more: Any) -> Problem:
        """Return a `Problem` at `key` of the file this was read from."""
        if self._file is None:
            return Problem(what, key=".".join(map(str, key)), **more)
        return self._file.problem(key, what, **more)

    def tables(self) -> Iterator[tuple[tuple[str, ...], Table]]:
        """Return every table the mapping names, with its key path."""
        yield ("account",), self.account
        yield ("bill",), self.bill
        if isinstance(self.bill.ready, RunTable):
            yield ("bill", "ready"), self.bill.ready
        if isinstance(self.bill, NarrowBill) and self.bill.head:
            yield ("bill", "head"), self.bill.head
        if self.details:
            yield ("details",), self.details
        if self.arrears:
            yield ("arrears",), self.arrears


def load_mapping(path: Path) -> BillingMapping:
    """Read a mapping file. Raises `MappingError` with every problem found in it."""
    if not path.exists() and path.parent == resources.PROFILES:
        ready = sorted(profile.stem for profile in path.parent.glob("*.toml"))
        expected = f"{' or '.join(ready)}, or a file by its name with .toml"
        what, near = f"no ready mapping {path.stem!r}", nearest(path.stem, ready)
        raise MappingError([Problem(what, expected=expected, nearest=near, rule="no-file")])
    toml = TomlFile(path, MappingError)
    try:
        mapping = BillingMapping.model_validate(toml.data)
    except ValidationError as exc:
        raise MappingError(problems_of(exc, BillingMapping, toml)) from None
    mapping._file = toml  # noqa: SLF001 - set once, here, by the only maker of mappings from files
    problems = list(_meaning(mapping))
    if problems:
        raise MappingError(problems)
    return mapping


def _meaning(mapping: BillingMapping) -> Iterator[Problem]:
    """Find what each key allows by itself but the whole does not."""
    account, bill, details = mapping.account, mapping.bill, mapping.details
    if not (account.phone or account.agreement):
        yield mapping.problem(
            ("account",),
            "nothing to look accounts up by",
            expected="phone or agreement",
            rule="lookup",
        )
    if isinstance(bill, NarrowBill):
        yield from _codes(mapping, bill)
    if details:
        yield from _details(mapping, details, bill.items)


def _codes(mapping: BillingMapping, bill: NarrowBill) -> Iterator[Problem]:
    owner: dict[str, str] = {}
    for item, codes in bill.items.items():
        for code in codes:
            if code in owner:
                yield mapping.problem(
                    ("bill", "items", item),
                    f"code {code!r} belongs to {owner[code]} already",
                    expected="each code under one item",
                    rule="code-twice",
                )
            owner.setdefault(code, item)
    if bill.rest and bill.rest not in bill.items:
        yield _no_such_item(mapping, ("bill", "rest"), bill.rest, bill.items)


def _details(
    mapping: BillingMapping, details: DetailTable, items: Mapping[str, object]
) -> Iterator[Problem]:
    for item in details.of:
        if item not in items:
            yield _no_such_item(mapping, ("details", "of"), item, items)
    whole, halves = details.started, (details.date, details.time)
    if bool(whole) == any(halves) or (any(halves) and not all(halves)):
        yield mapping.problem(
            ("details",),
            "when a call began is not said in one way",
            expected="either started, or date and time",
            rule="started",
        )


def _no_such_item(
    mapping: BillingMapping, key: tuple[str, ...], item: str, items: Mapping[str, object]
) -> Problem:
    return mapping.problem(
        key,
        f"{item!r} is no item of the bill",
        expected="one of " + ", ".join(items),
        nearest=nearest(item, items),
        rule="item",
    )
