"""`ivrd report`: calls, campaigns, promises, the worklist, what calls brought, arrears by age."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ivrd.billing.entities import OwedRow
from ivrd.billing.mapping import load_mapping
from ivrd.cli.enquiry import LineNumbers
from ivrd.cli.instants import coming_day, instant
from ivrd.cli.output import Refused
from ivrd.cli.own_store import own_store
from ivrd.cli.report_output import Shown, report_options, show, show_report
from ivrd.cli.service import billing_reader
from ivrd.cli.settings import settings
from ivrd.config import Config
from ivrd.dunning import reports
from ivrd.dunning.ages import about_to_run_over, ages_by_days, ages_by_month, soonest_first
from ivrd.dunning.ages_report import age_report, warning_report
from ivrd.dunning.columns import NUMBERS, PERSONS
from ivrd.dunning.effect import effect, note_payments, open_debts
from ivrd.dunning.reports import Which
from ivrd.dunning_settings import number_plan
from ivrd.store.engine import Store
from ivrd.store.states import Outcome, PromiseState

F = TypeVar("F", bound=Callable[..., Any])

ASKED_BACK = timedelta(days=180)
"""Campaigns older than this are not asked after in the billing data any more."""


@click.group()
def report() -> None:
    """Report on calls and campaigns: on the terminal, as JSON, CSV or a spreadsheet.

    Numbers are masked where they are not needed: --clear shows them. Files have them in full:
    --mask masks them.
    """


_since = click.option("--since", metavar="TIME", help="From then on: 2026-11-20, today, 7d.")
_until = click.option("--until", metavar="TIME", help="Until then; a day is included.")
_campaign = click.option("--campaign", metavar="NAME", help="Of this campaign.")
_account = click.option("--account", metavar="ACCOUNT", help="Of this account.")


def _which(
    config: Config, store: Store, since: str | None, until: str | None, **more: Any
) -> Which:
    now = store.now()
    return Which(
        since=instant(since, now, config.zone) if since else None,
        until=instant(until, now, config.zone, ends=True) if until else None,
        **more,
    )


@report.command()
@_since
@_until
@click.option("--lines", "numbers", type=LineNumbers(), metavar="1-4,7", help="On these lines.")
@click.option("--number", metavar="NUMBER", help="To this number.")
@_account
@click.option("--outcome", "outcomes", type=click.Choice([o.value for o in Outcome]),
              multiple=True, help="With this outcome; may be given again.")  # fmt: skip
@_campaign
@report_options
@click.pass_obj
def calls(  # noqa: PLR0913, PLR0917 - one for each option
    config_file: Path, since: str | None, until: str | None, numbers: list[int] | None,
    number: str | None, account: str | None, outcomes: tuple[str, ...], campaign: str | None,
    shown: Shown,
) -> None:  # fmt: skip
    """List the calls: when, on which line, to whom, what came of it."""
    config = settings(config_file)
    called = number_plan(config).e164(number) if number else None
    with own_store(config) as store:
        which = _which(config, store, since, until, lines=numbers or (), number=called,
                       account=account, outcomes=outcomes, campaign=campaign)  # fmt: skip
        show(store, lambda tx: reports.calls(tx, which, config.zone), shown, PERSONS)


@report.command("campaign")
@click.argument("name", required=False)
@report_options
@click.pass_obj
def campaign_progress(config_file: Path, name: str | None, shown: Shown) -> None:
    """Count the debtors of a campaign, or of all, by what became of them and why."""
    config = settings(config_file)
    with own_store(config) as store:
        show(store, lambda tx: reports.progress(tx, Which(campaign=name), config.zone), shown)


@report.command()
@_since
@_until
@click.option("--state", "states", type=click.Choice([s.value for s in PromiseState]),
              multiple=True, help="In this state; may be given again.")  # fmt: skip
@_account
@_campaign
@report_options
@click.pass_obj
def promises(
    config_file: Path, since: str | None, until: str | None, states: tuple[str, ...],
    account: str | None, campaign: str | None, shown: Shown,
) -> None:  # fmt: skip
    """List the promises to pay, and what became of them."""
    config = settings(config_file)
    with own_store(config) as store:
        which = _which(config, store, since, until, account=account, campaign=campaign)
        show(store, lambda tx: reports.promise_list(tx, which, config.zone, states), shown, NUMBERS)


@report.command()
@click.option("--due-by", metavar="DAY", help="To be done by then: 2026-11-25, today, 3d.")
@click.option("--owner", metavar="WHO", help="Of this person.")
@_account
@click.option("--all", "with_done", is_flag=True, help="With what is done.")
@report_options
@click.pass_obj
def worklist(
    config_file: Path, due_by: str | None, owner: str | None, account: str | None,
    with_done: bool, shown: Shown,
) -> None:  # fmt: skip
    """List what people are to do (催缴记录表), by when, and who signed it off."""
    show_worklist(settings(config_file), due_by, owner, account, shown, with_done=with_done)


def show_worklist(
    config: Config, due_by: str | None, owner: str | None, account: str | None, shown: Shown,
    *, with_done: bool,
) -> None:  # fmt: skip
    """Show the worklist, for the two commands that do."""
    with own_store(config) as store:
        due = coming_day(due_by, store.now(), config.zone) if due_by else None
        show(
            store,
            lambda tx: reports.work(
                tx, Which(account=account), config.zone,
                with_done=with_done, due_until=due, owner=owner,
            ),
            shown,
            NUMBERS,
        )  # fmt: skip


@report.command()
@click.option("--by", type=click.Choice(["month", "days"]), default="month", show_default=True,
              help="By the month of the bill, or by days past due.")  # fmt: skip
@click.option("--warn", "warn_days", type=click.IntRange(0, 366), metavar="[DAYS]",
              is_flag=False, flag_value=0,
              help="List the accounts that run over a threshold by then (预警).")  # fmt: skip
@report_options
@click.pass_obj
def arrears(config_file: Path, by: str, warn_days: int | None, shown: Shown) -> None:
    """Sum up what is owed by age, product and customer group, as the billing data has it today.

    --warn lists accounts by the thresholds and days of [arrears] in ivrd.toml: without them, those
    between the ages (1, 2, 3 and 6 months, 1, 2 and 3 years) and 7 days.
    """
    config = settings(config_file)
    _has_arrears(config)
    today = datetime.now(config.zone).date()
    with billing_reader(config) as billing:
        rows = _read(billing.owed_rows())
        if warn_days is not None:
            warned = about_to_run_over(
                rows, today, within_days=warn_days or config.arrears.warn_days,
                thresholds=config.arrears.warn,
            )  # fmt: skip
            told = warning_report(soonest_first(warned), config.zone)
        else:
            table = ages_by_days(rows, today) if by == "days" else ages_by_month(rows, today)
            told = age_report(table, config.zone, by_days=by == "days")
        show_report(told, shown, NUMBERS)


def _read(rows: Iterable[OwedRow]) -> Iterator[OwedRow]:
    """Yield what is owed, counting on terminals: it may be millions of rows."""
    with Progress(
        TextColumn("Reading what is owed"), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=None)
        for number, row in enumerate(rows, start=1):
            if number % 1000 == 0:
                bar.update(task, completed=number)
            yield row


@report.command("effect")
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True,
              help="Days within which a payment counts.")  # fmt: skip
@_since
@_until
@_campaign
@click.option("--offline", is_flag=True, help="Do not ask the billing data who has paid.")
@report_options
@click.pass_obj
def effect_of_calls(
    config_file: Path, days: int, since: str | None, until: str | None, campaign: str | None,
    offline: bool, shown: Shown,
) -> None:  # fmt: skip
    """Set those who paid after contact against those who paid without (催缴效果分析).

    First the billing data is asked who has paid by now. Asked every day, it gives the days of
    payments; asked seldom, payments are seen late.
    """
    config = settings(config_file)
    with own_store(config) as store:
        which = _which(config, store, since, until, campaign=campaign)
        now = store.now()
        if not offline:
            _ask_who_paid(config, store, now)
        show(store, lambda tx: effect(tx, which, config.zone, days=days, now=now), shown)


def _ask_who_paid(config: Config, store: Store, now: datetime) -> None:
    """Ask the billing data who owes nothing any more, and keep the answers."""
    accounts = store.read(lambda tx: open_debts(tx, now - ASKED_BACK))
    if not accounts:
        return
    _has_arrears(config, "; --offline reports without it")
    owed: Counter[str] = Counter()
    with billing_reader(config) as billing:
        for row in _read(billing.owed_rows()):
            owed[row.owed.account_id] += row.owed.amount_fen
    if not owed:
        raise Refused("the billing data has nobody in arrears, which is more likely a fault than"
                      " good news; --offline reports without it")  # fmt: skip
    paid = [account for account in accounts if owed[account] <= 0]
    store.transact(lambda tx: note_payments(tx, now, paid))


def _has_arrears(config: Config, hint: str = "") -> None:
    """Refuse where the billing data cannot say who owes what."""
    if load_mapping(config.mapping).arrears is None:
        raise Refused(f"the mapping {config.mapping} has no [arrears]: nobody knows who owes"
                      f" what{hint}")  # fmt: skip
