"""Call details (详细话单): one call by its position, or a page of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Integer, Select, bindparam, func, select

from ivrd.billing.columns import Column
from ivrd.billing.database import Run
from ivrd.billing.entities import CallDetail
from ivrd.billing.keys import AccountKey
from ivrd.billing.readers import amount_reader, day_reader, text_reader
from ivrd.billing.statements import Fields, MonthQuery, Source
from ivrd.billing.tables import BillingMapping, DetailTable
from ivrd.billing.values import Pattern, clock_time_of, instant_of, number
from ivrd.errors import BillingError

PAGE = 100
"""Calls that are read in one go, at most."""


class Details:
    """The table of call details of a mapping."""

    def __init__(self, mapping: BillingMapping, part: DetailTable) -> None:
        fields = Fields()

        def add(key: str, column: Column, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
            return fields.add(f"details.{key}", column, read)

        self._zone = ZoneInfo(mapping.zone)
        self._area = add("area_code", part.area_code, text_reader(part.area_code))
        self._other = add("other_number", part.other_number, text_reader(part.other_number))
        self._seconds = add("seconds", part.seconds, number)
        self._charge = add("charge", part.charge, amount_reader(mapping, part.charge))
        self._surcharge: Callable[[Any], int] = lambda _: 0
        if part.surcharge:
            reader = amount_reader(mapping, part.surcharge)
            self._surcharge = add("surcharge", part.surcharge, reader)
        self._started = self._start_reader(part, add)

        def every(source: Source) -> Select[Any]:
            same = (source.is_account(part.account), *source.is_month(part.month))
            return source.select(fields.columns, *same, limit=None)

        def rows(source: Source, most: int) -> Select[Any]:
            order = [source.value(Column(column=name)) for name in part.order]
            skip = bindparam("skip", type_=Integer(), required=False)
            return every(source).order_by(*order).limit(most).offset(skip)

        def count(source: Source) -> Select[Any]:
            return select(func.count()).select_from(every(source).subquery())

        self._row = MonthQuery(mapping, part, part.month, lambda source: rows(source, 1))
        self._page = MonthQuery(mapping, part, part.month, lambda source: rows(source, PAGE))
        self._count = MonthQuery(mapping, part, part.month, count)
        self._key = AccountKey(mapping)

    def _start_reader(self, part: DetailTable, add: Any) -> Callable[[Any], datetime]:
        if part.started:
            pattern = Pattern(part.started.format)
            begun: Callable[[Any], datetime] = add(
                "started", part.started, lambda value: instant_of(value, pattern)
            )
            return begun
        assert part.date  # noqa: S101 - the mapping was checked: without started there are both
        assert part.time  # noqa: S101 - as above
        of_time = Pattern(part.time.format)
        day = add("date", part.date, day_reader(part.date))
        clock_time = add("time", part.time, lambda value: clock_time_of(value, of_time))

        def both(row: Any) -> datetime:
            when = day(row)
            if when is None:
                raise BillingError("details.date: a call without a date")
            return datetime.combine(when, clock_time(row))

        return both

    def read(self, run: Run, account_id: str, month: str, position: int) -> CallDetail | None:
        """Return the call at `position`, counted from 1, oldest first; None past the end."""
        if position < 1:
            return None
        key = self._key.values(account_id)
        rows = self._row.rows(run, month, **key, skip=position - 1)
        return self._detail(rows[0], position) if rows else None

    def page(
        self, run: Run, account_id: str, month: str, position: int, most: int
    ) -> list[CallDetail]:
        """Return up to `most` calls, no more than `PAGE`, from `position` on; oldest first."""
        if position < 1:
            return []
        key = self._key.values(account_id)
        rows = self._page.rows(run, month, **key, skip=position - 1) or ()
        return [self._detail(row, position + n) for n, row in enumerate(rows[:most])]

    def _detail(self, row: Any, position: int) -> CallDetail:
        started = self._started(row)
        return CallDetail(
            position=position,
            area_code=self._area(row) or "",
            other_number=self._other(row) or "",
            started=started if started.tzinfo else started.replace(tzinfo=self._zone),
            seconds=self._seconds(row),
            charge_fen=self._charge(row),
            surcharge_fen=self._surcharge(row),
        )

    def count(self, run: Run, account_id: str, month: str) -> int:
        """Return how many calls there are."""
        rows = self._count.rows(run, month, **self._key.values(account_id))
        return int(rows[0][0]) if rows else 0
