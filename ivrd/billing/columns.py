"""How a mapping says where a value is: a column, a constant, or one of a few safe expressions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from ivrd.billing.values import Pattern, Unit


class Part(BaseModel):
    """Any table of the file: keys that are not known are refused, nothing changes afterwards."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_by_name=True, validate_by_alias=True
    )


Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f]+$")
]
"""A table or column, exactly as the database spells it."""

JoinName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""Our word for a joined table; columns of it say ``from`` it."""

KeyType: TypeAlias = Literal["text", "integer"]


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _as_texts(value: Any) -> Any:
    """Take one code for a list of one, and whole numbers for their digits."""
    return [str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in _listed(value)]


Codes: TypeAlias = Annotated[list[str], BeforeValidator(_as_texts), Field(min_length=1)]
"""Codes as text, whatever the column holds."""

Values: TypeAlias = Annotated[list[str | int | bool], BeforeValidator(_listed), Field(min_length=1)]
"""Values as the column holds them: they are compared in the database."""


class Condition(Part):
    """What a column must hold: one of some values, none of them, or nothing at all.

    `empty` takes a text of blanks alone for nothing, too, which `null` does not.
    """

    one_of: Values | None = None
    not_: Values | None = Field(default=None, alias="not")
    null: bool | None = None
    empty: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _values_alone(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"one_of": value}

    @model_validator(mode="after")
    def _one_way(self) -> Condition:
        if len(self.model_fields_set) != 1:
            raise ValueError("needs values, or one of not, null and empty")
        return self


Where: TypeAlias = dict[Name, Condition]
"""Which rows count: all conditions hold."""


class Term(Part):
    """A column, of a joined table where it says ``from``, or a constant."""

    column: Name | None = None
    from_: JoinName | None = Field(default=None, alias="from")
    value: str | int | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Term:
        if (self.column is None) == (self.value is None):
            raise ValueError("needs either column or value")
        if self.from_ and self.column is None:
            raise ValueError("from needs a column")
        return self


def term_of(column: str, join: str | None = None) -> Term:
    """Return the term for a column, of a joined table where one is named."""
    return Term.model_validate({"column": column, "from": join})


Terms: TypeAlias = Annotated[list[Term], Field(min_length=1)]

_FORMS = ("column", "value", "add", "first", "concat", "columns", "year", "amount", "left", "date")


class Column(Term):
    """A value of a row; a name alone stands for ``{ column = "name" }``.

    `add` is a sum, less `subtract`, where nothing counts as 0; `first` is the first that is there
    (of texts, that is not empty); `concat` sets its parts side by side.
    """

    role: ClassVar[str] = "any"
    """What the column must be able to hold, for the check against the live schema."""

    forms: ClassVar[tuple[str, ...]] = ("column", "value", "first", "concat")
    """How this kind of value may be said."""

    add: Terms | None = None
    subtract: Terms | None = None
    first: Terms | None = None
    concat: Terms | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Column:
        said = [form for form in _FORMS if getattr(self, form, None) is not None]
        able = " or ".join(self.forms)
        if len(said) != 1:
            raise ValueError(f"needs {'one of ' if len(self.forms) > 1 else ''}{able}")
        if said[0] not in self.forms:
            raise ValueError(f"cannot be said by {said[0]} here, only by {able}")
        if self.role in {"amount", "number"} and isinstance(self.value, str):
            raise ValueError("value must be a whole number")
        if self.subtract and not self.add:
            raise ValueError("subtract needs add")
        if self.from_ and self.column is None:
            raise ValueError("from needs a column")
        return self

    @property
    def named(self) -> str:
        """How messages call it."""
        if self.column is not None:
            return f"column {self.column}"
        form = next(form for form in _FORMS if getattr(self, form, None) is not None)
        return f"by {form}"

    def terms(self) -> Iterator[tuple[tuple[str, ...], Term]]:
        """Return every column and constant that it is made of, with its place below this."""
        if self.column is not None or self.value is not None:
            yield (), self
        for form in ("add", "subtract", "first", "concat"):
            for index, term in enumerate(getattr(self, form) or ()):
                yield (form, str(index)), term


class TextColumn(Column):
    """A text or code; `codes` says in our words what the database's mean, others stay as is."""

    codes: dict[str, str] = Field(default_factory=dict)


