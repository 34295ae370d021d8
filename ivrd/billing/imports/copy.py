"""Copies what a mapping reads into ivrd's own file: accounts, bills, call details, arrears."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Float, cast, or_

from ivrd.billing.arrears import owed_of
from ivrd.billing.columns import (
    AmountColumn,
    Column,
    LeftToPay,
    MonthColumn,
    PaidColumn,
    left_of,
)
from ivrd.billing.imports.columns_in import (
    Fault,
    Remembered,
    Take,
    day_taker,
    flag_taker,
    key_reader,
    month_taker,
    start_taker,
    within_reason,
)
from ivrd.billing.imports.embedded import LEFT
from ivrd.billing.imports.new_file import NewFile
from ivrd.billing.imports.parts import ACCOUNTS, ARREARS, BILLS, DETAILS, RUNS, Months, Told
from ivrd.billing.imports.source import Origin
from ivrd.billing.month_tables import of_month
from ivrd.billing.months import MonthWriter
from ivrd.billing.readers import amount_reader, text_reader
from ivrd.billing.statements import Source
from ivrd.billing.tables import (
    ArrearsTable,
    BillHead,
    MonthTable,
    RunTable,
    Table,
    UnpaidBills,
    WideBill,
)
from ivrd.billing.values import number


@dataclass
class Job:
    """One statement over the rows of a part, and where they go."""

    part: str
    table: str
    of: Table
    take: Take
    month: str | None = None
    where: Callable[[Source], Iterable[ColumnElement[bool]]] = lambda _: ()
    order: Callable[[Source], Iterable[Any]] = lambda _: ()
    values: dict[str, object] = field(default_factory=dict)
    keep: Callable[[tuple[Any, ...]], bool] | None = None
    """Chooses among the rows where the source was not asked to."""


class Copy:
    """One import: reads from `origin`, writes into `new`, counts the rows of each part."""

    def __init__(self, origin: Origin, new: NewFile, months: Months, told: Told) -> None:
        self._origin, self._new, self._months, self._told = origin, new, months, told
        self._mapping = origin.mapping
        self._kept = frozenset(months.kept)
        self._seen: set[str] = set()
        """Months of which somebody has a bill."""
        self._amounts: dict[str, Remembered] = {}
        """What reads amounts of each unit: one for all columns, so that it stays in the cache."""
        self.read: Counter[str] = Counter()
        self.written: Counter[str] = Counter()

    def run(self) -> None:
        """Copy everything. Raises `BillingError`."""
        self._accounts()
        bill = self._mapping.bill
        if isinstance(bill, WideBill):
            self._each_month(bill, BILLS, "bill", self._wide)
        else:
            self._new.open_side(list(bill.items))
            if bill.head:
                self._each_month(bill.head, BILLS, "side.whole", self._head)
            self._each_month(bill, BILLS, "side.item", self._items, only_kept=True)
            self._told("adding up", 0, 0)
            self.written[BILLS] = self._new.add_up(whole=bill.head is not None)
        self._ready()
        if self._mapping.details:
            self._each_month(
                self._mapping.details, DETAILS, "detail", self._details, only_kept=True
            )
        if isinstance(self._mapping.arrears, ArrearsTable):
            owed = owed_of(self._mapping)
            if owed:
                self._arrears(owed.part)

    # -- what is taken of each part --------------------------------------------------------------

    def _accounts(self) -> None:
        part, take = self._mapping.account, Take()
        take.add(
            "id", "account.id", part.id, key_reader(part.id.whole_type), few=False, needed=True
        )
        for name in ("phone", "agreement"):
            said = getattr(part, name)
            if said:
                take.add(name, f"account.{name}", said, key_reader(said.whole_type), few=False)
        for name, column in (
            ("password", "password"), ("identity", "identity"), ("customer", "customer"),
            ("language", "language"), ("group", "customer_group"), ("product", "product"),
            ("zone", "zone"),
        ):  # fmt: skip
            said = getattr(part, name)
            if said:
                few = name in {"language", "group", "product", "zone"}
                take.add(column, f"account.{name}", said, text_reader(said), few=few)
        if part.consent:
            take.add("consent", "account.consent", part.consent, flag_taker(part.consent))
        for n, other in enumerate(part.other_phones):
            key = f"account.other_phones.{n}"
            take.add(f"phone_{n + 2}", key, other, text_reader(other), few=False)
        self._do(Job(ACCOUNTS, "account", part, take))

    def _whose(self, part: MonthTable, key: str, month: str | None) -> Take:
        take = Take()
        kind = self._mapping.account.id.whole_type
        take.add("account", f"{key}.account", part.account, key_reader(kind), few=False,
                 needed=True)  # fmt: skip
        if month is not None or part.month is None:
            take.add("month", f"{key}.month", Column(value=month), str)
        else:
            take.add("month", f"{key}.month", part.month, month_taker(part.month), needed=True,
                     expected=f"a month as {part.month.format}")  # fmt: skip
        return take

    def _wide(self, part: Any, month: str | None) -> Take:
        take = self._whose(part, "bill", month)
        for code, said in part.items.items():
            self._amount(take, f"item_{code}", f"bill.items.{code}", said)
        self._whole(take, part, "bill")
        return take

    def _whole(self, take: Take, part: WideBill | BillHead, key: str) -> None:
        if part.total:
            self._amount(take, "total", f"{key}.total", part.total)
        left = part.paid and left_of(part.paid, part.to_pay)
        if left:
            self._amount(take, LEFT, f"{key}.paid", left)
        elif part.paid:
            take.add("paid", f"{key}.paid", part.paid, flag_taker(part.paid))
        self._due(take, f"{key}.due", part.due)
        if isinstance(self._mapping.arrears, UnpaidBills):
            self._texts(take, "arrears", self._mapping.arrears)

    def _head(self, part: Any, month: str | None) -> Take:
        take = self._whose(part, "bill.head", month)
        self._whole(take, part, "bill.head")
        return take

    def _items(self, part: Any, month: str | None) -> Take:
        take = self._whose(part, "bill", month)
        number_of = {item: n for n, item in enumerate(part.items)}
        item_of = {code: item for item, codes in part.items.items() for code in codes}
        read = text_reader(part.code)

        def item(value: Any) -> int:
            code = read(value)
            found = item_of.get(code or "", part.rest)
            if found is None:
                raise ValueError(f"not a code of an item: {code!r}")
            return number_of[found]

        take.add("item", "bill.items", part.code, item, expected="a code of [bill.items]")
        self._amount(take, "fen", "bill.amount", part.amount)
        return take

    def _details(self, part: Any, month: str | None) -> Take:
        take = self._whose(part, "details", month)

        def text(said: Column) -> Callable[[Any], str]:
            read = text_reader(said)
            return lambda value: read(value) or ""

        take.add("area_code", "details.area_code", part.area_code, text(part.area_code))
        take.add("other_number", "details.other_number", part.other_number,
                 text(part.other_number), few=False)  # fmt: skip
        columns, read, form = start_taker(self._mapping)
        take.add("started", "details.started", columns, read, few=False, expected=form)
        take.add("seconds", "details.seconds", part.seconds, within_reason(number),
                 expected="whole seconds")  # fmt: skip
        self._amount(take, "charge", "details.charge", part.charge)
        if part.surcharge:
            self._amount(take, "surcharge", "details.surcharge", part.surcharge)
        return take

    def _arrears(self, part: ArrearsTable) -> None:
        take = Take()
        kind = self._mapping.account.id.whole_type
        take.add("account", "arrears.account", part.account, key_reader(kind), few=False,
                 needed=True)  # fmt: skip
        self._amount(take, "amount", "arrears.amount", part.amount, needed=True)
        if part.months:
            take.add("months", "arrears.months", part.months, within_reason(number), needed=True,
                     expected="a count")  # fmt: skip
        if part.month:
            take.add("month", "arrears.month", part.month, month_taker(part.month),
                     expected=f"a month as {part.month.format}")  # fmt: skip
        self._due(take, "arrears.due", part.due)
        self._texts(take, "arrears", part)
        amount = [taken.name for taken in take.taken].index("amount")
        # of bills of which something came in only those count of which something is left
        keep = (lambda row: row[amount] > 0) if part.paid else None
        self._do(Job(ARREARS, "arrears", part, take, keep=keep))

    def _amount(
        self, take: Take, name: str, key: str, said: AmountColumn, *, needed: bool = False
    ) -> None:
        told = said.total if isinstance(said, LeftToPay) else said
        unit = told.unit or self._mapping.unit
        by = said.unit or self._mapping.unit
        if by not in self._amounts:
            self._amounts[by] = Remembered(within_reason(amount_reader(self._mapping, said)))
        take.add(name, key, said, self._amounts[by], needed=needed,
                 expected=f"an amount in {unit}, in whole fen")  # fmt: skip

    def _due(self, take: Take, key: str, said: Any) -> None:
        if said:
            take.add("due", key, said, day_taker(said), expected=f"a date as {said.format}")

    def _texts(self, take: Take, key: str, part: ArrearsTable | UnpaidBills) -> None:
        for name, column in (("product", "product"), ("group", "customer_group")):
            said = getattr(part, name)
            if said:
                take.add(column, f"{key}.{name}", said, text_reader(said))

    def _ready(self) -> None:
        """Note whose months may be spoken."""
        ready = self._mapping.bill.ready
        if isinstance(ready, RunTable):
            take = Take()
            take.add("month", "bill.ready.month", ready.month, month_taker(ready.month),
                     needed=True, expected=f"a month as {ready.month.format}")  # fmt: skip
            self._seen = set()
            self._do(Job(RUNS, "ready", ready, take, keep=self._first_of_month))
            return
        months = sorted(self._seen & self._kept)
        self._new.add("ready", ["month"], [(month,) for month in months])

    def _first_of_month(self, row: tuple[Any, ...]) -> bool:
        new = row[0] in self._kept and row[0] not in self._seen
        self._seen.add(row[0])
        return new

    # -- reading by months -----------------------------------------------------------------------

    def _each_month(
        self,
        part: Any,
        name: str,
        table: str,
        take: Callable[[Any, str | None], Take],
        *,
        only_kept: bool = False,
    ) -> None:
        """Copy a part of which the months kept are wanted, and what else is not paid."""
        paid = None if only_kept or not self._computed else part.paid
        order = self._order_of(part)
        if not part.monthly and self._origin.row is None:
            self._do(Job(name, table, part, take(part, None),
                         where=lambda source: self._of_months(source, part.month, paid),
                         order=order))  # fmt: skip
        elif not part.monthly:
            self._do(Job(name, table, part, made := take(part, None), order=order,
                         keep=self._keeps(made, paid)))  # fmt: skip
        else:
            for month in (*self._months.kept, *(self._months.unpaid if paid else ())):
                if self._origin.has_month(part, month):
                    self._do(self._of_table(part, name, table, take(part, month), month, paid,
                                            order))  # fmt: skip

    @property
    def _computed(self) -> bool:
        return isinstance(self._mapping.arrears, UnpaidBills)

    def _of_table(
        self, part: MonthTable, name: str, table: str, take: Take, month: str,
        paid: PaidColumn | None, order: Any,
    ) -> Job:  # fmt: skip
        """Return the job for the table of one month."""
        unpaid_alone = month not in self._kept

        def where(source: Source) -> Iterable[ColumnElement[bool]]:
            yield from source.is_month(part.month)
            if unpaid_alone and paid:
                yield source.is_unpaid(paid)

        values = dict(MonthWriter(part.month)(month)) if part.month else {}
        return Job(name, table, part, take, month, where, order, values)

    def _of_months(
        self, source: Source, month: MonthColumn | None, paid: PaidColumn | None
    ) -> Iterable[ColumnElement[bool]]:
        if month is None:
            return
        wanted = source.is_in(month, self._months.kept)
        yield or_(wanted, source.is_unpaid(paid)) if paid else wanted

    def _keeps(self, take: Take, paid: PaidColumn | None) -> Callable[[tuple[Any, ...]], bool]:
        names = [taken.name for taken in take.taken]
        month = names.index("month")
        if paid and LEFT in names:
            left = names.index(LEFT)
            return lambda row: (
                row[month] in self._kept or (isinstance(row[left], int) and row[left] > 0)
            )
        flag = names.index("paid") if paid else None
        return lambda row: row[month] in self._kept or (flag is not None and row[flag] == 0)

    def _order_of(self, part: Any) -> Callable[[Source], Iterable[Any]]:
        """Return how call details are put in order; files hold numbers as text."""
        names = getattr(part, "order", ())

        def order(source: Source) -> Iterable[Any]:
            for name in names:
                held = source.value(Column(column=name))
                if self._origin.row is not None:
                    yield cast(held, Float)
                yield held

        return order

    # -- rows ------------------------------------------------------------------------------------

    def _do(self, job: Job) -> None:
        """Carry out one job, batch by batch."""
        origin, take = self._origin, job.take
        source = origin.source(job.of, job.month)
        listed = [*take.columns, *origin.row_columns]
        query = source.select(listed, *job.where(source), limit=None).order_by(*job.order(source))
        phase = f"{job.part} {job.month}" if job.month else job.part
        self._told(phase, 0, 0)
        total, done = origin.count(query, job.values), 0
        names = [taken.name for taken in take.taken]
        with closing(origin.batches(query, job.values)) as batches:
            for rows in batches:
                self._take_over(job, names, rows)
                done += len(rows)
                self._told(phase, done, max(total, done))

    def _take_over(self, job: Job, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        columns, faults = job.take.of(rows)
        if faults:
            self._refuse(job, rows, faults)
        if "month" in names and job.of is self._mapping.bill:
            self._seen.update(columns[names.index("month")])
        made: Iterable[tuple[Any, ...]] = zip(*columns, strict=True)
        if job.keep:
            made = filter(job.keep, made)
        self.written[job.part] += self._new.add(job.table, names, made)
        self.read[job.part] += len(rows)

    def _refuse(self, job: Job, rows: Sequence[Sequence[Any]], faults: Iterable[Fault]) -> None:
        table = self._origin.named(_of_month(job))
        first = self.read[job.part]
        self._new.refuse(
            (
                job.part, table, rows[one.at][-1] if self._origin.row else None, one.account,
                one.month, one.key, one.what, one.expected, first + one.at,
            )
            for one in faults
        )  # fmt: skip


def _of_month(job: Job) -> str:
    return of_month(job.of.table, job.month) if job.month else job.of.table
