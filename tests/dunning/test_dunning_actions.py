"""What a reminder's flow asks for, on a real store and a real billing database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Table, insert, select, update

from ivrd.assembly import open_billing
from ivrd.billing.mapping import load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import write_sample
from ivrd.config import Config
from ivrd.dunning.actions import FACTS, ReminderSettings, dunning_actions, reminder_facts
from ivrd.dunning.campaign import campaign_from
from ivrd.dunning.campaign_prompts import unspoken
from ivrd.dunning.numbers import NumberPlan
from ivrd.dunning.reminders import reminder_of
from ivrd.enquiry import U_DOWN, U_NONE
from ivrd.events import U_ERR, U_FAIL, U_OK, Json
from ivrd.flow.actions import Answer
from ivrd.flow.load import load_flow
from ivrd.prompts import Voices
from ivrd.resources import FLOWS, PROMPTS
from ivrd.runner import carry_out
from ivrd.store import do_not_call, tables
from ivrd.store.engine import Store, open_store
from ivrd.store.promises import promises_of
from ivrd.store.states import CampaignState, Outcome, PromiseState, TargetState
from tests.flow.shipped import shipped_actions

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
ACCOUNT = "100005"
NUMBER = "+8657188610005"
OTHER = "+8613805710005"


class Desk:
    """The actions, with one campaign, one debtor and one attempt."""

    def __init__(self, folder: Path) -> None:
        self.billing = folder / "billing.db"
        write_sample(self.billing, date(2026, 11, 23), accounts=20)
        self.url = f"sqlite:///{folder / 'store.db'}"
        self.now = NOW
        self.store = open_store(self.url, now=lambda: self.now)
        self.reader = self._reader()
        self.settings = ReminderSettings(SHANGHAI, NumberPlan("86", "0571").e164, can_transfer=True)
        self.actions = dunning_actions(self.reader, self.settings, self.store)
        self.campaign = self._campaign({"choose": {}})
        self.target = self._target([NUMBER])
        self.attempt = self.add_attempt()

    def _reader(self) -> BillingReader:
        config = Config.model_validate(
            {
                "enquiry": {"disclosure": "open"},
                "billing": {"mapping": "telecom", "url": f"sqlite:///{self.billing}"},
                "card": [{"name": "soft", "driver": "software"}],
            }
        )
        return open_billing(config, load_mapping(config.mapping))

    def do(self, name: str, **args: Any) -> Answer:
        """Do an action as a line does: what it raises is U_FAIL."""
        return carry_out(self.actions[name], {"attempt": self.attempt, **args})

    def with_settings(self, **changes: Any) -> None:
        self.settings = replace(self.settings, **changes)
        self.actions = dunning_actions(self.reader, self.settings, self.store)

    def _add(self, table: Table, **values: Any) -> int:
        made = self.store.transact(
            lambda tx: tx.execute(insert(table).values(**values)).inserted_primary_key
        )
        assert made is not None
        return int(made[0]) if isinstance(made[0], int) else 0

    def _campaign(self, more: dict[str, Any]) -> int:
        settings = campaign_from(
            {
                "name": "arrears", "flow": "dunning",
                "caller_id": "170", "languages": ["zh-CN"], "profiles": [], "dials_per_s": 1,
                **more,
            }
        ).settings()  # fmt: skip
        return self._add(
            tables.campaigns, name=settings["name"], kind="dunning",
            state=CampaignState.RUNNING.value, settings=settings, made_at=NOW,
        )  # fmt: skip

    def settings_are(self, **more: Any) -> None:
        """Change the campaign's settings."""

        def job(tx: Any) -> None:
            table = tables.campaigns
            old = tx.execute(select(table.c.settings)).scalar_one()
            tx.execute(update(table).values(settings={**old, **more}))

        self.store.transact(job)

    def _target(self, numbers: list[str]) -> int:
        return self._add(
            tables.targets, campaign=self.campaign, account=ACCOUNT, person=ACCOUNT,
            numbers=numbers, amount_fen=4550, months=2, due=date(2026, 10, 20),
            state=TargetState.CALLING.value, next_at=NOW,
        )  # fmt: skip

    def add_attempt(
        self,
        name: str = "a1",
        outcome: Outcome | None = None,
        began_at: datetime = NOW,
        number: str = NUMBER,
    ) -> str:
        """Write an attempt; open unless it has an outcome."""
        self._add(
            tables.attempts, id=name, campaign=self.campaign, target=self.target,
            account=ACCOUNT, person=ACCOUNT, number=number, caller_id="170", node="n", card="c",
            line=1, began_at=began_at, outcome=outcome.value if outcome else None,
        )  # fmt: skip
        return name

    def rows(self, table: Table) -> list[Any]:
        """Return all rows, as another process sees them."""
        other = open_store(self.url, now=lambda: NOW)
        try:
            return other.read(lambda tx: list(tx.execute(select(table))))
        finally:
            other.close()

    def set_state(self, state: TargetState) -> None:
        self.store.transact(lambda tx: tx.execute(update(tables.targets).values(state=state.value)))

    def billing_says(self, statement: str) -> None:
        with closing(sqlite3.connect(self.billing)) as connection, connection:
            connection.execute(statement)

    def close(self) -> None:
        self.store.close()
        self.reader.database.engine.dispose()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


