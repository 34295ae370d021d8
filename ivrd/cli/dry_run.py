"""`ivrd simulate --campaign FILE`: what a campaign will bring, before anybody is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ivrd.cli.campaign_debtors import debtors_of, list_of, read_list
from ivrd.cli.instants import to_come
from ivrd.cli.output import Refused, print_facts, print_json
from ivrd.cli.own_store import own_store
from ivrd.cli.service import voices_of
from ivrd.cli.tables import print_table
from ivrd.config import Config
from ivrd.dunning.campaign import Campaign, load_campaign
from ivrd.dunning.dry_run_debtors import Known, undiallable
from ivrd.dunning.dry_run_forecast import Forecast, forecast, runs_for
from ivrd.dunning.dry_run_interval import CONTENT
from ivrd.dunning.dry_run_rates import rates_of_history
from ivrd.dunning.target_rows import TargetRow
from ivrd.dunning_settings import campaign_defaults
from ivrd.records import Role
from ivrd.rehearsal import plan_of
from ivrd.store.engine import Store
from sim.debtors import Rates, load_debtors

HISTORY = timedelta(days=180)
"""How far back outcome rates are taken from."""

LEDGER = timedelta(days=31)
"""How far back earlier calls are looked at: further than any limit that comes with ivrd."""


def dry_run(
    config: Config, file: Path, *, lines: int | None, seed: int, at: str | None,
    rates: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Run the campaign of `file` dry, and print what it will bring."""
    dunning = config.dunning
    if dunning is None:
        raise Refused("nobody is dialled: ivrd.toml has no table [dunning]")
    now = datetime.now(config.zone)
    start = to_come(at, now, config.zone) if at else now
    defaults = replace(campaign_defaults(config, dunning), voices=voices_of(config))
    campaign = load_campaign(file, defaults, now)
    cards = dialling(config, campaign, lines)
    rows = _rows(config, campaign, file, now)
    with own_store(config) as store:
        known = store.read(lambda tx: Known.read(tx, now - LEDGER))
        people, origin = _rates(config, store, rates, now)
    plan = plan_of(config, campaign, rows, people, start, lines=cards, known=known)
    runs = runs_for(len(plan.owing))
    with Progress(
        TextColumn("Running it dry"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
        disable=not sys.stderr.isatty(), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=runs * len(plan.owing))
        found = forecast(plan, seed, runs=runs, progress=lambda more: bar.advance(task, more))
    more = {
        "campaign": campaign.name,
        "seed": seed,
        "rates": origin,
        "no_number": undiallable(rows),
    }
    if as_json:
        print_json({**more, **asdict(found)})
    else:
        _print(campaign, found, more)


def dialling(config: Config, campaign: Campaign, lines: int | None) -> list[str]:
    """Return the card of each line that will dial.

    So many as asked for; else the campaign's own, else those of ivrd.toml with role dunning or
    both, else all that are not off: the operator gives any of them to dunning.
    """
    every = [
        (number, card, table.role if table else Role.ENQUIRY)
        for number, card, _, table in config.every_line()
    ]
    there = [(number, card) for number, card, role in every if role is not Role.OFF]
    mine = [(number, card) for number, card in there if number in campaign.lines]
    given = {n for n, _, role in every if role in {Role.DUNNING, Role.BOTH}}
    own = [(number, card) for number, card in there if number in given]
    chosen = [card for _, card in mine or own or there]
    if lines is None:
        return chosen
    # more than there are: as if the last card had more channels
    return [*chosen, *[chosen[-1] if chosen else "card"] * lines][:lines]


def _rows(config: Config, campaign: Campaign, file: Path, now: datetime) -> Sequence[TargetRow]:
    listed = list_of(campaign, file)
    found = read_list(config, campaign, listed, now, None) if listed else None
    with debtors_of(config, campaign, found) as rows:
        if rows is None:
            raise Refused(f"{file}: its debtors come from a list, and [list] names no file")
        return list(rows)


def _rates(config: Config, store: Store, file: Path | None, now: datetime) -> tuple[Rates, str]:
    """Return how debtors behave, and where that is from."""
    if file is not None:
        return load_debtors(file), str(file)
    found = store.read(lambda tx: rates_of_history(tx, now - HISTORY, config.zone))
    if found is not None:
        return Rates.model_validate(found), f"the attempts of the last {HISTORY.days} days"
    return Rates(), "assumed: too few attempts are on record; give your own with --rates"


def _print(campaign: Campaign, found: Forecast, more: dict[str, Any]) -> None:
    facts = {
        "campaign": f"{campaign.name}, {found.debtors} debtors on {found.lines} lines",
        "outcome rates": more["rates"],
        "begins": f"{found.start:%Y-%m-%d %H:%M}",
        "ends": _ends(found),
        "calls": f"{found.calls:,.0f}, {found.calls / max(found.debtors, 1):.1f} a debtor",
        "lines busy": f"{100 * max((d.busy for d in found.days), default=0):.0f} % on the busiest"
        " day, of the hours in which it may call",
    }
    if campaign.from_list is not None and campaign.kind == "dunning":
        facts["supposed"] = f"a newer list comes at least every {campaign.max_age_h:g} hours"
    print_facts(facts)
    _table("Day", [(f"{d.day:%a %Y-%m-%d}", f"{d.calls:,.0f}", f"{100 * d.busy:.0f} %")
                   for d in found.days], "calls", "lines busy")  # fmt: skip
    calls = [(word, f"{100 * share:.1f} %") for word, share in found.outcomes.items()]
    _table("What calls come to", calls, "share")
    ends = [(word, f"{count:,.1f}") for word, count in found.results.items()]
    _table("How debtors end", ends, "debtors")
    held = [
        *((f"at the start: {reason}", f"{count:,}") for reason, count in _held_first(found, more)),
        *((f"on the way: {reason}", f"{count:,.1f}") for reason, count in found.held.items()),
        *((f"until something happens: {r}", f"{count:,.1f}") for r, count in found.stuck.items()),
    ]
    _table("Held back", held, "debtors")


def _held_first(found: Forecast, more: dict[str, Any]) -> list[tuple[str, int]]:
    return [*more["no_number"].items(), *found.held_at_start.items()]


def _ends(found: Forecast) -> str:
    if found.ends is None:
        return "never by itself: see what is held back until something happens"
    between = f"between {_when(found.ends.earliest)} and {_when(found.ends.latest)}"
    return f"{between} ({100 * CONTENT:.0f} %, by {found.ends.runs} runs)"


def _when(at: datetime) -> str:
    return f"{at:%a %Y-%m-%d %H:%M}"


def _table(title: str, rows: Sequence[Sequence[str]], *columns: str) -> None:
    if rows:
        click.echo()
        print_table([title, *columns], rows)
