"""Debtors for `ivrd campaign`: from the billing data or a list, into the store, with progress."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Connection, update

from ivrd.cli.output import Refused
from ivrd.cli.service import billing_reader
from ivrd.config import Config
from ivrd.dunning import campaigns
from ivrd.dunning.campaign import Campaign
from ivrd.dunning.choose import choose_targets, why_nobody
from ivrd.dunning.fill import Filled, refill
from ivrd.dunning.lists import DebtorList, ListChecks, import_list
from ivrd.dunning.target_rows import TargetRow
from ivrd.dunning_settings import number_plan
from ivrd.errors import ListError, Problem
from ivrd.store import tables
from ivrd.store.engine import Store
from ivrd.store.states import CampaignState


def list_of(made: Campaign, file: Path) -> Path | None:
    """Return the list that a campaign's file names."""
    if made.from_list is None or made.from_list.file is None:
        return None
    return file.parent / made.from_list.file


def read_or_skip(
    config: Config, into: Campaign, file: Path, now: datetime, skip_bad: Path | None
) -> DebtorList:
    """Read a list as `read_list`; where only rows are wrong, say how the others can be taken."""
    try:
        return read_list(config, into, file, now, skip_bad)
    except ListError as error:
        if skip_bad is None and all((problem.line or 0) > 1 for problem in error.problems):
            hint = "nothing is imported; --skip-bad FILE writes these rows there, takes the others"
            raise ListError([*error.problems, Problem(hint, file=file, rule="skip-bad")]) from None
        raise


def read_list(
    config: Config, into: Campaign, file: Path, now: datetime, skip_bad: Path | None
) -> DebtorList:
    """Read and check a list. Raises `ListError` with every problem; `Refused` for no good row."""
    checks = ListChecks(
        number_plan(config), today_in(config, now), config.zone,
        tuple(into.languages), into.kind,
    )  # fmt: skip
    with _progress("Reading the list") as told:
        found = import_list(file, checks, skip_bad=skip_bad, progress=told)
    if not found.rows:
        raise Refused(f"{file}: every row is refused; nothing is imported")
    return found


@contextmanager
def debtors_of(
    config: Config, made: Campaign, found: DebtorList | None
) -> Iterator[Iterable[TargetRow] | None]:
    """Give the debtors of a list or of the billing data; None where their list is not named yet.

    Raises `Refused` where the billing data has nobody for the campaign.
    """
    if made.choose is None:
        yield found.rows if found else None
        return
    with billing_reader(config) as billing:
        today = today_in(config, datetime.now(config.zone))
        rows = choose_targets(billing, made, number_plan(config), today)
        chosen = (row for row in rows if row.chosen)
        first = next(chosen, None)
        if first is None:
            raise Refused(f"nobody to call: {why_nobody(billing, made)}")
        yield itertools.chain([first], chosen)


def today_in(config: Config, now: datetime) -> date:
    """Return the day at this node."""
    return now.astimezone(config.zone).date()


def fill(
    store: Store, name: str, rows: Iterable[TargetRow], now: datetime, *, whole: bool
) -> Filled:
    """Put debtors into a campaign, page by page: doing it again after a failure ends the same."""
    campaign_id = store.read(lambda tx: campaigns.campaign_row(tx, name))["id"]
    total = len(rows) if isinstance(rows, list) else None
    with _progress("Writing debtors", total) as told:
        return refill(store, campaign_id, rows, now, whole=whole, progress=told)


def may_import(row: Any, into: Campaign, how: str | None, posted_at: str | None) -> None:
    """Refuse an import that would not do what its reader expects."""
    name = row["name"]
    if into.choose is not None:
        raise Refused(f"{name} chooses its debtors from the billing data; it takes no list")
    if row["state"] in {CampaignState.STOPPED, CampaignState.DONE}:
        raise Refused(f"{name} is {row['state']}; make a new campaign for this list")
    if row["chosen_at"] is None:
        return
    if how is None:
        raise click.UsageError(f"{name} has debtors already: say --add or --whole")
    if posted_at is None and into.kind == "dunning":
        raise click.UsageError("say with --posted-at until when this list's payments were posted")


def may_be_true(into: Campaign, posted_at: datetime | None, now: datetime) -> None:
    """Refuse a list that is too old, or newer than now: nobody on it would be called."""
    if into.kind == "notice" or into.from_list is None:
        return
    if posted_at is None:
        raise click.UsageError("neither the campaign's file nor --posted-at says until when this"
                               " list's payments were posted; say it, as in --posted-at"
                               f' "{now - timedelta(hours=6):%Y-%m-%d %H:%M}"')  # fmt: skip
    if posted_at > now:
        raise click.BadParameter("payments cannot have been posted until a time to come")
    if now - posted_at >= timedelta(hours=into.max_age_h):
        raise Refused(f"payments were posted until more than {into.max_age_h:g} hours ago: nobody"
                      " would be called; say with --posted-at until when those of this list"
                      " were")  # fmt: skip


def set_posted(tx: Connection, campaign: int, posted_at: datetime | None) -> None:
    """Keep until when the payments of a campaign's list were posted."""
    of = tables.campaigns.c.id == campaign
    tx.execute(update(tables.campaigns).where(of).values(posted_at=posted_at))


@contextmanager
def _progress(what: str, total: int | None = None) -> Iterator[Callable[[int, int | None], None]]:
    """Show on a terminal how far something is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def told(done: int, of: int | None) -> None:
            bar.update(task, completed=done, total=of or total)

        yield told


def filled_json(filled: Filled | None, found: DebtorList | None) -> dict[str, Any]:
    """Return what a fill did, for JSON."""
    counts = {name: getattr(filled, name) for name in Filled.__slots__} if filled else None
    return {"filled": counts, "refused": len(found.refused) if found else 0}


_FILLED = {
    "added": "debtors", "excluded": "of them without a number to dial", "refreshed": "refreshed",
    "again": "owe again", "settled": "have paid", "dropped": "not chosen any more",
}  # fmt: skip


def filled_words(filled: Filled | None, found: DebtorList | None, skip_bad: Path | None) -> str:
    """Return what a fill did, as people read it."""
    if filled is None:
        return ", without debtors yet"
    counts = {name: getattr(filled, name) for name in _FILLED}
    parts = [f"{count:,} {_FILLED[name]}" for name, count in counts.items() if count]
    if found is not None and found.refused:
        parts.append(f"{len(found.refused):,} rows refused, in {skip_bad}")
    return f": {', '.join(parts)}" if parts else ": nothing new"
