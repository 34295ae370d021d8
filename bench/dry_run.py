"""The dry run of a campaign: how long a large one takes, and whether real runs end as it says."""

from __future__ import annotations

import resource
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from bench.sample import sample_config
from bench.tables import table
from ivrd.assembly import open_billing
from ivrd.billing.mapping import load_mapping
from ivrd.config import Config
from ivrd.dunning.campaign import Campaign, load_campaign
from ivrd.dunning.choose import choose_targets
from ivrd.dunning.dry_run_debtors import Known, owing
from ivrd.dunning.dry_run_forecast import forecast, runs_for
from ivrd.dunning.dry_run_interval import EndsBetween
from ivrd.dunning.target_rows import TargetRow
from ivrd.dunning_settings import campaign_defaults, number_plan
from ivrd.rehearsal import plan_of, real_run
from sim.debtors import Rates

ZONE = ZoneInfo("Asia/Shanghai")
DEBTORS = 100_000
LINES = 32
SEEDS = range(70_001, 70_021)
"""Of the real runs; the model was tuned with none of them."""

RATES = Rates(hours={"09:00-12:00": 0.7, "18:00-20:00": 1.6})

_DUNNING = """
[dunning]
caller_id = "+861088617000"
dials_per_s = 5.0
"""
_CAMPAIGN = """
name = "bench"
[choose]
amount_at_least = "1.00"
{hours}
"""
_EVENINGS = """
[when]
weekdays = ["16:30-19:30"]
weekends = ["16:30-19:30"]
"""
"""So few hours that a hundred thousand debtors take a month."""


def measure(folder: Path) -> str:
    """Run the large campaign dry, and a small one dry and for real."""
    # what a simulated node logs of itself is none of the figures
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    return "\n".join([_large(folder), _small(folder)])


def _large(folder: Path) -> str:
    config, campaign, rows, start = _campaign(folder, _EVENINGS)
    plan = plan_of(config, campaign, rows, RATES, start, lines=["soft"] * LINES)
    like = [
        replace(rows[0], account=f"a{n}", person=f"p{n}", numbers=(f"+8610{60000000 + n}",))
        for n in range(DEBTORS)
    ]  # fmt: skip
    plan = replace(plan, owing=owing(like, Known()))
    begin_s, cpu_s = time.perf_counter(), time.process_time()
    found = forecast(plan, 1, runs=runs_for(DEBTORS))
    wall_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - cpu_s
    calls = found.calls * runs_for(DEBTORS)
    rows_: list[list[object]] = [
        ["debtors, lines, runs", f"{len(plan.owing):,}, {LINES}, {runs_for(DEBTORS)}"],
        ["days on which calls are made", len(found.days)],
        ["calls of one run", f"{found.calls:,.0f}"],
        ["ends (95 %)", _between(found.ends)],
        ["wall time of all runs, s (required: 300)", wall_s],
        ["processor time of all runs, s", cpu_s],
        ["processor time a call, µs", 1e6 * cpu_s / calls],
        ["highest memory, MB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3],
    ]
    return table("Dry run of a large campaign", ["what", "figure"], rows_)


def _small(folder: Path) -> str:
    config, campaign, rows, start = _campaign(folder, "")
    rows = rows[:100]
    plan = plan_of(config, campaign, rows, RATES, start, lines=["soft"] * 4)
    found = forecast(plan, 1, runs=runs_for(len(rows)))
    if found.ends is None:
        raise RuntimeError("something else holds the campaign")
    begin_s = time.perf_counter()
    ends = [real_run(config, campaign, rows, RATES, start, lines=4, seed=seed) for seed in SEEDS]
    wall_s = (time.perf_counter() - begin_s) / len(ends)
    within = sum(found.ends.earliest <= end <= found.ends.latest for end in ends)
    rows_: list[list[object]] = [
        ["debtors, lines, dry runs", f"{len(plan.owing)}, 4, {runs_for(len(rows))}"],
        ["dry: ends (95 %)", _between(found.ends)],
        ["real: earliest and latest end", f"{_told(min(ends))} to {_told(max(ends))}"],
        [f"of {len(ends)} real runs end within it (required: 18)", within],
        ["wall time of a real run, s", wall_s],
    ]
    return table("Real runs against the dry run", ["what", "figure"], rows_)


def _campaign(folder: Path, hours: str) -> tuple[Config, Campaign, list[TargetRow], datetime]:
    folder = folder / ("evenings" if hours else "days")
    folder.mkdir()
    config = sample_config(folder, _DUNNING)
    if config.dunning is None:
        raise RuntimeError("no dunning in the settings")
    start = datetime(2026, 11, 2, 9, 0, tzinfo=config.zone)
    file = folder / "bench.toml"
    file.write_text(_CAMPAIGN.format(hours=hours), encoding="utf-8")
    campaign = load_campaign(file, campaign_defaults(config, config.dunning), start)
    reader = open_billing(config, load_mapping(config.mapping))
    rows = list(choose_targets(reader, campaign, number_plan(config), start.date()))
    reader.database.engine.dispose()
    return config, campaign, [row for row in rows if row.chosen and row.numbers], start


def _between(ends: EndsBetween | None) -> str:
    return f"{_told(ends.earliest)} to {_told(ends.latest)}" if ends else "never by itself"


def _told(at: datetime) -> str:
    return f"{at.astimezone(ZONE):%m-%d %H:%M}"
