"""What a reminder's flow may ask for (product D3, D6, E8).

What a person is told to be done is in the store by then: each action that notes something
answers U_OK after its transaction has been committed, and not before. An attempt's id says
whose account it is, which campaign's and which number's; the store's row is what counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ivrd.billing.reader import BillingReader
from ivrd.dunning.debts import Debt, debt_of, items_of
from ivrd.dunning.numbers import NumberProblem
from ivrd.dunning.promised_day import Past, TooFar, read_day
from ivrd.dunning.reminders import (
    DISPUTES,
    SAYS_PAID,
    Reminder,
    end_rung_back,
    find_reminder,
    reminder_of,
    tell_rung_back,
)
from ivrd.dunning.retry import Why
from ivrd.enquiry import U_DOWN, U_NONE, U_SLOW, told_apart
from ivrd.errors import StoreDown
from ivrd.events import U_ERR, U_OK, Data, Json
from ivrd.flow.actions import Action, Answer, Shape, registry
from ivrd.store import do_not_call
from ivrd.store.debtors import set_class
from ivrd.store.do_not_call import WhyListed
from ivrd.store.engine import Store
from ivrd.store.notes import add_note
from ivrd.store.promises import keep_promise
from ivrd.store.states import DebtorClass, TargetState, Task
from ivrd.store.worklist import open_task

U_SETTLED = "U_SETTLED"
"""Nothing is owed any more."""

U_PAST = "U_PAST"
"""The day keyed lies in the past."""

U_TOO_FAR = "U_TOO_FAR"
"""The day keyed is later than the campaign takes for a promise."""

BY = "ivrd"
"""Who wrote what a call has noted."""

FACTS = (
    "attempt", "account", "caller", "message_times", "how_to_pay", "confirm_by_digits",
    "by_password", "can_transfer", "notice", "notice_date", "check_holder", "rings_back",
)  # fmt: skip
"""What a reminder's flow is told at the start of a call; fsm_specs/dunning.toml says of each
what it means."""

_OWED: Shape = {"amount": "fen", "months": "integer", "due?": "date", "itemised?": "true"}
_RECALLED: Shape = {
    "attempt": "text",
    "account": "text",
    "message_times": "integer",
    "how_to_pay": "text",
    "confirm_by_digits": "true",
    "can_transfer": "true",
    "notice": "text",
    "notice_date": "text",
    "check_holder": "true",
    "rings_back": "true",
}

Job: TypeAlias = Callable[[Connection, Reminder, datetime], None]
"""What is written down of a reminder at an instant, in one transaction."""


@dataclass(frozen=True, slots=True)
class ReminderSettings:
    """What ivrd.toml says for reminders.

    `home` is the node's zone, for debtors without one of their own. `e164` brings a caller's
    number into E.164 and raises `NumberProblem`. Within `ring_back_days` after an attempt the
    person called is offered the message when they ring back; 0 is never. A task of the worklist
    is due `task_days` after the call that made it.
    """

    home: ZoneInfo
    e164: Callable[[str], str]
    ring_back_days: int = 7
    task_days: int = 3
    can_transfer: bool = False


def dunning_actions(
    reader: BillingReader, settings: ReminderSettings, store: Store | None
) -> dict[str, Action]:
    """Return every action of reminders by name.

    Without a store nobody is reminded: `recall_reminder` then finds nobody, all others fail.
    """
    desk = _Desk(reader, settings, store)
    lost: dict[str, Shape] = {U_SLOW: {}, U_DOWN: {}}
    return registry(
        Action(
            "read_arrears",
            takes=("attempt",),
            answers={U_OK: {"owed": _OWED}, U_SETTLED: {}, **lost},
            do=told_apart(desk.read_arrears),
        ),
        Action(
            "read_items",
            takes=("attempt",),
            answers={U_OK: {"items": [{"name": "text", "amount": "fen"}]}, U_NONE: {}, **lost},
            do=told_apart(desk.read_items),
        ),
        Action(
            "check_promise",
            takes=("attempt", "date_keyed"),
            answers={
                U_OK: {"promise_date": "date"},
                U_ERR: {},
                U_PAST: {},
                U_TOO_FAR: {"latest": "date"},
            },
            do=desk.check_promise,
        ),
        Action(
            "keep_promise",
            takes=("attempt", "owed.amount", "promise_date"),
            answers={U_OK: {}},
            do=desk.keep_promise,
        ),
        _noting("says_paid", desk.says_paid),
        _noting("dispute", desk.dispute),
        _noting("stop_calls", desk.stop_calls),
        _noting("number_is_wrong", desk.number_is_wrong),
        _noting("ask_call_back", desk.ask_call_back),
        _noting("note_told", desk.note_told),
        Action(
            "recall_reminder",
            takes=("caller",),
            answers={U_OK: _RECALLED, U_NONE: {}},
            do=desk.recall,
            private=frozenset({"caller", "account"}),
        ),
    )


def _noting(name: str, do: Callable[[Data], Answer]) -> Action:
    return Action(name, takes=("attempt",), answers={U_OK: {}}, do=do)


def reminder_facts(
    reminder: Reminder,
    number: str,
    *,
    by_password: bool,
    can_transfer: bool,
    rings_back: bool = False,
) -> dict[str, Json]:
    """Return `FACTS` of a call about a reminder with the far end `number`, in E.164."""
    campaign = reminder.campaign
    notice = campaign.notice if campaign.kind == "notice" else None
    return {
        "attempt": reminder.attempt,
        "account": reminder.account,
        "caller": number,
        "message_times": campaign.message.times,
        "how_to_pay": campaign.message.how_to_pay,
        "confirm_by_digits": campaign.message.confirm == "digits",
        "by_password": by_password,
        "can_transfer": can_transfer,
        "notice": notice.prompt if notice else "",
        "notice_date": notice.date.isoformat() if notice and notice.date else "",
        "check_holder": notice is not None and notice.to_holder,
        "rings_back": rings_back,
    }


class _Desk:
    """Does the actions; blocking, from any thread."""

    def __init__(
        self, reader: BillingReader, settings: ReminderSettings, store: Store | None
    ) -> None:
        self._reader = reader
        self._settings = settings
        self._store = store

    # -- what is owed --------------------------------------------------------------------------

    def read_arrears(self, args: Data) -> Answer:
        debt = self._debt(self._reminder(args))
        if debt is None:
            return Answer(U_SETTLED)
        owed: dict[str, Json] = {"amount": debt.amount_fen, "months": debt.months}
        if debt.due is not None:
            owed["due"] = debt.due.isoformat()
        if debt.live:
            owed["itemised"] = True
        return Answer(U_OK, {"owed": owed})

    def read_items(self, args: Data) -> Answer:
        reminder = self._reminder(args)
        debt = self._debt(reminder)
        if debt is None or not debt.live:
            return Answer(U_NONE)
        items = items_of(self._reader, reminder.account, debt, self._today(reminder))
        if not items:
            return Answer(U_NONE)
        rows: list[Json] = [{"name": item.code, "amount": item.amount_fen} for item in items]
        return Answer(U_OK, {"items": rows})

    def _debt(self, reminder: Reminder) -> Debt | None:
        return debt_of(self._reader.arrears, reminder)

    # -- a promise -----------------------------------------------------------------------------

    def check_promise(self, args: Data) -> Answer:
        reminder = self._reminder(args)
        most_days = reminder.campaign.promise.most_days_ahead
        found = read_day(str(args["date_keyed"]), self._today(reminder), most_days)
        if isinstance(found, Past):
            return Answer(U_PAST)
        if isinstance(found, TooFar):
            return Answer(U_TOO_FAR, {"latest": found.latest.isoformat()})
        return Answer(U_OK, {"promise_date": found.isoformat()}) if found else Answer(U_ERR)

    def keep_promise(self, args: Data) -> Answer:
        pay_by = date.fromisoformat(str(args["promise_date"]))
        amount_fen = args["owed.amount"]
        if not isinstance(amount_fen, int):
            raise TypeError("the amount of a promise is not in whole fen")

        def job(tx: Connection, reminder: Reminder, now: datetime) -> None:
            keep_promise(
                tx, reminder.account, reminder.campaign_id, reminder.attempt, amount_fen, now,
                pay_by,
            )  # fmt: skip
            set_class(tx, reminder.account, DebtorClass.WILL_PAY, BY, now)

        return self._noted(args, job)

    # -- what the person says ------------------------------------------------------------------

    def says_paid(self, args: Data) -> Answer:
        def job(tx: Connection, reminder: Reminder, now: datetime) -> None:
            add_note(tx, reminder.account, now, BY, SAYS_PAID, reminder.attempt)
            set_class(tx, reminder.account, DebtorClass.WILL_PAY, BY, now)
            self._open_task(tx, reminder, Task.CHECK_PAYMENT, now)
            end_rung_back(tx, reminder, now, TargetState.NOTIFIED, Why.SAYS_PAID)

        return self._noted(args, job)

    def dispute(self, args: Data) -> Answer:
        def job(tx: Connection, reminder: Reminder, now: datetime) -> None:
            add_note(tx, reminder.account, now, BY, DISPUTES, reminder.attempt)
            self._open_task(tx, reminder, Task.DISPUTE, now)
            end_rung_back(tx, reminder, now, TargetState.EXCLUDED, Why.DISPUTE)

        return self._noted(args, job)

    def stop_calls(self, args: Data) -> Answer:
        def job(tx: Connection, reminder: Reminder, now: datetime) -> None:
            do_not_call.add(tx, now, reminder.number, WhyListed.ASKED, BY, reminder.account)
            add_note(tx, reminder.account, now, BY, "asks for no more calls", reminder.attempt)

        return self._noted(args, job)

    def number_is_wrong(self, args: Data) -> Answer:
        def job(tx: Connection, reminder: Reminder, now: datetime) -> None:
            do_not_call.add(tx, now, reminder.number, WhyListed.WRONG_NUMBER, BY, reminder.account)
            add_note(tx, reminder.account, now, BY, "the number is wrong", reminder.attempt)
            if not reminder.other_numbers:
                self._open_task(tx, reminder, Task.FIND_NUMBER, now)

        return self._noted(args, job)

    def ask_call_back(self, args: Data) -> Answer:
        def job(tx: Connection, reminder: Reminder, now: datetime) -> None:
            self._open_task(tx, reminder, Task.CALL_BACK, now)

        return self._noted(args, job)

    def note_told(self, args: Data) -> Answer:
        return self._noted(args, tell_rung_back)

    def _open_task(self, tx: Connection, reminder: Reminder, task: Task, now: datetime) -> None:
        due = self._day(now, reminder) + timedelta(days=self._settings.task_days)
        open_task(
            tx, reminder.account, task, now, due,
            campaign=reminder.campaign_id, attempt=reminder.attempt,
        )  # fmt: skip

    # -- a debtor rings back (E8) --------------------------------------------------------------

    def recall(self, args: Data) -> Answer:
        days = self._settings.ring_back_days
        if self._store is None or not days:
            return Answer(U_NONE)
        try:
            number = self._settings.e164(str(args["caller"] or ""))
        except NumberProblem:
            return Answer(U_NONE)
        now = self._store.now()
        since = now - timedelta(days=days)
        reminder = self._store.read(lambda tx: find_reminder(tx, number, since, now))
        if reminder is None:
            return Answer(U_NONE)
        facts = reminder_facts(
            reminder, number, by_password=False, can_transfer=self._settings.can_transfer,
            rings_back=True,
        )  # fmt: skip
        return Answer(U_OK, {name: facts[name] for name in _RECALLED})

    # -- the store -----------------------------------------------------------------------------

    def _noted(self, args: Data, job: Job) -> Answer:
        """Write down what `job` does, all or nothing, and answer once it is durable."""
        attempt, store = str(args["attempt"]), self._opened()
        now = store.now()

        def whole(tx: Connection) -> None:
            job(tx, reminder_of(tx, attempt), now)

        store.transact(whole)
        return Answer(U_OK)

    def _reminder(self, args: Data) -> Reminder:
        attempt = str(args["attempt"])
        return self._opened().read(lambda tx: reminder_of(tx, attempt))

    def _opened(self) -> Store:
        if self._store is None:
            raise StoreDown("there is no store")
        return self._store

    def _today(self, reminder: Reminder) -> date:
        return self._day(self._opened().now(), reminder)

    def _day(self, now: datetime, reminder: Reminder) -> date:
        """Return the day on the debtor's calendar."""
        return now.astimezone(reminder.zone or self._settings.home).date()