# -- what is owed ----------------------------------------------------------------------------------


def test_arrears_are_read_anew(desk: Desk) -> None:
    owed: dict[str, Json] = {"amount": 76286, "months": 4, "due": "2026-08-20", "itemised": True}
    assert desk.do("read_arrears") == Answer(U_OK, {"owed": owed})
    desk.billing_says("UPDATE TB_OWE SET OWE_FEE = 1.5 WHERE SERV_ID = 100005")
    answer = desk.do("read_arrears")
    assert answer.data["owed"] == {**owed, "amount": 600}


def test_paid_since_is_settled(desk: Desk) -> None:
    desk.billing_says("DELETE FROM TB_OWE WHERE SERV_ID = 100005")
    assert desk.do("read_arrears").event == "U_SETTLED"


def test_credit_is_no_debt(desk: Desk) -> None:
    desk.billing_says("UPDATE TB_OWE SET OWE_FEE = -1 WHERE SERV_ID = 100005")
    assert desk.do("read_arrears").event == "U_SETTLED"


@pytest.mark.parametrize(
    ("choose", "event"),
    [
        ({"groups": ["HOME"]}, U_OK),
        ({"groups": ["COMPANY"]}, "U_SETTLED"),
        ({"products": ["PSTN"]}, U_OK),
        ({"products": ["ADSL"]}, "U_SETTLED"),
    ],
)
def test_campaign_speaks_of_the_arrears_that_it_chose(
    desk: Desk, choose: dict[str, Any], event: str
) -> None:
    desk.settings_are(choose=choose)
    assert desk.do("read_arrears").event == event


def test_debt_of_a_list_is_the_lists(desk: Desk) -> None:
    desk.settings_are(choose=None, list={"posted_at": "2026-11-22T06:00:00+08:00"})
    owed: dict[str, Json] = {"amount": 4550, "months": 2, "due": "2026-10-20"}
    assert desk.do("read_arrears") == Answer(U_OK, {"owed": owed})
    assert desk.do("read_items").event == U_NONE


def test_database_that_is_away_is_told_apart_from_a_settled_debt(desk: Desk) -> None:
    desk.reader.database.engine.dispose()
    desk.billing.unlink()
    assert desk.do("read_arrears").event == U_DOWN
    assert desk.do("read_items").event == U_DOWN


def test_items_add_up_to_the_debt(desk: Desk) -> None:
    items: Any = desk.do("read_items").data["items"]
    assert sum(item["amount"] for item in items) == 76286
    assert items[0]["name"] == "monthly_rent"


