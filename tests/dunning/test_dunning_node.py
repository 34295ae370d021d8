"""Campaigns as operators and debtors live them: a whole node on virtual time."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ivrd.dunning.closing import AttemptResult
from ivrd.errors import StoreDown
from ivrd.records import Status
from ivrd.store import tables
from ivrd.store.states import CampaignState, Outcome
from ivrd.store.switches import KILL, set_switch
from sim.debtor import Does, Manner
from sim.party import Party
from sim.phone import Answering, Rings
from tests.dunning.dunning_office import (
    CAMPAIGN,
    MONDAY,
    OLD,
    RICH,
    DunningOffice,
    attempts,
    behind,
    target,
)


def campaign_state(node: DunningOffice) -> str:
    """Return where the one campaign is in its life."""
    (row,) = node.rows(tables.campaigns)
    return str(row["state"])


# -- the way it should go ------------------------------------------------------------------------


def test_debtors_are_told_and_the_campaign_is_done_when_nobody_is_left(node: DunningOffice) -> None:
    node.campaign()
    for number in (RICH, OLD):
        behind(node, number, Does.LISTENS)
    node.outbound.dialler.start([1])
    node.run_until(9, 29)
    assert attempts(node) == []
    node.run_until(9, 40)
    assert attempts(node) == ["told", "told"]
    assert {row["state"] for row in node.rows(tables.targets)} == {"notified"}
    assert campaign_state(node) == "done"
    first = node.rows(tables.attempts)[0]
    assert (first["heard_percent"], first["confirmed"], first["lease_until"] is not None) == (
        100, True, True,
    )  # fmt: skip
    assert node.rows(tables.reservations) == []
    assert [row["effective"] for row in node.rows(tables.ledger)] == [True, True]


def test_who_has_paid_is_not_called(node: DunningOffice) -> None:
    node.campaign()
    behind(node, OLD, Does.LISTENS)
    node.pay("88610001")
    node.outbound.dialler.start([1])
    node.run_until(9, 40)
    assert attempts(node, RICH) == []
    assert (target(node, RICH)["state"], target(node, RICH)["why"]) == ("settled", "settled")
    assert target(node, RICH)["paid_at"] is not None
    assert attempts(node, OLD) == ["told"]


def test_who_says_no_to_machines_is_not_called_where_a_policy_asks(
    billing: Path, tmp_path: Path
) -> None:
    policy = (
        'title = "Agreed"\nsource = "a rule of the house"\nfrom = 2026-01-01\nconsent = "all"\n'
    )
    (tmp_path / "agreed.toml").write_text(policy, encoding="utf-8")
    with closing(DunningOffice(tmp_path, billing, more='profiles = ["agreed.toml"]')) as node:
        node.keep_only("88610001", "88610005")
        node.campaign('consent = true\nprofiles = ["agreed.toml"]\n' + CAMPAIGN)
        node.change(tables.targets, tables.targets.c.account == target(node, RICH)["account"],
                    consent=False)  # fmt: skip
        for number in (RICH, OLD):
            behind(node, number, Does.LISTENS)
        node.outbound.dialler.start([1])
        node.run_until(9, 40)
        assert (attempts(node, RICH), attempts(node, OLD)) == ([], ["told"])
        assert target(node, RICH)["held"] == "no_consent"
        assert "the account says no" in target(node, RICH)["held_detail"]


def test_who_pays_while_it_rings_hears_no_amount(node: DunningOffice) -> None:
    class PaysThen(Party):
        def __init__(self) -> None:
            self.heard: list[str] = []

        def playing(self, utterances: Any) -> None:
            self.heard += [utterance.sentence for utterance in utterances]
            if "are_you_holder" in self.heard[-2:]:
                node.pay("88610001")
                self.leg.clock.call_later(12.0, lambda: self.leg.key("1"))

    person = PaysThen()
    node.keep_only("88610001")
    node.campaign()
    node.parties[RICH] = _rings(person)
    node.outbound.dialler.start([1])
    node.run_until(9, 40)
    assert attempts(node) == ["settled"]
    assert "already_settled" in person.heard
    assert "you_owe" not in person.heard
    assert target(node, RICH)["state"] == "settled"


def test_promise_suspends_calls_until_the_day_before_and_is_kept_when_paid(
    node: DunningOffice,
) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.PROMISES, Manner(pay_in_days=4))
    node.outbound.dialler.start([1])
    node.run_until(9, 40)
    assert attempts(node) == ["told"]
    (promise,) = node.rows(tables.promises)
    assert (promise["state"], promise["pay_by"]) == ("open", (MONDAY + timedelta(days=4)).date())
    assert target(node, RICH)["state"] == "promised"
    behind(node, RICH, Does.LISTENS)
    node.clock.run_for(2 * 86400)
    assert attempts(node) == ["told"]
    node.clock.run_for(86400)
    assert attempts(node) == ["told", "told"]
    assert node.rows(tables.promises)[0]["reminded_at"] is not None
    node.pay("88610001")
    node.clock.run_for(3 * 86400)
    assert node.rows(tables.promises)[0]["state"] == "kept"
    assert attempts(node) == ["told", "told"]


def test_promise_that_is_not_kept_is_broken_after_its_grace(node: DunningOffice) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.PROMISES, Manner(pay_in_days=2))
    node.outbound.dialler.start([1])
    node.run_until(9, 40)
    behind(node, RICH, Does.LISTENS)
    node.clock.run_for(5 * 86400)
    assert node.rows(tables.promises)[0]["state"] == "open"
    node.clock.run_for(2 * 86400)
    assert node.rows(tables.promises)[0]["state"] == "broken"


@pytest.mark.parametrize(
    ("does", "why", "listed"),
    [
        (Does.ASKS_TO_STOP, "do_not_call", "asked"),
        (Does.WRONG_NUMBER, "wrong_number", "wrong_number"),
    ],
)
def test_key_that_wants_no_calls_stops_them_at_once(
    node: DunningOffice, does: Does, why: str, listed: str
) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, does)
    node.outbound.dialler.start([1])
    node.clock.run_for(3 * 86400)
    assert len(attempts(node)) == 1
    assert (target(node, RICH)["state"], target(node, RICH)["why"]) == ("excluded", why)
    assert [row["why"] for row in node.rows(tables.do_not_call)] == [listed]


def test_every_call_that_was_dialled_has_an_outcome_with_its_cause(node: DunningOffice) -> None:
    node.campaign()
    behind(node, RICH, Does.BUSY)
    behind(node, OLD, Does.UNALLOCATED)
    node.outbound.dialler.start([1, 2])
    node.run_until(9, 34)
    assert attempts(node) == ["busy", "unallocated"]
    assert [row["cause"] for row in node.rows(tables.attempts)] == ["T_BUSY 17", "T_REFUSED 1"]
    assert target(node, OLD)["why"] == "unallocated"
    assert [row["task"] for row in node.rows(tables.worklist)] == ["find_number"]


def test_debtors_are_chosen_anew_every_day(node: DunningOffice) -> None:
    node.keep_only("88610001", "88610005")
    node.campaign()
    node.pay("88610001")
    behind(node, OLD, Does.NO_ANSWER)
    node.clock.run_for(86400)
    assert target(node, RICH)["state"] == "settled"
    assert target(node, OLD)["state"] == "waiting"
    (row,) = node.rows(tables.campaigns)
    assert row["chosen_at"].astimezone(MONDAY.tzinfo).date() > MONDAY.date()


# -- lines ---------------------------------------------------------------------------------------


def test_caller_who_rings_while_the_gate_is_asked_wins_the_line(node: DunningOffice) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.LISTENS)
    node.outbound.dialler.start([1])
    node.run_until(9, 29)
    caller = Party()
    node.clock.run_while(lambda: not node.rows(tables.attempts), 120)
    node.office.card.call("88610002", "170", caller)
    assert node.office.lines[0].talk is not None
    assert node.office.lines[0].talk.direction == "in"
    node.clock.run_for(0.1)
    assert attempts(node) == ["cancelled"]
    assert node.outbound.dialler.counts.lost_to_callers == 1
    assert node.rows(tables.ledger) == []
    caller.leg.hang_up()
    node.run_until(9, 50)
    assert attempts(node) == ["cancelled", "told"]


def test_lines_that_were_not_given_dial_nobody_and_all_answer(node: DunningOffice) -> None:
    node.campaign()
    for number in (RICH, OLD):
        behind(node, number, Does.LISTENS)
    node.outbound.dialler.start([3])
    node.run_until(9, 33)
    assert {row["line"] for row in node.rows(tables.attempts)} == {3}
    caller = Party()
    leg = node.office.card.call("88610002", "170", caller)
    assert leg is not None
    assert leg.channel == 1
    leg.hang_up()


def test_lines_start_at_the_time_that_was_set(node: DunningOffice) -> None:
    node.campaign()
    for number in (RICH, OLD):
        behind(node, number, Does.LISTENS)
    node.outbound.order([1], "start", "op", at=MONDAY.replace(hour=11))
    assert node.outbound.line_view(1)["dunning"] == "starts"
    node.run_until(10, 59)
    assert attempts(node) == []
    node.run_until(11, 10)
    assert attempts(node) == ["told", "told"]


def test_pause_lets_the_call_end_and_now_ends_it_with_a_sentence(node: DunningOffice) -> None:
    node.campaign()
    behind(node, RICH, Does.LISTENS)
    behind(node, OLD, Does.LISTENS)
    node.outbound.dialler.start([1])
    node.run_until(9, 30)
    node.clock.run_for(25)
    assert node.office.lines[0].talk is not None
    node.outbound.order([1], "pause", "op")
    node.run_until(9, 40)
    assert attempts(node) == ["told"]
    node.outbound.order([1], "start", "op")
    node.clock.run_for(25)
    node.outbound.order([1], "stop", "op", now=True)
    node.clock.run_for(20)
    assert attempts(node)[1] in {"not_confirmed", "told_in_part"}
    assert "stopped" in node.rows(tables.attempts)[1]["notes"]
    assert [row["action"] for row in node.rows(tables.audit)] == [
        "dunning pause", "dunning start", "dunning stop",
    ]  # fmt: skip


def test_pace_and_guard_are_kept(node: DunningOffice, billing: Path) -> None:
    del billing
    node.campaign()
    behind(node, RICH, Does.BUSY)
    behind(node, OLD, Does.BUSY)
    node.outbound.dialler.start([1, 2])
    node.run_until(9, 31)
    first, second = sorted(row["began_at"] for row in node.rows(tables.attempts))
    assert second - first >= timedelta(seconds=0.2)


def test_card_that_fails_five_times_running_stops_dialling_and_debtors_lose_nothing(
    node: DunningOffice,
) -> None:
    node.campaign(CAMPAIGN + "[retry.fault]\nafter_s = 1\n")
    behind(node, RICH, Does.LINE_FAULT)
    behind(node, OLD, Does.NETWORK)
    node.outbound.dialler.start([1])
    node.run_until(9, 31)
    assert len(attempts(node)) == 5
    assert "failed 5 times running" in node.outbound.dialler.waits_for
    assert node.rows(tables.ledger) == []
    assert {row["tries"] for row in node.rows(tables.targets)} == {0}
    behind(node, RICH, Does.LISTENS)
    behind(node, OLD, Does.LISTENS)
    node.run_until(9, 50)
    assert attempts(node)[5:] == ["told", "told"]


# -- what holds it -------------------------------------------------------------------------------


def test_kill_switch_holds_everything_and_letting_go_goes_on(node: DunningOffice) -> None:
    node.campaign()
    behind(node, RICH, Does.LISTENS)
    behind(node, OLD, Does.LISTENS)
    node.outbound.dialler.start([1])
    _switch(node, on=True)
    node.run_until(11)
    assert attempts(node) == []
    assert node.outbound.dialler.waits_for == "the kill switch is on"
    _switch(node, on=False)
    node.run_until(11, 10)
    assert attempts(node) == ["told", "told"]


def test_nobody_is_dialled_while_the_billing_data_cannot_be_read(
    node: DunningOffice, billing: Path
) -> None:
    node.campaign()
    behind(node, RICH, Does.LISTENS)
    behind(node, OLD, Does.LISTENS)
    away = billing.rename(billing.with_name("away.db"))
    node.office.parts.reader.database.engine.dispose()
    node.outbound.dialler.start([1])
    node.run_until(10)
    assert attempts(node) == []
    assert "billing data" in node.outbound.dialler.waits_for
    away.rename(billing)
    node.office.parts.reader.database.breaker.worked()
    node.run_until(10, 10)
    assert attempts(node) == ["told", "told"]


def test_hours_end_and_nobody_is_dialled_after_them(node: DunningOffice) -> None:
    node.campaign()
    behind(node, RICH, Does.NO_ANSWER)
    behind(node, OLD, Does.BUSY)
    node.outbound.dialler.start([1])
    node.clock.run_for(6 * 86400)
    began = [row["began_at"].astimezone(MONDAY.tzinfo) for row in node.rows(tables.attempts)]
    assert len(began) > 8
    for at in began:
        minute = at.hour * 60 + at.minute
        weekend = at.weekday() >= 5
        assert (630 if weekend else 570) <= minute < 720 or 900 <= minute < 1200, at


def test_campaign_whose_end_has_come_calls_nobody_and_is_done(node: DunningOffice) -> None:
    node.campaign(CAMPAIGN + "[when]\nend = 2026-11-23T15:30:00+08:00\n")
    behind(node, RICH, Does.NO_ANSWER)
    behind(node, OLD, Does.NO_ANSWER)
    node.outbound.dialler.start([1, 2])
    node.clock.run_for(2 * 86400)
    began = [row["began_at"].astimezone(MONDAY.tzinfo) for row in node.rows(tables.attempts)]
    assert began
    assert max(began) < MONDAY.replace(hour=15, minute=30)
    assert {row["state"] for row in node.rows(tables.targets)} == {"exhausted"}
    assert campaign_state(node) == "done"


def test_campaign_that_is_not_running_calls_nobody(node: DunningOffice) -> None:
    node.campaign(state=CampaignState.PAUSED)
    node.outbound.dialler.start([1])
    node.run_until(11)
    assert attempts(node) == []
    assert node.outbound.dialler.waits_for == "no campaign is running"


def test_two_campaigns_never_call_one_debtor_at_once(node: DunningOffice) -> None:
    node.keep_only("88610001")
    node.campaign()
    node.campaign(CAMPAIGN.replace('"arrears"', '"second"'))
    behind(node, RICH, Does.LISTENS)
    node.outbound.dialler.start([1, 2, 3])
    node.run_until(9, 30)
    node.clock.run_for(30)
    assert len(node.rows(tables.attempts)) == 1
    assert sum(line.status is Status.IN_CALL for line in node.office.lines) == 1


# -- faults and crashes --------------------------------------------------------------------------


def test_outcome_that_cannot_be_written_is_written_when_the_store_is_back(
    node: DunningOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.LISTENS)
    node.outbound.dialler.start([1])
    node.run_until(9, 30)
    node.clock.run_for(5)
    good = node.store.transact

    def down(*_: Any, **__: Any) -> Any:
        raise StoreDown("the disk is full")

    monkeypatch.setattr(node.store, "transact", down)
    node.clock.run_for(600)
    assert node.outbound.dialler.counts.unsaved == 1
    monkeypatch.setattr(node.store, "transact", good)
    node.clock.run_for(10)
    assert node.outbound.dialler.counts.unsaved == 0
    assert attempts(node)[0] in {"told", "not_confirmed"}


def test_attempt_that_a_crash_cut_off_is_unknown_and_not_dialled_blindly_again(
    node: DunningOffice,
) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.LISTENS)
    node.outbound.dialler.start([1])
    node.run_until(9, 30)
    node.clock.run_for(5)
    (open_one,) = node.rows(tables.attempts)
    assert open_one["outcome"] is None
    # as after a kill -9: nothing of the call is left but what the store has
    assert node.outbound.recover() == 1
    assert attempts(node) == ["unknown"]
    assert len(node.rows(tables.ledger)) == 1
    assert node.rows(tables.reservations) == []
    waits = target(node, RICH)
    assert (waits["state"], waits["tries"]) == ("waiting", 1)
    assert waits["next_at"] >= node.clock.now() + timedelta(minutes=29)


def test_attempt_of_a_daemon_that_is_gone_is_closed_when_its_lease_is_over(
    node: DunningOffice,
) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.LISTENS)
    node.outbound.dialler.start([1])
    node.run_until(9, 30)
    node.clock.run_for(5)
    node.outbound.shut()
    node.office.lines[0].shut()
    node.change(tables.attempts, tables.attempts.c.id.is_not(None), node="another", outcome=None)
    assert node.outbound.recover() == 0
    node.clock.run_for(1000)
    desk = node.outbound.desk
    assert desk.upkeep().lost in {0, 1}
    assert attempts(node) != [None]


def test_closing_twice_changes_nothing(node: DunningOffice) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.BUSY)
    node.outbound.dialler.start([1])
    node.run_until(9, 32)
    (row,) = node.rows(tables.attempts)
    before = target(node, RICH)
    node.outbound.desk.close(row["id"], AttemptResult(Outcome.TOLD))
    assert attempts(node) == ["busy"]
    assert target(node, RICH) == before


def test_lines_are_given_again_after_a_restart(node: DunningOffice, tmp_path: Path) -> None:
    node.outbound.order([1, 2], "start", "op")
    node.outbound.order([2], "pause", "op")
    node.outbound.order([3], "start", "op", at=MONDAY.replace(hour=15))
    node.clock.run_for(1)
    other = DunningOffice(tmp_path, node.billing, MONDAY.replace(hour=10), store=node.store)
    other.outbound.recover()
    other.outbound.resume()
    views = [other.outbound.line_view(number)["dunning"] for number in (1, 2, 3, 4)]
    assert views == ["on", "paused", "starts", "off"]
    other.outbound.shut()


def _rings(person: Party) -> Answering:
    return Rings(lambda: person, rings=1)


def _switch(node: DunningOffice, *, on: bool) -> None:
    node.store.transact(lambda tx: set_switch(tx, node.clock.now(), KILL, on, "op"))
