"""Campaigns in rare moments: each of these once went wrong, or nearly did."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ivrd.assembly import load_dunning, prove_test_call
from ivrd.card import Ability
from ivrd.config import Dial
from ivrd.dunning.campaign import Campaign, load_campaign
from ivrd.dunning.clerk import ThreadClerk
from ivrd.dunning.running import Campaigns
from ivrd.dunning.target_rows import TargetRow
from ivrd.dunning.upkeep import Upkeep
from ivrd.dunning_settings import campaign_defaults
from ivrd.errors import BillingDown, FlowError, IvrdError, StoreDown
from ivrd.events import T_MACHINE, Event
from ivrd.flow.machine import FlowMachine
from ivrd.records import Status
from ivrd.store import tables
from ivrd.store.engine import open_store
from ivrd.store.states import CampaignState
from ivrd.trial import Trials
from sim.channel import SoftwareChannel
from sim.debtor import Does
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
    memory_store,
    target,
)
from tests.store.postgres import programs_at_hand, server

OTHER = "+861088610009"


def campaign(node: DunningOffice) -> dict[str, Any]:
    """Return the row of the first campaign."""
    return dict(min(node.rows(tables.campaigns), key=lambda row: row["id"]))


class Listener(Party):
    """Confirms being the holder, then does what a test says when a sentence begins."""

    def __init__(self, on: str, after_s: float, keys: str = "", *, hang_up: bool = False) -> None:
        self.on, self.after_s, self.keys, self.hangs_up = on, after_s, keys, hang_up
        self.heard: list[str] = []
        self.langs: list[str] = []

    def playing(self, utterances: Any) -> None:
        """Take in what is said."""
        names = [utterance.sentence for utterance in utterances]
        self.heard += names
        self.langs += [utterance.text for utterance in utterances]
        if "are_you_holder" in names:
            self.leg.key("1")
        elif self.on in names:
            self.leg.clock.call_later(self.after_s, self._act)

    def _act(self) -> None:
        for key in self.keys:
            self.leg.key(key)
        if self.hangs_up:
            self.leg.hang_up()


def person(node: DunningOffice, number: str, party: Party) -> None:
    """Let this person answer."""
    node.parties[number] = answering(party)


def answering(party: Party) -> Answering:
    """Return a phone that this person answers."""
    return Rings(lambda: party, rings=1)


# -- whom, when ----------------------------------------------------------------------------------


def test_nobody_is_dialled_after_the_campaigns_end_and_it_is_done(node: DunningOffice) -> None:
    node.campaign(CAMPAIGN + "[when]\nend = 2026-11-23T09:45:00+08:00\n")
    behind(node, RICH, Does.LISTENS)
    node.run_until(9, 46)
    node.outbound.dialler.start([1])
    node.run_until(10, 30)
    assert attempts(node) == []
    assert {(row["state"], row["why"]) for row in node.rows(tables.targets)} == {
        ("exhausted", "over")
    }
    assert campaign(node)["state"] == "done"


def test_line_that_no_campaign_is_for_keeps_no_other_line_from_dialling(
    node: DunningOffice,
) -> None:
    node.campaign("lines = [2]\n" + CAMPAIGN)
    for number in (RICH, OLD):
        behind(node, number, Does.LISTENS)
    node.outbound.dialler.start([1, 2])
    node.run_until(9, 45)
    assert attempts(node) == ["told", "told"]
    assert {row["line"] for row in node.rows(tables.attempts)} == {2}


def test_barred_second_number_leaves_the_first_one_to_be_called(node: DunningOffice) -> None:
    node.keep_only("88610001")
    node.campaign(CAMPAIGN + "[retry.out_of_service]\nafter_s = 600\nmost = 3\n")
    node.change(tables.targets, tables.targets.c.id.is_not(None), numbers=[RICH, OTHER])
    node.store.transact(
        lambda tx: tx.execute(
            tables.do_not_call.insert().values(
                number=OTHER, why="list", added_at=node.clock.now(), added_by="op"
            )
        )
    )
    behind(node, RICH, Does.OUT_OF_SERVICE)
    node.outbound.dialler.start([1])
    node.run_until(9, 36)
    assert attempts(node) == ["out_of_service"]
    behind(node, RICH, Does.LISTENS)
    node.clock.run_for(3 * 86400)
    assert attempts(node) == ["out_of_service", "told"]
    assert target(node)["state"] == "notified"


def test_campaign_speaks_its_own_language_where_the_debtor_has_none(node: DunningOffice) -> None:
    node.keep_only("88610001")
    node.campaign('languages = ["en-US"]\n' + CAMPAIGN)
    node.change(tables.targets, tables.targets.c.id.is_not(None), lang=None)
    who = Listener("you_owe", 1.0, hang_up=True)
    person(node, RICH, who)
    node.outbound.dialler.start([1])
    node.run_until(9, 40)
    assert who.langs
    assert who.langs[0].isascii(), who.langs[0]


# -- lines ---------------------------------------------------------------------------------------


def test_line_that_cannot_dial_is_not_given_and_is_told_of(
    node: DunningOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.campaign()
    monkeypatch.setattr(SoftwareChannel, "abilities", frozenset({Ability.RECORD}))
    with pytest.raises(IvrdError, match="line 1 cannot dial: card 'card' is not set up for it"):
        node.outbound.order([1], "start", "op")
    node.outbound.dialler.start([1])  # as a role in ivrd.toml does
    node.clock.run_for(60)
    assert "line 1 cannot dial" in node.outbound.dialler.waits_for
    node.outbound.dialler.stop([1])
    node.clock.run_for(60)
    assert node.outbound.dialler.waits_for == "no line is given to dunning"


def test_stop_of_dunning_ends_no_test_call(node: DunningOffice) -> None:
    behind(node, "6001", Does.NO_ANSWER)
    trial = Trials(Dial(test=["6001"], caller_id="170")).place(
        "6001", 1, {1: node.office.lines[0]}, node.office.service,
        FlowMachine(prove_test_call(node.config, node.office.parts.voices)), lambda _: None,
    )  # fmt: skip
    node.clock.run_for(1)
    node.outbound.order([1], "stop", "op", now=True)
    assert trial.line.talk is not None
    assert "stopped" not in trial.line.talk.notes
    assert trial.line.talk.call.state == "dialling"


def test_flow_whose_calls_outlast_the_lease_of_an_attempt_is_refused(node: DunningOffice) -> None:
    text = (node.config.flows / "dunning.toml").read_text(encoding="utf-8")
    for part in ("reminder", "confirm"):
        shutil.copy(node.config.flows / f"{part}.toml", node.folder)
    shutil.copy(node.config.flows / "sentences.toml", node.folder)
    file = node.folder / "dunning.toml"
    file.write_text(text.replace("call_s = 600", "call_s = 1800"), encoding="utf-8")
    parts = node.office.parts
    with pytest.raises(FlowError, match="1800 s"):
        load_dunning(node.config, parts.registry, parts.voices, file)


async def test_end_of_the_daemon_does_not_wait_for_ever_for_a_store_that_hangs() -> None:
    hangs = threading.Event()
    clerk = ThreadClerk("hangs")
    clerk.submit(hangs.wait, lambda _: None)
    await clerk.close(within_s=0.01)
    hangs.set()


# -- what is recorded ----------------------------------------------------------------------------


def test_share_of_a_message_that_was_barged_into_is_that_of_the_message(
    node: DunningOffice,
) -> None:
    node.keep_only("88610001")
    node.campaign()
    who = Listener("you_owe", 2.0, "3")
    person(node, RICH, who)
    node.outbound.dialler.start([1])
    node.run_until(9, 30)
    lengths: list[float] = []

    def note() -> None:
        talk = node.office.lines[0].talk
        if talk and any(say.sentence == "you_owe" for say in talk.says) and not lengths:
            lengths.append(sum(one.duration_s for one in talk.spoken))

    for _ in range(400):
        node.clock.run_for(0.5)
        note()
        if lengths:
            break
    node.clock.run_for(8)
    who.leg.hang_up()
    node.clock.run_for(10)
    (row,) = node.rows(tables.attempts)
    assert row["outcome"] == "told_in_part"
    assert row["heard_s"] == pytest.approx(2.0, abs=0.1)
    assert row["heard_percent"] == pytest.approx(100 * 2.0 / lengths[0], abs=2)


def test_dial_that_was_stopped_while_it_rang_counts_as_a_call(node: DunningOffice) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.NO_ANSWER)
    node.outbound.dialler.start([1])
    node.run_until(9, 30)
    node.clock.run_for(15)
    assert node.office.lines[0].status is Status.IN_CALL
    node.outbound.order([1], "stop", "op", now=True)
    node.clock.run_for(10)
    assert attempts(node) == ["no_answer"]
    assert len(node.rows(tables.ledger)) == 1
    assert node.rows(tables.attempts)[0]["cause"] == "given up by operator"


def test_person_who_confirmed_and_hung_up_at_once_was_told_in_part(node: DunningOffice) -> None:
    node.keep_only("88610001")
    node.campaign()
    person(node, RICH, Listener("you_owe", 0.0, hang_up=True))
    node.outbound.dialler.start([1])
    node.run_until(9, 33)
    (row,) = node.rows(tables.attempts)
    assert (row["outcome"], row["confirmed"], row["heard_percent"]) == ("told_in_part", True, 0)


def test_machine_that_is_heard_after_the_person_confirmed_is_no_machine(
    node: DunningOffice,
) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.LISTENS)
    node.outbound.dialler.start([1])
    node.run_until(9, 30)
    line = node.office.lines[0]
    node.clock.run_while(lambda: not (line.talk and "told_in_full" in line.talk.notes), 120)
    line.feed(Event(T_MACHINE))
    node.clock.run_for(10)
    assert attempts(node) == ["told"]


def test_transfer_that_was_refused_is_no_cause_of_the_calls_end(
    billing: Path, tmp_path: Path
) -> None:
    node = DunningOffice(tmp_path, billing, more='transfer = "+861088617001"')
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.ASKS_FOR_PERSON)
    node.outbound.dialler.start([1])
    node.run_until(9, 40)
    (row,) = node.rows(tables.attempts)
    assert (row["outcome"], row["cause"]) == ("told", None)
    assert "call_back" in row["notes"]
    assert [one["task"] for one in node.rows(tables.worklist)] == ["call_back"]
    node.close()


def test_wrong_number_that_heard_it_all_does_not_count_as_told(node: DunningOffice) -> None:
    node.keep_only("88610001")
    node.campaign()

    class Keys(Listener):
        def playing(self, utterances: Any) -> None:
            """Say so only after the whole message."""
            super().playing(utterances)
            if any(one.sentence.startswith("choice") for one in utterances):
                self.leg.clock.call_later(1.0, lambda: self.leg.key("5"))

    person(node, RICH, Keys("nothing", 0.0))
    node.outbound.dialler.start([1])
    node.run_until(9, 40)
    (row,) = node.rows(tables.attempts)
    assert (row["outcome"], target(node)["state"]) == ("told", "excluded")
    assert target(node)["told_at"] is None


def test_notice_is_spoken_to_who_answers_whatever_they_owe(node: DunningOffice) -> None:
    node.keep_only("88610001")
    node.campaign('name = "water"\nkind = "notice"\n[notice]\nprompt = "notice_supply"\n[choose]\n')
    node.pay("88610001")
    who = Listener("nothing", 0.0)
    person(node, RICH, who)
    node.outbound.dialler.start([1])
    node.run_until(9, 40)
    assert "notice" in who.heard
    assert any("供水" in text for text in who.langs)
    assert not {"you_owe", "are_you_holder"} & set(who.heard)
    (row,) = node.rows(tables.attempts)
    assert (row["outcome"], row["heard_percent"]) == ("told", 100)
    assert target(node)["state"] == "notified"
    assert campaign(node)["state"] == "done"


def test_debtor_who_is_due_in_a_moment_is_called_in_a_moment(node: DunningOffice) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.LISTENS)
    node.run_until(9, 40)
    due = node.clock.now() + timedelta(seconds=0.2)
    node.change(tables.targets, tables.targets.c.id.is_not(None), next_at=due)
    node.outbound.dialler.start([1])
    node.clock.run_for(1)
    (row,) = node.rows(tables.attempts)
    assert row["began_at"] - due < timedelta(seconds=0.2)


@pytest.mark.parametrize(("key", "why"), [("6", "dispute"), ("4", "says_paid")])
def test_what_was_keyed_holds_though_the_person_hangs_up_before_they_hear_so(
    node: DunningOffice, key: str, why: str
) -> None:
    node.keep_only("88610001")
    node.campaign()

    class Keys(Listener):
        def playing(self, utterances: Any) -> None:
            """Barge into the message, key at the choices, and hang up."""
            super().playing(utterances)
            if any(one.sentence.startswith("choice") for one in utterances):
                self.leg.clock.call_later(1.0, self._end)

        def _end(self) -> None:
            self.leg.key(key)
            self.leg.hang_up()

    person(node, RICH, Keys("you_owe", 1.0, "#"))
    node.outbound.dialler.start([1])
    node.run_until(9, 35)
    assert len(node.rows(tables.worklist)) == 1
    assert len(attempts(node)) == 1
    assert target(node)["why"] == why
    node.clock.run_for(3 * 86400)
    assert len(attempts(node)) == 1


@pytest.mark.parametrize(("key", "listed"), [("9", "asked"), ("5", "wrong_number")])
def test_wish_not_to_be_called_is_kept_though_the_store_was_away_when_it_was_keyed(
    node: DunningOffice, monkeypatch: pytest.MonkeyPatch, key: str, listed: str
) -> None:
    node.keep_only("88610001")
    node.campaign()

    class Keys(Listener):
        def playing(self, utterances: Any) -> None:
            """Key at the choices."""
            super().playing(utterances)
            if any(one.sentence.startswith("choice") for one in utterances):
                monkeypatch.setattr(node.store, "transact", down)
                self.leg.clock.call_later(1.0, lambda: self.leg.key(key))

    good = node.store.transact

    def down(*_: Any, **__: Any) -> Any:
        raise StoreDown("the disk is full")

    who = Keys("you_owe", 1.0, "#")
    person(node, RICH, who)
    node.outbound.dialler.start([1])
    node.run_until(9, 35)
    assert "not_noted" in who.heard
    monkeypatch.setattr(node.store, "transact", good)
    node.clock.run_for(10)
    assert target(node)["state"] == "excluded"
    assert [row["why"] for row in node.rows(tables.do_not_call)] == [listed]


@pytest.mark.parametrize(
    ("action", "stands"),
    [("dispute", ("excluded", "dispute")), ("says_paid", ("notified", "says_paid"))],
)
def test_who_rings_back_and_disputes_or_has_paid_is_not_called_again(
    node: DunningOffice, action: str, stands: tuple[str, str]
) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.NO_ANSWER)
    node.outbound.dialler.start([1])
    node.run_until(9, 35)
    (row,) = node.rows(tables.attempts)
    assert row["outcome"] == "no_answer"
    assert node.office.parts.registry[action].do({"attempt": row["id"]}).event == "U_OK"
    assert (target(node)["state"], target(node)["why"]) == stands
    node.clock.run_for(3 * 86400)
    assert len(attempts(node)) == 1


# -- the store -----------------------------------------------------------------------------------


def test_outcome_that_waits_for_the_store_is_not_taken_for_lost(
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
    node.clock.run_for(1200)
    monkeypatch.setattr(node.store, "transact", good)
    assert node.outbound.desk.upkeep().lost == 0  # just before the outcome is tried again
    node.clock.run_for(10)
    assert attempts(node) == ["told"]


def test_attempt_whose_claim_broke_at_the_commit_is_closed_when_its_lease_is_over(
    node: DunningOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.keep_only("88610001")
    node.campaign()
    behind(node, RICH, Does.LISTENS)
    good = node.store.transact

    def kept_but_broken(job: Any, **more: Any) -> Any:
        result = good(job, **more)
        if node.rows(tables.attempts):
            monkeypatch.setattr(node.store, "transact", good)
            raise StoreDown("the store was lost while it committed")
        return result

    monkeypatch.setattr(node.store, "transact", kept_but_broken)
    node.outbound.dialler.start([1])
    node.run_until(9, 31)
    assert attempts(node) == [None]
    node.clock.run_for(1800)
    assert attempts(node)[0] == "unknown"


def test_one_attempt_that_cannot_be_closed_keeps_no_other_open(node: DunningOffice) -> None:
    node.campaign()
    for number in (RICH, OLD):
        behind(node, number, Does.LISTENS)
    node.outbound.dialler.start([1, 2])
    node.run_until(9, 30)
    node.clock.run_for(5)
    assert attempts(node) == [None, None]
    worse = node.campaign(CAMPAIGN.replace('"arrears"', '"worse"'), state=CampaignState.PAUSED)
    first = min(row["id"] for row in node.rows(tables.attempts))
    node.change(tables.attempts, tables.attempts.c.id == first, campaign=worse)
    node.change(tables.campaigns, tables.campaigns.c.id == worse, settings={"of": "old"})
    assert node.outbound.recover() == 1
    assert sorted(attempts(node), key=str) == [None, "unknown"]


def test_campaign_that_cannot_be_read_keeps_no_other_from_calling(node: DunningOffice) -> None:
    worse = node.campaign(CAMPAIGN.replace('"arrears"', '"worse"'))
    node.campaign()
    node.change(tables.campaigns, tables.campaigns.c.id == worse, settings={"of": "old"})
    for number in (RICH, OLD):
        behind(node, number, Does.LISTENS)
    node.outbound.dialler.start([1])
    node.run_until(9, 40)
    assert attempts(node) == ["told", "told"]
    (row,) = node.rows(tables.campaigns, id=worse)
    assert row["state"] == "running"
    assert "settings" in row["waits_for"]


def test_campaign_whose_debtors_cannot_be_chosen_keeps_no_other_waiting(
    node: DunningOffice,
) -> None:
    node.campaign()
    node.campaign(CAMPAIGN.replace('"arrears"', '"second"'))
    every = tables.campaigns.c.id.is_not(None)
    node.change(tables.campaigns, every, chosen_at=MONDAY - timedelta(days=2))

    def choose(of: Campaign, _: date) -> Iterator[TargetRow]:
        if of.name == "arrears":
            raise BillingDown("away")
        return iter(())

    campaigns = Campaigns(node.config.zone, lambda *_: lambda at: at)
    upkeep = Upkeep(node.store, campaigns, lambda _: (), "n", choose)
    with pytest.raises(BillingDown):
        upkeep.choose_again()
    chosen = upkeep.choose_again()
    assert chosen is not None
    assert chosen.campaign == "second"


def test_node_whose_clock_is_wrong_gives_nobody_up(billing: Path, tmp_path: Path) -> None:
    ahead: list[DunningOffice] = []
    store = memory_store(lambda: ahead[0].clock.now() - timedelta(seconds=60) if ahead else MONDAY)
    node = DunningOffice(tmp_path, billing, store=store)
    ahead.append(node)
    node.keep_only("88610001")
    node.campaign(CAMPAIGN + "[retry.fault]\nafter_s = 1\n")
    behind(node, RICH, Does.LISTENS)
    node.outbound.dialler.start([1])
    node.run_until(10, 30)
    assert attempts(node) == []
    assert target(node)["state"] == "waiting"
    assert "clock" in node.outbound.dialler.waits_for
    node.close()


def test_list_that_is_too_old_is_looked_at_once_and_not_debtor_by_debtor(
    node: DunningOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = node.campaign()
    text = 'name = "listed"\n[list]\nposted_at = 2026-11-23T08:00:00+08:00\n'
    file = node.folder / "list.toml"
    file.write_text(text, encoding="utf-8")
    listed = load_campaign(file, campaign_defaults(node.config, node.dunning), node.clock.now())
    node.change(
        tables.campaigns, tables.campaigns.c.id == made, settings=listed.settings(),
        posted_at=node.clock.now() - timedelta(hours=30),
    )  # fmt: skip
    row = {key: value for key, value in target(node).items() if key not in {"id", "account"}}
    node.store.transact(
        lambda tx: tx.execute(
            tables.targets.insert(), [{**row, "account": f"A{n}"} for n in range(100)]
        )
    )
    writes: list[object] = []
    good = node.store.transact

    def counted(job: Any, **more: Any) -> Any:
        writes.append(job)
        return good(job, **more)

    node.run_until(9, 31)
    monkeypatch.setattr(node.store, "transact", counted)
    node.outbound.dialler.start([1])
    node.clock.run_for(300)
    assert attempts(node) == []
    assert len(writes) < 60, len(writes)
    assert "24 hours" in campaign(node)["waits_for"]


def test_campaign_says_again_what_it_waits_for_after_a_pause(node: DunningOffice) -> None:
    made = node.campaign()
    node.outbound.dialler.start([1])
    node.clock.run_for(60)
    waits = campaign(node)["waits_for"]
    assert waits
    which = tables.campaigns.c.id == made
    node.change(tables.campaigns, which, state="paused", waits_for=None)
    node.change(tables.campaigns, which, state="running", waits_for=None)
    node.clock.run_for(60)
    assert campaign(node)["waits_for"] == waits


def test_campaign_with_a_message_that_cannot_be_spoken_calls_nobody(node: DunningOffice) -> None:
    made = node.campaign()
    (row,) = node.rows(tables.campaigns)
    settings = dict(row["settings"])
    settings["message"] = {**settings["message"], "how_to_pay": "how_to_pay_by_cheque"}
    node.change(tables.campaigns, tables.campaigns.c.id == made, settings=settings)
    behind(node, RICH, Does.LISTENS)
    node.outbound.dialler.start([1])
    node.run_until(10)
    assert attempts(node) == []
    assert "how_to_pay_by_cheque" in campaign(node)["waits_for"]


@pytest.fixture
def url() -> Iterator[str]:
    """Give a store on a PostgreSQL server."""
    programs = programs_at_hand()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with server(programs) as running:
        yield running.new_url()


def test_second_daemon_of_one_name_takes_no_call_of_the_first_for_lost(
    url: str, billing: Path, tmp_path: Path
) -> None:
    nodes: list[DunningOffice] = []

    def now() -> datetime:
        return nodes[0].clock.now() if nodes else MONDAY

    first_store, second_store = (open_store(url, now=now) for _ in range(2))
    nodes.append(DunningOffice(tmp_path, billing, store=first_store))
    first = nodes[0]
    first.keep_only("88610001")
    first.outbound.recover()
    first.campaign()
    behind(first, RICH, Does.LISTENS)
    first.outbound.dialler.start([1])
    first.run_until(9, 30)
    first.clock.run_for(5)
    second = DunningOffice(tmp_path, billing, MONDAY.replace(hour=9, minute=30), store=second_store)
    assert second.outbound.recover() == 0
    assert second.outbound.desk.upkeep().lost == 0
    assert attempts(first) == [None]
    first.outbound.shut()
    first.store.close()  # as when it is killed: its session ends
    assert second.outbound.desk.upkeep().lost == 1
    assert attempts(second) == ["unknown"]
    second.close()
    first.office.card.close_now()
