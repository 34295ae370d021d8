"""Switches, the do-not-call list, promises, debtors, notes and the worklist."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from ivrd.store.debtors import Debtor, debtor, debtors_in, set_class
from ivrd.store.do_not_call import WhyListed, add, add_many, entries, listed, remove
from ivrd.store.engine import Store
from ivrd.store.notes import add_note, notes_of
from ivrd.store.promises import (
    close_promise,
    due_promises,
    keep_promise,
    mark_reminded,
    open_promise,
    promises_of,
)
from ivrd.store.states import DebtorClass, PromiseState, Task
from ivrd.store.switches import KILL, all_switches, is_on, set_switch
from ivrd.store.worklist import close_task, open_task, tasks
from tests.store.conftest import NOW

NUMBER, OTHER = "+8613800138000", "+8613800138001"
LATER = NOW + timedelta(hours=1)
DAY = date(2026, 11, 20)

T = TypeVar("T")


@pytest.fixture
def do(any_store: Store) -> Callable[[Callable[[Connection], T]], T]:
    return any_store.transact


Do = Callable[[Callable[[Connection], T]], T]


def test_switch_is_off_until_it_is_set_and_remembers_the_last_word(do: Do[object]) -> None:
    def job(tx: Connection) -> None:
        assert not is_on(tx, KILL)
        set_switch(tx, NOW, KILL, True, "wang", "storm")
        assert is_on(tx, KILL)
        assert not is_on(tx, "line:ivrd:7")
        set_switch(tx, LATER, KILL, False, "li")
        assert not is_on(tx, KILL)
        (switch,) = all_switches(tx).values()
        assert (switch.at, switch.by, switch.why) == (LATER, "li", None)

    do(job)


def test_kill_switch_survives_a_restart(url: str, open_at: Callable[[str], Store]) -> None:
    first = open_at(url)
    first.transact(lambda tx: set_switch(tx, NOW, KILL, True, "wang"))
    first.close()
    assert open_at(url).read(lambda tx: is_on(tx, KILL))


def test_number_that_asked_is_listed_for_everybody(do: Do[object]) -> None:
    def job(tx: Connection) -> None:
        assert add(tx, NOW, NUMBER, WhyListed.ASKED, "call", "A1")
        assert not add(tx, LATER, NUMBER, WhyListed.ASKED, "call", "A2")
        for account in (None, "A1", "A2"):
            found = listed(tx, NUMBER, account)
            assert found is not None
            assert (found.why, found.added_at) == (WhyListed.ASKED, NOW)
        assert listed(tx, OTHER) is None

    do(job)


def test_wrong_number_is_listed_for_its_account_alone(do: Do[object]) -> None:
    def job(tx: Connection) -> None:
        assert add(tx, NOW, NUMBER, WhyListed.WRONG_NUMBER, "call", "A1")
        assert not add(tx, NOW, NUMBER, WhyListed.WRONG_NUMBER, "call", "A1")
        assert listed(tx, NUMBER, "A1")
        assert listed(tx, NUMBER) is not None
        assert listed(tx, NUMBER, "A2") is None
        assert add(tx, NOW, NUMBER, WhyListed.WRONG_NUMBER, "call", "A2")
        assert listed(tx, NUMBER, "A2")

    do(job)


def test_number_taken_off_may_be_called_and_listed_again(do: Do[object]) -> None:
    def job(tx: Connection) -> None:
        add(tx, NOW, NUMBER, WhyListed.ASKED, "call")
        add(tx, NOW, NUMBER, WhyListed.OPERATOR, "wang")
        assert remove(tx, LATER, NUMBER, "li") == 2
        assert remove(tx, LATER, NUMBER, "li") == 0
        assert listed(tx, NUMBER) is None
        assert entries(tx) == []
        assert [(one.removed_at, one.removed_by) for one in entries(tx, removed=True)] == [
            (LATER, "li")
        ] * 2
        assert add(tx, LATER, NUMBER, WhyListed.ASKED, "call")

    do(job)


def test_list_of_many_numbers_is_taken_once_each(do: Do[object]) -> None:
    many = [f"+86138{n:08d}" for n in range(1200)]

    def job(tx: Connection) -> None:
        assert add_many(tx, NOW, [*many[:700], *many[:5]], WhyListed.LIST, "wang") == 700
        assert add_many(tx, NOW, many, WhyListed.LIST, "wang") == 500
        assert len(entries(tx)) == 1200

    do(job)


@pytest.mark.parametrize("number", ["", "13800138000", "+0138", "+86 138", "+" + "1" * 16, "+１２"])
def test_number_that_is_not_e164_is_refused_without_being_told(memory: Store, number: str) -> None:
    for put in (
        lambda tx: add(tx, NOW, number, WhyListed.ASKED, "call"),
        lambda tx: add_many(tx, NOW, [OTHER, number], WhyListed.LIST, "wang"),
    ):
        with pytest.raises(ValueError, match=r"not E\.164$"):
            memory.transact(put)
    assert memory.read(entries) == []


def test_new_promise_withdraws_the_one_before(do: Do[object]) -> None:
    def job(tx: Connection) -> None:
        assert open_promise(tx, "A1") is None
        first = keep_promise(tx, "A1", None, "a1", 100, NOW, DAY)
        other = keep_promise(tx, "A2", None, None, 300, NOW, DAY)
        second = keep_promise(tx, "A1", None, "a2", 200, LATER, DAY + timedelta(days=2))
        found = open_promise(tx, "A1")
        assert found is not None
        assert (found.id, found.amount_fen, found.pay_by) == (second, 200, date(2026, 11, 22))
        assert [(one.id, one.state, one.closed_at) for one in promises_of(tx, "A1")] == [
            (first, PromiseState.WITHDRAWN, LATER),
            (second, PromiseState.OPEN, None),
        ]
        assert [one.id for one in due_promises(tx, DAY)] == [other]
        assert [one.id for one in due_promises(tx, DAY + timedelta(days=2))] == [other, second]

    do(job)


def test_promise_is_closed_once_and_reminded_of(do: Do[object]) -> None:
    def job(tx: Connection) -> None:
        number = keep_promise(tx, "A1", None, None, 100, NOW, DAY)
        mark_reminded(tx, number, LATER)
        assert due_promises(tx, DAY)[0].reminded_at == LATER
        assert close_promise(tx, number, PromiseState.KEPT, LATER)
        assert not close_promise(tx, number, PromiseState.BROKEN, LATER)
        assert open_promise(tx, "A1") is None
        assert due_promises(tx, DAY) == []
        with pytest.raises(ValueError, match="open"):
            close_promise(tx, number, PromiseState.OPEN, LATER)

    do(job)


def test_class_counts_since_it_changed_and_owner_stays(do: Do[object]) -> None:
    def job(tx: Connection) -> None:
        assert debtor(tx, "A1") is None
        set_class(tx, "A1", DebtorClass.AWAY, "wang", NOW, owner="li", next_action="visit")
        set_class(tx, "A1", DebtorClass.AWAY, "call", LATER, next_at=LATER)
        assert debtor(tx, "A1") == Debtor("A1", DebtorClass.AWAY, NOW, "call", "li", None, LATER)
        set_class(tx, "A1", DebtorClass.REFUSES, "wang", LATER)
        (found,) = debtors_in(tx, DebtorClass.REFUSES)
        assert (found.since, found.owner) == (LATER, "li")
        assert debtors_in(tx, DebtorClass.AWAY) == []

    do(job)


def test_notes_are_read_newest_first(do: Do[object]) -> None:
    def job(tx: Connection) -> None:
        for minutes, said in enumerate(["first", "second", "第三"]):
            add_note(tx, "A1", NOW + timedelta(minutes=minutes), "wang", said)
        add_note(tx, "A2", NOW, "call", "other", "a1")
        assert [one.text for one in notes_of(tx, "A1", 2)] == ["第三", "second"]
        assert notes_of(tx, "A2")[0].attempt == "a1"
        with pytest.raises(ValueError, match="empty"):
            add_note(tx, "A1", NOW, "wang", "  ")

    do(job)


def test_task_is_open_once_and_the_earlier_day_counts(do: Do[object]) -> None:
    def job(tx: Connection) -> None:
        first = open_task(tx, "A1", Task.VISIT, NOW, DAY, owner="li", text="gate 3")
        assert open_task(tx, "A1", Task.VISIT, NOW, DAY + timedelta(days=3)) == first
        assert open_task(tx, "A1", Task.VISIT, NOW, DAY - timedelta(days=3)) == first
        letter = open_task(tx, "A1", Task.LETTER, NOW, DAY)
        assert [(one.id, one.due.day) for one in tasks(tx)] == [(first, 17), (letter, 20)]
        assert [one.id for one in tasks(tx, owner="li")] == [first]
        assert [one.id for one in tasks(tx, account="A1", due_by=date(2026, 11, 19))] == [first]
        assert tasks(tx, account="A2") == []
        assert close_task(tx, first, LATER, "wang", "nobody in")
        assert not close_task(tx, first, LATER, "wang")
        assert [one.id for one in tasks(tx)] == [letter]
        assert [one.result for one in tasks(tx, done=True)] == ["nobody in", None]
        assert open_task(tx, "A1", Task.VISIT, LATER, DAY) not in {first, letter}

    do(job)