class KeyColumn(Column):
    """A column that is compared: `type` is that of the database, for what is bound to it.

    Of `concat`, `type` says what the parts are. `pad` is the length of a CHAR column whose values
    are filled with blanks.
    """

    role = "key"
    forms: ClassVar[tuple[str, ...]] = ("column", "first", "concat")
    type: KeyType = "text"
    pad: Annotated[int, Field(ge=2, le=255)] | None = None

    @property
    def whole_type(self) -> KeyType:
        """The type of the value that is read: what is made of several columns is text."""
        return "text" if self.concat or getattr(self, "columns", None) else self.type

    @model_validator(mode="after")
    def _padded_text(self) -> KeyColumn:
        if self.pad and (self.column is None or self.type != "text"):
            raise ValueError("pad needs one column of text")
        return self


class PartsColumn(Column):
    """A column, or `columns` whose values together point at an account."""

    columns: Annotated[list[Term], Field(min_length=2, max_length=4)] | None = None

    @property
    def parts(self) -> Sequence[Term]:
        """What is compared, each by itself: an index on the columns serves."""
        return self.columns or (self,)

    def terms(self) -> Iterator[tuple[tuple[str, ...], Term]]:
        """Return every column that it is made of, with its place below this."""
        yield from super().terms()
        for index, term in enumerate(self.columns or ()):
            yield ("columns", str(index)), term


class IdColumn(KeyColumn, PartsColumn):
    """The key of accounts."""

    forms = ("column", "first", "concat", "columns")


class AccountColumn(PartsColumn):
    """What points at an account; its type is that of the account's id."""

    role = "account"
    forms = ("column", "columns")


class AmountColumn(Column):
    """Money, in the mapping's `unit` unless it has its own.

    It is below nothing in rows where the conditions of `negative` hold.
    """

    role = "amount"
    forms: ClassVar[tuple[str, ...]] = ("column", "value", "add", "first")
    unit: Unit | None = None
    negative: Where = Field(default_factory=dict)

    def terms(self) -> Iterator[tuple[tuple[str, ...], Term]]:
        """Return every column and constant that it is made of, with its place below this."""
        yield from super().terms()
        for name in self.negative:
            yield ("negative", name), term_of(name)


class NumberColumn(Column):
    """A whole number."""

    role = "number"
    forms = ("column", "value", "add", "first")


def _pattern_with(*needed: str) -> AfterValidator:
    def check(text: str) -> str:
        lacking = [part for part in needed if part not in Pattern(text).parts]
        if lacking:
            raise ValueError(f"{text!r} lacks the {' and the '.join(lacking)}")
        return text

    return AfterValidator(check)


class MonthColumn(Column):
    """A bill month: text or a number written as `format`, or a date, any in the month.

    A `format` with a day stands for any day in the month, too. In two columns it is `year` and
    `month`, or `year` and `quarter`: then each bill is that of three months.
    """

    role = "month"
    forms = ("column", "year")
    type: Literal["text", "integer", "date"] = "text"
    format: Annotated[str, _pattern_with("year", "month")] = "YYYYMM"
    year: Term | None = None
    month: Term | None = None
    quarter: Term | None = None

    @model_validator(mode="before")
    @classmethod
    def _numbers_in_two(cls, value: Any) -> Any:
        return (
            {"type": "integer", **value} if isinstance(value, dict) and "year" in value else value
        )

    @model_validator(mode="after")
    def _whole(self) -> MonthColumn:
        if self.year is None:
            if self.month or self.quarter:
                raise ValueError("month and quarter need year beside them")
            days = self.type != "date" and self.ranged
            if days and not Pattern(self.format).sortable:
                raise ValueError(f"{self.format!r}: a month is told by its days only where the "
                                 "year comes first, then month and day")  # fmt: skip
        elif (self.month is None) == (self.quarter is None):
            raise ValueError("year needs either month or quarter beside it")
        elif self.type == "date" or (self.quarter and self.type != "integer"):
            raise ValueError("year and quarter are numbers, year and month numbers or texts")
        return self

    @property
    def ranged(self) -> bool:
        """Whether the column holds days, of which any in the month will do."""
        return self.type == "date" or (self.year is None and "day" in Pattern(self.format).parts)

    def terms(self) -> Iterator[tuple[tuple[str, ...], Term]]:
        """Return the columns that it is made of, with their places below this."""
        yield from super().terms()
        for name in ("year", "month", "quarter"):
            if (term := getattr(self, name)) is not None:
                yield (name,), term


