"""A dunning node that is there to be killed: ``python -m tests.dunning.killed_node FOLDER SEED``.

It runs a campaign on virtual time and a store on disk, from where the last one left off, and
says on stdout what a telephone would have witnessed, each word before the next thing happens:
``DIAL``, ``PROMISE`` and ``STOP`` with time and number, ``TIME`` as the clock goes, ``DONE``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from ivrd.commands import Utterance
from ivrd.store import tables
from ivrd.store.engine import open_store
from sim.clock import VirtualClock
from sim.debtor import Debtor
from sim.debtors import Answered, CalledDebtors, Dials, Numbers, Population, Rates
from sim.phone import Dialled, Outcome, Rings
from tests.dunning.dunning_office import CAMPAIGN, MONDAY, DunningOffice

HEARD = {"promise_noted": "PROMISE", "no_more_calls": "STOP"}
"""Sentences by which a debtor is told that something is done."""

RATES = Rates(
    numbers=Numbers(unallocated=0.1, wrong_number=0.1),
    dials=Dials(no_answer=0.3, busy=0.2, network=0.05),
    answered=Answered(promises=0.3, asks_to_stop=0.1),
)


class Witness:
    """Says what happens at the far ends."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def say(self, word: str, number: str = "") -> None:
        """Say it now: after this returns it is out of this process."""
        print(word, self._clock.now().isoformat(), number, flush=True)


class WatchedDebtors(CalledDebtors):
    """Debtors whose telephones are watched."""

    def __init__(self, witness: Witness, clock: VirtualClock, seed: int) -> None:
        super().__init__(Population(RATES, seed), clock)
        self._witness = witness

    def __call__(self, permit: Dialled) -> Outcome:
        """Say that this number is dialled, before anything comes of it."""
        self._witness.say("DIAL", permit.number)
        found = super().__call__(permit)
        if not isinstance(found, Rings) or found.party is None:
            return found
        return Rings(
            lambda: self._watched(found, permit.number), found.rings, found.machine_after_s
        )

    def _watched(self, found: Rings, number: str) -> Debtor:
        person = found.party() if found.party else None
        assert isinstance(person, Debtor)
        hears = person.playing

        def playing(utterances: Sequence[Utterance]) -> None:
            for utterance in utterances:
                if utterance.sentence in HEARD:
                    self._witness.say(HEARD[utterance.sentence], number)
            hears(utterances)

        person.playing = playing  # type: ignore[method-assign]  # a person who is listened to
        return person


def main(folder: Path, seed: int) -> None:
    """Run until the campaign is done, or the process is killed."""
    clocks: list[VirtualClock] = []
    start = _left_off(folder)
    store = open_store(
        f"sqlite:///{folder / 'store.db'}", now=lambda: clocks[0].now() if clocks else start
    )
    node = DunningOffice(folder, folder / "billing.db", start, lines=6, store=store)
    clocks.append(node.clock)
    witness = Witness(node.clock)
    node.office.card.others = WatchedDebtors(witness, node.clock, seed)
    if not node.rows(tables.campaigns):
        node.campaign(CAMPAIGN + "[retry]\ntotal = 3\n")
    node.outbound.recover()
    node.outbound.resume()
    node.outbound.dialler.start([1, 2, 3, 4, 5, 6])
    while node.rows(tables.campaigns)[0]["state"] == "running":
        witness.say("TIME")
        node.clock.run_for(20.0 if _calls_are_made(node) else 600.0)
    witness.say("DONE")
    node.close()
    store.close()


def _calls_are_made(node: DunningOffice) -> bool:
    return any(line.talk for line in node.office.lines)


def _left_off(folder: Path) -> datetime:
    """Return when the last node was killed, as far as it had said."""
    file = folder / "clock"
    if not file.exists():
        return MONDAY.replace(hour=9, minute=30)
    return datetime.fromisoformat(file.read_text()).astimezone(MONDAY.tzinfo) + timedelta(seconds=5)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
