"""Reports: what is in them, what filters leave out, how they count, that they stream."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert
from sqlalchemy.engine import Connection

from ivrd.dunning import effect, reports
from ivrd.dunning.ages import Age, AgeTable, Amount
from ivrd.dunning.ages_report import AGES, age_report
from ivrd.dunning.columns import (
    CAMPAIGN_STATES,
    CLASSES,
    OUTCOMES,
    PERSONS,
    PROMISE_STATES,
    TARGET_STATES,
    TASKS,
    WIDE,
    Report,
)
from ivrd.dunning.reports import Which
from ivrd.store import states, tables
from tests.dunning.report_rows import (
    NOW,
    attempt,
    campaign,
    hours,
    one_store,
    promise,
    target,
    task,
    tx,
)
from tests.store.conftest import postgres

__all__ = ["one_store", "postgres", "tx"]

ZONE = ZoneInfo("Asia/Shanghai")
A, B = "+8657188610001", "+8657188610002"


def column(report: Report, name: str) -> list[object]:
    at = [column.name for column in report.columns].index(name)
    return [row[at] for row in report.rows]


def called(tx: Connection) -> int:
    """Make a campaign with four attempts on two debtors."""
    of = campaign(tx)
    one, two = target(tx, of, "1001", A), target(tx, of, "1002", B)
    attempt(tx, of, one, "1001", A, began_at=hours(-3), cause="T_NOANS 19")
    attempt(
        tx, of, one, "1001", A, began_at=hours(-1), outcome="told", line=6, answered=True,
        confirmed=True, heard_percent=100, heard_s=21.5, lasted_s=40.25,
        notes=["confirmed", "promise"],
    )  # fmt: skip
    attempt(tx, of, two, "1002", B, began_at=hours(-2), outcome="busy", line=7)
    attempt(tx, of, two, "1002", B, began_at=NOW, outcome=None)
    return of


def test_every_coded_value_has_a_name_in_both_languages() -> None:
    for words, codes in (
        (OUTCOMES, states.Outcome),
        (TARGET_STATES, states.TargetState),
        (CAMPAIGN_STATES, states.CampaignState),
        (PROMISE_STATES, states.PromiseState),
        (CLASSES, states.DebtorClass),
        (TASKS, states.Task),
    ):
        assert set(words) == {code.value for code in codes}
        assert all(en and zh and not zh.isascii() for en, zh in words.values())


def test_every_attempt_is_a_row_oldest_first_and_an_open_one_has_no_outcome(tx: Connection) -> None:
    called(tx)
    report = reports.calls(tx, Which(), ZONE)
    rows = [dict(zip([c.name for c in report.columns], row, strict=True)) for row in report.rows]
    assert [row["outcome"] for row in rows] == ["no_answer", "busy", "told", None]
    assert rows[0]["cause"] == "T_NOANS 19"
    told = rows[2]
    assert (told["at"], told["line"], told["campaign"]) == (hours(-1), 6, "arrears")
    assert (told["account"], told["number"]) == ("1001", A)
    assert (told["heard_percent"], told["heard_s"], told["lasted_s"]) == (100, 21.5, 40.25)
    assert told["notes"] == ["confirmed", "promise"]
    assert told["confirmed"] is True


@pytest.mark.parametrize(
    ("which", "outcomes"),
    [
        (Which(since=hours(-2)), ["busy", "told", None]),
        (Which(until=hours(-2)), ["no_answer"]),
        (Which(lines=(6, 7)), ["busy", "told"]),
        (Which(number=A), ["no_answer", "told"]),
        (Which(account="1002"), ["busy", None]),
        (Which(outcomes=("busy", "told")), ["busy", "told"]),
        (Which(campaign="arrears", lines=(7,)), ["busy"]),
        (Which(campaign="other"), []),
    ],
)
def test_filters_leave_out_what_is_not_asked_for(
    tx: Connection, which: Which, outcomes: list[str | None]
) -> None:
    called(tx)
    assert column(reports.calls(tx, which, ZONE), "outcome") == outcomes


def test_masking_leaves_the_last_four_digits_and_all_that_names_nobody(tx: Connection) -> None:
    called(tx)
    report = reports.calls(tx, Which(account="1001"), ZONE).masking(PERSONS)
    rows = [dict(zip([c.name for c in report.columns], row, strict=True)) for row in report.rows]
    assert {row["number"] for row in rows} == {"+xxxxxxxxx0001"}
    assert {row["account"] for row in rows} == {"xxxx"}
    assert rows[0]["cause"] == "T_NOANS 19"


def test_a_narrow_terminal_gets_the_columns_that_matter(tx: Connection) -> None:
    called(tx)
    narrow = reports.calls(tx, Which(), ZONE).for_width(80)
    wide = reports.calls(tx, Which(), ZONE).for_width(WIDE)
    names = [column.name for column in narrow.columns]
    assert names == ["at", "line", "campaign", "number", "outcome", "heard_percent", "lasted_s"]
    assert {"cause", "notes"} <= {column.name for column in wide.columns} - set(names)
    assert all(len(row) == len(names) for row in narrow.rows)


def test_progress_counts_debtors_by_state_and_reason(tx: Connection) -> None:
    of = campaign(tx)
    for at in range(6):
        target(tx, of, f"w{at}", held="outside_window", next_at=hours(at + 1))
    target(tx, of, "n", state="notified", why="told", amount_fen=100)
    target(tx, of, "x1", state="excluded", why="do_not_call")
    target(tx, of, "x2", state="excluded", why="wrong_number")
    target(tx, of, "p", state="promised", next_at=hours(90))
    other = campaign(tx, "other")
    target(tx, other, "n", state="settled")
    report = reports.progress(tx, Which(campaign="arrears"), ZONE)
    rows = {(row[2], row[3]): row[4:] for row in report.rows}
    assert rows["waiting", "outside_window"] == (6, 60.0, 6 * 12_345, hours(1))
    assert rows["notified", "told"] == (1, 10.0, 100, None)
    assert rows["excluded", "do_not_call"][0] == rows["excluded", "wrong_number"][0] == 1
    assert rows["promised", None][3] == hours(90)
    assert len(rows) == 5
    assert set(column(reports.progress(tx, Which(), ZONE), "campaign")) == {"arrears", "other"}


def test_a_campaign_says_how_it_stands_and_what_it_waits_for(tx: Connection) -> None:
    of = called(tx)
    target(tx, of, "x", state="excluded", why="do_not_call")
    target(tx, of, "e", state="exhausted", why="total")
    tx.execute(tables.campaigns.update().values(waits_for="outside the window until 15:00"))
    campaign(tx, "younger", made_at=NOW, state="new", started_at=None)
    standings = reports.standings(tx)
    assert [standing.name for standing in standings] == ["younger", "arrears"]
    (standing,) = reports.standings(tx, "arrears")
    assert standing.debtors == {"waiting": 2, "excluded": 1, "exhausted": 1}
    assert (standing.whole, standing.left) == (4, 2)
    assert standing.reasons == {"excluded": {"do_not_call": 1}, "exhausted": {"total": 1}}
    assert standing.outcomes == {"no_answer": 1, "told": 1, "busy": 1}
    assert standing.owed_fen == 4 * 12_345
    assert standing.waits_for == "outside the window until 15:00"
    assert standing.next_at == hours(1)
    assert standings[0].debtors == {}
    assert standings[0].next_at is None


def test_promises_come_by_the_promised_day_and_their_state(tx: Connection) -> None:
    of = campaign(tx)
    promise(tx, of, "1", pay_by=date(2026, 11, 25))
    promise(tx, of, "2", pay_by=date(2026, 11, 24), state="broken", closed_at=NOW)
    promise(tx, of, "3", pay_by=date(2026, 11, 26), state="kept", made_at=hours(-200))
    every = reports.promise_list(tx, Which(), ZONE)
    assert column(every, "account") == ["2", "1", "3"]
    broken = reports.promise_list(tx, Which(), ZONE, ("broken", "open"))
    assert column(broken, "state") == ["broken", "open"]
    lately = reports.promise_list(tx, Which(since=hours(-100)), ZONE)
    assert column(lately, "account") == ["2", "1"]
    assert column(reports.promise_list(tx, Which(account="3"), ZONE), "pay_by") == [
        date(2026, 11, 26)
    ]


def test_the_worklist_has_what_the_one_who_does_it_needs(tx: Connection) -> None:
    of = campaign(tx)
    target(tx, of, "1001", A, B, tries=4, state="excluded")
    tx.execute(insert(tables.debtors).values(
        {"account": "1001", "class": "unreachable", "since": NOW, "set_by": "ivrd"}))  # fmt: skip
    task(tx, of, "1001", owner="wang", text="rings at night only", due=date(2026, 11, 24))
    task(tx, None, "2002", task="letter")
    task(tx, of, "1001", task="visit", done_at=NOW, done_by="li", result="paid at the door",
         due=date(2026, 11, 21))  # fmt: skip
    report = reports.work(tx, Which(), ZONE)
    rows = [dict(zip([c.name for c in report.columns], row, strict=True)) for row in report.rows]
    assert [(row["task"], row["account"]) for row in rows] == [
        ("letter", "2002"),
        ("visit", "1001"),
    ]
    assert rows[0]["number"] is None
    visit = rows[1]
    assert (visit["number"], visit["amount_fen"], visit["months"], visit["tries"]) == (
        A,
        12_345,
        2,
        4,
    )
    assert (visit["class"], visit["owner"], visit["text"]) == (
        "unreachable",
        "wang",
        "rings at night only",
    )
    signed = reports.work(tx, Which(), ZONE, with_done=True)
    assert column(signed, "done_by") == ["li", None, None]
    assert column(reports.work(tx, Which(), ZONE, due_until=date(2026, 11, 23)), "account") == [
        "2002"
    ]
    assert column(reports.work(tx, Which(), ZONE, owner="wang"), "account") == ["1001"]


def effects(tx: Connection, days: int, now: datetime) -> dict[object, object]:
    report = effect.effect(tx, Which(), ZONE, days=days, now=now)
    names = [column.name for column in report.columns]
    return {row[1]: dict(zip(names, row, strict=True)) for row in report.rows}


def test_effect_sets_those_who_paid_after_contact_against_the_others(tx: Connection) -> None:
    of = campaign(tx, started_at=hours(-480))
    told = [target(tx, of, f"t{at}", A, state="notified", amount_fen=10_000) for at in range(4)]
    for at, one in enumerate(told):
        attempt(tx, of, one, f"t{at}", A, began_at=hours(-240), outcome="no_answer")
        attempt(tx, of, one, f"t{at}", A, began_at=hours(-200), outcome="told")
    effect.note_payments(tx, hours(-150), ["t0"])
    promise(tx, of, "t1", state="kept", closed_at=hours(-190))
    effect.note_payments(tx, hours(-10), ["t2"])
    tried = target(tx, of, "b", B, state="exhausted", amount_fen=30_000)
    attempt(tx, of, tried, "b", B, began_at=hours(-200), outcome="busy")
    target(tx, of, "s", B, state="settled", ended_at=hours(-470), amount_fen=500)
    found = effects(tx, 7, NOW)
    contacted = found["contacted"]
    assert isinstance(contacted, dict)
    assert (contacted["debtors"], contacted["owed_fen"], contacted["too_early"]) == (4, 40_000, 0)
    assert (contacted["paid"], contacted["paid_share"], contacted["paid_fen"]) == (2, 50.0, 20_000)
    assert (contacted["paid_later"], contacted["unpaid"]) == (1, 1)
    vain = found["tried"]
    assert isinstance(vain, dict)
    assert (vain["debtors"], vain["paid"], vain["paid_share"], vain["unpaid"]) == (1, 0, 0.0, 1)
    without = found["not_called"]
    assert isinstance(without, dict)
    assert (without["debtors"], without["paid"], without["paid_fen_share"]) == (1, 1, 100.0)


def test_effect_judges_nobody_before_the_days_are_over(tx: Connection) -> None:
    of = campaign(tx)
    one = target(tx, of, "1", A, state="notified")
    attempt(tx, of, one, "1", A, began_at=hours(-24), outcome="told")
    effect.note_payments(tx, hours(-1), ["1"])
    early = effects(tx, 7, NOW)["contacted"]
    assert isinstance(early, dict)
    assert (early["too_early"], early["paid"], early["paid_share"]) == (1, 0, None)
    late = effects(tx, 7, hours(24 * 7))["contacted"]
    assert isinstance(late, dict)
    assert (late["too_early"], late["paid"], late["paid_share"]) == (0, 1, 100.0)


def test_found_settled_and_cancelled_calls_are_no_contact(tx: Connection) -> None:
    of = campaign(tx)
    one = target(tx, of, "1", A, state="settled", ended_at=hours(-1))
    attempt(tx, of, one, "1", A, began_at=hours(-1), outcome="settled")
    two = target(tx, of, "2", B)
    attempt(tx, of, two, "2", B, began_at=hours(-1), outcome="cancelled")
    found = effects(tx, 0, NOW)
    counted = {name: row["debtors"] for name, row in found.items() if isinstance(row, dict)}
    assert counted == {"contacted": 0, "tried": 1, "not_called": 1}


def test_effect_says_that_its_groups_are_not_randomised(tx: Connection) -> None:
    report = effect.effect(tx, Which(), ZONE, days=7, now=NOW)
    english, chinese = report.remarks[0]
    assert "not randomised" in english
    assert "并非随机" in chinese


def test_a_payment_is_noted_once_and_for_every_campaign_that_has_the_debt(tx: Connection) -> None:
    for name in ("one", "two"):
        of = campaign(tx, name)
        target(tx, of, "1", A)
        target(tx, of, "2", B, state="settled")
    target(tx, campaign(tx, "outage", kind="notice"), "3", B)
    target(tx, campaign(tx, "listed", settings={"choose": None, "list": {}}), "4", B)
    assert effect.open_debts(tx, hours(-100)) == ["1"]
    assert effect.open_debts(tx, NOW) == []
    assert effect.note_payments(tx, NOW, ["1"]) == 2
    assert effect.note_payments(tx, hours(5), ["1"]) == 0
    assert effect.open_debts(tx, hours(-100)) == []


def test_ages_are_in_order_with_their_share_of_all_arrears() -> None:
    table = AgeTable()
    for product, age, fen in (("B", Age.UNKNOWN, 1), ("A", Age.OVER_THREE_YEARS, 49),
                              ("A", Age.THIS_MONTH, 50)):  # fmt: skip
        table.cells[product, None, age] = Amount(fen, 1, 1)
    report = age_report(table, ZONE, by_days=False)
    assert [(row[0], row[2], row[5], row[6]) for row in report.rows] == [
        ("A", "this_month", 50, 50.0), ("A", "over_three_years", 49, 49.0),
        ("B", "unknown", 1, 1.0),
    ]  # fmt: skip
    assert set(AGES) == set(Age)
    assert list(age_report(AgeTable(), ZONE, by_days=True).rows) == []


def test_a_large_table_streams(tx: Connection) -> None:
    of = campaign(tx)
    one = target(tx, of, "1", A)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {"id": f"{at:08}", "campaign": of, "target": one, "account": "1", "person": "1",
         "number": A, "caller_id": "170", "node": "n", "card": "c", "line": at % 32,
         "began_at": began + timedelta(seconds=at), "outcome": "busy", "cause": "x" * 200,
         "answered": False, "confirmed": False}
        for at in range(30_000)
    ]  # fmt: skip
    tx.execute(insert(tables.attempts), rows)
    del rows
    tracemalloc.start()
    count = sum(1 for _ in reports.calls(tx, Which(), ZONE).rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 30_000
    assert peak < 8_000_000  # all of them at once take some 30 MB
