"""`ivrd worklist`: what people are to do, and who did it (催缴记录表)."""

from __future__ import annotations

from pathlib import Path

import click

from ivrd.cli.output import Refused, json_option, print_json
from ivrd.cli.own_store import act, operator, own_store
from ivrd.cli.report import show_worklist
from ivrd.cli.report_output import Shown, report_options
from ivrd.cli.settings import settings
from ivrd.store.worklist import close_task


@click.group()
def worklist() -> None:
    """List what people are to do for debtors, and sign it off."""


@worklist.command("list")
@click.option("--due-by", metavar="DAY", help="To be done by then: 2026-11-25, today, 3d.")
@click.option("--owner", metavar="WHO", help="Of this person.")
@click.option("--account", metavar="ACCOUNT", help="For this account.")
@click.option("--all", "with_done", is_flag=True, help="With what is done.")
@report_options
@click.pass_obj
def list_tasks(
    config_file: Path, due_by: str | None, owner: str | None, account: str | None,
    with_done: bool, shown: Shown,
) -> None:  # fmt: skip
    """List what is to be done, the most urgent first."""
    show_worklist(settings(config_file), due_by, owner, account, shown, with_done=with_done)


@worklist.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--result", metavar="TEXT", help="What came of it.")
@json_option
@click.pass_obj
def done(config_file: Path, number: int, result: str | None, as_json: bool) -> None:
    """Sign off entry NUMBER: it is done, by you, now."""
    with own_store(settings(config_file)) as store:
        closed = act(
            store, "worklist.done", {"entry": number},
            lambda tx, now, by: _close(close_task(tx, number, now, by, result), number),
        )  # fmt: skip
    if as_json:
        print_json({"entry": closed, "done_by": operator()})
    else:
        click.echo(f"entry {closed} is done, signed off by {operator()}")


def _close(closed: bool, number: int) -> int:
    """Refuse, and with it the audit row, where nothing was closed."""
    if not closed:
        raise Refused(f"no open entry {number}; `ivrd worklist list` shows those there are")
    return number
