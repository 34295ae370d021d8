"""What is asked and answered on the JSON interface: the OpenAPI document is made of these models.

Money is integer fen, beside the same as a decimal text. Instants carry their offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from ivrd.billing.entities import Arrears, Bill, CallDetail
from ivrd.control.api.clients import ACCOUNT_ID, May

MOST_MONTHS = 36
"""Months that one request may span."""

Digits: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]

Month: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])$"),
    Field(description="a bill month", examples=["2026-10"]),
]


def _whole(text: Any) -> Any:
    """Take a whole number in a query for one, in the one way to write it."""
    plain = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10
    return int(text) if plain and (text == "0" or text[0] != "0") else text


_Number = BeforeValidator(_whole)


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FindAccount(_Asked):
    """Which account, by one of three; and what proves that the asker may know it."""

    model_config = ConfigDict(
        json_schema_extra={
            "minProperties": 1,
            "oneOf": [{"required": ["phone"]}, {"required": ["agreement"]}, {"required": ["id"]}],
            "examples": [{"phone": "88610001"}],
        }
    )

    phone: Digits | None = Field(None, description="its telephone number, as a caller keys it")
    agreement: Digits | None = Field(None, description="its agreement number")
    id: Annotated[str, StringConstraints(pattern=f"^{ACCOUNT_ID.pattern}$")] | None = Field(
        None, description="its id in the billing data"
    )
    proof: Digits | None = Field(
        None,
        description="the service password or the last digits, as enquiry.proof of ivrd.toml says",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_way(cls, asked: Any) -> Any:
        if isinstance(asked, dict):
            if any(value is None for value in asked.values()):
                raise ValueError("expected text, or no such key at all")
            if len({"phone", "agreement", "id"} & set(asked)) != 1:
                raise ValueError("expected one of phone, agreement and id")
        return asked


class Paged(_Asked):
    """Which page."""

    page: Annotated[int, _Number] = Field(1, ge=1, le=100_000, description="from 1")


class BillsQuery(Paged):
    """Which bills."""

    from_: Month | None = Field(
        None, alias="from", description="the oldest month; else as far back as is told"
    )
    to: Month | None = Field(None, description="the newest month; else the last one that is over")
    size: Annotated[int, _Number] = Field(12, ge=1, le=MOST_MONTHS, description="bills a page")


class CallsQuery(Paged):
    """Which calls."""

    size: Annotated[int, _Number] = Field(50, ge=1, le=100, description="calls a page")


class NoQuery(_Asked):
    """Nothing to be said in the query."""


class Money(_Told):
    """An amount; a refund is negative."""

    fen: int
    decimal: str = Field(pattern=r"^-?[0-9]+\.[0-9]{2}$", examples=["123.45"])


def money(fen: int) -> Money:
    """Return an amount as it is told."""
    whole, part = divmod(abs(fen), 100)
    return Money(fen=fen, decimal=f"{'-' if fen < 0 else ''}{whole}.{part:02}")


class ClientTold(_Told):
    """What the token may ask."""

    model_config = ConfigDict(title="Client")

    client: str
    may: list[May]
    accounts: str = Field(description="proven: a proof is asked for; any; or listed")
    rate: str = Field(examples=["10/s"])
    expires: datetime | None
    months_from: Month = Field(description="the oldest month that is told today")
    months_to: Month = Field(description="the newest")


class Found(_Told):
    """An account that may be asked about."""

    account: str = Field(description="a handle, for the paths; this client's, and good for a while")
    expires: datetime
    may: list[May]


class BillHead(_Told):
    """A bill in a list."""

    month: Month
    total: Money
    paid: bool | None = Field(description="null where the billing data does not say")
    due: date | None


class Bills(_Told):
    """The bills of a period; count and sum are of all its pages."""

    from_: Month = Field(alias="from")
    to: Month
    count: int
    sum: Money
    page: int
    pages: int
    size: int
    bills: list[BillHead] = Field(description="newest first")
    not_ready: list[Month] = Field(description="months of the period whose bills are not made yet")


class Item(_Told):
    """A charge of a bill."""

    code: str
    name: str = Field(description="in the language of Content-Language")
    amount: Money


class WholeBill(BillHead):
    """A bill with its items."""

    model_config = ConfigDict(title="Bill")

    items: list[Item]


class Call(_Told):
    """A call behind a bill."""

    position: int
    started: datetime
    area_code: str
    number: str
    seconds: int
    charge: Money
    surcharge: Money


class Calls(_Told):
    """The calls behind a bill, oldest first."""

    month: Month
    count: int
    page: int
    pages: int
    size: int
    calls: list[Call]


class Owed(_Told):
    """What is owed for one product, in one customer group."""

    amount: Money
    months: int = Field(description="bills that are unpaid")
    due: date | None = Field(description="the earliest")
    product: str | None
    group: str | None


class AllOwed(_Told):
    """What the account owes."""

    model_config = ConfigDict(title="Arrears")

    count: int
    sum: Money
    arrears: list[Owed]


class FlawTold(_Told):
    """One thing wrong in a request."""

    where: str = Field(examples=["query.page"])
    expected: str


class ProblemTold(BaseModel):
    """Why there is no answer (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(examples=["urn:ivrd:problem:billing-down"])
    title: str = Field(description="in Chinese or English, by Accept-Language")
    status: int
    code: str = Field(description="stable; see docs/api.md", examples=["billing-down"])
    instance: str = Field(description="the request, as the daemon's log names it")
    detail: str | None = None
    errors: list[FlawTold] | None = None


def pages(count: int, size: int) -> int:
    """Return how many pages so many make."""
    return -(-count // size)


def head_of(bill: Bill) -> dict[str, Any]:
    """Return the fields of a bill in a list."""
    return {"month": bill.month, "total": money(bill.total_fen), "paid": bill.paid, "due": bill.due}


def call_of(call: CallDetail) -> Call:
    """Return a call as it is told."""
    return Call(
        position=call.position, started=call.started, area_code=call.area_code,
        number=call.other_number, seconds=call.seconds, charge=money(call.charge_fen),
        surcharge=money(call.surcharge_fen),
    )  # fmt: skip


def all_owed(rows: Sequence[Arrears]) -> AllOwed:
    """Return arrears as they are told."""
    owed = [
        Owed(amount=money(row.amount_fen), months=row.months, due=row.due, product=row.product,
             group=row.group)
        for row in rows
    ]  # fmt: skip
    total = money(sum(row.amount_fen for row in rows))
    return AllOwed(count=len(owed), sum=total, arrears=owed)
