"""A store with one campaign and a few debtors, and a gate above it, for tests of the gate."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, insert, select, update

from ivrd.card import DialPermit
from ivrd.dunning.case import Case, GateRules, Held, Holidays
from ivrd.dunning.gate import Gate
from ivrd.dunning.holiday_calendar import HolidayCalendar, calendar_of
from ivrd.dunning.hours import Windows
from ivrd.dunning.numbers import NumberPlan
from ivrd.dunning.policy import ready_policies
from ivrd.store import tables
from ivrd.store.engine import Store, open_store
from ivrd.store.states import CampaignState, Outcome, TargetState

T = TypeVar("T")

SHANGHAI = ZoneInfo("Asia/Shanghai")
TUESDAY = datetime(2026, 11, 24, 10, 0, tzinfo=SHANGHAI)
"""An open hour of a plain workday."""

DEFAULT = Windows.of(
    {
        **dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), ("09:30-12:00", "15:00-20:00")),
        **dict.fromkeys(("sat", "sun"), ("10:30-12:00", "15:00-20:00")),
    }
)
PLAN = NumberPlan("86", "010")
CALENDAR = calendar_of("CN")
POLICIES = ready_policies()


@dataclass(frozen=True)
class Debtor:
    """A target, and what a case says of it."""

    target: int
    account: str
    person: str
    numbers: tuple[str, ...]
    campaign: int


@cache
def _store() -> Store:
    """Return one store for all tests of a run: making the tables takes longer than the tests."""
    return open_store("sqlite://", now=lambda: TUESDAY)


def _emptied(tx: Connection) -> None:
    for table in reversed(tables.metadata.sorted_tables):
        tx.execute(table.delete())


class World:
    """One campaign with debtors; every question is a transaction of its own."""

    def __init__(
        self,
        rules: GateRules | None = None,
        *,
        calendar: HolidayCalendar = CALENDAR,
        plan: NumberPlan = PLAN,
        kind: str = "dunning",
        store: Store | None = None,
    ) -> None:
        self.store = store or _store()
        self.do(_emptied)
        self.gate = Gate(rules or GateRules(POLICIES), plan, calendar)
        self.kind = kind
        self.serial = itertools.count(1)
        self.campaign = self.another_campaign("arrears")

    def do(self, job: Callable[[Connection], T]) -> T:
        """Do something to the store in a transaction."""
        return self.store.transact(job)

    def another_campaign(self, name: str) -> int:
        """Add a campaign that runs."""
        values = {
            "name": name, "kind": self.kind, "state": CampaignState.RUNNING.value,
            "settings": {}, "made_at": TUESDAY,
        }  # fmt: skip
        made = self.do(lambda tx: tx.execute(insert(tables.campaigns).values(values)))
        assert made.inserted_primary_key is not None
        return int(made.inserted_primary_key[0])

    def debtor(
        self,
        *numbers: str,
        person: str | None = None,
        account: str | None = None,
        due_at: datetime = datetime(2020, 1, 1, tzinfo=UTC),
        campaign: int | None = None,
    ) -> Debtor:
        """Add a debtor who waits to be called."""
        serial = next(self.serial)
        found = Debtor(
            0, account or f"A{serial}", person or f"P{serial}",
            numbers or (f"+86108861{serial:04}",), campaign or self.campaign,
        )  # fmt: skip
        values = {
            "campaign": found.campaign, "account": found.account, "person": found.person,
            "numbers": list(found.numbers), "amount_fen": 10000, "months": 1,
            "state": TargetState.WAITING.value, "next_at": due_at,
        }  # fmt: skip
        made = self.do(lambda tx: tx.execute(insert(tables.targets).values(values)))
        assert made.inserted_primary_key is not None
        return replace(found, target=int(made.inserted_primary_key[0]))

    def case(self, debtor: Debtor, now: datetime = TUESDAY, **changes: Any) -> Case:
        """Return the case of a debtor, as it is read right before the dial."""
        return replace(
            Case(
                attempt=f"a{next(self.serial)}", campaign=debtor.campaign, target=debtor.target,
                account=debtor.account, person=debtor.person, debt=debtor.account,
                number=debtor.numbers[0], zone=SHANGHAI, caller_id="170", node="n", card="soft",
                line=5, windows=DEFAULT, kind="dunning", holidays=Holidays.CLOSED, owed_fen=10000,
                read_at=now,
            ),
            **changes,
        )  # fmt: skip

    def ask(self, case: Case, now: datetime = TUESDAY) -> DialPermit | Held:
        """Ask the gate, and commit."""
        return self.do(lambda tx: self.gate.permit(tx, case, now))

    def held(self, case: Case, now: datetime = TUESDAY) -> Held:
        """Ask the gate, which must hold the case and write nothing."""
        before = self.rows()
        answer = self.ask(case, now)
        assert isinstance(answer, Held), "it was let through"
        assert self.rows() == before, "nothing was written"
        return answer

    def permitted(self, case: Case, now: datetime = TUESDAY) -> DialPermit:
        """Ask the gate, which must let the case through."""
        answer = self.ask(case, now)
        assert isinstance(answer, DialPermit), answer
        return answer

    def close(self, attempt: str, outcome: Outcome, debtor: Debtor, due_at: datetime) -> None:
        """Close an attempt as the end of a call does, the debtor waiting again."""

        def job(tx: Connection) -> None:
            tx.execute(
                update(tables.attempts)
                .where(tables.attempts.c.id == attempt)
                .values(outcome=outcome.value, ended_at=due_at)
            )
            tx.execute(tables.reservations.delete().where(tables.reservations.c.attempt == attempt))
            tx.execute(
                update(tables.targets)
                .where(tables.targets.c.id == debtor.target)
                .values(state=TargetState.WAITING.value, next_at=due_at)
            )

        self.do(job)

    def called(
        self,
        debtor: Debtor,
        at: datetime,
        outcome: Outcome | None = Outcome.NO_ANSWER,
        *,
        effective: bool = False,
        day: date | None = None,
        number: str | None = None,
    ) -> str:
        """Write an earlier call into the books, without the gate; None: still under way."""
        attempt = f"old{next(self.serial)}"
        number = number or debtor.numbers[0]

        def job(tx: Connection) -> None:
            tx.execute(
                insert(tables.attempts).values(
                    id=attempt, campaign=debtor.campaign, target=debtor.target,
                    account=debtor.account, person=debtor.person, number=number, caller_id="170",
                    node="n", card="soft", line=5, began_at=at,
                    outcome=outcome.value if outcome else None,
                )
            )  # fmt: skip
            tx.execute(
                insert(tables.ledger).values(
                    attempt=attempt, at=at, day=day or at.astimezone(SHANGHAI).date(),
                    person=debtor.person, number=number, debt=debtor.account, effective=effective,
                )
            )  # fmt: skip

        self.do(job)
        return attempt

    def set_target(self, debtor: Debtor, **values: Any) -> None:
        """Change a target's row."""
        self.do(
            lambda tx: tx.execute(
                update(tables.targets).where(tables.targets.c.id == debtor.target).values(**values)
            )
        )

    def rows(self) -> dict[str, int]:
        """Return how many rows each table that the gate writes has, and how many are calling."""

        def count(tx: Connection) -> dict[str, int]:
            counted = {
                table.name: int(tx.execute(select(func.count()).select_from(table)).scalar_one())
                for table in (tables.attempts, tables.reservations, tables.ledger)
            }
            calling = select(func.count()).where(
                tables.targets.c.state == TargetState.CALLING.value
            )
            return {**counted, "calling": int(tx.execute(calling).scalar_one())}

        return self.do(count)

    def reserved(self) -> Sequence[str]:
        """Return the keys that are reserved."""
        return self.do(lambda tx: list(tx.execute(select(tables.reservations.c.key)).scalars()))


def minutes(count: float) -> timedelta:
    """Return a length of time."""
    return timedelta(minutes=count)