def test_items_that_do_not_add_up_are_not_told(desk: Desk) -> None:
    desk.billing_says("UPDATE TB_OWE SET OWE_FEE = 10 WHERE SERV_ID = 100005")
    assert desk.do("read_items").event == U_NONE


# -- a promise -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyed", "event"),
    [("1201", U_OK), ("1331", U_ERR), ("1122", "U_PAST"), ("0301", "U_TOO_FAR")],
)
def test_day_of_a_promise_is_checked(desk: Desk, keyed: str, event: str) -> None:
    assert desk.do("check_promise", date_keyed=keyed).event == event


def test_latest_day_is_the_campaigns(desk: Desk) -> None:
    desk.settings_are(promise={"most_days_ahead": 3})
    assert desk.do("check_promise", date_keyed="1201").data == {"latest": "2026-11-26"}


def test_day_is_the_debtors_own(desk: Desk) -> None:
    # 02:00 UTC on the 23rd is still the 22nd in Los Angeles
    desk.store.transact(
        lambda tx: tx.execute(update(tables.targets).values(zone="America/Los_Angeles"))
    )
    assert desk.do("check_promise", date_keyed="1122").data == {"promise_date": "2026-11-22"}


def test_promise_is_durable_when_it_is_answered(desk: Desk) -> None:
    args = {"owed.amount": 76286, "promise_date": "2026-12-01"}
    assert desk.do("keep_promise", **args) == Answer(U_OK)
    (row,) = desk.rows(tables.promises)
    assert (row.account, row.attempt, row.campaign) == (ACCOUNT, "a1", desk.campaign)
    assert (row.amount_fen, row.pay_by, row.state) == (76286, date(2026, 12, 1), "open")
    (debtor,) = desk.rows(tables.debtors)
    assert debtor._mapping["class"] == "will_pay"  # noqa: SLF001 - a column with a keyword's name


def test_second_promise_withdraws_the_first(desk: Desk) -> None:
    for day in ("2026-12-01", "2026-12-05"):
        desk.do("keep_promise", **{"owed.amount": 1, "promise_date": day})
    kept = desk.store.read(lambda tx: promises_of(tx, ACCOUNT))
    assert [one.state for one in kept] == [PromiseState.WITHDRAWN, PromiseState.OPEN]


def test_promise_is_whole_or_not_at_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("between the promise and the class")

    monkeypatch.setattr("ivrd.dunning.actions.set_class", breaks)
    args = {"owed.amount": 76286, "promise_date": "2026-12-01"}
    assert desk.do("keep_promise", **args).event == U_FAIL
    assert desk.rows(tables.promises) == []


# -- what the person says --------------------------------------------------------------------------


def test_number_of_who_asks_is_called_no_more_by_anybody(desk: Desk) -> None:
    assert desk.do("stop_calls") == Answer(U_OK)
    (row,) = desk.rows(tables.do_not_call)
    assert (row.number, row.why) == (NUMBER, "asked")
    assert desk.store.read(lambda tx: do_not_call.listed(tx, NUMBER, "another")) is not None


def test_wrong_number_is_wrong_for_this_account_alone(desk: Desk) -> None:
    assert desk.do("number_is_wrong") == Answer(U_OK)
    listed = desk.store.read(
        lambda tx: [do_not_call.listed(tx, NUMBER, one) is None for one in (ACCOUNT, "another")]
    )
    assert listed == [False, True]
    assert [row.task for row in desk.rows(tables.worklist)] == ["find_number"]


def test_no_number_has_to_be_found_where_there_is_another(desk: Desk) -> None:
    desk.store.transact(
        lambda tx: tx.execute(update(tables.targets).values(numbers=[NUMBER, OTHER]))
    )
    desk.do("number_is_wrong")
    assert desk.rows(tables.worklist) == []


