"""`ivrd campaign`: made from a file, filled from the billing data or a list, started, stopped."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import click
from sqlalchemy import Connection

from ivrd.cli.campaign_debtors import (
    debtors_of,
    fill,
    filled_json,
    filled_words,
    list_of,
    may_be_true,
    may_import,
    read_or_skip,
    set_posted,
    today_in,
)
from ivrd.cli.instants import instant, local
from ivrd.cli.output import Refused, json_option, print_facts, print_json
from ivrd.cli.own_store import act, intend, nudge, own_store
from ivrd.cli.report_output import (
    Shown,
    print_report,
    report_options,
    show,
    user_language,
    yuan,
)
from ivrd.cli.service import billing_reader, voices_of
from ivrd.cli.settings import settings
from ivrd.cli.tables import print_table
from ivrd.config import Config, Dunning
from ivrd.dunning import campaigns, reports
from ivrd.dunning.campaign import Campaign, campaign_from, load_campaign
from ivrd.dunning.campaign_prompts import unspoken
from ivrd.dunning.choose import choose_targets
from ivrd.dunning.columns import CAMPAIGN_STATES, OUTCOMES, PERSONS, TARGET_STATES, word
from ivrd.dunning.list_reports import target_list
from ivrd.dunning.person import plain
from ivrd.dunning.reasons import reason
from ivrd.dunning.reports import Standing, Which
from ivrd.dunning_settings import campaign_defaults, number_plan
from ivrd.errors import CampaignError, ControlError
from ivrd.store.engine import Store
from ivrd.store.states import CampaignState, TargetState
from ivrd.store.switches import KILL, is_on

_skip_bad = click.option("--skip-bad", metavar="FILE",
                         type=click.Path(dir_okay=False, path_type=Path),
                         help="Write refused rows there, and take the others.")  # fmt: skip
_posted_at = click.option("--posted-at", metavar="TIME",
                          help='Until when the payments in the list were posted, as'
                          ' "2026-11-22 06:00", or 6h for six hours ago.'
                          "  [default: the campaign's posted_at]")  # fmt: skip


@click.group()
def campaign() -> None:
    """Make campaigns, fill them with debtors, start and stop them."""


@campaign.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_skip_bad
@_posted_at
@json_option
@click.pass_obj
def new(
    config_file: Path, file: Path, skip_bad: Path | None, posted_at: str | None, as_json: bool
) -> None:
    """Make a campaign from FILE; it is not started yet.

    Its debtors are chosen from the billing data, or taken from the list that the file names.
    """
    config = settings(config_file)
    dunning = _dunning(config)
    with own_store(config) as store:
        now = store.now()
        defaults = replace(campaign_defaults(config, dunning), voices=voices_of(config))
        made = load_campaign(file, defaults, now)
        listed = list_of(made, file)
        if listed is None and (skip_bad is not None or posted_at is not None):
            option = "--skip-bad" if skip_bad is not None else "--posted-at"
            raise click.UsageError(f"{option} belongs to a campaign whose file names its list")
        if listed is not None:
            posted = instant(posted_at, now, config.zone) if posted_at else _posted_of(made)
            may_be_true(made, posted, now.astimezone(config.zone))
            made = made.posted(posted)
        found = read_or_skip(config, made, listed, now, skip_bad) if listed else None
        with debtors_of(config, made, found) as rows:
            act(
                store, "campaign.new", {"campaign": made.name, "kind": made.kind},
                lambda tx, at, _by: campaigns.make(tx, made, at),
            )  # fmt: skip
            filled = fill(store, made.name, rows, now, whole=False) if rows is not None else None
    if as_json:
        print_json({"campaign": made.name, **filled_json(filled, found)})
        return
    click.echo(f"campaign {made.name} is made{filled_words(filled, found, skip_bad)}")
    if filled is None:
        asked = made.kind == "dunning" and _posted_of(made) is None
        more = " --posted-at TIME" if asked else ""
        click.echo(f"next: `ivrd campaign import {made.name} FILE{more}`")
    else:
        click.echo(f"next: `ivrd campaign start {made.name}`")


@campaign.command("import")
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_skip_bad
@click.option("--add", "how", flag_value="add", help="The list is more debtors.")
@click.option("--whole", "how", flag_value="whole",
              help="The list is all debtors: who is missing on it has paid.")  # fmt: skip
@_posted_at
@json_option
@click.pass_obj
def import_debtors(
    config_file: Path, name: str, file: Path, skip_bad: Path | None, how: str | None,
    posted_at: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Import debtors from a CSV or XLSX file; every row, or none at all.

    What is wrong is told by row and column. A campaign that has debtors already wants to know
    whether these are more of them (--add) or all (--whole), and until when they are true.
    """
    config = settings(config_file)
    _dunning(config)
    with own_store(config) as store:
        now = store.now()
        row = store.read(lambda tx: campaigns.campaign_row(tx, name))
        into = campaign_from(row["settings"])
        may_import(row, into, how, posted_at)
        posted = instant(posted_at, now, config.zone) if posted_at else row["posted_at"]
        may_be_true(into, posted, now.astimezone(config.zone))
        found = read_or_skip(config, into, file, now, skip_bad)
        intend(
            store, "campaign.import",
            {"campaign": name, "file": file.name, "rows": len(found.rows), "how": how},
        )  # fmt: skip
        filled = fill(store, name, found.rows, now, whole=how == "whole")
        store.transact(partial(set_posted, campaign=row["id"], posted_at=posted))
    nudge(config)
    if as_json:
        print_json({"campaign": name, **filled_json(filled, found)})
    else:
        click.echo(f"{file} is imported into {name}{filled_words(filled, found, skip_bad)}")


