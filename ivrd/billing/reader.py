"""What the services ask of the billing database: blocking lookups, each with its own answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from ivrd.billing.accounts import Accounts
from ivrd.billing.arrears import ArrearsRows, Today, owed_of
from ivrd.billing.bills import Readiness, bills_of
from ivrd.billing.breaker import Breaker
from ivrd.billing.database import Database, Run
from ivrd.billing.debtors import Debtors
from ivrd.billing.details import Details
from ivrd.billing.entities import (
    Account,
    Arrears,
    Bill,
    CallDetail,
    Debtor,
    NotReady,
    OwedRow,
    Proof,
)
from ivrd.billing.month_tables import months_between
from ivrd.billing.pool import given_up
from ivrd.billing.server_zone import tell_in
from ivrd.billing.tables import BillingMapping, NarrowBill
from ivrd.errors import BillingError


class BillingReader:
    """Reads the standard entities through a mapping; to be called from any thread.

    Every lookup raises `BillingSlow`, `BillingDown`, or plain `BillingError` where the data is
    not as the mapping says. What is simply not there is None, `NotReady` or empty. `today` says
    which bills are overdue, where arrears are computed from them.
    """

    def __init__(
        self,
        mapping: BillingMapping,
        engine: Engine,
        breaker: Breaker | None = None,
        today: Today | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        zone = ZoneInfo(mapping.zone)
        tell_in(engine, mapping.zone)
        today = today or (lambda: datetime.now(zone).date())
        self.database = Database(engine, breaker, now or (lambda: datetime.now(zone)))
        self._accounts = Accounts(mapping)
        self._bills = bills_of(mapping)
        self._readiness = Readiness(mapping)
        bill = mapping.bill
        head = (bill.head or bill) if isinstance(bill, NarrowBill) else bill
        self._quarters = bool(head.month and head.month.quarter)
        self._details = Details(mapping, mapping.details) if mapping.details else None
        owed = owed_of(mapping)
        self._arrears = ArrearsRows(mapping, owed, today) if owed else None
        self._debtors = Debtors(mapping, owed, today) if owed else None
        self.detail_items = frozenset(mapping.details.of if mapping.details else ())
        """Codes of the items that call details explain."""

    def find_by_phone(self, number: str) -> Account | None:
        """Return the account with this phone number, as the database writes it."""
        return self.database.ask(lambda run: self._accounts.find(run, "phone", number))

    def find_by_agreement(self, number: str) -> Account | None:
        """Return the account with this agreement number."""
        return self.database.ask(lambda run: self._accounts.find(run, "agreement", number))

    def account(self, account_id: str) -> Account | None:
        """Return the account with this id."""
        return self.database.ask(lambda run: self._accounts.find(run, "id", account_id))

    def some_accounts(self) -> list[Account]:
        """Return some accounts, for simulated callers."""
        return self.database.ask(self._accounts.some)

    def proof(self, account_id: str) -> Proof | None:
        """Return what the account's holder can be known by."""
        return self.database.ask(lambda run: self._accounts.proof(run, account_id))

    def bill(self, account_id: str, month: str) -> Bill | NotReady | None:
        """Return the bill of a month ``"YYYY-MM"``.

        `NotReady` where the bill run of that month is not done, None where it is and the
        account has no bill in it. A bill that stands there before its run is done is not read.
        """
        return self.database.ask(lambda run: self._bill(run, account_id, month))

    def bills(self, account_id: str, first: str, last: str) -> list[Bill | NotReady]:
        """Return the bills of the months from `first` to `last`, newest first, in one go.

        A month in which the account has no bill is left out; `NotReady` stands for one whose bill
        run is not done. A bill of three months is there once, for the newest of them.
        """

        def read(run: Run) -> list[Bill | NotReady]:
            found: dict[str, Bill | NotReady] = {}
            for month in months_between(first, last):
                if given_up():
                    raise BillingError("nobody waits for these bills any more")
                bill = None if self._period(month) in found else self._bill(run, account_id, month)
                if bill is not None:
                    found[self._period(month)] = bill
            return list(found.values())

        return self.database.ask(read)

    def _period(self, month: str) -> str:
        """Return what tells the bill of a month from others: the month, or its quarter."""
        return f"{month[:4]}Q{(int(month[5:7]) + 2) // 3}" if self._quarters else month

    def _bill(self, run: Run, account_id: str, month: str) -> Bill | NotReady | None:
        if self._readiness.by_run and not self._readiness.read(run, month):
            return NotReady(month)
        bill = self._bills.read(run, account_id, month)
        if isinstance(bill, NotReady):
            return bill
        if bill is None and not self._readiness.by_run and not self._readiness.read(run, month):
            return NotReady(month)
        return bill

    def details(self, account_id: str, month: str, position: int) -> tuple[CallDetail | None, int]:
        """Return the call at `position` (from 1, oldest first), and how many calls there are."""
        details = self._details
        if details is None:
            return None, 0
        return self.database.ask(
            lambda run: (
                details.read(run, account_id, month, position),
                details.count(run, account_id, month),
            )
        )

    def details_page(
        self, account_id: str, month: str, position: int, most: int
    ) -> tuple[list[CallDetail], int]:
        """Return up to `most` (100 or fewer) calls from `position` on, and how many there are."""
        details = self._details
        if details is None:
            return [], 0
        return self.database.ask(
            lambda run: (
                details.page(run, account_id, month, position, most),
                details.count(run, account_id, month),
            )
        )

    def detail_count(self, account_id: str, month: str) -> int:
        """Return how many calls the details of a month have."""
        details = self._details
        if details is None:
            return 0
        return self.database.ask(lambda run: details.count(run, account_id, month))

    def arrears(self, account_id: str) -> tuple[Arrears, ...]:
        """Return what the account owes, per product and group; empty where nothing."""
        arrears = self._arrears
        if arrears is None:
            return ()
        return self.database.ask(lambda run: arrears.read(run, account_id))

    def debtors(
        self, *, groups: Collection[str] = (), products: Collection[str] = ()
    ) -> Iterator[Debtor]:
        """Yield everybody who owes something, by account, summed over groups and products given.

        The database is asked for a page at a time. Raises plain `BillingError`, too, where the
        mapping has no [arrears] or no telephone numbers.
        """
        return self._scan().debtors(self.database.ask, groups, products)

    def owed_rows(self) -> Iterator[OwedRow]:
        """Yield every row of the arrears table, by account."""
        return self._scan().owed(self.database.ask)

    def _scan(self) -> Debtors:
        if self._debtors is None:
            raise BillingError("the mapping has no [arrears]: it does not say who owes what")
        return self._debtors