@pytest.mark.parametrize(
    ("action", "task"),
    [("says_paid", "check_payment"), ("dispute", "dispute"), ("ask_call_back", "call_back")],
)
def test_what_a_person_has_to_do_is_on_the_worklist(desk: Desk, action: str, task: str) -> None:
    assert desk.do(action) == Answer(U_OK)
    (row,) = desk.rows(tables.worklist)
    assert (row.task, row.account, row.attempt) == (task, ACCOUNT, "a1")
    assert row.due == date(2026, 11, 26), "three days after the call"


@pytest.mark.parametrize("action", ["says_paid", "dispute", "stop_calls", "number_is_wrong"])
def test_what_is_said_twice_stands_there_once(desk: Desk, action: str) -> None:
    desk.do(action)
    desk.do(action)
    assert len(desk.rows(tables.worklist)) <= 1
    assert len(desk.rows(tables.do_not_call)) <= 1


@pytest.mark.parametrize("action", ["says_paid", "stop_calls", "read_arrears", "note_told"])
def test_attempt_that_is_not_there_fails(desk: Desk, action: str) -> None:
    assert desk.do(action, attempt="none").event == U_FAIL
    assert desk.rows(tables.notes) == []


def test_nothing_is_said_to_be_noted_while_the_store_is_away(desk: Desk) -> None:
    desk.store.close()
    for action in ("says_paid", "dispute", "stop_calls", "number_is_wrong", "ask_call_back"):
        assert desk.do(action).event == U_FAIL, action


# -- a debtor rings back ---------------------------------------------------------------------------


def recalled(desk: Desk, caller: str | None = "88610005") -> Answer:
    return desk.do("recall_reminder", caller=caller)


@pytest.fixture
def called(desk: Desk) -> Desk:
    """Return a desk whose debtor was called in vain two days ago."""
    desk.set_state(TargetState.WAITING)
    desk.add_attempt("a0", Outcome.NO_ANSWER, NOW - timedelta(days=2))
    return desk


@pytest.mark.parametrize("caller", ["88610005", "057188610005", "+8657188610005"])
def test_debtor_who_rings_back_is_recognised(called: Desk, caller: str) -> None:
    answer = recalled(called, caller)
    assert answer.event == U_OK
    assert (answer.data["attempt"], answer.data["account"]) == ("a0", ACCOUNT)
    assert answer.data["rings_back"] is True
    assert answer.data["can_transfer"] is True


@pytest.mark.parametrize("caller", ["", None, "88610001", "anonymous", "110", "0044201234567"])
def test_other_callers_are_not(called: Desk, caller: str | None) -> None:
    assert recalled(called, caller) == Answer(U_NONE)


def test_attempt_of_long_ago_is_forgotten(called: Desk) -> None:
    called.now = NOW + timedelta(days=5, seconds=1)
    assert recalled(called).event == U_NONE


def test_ring_back_of_no_days_is_off(called: Desk) -> None:
    called.with_settings(ring_back_days=0)
    assert recalled(called).event == U_NONE


@pytest.mark.parametrize("state", set(TargetState) - {TargetState.WAITING, TargetState.EXHAUSTED})
def test_debtor_who_need_not_be_told_is_not_offered_it(called: Desk, state: TargetState) -> None:
    called.set_state(state)
    assert recalled(called).event == U_NONE


def test_debtor_given_up_is_offered_it_still(called: Desk) -> None:
    called.set_state(TargetState.EXHAUSTED)
    assert recalled(called).event == U_OK


def test_campaign_that_was_stopped_reminds_nobody(called: Desk) -> None:
    called.store.transact(
        lambda tx: tx.execute(update(tables.campaigns).values(state=CampaignState.STOPPED.value))
    )
    assert recalled(called).event == U_NONE


def test_attempt_that_never_rang_is_no_reason_to_ring_back(desk: Desk) -> None:
    desk.set_state(TargetState.WAITING)
    desk.add_attempt("a0", Outcome.LINE_FAULT, NOW - timedelta(days=1))
    assert recalled(desk).event == U_NONE