@campaign.command()
@click.argument("name")
@json_option
@click.pass_obj
def choose(config_file: Path, name: str, as_json: bool) -> None:
    """Choose a campaign's debtors from the billing data again: new ones join, paid ones settle."""
    config = settings(config_file)
    with own_store(config) as store:
        now = store.now()
        row = store.read(lambda tx: campaigns.campaign_row(tx, name))
        into = campaign_from(row["settings"])
        if into.choose is None:
            raise Refused(f"{name} takes its debtors from a list: `ivrd campaign import {name}`")
        with billing_reader(config) as billing:
            rows = choose_targets(billing, into, number_plan(config), today_in(config, now))
            intend(store, "campaign.choose", {"campaign": name})
            filled = fill(store, name, rows, now, whole=True)
        if not filled.read:
            raise Refused(f"nobody owes anything: {name} is left as it was, for that is more likely"
                          " a fault of the billing data")  # fmt: skip
    nudge(config)
    if as_json:
        print_json({"campaign": name, **filled_json(filled, None)})
    else:
        click.echo(f"the debtors of {name} are chosen{filled_words(filled, None, None)}")


@campaign.command()
@click.argument("name")
@json_option
@click.pass_obj
def start(config_file: Path, name: str, as_json: bool) -> None:
    """Start a campaign, or go on with one that is paused."""
    _bring(config_file, name, CampaignState.RUNNING, "start", as_json=as_json)


@campaign.command()
@click.argument("name")
@json_option
@click.pass_obj
def pause(config_file: Path, name: str, as_json: bool) -> None:
    """Let a campaign rest; calls under way go on."""
    _bring(config_file, name, CampaignState.PAUSED, "pause", as_json=as_json)


@campaign.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def stop(config_file: Path, name: str, yes: bool, as_json: bool) -> None:
    """End a campaign for good; calls under way go on."""
    if not yes:
        click.confirm(f"{name} cannot be started again; pause lets it rest. Stop it?",
                      abort=True, err=True)  # fmt: skip
    _bring(config_file, name, CampaignState.STOPPED, "stop", as_json=as_json)


@campaign.command("list")
@json_option
@click.pass_obj
def list_campaigns(config_file: Path, as_json: bool) -> None:
    """List the campaigns, the latest first."""
    config = settings(config_file)
    with own_store(config) as store:
        standings = store.read(reports.standings)
        killed = store.read(lambda tx: is_on(tx, KILL))
    if as_json:
        print_json([plain(one, config.zone) for one in standings])
        return
    if not standings:
        click.echo("no campaign yet; `ivrd campaign new FILE` makes one")
        return
    print_table(
        ("campaign", "state", "debtors", "left", "notified", "paid", "waits for"),
        [
            (one.name, word(one.state, CAMPAIGN_STATES, "en"), one.whole, one.left,
             one.debtors.get(TargetState.NOTIFIED, 0), one.debtors.get(TargetState.SETTLED, 0),
             _waits_for(one, killed=killed))
            for one in standings
        ],
    )  # fmt: skip


@campaign.command("show")
@click.argument("name")
@json_option
@click.pass_obj
def show_campaign(config_file: Path, name: str, as_json: bool) -> None:
    """Say how a campaign stands: progress, outcomes, and what it waits for."""
    config = settings(config_file)
    with own_store(config) as store:
        row = store.read(lambda tx: campaigns.campaign_row(tx, name))
        (standing,) = store.read(lambda tx: reports.standings(tx, name))
        if as_json:
            print_json({**plain(standing, config.zone), "settings": row["settings"]})
            return
        killed = store.read(lambda tx: is_on(tx, KILL))
        _print_standing(standing, config, store.now(), killed=killed)
        click.echo()
        store.read(lambda tx: _print_progress(tx, name, config))


