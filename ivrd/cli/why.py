"""`ivrd why`: why a number or an account was called, or was not (product D11)."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import click

from ivrd.billing.entities import Arrears
from ivrd.cli.debtor import person_facts
from ivrd.cli.instants import local
from ivrd.cli.output import Refused, json_option, print_facts, print_json
from ivrd.cli.own_store import own_store
from ivrd.cli.report_output import yuan
from ivrd.cli.service import billing_reader
from ivrd.cli.settings import settings
from ivrd.cli.tables import print_table
from ivrd.config import Config
from ivrd.dunning.columns import CAMPAIGN_STATES, TARGET_STATES, word
from ivrd.dunning.explain import Asked, Billed, Explanation, Story, Verdict, explain
from ivrd.dunning.numbers import NumberPlan, NumberProblem
from ivrd.dunning.openings import CampaignHours
from ivrd.dunning.person import InCampaign, Person, look_up, person
from ivrd.dunning.running import Campaigns
from ivrd.dunning_settings import gate_of
from ivrd.errors import BillingError

_WHEN = len("2026-11-20 15:00:00")


@click.command()
@click.argument("who", metavar="NUMBER|ACCOUNT")
@click.option("--offline", is_flag=True, help="Do not ask the billing data what is owed.")
@json_option
@click.pass_obj
def why(config_file: Path, who: str, offline: bool, as_json: bool) -> None:
    """Say why a number or an account was called, or was not, and when it may be called next.

    Everything that happened, in order: decisions and calls, in every campaign; what is counted
    against each limit; and what the gate would say now. Nothing is masked.
    """
    config = settings(config_file)
    told = _explained(config, who, offline=offline)
    if as_json:
        print_json(told.plain(config.zone))
    else:
        print_explanation(told, config)


def _explained(config: Config, who: str, *, offline: bool) -> Explanation:
    if config.dunning is None:
        raise Refused(f"{config.path} has no [dunning]: nobody is ever dialled")
    gate = gate_of(config, config.dunning)
    number, unreadable = None, None
    try:
        number = gate.plan.e164(who)
    except NumberProblem as problem:
        unreadable = str(problem)
    campaigns = Campaigns(config.zone, CampaignHours(gate.rules, gate.calendar))
    with own_store(config) as store:
        found = store.read(lambda tx: person(tx, look_up(tx, who, number)))
        billed = Billed({}, "the billing data was not asked") if offline else _billed(
            config, gate.plan, found, who, number
        )  # fmt: skip
        asked = Asked(gate, campaigns, billed)
        now = store.now()
        return store.read(lambda tx: explain(tx, found, asked, now, unreadable=unreadable))


def _billed(
    config: Config, plan: NumberPlan, found: Person, who: str, number: str | None
) -> Billed:
    """Ask the billing data about the accounts that are known, else about the number."""
    arrears: dict[str, tuple[Arrears, ...]] = {}
    try:
        with billing_reader(config) as billing:
            for account in found.accounts or (who,):
                if billing.account(account) is not None:
                    arrears[account] = billing.arrears(account)
            for written in _as_written(plan, who, number) if not arrears else ():
                account_of = billing.find_by_phone(written)
                if account_of is not None:
                    arrears[account_of.id] = billing.arrears(account_of.id)
                    break
    except BillingError as error:
        return Billed(arrears, f"the billing data does not answer: {error}")
    return Billed(arrears)


def _as_written(plan: NumberPlan, who: str, number: str | None) -> Iterable[str]:
    """Return the ways in which a billing database may write a number."""
    ways = [who]
    if number is not None:
        ways += [plan.dialled(number, "local"), plan.dialled(number, "national"), number]
    return dict.fromkeys(ways)


def print_explanation(told: Explanation, config: Config) -> None:
    """Print the answer first, then all that leads to it."""
    found = told.person
    click.echo(_headline(told.verdict, config))
    click.echo()
    print_facts(person_facts(found, config))
    for story, target in zip(told.stories, found.campaigns, strict=True):
        _print_story(story, target, config, told.asked_at)


def _headline(verdict: Verdict, config: Config) -> str:
    if verdict.may:
        return click.style(_fitted(verdict.sentence), fg="green", bold=True)
    ends = ""
    if verdict.until is not None:
        ends = f"\nnext call: {local(verdict.until, config.zone)} at the earliest"
    elif verdict.final:
        ends = "\nno further call"
    never = "" if verdict.sentence.startswith("never") else "not called now: "
    return click.style(_fitted(f"{never}{verdict.sentence}"), fg="yellow", bold=True) + ends


def _fitted(sentence: str) -> str:
    """Return a sentence in lines that fit the terminal."""
    if not sys.stdout.isatty():
        return sentence
    return textwrap.fill(sentence, shutil.get_terminal_size().columns, break_on_hyphens=False)


def _print_story(story: Story, target: InCampaign, config: Config, asked_at: datetime) -> None:
    state = word(target.campaign_state, CAMPAIGN_STATES, "en")
    click.echo(
        f"\n{click.style(f'campaign {story.campaign}', bold=True)} ({state}):"
        f" {word(target.state, TARGET_STATES, 'en')}, owed {yuan(target.amount_fen)},"
        f" {target.tries} call{'' if target.tries == 1 else 's'}"
    )
    for step in story.steps:
        again = f"; not before {local(step.next_at, config.zone)}" if step.next_at else ""
        _print_at(local(step.at, config.zone), f"{step.sentence}{again}")
    _print_at("now", story.verdict.sentence)
    if story.opens_at is not None and not story.verdict.may:
        open_now = story.opens_at <= asked_at
        opens = "open now" if open_now else f"next open {local(story.opens_at, config.zone)}"
        _print_at("", f"its hours: {opens}")
    click.echo()
    print_table(
        ("  limit", "allows", "used", "free again"),
        [
            (f"  {one.rule}", one.limit, f"{one.used} of {one.most}",
             local(one.frees_at, config.zone) if one.frees_at else None)
            for one in story.counters
        ],
    )  # fmt: skip


def _print_at(when: str, told: str) -> None:
    """Print what happened at a time; on a terminal, long lines go on below their beginning."""
    lines = [told]
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - _WHEN - 5
        lines = textwrap.wrap(told, max(width, 20), break_on_hyphens=False)
    for at, line in enumerate(lines):
        shown = click.style(f"{'' if at else when:{_WHEN}}", dim=True)
        click.echo(f"  {shown}  {line}")
