"""A sample telecom operator: who its subscribers are, what they called and what they owe.

Made of nothing but a seed and a date, so the same two always make the same database, byte for
byte. `ivrd.billing.sample_tables` writes it in the operator's own schema, wide or narrow.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

ITEMS = (
    "monthly_rent",
    "local_calls",
    "long_distance",
    "operator_long_distance",
    "labour_materials",
    "information",
    "data",
    "adjustments",
)
"""The items of a telecom bill, in the order in which they are spoken."""

DUE_DAY = 20
"""Bills are to be paid by this day of the month after theirs."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One row of the operator's account table."""

    id: int
    phone: str
    agreement: str
    password: str
    identity: str
    language: str
    product: str
    group: str
    removed: bool = False
    suspended: bool = False

    @property
    def contact(self) -> str | None:
        """Another number on which the holder may be reached; every fourth subscriber left one."""
        return None if self.id % 4 else f"1380571{self.id % 10000:04}"


class Call(NamedTuple):
    """One long-distance call."""

    area: str
    number: str
    started: datetime
    seconds: int
    charge_fen: int
    surcharge_fen: int
    by_operator: bool


@dataclass(frozen=True, slots=True)
class MonthBill:
    """One bill: `amounts_fen` in the order of `ITEMS`, and the calls behind it."""

    month: str
    amounts_fen: tuple[int, ...]
    paid: bool | None
    due: date | None
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """A subscriber who is the same in every sample database, for examples and tests."""

    subscriber: Subscriber
    what: str
    amounts_fen: tuple[int, ...]
    """Of the last month, in the order of `ITEMS`; earlier months differ in the local calls."""

    paid: bool | None = True
    unpaid_months: int = 0
    """How many of the latest bills are unpaid."""

    bills_from: int = 1
    """The latest bill, in months back: 1 is last month."""

    has_due: bool = True
    details: str = "none"


def month_back(today: date, back: int) -> str:
    """Return the month ``"YYYY-MM"`` that lies `back` months before that of `today`."""
    count = today.year * 12 + today.month - 1 - back
    return f"{count // 12:04}-{count % 12 + 1:02}"


