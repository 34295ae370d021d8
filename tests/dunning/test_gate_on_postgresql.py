"""The gate on a real PostgreSQL: the same answers; daemons that ask at once get no further."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from ivrd.card import DialPermit
from ivrd.dunning.case import Reason
from ivrd.errors import StoreError
from ivrd.store.engine import open_store
from ivrd.store.states import Outcome
from tests.dunning.gate_world import TUESDAY, Debtor, World
from tests.store.postgres import programs_at_hand, server

DAEMONS = 4


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    programs = programs_at_hand()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with server(programs) as running:
        yield running.new_url()


@pytest.fixture
def world(url: str) -> Iterator[World]:
    store = open_store(url, now=lambda: TUESDAY)
    yield World(store=store)
    store.close()


def test_a_permit_is_written_and_frequency_is_counted(world: World) -> None:
    debtor = world.debtor()
    world.called(debtor, TUESDAY - timedelta(days=4), Outcome.TOLD, effective=True)
    held = world.held(world.case(debtor, profiles=("us-reg-f",)))
    assert (held.reason, held.until) == (Reason.FREQUENCY, TUESDAY + timedelta(days=3))
    world.permitted(world.case(debtor))
    assert world.rows() == {"attempts": 2, "reservations": 3, "ledger": 2, "calling": 1}
    assert world.held(world.case(world.debtor(person=debtor.person))).reason is Reason.PERSON_BUSY


def race(world: World, debtors: list[Debtor]) -> list[DialPermit]:
    """Let daemons ask for these debtors at once, one each; return the permits."""
    start = Barrier(len(debtors))

    def daemon(debtor: Debtor) -> DialPermit | None:
        case = world.case(debtor)
        start.wait()
        try:
            answer = world.ask(case)
        except StoreError:
            return None  # out of luck over and over: nothing was written
        return answer if isinstance(answer, DialPermit) else None

    with ThreadPoolExecutor(len(debtors)) as pool:
        return [permit for permit in pool.map(daemon, debtors) if permit is not None]


@pytest.mark.parametrize("shared", ["target", "person", "number"])
def test_of_daemons_that_ask_at_once_one_gets_a_permit(world: World, shared: str) -> None:
    for turn in range(8):
        number, person = f"+861088630{turn:03}", f"S{turn}"
        if shared == "target":
            debtors = [world.debtor()] * DAEMONS
        elif shared == "person":
            debtors = [world.debtor(person=person) for _ in range(DAEMONS)]
        else:
            debtors = [world.debtor(number) for _ in range(DAEMONS)]
        assert len(race(world, debtors)) == 1
    rows = world.rows()
    assert rows == {"attempts": 8, "reservations": 24, "ledger": 8, "calling": 8}


def test_a_limit_is_kept_by_daemons_that_ask_at_once(world: World) -> None:
    number = "+861088640001"
    got = 0
    for _ in range(5):
        debtors = [world.debtor(number) for _ in range(DAEMONS)]
        permits = race(world, debtors)
        got += len(permits)
        for permit in permits:
            for debtor in debtors:
                world.close(permit.attempt, Outcome.NO_ANSWER, debtor, TUESDAY)
    assert got == 3, "three attempts a day at a number"