def test_told_by_ringing_back_is_notified(called: Desk) -> None:
    assert called.do("note_told", attempt="a0") == Answer(U_OK)
    (target,) = called.rows(tables.targets)
    assert (target.state, target.why, target.told_at) == ("notified", "rang_back", NOW)
    assert [row.reason for row in called.rows(tables.decisions)] == ["rang_back"]
    called.do("note_told", attempt="a0")
    assert len(called.rows(tables.decisions)) == 1, "told once"
    assert recalled(called).event == U_NONE


def test_call_under_way_is_closed_by_whoever_placed_it(desk: Desk) -> None:
    assert desk.do("note_told") == Answer(U_OK)
    (target,) = desk.rows(tables.targets)
    assert target.state == "calling"


def test_without_a_store_nobody_is_reminded(desk: Desk) -> None:
    store: Store | None = None
    desk.actions = dunning_actions(desk.reader, desk.settings, store)
    assert recalled(desk).event == U_NONE
    assert desk.do("says_paid").event == U_FAIL


# -- what the flow is told -------------------------------------------------------------------------


def test_facts_are_those_that_the_flow_knows(desk: Desk) -> None:
    reminder = desk.store.read(lambda tx: reminder_of(tx, "a1"))
    facts = reminder_facts(reminder, NUMBER, by_password=True, can_transfer=False)
    assert tuple(facts) == FACTS
    flow = load_flow(FLOWS / "dunning.toml", shipped_actions())
    assert set(flow.knows) == set(FACTS)
    assert None not in facts.values()


def told_of_notice(desk: Desk, **notice: Any) -> tuple[Json, Json, Json]:
    """Return what the flow is told of a notice: prompt, day, and whether it asks for the holder."""
    if notice:
        desk.settings_are(kind="notice", notice=notice)
    reminder = desk.store.read(lambda tx: reminder_of(tx, "a1"))
    facts = reminder_facts(reminder, NUMBER, by_password=False, can_transfer=False)
    return facts["notice"], facts["notice_date"], facts["check_holder"]


def test_notice_is_what_its_campaign_says(desk: Desk) -> None:
    assert told_of_notice(desk) == ("", "", False)
    assert told_of_notice(desk, prompt="notice_supply") == ("notice_supply", "", False)
    whole = {"prompt": "notice_due", "date": "2026-12-01", "to_holder": True}
    assert told_of_notice(desk, **whole) == ("notice_due", "2026-12-01", True)


def test_prompt_that_a_campaign_names_and_nobody_has_recorded_is_told(desk: Desk) -> None:
    voices = Voices(PROMPTS, ["zh-CN", "en-US"], FLOWS / "sentences.toml")
    debt = desk.store.read(lambda tx: reminder_of(tx, "a1")).campaign
    assert unspoken(debt, voices) == []
    supply = campaign_from(
        {**debt.settings(), "kind": "notice", "notice": {"prompt": "notice_supply"}}
    )
    assert unspoken(supply, voices) == []
    misspelt = {"notice": {"prompt": "notice_suply"}, "languages": ["zh-CN", "en-US"]}
    told = unspoken(campaign_from({**supply.settings(), **misspelt}), voices)
    assert [(one.key, one.nearest) for one in told] == [("notice.prompt", "notice_supply")] * 2
    assert all("`ivrd prompts make`" in str(one) for one in told)
    message = debt.message.model_copy(update={"how_to_pay": "how_to_pey"})
    told = unspoken(debt.model_copy(update={"message": message}), voices)
    assert [(one.key, one.nearest) for one in told] == [("message.how_to_pay", "how_to_pay")]


def test_flow_masks_who_is_called() -> None:
    flow = load_flow(FLOWS / "dunning.toml", shipped_actions())
    assert {"account", "caller", "proof"} <= flow.private
