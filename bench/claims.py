"""Who is called next, out of a million: from a free line to the gate's permit, on both stores."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert

from bench.sample import sample_config
from bench.tables import percentile, table
from ivrd.billing.entities import Arrears
from ivrd.dunning.campaign import Campaign, campaign_from
from ivrd.dunning.case import GateRules
from ivrd.dunning.claim import Claim, Slot
from ivrd.dunning.closing import AttemptResult
from ivrd.dunning.desk import DunningDesk
from ivrd.dunning.gate import Gate
from ivrd.dunning.holiday_calendar import calendar_of
from ivrd.dunning.numbers import NumberPlan
from ivrd.dunning.openings import CampaignHours
from ivrd.dunning.policy import ready_policies
from ivrd.dunning.running import Campaigns
from ivrd.store import tables
from ivrd.store.engine import Store, open_store
from ivrd.store.states import CampaignState, Outcome, TargetState
from tests.store.postgres import programs_at_hand, server

TARGETS = 1_000_000
CLAIMS = 500
PAGE = 10_000
OWED_FEN = 12_345


def measure(folder: Path) -> str:
    """Fill each store with a campaign of a million debtors, claim and close."""
    zone = sample_config(folder).zone
    rows = [_on("SQLite, WAL, every commit synced", f"sqlite:///{folder / 'store.db'}", zone)]
    programs = programs_at_hand()
    if programs is None:
        rows.append(["PostgreSQL is not installed", *["-"] * 6])
    else:
        with server(programs, synced=True) as running:
            rows.append(_on("PostgreSQL, every commit synced", running.new_url(), zone))
    return table(
        f"From a free line to the permit, {TARGETS:,} debtors in the store",
        ["store", "fill, s", "claim p50, ms", "claim p99, ms", "close p50, ms", "close p99, ms",
         "claims and closes a second (peer: 1.1 dials a second keep 32 lines busy)"],
        rows,
    )  # fmt: skip


def _on(name: str, url: str, zone: ZoneInfo) -> list[object]:
    now = datetime(2026, 11, 23, 10, 0, tzinfo=zone)
    with closing(open_store(url, now=lambda: now)) as store:
        start_s = time.perf_counter()
        store.transact(lambda tx: _fill(tx, now))
        fill_s = time.perf_counter() - start_s
        desk = _desk(store, zone)
        claims, closes = _claim_and_close(desk)
    both_s = sum(claims) + sum(closes)
    return [
        name, fill_s, *(1000 * percentile(claims, share) for share in (0.5, 0.99)),
        *(1000 * percentile(closes, share) for share in (0.5, 0.99)), len(claims) / both_s,
    ]  # fmt: skip


def _claim_and_close(desk: DunningDesk) -> tuple[list[float], list[float]]:
    claims: list[float] = []
    closes: list[float] = []
    for line in itertools.islice(itertools.cycle(range(1, 33)), CLAIMS):
        start_s = time.perf_counter()
        found = desk.claim(Slot("bench", "soft", line))
        claims.append(time.perf_counter() - start_s)
        if not isinstance(found, Claim):
            raise TypeError(f"nobody was found: {found.why}")
        result = AttemptResult(Outcome.NO_ANSWER, cause="T_NOANS 19", lasted_s=45.0)
        start_s = time.perf_counter()
        desk.close(found.permit.attempt, result)
        closes.append(time.perf_counter() - start_s)
    return claims, closes


def _desk(store: Store, zone: ZoneInfo) -> DunningDesk:
    rules = GateRules(policies=ready_policies(), lease_s=900.0)
    gate = Gate(rules, NumberPlan("86", "010"), calendar_of("CN"))
    campaigns = Campaigns(zone, CampaignHours(rules, gate.calendar))
    return DunningDesk(
        store, gate, campaigns, lambda account: (Arrears(account, OWED_FEN, 1),),
        lambda _reminder: {}, lambda _campaign, _today: (), "bench",
    )  # fmt: skip


def _campaign() -> Campaign:
    return campaign_from(
        {
            "name": "bench", "flow": "dunning", "caller_id": "+861088617000",
            "languages": ["zh-CN"], "profiles": ["cn-consumer-credit", "cn-banking-association"],
            "dials_per_s": 50, "choose": {},
        }
    )  # fmt: skip


def _fill(tx: Connection, now: datetime) -> None:
    row = {
        "name": "bench", "kind": "dunning", "state": CampaignState.RUNNING.value,
        "settings": _campaign().settings(), "made_at": now, "started_at": now,
    }  # fmt: skip
    made = insert(tables.campaigns).values(**row).returning(tables.campaigns.c.id)
    campaign = tx.execute(made).scalar_one()
    for page in _pages(campaign, now):
        tx.execute(insert(tables.targets), page)


def _pages(campaign: int, now: datetime) -> Iterator[list[dict[str, object]]]:
    for first in range(0, TARGETS, PAGE):
        yield [
            {
                "campaign": campaign, "account": f"a{serial}", "person": f"a{serial}",
                "numbers": [f"+86138{serial:08}"], "amount_fen": OWED_FEN, "months": 1,
                "state": TargetState.WAITING.value, "next_at": now - timedelta(seconds=serial),
                "tries": 0, "number_at": 0,
            }
            for serial in range(first, first + PAGE)
        ]  # fmt: skip