@campaign.command()
@click.argument("name")
@click.option("--state", "states", type=click.Choice([s.value for s in TargetState]),
              multiple=True, help="Of this state; may be given again.")  # fmt: skip
@report_options
@click.pass_obj
def export(config_file: Path, name: str, states: tuple[str, ...], shown: Shown) -> None:
    """List the debtors of a campaign, or write them to a file."""
    config = settings(config_file)
    with own_store(config) as store:
        store.read(lambda tx: campaigns.campaign_row(tx, name))
        show(store, lambda tx: target_list(tx, name, config.zone, states), shown, PERSONS)


def _dunning(config: Config) -> Dunning:
    if config.dunning is None:
        raise Refused(f"{config.path} has no [dunning]: nobody is dialled; its caller_id is enough")
    return config.dunning


def _bring(config_file: Path, name: str, to: CampaignState, do: str, *, as_json: bool) -> None:
    config = settings(config_file)
    with own_store(config) as store:
        if to is CampaignState.RUNNING:
            _can_be_spoken(config, store, name)
        act(
            store, f"campaign.{do}", {"campaign": name},
            lambda tx, at, _by: campaigns.bring(tx, name, to, at),
        )  # fmt: skip
        (standing,) = store.read(lambda tx: reports.standings(tx, name))
    nudge(config)
    if as_json:
        print_json({"campaign": name, "state": to.value, "left": standing.left})
        return
    click.echo(f"{name} is {word(to, CAMPAIGN_STATES, 'en')}, {standing.left} left to call")
    lacking = _lacking(config) if to is CampaignState.RUNNING else ""
    if lacking:
        click.echo(f"next: {lacking}")


def _lacking(config: Config) -> str:
    """Return what must be done before a running campaign calls anybody; "" for nothing."""
    lines = "lines that call, as `ivrd dunning start --lines 5-8`"
    if not config.socket.exists():
        return f"the daemon, `ivrd run`, and {lines}"
    from ivrd.cli.client import ask  # noqa: PLC0415 - aiohttp, for a daemon alone

    try:
        views = ask(config, "/lines")
    except ControlError:
        return f"the daemon, `ivrd run`, and {lines}"
    return "" if any(view["dunning"] == "on" for view in views) else lines


def _can_be_spoken(config: Config, store: Store, name: str) -> None:
    """Refuse a campaign of which a prompt is not in the voice library any more."""
    row = store.read(lambda tx: campaigns.campaign_row(tx, name))
    problems = unspoken(campaign_from(row["settings"]), voices_of(config))
    if problems:
        raise CampaignError(problems)


def _posted_of(made: Campaign) -> datetime | None:
    return made.from_list.posted_at if made.from_list else None


def _waits_for(one: Standing, *, killed: bool) -> str | None:
    """Return what a campaign waits for, and what ends that where a command does."""
    if one.state == CampaignState.NEW:
        return f"`ivrd campaign start {one.name}`"
    if killed and one.state == CampaignState.RUNNING:
        return "the kill switch is on: `ivrd kill-switch off`"
    return one.waits_for


def _print_standing(one: Standing, config: Config, now: datetime, *, killed: bool) -> None:
    def at(value: datetime | None) -> str | None:
        return local(value, config.zone) if value else None

    # one who is due waits for a line and the gate, not for an instant
    owed = f", {yuan(one.owed_fen)} owed" if one.owed_fen else ""
    later = one.next_at if one.next_at and one.next_at > now else None
    facts = {
        "campaign": f"{one.name}, {one.kind}",
        "state": word(one.state, CAMPAIGN_STATES, "en"),
        "waits for": _waits_for(one, killed=killed),
        "made": at(one.made_at), "started": at(one.started_at), "ended": at(one.ended_at),
        "debtors chosen": at(one.chosen_at), "payments posted": at(one.posted_at),
        "next call": at(later),
        "debtors": f"{one.whole:,}, {one.left:,} left to call{owed}",
        **{
            word(state, TARGET_STATES, "en"): ", ".join(
                f"{count} {reason(why)}" for why, count in sorted(reasons.items())
            )
            for state, reasons in one.reasons.items()
        },
        "outcomes of calls": ", ".join(
            f"{count} {word(outcome, OUTCOMES, 'en')}"
            for outcome, count in sorted(one.outcomes.items(), key=lambda item: -item[1])
        ),
    }  # fmt: skip
    print_facts({name: value for name, value in facts.items() if value})


def _print_progress(tx: Connection, name: str, config: Config) -> None:
    progress = reports.progress(tx, Which(campaign=name), config.zone)
    print_report(progress.without("campaign", "campaign_state"), user_language())
