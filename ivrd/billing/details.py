"""Call details (详细话单), one call by its position."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Integer, bindparam, func, select

from ivrd.billing.bills import amount_reader
from ivrd.billing.database import Run
from ivrd.billing.entities import CallDetail
from ivrd.billing.mapping import BillingMapping, DetailTable
from ivrd.billing.statements import Fields, MonthWriter, Source, as_key
from ivrd.billing.values import Pattern, clock_time_of, day_of, instant_of, number, text_of
from ivrd.errors import BillingError


class Details:
    """The table of call details of a mapping."""

    def __init__(self, mapping: BillingMapping, part: DetailTable) -> None:
        source, fields = Source(mapping, part), Fields()

        def add(key: str, column: str, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
            return fields.add(f"details.{key}", column, read)

        self._zone = ZoneInfo(mapping.zone)
        self._area = add("area_code", part.area_code.column, text_of)
        self._other = add("other_number", part.other_number.column, text_of)
        self._seconds = add("seconds", part.seconds.column, number)
        self._charge = add("charge", part.charge.column, amount_reader(mapping, part.charge))
        self._surcharge: Callable[[Any], int] = lambda _: 0
        if part.surcharge:
            reader = amount_reader(mapping, part.surcharge)
            self._surcharge = add("surcharge", part.surcharge.column, reader)
        self._started = self._start_reader(part, add)
        same = (source.is_account(part.account.column), source.is_month(part.month))
        every = source.select(fields.columns, *same, limit=None)
        order = [source.column(name) for name in part.order]
        self._row = every.order_by(*order).limit(1).offset(bindparam("skip", type_=Integer()))
        self._count = select(func.count()).select_from(every.subquery())
        self._month = MonthWriter(part.month)
        self._kind = mapping.account.id.type

    def _start_reader(self, part: DetailTable, add: Any) -> Callable[[Any], datetime]:
        if part.started:
            pattern = Pattern(part.started.format)
            begun: Callable[[Any], datetime] = add(
                "started", part.started.column, lambda value: instant_of(value, pattern)
            )
            return begun
        assert part.date  # noqa: S101 - the mapping was checked: without started there are both
        assert part.time  # noqa: S101 - as above
        of_day, of_time = Pattern(part.date.format), Pattern(part.time.format)
        day = add("date", part.date.column, lambda value: day_of(value, of_day))
        clock_time = add("time", part.time.column, lambda value: clock_time_of(value, of_time))

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
        rows = run(self._row, {**self._values(account_id, month), "skip": position - 1})
        if not rows:
            return None
        row, started = rows[0], self._started(rows[0])
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
        return int(run(self._count, self._values(account_id, month))[0][0])

    def _values(self, account_id: str, month: str) -> dict[str, object]:
        return {"account": as_key(account_id, self._kind), "month": self._month(month)}
