"""`ivrd debtor`: how a debtor stands, and what people say and do about it (product D7)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from ivrd.cli.instants import coming_day, local, to_come
from ivrd.cli.output import Refused, json_option, print_facts, print_json
from ivrd.cli.own_store import act, own_store
from ivrd.cli.report_output import yuan
from ivrd.cli.settings import settings
from ivrd.cli.tables import print_table
from ivrd.config import Config
from ivrd.dunning.columns import (
    CAMPAIGN_STATES,
    CLASSES,
    PROMISE_STATES,
    TARGET_STATES,
    TASKS,
    WHY_LISTED,
    word,
)
from ivrd.dunning.numbers import NumberProblem
from ivrd.dunning.person import InCampaign, Person, look_up, person
from ivrd.dunning.reasons import reason
from ivrd.dunning_settings import number_plan
from ivrd.store.debtors import set_class
from ivrd.store.notes import add_note
from ivrd.store.states import DebtorClass, Task
from ivrd.store.worklist import open_task

MOST_NOTES = 10


@click.group()
def debtor() -> None:
    """Show debtors, class them, and note what calls cannot know."""


@debtor.command()
@click.argument("who", metavar="ACCOUNT|NUMBER")
@json_option
@click.pass_obj
def show(config_file: Path, who: str, as_json: bool) -> None:
    """Show all that is known of a debtor, in full."""
    config = settings(config_file)
    with own_store(config) as store:
        found = store.read(lambda tx: person(tx, look_up(tx, who, _number_in(config, who))))
    if not found.is_known:
        raise Refused("nothing is known of it; `ivrd why` says whether it could be called")
    if as_json:
        print_json(found.plain(config.zone))
    else:
        print_person(found, config)


@debtor.command("class")
@click.argument("account")
@click.argument("to", metavar="CLASS", type=click.Choice([c.value for c in DebtorClass]))
@click.option("--note", "text", required=True, metavar="TEXT", help="Why; it is kept.")
@click.option("--next", "action", metavar="ACTION",
              help="What is to happen next: call, or a task of the worklist.",
              type=click.Choice(["call", *(t.value for t in Task)]))  # fmt: skip
@click.option("--at", metavar="TIME", help="When: 15:00 or 2026-11-25T09:30.")
@click.option("--owner", metavar="WHO", help="Who sees to it.")
@json_option
@click.pass_obj
def set_debtor_class(
    config_file: Path, account: str, to: str, text: str, action: str | None, at: str | None,
    owner: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Put a debtor into a class, with a note.

    will_pay 近期交纳, undecided 暂未明确, unreachable 无法联系, away 异地, refuses 特殊拒交.
    """
    config = settings(config_file)
    with own_store(config) as store:
        when = to_come(at, store.now(), config.zone) if at else None

        def job(tx: Connection, now: Any, by: str) -> None:
            _must_be_known(tx, account, config)
            set_class(
                tx, account, DebtorClass(to), by, now, next_action=action, next_at=when, owner=owner
            )
            add_note(tx, account, now, by, text)

        act(store, "debtor.class", {"account": account, "class": to}, job)
    _done(f"{account} is now: {word(to, CLASSES, 'en')}", {"account": account, "class": to},
          as_json=as_json)  # fmt: skip


@debtor.command()
@click.argument("account")
@click.argument("text")
@json_option
@click.pass_obj
def note(config_file: Path, account: str, text: str, as_json: bool) -> None:
    """Write a note on an account."""
    if not text.strip():
        raise click.BadParameter("an empty note")
    config = settings(config_file)
    with own_store(config) as store:

        def job(tx: Connection, now: Any, by: str) -> int:
            _must_be_known(tx, account, config)
            return add_note(tx, account, now, by, text)

        number = act(store, "debtor.note", {"account": account}, job)
    _done(f"note {number} is kept", {"account": account, "note": number}, as_json=as_json)


