"""Sample databases of the trades beside the telephone: each is a file of data in ``samples/``.

A file says who the known accounts are, how the items of a bill are drawn, which tables there are,
and how a row of them is written: ``"{month:%Y%m}"`` is a `str.format` of what `TradeTables` tells
of an account, a bill, an item, a debt or a month. A value that is not there becomes NULL, and
SQLite makes numbers of what goes into columns of numbers.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from string import Formatter
from typing import Any, Literal, TypeAlias

from ivrd.billing.sample import (
    Known,
    MonthBill,
    Subscriber,
    drawn_subscribers,
    due_of,
    known_bills,
    month_back,
    numbered,
)
from ivrd.billing.sample_schema import SchemaTables

SAMPLES = Path(__file__).resolve().parent / "samples"

NUMBERED = 12
"""So many accounts have the numbers 88610001 and on: simulated callers know them."""

Facts: TypeAlias = Mapping[str, Any]
_Draw: TypeAlias = Callable[[float, int], int]
"""The amount of an item in fen, by the usage of the month and by what is unpaid from before."""


@dataclass(frozen=True)
class _Row:
    """What a row is written of, its table, and its values; `str.format` makes each."""

    of: Literal["account", "bill", "item", "debt", "month"]
    into: str
    values: Sequence[str]
    needs: Sequence[Sequence[str]]
    """The facts that each value is made of."""

    def filled(self, facts: Facts) -> tuple[str | None, ...]:
        """Return the row's values; one of nothing, or of facts that are not there, is NULL."""
        return tuple(
            value.format_map(facts)
            if needs and all(facts[name] is not None for name in needs)
            else None
            for value, needs in zip(self.values, self.needs, strict=True)
        )


@dataclass(frozen=True)
class TradeSample:
    """A file of ``samples/``, read; water.toml explains most keys."""

    agreement: str
    item: Sequence[dict[str, Any]]
    known: Sequence[Known]
    rows: Sequence[_Row]
    tables: Mapping[str, str]
    kinds: Sequence[Sequence[str]]
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    usage: tuple[float, float] = (1, 1)
    usage_varies: float = 0.0
    unpaid: tuple[int, int, int] = (80, 14, 6)
    rows_each: int | None = None

    def everybody(
        self, today: date, seed: int, accounts: int, months: int
    ) -> Iterator[tuple[Subscriber, list[MonthBill]]]:
        """Return every account with its bills, oldest first; the known ones come before the others.

        The same seed and date give the same.
        """
        for known in self.known:
            yield known.subscriber, self._latest([*known_bills(known, today, months)])
        rng = random.Random(seed)  # noqa: S311 - sample data, not secrets
        count = len(self.known)
        for n, drawn in enumerate(drawn_subscribers(rng, accounts - count), count + 1):
            like = numbered(n)
            product, group = rng.choice(self.kinds)
            who = replace(
                drawn,
                phone=like.phone if n <= NUMBERED else drawn.phone,
                agreement=self.agreement.format(n=n, id=drawn.id),
                product=product,
                group=group,
                removed=drawn.removed and n > NUMBERED,
            )
            bills = [*self._drawn_bills(rng, today, months)]
            if self.rows_each:
                bills = bills[: rng.randint(1, len(bills))]
            yield who, self._latest(bills)

    def _latest(self, bills: list[MonthBill]) -> list[MonthBill]:
        return bills[-self.rows_each :] if self.rows_each else bills

    def _drawn_bills(self, rng: random.Random, today: date, months: int) -> Iterator[MonthBill]:
        """Draw an account's habits once, and its amounts every month."""
        draws = [_drawn(item, rng) for item in self.item]
        habit = rng.uniform(*self.usage)
        unpaid = rng.choices((0, rng.randint(1, 3), rng.randint(4, 12)), self.unpaid)[0]
        since = months if rng.random() < 0.9 else rng.randint(1, months)
        owed = 0
        for back in range(since, 0, -1):
            month = month_back(today, back)
            usage = round(habit * rng.uniform(1 - self.usage_varies, 1 + self.usage_varies))
            amounts = tuple(draw(usage, owed) for draw in draws)
            due = due_of(month)
            paid = back > unpaid and (due < today or rng.random() < 0.5)
            owed += 0 if paid else sum(amounts)
            yield MonthBill(month, amounts, paid, due)


