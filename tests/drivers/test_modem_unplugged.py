"""A modem that is pulled out in a call: what is on record, and the line in service by itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.modem.profile import load_profile
from ivrd.commands import Utterance
from ivrd.records import Status
from ivrd.store import tables
from sim.caller import ScriptedCaller
from sim.debtor import Does
from sim.party import Party
from sim.phone import Rings
from sim.script import parse_script
from tests.drivers.modem_office import ModemsOfOffice, offices_with_modems
from tests.dunning.dunning_office import OLD, RICH, DunningOffice, attempts, behind

AWAY_S = 20.0


class Node:
    """A dunning node of one line on a modem, which can be pulled out for a while."""

    def __init__(self, node: DunningOffice, modems: ModemsOfOffice) -> None:
        self.node = node
        self.modems = modems
        self.unplugged = 0

    def unplug(self, after_s: float = 0.0) -> None:
        """Pull the modem out, once, and plug it in again later."""
        if not self.unplugged:
            self.unplugged = 1
            self.node.clock.call_later(after_s, lambda: self.modems.unplug(1))
            self.node.clock.call_later(after_s + AWAY_S, lambda: self.modems.plug_in(1))

    def watch(self, what: str, after_s: float) -> None:
        """Pull it out so long after something happened on its line."""

        def told(happened: str, _: object) -> None:
            if happened == what:
                self.unplug(after_s)

        self.modems.bank.modems[0].line.watch = told


class Holder(Party):
    """Confirms being the holder; `then` is done when a sentence begins."""

    follows_sentences = True

    def __init__(self, at: str, then: Callable[[], None]) -> None:
        self._at = at
        self._then = then

    def hears(self, utterance: Utterance) -> None:
        """Key at the question."""
        if utterance.sentence == self._at:
            self._then()
        if utterance.sentence == "are_you_holder":
            self.leg.key("1")


@pytest.fixture
def pulled(sample_db: Path, tmp_path: Path) -> Iterator[Node]:
    """Return a node with two debtors, of whom the second listens to the end."""
    billing = Path(shutil.copy(sample_db, tmp_path / "billing.db"))
    modems: list[ModemsOfOffice] = []
    with offices_with_modems(load_profile("usr5637"), modems):
        node = DunningOffice(tmp_path, billing, lines=1)
    node.keep_only("88610001", "88610005")
    node.campaign()
    for number in (RICH, OLD):
        behind(node, number, Does.LISTENS)
    yield Node(node, modems[0])
    node.close()


def outcomes(pulled: Node) -> list[str]:
    """Let the campaign run, and return what came of the attempts of both debtors, in order."""
    pulled.node.outbound.dialler.start([1])
    pulled.node.run_until(10, 30)
    assert pulled.unplugged
    assert pulled.node.office.lines[0].status is Status.IDLE
    return attempts(pulled.node)


def test_a_dial_that_cannot_have_been_sent_is_no_attempt_and_is_made_again(pulled: Node) -> None:
    pulled.watch("dials", 0.3)
    assert outcomes(pulled) == ["cancelled", "told", "told"]


def test_a_dial_that_may_have_rung_is_unknown_and_not_made_again_at_once(pulled: Node) -> None:
    pulled.watch("dials", 8.0)
    assert outcomes(pulled) == ["unknown", "told", "told"]
    unknown, *told = sorted(pulled.node.rows(tables.attempts), key=lambda row: row["began_at"])
    (again,) = (row for row in told if row["number"] == unknown["number"])
    assert again["began_at"] - unknown["began_at"] >= timedelta(minutes=30)


@pytest.mark.parametrize(
    ("sentence", "outcome"),
    [("are_you_holder", "not_confirmed"), ("you_owe", "told_in_part"), ("choice_items", "told")],
)
def test_a_reminder_is_on_record_as_far_as_it_came(
    pulled: Node, sentence: str, outcome: str
) -> None:
    for number in (RICH, OLD):
        person = Holder(sentence, pulled.unplug)
        pulled.node.parties[number] = Rings(lambda person=person: person)  # type: ignore[misc]
    assert outcomes(pulled)[0] == outcome
    assert "unknown" not in outcomes(pulled)


def test_a_caller_is_cut_off_on_record_and_the_next_one_is_answered(pulled: Node) -> None:
    office = pulled.node.office
    line = office.lines[0]
    caller = ScriptedCaller(parse_script("hear choose_mandarin\nwait 60\nhang up"))
    caller.call(office.card)
    office.clock.run_for(1.0)
    pulled.unplug()
    office.clock.run_for(AWAY_S - 5.0)
    assert (line.status, office.records[-1].ended_by) == (Status.OUT_OF_SERVICE, "card")
    assert "unplugged" in line.reason
    office.clock.run_for(10.0)
    assert line.status is Status.IDLE
    again = ScriptedCaller(parse_script("hear choose_mandarin\nhang up"))
    again.call(office.card)
    office.clock.run_for(10.0)
    assert again.passed, again.report()