@debtor.command()
@click.argument("account")
@click.argument("what", metavar="TASK", type=click.Choice([t.value for t in Task]))
@click.option("--due", required=True, metavar="DAY", help="2026-11-25, today, 3d.")
@click.option("--owner", metavar="WHO", help="Who is to do it.")
@click.option("--note", "text", metavar="TEXT", help="What they should know.")
@json_option
@click.pass_obj
def task(
    config_file: Path, account: str, what: str, due: str, owner: str | None, text: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Put something on the worklist that a call cannot do: a letter, a visit, a new number."""
    config = settings(config_file)
    with own_store(config) as store:
        day = coming_day(due, store.now(), config.zone)

        def job(tx: Connection, now: Any, by: str) -> int:
            del by
            _must_be_known(tx, account, config)
            return open_task(tx, account, Task(what), now, day, owner=owner, text=text)

        number = act(store, "debtor.task", {"account": account, "task": what}, job)
    _done(
        f"entry {number} of the worklist: {word(what, TASKS, 'en')}, by {day}",
        {"account": account, "entry": number, "due": day}, as_json=as_json,
    )  # fmt: skip


def _number_in(config: Config, text: str) -> str | None:
    """Return the number in E.164 that `text` reads as; None where it is none."""
    with suppress(NumberProblem):
        return number_plan(config).e164(text)
    return None


def _done(told: str, data: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(data)
    else:
        click.echo(told)


def _must_be_known(tx: Connection, account: str, config: Config) -> None:
    """Refuse an account of which nothing is known: most likely it is mistyped, or a number."""
    if person(tx, look_up(tx, account, None)).is_known:
        return
    owners = person(tx, look_up(tx, account, _number_in(config, account))).accounts
    if owners:
        raise Refused(f"that is a number, of account {', '.join(owners)}: name the account")
    raise Refused("no campaign and no note knows that account; it is the billing data's own id")


def print_person(found: Person, config: Config) -> None:
    """Print how a debtor stands."""
    print_facts(person_facts(found, config))
    if found.campaigns:
        click.echo()
        print_table(
            ("campaign", "is", "debtor", "why", "owed", "calls", "next call"),
            [_in_campaign(one, config) for one in found.campaigns],
        )
    _promises(found, config)
    _tasks(found)
    for written in found.notes[:MOST_NOTES]:
        click.echo(f"\n{local(written.at, config.zone)} {written.by}: {written.text}")
    left = len(found.notes) - MOST_NOTES
    if left > 0:
        click.echo(f"\n{left} older notes: --json tells all")


def person_facts(found: Person, config: Config) -> dict[str, Any]:
    """Return who somebody is, and what holds for all campaigns."""
    facts: dict[str, Any] = {
        "account": ", ".join(found.accounts), "numbers": ", ".join(found.numbers),
    }  # fmt: skip
    for listed in found.do_not_call:
        whose = f" (not of {listed.account})" if listed.account else ""
        facts[f"do not call {listed.number}"] = (
            f"{word(listed.why, WHY_LISTED, 'en')}{whose}, since"
            f" {local(listed.added_at, config.zone)}"
        )
    for one in found.debtors:
        since = f"since {local(one.since, config.zone)}, by {one.set_by}"
        facts["class"] = f"{word(one.debtor_class, CLASSES, 'en')}, {since}"
        if one.next_action:
            at = f", {local(one.next_at, config.zone)}" if one.next_at else ""
            facts["next action"] = f"{word(one.next_action, TASKS, 'en')}{at}"
        if one.owner:
            facts["owner"] = one.owner
    return facts


def _in_campaign(one: InCampaign, config: Config) -> Sequence[Any]:
    return (
        one.campaign, word(one.campaign_state, CAMPAIGN_STATES, "en"),
        word(one.state, TARGET_STATES, "en"), reason(one.why) if one.why else None,
        yuan(one.amount_fen), one.tries,
        local(one.next_at, config.zone, short=True) if one.is_open else None,
    )  # fmt: skip


def _promises(found: Person, config: Config) -> None:
    if found.promises:
        click.echo()
        print_table(
            ("promised", "amount", "pay by", "state"),
            [
                (local(p.made_at, config.zone, short=True), yuan(p.amount_fen), p.pay_by,
                 word(p.state, PROMISE_STATES, "en"))
                for p in found.promises
            ],
        )  # fmt: skip


def _tasks(found: Person) -> None:
    if found.tasks:
        click.echo()
        print_table(
            ("no.", "task", "due", "owner", "note", "done by"),
            [(t.id, word(t.task, TASKS, "en"), t.due, t.owner, t.text, t.done_by)
             for t in found.tasks],
        )  # fmt: skip