class DateColumn(Column):
    """A date; `format` says how it is written where the column holds text or a number."""

    role = "date"
    forms = ("column", "first")
    format: Annotated[str, _pattern_with("year", "month", "day")] = "YYYY-MM-DD"


class TimeColumn(Column):
    """A time of day; `format` as for dates."""

    role = "time"
    forms = ("column", "first")
    format: Annotated[str, _pattern_with("hour", "minute")] = "hh:mm:ss"


class InstantColumn(Column):
    """Date and time in one column; `format` as for dates."""

    role = "instant"
    forms = ("column", "first")
    format: Annotated[str, _pattern_with("year", "month", "day", "hour", "minute")] = (
        "YYYY-MM-DD hh:mm:ss"
    )


class FlagColumn(Column):
    """Yes or no, such as whether one agreed; any other code is "not known"."""

    forms = ("column",)
    yes: Values
    no: Values


class PaidColumn(Column):
    """Whether a bill is paid: by a code, by what was paid or is left, or by a date of payment.

    With `amount` a bill is paid where that is not less than its total, with `left` where nothing
    is left, with `date` where there is one.
    """

    forms = ("column", "amount", "left", "date")
    yes: Values | None = None
    no: Values | None = None
    amount: AmountColumn | None = None
    left: AmountColumn | None = None
    date: Term | None = None

    @model_validator(mode="after")
    def _codes(self) -> PaidColumn:
        if self.column is not None and not (self.yes and self.no):
            raise ValueError("column needs yes and no: the codes of each")
        if self.column is None and (self.yes or self.no):
            raise ValueError("yes and no are for the codes of a column")
        return self

    @property
    def money(self) -> tuple[str, AmountColumn] | None:
        """The amount by which it is told, with its key; None where it is told otherwise."""
        for key in ("amount", "left"):
            if (amount := getattr(self, key)) is not None:
                return key, amount
        return None

    def terms(self) -> Iterator[tuple[tuple[str, ...], Term]]:
        """Return the columns that it is made of, with their places below this."""
        yield from super().terms()
        if self.money:
            key, amount = self.money
            for below, term in amount.terms():
                yield (key, *below), term
        if self.date:
            yield ("date",), self.date


class LeftToPay(AmountColumn):
    """What is left of `total` once `paid` came in; made out of a mapping, never written in one.

    Its amounts are in li, so that two columns of different units can be told from each other.
    """

    forms = ("left",)
    left: Literal[True] = True
    total: AmountColumn
    paid: AmountColumn | None = None

    def terms(self) -> Iterator[tuple[tuple[str, ...], Term]]:
        """Return the columns of both."""
        yield from self.total.terms()
        if self.paid:
            yield from self.paid.terms()


def left_of(paid: PaidColumn, total: AmountColumn | None) -> LeftToPay | None:
    """Return what is left to pay of `total`, None where no amount says it."""
    if paid.left:
        return LeftToPay(total=paid.left, unit="li")
    return LeftToPay(total=total, paid=paid.amount, unit="li") if total and paid.amount else None
