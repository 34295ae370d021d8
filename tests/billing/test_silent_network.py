"""A network cut without a word: nobody waits long, no thread is lost, all is well by itself."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import make_url

from ivrd.billing import outages
from ivrd.billing.breaker import Breaker
from ivrd.billing.entities import Bill, NotReady
from ivrd.billing.mapping import load_mapping
from ivrd.billing.outages import Outage
from ivrd.billing.pool import LookupPool
from ivrd.billing.reader import BillingReader
from ivrd.billing.sample_tables import profile_for, write_sample
from ivrd.billing.watch import BillingWatch
from ivrd.errors import BillingDown, BillingError, BillingSlow
from tests.billing.conftest import LAST, TODAY
from tests.billing.cut_network import Network, network_to
from tests.billing.places import BillingServer, copy_tables, reader_engine

CALLER_WAITS_S = 3.0
LIMIT_S = 0.3


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> BillingServer:
    running: BillingServer = request.getfixturevalue(request.param)
    return running


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("silent") / "small.db"
    write_sample(file, TODAY, accounts=15, months=2)
    return file


class Far:
    """A reader whose database is behind a network."""

    def __init__(self, reader: BillingReader, network: Network) -> None:
        self.reader = reader
        self.network = network
        self.told: list[Outage] = []
        reader.database.outages.tell = self.told.append

    def bill(self) -> Bill | NotReady | None:
        return self.reader.bill("100001", LAST)


@pytest.fixture
def far(server: BillingServer, small: Path) -> Iterator[Callable[..., Far]]:
    owner_url = server.new()
    copy_tables(small, owner_url)
    url = make_url(server.reader_url(owner_url))
    assert url.port
    with ExitStack() as stack:
        network = stack.enter_context(network_to(url.port))

        def make(breaker: Breaker | None = None, limit_s: float = LIMIT_S) -> Far:
            there = url.set(port=network.port).render_as_string(hide_password=False)
            engine = reader_engine(there, time_limit_s=limit_s)
            stack.callback(engine.dispose)
            # a cut network does not hold up the end of a test
            stack.callback(network.mend)
            return Far(BillingReader(load_mapping(profile_for("wide")), engine, breaker), network)

        yield make


def test_a_lookup_under_way_ends_in_time_and_says_why(far: Callable[..., Far]) -> None:
    one = far()
    assert isinstance(one.bill(), Bill)
    one.network.cut()
    began_s = time.monotonic()
    with pytest.raises(BillingSlow, match="the network is cut"):
        one.bill()
    assert time.monotonic() - began_s < CALLER_WAITS_S


def test_a_connection_that_is_to_be_made_ends_in_time(far: Callable[..., Far]) -> None:
    one = far()
    one.network.cut()
    began_s = time.monotonic()
    with pytest.raises(BillingError):
        one.bill()
    assert time.monotonic() - began_s < CALLER_WAITS_S


def test_connections_of_before_are_not_used_again_and_the_next_lookup_is_served(
    far: Callable[..., Far],
) -> None:
    one = far()
    assert isinstance(one.bill(), Bill)
    one.network.cut()
    with pytest.raises(BillingSlow):
        one.bill()
    assert one.reader.database.outages.state == "slow"
    one.network.mend()
    assert isinstance(one.bill(), Bill), "an answer that comes late is nobody else's"
    assert one.reader.find_by_phone("88610001")
    assert one.reader.database.outages.state == "up"


def test_the_breaker_spares_those_who_come_later_and_lets_one_try(far: Callable[..., Far]) -> None:
    now = 0.0
    one = far(Breaker(lambda: now, failures=2, open_s=10))
    assert isinstance(one.bill(), Bill)
    one.network.cut()
    for _ in range(2):
        with pytest.raises(BillingError):
            one.bill()
    began_s = time.monotonic()
    with pytest.raises(BillingDown, match="breaker"):
        one.bill()
    assert time.monotonic() - began_s < 0.2
    one.network.mend()
    now = 10.0
    assert isinstance(one.bill(), Bill)
    assert [outage.until is None for outage in one.told][:1] == [True]


async def test_callers_hear_in_time_threads_stay_few_and_it_is_over_without_callers(
    far: Callable[..., Far], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "RETRY_S", 0.2)
    monkeypatch.setattr(outages, "SETTLE_S", 0.0)
    monkeypatch.setattr("ivrd.billing.watch.LOOK_S", 0.05)
    one = far(Breaker(time.monotonic, failures=5, open_s=0.5))
    pool = LookupPool(threads=4, limit_s=LIMIT_S)
    watch = BillingWatch(one.reader.database, pool)
    watch.start()
    one.reader.database.outages.tell = one.told.append
    assert isinstance(await asked(pool, one), Bill)
    threads = threading.active_count()
    one.network.cut()
    began_s = time.monotonic()
    answers = await asyncio.gather(*(asked(pool, one) for _ in range(32)))
    assert time.monotonic() - began_s < CALLER_WAITS_S
    assert all(isinstance(answer, BillingError) for answer in answers)
    assert threading.active_count() <= threads + 3, "the other threads of the pool, and no more"
    await until(lambda: bool(one.told))
    one.network.mend()
    await until(lambda: one.told[-1].until is not None)
    assert [outage.until is None for outage in one.told] == [True, False]
    assert isinstance(await asked(pool, one), Bill)
    await watch.stop()
    pool.close()


async def until(so: Callable[[], bool]) -> None:
    """Wait: servers and networks say no other way that they are gone, or back."""
    async with asyncio.timeout(20):
        while not so():  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.02)


async def asked(pool: LookupPool, one: Far) -> object:
    answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    pool.submit(one.bill, answer.set_result)
    return await answer
