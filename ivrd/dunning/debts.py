"""What a debtor owes at this moment: from the billing data, or from the campaign's list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from ivrd.billing.entities import Arrears, Bill, BillItem
from ivrd.billing.reader import BillingReader
from ivrd.dunning.campaign_form import Choose
from ivrd.dunning.reminders import Reminder

MONTHS_BACK = 36
"""Unpaid bills are looked for so many months back."""


@dataclass(frozen=True, slots=True)
class Debt:
    """What is owed: `months` is the number of unpaid bills, `due` the earliest of their dates.

    `live` says that it comes from the billing data, which knows the charges behind it.
    """

    amount_fen: int
    months: int
    due: date | None
    live: bool


def meant(choose: Choose, rows: Sequence[Arrears]) -> list[Arrears]:
    """Return those of an account's arrears that a campaign speaks of, by product and group."""
    return [
        one
        for one in rows
        if (not choose.groups or one.group in choose.groups)
        and (not choose.products or one.product in choose.products)
    ]


def debt_of(arrears: Callable[[str], tuple[Arrears, ...]], reminder: Reminder) -> Debt | None:
    """Return what is owed now, None where nothing is. Raises `BillingError`.

    A campaign that chose its debtors by product or group speaks of those arrears alone.
    """
    choose = reminder.campaign.choose
    if choose is None:
        listed = reminder.listed
        return Debt(listed.amount_fen, listed.months, listed.due, live=False)
    rows = meant(choose, arrears(reminder.account))
    amount_fen = sum(one.amount_fen for one in rows)
    if amount_fen <= 0:
        return None
    dues = [one.due for one in rows if one.due]
    # bills of several products are of the same months
    return Debt(amount_fen, max(one.months for one in rows), min(dues, default=None), live=True)


def items_of(reader: BillingReader, account: str, debt: Debt, today: date) -> tuple[BillItem, ...]:
    """Return the charges behind a debt, summed by item over the unpaid bills.

    Empty where they do not add up to it, as after a payment in part: charges that sum to
    something else explain nothing. Raises `BillingError`.
    """
    sums: dict[str, int] = {}
    for bill in _unpaid(reader, account, debt.months, today):
        for item in bill.items:
            sums[item.code] = sums.get(item.code, 0) + item.amount_fen
    if sum(sums.values()) != debt.amount_fen:
        return ()
    return tuple(BillItem(code, fen) for code, fen in sums.items() if fen)


def _unpaid(reader: BillingReader, account: str, most: int, today: date) -> Iterator[Bill]:
    """Yield the latest unpaid bills; one of which nothing is said counts as unpaid."""
    left, last = most, today.year * 12 + today.month - 1
    for month in range(last, last - MONTHS_BACK - 1, -1):
        if not left:
            return
        bill = reader.bill(account, f"{month // 12:04}-{month % 12 + 1:02}")
        if isinstance(bill, Bill) and not bill.paid:
            left -= 1
            yield bill