def due_of(month: str) -> date:
    """Return until when the bill of a month is to be paid."""
    year, of_year = int(month[:4]), int(month[5:])
    return date(year + of_year // 12, of_year % 12 + 1, DUE_DAY)


def numbered(number: int, **more: str | bool) -> Subscriber:
    """Return the subscriber of this number, who is in every sample; `more` says what is special."""
    values: dict[str, str | bool] = {
        "phone": f"886100{number:02}",
        "agreement": f"{100000000000 + number}",
        "password": "123456",
        "identity": identity_number(date(1980, 1, 1) + timedelta(days=number), number),
        "language": "zh-CN",
        "product": "PSTN",
        "group": "HOME",
    }
    return Subscriber(id=100000 + number, **(values | more))  # type: ignore[arg-type]  # one table of text and flags


def identity_number(born: date, serial: int) -> str:
    """Return a number built as a resident identity number (GB 11643), of a county that is none."""
    body = f"330199{born:%Y%m%d}{serial % 1000:03}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True))
    return body + "10X98765432"[total % 11]


KNOWN = (
    Known(numbered(1), "a rich bill with six calls in the details, not paid yet",
          (2500, 3864, 1015, 470, 0, 1050, 5800, 0), unpaid_months=1, details="six"),
    Known(numbered(2), "a refund among the items", (2500, 1210, 0, 0, 0, 0, 0, -350)),
    Known(numbered(3), "nothing to pay: every item is 0", (0, 0, 0, 0, 0, 0, 0, 0)),
    Known(numbered(4), "no bill last month, the latest is of the month before",
          (2500, 880, 0, 0, 0, 0, 0, 0), bills_from=2),
    Known(numbered(5), "in arrears: the last four bills are not paid",
          (2500, 4505, 0, 0, 2000, 0, 9900, 0), unpaid_months=4),
    Known(numbered(6), "refunds beyond the charges: the total is negative",
          (2500, 0, 0, 0, 0, 0, 0, -3700)),
    Known(numbered(7), "300 calls in the details",
          (2500, 2222, 21000, 0, 0, 0, 0, 0), details="300"),
    Known(numbered(8, group="COMPANY", product="TRUNK"), "large amounts",
          (1000000, 1222222, 0, 0, 1001000, 10010, 2000000, 0)),
    Known(numbered(9, phone="13805710009", language="en-US", product="MOBILE"), "a mobile number",
          (1900, 1001, 0, 0, 0, 200, 3005, 5)),
    Known(numbered(10), "long distance, but no details on record",
          (2500, 1010, 1234, 0, 0, 0, 0, 0)),
    Known(numbered(11), "nothing said of paid or due", (2500, 505, 0, 0, 0, 0, 0, 0),
          paid=None, has_due=False),
    Known(numbered(12, removed=True), "removed: the number is not known any more",
          (2500, 300, 0, 0, 0, 0, 0, 0), bills_from=6),
    Known(numbered(13, phone="88610001", removed=True), "the earlier holder of 88610001",
          (2500, 9999, 0, 0, 0, 0, 0, 0), bills_from=8),
)  # fmt: skip
"""The subscribers that every sample database has, whatever its seed."""

_SIX = (
    # area, number, day, clock time, seconds, charge, surcharge, by operator
    ("010", "62551234", 3, "09:15:20", 185, 217, 0, False),
    ("021", "58887766", 5, "20:02:41", 62, 77, 0, False),
    ("0755", "13902461357", 11, "12:30:00", 301, 357, 0, False),
    ("020", "81234567", 18, "08:05:09", 74, 91, 50, False),
    ("0571", "87654321", 24, "23:59:58", 190, 223, 0, False),
    ("00852", "28881234", 27, "18:45:33", 120, 420, 50, True),
)

_AREAS = ("010", "021", "020", "0755", "025", "028", "0512", "0532", "0574", "0592", "022", "029")


def known_bills(known: Known, today: date, months: int) -> Iterator[MonthBill]:
    """Return the bills of a known subscriber, oldest first."""
    for back in range(months, known.bills_from - 1, -1):
        month = month_back(today, back)
        amounts = list(known.amounts_fen)
        if amounts[1:2] and amounts[1]:
            amounts[1] += 111 * (back - 1)
        paid = None if known.paid is None else back > known.unpaid_months
        due = due_of(month) if known.has_due else None
        yield MonthBill(month, tuple(amounts), paid, due, _known_calls(known.details, month))


def _known_calls(which: str, month: str) -> tuple[Call, ...]:
    if which == "six":
        return tuple(
            Call(area, number, datetime.fromisoformat(f"{month}-{day:02} {at}"), s, c, more, by)
            for area, number, day, at, s, c, more, by in _SIX
        )
    if which == "300":
        first = datetime.fromisoformat(f"{month}-01 08:00:00")
        return tuple(
            Call(
                _AREAS[n % 12],
                f"{66000000 + n * 1111}",
                first + timedelta(hours=2 * n),
                60,
                70,
                0,
                False,
            )
            for n in range(300)
        )
    return ()


def drawn_subscribers(rng: random.Random, count: int) -> Iterator[Subscriber]:
    """Return `count` subscribers, numbered behind the known ones; a quarter has a mobile number."""
    local = rng.sample(range(88620000, 88699999), count)
    mobile = rng.sample(range(13857100000, 13857199999), count)
    for n in range(count):
        is_mobile = rng.random() < 0.25
        yield Subscriber(
            id=101000 + n,
            phone=str(mobile[n] if is_mobile else local[n]),
            agreement=str(100000001000 + n),
            password=f"{rng.randrange(10**6):06}",
            identity=identity_number(date(1940, 1, 1) + timedelta(days=rng.randrange(22000)), n),
            language="en-US" if rng.random() < 0.05 else "zh-CN",
            product="MOBILE" if is_mobile else rng.choice(("PSTN", "PSTN", "ADSL", "TRUNK")),
            group=rng.choice(("HOME", "HOME", "HOME", "COMPANY", "STATE")),
            removed=rng.random() < 0.01,
            suspended=rng.random() < 0.02,
        )


def drawn_bills(rng: random.Random, today: date, months: int) -> Iterator[MonthBill]:
    """Return one subscriber's bills, oldest first: habits are drawn once, amounts every month."""
    most_calls = rng.choices((0, 8, 60, 300), (30, 55, 12, 3))[0]
    unpaid = rng.choices((0, rng.randint(1, 3), rng.randint(4, 12)), (80, 14, 6))[0]
    rent = rng.choice((0, 1800, 2500, 2500, 3500))
    since = months if rng.random() < 0.9 else rng.randint(1, months)
    for back in range(since, 0, -1):
        month = month_back(today, back)
        calls = _drawn_calls(rng, month, rng.randint(most_calls // 4, most_calls))
        due = due_of(month)
        amounts = (
            rent,
            rng.choice((0, rng.randint(11, 9999))),
            sum(c.charge_fen + c.surcharge_fen for c in calls if not c.by_operator),
            sum(c.charge_fen + c.surcharge_fen for c in calls if c.by_operator),
            rng.choice((0,) * 19 + (12000,)),
            rng.choice((0, 0, 0, rng.randint(10, 3000))),
            rng.choice((0, 0, 3000, 5800, 9900)),
            rng.choice((0,) * 14 + (-rng.randint(1, 5000), rng.randint(1, 500))),
        )
        paid = back > unpaid and (due < today or rng.random() < 0.5)
        yield MonthBill(month, amounts, paid, due, calls)


def _drawn_calls(rng: random.Random, month: str, count: int) -> tuple[Call, ...]:
    first = datetime.fromisoformat(f"{month}-01")
    starts = sorted(rng.sample(range(28 * 86400), count))
    return tuple(_drawn_call(rng, first + timedelta(seconds=at)) for at in starts)


def _drawn_call(rng: random.Random, started: datetime) -> Call:
    draw = rng.random()
    by_operator = draw < 0.03
    seconds = 1 + int(rng.expovariate(1 / 150))
    mobile = draw > 0.6
    number = 13900000000 + int(draw * 10**8) if mobile else 20000000 + int(draw * 10**8)
    charge = -(-seconds // 60) * 200 if by_operator else -(-seconds // 6) * 7
    surcharge = 50 if by_operator else rng.choice((0, 0, 0, 30))
    return Call(rng.choice(_AREAS), str(number), started, seconds, charge, surcharge, by_operator)