def _drawn(item: Mapping[str, Any], rng: random.Random) -> _Draw:
    """Return how the amounts of an item come about for one account."""
    if "one_of" in item:
        always: int = rng.choice(item["one_of"])
        return lambda _usage, _owed: always
    if "between" in item:
        chance, (low, high) = item.get("chance", 1), item["between"]
        return lambda _usage, _owed: rng.randint(low, high) if rng.random() < chance else 0
    if "price_fen" in item:
        over, up_to = item.get("over", 0), item.get("up_to", float("inf"))
        price: int = item["price_fen"]
        return lambda usage, _owed: round(price * max(0, min(usage, up_to) - over))
    percent: int = item["late_percent"]
    return lambda _usage, owed: owed * percent // 100


def trade_sample(name: str) -> TradeSample:
    """Read the file of a trade. Raises FileNotFoundError where there is none."""
    data = tomllib.loads((SAMPLES / f"{name}.toml").read_text(encoding="utf-8"))
    most = dict(zip(("product", "group"), data["kinds"][0], strict=True))
    known = tuple(
        _known(n, data["agreement"], most | said) for n, said in enumerate(data.pop("known"), 1)
    )
    rows = tuple(_Row(**row, needs=[*map(_needs, row["values"])]) for row in data.pop("row"))
    return TradeSample(known=known, rows=rows, **data)


def _known(n: int, agreement: str, said: dict[str, Any]) -> Known:
    what, amounts = said.pop("what"), tuple(said.pop("amounts"))
    unpaid, bills_from = said.pop("unpaid", 0), said.pop("bills_from", 1)
    who = numbered(n, **said)
    who = replace(who, agreement=agreement.format(n=n, id=who.id))
    return Known(who, what, amounts, unpaid_months=unpaid, bills_from=bills_from)


def _needs(value: str) -> list[str]:
    names = [name for _, name, _, _ in Formatter().parse(value) if name]
    return [re.split(r"[.\[]", name)[0] for name in names]


class TradeTables(SchemaTables):
    """The rows of a trade's sample, as its file says."""

    def __init__(self, sample: TradeSample, today: date) -> None:
        super().__init__(today, last_month_ready=True)
        self._sample = sample
        self.CREATE, self.INDEX = sample.tables["create"], sample.tables["index"]

    def add(self, who: Subscriber, bills: list[MonthBill]) -> None:
        """Add an account with its bills, their items, and what it owes."""
        state = "removed" if who.removed else "suspended" if who.suspended else "live"
        facts: dict[str, Any] = {
            "id": who.id, "n": who.id - 100000, "phone": who.phone, "contact": who.contact,
            "agreement": who.agreement, "identity": who.identity, "password": who.password,
            "language": self._code("language", who.language), "product": who.product,
            "group": who.group, "state": self._code("state", state),
        }  # fmt: skip
        self._write("account", facts)
        for bill in bills:
            self._add_bill(facts, bill)
        late = self.overdue(bills)
        if late:
            owed = sum(fen for _, fen in late)
            self._write("debt", facts | {"owed": owed, "owed_yuan": _yuan(owed),
                                         "owed_months": len(late),
                                         "owed_since": late[0][0].due})  # fmt: skip

    def _add_bill(self, facts: Facts, bill: MonthBill) -> None:
        fen = dict(zip((item["code"] for item in self._sample.item), bill.amounts_fen, strict=True))
        total = sum(bill.amounts_fen)
        of_bill = {
            **facts, "month": _first_day(bill.month), "due": bill.due, "total": total,
            "total_yuan": _yuan(total), "fen": fen,
            "yuan": {code: _yuan(amount) for code, amount in fen.items()},
            "paid": self._code("paid", "yes" if bill.paid else "no"),
        }  # fmt: skip
        self._write("bill", of_bill)
        for item in self._sample.item:
            amount = fen[item["code"]]
            if amount:
                self._write("item", {**of_bill, "item": item["code"], "amount": amount,
                                     "amount_yuan": _yuan(amount),
                                     "subject": item.get("subject")})  # fmt: skip

    def add_runs(self, months: list[str]) -> None:
        """Add what there is once a month: rows of bill runs, and tables by month."""
        for month in map(_first_day, months):
            facts = {"month": month, "ready": self._code("ready", "yes")}
            self.CREATE += self._sample.tables.get("create_month", "").format_map(facts)
            self.INDEX += self._sample.tables.get("index_month", "").format_map(facts)
            self._write("month", facts)

    def _code(self, kind: str, word: str) -> str:
        return self._sample.codes.get(kind, {}).get(word, word)

    def _write(self, of: str, facts: Facts) -> None:
        for row in self._sample.rows:
            if row.of == of:
                self.insert(row.into.format_map(facts), *row.filled(facts))


def _first_day(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


def _yuan(fen: int) -> str:
    return f"{fen / 100:.2f}"
