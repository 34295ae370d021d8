"""How busy lines of dunning are while somebody may be called, on virtual time."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path

from bench.sample import sample_config
from bench.tables import table
from ivrd.dunning.campaign import campaign_from
from ivrd.dunning.choose import choose_targets
from ivrd.dunning_settings import number_plan
from ivrd.records import Status
from ivrd.rehearsal import DunningOffice, enrol, people_behind
from sim.debtors import Rates

LINES = (8, 32)
HOURS_S = 3600
ACCOUNTS = 40_000
STEP_S = 1.0
DAY_OF_CALLS = date(2026, 11, 23)

_DUNNING = """
[dunning]
caller_id = "+861086100170"
"""


def measure(folder: Path) -> str:
    """Call debtors of whom there are always more, and look at every line once a second."""
    rows = [_with(folder / str(lines), lines) for lines in LINES]
    return table(
        "Lines of dunning while somebody may be called, an hour on virtual time",
        ["lines", "in a call, %", "with the guard of 1 s, % (aim: 95)", "dials a minute",
         "mean call, s"],
        rows,
    )  # fmt: skip


def _with(folder: Path, lines: int) -> list[object]:
    folder.mkdir()
    config = sample_config(folder, _DUNNING, accounts=ACCOUNTS, today=DAY_OF_CALLS)
    start = datetime.combine(DAY_OF_CALLS, time(15), config.zone)
    campaign = campaign_from(
        {"name": "busy", "flow": "dunning", "caller_id": "+861086100170", "languages": ["zh-CN"],
         "profiles": ["cn-consumer-credit"], "dials_per_s": 50, "choose": {}}
    )  # fmt: skip
    office = DunningOffice(config, start, lines=lines, called=people_behind(Rates(), 11))
    try:
        reader = office.office.parts.reader
        owing = list(choose_targets(reader, campaign, number_plan(config), start.date()))
        office.store.transact(partial(enrol, campaign=campaign, rows=owing, now=start))
        office.start()
        office.clock.run_for(60)  # until every line has had its first
        return _look(office, lines)
    finally:
        office.close()


def _look(office: DunningOffice, lines: int) -> list[object]:
    looks: Counter[Status] = Counter()
    began = len(office.office.records)
    until = office.clock.now() + timedelta(seconds=HOURS_S)
    while office.clock.now() < until:
        looks.update(line.status for line in office.office.lines)
        office.clock.run_for(STEP_S)
    calls = office.office.records[began:]
    whole = sum(looks.values())
    in_call = (whole - looks[Status.IDLE]) / whole
    guarded = in_call + len(calls) / whole
    return [
        lines, 100 * in_call, 100 * guarded, len(calls) / HOURS_S * 60,
        sum(call.lasted_s for call in calls) / len(calls),
    ]  # fmt: skip
